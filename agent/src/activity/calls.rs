//! Calls the models' agent: not the same again within a while, few at once, and again if it fails.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::settings::Settings;
use super::status::{Status, Told};
use super::wake::Wake;
use crate::client::{Client, ClientError, Question};
use crate::journal;

const LONGEST_ANSWER: usize = 64 * 1024;
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The service that is called.
#[derive(Clone)]
pub(super) struct Calls(Arc<Caller>);

struct Caller {
    client: Client,
    token_file: Option<PathBuf>,
    debounce: Duration,
    retries: u32,
    retry_delay: Duration,
    permits: Arc<Semaphore>,
    windows: Mutex<HashMap<String, Window>>,
    wake: Option<Wake>,
    status: Status,
}

/// While this lasts, an endpoint is not called.
enum Window {
    Calling,
    Until(Instant),
}

impl Calls {
    pub(super) fn new(settings: &Settings, status: Status) -> Result<Self, String> {
        let models = &settings.models;
        let mut client = Client::new(Duration::from_secs(models.timeout), LONGEST_ANSWER);
        if let Some(authority) = &models.authority_file {
            client = client
                .with_authority(authority)
                .map_err(|error| journal::causes(&error))?;
        }
        Ok(Self(Arc::new(Caller {
            client,
            token_file: models.token_file.clone(),
            debounce: Duration::from_secs(models.debounce),
            retries: models.retries,
            retry_delay: Duration::from_secs(models.retry_delay),
            permits: Arc::new(Semaphore::new(models.concurrency.max(1))),
            windows: Mutex::default(),
            wake: settings.wake.clone().map(Wake::new).transpose()?,
            status,
        })))
    }

    /// Calls the endpoint in the background.
    pub(super) fn call(&self, endpoint: String) {
        let caller = Arc::clone(&self.0);
        let now = Instant::now();
        let mut windows = caller.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.retain(|_, window| match window {
            Window::Calling => true,
            Window::Until(end) => *end > now,
        });
        if windows.contains_key(&endpoint) {
            caller.status.told(&endpoint, Told::Debounced);
            return;
        }
        let Ok(permit) = Arc::clone(&caller.permits).try_acquire_owned() else {
            caller.status.told(&endpoint, Told::Dropped);
            return;
        };
        windows.insert(endpoint.clone(), Window::Calling);
        drop(windows);
        tokio::spawn(async move {
            let result = caller.attempts(&endpoint).await;
            // What failed may be told again soon: the next request does so.
            let (told, window) = match &result {
                Ok(()) => (Told::Done, caller.debounce),
                Err(_) => (Told::Failed, caller.retry_delay),
            };
            if let Err(why) = result {
                journal::warning(&why);
            }
            caller.status.told(&endpoint, told);
            let mut windows = caller.windows.lock().unwrap_or_else(PoisonError::into_inner);
            windows.insert(endpoint, Window::Until(Instant::now() + window));
            drop(permit);
        });
    }
}

impl Caller {
    async fn attempts(&self, endpoint: &str) -> Result<(), String> {
        let mut pause = self.retry_delay;
        let mut attempt = 0;
        loop {
            let (problem, is_final) = match self.post(endpoint).await {
                Ok(code) if (200..300).contains(&code) => return Ok(()),
                // The same question gets the same answer.
                Ok(code) => (
                    format!("{endpoint} answers with {code}"),
                    (400..500).contains(&code) && code != 429,
                ),
                Err(problem) => (problem, false),
            };
            if is_final || attempt == self.retries {
                return Err(problem);
            }
            attempt += 1;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn post(&self, endpoint: &str) -> Result<u16, String> {
        let bearer = match &self.token_file {
            Some(path) => {
                let token = std::fs::read_to_string(path)
                    .map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
                Some(format!("Bearer {}", token.trim()))
            }
            None => None,
        };
        let mut question = Question::post(endpoint, "application/json", b"{}".to_vec());
        if let Some(bearer) = &bearer {
            question = question.with("authorization", bearer);
        }
        match self.client.ask(question).await {
            Ok(answer) => Ok(answer.code),
            Err(error) => {
                self.wake_after(&error).await;
                Err(journal::causes(&error))
            }
        }
    }

    async fn wake_after(&self, error: &ClientError) {
        if !error.is_unreachable() {
            return;
        }
        if let Some(wake) = &self.wake
            && let Some(woken) = wake.wake().await
        {
            self.status.woken(&woken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Metrics;
    use crate::test_server::TestServer;

    fn calls(url: &str, more: &str) -> (Calls, Status) {
        let text = format!("log = '/l'\nrules = '/r'\n[models]\nurl = '{url}'\nretry_delay = 0\n{more}");
        let settings: Settings = toml::from_str(&text).expect("read");
        let status = Status::new(Metrics::default());
        (Calls::new(&settings, status.clone()).expect("settings"), status)
    }

    async fn until(condition: impl Fn() -> bool) {
        for _ in 0..500 {
            if condition() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it does not happen");
    }

    #[tokio::test]
    async fn the_same_is_told_once() {
        let server = TestServer::start(|_| (200, String::new())).await;
        let (calls, status) = calls(&server.url, "");
        for _ in 0..3 {
            calls.call(format!("{}/models/a/report", server.url));
        }
        until(|| status.calls("report", "done") > 0.0).await;
        calls.call(format!("{}/models/a/report", server.url));
        assert!((status.calls("report", "debounced") - 3.0).abs() < 0.1);
        calls.call(format!("{}/models/b/report", server.url));
        until(|| status.calls("report", "done") > 1.0).await;
        assert_eq!(server.asked().len(), 2);
    }

    #[tokio::test]
    async fn what_fails_is_tried_again_and_is_not_debounced() {
        let server = TestServer::start(|asked| (if asked.len() < 4 { 503 } else { 200 }, String::new())).await;
        let endpoint = format!("{}/models/a/start", server.url);
        let (calls, status) = calls(&server.url, "retries = 1");
        calls.call(endpoint.clone());
        until(|| status.calls("start", "failed") > 0.0).await;
        calls.call(endpoint.clone());
        until(|| status.calls("start", "done") > 0.0).await;
        assert_eq!(server.asked().len(), 4);
        calls.call(endpoint);
        assert!(status.calls("start", "debounced") > 0.0);
    }

    #[tokio::test]
    async fn a_refusal_is_final() {
        let server = TestServer::start(|_| (404, String::new())).await;
        let (calls, status) = calls(&server.url, "");
        calls.call(format!("{}/models/a/report", server.url));
        until(|| status.calls("report", "failed") > 0.0).await;
        assert_eq!(server.asked().len(), 1);
    }

    #[tokio::test]
    async fn few_run_at_once() {
        // A listener that never answers.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("http://{}", silent.local_addr().expect("bound"));
        let (calls, status) = calls(&url, "concurrency = 2\n");
        for name in ["a", "b", "c"] {
            calls.call(format!("{url}/models/{name}/report"));
        }
        assert!((status.calls("report", "dropped") - 1.0).abs() < 0.1);
    }

    #[tokio::test]
    async fn a_host_that_is_off_is_woken_once() {
        let service = TestServer::start(|_| (200, String::new())).await;
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("bound")
            .local_addr()
            .expect("bound");
        let wake = format!("retries = 2\n[wake]\nurl = '{}/wake'\nname = 'box'", service.url);
        let (calls, status) = calls(&format!("http://{gone}"), &wake);
        calls.call(format!("http://{gone}/models/a/start"));
        until(|| status.calls("start", "failed") > 0.0).await;
        assert_eq!(service.asked().len(), 1);
    }
}
