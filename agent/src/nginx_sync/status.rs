//! What others can see of the mode: whether it works, and its numbers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::journal;
use crate::server::{Kind, Metrics};

const TURNS: &str = "homelab_agent_sync_turns_total";
const CONFLICTS: &str = "homelab_agent_sync_conflicts_total";
const WRITES: &str = "homelab_agent_sync_writes_total";
const MODELS: &str = "homelab_agent_sync_models";
const REFUSED: &str = "homelab_agent_sync_refused_models";
const SOURCE_UP: &str = "homelab_agent_sync_source_up";
const NGINX_CURRENT: &str = "homelab_agent_sync_nginx_current";
const PUSHES: &str = "homelab_agent_sync_open_webui_pushes_total";

/// Shared by the turns and the routes.
#[derive(Clone)]
pub(super) struct Status {
    metrics: Metrics,
    longest_turn: Duration,
    state: Arc<Mutex<State>>,
}

struct State {
    last_turn: Instant,
    source: Option<String>,
    config_map: Option<String>,
    generation: Option<String>,
    /// Whether any turn has ended.
    has_turned: bool,
}

impl Status {
    pub(super) fn new(metrics: Metrics, longest_turn: Duration) -> Self {
        for (kind, name, help) in [
            (Kind::Counter, TURNS, "Turns by result."),
            (Kind::Counter, CONFLICTS, "Writes that another client was faster than."),
            (Kind::Counter, WRITES, "Changes of the ConfigMap."),
            (Kind::Gauge, MODELS, "Models that nginx should serve."),
            (
                Kind::Gauge,
                REFUSED,
                "Models that were left out of the last list: their names or ports are not valid.",
            ),
            (
                Kind::Gauge,
                SOURCE_UP,
                "Whether the models were listed in the last turn.",
            ),
            (Kind::Gauge, NGINX_CURRENT, "Whether nginx has loaded what was applied."),
            (Kind::Counter, PUSHES, "Lists that were sent to Open WebUI, by result."),
        ] {
            metrics.describe(kind, name, help);
        }
        let state = State {
            last_turn: Instant::now(),
            source: None,
            config_map: None,
            generation: None,
            has_turned: false,
        };
        Self {
            metrics,
            longest_turn,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// The models were listed, or not; why.
    pub(super) fn source(&self, problem: Option<String>) {
        self.metrics
            .set(SOURCE_UP, &[], if problem.is_none() { 1.0 } else { 0.0 });
        self.with(|state| replaced(&mut state.source, problem, "the models are not listed"));
    }

    pub(super) fn listed(&self, models: usize, refused: usize) {
        self.metrics.set(MODELS, &[], amount(models));
        self.metrics.set(REFUSED, &[], amount(refused));
    }

    /// The ConfigMap holds this generation, or cannot be written; why.
    pub(super) fn config_map(&self, result: Result<Option<String>, String>) {
        self.with(|state| {
            let problem = match result {
                Ok(generation) => {
                    state.generation = generation.or_else(|| state.generation.take());
                    None
                }
                Err(problem) => Some(problem),
            };
            replaced(&mut state.config_map, problem, "the ConfigMap is not written");
        });
    }

    pub(super) fn wrote(&self) {
        self.metrics.count(WRITES, &[]);
    }

    pub(super) fn conflict(&self) {
        self.metrics.count(CONFLICTS, &[]);
    }

    pub(super) fn pushed(&self, problem: Option<&str>) {
        let result = if problem.is_none() { "done" } else { "failed" };
        self.metrics.count(PUSHES, &[("result", result)]);
        if let Some(problem) = problem {
            journal::warning(&format!("Open WebUI did not take the list: {problem}"));
        }
    }

    pub(super) fn nginx(&self, is_current: bool) {
        self.metrics.set(NGINX_CURRENT, &[], if is_current { 1.0 } else { 0.0 });
    }

    pub(super) fn turned(&self) {
        let result = self.with(|state| {
            state.last_turn = Instant::now();
            state.has_turned = true;
            match (&state.config_map, &state.source) {
                (Some(_), _) => "not-applied",
                (None, Some(_)) => "no-source",
                (None, None) => "done",
            }
        });
        self.metrics.count(TURNS, &[("result", result)]);
    }

    /// Why the process should be started again: its turns do not end.
    pub(super) fn problem(&self) -> Option<String> {
        let age = self.with(|state| state.last_turn.elapsed());
        (age > self.longest_turn).then(|| format!("the last turn was {} s ago", age.as_secs()))
    }

    /// Why it does not do its work. A source that sleeps is none: what was applied last stays.
    pub(super) fn missing(&self) -> Option<String> {
        self.with(|state| {
            if !state.has_turned {
                return Some("the ConfigMap was not read yet".to_owned());
            }
            let problem = state.config_map.as_ref()?;
            Some(format!("the ConfigMap is not written: {problem}"))
        })
    }

    pub(super) fn told(&self) -> Value {
        self.with(|state| {
            json!({
                "source": if state.source.is_none() { "up" } else { "down" },
                "applied": state.has_turned && state.config_map.is_none(),
                "generation": state.generation,
            })
        })
    }

    fn with<T>(&self, use_state: impl FnOnce(&mut State) -> T) -> T {
        use_state(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Tells of a problem once, and when it is over.
fn replaced(known: &mut Option<String>, now: Option<String>, what: &str) {
    match (&known, &now) {
        (Some(before), Some(problem)) if before == problem => {}
        (_, Some(problem)) => journal::warning(&format!("{what}: {problem}")),
        (Some(_), None) => journal::notice(&format!("no longer: {what}")),
        (None, None) => {}
    }
    *known = now;
}

fn amount(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
