//! `captured`: values that commands of the project made on a host.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object};

use super::watch::Watch;
use crate::error::Diagnostic;
use crate::secret::Secret;
use crate::value::Why;

/// The captured values of a host at one point of a plan.
pub trait CapturedSource: Send + Sync {
    /// The names of all captures.
    fn names(&self) -> Vec<String>;

    /// The value of this name.
    fn captured(&self, name: &str) -> Captured;
}

/// A captured value.
#[derive(Clone, Debug)]
pub enum Captured {
    Known(minijinja::Value),
    /// Known, and hidden wherever it is used.
    Secret(Secret),
    /// Not known yet, for this reason.
    Unknown(Why),
    /// It cannot be used here.
    Mistake(Box<Diagnostic>),
    /// Nothing of the project captures it.
    Undefined,
}

/// No captures at all.
pub struct NoCaptures;

impl CapturedSource for NoCaptures {
    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    fn captured(&self, _name: &str) -> Captured {
        Captured::Undefined
    }
}

/// `captured` over `source`.
pub(super) fn node(watch: &Arc<Watch>, source: &Arc<dyn CapturedSource>) -> minijinja::Value {
    minijinja::Value::from_object(Node {
        watch: Arc::clone(watch),
        source: Arc::clone(source),
    })
}

struct Node {
    watch: Arc<Watch>,
    source: Arc<dyn CapturedSource>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("captured")
    }
}

impl Object for Node {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        let name = key.as_str()?;
        match self.source.captured(name) {
            Captured::Known(value) => Some(value),
            Captured::Secret(secret) => Some(self.watch.secret(&secret)),
            Captured::Unknown(why) => Some(self.watch.unknown(why)),
            Captured::Mistake(mistake) => Some(self.watch.fail(*mistake)),
            Captured::Undefined => {
                self.watch.missed(format!("captured.{name}"), self.source.names());
                None
            }
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.source.names().into_iter().map(Into::into).collect())
    }
}
