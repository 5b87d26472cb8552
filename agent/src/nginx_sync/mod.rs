//! Keeps nginx's list of models in a `ConfigMap`: asks which models there are, and applies locations and rules for them.

mod config_map;
mod models;
mod open_webui;
mod render;
mod settings;
mod status;
mod turn;

use std::path::Path;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::json;

use crate::config;
use crate::server::{Environment, Problem, Reply, Server};

use self::settings::Settings;
use self::status::Status;
use self::turn::Turns;

/// Serves the mode with its configuration file, until the process is told to end.
///
/// Errors: the configuration cannot be used, or nothing can be served.
pub async fn serve(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let settings: Settings = config::load(path)?;
    let environment = Environment::of_process(&settings.server)?;
    let server = Server::prepare(&settings.server, environment, false)?;
    let status = Status::new(server.metrics(), settings.longest_turn());
    let mut turns = Turns::new(settings, status.clone())?;
    let work = tokio::spawn(async move {
        loop {
            turns.turn().await;
            tokio::time::sleep(turns.interval()).await;
        }
    });
    let served = server.run(routes(&status)).await;
    work.abort();
    Ok(served?)
}

fn routes(status: &Status) -> Router {
    let (alive, ready) = (status.clone(), status.clone());
    Router::new()
        .route("/health", get(async move || answer(alive.problem(), &alive)))
        .route("/ready", get(async move || answer(ready.missing(), &ready)))
}

fn answer(problem: Option<String>, status: &Status) -> Response {
    match problem {
        None => Reply::success(json!({ "service": "nginx-sync", "sync": status.told() })).into_response(),
        Some(problem) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, problem)
            .with("sync", status.told())
            .into_response(),
    }
}
