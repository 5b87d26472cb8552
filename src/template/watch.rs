//! Records what the result of a template does not show: which values it used, and why it failed.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::ErrorKind;
use minijinja::value::{Object, ObjectRepr};

use crate::error::{Diagnostic, Origin};
use crate::secret::{Cover, Secret, Sort, World, remember};
use crate::value::{Value, Why};

/// What stands in for a value that is known later, in each world. One is empty, so that a condition shows that it is one.
const STAND_INS: [&str; 3] = ["KnownAfterApply", "", "knownafterapply2"];

/// Shared by the values that one scope hands to templates.
#[derive(Default)]
pub(super) struct Watch(Mutex<Seen>);

/// A record of what the result of a template does not show.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) rendered: HashMap<String, minijinja::Value>,
    /// Data that is a template and holds secrets, rendered.
    pub(super) rendered_secrets: HashMap<String, Value>,
    pub(super) rendering: Vec<(String, Option<Origin>)>,
    pub(super) unknown: Option<Why>,
    /// The first unknown value that was handed out: a filter of minijinja refuses one without asking it anything.
    pub(super) handed: Option<Why>,
    pub(super) mistake: Option<Diagnostic>,
    pub(super) missed: Option<(String, Vec<String>)>,
    /// The last fact that is absent on its host: its family, its name and the host.
    pub(super) absent: Option<(&'static str, String, String)>,
    /// The last value that was used, as written.
    pub(super) last: Option<Value>,
    /// What secrets are replaced by.
    pub(super) world: World,
    /// Set if a secret was reached, or something that stands in for what is known later.
    pub(super) cover: Option<Cover>,
    /// Whether texts stand in for values that are not known yet.
    pub(super) stands_in: bool,
    /// The secrets that were reached so far.
    pub(super) secrets: BTreeSet<String>,
}

impl Watch {
    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record of templates in which texts stand in for values that are not known yet.
    pub(super) fn standing_in() -> Self {
        let watch = Self::default();
        watch.seen().stands_in = true;
        watch
    }

    /// A value that is not known yet, for this reason.
    pub(super) fn unknown(self: &Arc<Self>, why: impl Into<Why>) -> minijinja::Value {
        let why = why.into();
        let mut seen = self.seen();
        if seen.stands_in {
            let cover = match &why {
                Why::After(after) if after.is_secret => Cover::LaterSecret,
                Why::Withheld(_) => Cover::LaterSecret,
                _ => Cover::Later,
            };
            seen.cover = seen.cover.max(Some(cover));
            return STAND_INS[seen.world as usize].into();
        }
        seen.handed.get_or_insert_with(|| why.clone());
        drop(seen);
        minijinja::Value::from_object(Unknown {
            watch: Arc::clone(self),
            why,
        })
    }

    /// A secret as templates see it in the world that is set: real text, since filters would take a mark for the text.
    pub(super) fn secret(&self, secret: &Secret) -> minijinja::Value {
        let mut seen = self.seen();
        seen.cover = seen.cover.max(Some(secret.cover()));
        let is_secret = secret.is_whole() && secret.cover() == Cover::Secret && !secret.expose().is_empty();
        if is_secret && !seen.secrets.contains(secret.expose()) {
            remember(secret.expose());
            seen.secrets.insert(secret.expose().to_owned());
        }
        let text = secret.in_world(seen.world);
        let read = match secret.sort() {
            Sort::Text => None,
            Sort::Integer => text.parse::<i64>().ok().map(Into::into),
            Sort::Float => text.parse::<f64>().ok().map(Into::into),
            Sort::Bool => text.parse::<bool>().ok().map(Into::into),
        };
        read.unwrap_or_else(|| text.into())
    }

    /// Notes a mistake, which ends the template.
    pub(super) fn fail(&self, mistake: Diagnostic) -> minijinja::Value {
        let text = mistake.title.clone();
        let mut seen = self.seen();
        if seen.mistake.is_none() {
            seen.mistake = Some(mistake);
        }
        minijinja::Error::new(ErrorKind::InvalidOperation, text).into()
    }

    /// Notes a name that `path` does not have, and the names that it has.
    pub(super) fn missed(&self, path: String, known: Vec<String>) {
        let mut seen = self.seen();
        // A secret may be what was looked up, also one that is too short to be searched for in messages.
        let is_last = |secret: &&String| {
            path.strip_suffix(secret.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let path = match seen.secrets.iter().find(is_last) {
            Some(secret) => format!("{}…", &path[..path.len() - secret.len()]),
            None => path,
        };
        seen.missed = Some((path, known));
    }

    /// Notes that a host has nothing of this name.
    pub(super) fn absent(&self, family: &'static str, name: &str, host: &str) {
        self.seen().absent = Some((family, name.to_owned(), host.to_owned()));
    }
}

/// Notes that a value is handed out again, if it is unknown.
pub(super) fn hand(value: &minijinja::Value) {
    if let Some(unknown) = value.downcast_object_ref::<Unknown>() {
        unknown.watch.seen().handed.get_or_insert_with(|| unknown.why.clone());
    }
}

/// Whether a value is unknown; if so, that is noted.
pub(super) fn is_unknown(value: &minijinja::Value) -> bool {
    let unknown = value.downcast_object_ref::<Unknown>();
    unknown.inspect(|unknown| unknown.note()).is_some()
}

/// An unknown value: every use is noted, and makes the result unknown too.
struct Unknown {
    watch: Arc<Watch>,
    why: Why,
}

impl Unknown {
    fn note(&self) {
        self.watch.seen().unknown.get_or_insert_with(|| self.why.clone());
    }
}

impl std::fmt::Debug for Unknown {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.note();
        formatter.write_str("(known after apply)")
    }
}

impl Object for Unknown {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        self.note();
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, _key: &minijinja::Value) -> Option<minijinja::Value> {
        self.note();
        Some(self.watch.unknown(self.why.clone()))
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.note();
        false
    }

    fn render(self: &Arc<Self>, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.note();
        formatter.write_str("(known after apply)")
    }
}
