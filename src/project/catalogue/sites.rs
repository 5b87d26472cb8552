//! `[[sites]]` of a `stack.toml`: where the services of a stack are reachable as web sites.

use super::super::fields::Fields;
use crate::error::{Diagnostic, Origin, suggestion};
use crate::template::is_template;
use crate::value::{Entry, Kind, Table, Value};

/// How a site is reached. Without `kind`, it is the first one.
const KINDS: [&str; 3] = ["lan", "public", "mtls"];

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
        for (key, example) in REQUIRED {
            check_required(&mut table, key, example, &place, &mut mistakes);
        }
        check_kind(&mut table, &mut mistakes);
        check_tls(&mut table, &mut mistakes);
        let mut site = Value::new(Kind::Table(table));
        site.origin = Some(place);
        sites.push(site);
    }
    fields.mistakes(mistakes);
    Value::new(Kind::List(sites))
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
