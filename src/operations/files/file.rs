//! `files.file`: create an empty file, change the owner and mode of a file, or remove it.
//!
//! ```toml
//! [[operation]]
//! op = "files.file"
//! path = "/etc/motd"
//! present = false
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use super::parameters::{Mode, check_owners, check_path, path_and_ancestors};
use super::removal::{file_at, note_other_kind, plan_absent};
use super::whole_file::{FileWish, WishedContent, file_id, plan_file, set_attributes, without_content};
use crate::change::{Action, Attributes, Before, Command, Outcome, ResourceChange, ResourceKind, Risk, Step, Stop};
use crate::content::Content;
use crate::facts::overlay::FactScope;
use crate::facts::path::{Inode, PathFact, parent};
use crate::facts::{FactKey, Identity};
use crate::operations::ownership::check_new_owners;
use crate::operations::run_as::RunAsSupport;
use crate::operations::{Define, Demand, Operation, PlanContext};
use crate::quote::quote;

/// Parameters of `files.file`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct File {
    /// Absolute path on the host.
    path: String,
    /// `false` removes the file; a link or a directory at the path stays, and the review says so. `true` creates an empty file if there is none, and keeps the content
    /// of an existing one.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
    /// User who owns it. By default the owner is kept; a new file belongs to `root`, or to `become_user`.
    user: Option<String>,
    /// Group it belongs to. By default the group is kept; a new file gets `root`, or the primary group of `become_user`.
    group: Option<String>,
    /// Permissions. By default they are kept; a new file gets `"0644"`.
    mode: Option<Mode>,
    /// `true` sets the modification time to now, each time.
    #[serde(default)]
    touch: bool,
}

impl Define for File {
    const NAME: &'static str = "files.file";
    const SUMMARY: &'static str = "Create an empty file, change the owner and mode of a file, or remove it";
    const MAIN_ARGUMENT: &'static str = "path";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "files.file"
path = "/etc/cloud/cloud-init.disabled"
mode = "0644"
"#;
    const RUN_AS: RunAsSupport = RunAsSupport::Owner;
}

impl Operation for File {
    fn needs(&self) -> Vec<FactKey> {
        path_and_ancestors(&self.path)
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(FactKey::Path(self.path.clone()))]
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        vec![Demand::presence(ResourceKind::File, &self.path, self.present)]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_path(context, "path", &self.path)?;
        check_owners(context, self.user.as_deref(), self.group.as_deref())?;
        if !self.present {
            note_other_kind(context, "path", &self.path, "a file");
            return plan_absent(context, &self.path);
        }
        let path = context.resolve(&self.path)?;
        match context.path(&path)? {
            PathFact::Absent => plan_file(context, &self.empty()),
            PathFact::Present(inode) => self.update(context, &path, &inode),
        }
    }
}

impl File {
    fn empty(&self) -> FileWish<'_> {
        FileWish {
            owner: self.user.as_deref(),
            group: self.group.as_deref(),
            mode: self.mode.map(|mode| mode.0),
            ..FileWish::new(&self.path, "path", WishedContent::Ready(Content::new([])))
        }
    }

    fn update(&self, context: &PlanContext<'_>, path: &str, inode: &Inode) -> Result<Outcome, Stop> {
        let (old, digest) = file_at(context, path, inode)?;
        let new = Attributes {
            owner: inode.owner_as(self.user.as_ref().unwrap_or(&old.owner)).to_owned(),
            group: inode.group_as(self.group.as_ref().unwrap_or(&old.group)).to_owned(),
            mode: self.mode.map_or(old.mode, |mode| mode.0),
        };
        check_new_owners(context, &old, &new)?;
        let mut changes = Vec::new();
        if old != new {
            changes.push(set_attributes(path, inode, digest, &old, &new));
        }
        if self.touch {
            changes.push(touch(path, &new));
        }
        Ok(if changes.is_empty() {
            Outcome::Unchanged
        } else {
            Outcome::Change(changes)
        })
    }
}

fn touch(path: &str, attributes: &Attributes) -> ResourceChange {
    ResourceChange {
        id: file_id(path),
        action: Action::RunEachTime,
        before: Before::Present(without_content(attributes)),
        after: Some(without_content(attributes)),
        expect: Vec::new(),
        effects: Vec::new(),
        steps: vec![Step::Run(Command {
            by: Identity::Own,
            sets_attributes_of: Some(path.to_owned()),
            // From the directory itself: by its path, another user could lead this elsewhere.
            ..Command::new(
                format!("touch {}", quote(path)),
                format!(
                    "d={} && cd -P -- \"$d\" && [ \"$(pwd -P)\" = \"$d\" ] && touch -c -h -- ./{}",
                    quote(parent(path)),
                    quote(path.rsplit('/').next().unwrap_or_default())
                ),
            )
        })],
        risk: Risk::None,
        is_asked_as_before: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Attribute, Expect, NotKnown};
    use crate::operations::testing::{Bench, change, refusal};

    fn bench(text: &str) -> Bench {
        Bench::new::<File>(text).directory("/").directory("/etc")
    }

    #[test]
    fn a_missing_file_is_created_empty() {
        let bench = bench("path = '/etc/x'\nuser = 'setup'").absent("/etc/x");
        let change = change(bench.user("setup", 1000, "setup", &[]).plan());
        assert_eq!(change.action, Action::Create);
        assert!(matches!(&change.steps[..], [Step::WriteFile(file)]
                if file.content.size() == 0 && file.attributes.owner == "setup" && file.attributes.mode == 0o644));
    }

    #[test]
    fn content_is_kept_and_another_mode_is_set() {
        let file = |text: &str| bench(text).file("/etc/x", "content", 0o644);
        assert_eq!(file("path = '/etc/x'\nmode = '0644'").plan(), Ok(Outcome::Unchanged));
        let change = change(file("path = '/etc/x'\nmode = '0600'").plan());
        assert_eq!(change.action, Action::Update);
        assert!(matches!(&change.steps[..], [Step::SetAttributes(step)] if step.attributes.mode == 0o600));
        assert!(matches!(&change.before, Before::Present(before) if before["mode"] == Attribute::known("0644")));
        assert!(matches!(&change.expect[..], [Expect::File { digest: Some(_), .. }]));
    }

    #[test]
    fn a_touch_does_not_count_as_drift() {
        let change = change(bench("path = '/etc/x'\ntouch = true").file("/etc/x", "a", 0o644).plan());
        assert_eq!(change.action, Action::RunEachTime);
        assert!(!change.action.is_pending());
        assert!(
            matches!(&change.steps[..], [Step::Run(run)] if run.script == "d=/etc && cd -P -- \"$d\" && [ \"$(pwd -P)\" = \"$d\" ] && touch -c -h -- ./x")
        );
    }

    #[test]
    fn an_unwanted_file_is_removed_and_its_content_shown() {
        let text = "path = '/etc/x'\npresent = false";
        assert_eq!(bench(text).absent("/etc/x").plan(), Ok(Outcome::Unchanged));
        let change = change(bench(text).file_with_content("/etc/x", "old\n").plan());
        assert_eq!((change.action, change.risk), (Action::Remove, Risk::Removal));
        assert!(matches!(&change.before, Before::Present(before) if before["content"] == Attribute::known("old\n")));
        assert!(matches!(&change.expect[..], [Expect::File { digest: Some(_), .. }]));
        assert_eq!(change.after, None);
    }

    #[test]
    fn a_file_that_a_package_may_create_is_not_known() {
        let stop = bench("path = '/etc/x'").absent("/etc/x").package_may_create().plan();
        let since = |stop: &Result<Outcome, Stop>| {
            matches!(
                stop,
                Err(Stop::NotKnown {
                    cause: NotKnown::Since(..),
                    ..
                })
            )
        };
        assert!(since(&stop), "{stop:?}");
    }

    #[test]
    fn what_else_is_there_stays_and_is_named() {
        let bench = || bench("path = '/etc/x'\npresent = false");
        for (bench, what, operation) in [
            (bench().directory("/etc/x"), "a directory", "files.directory"),
            (bench().link("/etc/x", "y"), "a link", "files.link"),
        ] {
            assert_eq!(bench.plan(), Ok(Outcome::Unchanged));
            let notice = format!(
                "`/etc/x` stays: it is {what}, not a file; `{operation}` with `present = false` removes it (t.toml:1:8)"
            );
            assert_eq!(bench.notices(), [notice]);
        }
        for bench in [bench().absent("/etc/x"), bench().file_with_content("/etc/x", "old\n")] {
            assert_eq!(bench.notices(), Vec::<String>::new());
        }
    }

    #[test]
    fn refusals_name_what_is_wrong() {
        let refused = |bench: Bench| refusal(bench.plan()).to_string();
        assert_eq!(
            refused(bench("path = '/etc/x'").directory("/etc/x")),
            "t.toml:1:8: `/etc/x` is not a file"
        );
        let nowhere = bench("path = '/no/x'").absent("/no").absent("/no/x");
        assert_eq!(refused(nowhere), "t.toml:1:8: the directory of `/no/x` does not exist");
    }
}
