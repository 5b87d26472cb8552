//! `files.copy`: copy a file of the host to another place on it.
//!
//! ```toml
//! [[operation]]
//! op = "files.copy"
//! src = "/usr/share/doc/rsync/examples/rsyncd.conf"
//! dest = "/etc/rsyncd.conf"
//! if_exists = "keep"
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use super::parameters::{Mode, check_owners, check_path, check_validate, path_and_ancestors};
use super::whole_file::{FileWish, IfExists, WishedContent, is_sensitive, plan_file};
use crate::change::{Expect, NotKnown, Outcome, Step, Stop};
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::facts::path::{InodeKind, PathFact};
use crate::operations::conduct::RunsCommands;
use crate::operations::{Define, Operation, PlanContext};
use crate::value::Known;

/// Parameters of `files.copy`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Copy {
    /// Absolute path on the host of the file that is copied.
    src: String,
    /// Absolute path on the host of the copy.
    dest: String,
    /// User who owns the copy. By default the owner is kept; a new file belongs to `root`.
    user: Option<String>,
    /// Group that the copy belongs to. By default the group is kept; a new file gets `root`.
    group: Option<String>,
    /// Permissions of the copy. By default they are kept; a new file gets those of `src`.
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

impl Define for Copy {
    const NAME: &'static str = "files.copy";
    const SUMMARY: &'static str = "Copy a file of the host to another place on it";
    const MAIN_ARGUMENT: &'static str = "dest";
    const RUNS: RunsCommands = RunsCommands::Validate;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "files.copy"
src = "/usr/share/doc/rsync/examples/rsyncd.conf"
dest = "/etc/rsyncd.conf"
if_exists = "keep"
"#;
}

impl Operation for Copy {
    fn needs(&self) -> Vec<FactKey> {
        [&self.src, &self.dest]
            .into_iter()
            .flat_map(|path| path_and_ancestors(path))
            .collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(FactKey::Path(self.dest.clone()))]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_path(context, "src", &self.src)?;
        check_path(context, "dest", &self.dest)?;
        check_owners(context, self.user.as_deref(), self.group.as_deref())?;
        check_validate(context, self.validate.as_deref())?;
        let src = context.resolve(&self.src)?;
        let inode = match context.path(&src)? {
            PathFact::Present(inode) => inode,
            PathFact::Absent => {
                let mistake = context.mistake("src", format!("`{src}` does not exist"), "no such file on the host");
                return Err(Stop::Refused(Box::new(
                    mistake.hint("files of the project are copied by `files.put`"),
                )));
            }
        };
        let InodeKind::File { digest } = &inode.kind else {
            let label = format!("this is {} on the host", inode.describe());
            return Err(context
                .refuse("src", format!("`{src}` is not a file"), label)
                .hint("name a file"));
        };
        let digest = match digest {
            Known::Yes(digest) => digest.clone(),
            Known::No(why) => {
                return Err(Stop::NotKnown {
                    key: FactKey::Content(src),
                    cause: NotKnown::Denied(why.clone()),
                });
            }
        };
        let content = WishedContent::Copy {
            src: &src,
            digest: digest.clone(),
            is_sensitive: is_sensitive(inode.mode),
        };
        let wish = FileWish {
            owner: self.user.as_deref(),
            group: self.group.as_deref(),
            mode: self.mode.map(|mode| mode.0),
            new_mode: inode.mode & 0o777,
            validate: self.validate.clone(),
            backup: self.backup,
            if_exists: self.if_exists,
            ..FileWish::new(&self.dest, "dest", content)
        };
        let mut outcome = plan_file(context, &wish)?;
        for change in outcome.changes_mut() {
            if change.steps.iter().any(|step| matches!(step, Step::WriteFile(_))) {
                change.expect.push(Expect::Content {
                    path: src.clone(),
                    digest: digest.clone(),
                });
            }
        }
        Ok(outcome)
    }
}
