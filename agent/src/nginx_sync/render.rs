//! The text of the two generated keys: `nginx.conf`, which the server block includes, and `config.json`, the rules of `activity`.
//!
//! Only names and ports that passed their grammar get here, and none of nginx's special characters can be part of either. Texts that
//! were written before are never parsed.

use std::fmt::Write as _;

use ring::digest::{SHA256, digest};
use serde::Serialize;

use super::models::Model;

/// The key that the server block includes.
pub(super) const LOCATIONS: &str = "nginx.conf";
/// The key that `activity` reads.
pub(super) const RULES: &str = "config.json";
/// Where nginx tells which text it has loaded.
pub(super) const GENERATION: &str = "/-/generation";

/// Where requests for models go.
pub(super) struct Upstream<'a> {
    /// An address or a name, as in a URL.
    pub(super) host: &'a str,
    /// What models get as `Host`.
    pub(super) host_header: &'a str,
    /// When clients are asked to come again, in seconds.
    pub(super) retry_after: u32,
}

/// What the ConfigMap should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rendered {
    pub(super) locations: String,
    pub(super) rules: String,
    /// Differs if any of both differs.
    pub(super) generation: String,
}

/// Renders the list. `models_url` is where activity is reported and models are started.
pub(super) fn render(models: &[Model], upstream: &Upstream<'_>, models_url: &str) -> Rendered {
    let rules = rules(models, models_url);
    let mut body = shared(upstream);
    for model in models {
        body.push_str(&location(model, upstream.host));
    }
    let hash = digest(&SHA256, [body.as_str(), "\0", &rules].concat().as_bytes());
    let generation = hash.as_ref().iter().take(8).fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    let locations = format!(
        "# Written by nginx-sync: changes by hand are replaced.\n\
         location = {GENERATION} {{\n    access_log off;\n    default_type text/plain;\n    return 200 \"{generation}\\n\";\n}}\n{body}"
    );
    Rendered {
        locations,
        rules,
        generation,
    }
}

/// What all models share: locations inherit it from the server block.
fn shared(upstream: &Upstream<'_>) -> String {
    let Upstream {
        host_header,
        retry_after,
        ..
    } = upstream;
    format!(
        "proxy_http_version 1.1;
proxy_set_header Host {host_header};
proxy_set_header X-Real-IP $remote_addr;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_set_header X-Forwarded-Proto $scheme;
proxy_connect_timeout 5s;
proxy_read_timeout 10m;
proxy_buffering off;
proxy_next_upstream error timeout invalid_header http_500 http_502 http_503;
proxy_next_upstream_tries 1;
error_page 502 504 = @asleep;
location @asleep {{
    default_type application/json;
    add_header Retry-After {retry_after} always;
    return 429 '{{}}';
}}
"
    )
}

fn location(model: &Model, host: &str) -> String {
    let Model { name, port } = model;
    // Clients list the model while it sleeps.
    format!(
        r#"location = /{name}/v1/models {{
    default_type application/json;
    return 200 '{{"object":"list","data":[{{"id":"{name}","object":"model","created":0,"owned_by":"llamacpp"}}]}}';
}}
location /{name}/ {{
    proxy_pass http://{host}:{port}/;
}}
"#
    )
}

/// The first rule whose pattern begins the path counts. Listing a model is no activity, and starts nothing.
fn rules(models: &[Model], url: &str) -> String {
    let rules: Vec<Rule> = models
        .iter()
        .flat_map(|Model { name, .. }| {
            let below = |what| Some(format!("{url}/models/{name}/{what}"));
            [
                Rule {
                    pattern: format!("/{name}/v1/models"),
                    ..Rule::default()
                },
                Rule {
                    pattern: format!("/{name}/"),
                    endpoint: below("report"),
                    endpoint_429: below("start"),
                },
            ]
        })
        .collect();
    // A list of texts can always be written.
    let text = serde_json::to_string_pretty(&rules).unwrap_or_default();
    format!("{text}\n")
}

#[derive(Default, Serialize)]
struct Rule {
    pattern: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint_429: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::names::ModelName;

    const UPSTREAM: Upstream<'_> = Upstream {
        host: "192.0.2.7",
        host_header: "$host",
        retry_after: 60,
    };

    fn model(name: &str, port: u16) -> Model {
        Model {
            name: ModelName::parse(name).expect(name),
            port,
        }
    }

    fn rendered(models: &[Model]) -> Rendered {
        render(models, &UPSTREAM, "http://192.0.2.7:5002")
    }

    #[test]
    fn a_model_gets_its_locations_and_rules() {
        let text = rendered(&[model("tiny", 9001)]);
        let locations = r#"location = /tiny/v1/models {
    default_type application/json;
    return 200 '{"object":"list","data":[{"id":"tiny","object":"model","created":0,"owned_by":"llamacpp"}]}';
}
location /tiny/ {
    proxy_pass http://192.0.2.7:9001/;
}
"#;
        assert!(text.locations.ends_with(locations), "{}", text.locations);
        let rules: serde_json::Value = serde_json::from_str(&text.rules).expect("valid");
        assert_eq!(rules[0], json!({ "pattern": "/tiny/v1/models" }));
        assert_eq!(rules[1]["pattern"], "/tiny/");
        assert_eq!(rules[1]["endpoint"], "http://192.0.2.7:5002/models/tiny/report");
        assert_eq!(rules[1]["endpoint_429"], "http://192.0.2.7:5002/models/tiny/start");
    }

    #[test]
    fn no_model_leaves_no_location_of_a_model() {
        let text = rendered(&[]);
        assert!(!text.locations.contains("proxy_pass"));
        assert!(text.locations.contains(GENERATION));
        assert_eq!(text.rules, "[]\n");
    }

    #[test]
    fn each_difference_is_another_generation() {
        let first = rendered(&[model("a", 1)]);
        assert_eq!(first, rendered(&[model("a", 1)]));
        let others = [
            rendered(&[model("a", 2)]),
            rendered(&[model("b", 1)]),
            rendered(&[]),
            render(&[model("a", 1)], &UPSTREAM, "http://192.0.2.8:5002"),
            render(
                &[model("a", 1)],
                &Upstream {
                    retry_after: 61,
                    ..UPSTREAM
                },
                "http://192.0.2.7:5002",
            ),
        ];
        for other in others {
            assert_ne!(first.generation, other.generation);
        }
        assert!(first.locations.contains(&first.generation));
    }

    #[test]
    fn blocks_are_closed() {
        let text = rendered(&[model("a", 1), model("b-c.d_e", 65535)]);
        let depth = text.locations.lines().fold(0_i32, |depth, line| {
            // Braces of JSON are in quotes.
            let bare = line.split('\'').step_by(2).collect::<String>();
            let count = |sign| i32::try_from(bare.matches(sign).count()).expect("valid");
            depth + count('{') - count('}')
        });
        assert_eq!(depth, 0, "{}", text.locations);
    }
}
