//! One turn: ask for the models, decide what counts, have the ConfigMap hold it.

use std::path::PathBuf;
use std::time::Duration;

use super::config_map::Store;
use super::models::{Confirmations, Listed, Model};
use super::open_webui::Push;
use super::render::{GENERATION, Rendered, Upstream, render};
use super::settings::Settings;
use super::status::Status;
use crate::client::{Client, Question};
use crate::journal;

/// The list of the source may be as long as this.
const LONGEST_LIST: usize = 1024 * 1024;

/// Everything that a turn needs, and what it remembers.
pub(super) struct Turns {
    settings: Settings,
    status: Status,
    source: Client,
    store: Store,
    push: Option<Push>,
    confirmations: Confirmations,
    /// What was decided last. It stays while the source is silent.
    decided: Option<(Vec<Model>, Rendered)>,
    refused: Vec<String>,
}

impl Turns {
    pub(super) fn new(settings: Settings, status: Status) -> Result<Self, String> {
        let models = &settings.models;
        let mut source = Client::new(Duration::from_secs(models.timeout), LONGEST_LIST);
        if let Some(authority) = &models.authority_file {
            source = source
                .with_authority(authority)
                .map_err(|error| journal::causes(&error))?;
        }
        Ok(Self {
            status,
            source,
            store: Store::new(&settings.api, &settings.config_map)?,
            push: settings.open_webui.as_ref().map(Push::new).transpose()?,
            confirmations: Confirmations::new(models.empty_answers),
            decided: None,
            refused: Vec::new(),
            settings,
        })
    }

    pub(super) fn interval(&self) -> Duration {
        Duration::from_secs(self.settings.models.interval)
    }

    /// Never fails: what went wrong is in the status, and the next turn tries again.
    pub(super) async fn turn(&mut self) {
        match self.list().await {
            Ok(listed) => {
                self.status.source(None);
                self.decide(listed);
            }
            Err(problem) => self.status.source(Some(problem)),
        }
        self.apply().await;
        self.status.turned();
    }

    async fn list(&self) -> Result<Listed, String> {
        let models = &self.settings.models;
        let mut problem = String::new();
        for attempt in 0..=models.retries {
            if attempt > 0 {
                tokio::time::sleep(Duration::from_secs(models.retry_delay)).await;
            }
            match self.ask().await {
                Ok(listed) => return Ok(listed),
                Err(why) => problem = why,
            }
        }
        Err(problem)
    }

    async fn ask(&self) -> Result<Listed, String> {
        let models = &self.settings.models;
        let url = format!("{}/models", models.url);
        let bearer = models.token_file.as_ref().map(bearer).transpose()?;
        let mut question = Question::get(&url);
        if let Some(bearer) = &bearer {
            question = question.with("authorization", bearer);
        }
        let answer = self
            .source
            .ask(question)
            .await
            .map_err(|error| journal::causes(&error))?;
        if !answer.is_success() {
            return Err(format!("{url} answers with {}", answer.code));
        }
        Listed::read(&answer.body)
    }

    fn decide(&mut self, listed: Listed) {
        let Listed { models, refused } = listed;
        for why in refused.iter().filter(|why| !self.refused.contains(why)) {
            journal::warning(&format!("a model is left out: {why}"));
        }
        self.status.listed(models.len(), refused.len());
        self.refused = refused;
        if !self.confirmations.accepts(&models) {
            return;
        }
        let nginx = &self.settings.nginx;
        let upstream = Upstream {
            host: nginx.upstream.as_str(),
            host_header: nginx.host_header.as_str(),
            retry_after: nginx.retry_after,
        };
        let rendered = render(&models, &upstream, self.settings.models.url.as_str());
        self.decided = Some((models, rendered));
    }

    async fn apply(&mut self) {
        let Some((models, rendered)) = &self.decided else {
            // Nothing to write yet, but whether it could be is known.
            let checked = self.store.check().await.map(|()| None);
            self.status.config_map(checked.map_err(|error| journal::causes(&error)));
            return;
        };
        match self.store.reconcile(rendered, || self.status.conflict()).await {
            Ok(wrote) => {
                if wrote {
                    self.status.wrote();
                    let Rendered { generation, .. } = rendered;
                    journal::notice(&format!("applied generation {generation} with {} models", models.len()));
                }
                self.status.config_map(Ok(Some(rendered.generation.clone())));
            }
            Err(error) => {
                self.status.config_map(Err(journal::causes(&error)));
                return;
            }
        }
        if let Some(url) = &self.settings.nginx.url {
            let url = format!("{url}{GENERATION}");
            let answer = self.source.ask(Question::get(&url)).await;
            let loaded = answer
                .ok()
                .filter(|answer| answer.code == 200)
                .map(|answer| answer.body);
            self.status
                .nginx(loaded.is_some_and(|loaded| loaded.trim_ascii() == rendered.generation.as_bytes()));
        }
        if let Some(push) = &mut self.push
            && let Some(sent) = push.send(models).await
        {
            self.status.pushed(sent.err().as_deref());
        }
    }
}

fn bearer(path: &PathBuf) -> Result<String, String> {
    let token = std::fs::read_to_string(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    Ok(format!("Bearer {}", token.trim()))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;
    use crate::server::Metrics;
    use crate::test_server::{Asked, TestServer};

    /// The ConfigMap of a server that stands in for the API server: it refuses writes over what is not there any more.
    #[derive(Default)]
    struct Held {
        version: u64,
        data: Value,
        /// For how many of the next writes another client is faster.
        overtaken: u32,
    }

    struct Fixture {
        api: TestServer,
        _source: TestServer,
        list: Arc<Mutex<(u16, String)>>,
        held: Arc<Mutex<Held>>,
        turns: Turns,
        status: Status,
        _folder: tempfile::TempDir,
    }

    fn answered(held: &mut Held, asked: &Asked) -> (u16, String) {
        if asked.line.starts_with("PATCH") {
            let body: Value = serde_json::from_str(&asked.body).expect("a body");
            if held.overtaken > 0 {
                held.overtaken -= 1;
                held.version += 1;
            }
            let version = held.version.to_string();
            if body["metadata"]["resourceVersion"] != version.as_str() {
                return (409, json!({ "message": "the object has been modified" }).to_string());
            }
            held.version += 1;
            held.data = body["data"].clone();
        }
        let object = json!({ "metadata": { "resourceVersion": held.version.to_string() }, "data": held.data });
        (200, object.to_string())
    }

    impl Fixture {
        async fn new(more: &str) -> Self {
            let held = Arc::new(Mutex::new(Held {
                data: json!({}),
                ..Held::default()
            }));
            let list = Arc::new(Mutex::new((200, String::new())));
            let (kept, answer) = (Arc::clone(&held), Arc::clone(&list));
            let api = TestServer::start(move |asked| {
                let last = asked.last().expect("a request");
                answered(&mut kept.lock().expect("not poisoned"), last)
            })
            .await;
            let source = TestServer::start(move |_| answer.lock().expect("not poisoned").clone()).await;
            let folder = tempfile::tempdir().expect("a folder");
            let token = folder.path().join("token");
            std::fs::write(&token, "secret\n").expect("written");
            let text = format!(
                "[models]\nurl = '{source}'\nretries = 1\nretry_delay = 0\n[nginx]\nupstream = '192.0.2.7'\n[api]\nurl = '{api}'\ntoken_file = '{token}'\n\
                 [config_map]\nname = 'nginx-config-map'\nnamespace = 'inference'\n{more}",
                source = source.url,
                api = api.url,
                token = token.display(),
            );
            let settings: Settings = toml::from_str(&text).expect("read");
            let status = Status::new(Metrics::default(), settings.longest_turn());
            Self {
                api,
                _source: source,
                list,
                held,
                turns: Turns::new(settings, status.clone()).expect("settings"),
                status,
                _folder: folder,
            }
        }

        async fn turn(&mut self, models: &str) {
            *self.list.lock().expect("not poisoned") = (200, format!("{{\"models\":[{models}]}}"));
            self.turns.turn().await;
        }

        async fn silent(&mut self) {
            *self.list.lock().expect("not poisoned") = (500, String::new());
            self.turns.turn().await;
        }

        fn locations(&self) -> String {
            let held = self.held.lock().expect("not poisoned");
            held.data["nginx.conf"].as_str().unwrap_or_default().to_owned()
        }

        fn writes(&self) -> usize {
            let asked = self.api.asked();
            asked.iter().filter(|asked| asked.line.starts_with("PATCH")).count()
        }
    }

    const A: &str = r#"{"model_name":"a","port":"9001"}"#;

    #[tokio::test]
    async fn models_come_move_and_go() {
        let mut fixture = Fixture::new("").await;
        assert!(fixture.status.missing().is_some());
        fixture.turn(A).await;
        assert!(fixture.locations().contains("proxy_pass http://192.0.2.7:9001/;"));
        assert!(fixture.status.missing().is_none());
        fixture.turn(A).await;
        assert_eq!(fixture.writes(), 1, "nothing changed");
        fixture.turn(r#"{"model_name":"a","port":"9002"}"#).await;
        assert!(fixture.locations().contains("proxy_pass http://192.0.2.7:9002/;"));
        fixture.silent().await;
        fixture.turn("").await;
        fixture.turn("").await;
        assert!(fixture.locations().contains("9002"), "not confirmed yet");
        fixture.turn("").await;
        assert!(!fixture.locations().contains("proxy_pass http"));
        assert_eq!(fixture.writes(), 3);
        let first = fixture
            .api
            .asked()
            .into_iter()
            .find(|asked| asked.line.starts_with("PATCH"))
            .expect("a write");
        assert_eq!(
            first.line,
            "PATCH /api/v1/namespaces/inference/configmaps/nginx-config-map?fieldManager=homelab-nginx-sync&force=true"
        );
        assert!(first.head.contains("application/apply-patch+yaml") && first.head.contains("Bearer secret\r\n"));
    }

    #[tokio::test]
    async fn what_others_change_is_put_back_even_while_the_source_is_silent() {
        let mut fixture = Fixture::new("").await;
        fixture.turn(A).await;
        let before = fixture.locations();
        {
            let mut held = fixture.held.lock().expect("not poisoned");
            held.data = json!({ "nginx.conf": "by hand" });
            held.version += 1;
        }
        fixture.silent().await;
        assert_eq!(fixture.locations(), before);
        assert_eq!(fixture.status.told()["source"], "down");
        assert!(fixture.status.problem().is_none() && fixture.status.missing().is_none());
    }

    #[tokio::test]
    async fn conflicts_are_tried_again_over_what_is_there_then() {
        let mut fixture = Fixture::new("").await;
        fixture.held.lock().expect("not poisoned").overtaken = 3;
        fixture.turn(A).await;
        assert!(fixture.locations().contains("9001"));
        assert_eq!(fixture.writes(), 4);
        fixture.held.lock().expect("not poisoned").overtaken = 100;
        fixture.turn("").await;
        fixture.turn("").await;
        fixture.turn("").await;
        assert!(
            fixture
                .status
                .missing()
                .expect("not written")
                .contains("changed by others")
        );
        fixture.held.lock().expect("not poisoned").overtaken = 0;
        fixture.turn("").await;
        assert!(fixture.status.missing().is_none());
    }

    #[tokio::test]
    async fn a_silent_source_at_the_start_changes_nothing() {
        let mut fixture = Fixture::new("").await;
        fixture.silent().await;
        assert_eq!(fixture.writes(), 0);
        assert!(fixture.status.missing().is_none(), "it could be written");
    }

    #[tokio::test]
    async fn open_webui_gets_each_list_once_and_again_after_a_failure() {
        let webui = TestServer::start(|asked| (if asked.len() == 1 { 500 } else { 201 }, String::new())).await;
        let folder = tempfile::tempdir().expect("a folder");
        let key = folder.path().join("key");
        std::fs::write(&key, "sk-1\n").expect("written");
        let more = format!(
            "[open_webui]\nurl = '{}'\nrouter = 'http://nginx'\nkey_file = '{}'\n",
            webui.url,
            key.display()
        );
        let mut fixture = Fixture::new(&more).await;
        for _ in 0..3 {
            fixture.turn(A).await;
        }
        let asked = webui.asked();
        assert_eq!(asked.len(), 2);
        assert_eq!(asked[1].line, "POST /openai/config/update");
        assert!(asked[1].head.contains("Bearer sk-1\r\n"));
        let body: Value = serde_json::from_str(&asked[1].body).expect("JSON");
        assert_eq!(body["OPENAI_API_BASE_URLS"], json!(["http://nginx/a/v1"]));
        assert_eq!(body["OPENAI_API_KEYS"], json!([""]));
        assert_eq!(body["OPENAI_API_CONFIGS"], json!({ "0": { "enable": true } }));
        // Another port is the same list.
        fixture.turn(r#"{"model_name":"a","port":"9002"}"#).await;
        assert_eq!(webui.asked().len(), 2);
    }
}
