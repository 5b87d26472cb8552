//! `facts` and `hosts.NAME.facts`: the facts of a host, looked up when a template uses them, so that it is known which
//! ones it uses.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ValueKind};

use super::watch::Watch;
use crate::error::Diagnostic;

/// The facts of a host at one point of a plan.
pub trait FactSource: Send + Sync {
    /// Facts that are not looked up by a name: `os`, `architecture` …
    ///
    /// Errors: why they are not known.
    fn system(&self) -> Result<minijinja::Value, String>;

    /// The families of facts that are looked up by a name: `facts.packages.NAME`.
    fn families(&self) -> Vec<&'static str>;

    /// Why `facts.PATH` was read but is not such a fact, if so.
    fn unreadable(&self, _path: &str) -> Option<String> {
        None
    }

    /// The host, for messages.
    fn host(&self) -> String {
        String::new()
    }

    /// The fact about `name` in one of [`FactSource::families`].
    fn named(&self, family: &str, name: &str) -> NamedFact;
}

/// Facts that are not looked up by a name, or why they are not known.
impl FactSource for Result<minijinja::Value, String> {
    fn system(&self) -> Self {
        self.clone()
    }

    fn families(&self) -> Vec<&'static str> {
        Vec::new()
    }

    fn named(&self, family: &str, name: &str) -> NamedFact {
        NamedFact::Unknown(format!("`facts.{family}.{name}` was not read"))
    }
}

/// An attribute of a fact, or why it has no value.
pub type Attribute = Result<minijinja::Value, NoValue>;

/// Why a fact has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoValue {
    /// It is not known yet.
    Unknown(String),
    /// The answer of the host is not valid for such a fact.
    Unreadable(String),
}

/// A fact that is looked up by a name.
#[derive(Clone, Debug)]
pub enum NamedFact {
    /// It exists, with these attributes, or why one of them is not known.
    Present(BTreeMap<&'static str, Attribute>),
    /// It does not exist.
    Absent,
    /// Not known, for this reason.
    Unknown(String),
}

impl NamedFact {
    /// A fact about something that exists.
    pub fn present<const N: usize>(attributes: [(&'static str, Attribute); N]) -> Self {
        Self::Present(attributes.into())
    }
}

/// `facts` over `source`.
pub(super) fn node(watch: &Arc<Watch>, source: &Arc<dyn FactSource>) -> minijinja::Value {
    minijinja::Value::from_object(Node {
        watch: Arc::clone(watch),
        source: Arc::clone(source),
    })
}

struct Node {
    watch: Arc<Watch>,
    source: Arc<dyn FactSource>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("facts")
    }
}

impl Object for Node {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        let name = key.as_str()?;
        let families = self.source.families();
        if let Some(family) = families.iter().find(|family| **family == name) {
            return Some(minijinja::Value::from_object(Family {
                node: Arc::clone(self),
                family,
            }));
        }
        match self.source.system() {
            Ok(system) => part(self, "", &system, name, &families),
            Err(why) => Some(self.watch.unknown(&why)),
        }
    }
}

/// A value in a table of facts; an unknown name is noted with the known ones.
fn part(
    node: &Arc<Node>,
    above: &str,
    table: &minijinja::Value,
    name: &str,
    more: &[&str],
) -> Option<minijinja::Value> {
    let found = table.get_attr(name).ok().filter(|value| !value.is_undefined());
    let below = format!("{above}{name}");
    let path = format!("facts.{below}");
    let watch = &node.watch;
    if let Some(why) = node.source.unreadable(&below) {
        return Some(watch.fail(unreadable(&path, &node.source.host(), why)));
    }
    let Some(found) = found else {
        let keys = table.try_iter().into_iter().flatten();
        let known = keys.filter_map(|key| key.as_str().map(str::to_owned));
        watch.missed(path, known.chain(more.iter().map(|name| (*name).to_owned())).collect());
        return None;
    };
    if found.kind() != ValueKind::Map {
        return Some(found);
    }
    Some(minijinja::Value::from_object(Part {
        node: Arc::clone(node),
        path: format!("{below}."),
        table: found,
    }))
}

/// The mistake of using a fact that was read but is none.
fn unreadable(path: &str, host: &str, why: String) -> Diagnostic {
    Diagnostic::new(format!("cannot read `{path}` of host `{host}`"))
        .because(why)
        .hint("correct it on the host, or do not use this fact")
}

/// A table of facts.
struct Part {
    node: Arc<Node>,
    /// Its name below `facts`, with a dot at the end.
    path: String,
    table: minijinja::Value,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.table)
    }
}

impl Object for Part {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        part(&self.node, &self.path, &self.table, key.as_str()?, &[])
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.table.try_iter().into_iter().flatten().collect())
    }
}

struct Family {
    node: Arc<Node>,
    family: &'static str,
}

impl std::fmt::Debug for Family {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "facts.{}", self.family)
    }
}

impl Object for Family {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        let name = key.as_str()?;
        Some(match self.node.source.named(self.family, name) {
            NamedFact::Present(attributes) => minijinja::Value::from_object(Named {
                node: Arc::clone(&self.node),
                path: format!("facts.{}.{name}", self.family),
                attributes,
            }),
            // `none`, so that `facts.users.anna is none` works for a user who does not exist.
            NamedFact::Absent => {
                self.node.watch.absent(self.family, name, &self.node.source.host());
                minijinja::Value::from(())
            }
            NamedFact::Unknown(why) => self.node.watch.unknown(&why),
        })
    }
}

/// A fact that was looked up by a name.
struct Named {
    node: Arc<Node>,
    path: String,
    attributes: BTreeMap<&'static str, Attribute>,
}

impl std::fmt::Debug for Named {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.path)
    }
}

impl Object for Named {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        let name = key.as_str()?;
        match self.attributes.get(name) {
            Some(Ok(value)) => Some(value.clone()),
            Some(Err(NoValue::Unknown(why))) => Some(self.node.watch.unknown(why)),
            Some(Err(NoValue::Unreadable(why))) => {
                let path = format!("{}.{name}", self.path);
                let mistake = unreadable(&path, &self.node.source.host(), why.clone());
                Some(self.node.watch.fail(mistake))
            }
            None => {
                let known = self.attributes.keys().map(|name| (*name).to_owned());
                self.node.watch.missed(format!("{}.{name}", self.path), known.collect());
                None
            }
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.attributes.keys().map(|name| (*name).into()).collect())
    }
}
