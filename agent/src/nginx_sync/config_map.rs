//! The ConfigMap, through the API server: one read, and one server-side apply with a field manager of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::Method;
use serde::Deserialize;
use serde_json::json;

use super::render::{LOCATIONS, RULES, Rendered};
use super::settings::{Api, ConfigMap, ObjectName};
use crate::client::{Answer, Client, ClientError, Question};

/// What the API server knows this mode as.
pub(super) const FIELD_MANAGER: &str = "homelab-nginx-sync";
/// What a pod is given.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const TIMEOUT: Duration = Duration::from_secs(10);
/// A ConfigMap has one MiB, and its managed fields come with it.
const LONGEST_ANSWER: usize = 4 * 1024 * 1024;
/// How often a write is tried again after another client was faster.
const MOST_CONFLICTS: u32 = 5;

/// Why the ConfigMap does not hold what it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("cannot read the token `{}`", .path.display())]
    Token { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the API server refuses to {action} ConfigMap/{name} in {namespace}: {code} {message}")]
    Refused {
        action: &'static str,
        name: String,
        namespace: String,
        code: u16,
        message: String,
    },
    #[error("the API server's answer is no ConfigMap: {0}")]
    Answer(#[from] serde_json::Error),
    #[error("ConfigMap/{0} was changed by others each of {MOST_CONFLICTS} times that it was written")]
    Conflicts(String),
}

/// The place of the ConfigMap.
pub(super) struct Store {
    client: Client,
    url: String,
    token_file: PathBuf,
    name: String,
    namespace: String,
}

#[derive(Deserialize)]
struct Held {
    metadata: Metadata,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    resource_version: String,
}

/// What the API server says when it refuses something.
#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    message: String,
}

impl Store {
    /// As a pod reaches it, unless the configuration says otherwise.
    pub(super) fn new(api: &Api, config_map: &ConfigMap) -> Result<Self, String> {
        let url = match &api.url {
            Some(url) => url.to_string(),
            None => url_of_pod().ok_or("no API server: set `api.url`, or run in a pod")?,
        };
        let account = |name: &str| PathBuf::from(ACCOUNT).join(name);
        let mut client = Client::new(TIMEOUT, LONGEST_ANSWER);
        if url.starts_with("https:") {
            let authority = api.authority_file.clone().unwrap_or_else(|| account("ca.crt"));
            client = client.with_authority(&authority).map_err(|error| error.to_string())?;
        }
        let namespace = if let Some(namespace) = &config_map.namespace {
            namespace.clone()
        } else {
            let path = account("namespace");
            let text =
                std::fs::read_to_string(&path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
            ObjectName::parse(text.trim()).ok_or_else(|| format!("`{}` has no namespace", path.display()))?
        };
        Ok(Self {
            client,
            url,
            token_file: api.token_file.clone().unwrap_or_else(|| account("token")),
            name: config_map.name.as_str().to_owned(),
            namespace: namespace.to_string(),
        })
    }

    /// Has the ConfigMap hold `wanted`. What it holds is read each time, so changes by hand are found. `conflict` hears of each
    /// write that another client was faster than. Whether anything had to be written.
    pub(super) async fn reconcile(&self, wanted: &Rendered, conflict: impl Fn()) -> Result<bool, StoreError> {
        for _ in 0..MOST_CONFLICTS {
            let held = self.read().await?;
            let holds = |key: &str, text: &str| held.data.get(key).is_some_and(|held| held == text);
            if holds(LOCATIONS, &wanted.locations) && holds(RULES, &wanted.rules) {
                return Ok(false);
            }
            if self.apply(&held, wanted).await? {
                return Ok(true);
            }
            conflict();
        }
        Err(StoreError::Conflicts(self.name.clone()))
    }

    /// Whether it can be read.
    pub(super) async fn check(&self) -> Result<(), StoreError> {
        self.read().await.map(drop)
    }

    async fn read(&self) -> Result<Held, StoreError> {
        let url = self.address();
        let answer = self.ask(Question::get(&url)).await?;
        if !answer.is_success() {
            return Err(self.refused("read", &answer));
        }
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// Writes over exactly what was read; `false` if it is no longer that.
    async fn apply(&self, held: &Held, wanted: &Rendered) -> Result<bool, StoreError> {
        let body = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "resourceVersion": held.metadata.resource_version,
            },
            "data": { LOCATIONS: wanted.locations, RULES: wanted.rules },
        });
        // Both keys are this mode's: who else writes them loses.
        let url = format!("{}?fieldManager={FIELD_MANAGER}&force=true", self.address());
        let question = Question {
            method: Method::PATCH,
            ..Question::post(&url, "application/apply-patch+yaml", body.to_string().into_bytes())
        };
        let answer = self.ask(question).await?;
        match answer.code {
            409 => Ok(false),
            _ if answer.is_success() => Ok(true),
            _ => Err(self.refused("write", &answer)),
        }
    }

    fn address(&self) -> String {
        let Self {
            url, name, namespace, ..
        } = self;
        format!("{url}/api/v1/namespaces/{namespace}/configmaps/{name}")
    }

    async fn ask(&self, question: Question<'_>) -> Result<Answer, StoreError> {
        // Read each time: the kubelet replaces it.
        let token = std::fs::read_to_string(&self.token_file).map_err(|source| StoreError::Token {
            path: self.token_file.clone(),
            source,
        })?;
        let bearer = format!("Bearer {}", token.trim());
        Ok(self.client.ask(question.with("authorization", &bearer)).await?)
    }

    fn refused(&self, action: &'static str, answer: &Answer) -> StoreError {
        let refusal: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
        StoreError::Refused {
            action,
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            code: answer.code,
            message: refusal.message,
        }
    }
}

fn url_of_pod() -> Option<String> {
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let (host, port) = (
        variable("KUBERNETES_SERVICE_HOST")?,
        variable("KUBERNETES_SERVICE_PORT")?,
    );
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    Some(format!("https://{host}:{port}"))
}
