//! An operation as it is written.

use super::allow::Allowance;
use super::entry::EntrySettings;
use super::fields::Named;
use crate::error::Origin;
use crate::operations::{CAPTURE, Definition};
use crate::value::Table;

/// An operation as written, with templates not rendered.
pub struct RawOperation {
    pub definition: &'static Definition,
    /// Name, conditions and tags.
    pub settings: EntrySettings,
    pub arguments: Table,
    /// The handlers that a change of it notifies.
    pub notify: Vec<Named>,
    /// Whether it is guarded against locking the user out, if the project says so.
    pub guard: Option<bool>,
    /// The lints that are allowed in it.
    pub allow: Allowance,
    /// Where its `op` is written.
    pub origin: Origin,
}

impl RawOperation {
    /// The name of the value that it captures, if it captures one.
    pub fn captures(&self) -> Option<&str> {
        let is_capture = self.definition.name == CAPTURE.name;
        self.arguments.get("capture")?.value.as_str().filter(|_| is_capture)
    }
}

impl std::fmt::Debug for RawOperation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} at {}", self.definition.name, self.origin)
    }
}
