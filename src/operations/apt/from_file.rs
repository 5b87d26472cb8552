//! A package that comes from a file instead of a repository.

use crate::content::Input;
use crate::facts::deb::Control;

/// A package in a file.
#[derive(Debug)]
pub(super) struct FromFile {
    pub(super) control: Control,
    pub(super) allow_downgrade: bool,
    /// Shell text for root that brings the file to the path `$deb`, or exits with a reason.
    pub(super) fetch: String,
    /// What that text reads on its standard input.
    pub(super) input: Option<Input>,
    /// Where it comes from, as it is shown.
    pub(super) from: String,
}
