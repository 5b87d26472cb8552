//! What `on_error = "stop_all"` sets for the hosts of a run.

use tokio::sync::watch;

/// Why all hosts stop; none as long as nothing failed that stops them.
pub(super) struct StopAll(watch::Sender<Option<String>>);

impl StopAll {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Why all hosts stop.
    pub(super) fn why(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    /// Stops all hosts. The first reason counts.
    pub(super) fn stop(&self, why: String) {
        self.0.send_if_modified(|told| {
            let is_first = told.is_none();
            told.get_or_insert(why);
            is_first
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_to_stop_counts() {
        let stop = StopAll::new();
        assert_eq!(stop.why(), None);
        stop.stop("a".to_owned());
        stop.stop("b".to_owned());
        assert_eq!(stop.why().as_deref(), Some("a"));
    }
}
