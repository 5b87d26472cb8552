//! Follows nginx's access log: reports which models are used, and starts those that sleep.

mod calls;
mod line;
mod loaded;
mod rules;
mod settings;
mod status;
mod tail;
mod wake;

use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::json;

use crate::config;
use crate::server::{Environment, Problem, Reply, Server};

use self::calls::Calls;
use self::loaded::Loaded;
use self::settings::Settings;
use self::status::Status;
use self::tail::Tail;

/// How often the log and the rules are looked at.
const TURN: Duration = Duration::from_millis(500);

/// Serves the mode with its configuration file, until the process is told to end.
///
/// Errors: the configuration cannot be used, or nothing can be served.
pub async fn serve(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let settings: Settings = config::load(path)?;
    let environment = Environment::of_process(&settings.server)?;
    let server = Server::prepare(&settings.server, environment, false)?;
    let status = Status::new(server.metrics());
    let mut follower = Follower::new(&settings, status.clone())?;
    let work = tokio::spawn(async move {
        loop {
            follower.turn();
            tokio::time::sleep(TURN).await;
        }
    });
    let served = server.run(routes(&status)).await;
    work.abort();
    Ok(served?)
}

fn routes(status: &Status) -> Router {
    let status = status.clone();
    Router::new().route(
        "/health",
        get(async move || match status.problem() {
            None => Ok(Reply::success(json!({ "service": "activity" }))),
            Some(problem) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, problem)),
        }),
    )
}

/// The log, the rules, and who is called.
struct Follower {
    tail: Tail,
    rules: Loaded,
    calls: Calls,
    status: Status,
}

impl Follower {
    fn new(settings: &Settings, status: Status) -> Result<Self, String> {
        let log = &settings.log;
        Ok(Self {
            tail: Tail::from_end(log).map_err(|error| format!("cannot read `{}`: {error}", log.display()))?,
            rules: Loaded::new(settings.rules.clone(), settings.models.url.clone()),
            calls: Calls::new(settings, status.clone())?,
            status,
        })
    }

    fn turn(&mut self) {
        if let Some(result) = self.rules.refresh() {
            self.status.rules(result);
        }
        let lines = self.tail.turn();
        self.status.log(lines.as_ref().err());
        for line in lines.unwrap_or_default() {
            let request = line::parse(&line);
            self.status.line(request.is_some());
            if let Some(endpoint) = request.and_then(|request| self.rules.rules().endpoint(&request).map(str::to_owned))
            {
                self.calls.call(endpoint);
            }
        }
        self.status.turned();
    }
}
