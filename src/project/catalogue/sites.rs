//! `[[sites]]` of a `stack.toml`: where the services of a stack are reachable as web sites.

use super::super::fields::Fields;
use crate::error::{Diagnostic, Origin, suggestion};
use crate::template::is_template;
use crate::value::{Entry, Kind, Table, Value};

/// How a site is reached. Without `kind`, it is the first one.
const KINDS: [&str; 3] = ["lan", "public", "mtls"];

/// The keys that mean something here.
const KEYS: [&str; 4] = ["host", "upstream", "kind", "tls"];

/// Keys that every site has, with an example of each.
const REQUIRED: [(&str, &str); 2] = [("host", "grafana.example.org"), ("upstream", "grafana:3000")];

/// Takes the sites as templates see them: each has `host`, `upstream`, `kind` and `tls`. What is missing or wrong is reported, and unknown
/// from then on.
pub(super) fn read(fields: &mut Fields<'_>) -> Value {
    if let Some(entry) = fields.entry("site") {
        let mistake = Diagnostic::new("unknown key `site` of a stack");
        fields.mistake(
            mistake
                .at_maybe(entry.key.as_ref(), "sites are a list")
                .hint("write `[[sites]]`, with `host` and `upstream`"),
        );
    }
    let mut sites = Vec::new();
    let mut mistakes = Vec::new();
    for (mut table, place) in fields.tables("sites") {
        check_misspelt(&table, &mut mistakes);
        for (key, example) in REQUIRED {
            check_required(&mut table, key, example, &place, &mut mistakes);
        }
        check_address(&mut table, "host", &mut mistakes);
        check_address(&mut table, "upstream", &mut mistakes);
        check_kind(&mut table, &mut mistakes);
        check_tls(&mut table, &mut mistakes);
        let mut site = Value::new(Kind::Table(table));
        site.origin = Some(place);
        sites.push(site);
    }
    fields.mistakes(mistakes);
    Value::new(Kind::List(sites))
}

/// Other keys are for templates, unless one is probably meant to be a key that the site lacks.
fn check_misspelt(table: &Table, mistakes: &mut Vec<Diagnostic>) {
    for (key, entry) in table.iter().filter(|(key, _)| !KEYS.contains(&key.as_str())) {
        let mut lacked = KEYS.into_iter().filter(|known| !table.contains_key(*known));
        if let Some(meant) = lacked.find(|known| strsim::damerau_levenshtein(key, known) == 1) {
            let mistake = Diagnostic::new(format!("unknown key `{key}` in `[[sites]]`"));
            let mistake = mistake.at_maybe(entry.key.as_ref(), "this has no effect");
            mistakes.push(mistake.hint(format!("did you mean `{meant}`?")));
        }
    }
}

fn check_required(table: &mut Table, key: &str, example: &str, place: &Origin, mistakes: &mut Vec<Diagnostic>) {
    let Some(entry) = table.get_mut(key) else {
        let mistake = Diagnostic::new(format!("missing `{key}` in `[[sites]]`")).at(place, format!("needs `{key}`"));
        mistakes.push(mistake.hint(format!("add `{key} = \"{example}\"`")));
        let entry = Entry {
            key: None,
            value: Value::new(Kind::Unknown(format!("the site has no `{key}`").into())),
        };
        table.insert(key.to_owned(), entry);
        return;
    };
    if entry.value.as_str().is_none_or(str::is_empty) {
        let mistake = Diagnostic::new(format!("`{key}` must be a string that is not empty"));
        mistakes.push(
            mistake
                .at_maybe(entry.value.origin.as_ref(), format!("this is {}", entry.value.shown()))
                .hint(format!("write `{key} = \"{example}\"`")),
        );
        entry.value.kind = Kind::Unknown(format!("`{key}` of the site has a mistake").into());
    }
}

/// A name without a scheme, and for the upstream a port. What a template gives is known only where it is rendered.
fn check_address(table: &mut Table, key: &str, mistakes: &mut Vec<Diagnostic>) {
    let Some(entry) = table.get_mut(key) else { return };
    let Some(text) = entry.value.as_str().filter(|text| !text.is_empty()) else {
        return;
    };
    let Some((title, label, hint)) = address_mistake(key, text) else {
        return;
    };
    let mistake = Diagnostic::new(title).at_maybe(entry.value.origin.as_ref(), label);
    mistakes.push(mistake.hint(hint));
    entry.value.kind = Kind::Unknown(format!("`{key}` of the site has a mistake").into());
}

/// Title, label and hint.
fn address_mistake(key: &str, text: &str) -> Option<(String, String, String)> {
    let is_upstream = key == "upstream";
    let scheme = ["http://", "https://"]
        .into_iter()
        .find(|scheme| text.starts_with(scheme));
    match scheme {
        // An upstream with encryption of its own.
        Some("https://") if is_upstream => return None,
        Some(scheme) => {
            let bare = text[scheme.len()..].trim_end_matches('/');
            let hint = match scheme {
                "http://" if !is_upstream => {
                    format!("write `{key} = \"{bare}\"`, and `tls = false` for a site without encryption")
                }
                _ => format!("write `{key} = \"{bare}\"`"),
            };
            return Some((
                format!("`{key}` of a site takes no `{scheme}`"),
                format!("begins with `{scheme}`"),
                hint,
            ));
        }
        None => {}
    }
    if is_template(text) {
        return None;
    }
    let is_name = |text: &str| {
        text.chars()
            .all(|sign| sign.is_ascii_alphanumeric() || "._-".contains(sign))
    };
    if is_upstream && is_name(text) {
        return Some((
            "`upstream` of a site needs a port".to_owned(),
            "has no port".to_owned(),
            format!("add the port of the service in its container, such as `upstream = \"{text}:8080\"`"),
        ));
    }
    if is_upstream && let Some(port) = wrong_port(text) {
        return Some((
            format!("`{port}` is not a port"),
            "a port is a number from 1 to 65535".to_owned(),
            "write the port of the service in its container, such as `upstream = \"grafana:3000\"`".to_owned(),
        ));
    }
    if !is_upstream && text.contains('/') {
        let bare = text.split('/').next().unwrap_or_default();
        return Some((
            "`host` of a site is a name without a path".to_owned(),
            "has a path".to_owned(),
            format!("write `host = \"{bare}\"`"),
        ));
    }
    None
}

/// What is written as the port of one upstream and is none. Other forms, such as sockets and several upstreams, are Caddy's to read.
pub fn wrong_port(upstream: &str) -> Option<&str> {
    let address = upstream.strip_prefix("https://").unwrap_or(upstream);
    let (name, port) = match address.strip_prefix('[') {
        Some(rest) => rest.split_once("]:")?,
        None => address.split_once(':')?,
    };
    let is_name = |sign: char| sign.is_ascii_alphanumeric() || "._-:".contains(sign);
    let is_one = name.chars().all(is_name) && !port.contains(['/', ' ', '{', ':']);
    let is_port = port.bytes().all(|digit| digit.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    (is_one && !is_port).then_some(port)
}

fn check_kind(table: &mut Table, mistakes: &mut Vec<Diagnostic>) {
    let kind = table.entry("kind".to_owned()).or_insert_with(|| Entry {
        key: None,
        value: Value::string(KINDS[0]),
    });
    let is_valid = |text: &str| is_template(text) || KINDS.contains(&text);
    if kind.value.as_str().is_some_and(is_valid) {
        return;
    }
    let near = kind.value.as_str().and_then(|kind| suggestion(kind, KINDS));
    let mistake = Diagnostic::new("`kind` of a site must be \"lan\", \"public\" or \"mtls\"")
        .at_maybe(kind.value.origin.as_ref(), format!("this is {}", kind.value.shown()));
    mistakes.push(mistake.hint(near.unwrap_or_else(|| {
        "\"lan\": your own network; \"public\": the internet; \"mtls\": the internet, with a certificate of your own".to_owned()
    })));
    kind.value.kind = Kind::Unknown("`kind` of the site has a mistake".into());
}

fn check_tls(table: &mut Table, mistakes: &mut Vec<Diagnostic>) {
    let tls = table.entry("tls".to_owned()).or_insert_with(|| Entry {
        key: None,
        value: Value::new(Kind::Bool(true)),
    });
    let is_valid = match &tls.value.kind {
        Kind::Bool(_) => true,
        Kind::String(text) => is_template(text),
        _ => false,
    };
    if !is_valid {
        let mistake = Diagnostic::new("`tls` of a site must be `true` or `false`");
        mistakes.push(
            mistake
                .at_maybe(tls.value.origin.as_ref(), format!("this is {}", tls.value.shown()))
                .hint("write `tls = false` for a site without encryption, and leave it out otherwise"),
        );
        tls.value.kind = Kind::Unknown("`tls` of the site has a mistake".into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_upstreams_are_numbers() {
        for (upstream, expected) in [
            ("web:80", None),
            ("web", None),
            ("[::1]:80", None),
            ("::1", None),
            ("unix//run/app.sock", None),
            ("a:1 b:2", None),
            ("web:99999", Some("99999")),
            ("web:0", Some("0")),
            ("web:", Some("")),
            ("web:abc", Some("abc")),
            ("web:+80", Some("+80")),
            ("web:80x", Some("80x")),
            ("nas.example:70000", Some("70000")),
            ("192.0.2.1:http", Some("http")),
            ("[::1]:70000", Some("70000")),
            ("https://web:65536", Some("65536")),
            ("https://web:443/path", None),
        ] {
            assert_eq!(wrong_port(upstream), expected, "{upstream}");
        }
    }

    #[test]
    fn addresses_of_sites_have_no_scheme_and_upstreams_a_port() {
        for (key, text, expected) in [
            ("upstream", "grafana:3000", None),
            ("upstream", "{{ stack.name }}", None),
            ("upstream", "{{ stack.name }}:3000", None),
            ("upstream", "https://192.0.2.1", None),
            ("upstream", "[::1]:80", None),
            ("upstream", "unix//run/app.sock", None),
            ("upstream", "a:1 b:2", None),
            ("upstream", "web:65535", None),
            ("upstream", "h2c://web:80", None),
            ("upstream", "{env.WEB}:80", None),
            ("upstream", "web:{{ port }}", None),
            (
                "upstream",
                "http://grafana:3000/",
                Some("write `upstream = \"grafana:3000\"`"),
            ),
            (
                "upstream",
                "http://{{ name }}:3000",
                Some("write `upstream = \"{{ name }}:3000\"`"),
            ),
            (
                "upstream",
                "grafana",
                Some("add the port of the service in its container, such as `upstream = \"grafana:8080\"`"),
            ),
            ("host", "grafana.example.org", None),
            ("host", "{{ stack.host_name }}", None),
            ("host", "a.example:8443", None),
            ("host", "https://a.example", Some("write `host = \"a.example\"`")),
            (
                "host",
                "http://a.example",
                Some("write `host = \"a.example\"`, and `tls = false` for a site without encryption"),
            ),
            ("host", "a.example/app", Some("write `host = \"a.example\"`")),
        ] {
            let hint = address_mistake(key, text).map(|(_, _, hint)| hint);
            assert_eq!(hint.as_deref(), expected, "{key} {text}");
        }
    }
}
