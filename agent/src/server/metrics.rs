//! Numbers about a mode, in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It is as it is now.
    Gauge,
}

#[derive(Debug)]
struct Family {
    kind: Kind,
    help: &'static str,
    /// By the text of its labels.
    series: BTreeMap<String, f64>,
}

/// The numbers of one mode. Copies share them.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Mutex<BTreeMap<&'static str, Family>>>);

impl Metrics {
    /// Names a number before it is counted. One without labels is 0 from then on.
    pub fn describe(&self, kind: Kind, name: &'static str, help: &'static str) {
        let mut families = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        families.entry(name).or_insert(Family {
            kind,
            help,
            series: BTreeMap::new(),
        });
    }

    /// Counts one more.
    pub fn count(&self, name: &'static str, labels: &[(&str, &str)]) {
        self.change(name, labels, |value| *value += 1.0);
    }

    /// Says how much there is now.
    pub fn set(&self, name: &'static str, labels: &[(&str, &str)], to: f64) {
        self.change(name, labels, |value| *value = to);
    }

    /// Forgets all values of a number, for what is about to be counted afresh.
    pub fn clear(&self, name: &'static str) {
        let mut families = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(family) = families.get_mut(name) {
            family.series.clear();
        }
    }

    /// How much there is; `None` for what was never counted.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let families = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        families.get(name)?.series.get(&label_text(labels)).copied()
    }

    fn change(&self, name: &'static str, labels: &[(&str, &str)], change: impl FnOnce(&mut f64)) {
        let mut families = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A number without a description would have no type: it is left out, and the test of its mode misses it.
        if let Some(family) = families.get_mut(name) {
            change(family.series.entry(label_text(labels)).or_insert(0.0));
        }
    }

    /// All of them, as `/metrics` answers.
    pub fn text(&self) -> String {
        let families = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for (name, family) in families.iter() {
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            let _ = write!(text, "# HELP {name} {}\n# TYPE {name} {kind}\n", family.help);
            for (labels, value) in &family.series {
                let _ = writeln!(text, "{name}{labels} {value}");
            }
        }
        text
    }
}

fn label_text(labels: &[(&str, &str)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let label = |(name, value): &(&str, &str)| {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("{name}=\"{value}\"")
    };
    let labels: Vec<String> = labels.iter().map(label).collect();
    format!("{{{}}}", labels.join(","))
}

#[cfg(test)]
mod tests {
    use super::{Kind, Metrics};

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let metrics = Metrics::default();
        metrics.describe(Kind::Counter, "agent_requests_total", "Requests by route and code.");
        metrics.describe(Kind::Gauge, "agent_queue", "Shutdowns in the queue.");
        metrics.count("agent_requests_total", &[("route", "/"), ("code", "200")]);
        metrics.count("agent_requests_total", &[("route", "/"), ("code", "200")]);
        metrics.count("agent_requests_total", &[("route", "a\"b\\c\nd"), ("code", "404")]);
        metrics.set("agent_queue", &[], 1.5);
        metrics.count("nobody_described_this", &[]);
        assert_eq!(
            metrics.text(),
            "# HELP agent_queue Shutdowns in the queue.\n\
             # TYPE agent_queue gauge\n\
             agent_queue 1.5\n\
             # HELP agent_requests_total Requests by route and code.\n\
             # TYPE agent_requests_total counter\n\
             agent_requests_total{route=\"/\",code=\"200\"} 2\n\
             agent_requests_total{route=\"a\\\"b\\\\c\\nd\",code=\"404\"} 1\n"
        );
        metrics.clear("agent_queue");
        assert_eq!(metrics.value("agent_queue", &[]), None);
    }
}
