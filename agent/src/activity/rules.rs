//! The rules: which requests are reported, and where. `nginx-sync` writes them.
//!
//! ```json
//! [{ "pattern": "/tiny/", "endpoint": "http://models:5002/models/tiny/report", "endpoint_429": "http://models:5002/models/tiny/start" }]
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;

use super::line::Request;

/// How many rules a file may have.
const MOST_RULES: usize = 1024;

/// The rules of a file, in its order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rules(Vec<Rule>);

#[derive(Debug, PartialEq, Eq)]
struct Rule {
    /// What the path of a request begins with. No expression: a name with a dot means itself.
    prefix: String,
    /// Where it is reported; none leaves the request alone.
    endpoint: Option<String>,
    /// Where it is reported instead if it ended with this status.
    by_status: BTreeMap<u16, String>,
}

#[derive(Deserialize)]
struct Written {
    pattern: String,
    endpoint: Option<String>,
    #[serde(flatten)]
    others: BTreeMap<String, String>,
}

impl Rules {
    /// Reads a file. Endpoints must be below `models_url`: the token is sent there and nowhere else.
    pub(super) fn read(text: &str, models_url: &str) -> Result<Self, String> {
        let written: Vec<Written> =
            serde_json::from_str(text).map_err(|error| format!("not a list of rules: {error}"))?;
        if written.len() > MOST_RULES {
            return Err(format!("more than {MOST_RULES} rules"));
        }
        let rules: Result<Vec<_>, _> = written.into_iter().map(|rule| rule.checked(models_url)).collect();
        rules.map(Self)
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Where the request is reported: what the first matching rule says.
    pub(super) fn endpoint(&self, request: &Request) -> Option<&str> {
        let rule = self.0.iter().find(|rule| request.path.starts_with(&rule.prefix))?;
        let endpoint = rule.by_status.get(&request.status).or(rule.endpoint.as_ref());
        endpoint.map(String::as_str)
    }
}

impl Written {
    fn checked(self, models_url: &str) -> Result<Rule, String> {
        let Self {
            pattern,
            endpoint,
            others,
        } = self;
        if !pattern.starts_with('/') {
            return Err(format!("the pattern {pattern:?} does not start with /"));
        }
        let within = |endpoint: String| {
            let below = endpoint.strip_prefix(models_url).is_some_and(|rest| {
                rest.starts_with('/') && rest.bytes().all(|byte| byte.is_ascii_graphic()) && !rest.contains("..")
            });
            if below {
                Ok(endpoint)
            } else {
                Err(format!(
                    "the endpoint {endpoint:?} of {pattern:?} is not below {models_url}"
                ))
            }
        };
        let endpoint = endpoint.map(within).transpose()?;
        let by_status: Result<_, String> = others
            .into_iter()
            .map(|(key, endpoint)| {
                let status = key.strip_prefix("endpoint_").and_then(|status| status.parse().ok());
                let status: u16 = status.ok_or_else(|| format!("unknown key {key:?} of {pattern:?}"))?;
                Ok((status, within(endpoint)?))
            })
            .collect();
        Ok(Rule {
            by_status: by_status?,
            endpoint,
            prefix: pattern,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://models:5002";
    const WRITTEN: &str = r#"[
        {"pattern":"/tiny/v1/models"},
        {"pattern":"/tiny/","endpoint":"http://models:5002/models/tiny/report","endpoint_429":"http://models:5002/models/tiny/start"},
        {"pattern":"/","endpoint":"http://models:5002/models/other/report"}
    ]"#;

    fn endpoint(path: &str, status: u16) -> Option<String> {
        let rules = Rules::read(WRITTEN, URL).expect("works");
        let request = Request {
            path: path.to_owned(),
            status,
        };
        rules.endpoint(&request).map(str::to_owned)
    }

    #[test]
    fn the_first_matching_rule_counts() {
        let below = |name: &str| Some(format!("{URL}/models/{name}"));
        assert_eq!(endpoint("/tiny/v1/chat", 200), below("tiny/report"));
        assert_eq!(endpoint("/tiny/v1/chat", 429), below("tiny/start"));
        assert_eq!(endpoint("/tiny/v1/models", 429), None);
        assert_eq!(endpoint("/tinyx/", 429), below("other/report"));
        assert_eq!(endpoint("/x/tiny/", 200), below("other/report"));
    }

    #[test]
    fn patterns_are_no_expressions() {
        let rules = Rules::read(r#"[{"pattern":"/a.b/","endpoint":"http://models:5002/x"}]"#, URL).expect("works");
        let request = |path: &str| Request {
            path: path.to_owned(),
            status: 200,
        };
        assert!(rules.endpoint(&request("/a.b/")).is_some());
        assert!(rules.endpoint(&request("/axb/")).is_none());
    }

    #[test]
    fn wrong_rules_are_refused() {
        for (text, says) in [
            ("", "not a list"),
            ("{}", "not a list"),
            (r#"[{"endpoint":"http://models:5002/x"}]"#, "pattern"),
            (r#"[{"pattern":"a"}]"#, "start with /"),
            (r#"[{"pattern":"/a","endpoint":"http://elsewhere/x"}]"#, "not below"),
            (
                r#"[{"pattern":"/a","endpoint":"http://models:5002.evil.example/x"}]"#,
                "not below",
            ),
            (
                r#"[{"pattern":"/a","endpoint":"http://models:5002@evil.example/x"}]"#,
                "not below",
            ),
            (
                r#"[{"pattern":"/a","endpoint":"http://models:5002/x\r\nA: b"}]"#,
                "not below",
            ),
            (
                r#"[{"pattern":"/a","endpoint":"http://models:5002/../x"}]"#,
                "not below",
            ),
            (
                r#"[{"pattern":"/a","endpoint_502":"http://http://models:5002/x"}]"#,
                "not below",
            ),
            (
                r#"[{"pattern":"/a","endpoint_x":"http://models:5002/x"}]"#,
                "unknown key",
            ),
            (r#"[{"pattern":"/a","more":"x"}]"#, "unknown key"),
        ] {
            let said = Rules::read(text, URL).unwrap_err();
            assert!(said.contains(says), "{text}: {said}");
        }
    }
}
