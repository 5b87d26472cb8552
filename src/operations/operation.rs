//! What every operation can do.

use std::fmt::Debug;

use super::context::PlanContext;
use crate::change::{Conduct, Outcome, Stop};
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;

/// An operation with its parameters, ready to be planned.
pub trait Operation: Debug + Send + Sync {
    /// Facts that planning is known to need, so that one round is enough. The list does not have to be complete.
    fn needs(&self) -> Vec<FactKey>;

    /// Everything that it may change, whatever the facts are. Links in paths do not have to be followed.
    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope>;

    /// What it would change.
    ///
    /// Errors: a fact is not known, or the operation is refused.
    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop>;

    /// How it is carried out. Only the keys that every operation can have say that.
    fn conduct(&self) -> Conduct {
        Conduct::default()
    }

    /// The unit that it restarts or reloads, if that is what it does.
    fn restarts(&self) -> Option<String> {
        None
    }
}
