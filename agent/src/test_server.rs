//! A server for tests: it keeps what it was asked, and answers as a function says.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Method and target.
    pub(crate) line: String,
    /// All headers.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Answers until it is dropped.
pub(crate) struct TestServer {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl TestServer {
    /// `answer` gets all requests up to this one, and gives a code and a body.
    pub(crate) async fn start(answer: impl Fn(&[Asked]) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &kept, &answer).await;
            }
        });
        Self { url, asked, task }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("not poisoned").clone()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, kept: &Mutex<Vec<Asked>>, answer: &(impl Fn(&[Asked]) -> (u16, String) + Sync)) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.is_ok_and(|count| count == 0) {
            return;
        }
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.expect("a body");
    let (line, rest) = head.split_once(" HTTP/1.1\r\n").expect("a request");
    let asked = Asked {
        line: line.to_owned(),
        head: rest.to_owned(),
        body: String::from_utf8(body).expect("text"),
    };
    let (code, text) = {
        let mut kept = kept.lock().expect("not poisoned");
        kept.push(asked);
        answer(&kept)
    };
    let text = format!(
        "HTTP/1.1 {code} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    );
    stream.get_mut().write_all(text.as_bytes()).await.expect("written");
}
