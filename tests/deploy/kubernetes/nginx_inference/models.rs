//! What stands in for a host with models: the agent's routes that nginx-sync and activity use, and models that answer once started.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// The models' agent of this test. Its threads end with the test's process.
pub(super) struct Models {
    pub(super) port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Name and port, as the list has them.
    listed: Mutex<Vec<(String, String)>>,
    /// What was asked for: `POST /models/tiny/start`, with the token.
    asked: Mutex<Vec<String>>,
    is_silent: Mutex<bool>,
}

impl Models {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let kept = Arc::clone(&shared);
        thread::spawn(move || serve(&listener, move |asked, token| kept.answer(asked, token)));
        Self { port, shared }
    }

    pub(super) fn list(&self, models: &[(&str, u16)]) {
        let models = models.iter().map(|(name, port)| ((*name).to_owned(), port.to_string()));
        *self.shared.listed.lock().unwrap() = models.collect();
    }

    pub(super) fn is_silent(&self, is_silent: bool) {
        *self.shared.is_silent.lock().unwrap() = is_silent;
    }

    /// What was asked for since the last time.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.asked.lock().unwrap())
    }
}

impl Shared {
    fn answer(&self, asked: &str, token: &str) -> (u16, String) {
        if *self.is_silent.lock().unwrap() {
            return (503, String::new());
        }
        if asked == "GET /models" {
            let listed = self.listed.lock().unwrap();
            let entries: Vec<String> = listed
                .iter()
                .map(|(name, port)| format!("{{\"model_name\":{name:?},\"port\":{port:?},\"file_path\":\"/x\"}}"))
                .collect();
            return (
                200,
                format!("{{\"status\":\"success\",\"models\":[{}]}}", entries.join(",")),
            );
        }
        self.asked.lock().unwrap().push(format!("{asked} {token}"));
        let name = asked
            .strip_prefix("POST /models/")
            .and_then(|rest| rest.strip_suffix("/start"));
        if let Some(name) = name {
            let listed = self.listed.lock().unwrap();
            let port = listed
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, port)| port.clone());
            // One that runs already keeps its port.
            if let Some(Ok(listener)) = port.map(|port| TcpListener::bind(format!("0.0.0.0:{port}"))) {
                let name = name.to_owned();
                thread::spawn(move || serve(&listener, move |asked, _| (200, format!("{name} says {asked}\n"))));
            }
        }
        (200, "{\"status\":\"success\"}".to_owned())
    }
}

/// Answers one request a connection.
fn serve(listener: &TcpListener, answer: impl Fn(&str, &str) -> (u16, String)) {
    for stream in listener.incoming().flatten() {
        // A client that goes away before the answer does not matter.
        let _ = exchange(&stream, &answer);
    }
}

fn exchange(mut stream: &TcpStream, answer: impl Fn(&str, &str) -> (u16, String)) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let header = |name: &str| {
        let line = head.iter().find(|line| line.to_lowercase().starts_with(name));
        line.map_or("", |line| line[name.len()..].trim())
    };
    let length = header("content-length:").parse().unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let asked = head.first().map_or("", |line| line.trim_end_matches(" HTTP/1.1"));
    let (code, text) = answer(asked, header("authorization:"));
    write!(
        stream,
        "HTTP/1.1 {code} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )
}
