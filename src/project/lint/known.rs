//! The dotted names that can exist on some host of the project.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value as Json;

use super::parts::data_tables;
use crate::error::closest;
use crate::facts::system::Machine;
use crate::facts::{InTemplates, is_harmless};
use crate::project::Project;
use crate::template::RESERVED;
use crate::template::{FUNCTIONS, Shape, Sort};
use crate::value::{Kind, Table};

/// The facts that are not looked up by a name.
static FACTS: LazyLock<Json> = LazyLock::new(|| serde_json::to_value(Machine::default()).unwrap_or_default());

/// The attributes of `host`.
const OF_HOST: &[&str] = &["name", "address", "data", "groups"];
/// The attributes of another host in `hosts`.
const OF_OTHER_HOST: &[&str] = &["name", "address", "data", "groups", "facts", "captured"];

/// The attributes of `pki`.
const OF_PKI: &[&str] = &["ca", "certificates", "leaves", "revoked"];

/// All names that can exist.
pub(super) struct Vocabulary<'a> {
    data: Vec<&'a Table>,
    hosts: BTreeSet<&'a str>,
    stacks: BTreeSet<&'a str>,
    captures: BTreeSet<&'a str>,
    has_authority: bool,
}

/// A name that exists on no host.
pub(super) struct Unknown<'n, 'k> {
    /// The part up to the first unknown word.
    pub(super) name: &'n str,
    pub(super) label: &'static str,
    /// The hint if no similar name is known.
    pub(super) otherwise: String,
    /// Suggestions for its last part.
    pub(super) known: Vec<&'k str>,
}

impl<'a> Vocabulary<'a> {
    pub(super) fn of(project: &'a Project) -> Self {
        let inventories = project.inventories.values();
        Self {
            data: data_tables(project),
            hosts: inventories
                .flat_map(|inventory| inventory.hosts.keys())
                .map(String::as_str)
                .collect(),
            stacks: project.catalogue.keys().map(String::as_str).collect(),
            captures: project
                .tasks
                .values()
                .flat_map(|task| task.operations())
                .filter_map(|operation| operation.arguments.get("capture")?.value.as_str())
                .collect(),
            has_authority: project.pki.authority().is_some(),
        }
    }

    /// The unknown part of the name of a fact, or of an attribute of it: those are the same for all hosts.
    pub(super) fn unknown_fact<'n>(name: &'n str) -> Option<Unknown<'n, 'a>> {
        let parts: Vec<&str> = name.split('.').collect();
        match parts.as_slice() {
            ["facts", rest @ ..] => fact(name, 1, rest),
            ["hosts", _, "facts", rest @ ..] => fact(name, 3, rest),
            _ => None,
        }
    }

    /// The unknown part of `name`; `item`, `vars` and `stack` are checked elsewhere.
    pub(super) fn unknown<'n>(&self, name: &'n str) -> Option<Unknown<'n, 'a>> {
        let parts: Vec<&str> = name.split('.').collect();
        match parts.as_slice() {
            ["item" | "vars" | "stack" | "captured" | "inventory" | "groups", ..] | [] => None,
            ["facts", rest @ ..] => fact(name, 1, rest),
            ["host", part, ..] => among(name, 2, part, OF_HOST, "hosts have no such attribute"),
            ["hosts", host, ..] if !self.hosts.contains(host) => Some(Unknown {
                name: prefix(name, 2),
                label: "no inventory has this host",
                otherwise: "`homelab inventory list` lists all hosts".to_owned(),
                known: self.hosts.iter().copied().collect(),
            }),
            ["hosts", _, "facts", rest @ ..] => fact(name, 3, rest),
            ["hosts", _, part, ..] => among(name, 3, part, OF_OTHER_HOST, "hosts have no such attribute"),
            ["pki", "ca", ..] if !self.has_authority => Some(Unknown {
                name: prefix(name, 2),
                label: "the project has no certificate authority",
                otherwise: "`homelab pki init` makes one".to_owned(),
                known: Vec::new(),
            }),
            ["pki", part, ..] => among(name, 2, part, OF_PKI, "`pki` has no such attribute"),
            ["catalogue", stack, ..] if !self.stacks.contains(stack) => Some(Unknown {
                name: prefix(name, 2),
                label: "no such stack",
                otherwise: "a stack is a folder below `templates/services/`".to_owned(),
                known: self.stacks.iter().copied().collect(),
            }),
            [first, ..] if RESERVED.contains(first) || FUNCTIONS.contains(first) => None,
            [first, ..] if self.captures.contains(first) && self.data.iter().all(|data| !data.contains_key(*first)) => {
                Some(Unknown {
                    name: prefix(name, 1),
                    label: "a captured value has another name",
                    otherwise: format!("did you mean `captured.{first}`?"),
                    known: Vec::new(),
                })
            }
            all => self.unknown_data(name, all),
        }
    }

    fn unknown_data<'n>(&self, name: &'n str, parts: &[&str]) -> Option<Unknown<'n, 'a>> {
        let mut tables: Vec<&'a Table> = self.data.clone();
        for (index, part) in parts.iter().enumerate() {
            let found: Vec<_> = tables.iter().filter_map(|table| table.get(*part)).collect();
            if found.is_empty() {
                let keys = tables.iter().flat_map(|table| table.keys()).map(String::as_str);
                // At the top there may be many, so only a near one is named.
                let known: BTreeSet<&str> = match index {
                    0 => closest(part, keys.chain(RESERVED.iter().copied()))
                        .into_iter()
                        .collect(),
                    _ => keys.collect(),
                };
                let name = prefix(name, index + 1);
                return Some(Unknown {
                    name,
                    otherwise: format!("set it in `group_data/`: `{name} = …`"),
                    label: "no host has data of this name",
                    known: known.into_iter().collect(),
                });
            }
            tables.clear();
            for entry in found {
                match &entry.value.kind {
                    Kind::Table(table) => tables.push(table),
                    // The result of a template, and the items of a list, are known only on a host.
                    _ => return None,
                }
            }
        }
        None
    }
}

impl Vocabulary<'_> {
    /// What to do about a name with `-`, such as `docker.my-port`, if that is a key of data.
    pub(super) fn with_minus(&self, written: &str) -> Option<String> {
        let parts: Vec<&str> = written.split('.').collect();
        let at = parts.iter().position(|part| part.contains('-'))?;
        let mut tables = self.data.clone();
        for part in &parts[..at] {
            let inner = tables.iter().filter_map(|table| table.get(*part)?.value.as_table());
            tables = inner.collect();
        }
        let key = parts[at];
        tables.iter().find(|table| table.contains_key(key))?;
        Some(match &parts[..at] {
            [] => format!("rename it to `{}` in the data", key.replace('-', "_")),
            above => format!("write `{}['{key}']`", above.join(".")),
        })
    }
}

/// What is known of `facts.REST`, which is called `path`.
pub(super) fn fact_shape(path: &str, rest: &[&str]) -> Shape {
    let foreign = |sort| Shape::foreign(path).with_sort(sort);
    // The grammar of facts allows no line breaks.
    let line = || foreign(Some(Sort::Text)).in_one_line();
    if let [family, more @ ..] = rest
        && InTemplates::find(family).is_some()
    {
        return match more {
            [] => foreign(Some(Sort::Table)),
            [_] => {
                let mut shape = foreign(None);
                shape.is_never_undefined = true;
                shape
            }
            [_, "uid" | "gid"] => Shape::of(Some(Sort::Number)),
            [_, "groups" | "members"] => foreign(Some(Sort::Text)).listed(),
            [_, "group" | "home" | "shell" | "comment" | "version"] => line(),
            _ => foreign(None),
        };
    }
    let mut value: &'static Json = &FACTS;
    for (index, part) in rest.iter().enumerate() {
        match value {
            Json::Object(fields) => match fields.get(*part) {
                Some(inner) => value = inner,
                None => return foreign(None),
            },
            _ => {
                return match (rest.get(..index), *part, rest.get(index + 1..)) {
                    (Some(["addresses"]), ..) | (Some(["disks"]), _, Some(["name"])) => line(),
                    (Some(["disks"]), _, Some(["size"])) => Shape::of(Some(Sort::Number)),
                    _ => foreign(None),
                };
            }
        }
    }
    match value {
        Json::Number(_) => Shape::of(Some(Sort::Number)),
        Json::Bool(_) => Shape::of(Some(Sort::Truth)),
        Json::String(_) if is_harmless(&rest.join(".")) => Shape::of(Some(Sort::Text)),
        Json::String(_) => line(),
        Json::Array(_) => foreign(Some(Sort::List)),
        Json::Object(_) => foreign(Some(Sort::Table)),
        Json::Null => foreign(None),
    }
}

fn fact<'n, 'k>(name: &'n str, depth: usize, rest: &[&str]) -> Option<Unknown<'n, 'k>> {
    const LABEL: &str = "no such fact";
    if let [family, _, attribute, ..] = rest
        && let Some(family) = InTemplates::find(family)
    {
        return among(name, depth + 3, attribute, family.attributes, LABEL);
    }
    let mut table: &'static Json = &FACTS;
    for (index, part) in rest.iter().enumerate() {
        let fields = table.as_object()?;
        if index == 0 && InTemplates::find(part).is_some() {
            return None;
        }
        let Some(inner) = fields.get(*part) else {
            let families = InTemplates::all().map(|one| one.family).filter(|_| index == 0);
            return Some(Unknown {
                name: prefix(name, depth + index + 1),
                label: LABEL,
                otherwise: "`homelab facts` with the names of an inventory and a host lists all facts".to_owned(),
                known: fields.keys().map(String::as_str).chain(families).collect(),
            });
        };
        table = inner;
    }
    None
}

fn among<'n, 'k>(
    name: &'n str,
    depth: usize,
    part: &str,
    known: &'k [&'k str],
    label: &'static str,
) -> Option<Unknown<'n, 'k>> {
    (!known.contains(&part)).then(|| Unknown {
        name: prefix(name, depth),
        label,
        otherwise: String::new(),
        known: known.to_vec(),
    })
}

/// The first `parts` of a dotted name.
fn prefix(name: &str, parts: usize) -> &str {
    let end = name.match_indices('.').nth(parts - 1).map_or(name.len(), |(at, _)| at);
    &name[..end]
}
