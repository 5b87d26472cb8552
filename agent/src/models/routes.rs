//! The routes of the mode, as the inference service and the model monitor before it had them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde_json::{Map, Value, json};

use super::activity::{Reports, Standing};
use super::folder::{Folder, FolderError, Model};
use super::settings::Monitoring;
use crate::bus::{Activity, Fault, Job, Units, Verb};
use crate::names::ModelName;
use crate::server::{Caller, Problem, Reply, Role, protect};
use crate::{clock, journal};

/// How long a request without `?wait=true` waits, so that a model that cannot start at all is told at once.
const FIRST_LOOK: Duration = Duration::from_secs(3);
/// How often a model must be seen to run by those who wait.
const LOOKS: u32 = 3;
/// How often a model that is about to run is looked at.
const PAUSE: Duration = Duration::from_millis(250);

/// What the routes work on.
pub struct Models {
    pub folder: Folder,
    pub units: Arc<dyn Units>,
    pub reports: Reports,
    pub monitoring: Monitoring,
    pub wait: Duration,
}

type Shared = State<Arc<Models>>;

/// The routes over the models of a host.
pub fn router(models: Arc<Models>) -> Router {
    let read = Router::new()
        .route("/", get(overview))
        .route("/models", get(list))
        .route("/models/running", get(running))
        .route("/models/active", get(active))
        .route("/models/idle", get(idle))
        .route("/models/activity", get(activity));
    let operate = Router::new()
        .route("/models/{name}/start", post(start))
        .route("/models/{name}/stop", post(stop))
        .route("/models/{name}/restart", post(restart))
        .route("/models/{name}/report", post(report));
    protect(read, Role::Read)
        .merge(protect(operate, Role::Operate))
        .route("/health", get(health))
        .with_state(models)
}

impl Models {
    /// The names of models whose units run, by one question to systemd.
    pub async fn running(&self) -> Result<Vec<ModelName>, Fault> {
        let units = self.units.models().await?;
        let running = units.iter().filter(|unit| unit.activity == Activity::Active);
        let mut names: Vec<ModelName> = running.filter_map(|unit| ModelName::of_unit(&unit.name)).collect();
        names.sort();
        Ok(names)
    }

    fn listed(&self) -> Result<Vec<Model>, Problem> {
        self.folder.models().map_err(|error: FolderError| {
            journal::error(&journal::causes(&error));
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The folder of models cannot be read")
                .with_hint("The agent's journal says why")
        })
    }

    /// The model of a request. Only what has a file can be named.
    fn existing(&self, name: Result<Path<String>, PathRejection>) -> Result<Model, Problem> {
        let name = Self::named(name)?;
        let unknown = || Problem::new(StatusCode::NOT_FOUND, format!("Unknown model {name}"));
        self.folder.model(&name).ok_or_else(unknown)
    }

    /// The model whose unit a request is about. What runs can be stopped, also if its file is gone.
    async fn subject(&self, verb: Verb, name: Result<Path<String>, PathRejection>) -> Result<ModelName, Problem> {
        let name = Self::named(name)?;
        let Some(model) = self.folder.model(&name) else {
            let is_there = verb == Verb::Stop
                && self
                    .units
                    .details(&name.unit())
                    .await
                    .is_ok_and(|unit| matches!(unit.activity, Activity::Active | Activity::Changing));
            let unknown = || Problem::new(StatusCode::NOT_FOUND, format!("Unknown model {name}"));
            return is_there.then_some(name.clone()).ok_or_else(unknown);
        };
        match model.port {
            Err(why) if verb != Verb::Stop => {
                let message = format!(
                    "Model {name} cannot {}: {why}",
                    if verb == Verb::Start { "start" } else { "restart" }
                );
                Err(Problem::new(StatusCode::CONFLICT, message).with_hint("Correct the file of the model"))
            }
            _ => Ok(model.name),
        }
    }

    fn named(name: Result<Path<String>, PathRejection>) -> Result<ModelName, Problem> {
        let invalid = || Problem::new(StatusCode::BAD_REQUEST, "Invalid model name");
        let Path(text) = name.map_err(|_| invalid())?;
        ModelName::parse(&text).map_err(|_| invalid())
    }

    /// How each model of the folder stands, and when it was last reported.
    fn standings(&self, now: u64) -> Result<Vec<(ModelName, Option<u64>, Standing)>, Problem> {
        let standing = |model: Model| {
            let last = self.reports.last(&model.name, now);
            (model.name, last, Standing::at(now, last, &self.monitoring))
        };
        Ok(self.listed()?.into_iter().map(standing).collect())
    }

    async fn act(&self, verb: Verb, name: &ModelName, waits: bool) -> Result<Reply, Problem> {
        let (word, done, going_on) = match verb {
            Verb::Start => ("start", "started", "Starting"),
            Verb::Stop => ("stop", "stopped", "Stopping"),
            Verb::Restart => ("restart", "restarted", "Restarting"),
        };
        let unit = name.unit();
        let patience = if waits { self.wait } else { FIRST_LOOK };
        let until = tokio::time::Instant::now() + patience;
        let failed = |fault: Fault| {
            journal::warning(&format!("cannot {word} {unit}: {fault}"));
            fault.problem(&format!("{word} model {name}"))
        };
        let job = self.units.act(verb, &unit, patience).await.map_err(failed)?;
        let wanted = if verb == Verb::Stop {
            Activity::Inactive
        } else {
            Activity::Active
        };
        // A program that ends at once was active for a moment.
        let mut looks = if waits && verb != Verb::Stop { LOOKS } else { 1 };
        loop {
            let details = self.units.details(&unit).await.map_err(failed)?;
            // A model that was stopped by force has failed, and is stopped.
            let is_there = details.activity == wanted || (verb == Verb::Stop && details.activity == Activity::Failed);
            let is_refused = matches!(&job, Job::Ended(result) if result != "done");
            let is_over = matches!(details.activity, Activity::Failed | Activity::Inactive);
            looks -= u32::from(is_there && looks > 0);
            if is_there && !is_refused && looks == 0 {
                let message = format!("Successfully {done} model {name}");
                return Ok(Reply::success(
                    json!({ "message": message, "unit_state": details.state }),
                ));
            }
            if matches!(&job, Job::Ended(result) if result == "canceled") {
                let message = format!("Cannot {word} model {name}: another request about it came in between");
                return Err(Problem::new(StatusCode::CONFLICT, message).with("unit_state", details.state));
            }
            if is_refused || (!is_there && job != Job::Running && is_over) {
                let problem = Problem::new(StatusCode::BAD_GATEWAY, format!("Failed to {word} model {name}"));
                let hint = format!("Look at `journalctl -u '{unit}'` on the host");
                return Err(problem.with("unit_state", details.state).with_hint(hint));
            }
            if is_there || tokio::time::Instant::now() < until {
                tokio::time::sleep(PAUSE).await;
            } else if waits {
                let message = format!("Model {name} did not {word} within {} s", self.wait.as_secs());
                return Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, message).with("unit_state", details.state));
            } else {
                let body = json!({ "message": format!("{going_on} model {name}"), "unit_state": details.state });
                return Ok(Reply::with_code(StatusCode::ACCEPTED, "success", body));
            }
        }
    }
}

async fn overview() -> Reply {
    Reply::success(json!({
        "service": "inference-service",
        "version": env!("CARGO_PKG_VERSION"),
        "endpoints": {
            "GET /models": "List models",
            "GET /models/running": "List models that run",
            "GET /models/active": "List models that are in use",
            "GET /models/idle": "List models that are not in use",
            "GET /models/activity": "Show when models were used",
            "POST /models/NAME/start": "Start a model; ?wait=true waits until it runs",
            "POST /models/NAME/stop": "Stop a model",
            "POST /models/NAME/restart": "Restart a model",
            "POST /models/NAME/report": "Report that a model is used",
            "GET /health": "Show whether systemd answers",
            "GET /metrics": "Numbers for Prometheus",
        },
    }))
}

async fn list(State(models): Shared) -> Result<Reply, Problem> {
    let listed = models.listed()?;
    let model = |model: &Model| {
        let port = model.port.as_ref().ok().copied().flatten();
        let mut value = json!({
            "model_name": model.name.as_str(),
            "port": port.map(|port| port.to_string()),
            "file_path": model.path,
        });
        if let Err(error) = &model.port {
            value["error"] = error.clone().into();
        }
        value
    };
    Ok(Reply::success(
        json!({ "models": listed.iter().map(model).collect::<Vec<Value>>() }),
    ))
}

async fn running(State(models): Shared) -> Result<Reply, Problem> {
    let running = models.running().await.map_err(|fault| {
        journal::warning(&format!("cannot list the units of models: {fault}"));
        fault.problem("list the running models")
    })?;
    let known: BTreeSet<ModelName> = models.listed()?.into_iter().map(|model| model.name).collect();
    let names: Vec<&str> = running
        .iter()
        .filter(|name| known.contains(name))
        .map(ModelName::as_str)
        .collect();
    Ok(Reply::success(json!({ "running_models": names })))
}

async fn active(State(models): Shared) -> Result<Reply, Problem> {
    standing_names(&models, "active_models", |standing| standing.is_active)
}

async fn idle(State(models): Shared) -> Result<Reply, Problem> {
    standing_names(&models, "idle_models", |standing| standing.is_idle)
}

fn standing_names(models: &Models, key: &str, is_named: fn(&Standing) -> bool) -> Result<Reply, Problem> {
    let now = clock::now();
    let standings = models.standings(now)?;
    let named = standings.iter().filter(|(_, _, standing)| is_named(standing));
    let names: Vec<&str> = named.map(|(name, ..)| name.as_str()).collect();
    Ok(Reply::success(json!({ key: names, "timestamp": clock::rfc3339(now) })))
}

async fn activity(State(models): Shared) -> Result<Reply, Problem> {
    let now = clock::now();
    let status = models.standings(now)?.into_iter().map(|(name, last, standing)| {
        let value = json!({
            "last_activity": last.map(clock::rfc3339),
            "is_active": standing.is_active,
            "is_idle": standing.is_idle,
        });
        (name.as_str().to_owned(), value)
    });
    let status: Map<String, Value> = status.collect();
    Ok(Reply::success(
        json!({ "activity_status": status, "timestamp": clock::rfc3339(now) }),
    ))
}

type Name = Result<Path<String>, PathRejection>;

async fn start(models: Shared, caller: Extension<Caller>, name: Name, query: RawQuery) -> Result<Reply, Problem> {
    changed(models, &caller, Verb::Start, name, query).await
}

async fn stop(models: Shared, caller: Extension<Caller>, name: Name, query: RawQuery) -> Result<Reply, Problem> {
    changed(models, &caller, Verb::Stop, name, query).await
}

async fn restart(models: Shared, caller: Extension<Caller>, name: Name, query: RawQuery) -> Result<Reply, Problem> {
    changed(models, &caller, Verb::Restart, name, query).await
}

async fn changed(
    State(models): Shared,
    caller: &Caller,
    verb: Verb,
    name: Name,
    RawQuery(query): RawQuery,
) -> Result<Reply, Problem> {
    let action = match verb {
        Verb::Start => "start",
        Verb::Stop => "stop",
        Verb::Restart => "restart",
    };
    let (told, result) = match models.subject(verb, name).await {
        Ok(name) => {
            let result = match waits(query.as_deref()) {
                Ok(waits) => models.act(verb, &name, waits).await,
                Err(problem) => Err(problem),
            };
            (format!("{action} {name}"), result)
        }
        Err(problem) => (action.to_owned(), Err(problem)),
    };
    let end = result.as_ref().map_or_else(Problem::message, |_| "done");
    journal::audit(&caller.name, &caller.peer, &told, end);
    result
}

fn waits(query: Option<&str>) -> Result<bool, Problem> {
    match query.unwrap_or_default() {
        "" | "wait=false" => Ok(false),
        "wait=true" => Ok(true),
        _ => Err(Problem::new(StatusCode::BAD_REQUEST, "Only `?wait=true` is known")),
    }
}

async fn report(State(models): Shared, name: Name) -> Result<Reply, Problem> {
    let name = models.existing(name)?.name;
    let now = clock::now();
    models.reports.report(&name, now);
    let message = format!("Activity reported for model {name}");
    Ok(Reply::success(
        json!({ "message": message, "timestamp": clock::rfc3339(now) }),
    ))
}

async fn health(State(models): Shared) -> Reply {
    let (code, state, message) = match models.units.reachable().await {
        Ok(()) => (StatusCode::OK, "healthy", None),
        Err(fault) => {
            journal::warning(&format!("systemd: {fault}"));
            let problem = fault.problem("ask systemd");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "unhealthy",
                Some(problem.message().to_owned()),
            )
        }
    };
    let body = json!({
        "service": "inference-service",
        "timestamp": clock::rfc3339(clock::now()),
        "dbus": message.is_none(),
        "message": message,
    });
    Reply::with_code(code, state, body)
}
