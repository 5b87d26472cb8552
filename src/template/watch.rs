//! Records what the result of a template does not show: which values it used, and why it failed.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::ErrorKind;
use minijinja::value::{Object, ObjectRepr};

use crate::error::{Diagnostic, Origin};
use crate::secret::World;
use crate::value::Value;

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
    pub(super) unknown: Option<String>,
    pub(super) mistake: Option<Diagnostic>,
    pub(super) missed: Option<(String, Vec<String>)>,
    /// The last fact that is absent on its host: its family, its name and the host.
    pub(super) absent: Option<(&'static str, String, String)>,
    /// The last value that was used, as written.
    pub(super) last: Option<Value>,
    /// What secrets are replaced by.
    pub(super) world: World,
    /// Whether a secret was reached.
    pub(super) has_secret: bool,
    /// The secrets that were reached so far.
    pub(super) secrets: BTreeSet<String>,
}

impl Watch {
    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A value that is not known yet, for this reason.
    pub(super) fn unknown(self: &Arc<Self>, why: &str) -> minijinja::Value {
        minijinja::Value::from_object(Unknown {
            watch: Arc::clone(self),
            why: why.to_owned(),
        })
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
        self.seen().missed = Some((path, known));
    }

    /// Notes that a host has nothing of this name.
    pub(super) fn absent(&self, family: &'static str, name: &str, host: &str) {
        self.seen().absent = Some((family, name.to_owned(), host.to_owned()));
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
    why: String,
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
        Some(self.watch.unknown(&self.why))
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
