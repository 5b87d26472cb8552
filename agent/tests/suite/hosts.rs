//! A host that is made up, and an agent on it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use homelab_agent::bus::{Activity, Fault, Job, Login, Scheduled, UnitDetails, UnitState, Units, Verb};
use homelab_agent::client::{Answer, Client, Question};
use homelab_agent::server::{Address, Environment, Listeners, Server, Settings};
use serde_json::Value;

pub(crate) const READ: &str = "read-read-read-read";
pub(crate) const OPERATE: &str = "operate-operate-operate";

/// A logind that does what logind was seen to do.
#[derive(Default)]
pub(crate) struct FakeLogin(pub(crate) Mutex<LoginState>);

pub(crate) struct LoginState {
    pub(crate) permission: String,
    pub(crate) scheduled: Option<Scheduled>,
    pub(crate) blockers: Vec<String>,
    pub(crate) boot: u64,
    pub(crate) fault: Option<Fault>,
    pub(crate) wall: String,
    pub(crate) log: Vec<String>,
}

impl Default for LoginState {
    fn default() -> Self {
        Self {
            permission: "yes".to_owned(),
            scheduled: None,
            blockers: Vec::new(),
            boot: 1,
            fault: None,
            wall: String::new(),
            log: Vec::new(),
        }
    }
}

impl FakeLogin {
    pub(crate) fn change(&self, change: impl FnOnce(&mut LoginState)) {
        change(&mut self.0.lock().expect("not poisoned"));
    }

    pub(crate) fn armed(&self) -> Option<u64> {
        self.0
            .lock()
            .expect("not poisoned")
            .scheduled
            .as_ref()
            .map(|scheduled| scheduled.at)
    }

    fn with<T>(&self, read: impl FnOnce(&mut LoginState) -> T) -> Result<T, Fault> {
        let mut state = self.0.lock().expect("not poisoned");
        match &state.fault {
            Some(fault) => Err(fault.clone()),
            None => Ok(read(&mut state)),
        }
    }
}

#[async_trait]
impl Login for FakeLogin {
    async fn can_power_off(&self) -> Result<String, Fault> {
        // As seen on Debian 13: while something blocks, nothing is allowed.
        self.with(|state| {
            if state.blockers.is_empty() {
                state.permission.clone()
            } else {
                "challenge".to_owned()
            }
        })
    }

    async fn scheduled(&self) -> Result<Option<Scheduled>, Fault> {
        self.with(|state| state.scheduled.clone())
    }

    async fn schedule(&self, kind: &str, at: u64) -> Result<(), Fault> {
        self.with(|state| {
            state.log.push(format!("schedule {kind}"));
            state.scheduled = Some(Scheduled {
                kind: kind.to_owned(),
                at,
            });
        })
    }

    async fn cancel(&self) -> Result<bool, Fault> {
        self.with(|state| {
            state.log.push("cancel".to_owned());
            state.scheduled.take().is_some()
        })
    }

    async fn blockers(&self) -> Result<Vec<String>, Fault> {
        self.with(|state| state.blockers.clone())
    }

    async fn set_wall_message(&self, text: &str) -> Result<(), Fault> {
        self.with(|state| text.clone_into(&mut state.wall))
    }

    async fn boot(&self) -> Result<u64, Fault> {
        self.with(|state| state.boot)
    }
}

/// A systemd with units of models.
#[derive(Default)]
pub(crate) struct FakeUnits(pub(crate) Mutex<UnitsState>);

#[derive(Default)]
pub(crate) struct UnitsState {
    pub(crate) units: BTreeMap<String, UnitDetails>,
    pub(crate) lists: u32,
    pub(crate) acts: Vec<String>,
    /// How the next jobs end.
    pub(crate) job: Option<Job>,
    /// What a started unit is then.
    pub(crate) after: Option<&'static str>,
    pub(crate) fault: Option<Fault>,
}

pub(crate) fn details(state: &str, active_since: u64) -> UnitDetails {
    UnitDetails {
        activity: Activity::parse(state),
        state: state.to_owned(),
        active_since,
    }
}

impl FakeUnits {
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut UnitsState) -> T) -> T {
        change(&mut self.0.lock().expect("not poisoned"))
    }

    fn with<T>(&self, read: impl FnOnce(&mut UnitsState) -> T) -> Result<T, Fault> {
        self.change(|state| match &state.fault {
            Some(fault) => Err(fault.clone()),
            None => Ok(read(state)),
        })
    }
}

#[async_trait]
impl Units for FakeUnits {
    async fn models(&self) -> Result<Vec<UnitState>, Fault> {
        self.with(|state| {
            state.lists += 1;
            let unit = |(name, details): (&String, &UnitDetails)| UnitState {
                name: name.clone(),
                activity: details.activity,
            };
            state.units.iter().map(unit).collect()
        })
    }

    async fn details(&self, unit: &str) -> Result<UnitDetails, Fault> {
        self.with(|state| state.units.get(unit).cloned().unwrap_or_else(|| details("inactive", 0)))
    }

    async fn act(&self, verb: Verb, unit: &str, _patience: Duration) -> Result<Job, Fault> {
        self.with(|state| {
            state.acts.push(format!("{verb:?} {unit}"));
            let after = state
                .after
                .unwrap_or(if verb == Verb::Stop { "inactive" } else { "active" });
            state.units.insert(unit.to_owned(), details(after, 1));
            state.job.clone().unwrap_or_else(|| Job::Ended("done".to_owned()))
        })
    }

    async fn reachable(&self) -> Result<(), Fault> {
        self.with(|_| ())
    }
}

/// An agent that serves on a port of its own.
pub(crate) struct Agent {
    pub(crate) address: SocketAddr,
    pub(crate) scheme: &'static str,
    _credentials: tempfile::TempDir,
}

/// A folder with tokens.
pub(crate) fn credentials() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("read-token"), READ).expect("written");
    std::fs::write(folder.path().join("operate-token"), OPERATE).expect("written");
    folder
}

/// A server with these settings, on a free port.
pub(crate) fn server(settings: &Settings, credentials: &Path) -> (Server, SocketAddr) {
    let mut listeners = Listeners::default();
    listeners
        .bind(&Address::Tcp(([127, 0, 0, 1], 0).into()))
        .expect("a free port");
    let address = listeners.addresses()[0];
    let environment = Environment {
        listeners,
        credentials: Some(credentials.to_owned()),
        state: None,
    };
    (Server::prepare(settings, environment, true).expect("prepared"), address)
}

impl Agent {
    /// Serves `router` with tokens and many requests a minute.
    pub(crate) fn start(router: axum::Router) -> Self {
        let settings = Settings {
            changes_per_minute: 100_000,
            ..Settings::default()
        };
        Self::start_with(router, &settings)
    }

    pub(crate) fn start_with(router: axum::Router, settings: &Settings) -> Self {
        let credentials = credentials();
        let (server, address) = server(settings, credentials.path());
        tokio::spawn(server.run_until(router, std::future::pending()));
        Self {
            address,
            scheme: "http",
            _credentials: credentials,
        }
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let url = format!("{}://{}{path}", self.scheme, self.address);
        let question = Question {
            method: method.parse().expect("a method"),
            url: &url,
            headers: headers.to_vec(),
            body: body.to_vec(),
        };
        let client = Client::new(Duration::from_secs(20), 1 << 20);
        client.ask(question).await.expect("an answer")
    }

    /// As a caller that may operate.
    pub(crate) async fn json(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let token = format!("Bearer {OPERATE}");
        let headers = [("authorization", &*token), ("content-type", "application/json")];
        let answer = self.ask(method, path, &headers, body.as_bytes()).await;
        let body = serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{path}: {answer:?}"));
        (answer.code, body)
    }
}
