//! `files.download`: have the host download a file.
//!
//! ```toml
//! [[operation]]
//! op = "files.download"
//! src = "https://github.com/mikefarah/yq/releases/download/v4.44.3/yq_linux_amd64"
//! dest = "/usr/local/bin/yq"
//! sha256 = "a2c097180dd884a8d50c956ee16a9cec070f30a7947cf4ebf87d5f36213e9ed7"
//! mode = "0755"
//! ```
//!
//! The digest says whether the file is there already, and that it is the one that was meant.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::parameters::{Mode, check_owners, check_path, check_sha256, check_validate, path_and_ancestors};
use super::whole_file::{FileWish, IfExists, WishedContent, plan_file};
use crate::change::{Outcome, ResourceKind, Stop};
use crate::content::Input;
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::operations::conduct::RunsCommands;
use crate::operations::request::{check_url, headers};
use crate::operations::{Define, Demand, Operation, PlanContext};
use crate::value::Text;

/// Parameters of `files.download`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Download {
    /// URL that the host downloads, with `http://` or `https://`.
    src: String,
    /// Absolute path on the host.
    dest: String,
    /// SHA-256 of the file, as `sha256sum` prints it: 64 hex digits.
    sha256: String,
    /// Headers of the request, such as `{ Authorization = "Bearer …" }`. They are hidden. The host needs curl or wget for them.
    #[serde(default)]
    headers: BTreeMap<String, Text>,
    /// User who owns the file. By default the owner is kept; a new file belongs to `root`.
    user: Option<String>,
    /// Group that the file belongs to. By default the group is kept; a new file gets `root`.
    group: Option<String>,
    /// Permissions of the file. By default they are kept; a new file gets `"0644"`.
    mode: Option<Mode>,
    /// Command of the host, as a list of words, that must accept the new file before it replaces the old one, such as
    /// `["nginx", "-t"]`; `{path}` stands for the path of the new file. It is tried before the review, where nothing that it
    /// writes is kept.
    validate: Option<Vec<String>>,
    /// `"keep"` leaves the content of a file that is there, as for one that a program writes to; owner and mode still apply.
    #[serde(default)]
    if_exists: IfExists,
    /// `true` keeps the old file beside the new one, with the time in its name.
    #[serde(default)]
    backup: bool,
}

impl Define for Download {
    const NAME: &'static str = "files.download";
    const SUMMARY: &'static str = "Have the host download a file";
    const MAIN_ARGUMENT: &'static str = "dest";
    const RUNS: RunsCommands = RunsCommands::Own;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "files.download"
src = "https://github.com/mikefarah/yq/releases/download/v4.44.3/yq_linux_amd64"
dest = "/usr/local/bin/yq"
sha256 = "a2c097180dd884a8d50c956ee16a9cec070f30a7947cf4ebf87d5f36213e9ed7"
mode = "0755"
"#;
}

impl Operation for Download {
    fn needs(&self) -> Vec<FactKey> {
        path_and_ancestors(&self.dest)
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(FactKey::Path(self.dest.clone()))]
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        vec![Demand::presence(ResourceKind::File, &self.dest, true)]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_url(context, "src", &self.src)?;
        check_path(context, "dest", &self.dest)?;
        check_sha256(context, "sha256", Some(&self.sha256))?;
        check_owners(context, self.user.as_deref(), self.group.as_deref())?;
        check_validate(context, self.validate.as_deref())?;
        let content = WishedContent::Download {
            url: &self.src,
            digest: self.sha256.to_ascii_lowercase(),
            headers: self.headers(context)?,
        };
        let wish = FileWish {
            owner: self.user.as_deref(),
            group: self.group.as_deref(),
            mode: self.mode.map(|mode| mode.0),
            validate: self.validate.clone(),
            backup: self.backup,
            if_exists: self.if_exists,
            ..FileWish::new(&self.dest, "dest", content)
        };
        plan_file(context, &wish)
    }
}

impl Download {
    fn headers(&self, context: &PlanContext<'_>) -> Result<Option<Input>, Stop> {
        let headers = headers(context, &self.headers)?;
        let lines: String = headers.exposed().map(|line| line + "\n").collect();
        Ok((!headers.is_empty()).then(|| Input::secret(lines.into_bytes(), context.digests())))
    }
}
