//! Requests that a host makes itself, and what is compared of an answer in JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::kind::{DependsOn, Key, Subject};
use crate::secret::Secret;

/// A request that a host makes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Request {
    pub url: String,
    pub method: String,
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// What is sent. It is never stored.
    #[serde(skip)]
    pub body: Option<Secret>,
    /// The file of the host with the certificates that sign the server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

impl Request {
    /// A plain `GET`.
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            method: "GET".to_owned(),
            headers: Headers::default(),
            body: None,
            ca: None,
        }
    }

    /// Whether any program that fetches pages can make it.
    pub fn is_plain(&self) -> bool {
        self.method == "GET" && self.headers.is_empty() && self.body.is_none()
    }
}

/// Headers of a request: their values may be secret, so only their names are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct Headers(Box<[(String, Secret)]>);

impl Headers {
    /// Headers that were checked before.
    pub fn new(headers: impl IntoIterator<Item = (String, Secret)>) -> Self {
        Self(headers.into_iter().collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values.
    pub fn into_lines(self) -> Vec<(String, Secret)> {
        self.0.into_vec()
    }

    /// Whether there is one of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// The lines, to send them to a host.
    pub fn exposed(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(name, value)| format!("{name}: {}", value.expose()))
    }
}

impl From<Vec<String>> for Headers {
    fn from(names: Vec<String>) -> Self {
        Self::new(names.into_iter().map(|name| (name, Secret::new(""))))
    }
}

impl From<Headers> for Vec<String> {
    fn from(headers: Headers) -> Self {
        headers.0.into_iter().map(|(name, _)| name).collect()
    }
}

/// A request whose answer is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Question(pub Box<Request>);

/// What a web API answers to a question.
#[derive(Clone, Copy)]
pub struct AnswerKey<'a>(pub &'a Question);

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Came {
        status: u16,
        #[serde(with = "crate::value::bytes")]
        body: Vec<u8>,
    },
    /// It is cut off, for this reason.
    Part(String),
    /// Nothing answers, for this reason.
    None(String),
}

impl<'a> Key<'a> for AnswerKey<'a> {
    type Fact = Answer;

    const DEPENDS_ON: DependsOn = DependsOn::Others;

    fn describe(self) -> String {
        format!("the answer of `{}` to a request", self.0.0.url)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<Answer> {
        None
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}

/// A value that is not as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where it is, such as `settings.ports[0]`; empty for the whole.
    pub path: String,
    pub wanted: Json,
    /// `None` if there is nothing.
    pub found: Option<Json>,
}

/// What of `wanted` is not in `found`. Of a table only the keys of `wanted` count; a list has to have the same length.
pub fn differences(wanted: &Json, found: &Json) -> Vec<Difference> {
    let mut all = Vec::new();
    compare(String::new(), wanted, Some(found), &mut all);
    all
}

fn compare(path: String, wanted: &Json, found: Option<&Json>, all: &mut Vec<Difference>) {
    match (wanted, found) {
        (Json::Object(wanted), Some(Json::Object(found))) => {
            for (key, value) in wanted {
                let dot = if path.is_empty() { "" } else { "." };
                compare(format!("{path}{dot}{key}"), value, found.get(key), all);
            }
        }
        (Json::Array(wanted), Some(Json::Array(found))) if wanted.len() == found.len() => {
            for (index, (value, found)) in wanted.iter().zip(found).enumerate() {
                compare(format!("{path}[{index}]"), value, Some(found), all);
            }
        }
        (wanted, Some(found)) if is_same(wanted, found) => {}
        (wanted, found) => all.push(Difference {
            path,
            wanted: wanted.clone(),
            found: found.cloned(),
        }),
    }
}

/// Servers may answer `1.0` where they were given `1`.
fn is_same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wanted_is_compared() {
        for (wanted, found, expected) in [
            (r#"{"a": 1}"#, r#"{"a": 1.0, "b": 2}"#, vec![]),
            (
                r#"{"a": {"b": [1, {"c": "x"}]}}"#,
                r#"{"a": {"b": [1, {"c": "x", "d": 0}]}}"#,
                vec![],
            ),
            (
                r#"{"a": {"b": [1, {"c": "x"}]}}"#,
                r#"{"a": {"b": [2, {"c": "y"}]}}"#,
                vec!["a.b[0]", "a.b[1].c"],
            ),
            (r#"{"a": [1]}"#, r#"{"a": [1, 2]}"#, vec!["a"]),
            (r#"{"a": 1, "b": null}"#, r#"{"a": "1"}"#, vec!["a", "b"]),
            ("[]", "{}", vec![""]),
            ("\"x\"", "\"x\"", vec![]),
        ] {
            let json = |text: &str| serde_json::from_str::<Json>(text).expect("JSON");
            let all = differences(&json(wanted), &json(found));
            let paths: Vec<&str> = all.iter().map(|one| one.path.as_str()).collect();
            assert_eq!(paths, expected, "{wanted} {found}");
        }
    }

    #[test]
    fn values_of_headers_are_not_stored() {
        let request = Request {
            headers: Headers::new([("Authorization".to_owned(), Secret::new("hunter2"))]),
            body: Some(Secret::new("hunter3")),
            ..Request::get("http://x/")
        };
        let stored = serde_json::to_string(&request).expect("stored");
        assert!(
            !stored.contains("hunter") && stored.contains("Authorization"),
            "{stored}"
        );
        assert!(!format!("{request:?}").contains("hunter"));
    }
}
