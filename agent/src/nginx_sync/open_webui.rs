//! Tells `Open WebUI` which models there are, each as an address of its own behind nginx.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::models::Model;
use super::settings::OpenWebUi;
use crate::client::{Client, Question};
use crate::journal;

const TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST_ANSWER: usize = 1024 * 1024;

/// An `Open WebUI`, and the list that it took last.
pub(super) struct Push {
    client: Client,
    url: String,
    router: String,
    key_file: PathBuf,
    taken: Option<Vec<Model>>,
}

impl Push {
    pub(super) fn new(settings: &OpenWebUi) -> Result<Self, String> {
        let mut client = Client::new(TIMEOUT, LONGEST_ANSWER);
        if let Some(authority) = &settings.authority_file {
            client = client
                .with_authority(authority)
                .map_err(|error| journal::causes(&error))?;
        }
        Ok(Self {
            client,
            url: format!("{}/openai/config/update", settings.url),
            router: settings.router.to_string(),
            key_file: settings.key_file.clone(),
            taken: None,
        })
    }

    /// Sends the list if it is another one than was taken last. `None`: there was nothing to send.
    pub(super) async fn send(&mut self, models: &[Model]) -> Option<Result<(), String>> {
        let names = |models: &[Model]| models.iter().map(|model| model.name.clone()).collect::<Vec<_>>();
        if self.taken.as_ref().is_some_and(|taken| names(taken) == names(models)) {
            return None;
        }
        let sent = self.exchange(models).await;
        if sent.is_ok() {
            self.taken = Some(models.to_vec());
        }
        Some(sent)
    }

    async fn exchange(&self, models: &[Model]) -> Result<(), String> {
        let key = std::fs::read_to_string(&self.key_file)
            .map_err(|error| format!("cannot read `{}`: {error}", self.key_file.display()))?;
        let bearer = format!("Bearer {}", key.trim());
        let body = body(models, &self.router).to_string().into_bytes();
        let question = Question::post(&self.url, "application/json", body).with("authorization", &bearer);
        self.client.tell(question, "it").await
    }
}

fn body(models: &[Model], router: &str) -> Value {
    let urls: Vec<String> = models
        .iter()
        .map(|model| format!("{router}/{}/v1", model.name))
        .collect();
    let configurations: Map<String, Value> = (0..models.len())
        .map(|index| (index.to_string(), json!({ "enable": true })))
        .collect();
    json!({
        "ENABLE_OPENAI_API": true,
        "OPENAI_API_BASE_URLS": urls,
        "OPENAI_API_KEYS": vec![""; models.len()],
        "OPENAI_API_CONFIGS": configurations,
    })
}
