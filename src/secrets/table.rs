//! Encrypted values in the tables of files: where they may be, and their texts in their places.

use super::keyring::NO_KEY_HINT;
use super::paths::{CERTIFICATES, PRIVATE_KEY};
use super::providers::Named;
use super::sops::is_encrypted_by_sops;
use super::{Closed, DataPath, Encrypted, Keyring, Step, Unreadable, is_encrypted, is_named};
use crate::error::{Diagnostic, Origin};
use crate::value::{Entry, Kind, Table, Value, Why, Withheld};

/// Opens every encrypted value in the data of a host. One that stays closed is unknown.
///
/// Returns the mistakes.
pub fn open_data(data: &mut Table, keyring: &Keyring) -> Vec<Diagnostic> {
    let mut opening = Opening {
        keyring,
        mistakes: Vec::new(),
        without_key: Vec::new(),
    };
    for (key, entry) in data.iter_mut() {
        match (key.as_str(), &mut entry.value.kind) {
            // What homelab itself adds: the own data of hosts.
            ("host", Kind::Table(host)) => opening.host(host),
            ("hosts", Kind::Table(hosts)) => {
                for host in hosts.values_mut() {
                    if let Kind::Table(host) = &mut host.value.kind {
                        opening.host(host);
                    }
                }
            }
            _ => opening.value(&DataPath(vec![Step::Key(key.clone())]), &mut entry.value),
        }
    }
    opening.end()
}

struct Opening<'a> {
    keyring: &'a Keyring,
    mistakes: Vec<Diagnostic>,
    /// Values without any key, each with its place.
    without_key: Vec<(String, Option<Origin>)>,
}

impl Opening<'_> {
    fn host(&mut self, host: &mut Table) {
        if let Some(Entry {
            value: Value {
                kind: Kind::Table(data),
                ..
            },
            ..
        }) = host.get_mut("data")
        {
            self.table(&DataPath::default(), data);
        }
    }

    fn table(&mut self, path: &DataPath, table: &mut Table) {
        for (key, entry) in table.iter_mut() {
            self.value(&path.then(Step::Key(key.clone())), &mut entry.value);
        }
    }

    fn value(&mut self, path: &DataPath, value: &mut Value) {
        match &mut value.kind {
            Kind::String(text) if is_encrypted(text) || is_named(text) || is_encrypted_by_sops(text) => {
                let origin = value.origin.as_ref();
                let opened = match origin {
                    Some(origin) if is_encrypted_by_sops(text) => self.keyring.open_sops(path, origin),
                    _ if is_named(text) => self.keyring.ask(text, path, origin),
                    _ => self.keyring.open(text, path, origin),
                };
                let unknown = || Kind::Unknown(Why::Withheld(Withheld::Key));
                value.kind = match opened {
                    Ok(secret) => Kind::Secret(secret),
                    Err(Closed::Withheld) => unknown(),
                    Err(Closed::NoKey) => {
                        self.add_without_key(path.exact(), value.origin.clone());
                        unknown()
                    }
                    Err(Closed::Mistake(mistake)) => {
                        if !self.mistakes.contains(&mistake) {
                            self.mistakes.push(*mistake);
                        }
                        unknown()
                    }
                };
            }
            Kind::List(items) => {
                for (number, item) in items.iter_mut().enumerate() {
                    self.value(&path.then(Step::Item(number)), item);
                }
            }
            Kind::Table(table) => self.table(path, table),
            _ => {}
        }
    }

    fn add_without_key(&mut self, name: String, origin: Option<Origin>) {
        if self.without_key.iter().all(|(_, known)| *known != origin) {
            self.without_key.push((name, origin));
        }
    }

    fn end(mut self) -> Vec<Diagnostic> {
        if let Some((name, origin)) = self.without_key.first() {
            let more = match self.without_key.len() - 1 {
                0 => String::new(),
                1 => " and another value".to_owned(),
                more => format!(" and {more} other values"),
            };
            self.mistakes.push(
                Diagnostic::new(format!("no private key to decrypt `{name}`{more}"))
                    .at_maybe(origin.as_ref(), "encrypted with age")
                    .hint(NO_KEY_HINT),
            );
        }
        self.mistakes
    }
}

/// Encrypted values in the file `shown` that are broken, or that are where no data is, and clear text that was meant to be
/// encrypted.
pub fn check_places(shown: &str, table: &Table) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    check_table(shown, &DataPath::default(), table, &mut mistakes);
    mistakes
}

fn check_table(shown: &str, path: &DataPath, table: &Table, mistakes: &mut Vec<Diagnostic>) {
    for (key, entry) in table {
        check_value(shown, &path.then(Step::Key(key.clone())), &entry.value, mistakes);
    }
}

fn check_value(shown: &str, path: &DataPath, value: &Value, mistakes: &mut Vec<Diagnostic>) {
    match &value.kind {
        Kind::String(text) => mistakes.extend(wrong_text(shown, path, text, value.origin.as_ref())),
        Kind::List(items) => {
            for (number, item) in items.iter().enumerate() {
                check_value(shown, &path.then(Step::Item(number)), item, mistakes);
            }
        }
        Kind::Table(table) => check_table(shown, path, table, mistakes),
        _ => {}
    }
}

fn wrong_text(shown: &str, path: &DataPath, text: &str, origin: Option<&Origin>) -> Option<Diagnostic> {
    let name = path.exact();
    let set = format!("`homelab secrets set {shown} {name}`");
    if text.contains("DEC[age,") {
        // Without a place, since an excerpt would show it.
        let line = origin
            .map(|origin| format!(":{}", origin.line_column().0))
            .unwrap_or_default();
        return Some(
            Diagnostic::new(format!(
                "`{name}` in `{shown}`{line} is a secret in clear text: `DEC[age,…]`"
            ))
            .hint(format!(
                "encrypt it with {set}; if it was committed, change the secret itself"
            )),
        );
    }
    if is_encrypted(text) {
        if !is_data(shown, path) {
            return Some(
                Diagnostic::new(format!("`{name}` cannot be encrypted here"))
                    .at_maybe(origin, "encrypted values are data")
                    .hint("move it to `group_data/` or to a host's `data`, and use it as `{{ NAME }}`"),
            );
        }
        let Err(Unreadable::Broken(why)) = Encrypted::parse(text) else {
            return None;
        };
        return Some(
            Diagnostic::new(format!("`{name}` is not a whole encrypted value"))
                .at_maybe(origin, why)
                .hint(format!("write it with {set}")),
        );
    }
    if is_named(text) {
        let (label, hint) = match Named::parse(text) {
            Err(why) => (why, "write `SECRET[PROVIDER,NAME]`, such as `SECRET[pass,lab/grafana]`"),
            Ok(_) if is_data(shown, path) => return None,
            Ok(_) => (
                "secrets of providers are data",
                "move it to `group_data/` or to a host's `data`, and use it as `{{ NAME }}`",
            ),
        };
        return Some(
            Diagnostic::new(format!("`{name}` cannot be read from a provider"))
                .at_maybe(origin, label)
                .hint(hint),
        );
    }
    if text.contains("ENC[age,") {
        return Some(
            Diagnostic::new(format!("`{name}` is only partly encrypted"))
                .at_maybe(origin, "text around `ENC[age,…]`")
                .hint("give the secret a name of its own, and use it here as `{{ NAME }}`"),
        );
    }
    if text.starts_with("ENC[") && text.ends_with(']') {
        let hint = if text.starts_with("ENC[AES256_GCM,") {
            "values of sops are read only in whole files of sops; write this one with "
        } else {
            "only `ENC[age,…]` is supported; write it with "
        };
        return Some(
            Diagnostic::new(format!("`{name}` is encrypted in an unknown way"))
                .at_maybe(origin, "not `ENC[age,…]`")
                .hint(format!("{hint}{set}")),
        );
    }
    None
}

/// Whether the value at `path` of the file `shown` is data of hosts.
pub(super) fn is_data(shown: &str, path: &DataPath) -> bool {
    data_path(shown, path).is_some()
}

/// The name of the value among the data of its hosts, for its place in the file `shown`; `None` if it is no data.
pub(super) fn data_path(shown: &str, path: &DataPath) -> Option<DataPath> {
    if shown.starts_with("group_data/") {
        return Some(path.clone());
    }
    let certificate = shown.strip_prefix(CERTIFICATES).and_then(|name| name.strip_prefix('/'));
    if let Some(name) = certificate.and_then(|name| name.strip_suffix(".toml")) {
        let is_key = matches!(path.0.as_slice(), [Step::Key(key)] if key == PRIVATE_KEY);
        return is_key.then(|| DataPath::of_certificate(name));
    }
    match path.0.as_slice() {
        [Step::Key(hosts), Step::Key(_), Step::Key(data), rest @ ..]
            if shown.starts_with("inventories/") && hosts == "hosts" && data == "data" && !rest.is_empty() =>
        {
            Some(DataPath(rest.to_vec()))
        }
        _ => None,
    }
}
