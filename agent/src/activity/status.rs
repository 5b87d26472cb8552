//! What others can see of the mode: whether it works, and its numbers.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::journal;
use crate::server::{Kind, Metrics};

const LINES: &str = "homelab_agent_activity_lines_total";
const CALLS: &str = "homelab_agent_activity_calls_total";
const RULES: &str = "homelab_agent_activity_rules";
const RELOADS: &str = "homelab_agent_activity_reloads_total";
const WAKES: &str = "homelab_agent_activity_wakes_total";
/// A turn takes milliseconds.
const LONGEST_TURN: Duration = Duration::from_secs(60);

/// What became of something to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Done,
    Failed,
    /// It was told a moment ago.
    Debounced,
    /// Too much is being told already.
    Dropped,
}

/// Shared by the turns and the routes.
#[derive(Clone)]
pub(super) struct Status {
    metrics: Metrics,
    state: Arc<Mutex<State>>,
}

struct State {
    last_turn: Instant,
    log: Option<String>,
}

impl Status {
    pub(super) fn new(metrics: Metrics) -> Self {
        for (kind, name, help) in [
            (
                Kind::Counter,
                LINES,
                "Lines of the log, by whether they were understood.",
            ),
            (
                Kind::Counter,
                CALLS,
                "Calls of the models' agent, by what was asked and its result.",
            ),
            (Kind::Gauge, RULES, "Rules that are used."),
            (
                Kind::Counter,
                RELOADS,
                "Times that the file of rules was read, by result.",
            ),
            (Kind::Counter, WAKES, "Times that the host was to be woken, by result."),
        ] {
            metrics.describe(kind, name, help);
        }
        let state = State {
            last_turn: Instant::now(),
            log: None,
        };
        Self {
            metrics,
            state: Arc::new(Mutex::new(state)),
        }
    }

    pub(super) fn line(&self, is_understood: bool) {
        let result = if is_understood { "understood" } else { "other" };
        self.metrics.count(LINES, &[("result", result)]);
    }

    pub(super) fn rules(&self, result: Result<usize, String>) {
        let (label, problem) = match result {
            Ok(count) => {
                self.metrics
                    .set(RULES, &[], u32::try_from(count).map_or(f64::INFINITY, f64::from));
                ("done", None)
            }
            Err(problem) => ("failed", Some(problem)),
        };
        self.metrics.count(RELOADS, &[("result", label)]);
        if let Some(problem) = problem {
            journal::warning(&format!("the earlier rules stay: {problem}"));
        }
    }

    pub(super) fn told(&self, endpoint: &str, told: Told) {
        let what = endpoint.rsplit('/').next().unwrap_or_default();
        let result = match told {
            Told::Done => "done",
            Told::Failed => "failed",
            Told::Debounced => "debounced",
            Told::Dropped => "dropped",
        };
        self.metrics.count(CALLS, &[("what", what), ("result", result)]);
    }

    pub(super) fn woken(&self, result: &Result<(), String>) {
        let label = if result.is_ok() { "done" } else { "failed" };
        self.metrics.count(WAKES, &[("result", label)]);
        match result {
            Ok(()) => journal::notice("the host of the models is being woken"),
            Err(problem) => journal::warning(&format!("cannot wake the host of the models: {problem}")),
        }
    }

    pub(super) fn log(&self, problem: Option<&io::Error>) {
        let problem = problem.map(|error| format!("cannot read the log: {error}"));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(problem) = problem.as_ref().filter(|problem| state.log.as_ref() != Some(problem)) {
            journal::warning(problem);
        }
        state.log = problem;
    }

    pub(super) fn turned(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).last_turn = Instant::now();
    }

    /// Why it does not work.
    pub(super) fn problem(&self) -> Option<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last_turn.elapsed() > LONGEST_TURN {
            return Some("the log is not followed any more".to_owned());
        }
        state.log.clone()
    }

    #[cfg(test)]
    pub(super) fn calls(&self, what: &str, result: &str) -> f64 {
        let labels = [("what", what), ("result", result)];
        self.metrics.value(CALLS, &labels).unwrap_or_default()
    }
}
