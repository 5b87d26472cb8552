//! Whether objects are as far as they should be: rolled out, ready, or of another state.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::explanation::Objects;

/// A check of what a cluster says of objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectsCheck {
    #[serde(flatten)]
    pub objects: Objects,
    pub until: Until,
}

/// How far objects should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// What is usual for objects of their kinds: rolled out, ready, bound, complete.
    Done,
    /// They are there.
    Exists,
    /// A condition has this status.
    Condition { name: String, status: String },
    /// What a path of `kubectl` leads to is this text.
    Value { path: String, equals: String },
}

impl fmt::Display for ObjectsCheck {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let objects = &self.objects;
        match &self.until {
            Until::Done => write!(formatter, "{objects}"),
            Until::Exists => write!(formatter, "presence of {objects}"),
            Until::Condition { name, status } if status == "True" => write!(formatter, "{name} of {objects}"),
            Until::Condition { name, status } => write!(formatter, "{name}={status} of {objects}"),
            Until::Value { path, equals } => write!(formatter, "{path} is {equals} of {objects}"),
        }
    }
}

impl ObjectsCheck {
    /// What `kubectl` prints of each object: a line with tabs between kind, name, generation, wanted replicas, status as JSON, and the
    /// value that is asked for.
    pub fn jsonpath(&self) -> String {
        let value = match &self.until {
            Until::Value { path, .. } => path.as_str(),
            Until::Done | Until::Exists | Until::Condition { .. } => "",
        };
        let fields = [
            "{.kind}",
            "{.metadata.name}",
            "{.metadata.generation}",
            "{.spec.replicas}",
            "{.status}",
            value,
        ];
        format!("{{range .items[*]}}{}{{\"\\n\"}}{{end}}", fields.join("{\"\\t\"}"))
    }

    /// Why the objects are not as far as they should be, by what `kubectl` printed; `None` if they are.
    pub fn why_not(&self, printed: &str) -> Option<String> {
        let found: BTreeMap<(&str, &str), Found<'_>> = printed.lines().filter_map(Found::read).collect();
        let reasons = self.objects.names.iter().filter_map(|name| {
            let why = match found.get(&(name.short_kind(), name.name.as_str())) {
                None => "does not exist".to_owned(),
                Some(found) => found.why_not(name.short_kind(), &self.until)?,
            };
            Some(format!("{name}: {why}"))
        });
        let reasons: Vec<String> = reasons.collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }
}

/// An object as `kubectl` printed it.
struct Found<'a> {
    generation: i64,
    replicas: i64,
    status: Json,
    value: &'a str,
}

impl<'a> Found<'a> {
    fn read(line: &'a str) -> Option<((&'a str, &'a str), Self)> {
        let mut fields = line.splitn(6, '\t');
        let id = (fields.next()?, fields.next()?);
        let number = |field: &str, default| field.parse().unwrap_or(default);
        let generation = number(fields.next()?, 0);
        let replicas = number(fields.next()?, 1);
        let status = serde_json::from_str(fields.next()?).unwrap_or(Json::Null);
        let value = fields.next()?;
        let found = Self {
            generation,
            replicas,
            status,
            value,
        };
        Some((id, found))
    }

    fn why_not(&self, kind: &str, until: &Until) -> Option<String> {
        match until {
            Until::Exists => None,
            Until::Done => self.unfinished(kind),
            Until::Condition { name, status } => self.unlike(name, status),
            Until::Value { equals, .. } if self.value == equals => None,
            Until::Value { path, .. } if self.value.is_empty() => Some(format!("`{path}` leads to nothing")),
            Until::Value { path, equals } => Some(format!("`{path}` is `{}` instead of `{equals}`", self.value)),
        }
    }

    fn number(&self, field: &str) -> i64 {
        self.status[field].as_i64().unwrap_or_default()
    }

    /// As `kubectl rollout status` decides it, for the kinds that have rollouts.
    fn unfinished(&self, kind: &str) -> Option<String> {
        let of = |done: i64, all: i64, word: &str| (done < all).then(|| format!("{done} of {all} {word}"));
        match kind {
            "Deployment" | "StatefulSet" | "DaemonSet" => {
                if self.number("observedGeneration") < self.generation {
                    return Some("the cluster has not seen its latest change yet".to_owned());
                }
                match kind {
                    "Deployment" => {
                        let (all, updated) = (self.replicas, self.number("updatedReplicas"));
                        let old = self.number("replicas") - updated;
                        of(updated, all, "updated")
                            .or_else(|| (old > 0).then(|| format!("{old} old not ended yet")))
                            .or_else(|| of(self.number("availableReplicas"), all, "ready"))
                    }
                    "StatefulSet" => {
                        let is_new = self.status["updateRevision"] == self.status["currentRevision"];
                        let updated = self.number("updatedReplicas");
                        of(self.number("readyReplicas"), self.replicas, "ready")
                            .or_else(|| of(updated, self.replicas, "updated").filter(|_| !is_new))
                    }
                    _ => {
                        let all = self.number("desiredNumberScheduled");
                        of(self.number("updatedNumberScheduled"), all, "updated")
                            .or_else(|| of(self.number("numberAvailable"), all, "ready"))
                    }
                }
            }
            "ReplicaSet" => of(self.number("readyReplicas"), self.replicas, "ready"),
            "Job" => self.unlike("Complete", "True"),
            "Pod" if self.status["phase"] == "Succeeded" => None,
            "PersistentVolumeClaim" | "PersistentVolume" => self.in_phase("Bound"),
            "Namespace" => self.in_phase("Active"),
            "CustomResourceDefinition" => self.unlike("Established", "True"),
            "APIService" => self.unlike("Available", "True"),
            // Kinds of others: most have one of these, and what has none is done when it is there.
            _ => match ["Ready", "Available"]
                .into_iter()
                .find(|name| self.condition(name).is_some())
            {
                Some(name) => self.unlike(name, "True"),
                None => (kind == "Pod").then(|| "it has not started yet".to_owned()),
            },
        }
    }

    fn in_phase(&self, wanted: &str) -> Option<String> {
        let phase = self.status["phase"].as_str().unwrap_or("unknown");
        (phase != wanted).then(|| format!("it is {phase} instead of {wanted}"))
    }

    fn condition(&self, name: &str) -> Option<&Json> {
        let conditions = self.status["conditions"].as_array()?;
        let is_named = |condition: &&Json| {
            condition["type"]
                .as_str()
                .is_some_and(|own| own.eq_ignore_ascii_case(name))
        };
        conditions.iter().find(is_named)
    }

    /// Why a condition has not this status.
    fn unlike(&self, name: &str, wanted: &str) -> Option<String> {
        let Some(condition) = self.condition(name) else {
            let failed = self.condition("Failed").filter(|failed| failed["status"] == "True");
            return Some(match failed {
                Some(failed) => format!("it has failed{}", said(failed)),
                None => format!("it has no condition `{name}` yet"),
            });
        };
        let status = condition["status"].as_str().unwrap_or("Unknown");
        let is_same = status.eq_ignore_ascii_case(wanted);
        (!is_same).then(|| format!("{name} is {status}{}", said(condition)))
    }
}

/// What a condition says of itself, to be put behind other words.
fn said(condition: &Json) -> String {
    let text = |field: &str| condition[field].as_str().filter(|text| !text.is_empty());
    let words: Vec<&str> = ["reason", "message"].into_iter().filter_map(text).collect();
    match words.join(": ").lines().next() {
        Some(words) => format!(" ({})", words.chars().take(200).collect::<String>()),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::explanation::ObjectName;
    use super::*;

    fn check(name: &str, until: Until) -> ObjectsCheck {
        ObjectsCheck {
            objects: Objects {
                names: vec![ObjectName::parse(name).expect("a name")],
                ..Objects::default()
            },
            until,
        }
    }

    /// Statuses as API servers of 1.34 give them, without times.
    #[test]
    fn each_kind_is_done_in_its_way() {
        for (name, line, why) in [
            (
                "Deployment/a",
                r#"2	3	{"observedGeneration":2,"replicas":3,"updatedReplicas":3,"readyReplicas":3,"availableReplicas":3}"#,
                None,
            ),
            ("Deployment/a", r#"2	3	{"observedGeneration":1}"#, Some("not seen")),
            (
                "Deployment/a",
                r#"1	3	{"observedGeneration":1,"replicas":3,"updatedReplicas":3,"unavailableReplicas":3}"#,
                Some("0 of 3 ready"),
            ),
            (
                "Deployment/a",
                r#"2	2	{"observedGeneration":2,"replicas":3,"updatedReplicas":1,"availableReplicas":2}"#,
                Some("1 of 2 updated"),
            ),
            (
                "Deployment/a",
                r#"2	2	{"observedGeneration":2,"replicas":3,"updatedReplicas":2,"availableReplicas":3}"#,
                Some("1 old not ended yet"),
            ),
            ("Deployment/a", r#"1	0	{"observedGeneration":1}"#, None),
            (
                "StatefulSet/a",
                r#"1	2	{"observedGeneration":1,"replicas":2,"readyReplicas":2,"updatedReplicas":1,"currentRevision":"a-1","updateRevision":"a-2"}"#,
                Some("1 of 2 updated"),
            ),
            (
                "StatefulSet/a",
                r#"1	1	{"observedGeneration":1,"replicas":1,"readyReplicas":1,"currentRevision":"a-1","updateRevision":"a-1"}"#,
                None,
            ),
            (
                "DaemonSet/a",
                r#"1		{"observedGeneration":1,"desiredNumberScheduled":2,"updatedNumberScheduled":2,"numberAvailable":1}"#,
                Some("1 of 2 ready"),
            ),
            (
                "Job/a",
                r#"1		{"conditions":[{"type":"Complete","status":"True"}]}"#,
                None,
            ),
            (
                "Job/a",
                r#"1		{"conditions":[{"type":"Failed","status":"True","reason":"BackoffLimitExceeded"}]}"#,
                Some("it has failed (BackoffLimitExceeded)"),
            ),
            ("Job/a", r#"1		{"active":1}"#, Some("no condition `Complete`")),
            ("Pod/a", r#"		{"phase":"Succeeded"}"#, None),
            ("Pod/a", r#"		{"phase":"Pending"}"#, Some("not started")),
            (
                "Pod/a",
                r#"		{"phase":"Running","conditions":[{"type":"Ready","status":"False","reason":"ContainersNotReady","message":"containers with unready status: [c]"}]}"#,
                Some("Ready is False (ContainersNotReady: containers with unready status: [c])"),
            ),
            (
                "PersistentVolumeClaim/a",
                r#"		{"phase":"Pending"}"#,
                Some("Pending instead of Bound"),
            ),
            ("Namespace/a", r#"		{"phase":"Active"}"#, None),
            ("ConfigMap/a", "			", None),
            (
                "Node/a",
                r#"		{"conditions":[{"type":"MemoryPressure","status":"False"},{"type":"Ready","status":"True"}]}"#,
                None,
            ),
        ] {
            let (kind, id) = name.split_once('/').expect("a name");
            let printed = format!("{kind}\t{id}\t{line}\t");
            let found = check(name, Until::Done).why_not(&printed);
            match why {
                None => assert_eq!(found, None, "{printed}"),
                Some(why) => assert!(
                    found.as_ref().is_some_and(|found| found.contains(why)),
                    "{printed}: {found:?}"
                ),
            }
        }
        assert_eq!(check("Job/a", Until::Exists).why_not("Job\ta\t1\t\t{}\t"), None);
        let nothing = check("Deployment/a", Until::Done).why_not("");
        assert_eq!(nothing.as_deref(), Some("Deployment/a: does not exist"));
    }

    #[test]
    fn a_condition_and_a_value_are_compared() {
        let condition = |status: &str| Until::Condition {
            name: "Ready".to_owned(),
            status: status.to_owned(),
        };
        let line = "Node\ta\t\t\t{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"}]}\t";
        assert_eq!(check("Node/a", condition("False")).why_not(line), None);
        let why = check("Node/a", condition("True")).why_not(line);
        assert_eq!(why.as_deref(), Some("Node/a: Ready is False"));
        let value = |equals: &str| Until::Value {
            path: "{.status.phase}".to_owned(),
            equals: equals.to_owned(),
        };
        let line = "Pod\ta\t\t\t{\"phase\":\"Running\"}\tRunning";
        assert_eq!(check("Pod/a", value("Running")).why_not(line), None);
        let why = check("Pod/a", value("Pending")).why_not(line);
        assert_eq!(
            why.as_deref(),
            Some("Pod/a: `{.status.phase}` is `Running` instead of `Pending`")
        );
        assert!(
            check("Pod/a", value("x"))
                .jsonpath()
                .contains("{.status}{\"\\t\"}{.status.phase}{\"\\n\"}")
        );
    }
}
