//! `verify.file`: check that a file is as expected.
//!
//! ```toml
//! [[operation]]
//! op = "verify.file"
//! path = "/etc/letsencrypt/live/example.org/fullchain.pem"
//! contains = "BEGIN CERTIFICATE"
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use super::{check_contains, default_within, plan_check};
use crate::change::{Outcome, Stop};
use crate::facts::check::FileCheck;
use crate::facts::overlay::FactScope;
use crate::facts::{Check, FactKey};
use crate::operations::conduct::RunsCommands;
use crate::operations::files::parameters::{Mode, check_owners, check_path, check_sha256};
use crate::operations::parameters::Span;
use crate::operations::{Define, Operation, PlanContext};

/// Parameters of `verify.file`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct File {
    /// Absolute path on the host. Links are followed, and it may be a directory.
    path: String,
    /// Text that the file must contain, within one line.
    contains: Option<String>,
    /// Permissions that it must have.
    mode: Option<Mode>,
    /// User who must own it: a name or a number.
    user: Option<String>,
    /// Group that it must belong to: a name or a number.
    group: Option<String>,
    /// SHA-256 of the content, in hexadecimal digits.
    sha256: Option<String>,
    /// `false` checks that nothing is there.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
    /// How long to keep trying after a change.
    #[serde(default = "default_within")]
    within: Span,
}

impl Define for File {
    const NAME: &'static str = "verify.file";
    const SUMMARY: &'static str = "Check that a file is as expected";
    const MAIN_ARGUMENT: &'static str = "path";
    const RUNS: RunsCommands = RunsCommands::Tries;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "verify.file"
path = "/etc/hostname"
mode = "0644"
within = "30s"
"#;
}

impl Operation for File {
    fn needs(&self) -> Vec<FactKey> {
        vec![FactKey::Check(self.check())]
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        Vec::new()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_path(context, "path", &self.path)?;
        check_contains(context, self.contains.as_deref())?;
        check_owners(context, self.user.as_deref(), self.group.as_deref())?;
        check_sha256(context, "sha256", self.sha256.as_deref())?;
        let given = [
            ("contains", self.contains.is_some()),
            ("mode", self.mode.is_some()),
            ("user", self.user.is_some()),
            ("group", self.group.is_some()),
            ("sha256", self.sha256.is_some()),
        ];
        if let Some((argument, _)) = given.iter().find(|(_, is_given)| *is_given && !self.present) {
            return Err(context
                .refuse(
                    argument,
                    format!("`{argument}` and `present = false` cannot be used together"),
                    "nothing is there to compare",
                )
                .hint("remove one of the two"));
        }
        plan_check(context, &self.check(), self.within)
    }
}

impl File {
    fn check(&self) -> Check {
        Check::File(Box::new(FileCheck {
            path: self.path.clone(),
            present: self.present,
            contains: self.contains.clone(),
            mode: self.mode.map(|mode| mode.0),
            owner: self.user.clone(),
            group: self.group.clone(),
            sha256: self.sha256.as_ref().map(|digest| digest.to_ascii_lowercase()),
        }))
    }
}
