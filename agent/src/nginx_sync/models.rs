//! The models that the source lists: what of an answer can be trusted, and when an empty list counts.

use serde::Deserialize;
use serde_json::Value;

use crate::names::ModelName;

/// How many models a ConfigMap has room for, with a good margin.
const MOST_MODELS: usize = 256;
/// How much of a refused name is told.
const TOLD: usize = 80;

/// A model that can be served.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Model {
    pub(super) name: ModelName,
    pub(super) port: u16,
}

/// What was made of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    /// By name.
    pub(super) models: Vec<Model>,
    /// What was left out, and why.
    pub(super) refused: Vec<String>,
}

#[derive(Deserialize)]
struct Answer {
    models: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    model_name: Value,
    #[serde(default)]
    port: Value,
}

impl Listed {
    /// Reads the answer to `GET /models`. One bad entry leaves out that entry; an answer of another form is an error.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let answer: Answer =
            serde_json::from_slice(body).map_err(|error| format!("the answer is not a list of models: {error}"))?;
        let mut listed = Self::default();
        for entry in answer.models {
            match entry.checked() {
                Ok(model) if listed.models.iter().any(|other| other.name == model.name) => {
                    listed.refused.push(format!("{}: listed twice", model.name));
                }
                Ok(_) if listed.models.len() == MOST_MODELS => {
                    return Err(format!("more than {MOST_MODELS} models"));
                }
                Ok(model) => listed.models.push(model),
                Err(why) => listed.refused.push(why),
            }
        }
        listed.models.sort();
        Ok(listed)
    }
}

impl Entry {
    fn checked(&self) -> Result<Model, String> {
        let Some(name) = self.model_name.as_str() else {
            return Err("an entry has no name".to_owned());
        };
        let Ok(name) = ModelName::parse(name) else {
            let told: String = name.chars().take(TOLD).collect();
            return Err(format!("{told:?}: not a valid model name"));
        };
        let port = match &self.port {
            Value::String(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => port.parse().ok(),
            Value::Number(port) => port.as_u64().and_then(|port| u16::try_from(port).ok()),
            _ => None,
        };
        match port {
            Some(port) if port > 0 => Ok(Model { name, port }),
            _ => Err(format!("{name}: the port is not a number from 1 to 65535")),
        }
    }
}

/// An empty list counts once the source has said it several times in a row: it says so too when its folder is not mounted yet.
#[derive(Debug)]
pub(super) struct Confirmations {
    needed: u32,
    seen: u32,
}

impl Confirmations {
    pub(super) fn new(needed: u32) -> Self {
        Self { needed, seen: 0 }
    }

    /// Whether this list counts now.
    pub(super) fn accepts(&mut self, models: &[Model]) -> bool {
        if models.is_empty() {
            self.seen = self.seen.saturating_add(1);
            self.seen >= self.needed
        } else {
            self.seen = 0;
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str, port: u16) -> Model {
        Model {
            name: ModelName::parse(name).expect(name),
            port,
        }
    }

    fn one(name: &str, port: &str) -> Listed {
        let name = Value::from(name);
        Listed::read(
            format!(r#"{{"status":"success","models":[{{"model_name":{name},"port":{port},"file_path":"/x"}}]}}"#)
                .as_bytes(),
        )
        .expect("read")
    }

    #[test]
    fn models_are_read_by_name() {
        let body = r#"{"models":[{"model_name":"b","port":"9002"},{"model_name":"a.1_x-y","port":9001}]}"#;
        let listed = Listed::read(body.as_bytes()).expect("read");
        let names: Vec<_> = listed
            .models
            .iter()
            .map(|model| (model.name.as_str(), model.port))
            .collect();
        assert_eq!(names, [("a.1_x-y", 9001), ("b", 9002)]);
        assert!(listed.refused.is_empty());
    }

    #[test]
    fn hostile_names_are_left_out() {
        for name in [
            "",
            "A",
            "-x",
            ".x",
            "a..b",
            "a b",
            "a/b",
            "a;b",
            "a{",
            "a}",
            "a\nb",
            "a\n}\nlocation /x { return 200; }",
            "a$host",
            "a'b",
            "a\"b",
            "a\\b",
            "a#b",
            "a%2f",
            "é",
            "a\u{0}",
            "x.service",
            "x.socket",
            "*",
            "?",
            "[a]",
            "a@b",
        ] {
            let listed = one(name, "9001");
            assert!(listed.models.is_empty(), "{name:?}");
            assert_eq!(listed.refused.len(), 1, "{name:?}");
            assert!(!listed.refused[0].contains('\n'), "{name:?}");
        }
        assert!(one(&"a".repeat(300), "9001").models.is_empty());
    }

    #[test]
    fn ports_outside_the_range_are_left_out() {
        for port in [
            "0",
            "65536",
            "-1",
            "1.5",
            "null",
            "\"\"",
            "\"0\"",
            "\"9001;\"",
            "\"+80\"",
            "\" 80\"",
            "[]",
            "\"99999\"",
            "true",
        ] {
            assert!(one("a", port).models.is_empty(), "{port}");
        }
        assert_eq!(one("a", "\"65535\"").models[0].port, 65535);
    }

    #[test]
    fn one_bad_entry_leaves_the_others() {
        let body = r#"{"models":[{"model_name":"../x","port":1},{"model_name":"a","port":1},{"model_name":"a","port":2},{"model_name":7}]}"#;
        let listed = Listed::read(body.as_bytes()).expect("read");
        assert_eq!(listed.models, [model("a", 1)]);
        assert_eq!(listed.refused.len(), 3);
    }

    #[test]
    fn other_answers_are_errors() {
        for body in [
            "",
            "[]",
            "{}",
            "<html>",
            r#"{"models":{}}"#,
            r#"{"status":"error"}"#,
            r#"{"models":["a"]}"#,
        ] {
            assert!(Listed::read(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn an_empty_list_needs_confirmation() {
        let some = [model("a", 1)];
        let mut confirmations = Confirmations::new(3);
        assert!(!confirmations.accepts(&[]));
        assert!(!confirmations.accepts(&[]));
        assert!(confirmations.accepts(&some));
        assert!(!confirmations.accepts(&[]));
        assert!(!confirmations.accepts(&[]));
        assert!(confirmations.accepts(&[]));
        assert!(confirmations.accepts(&[]));
    }
}
