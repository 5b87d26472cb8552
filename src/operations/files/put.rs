//! `files.put`: copy a file of the project to the host, or write a given text.
//!
//! ```toml
//! [[operation]]
//! op = "files.put"
//! src = "apt/52unattended-upgrades-local"      # below templates/
//! dest = "/etc/apt/apt.conf.d/52unattended-upgrades-local"
//! mode = "0644"
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use super::parameters::{Mode, check_owners, check_path, check_validate, path_and_ancestors};
use super::whole_file::{FileWish, IfExists, WishedContent, plan_file};
use crate::change::{Outcome, ResourceKind, Stop};
use crate::content::{Assets, Content, LAB_HELM, lab_file, lab_helm_file};
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::operations::conduct::RunsCommands;
use crate::operations::run_as::RunAsSupport;
use crate::operations::{AGENT, Define, Demand, Operation, PlacedText, PlanContext};
use crate::value::Text;

/// How the names of programs begin that the lab has built.
const LAB_FILE: &str = "lab:";

/// Parameters of `files.put`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Put {
    /// File below `templates/` of the project, copied byte for byte; or `pki:ca`, `pki:leaves`, `pki:NAME.crt` and `pki:NAME.key`, the
    /// certificates of the project; or `agent:binary`, the program of the on-host agent for the architecture of the host, which
    /// `homelab agent build` compiles; or `lab:helm-VERSION`, a program that the lab built. Give `src` or `content`. Templates, whose names end in
    /// `.j2`, are for `files.template`; one is copied only to a `dest` with that end.
    src: Option<String>,
    /// The text to write. Give `src` or `content`.
    content: Option<Text>,
    /// Absolute path on the host.
    dest: String,
    /// User who owns it. By default the owner is kept; a new file belongs to `root`, or to `become_user`.
    user: Option<String>,
    /// Group it belongs to. By default the group is kept; a new file gets `root`, or the primary group of `become_user`.
    group: Option<String>,
    /// Permissions. By default they are kept; a new file gets `"0644"`.
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

impl Define for Put {
    const NAME: &'static str = "files.put";
    const SUMMARY: &'static str = "Copy a file of the project to the host, or write a given text";
    const MAIN_ARGUMENT: &'static str = "dest";
    const RUNS: RunsCommands = RunsCommands::Validate;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "files.put"
dest = "/etc/motd"
content = "Deployed by homelab.\n"
mode = "0644"
"#;
    const RUN_AS: RunAsSupport = RunAsSupport::Owner;
}

impl Operation for Put {
    fn needs(&self) -> Vec<FactKey> {
        let system = self.is_agent().then_some(FactKey::System);
        path_and_ancestors(&self.dest).into_iter().chain(system).collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(FactKey::Path(self.dest.clone()))]
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        let presence = Demand::presence(ResourceKind::File, &self.dest, true);
        // What is kept may be anything.
        let content = self.content.as_ref().filter(|_| self.if_exists == IfExists::Replace);
        let content = content.map(|content| Demand::of_text(ResourceKind::File, &self.dest, "content", content));
        content.into_iter().chain([presence]).collect()
    }

    fn texts(&self, context: &PlanContext<'_>) -> Vec<PlacedText> {
        let placed = match (&self.src, &self.content) {
            (Some(src), _) => context.placed_file("src", src, false, self.dest.clone()),
            (None, Some(content)) => Some(context.placed_text("content", content, &self.dest)),
            (None, None) => None,
        };
        let mode = self.mode.map(|mode| mode.0);
        placed.into_iter().map(|text| text.with_mode(mode)).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_path(context, "dest", &self.dest)?;
        check_owners(context, self.user.as_deref(), self.group.as_deref())?;
        check_validate(context, self.validate.as_deref())?;
        let wish = FileWish {
            owner: self.user.as_deref(),
            group: self.group.as_deref(),
            mode: self.mode.map(|mode| mode.0),
            validate: self.validate.clone(),
            backup: self.backup,
            if_exists: self.if_exists,
            ..FileWish::new(&self.dest, "dest", self.content(context)?)
        };
        plan_file(context, &wish)
    }
}

impl Put {
    fn is_agent(&self) -> bool {
        self.src.as_ref().is_some_and(|src| src.starts_with(AGENT))
    }

    /// Refuses to copy a template, unless `dest` says that it is to stay one.
    fn check_suffix(&self, context: &PlanContext<'_>, src: &str) -> Result<(), Stop> {
        let is_template = |path: &str| path.ends_with(Assets::TEMPLATE_SUFFIX);
        if !is_template(src) || is_template(&self.dest) {
            return Ok(());
        }
        Err(context
            .refuse(
                "src",
                format!("`files.put` would copy the template `{src}` without rendering it"),
                "a template",
            )
            .hint("use `files.template`; to copy it as it is, end `dest` with `.j2`, or rename the file"))
    }

    /// A program that the lab has built.
    fn of_lab<'a>(context: &PlanContext<'_>, src: &str) -> Result<WishedContent<'a>, Stop> {
        if let Some(content) = context.kept("src", src)? {
            return Ok(WishedContent::Ready(content));
        }
        let known = LAB_HELM.map(|version| format!("`{}`", lab_file(&lab_helm_file(version))));
        let title = format!("the lab of this project has no `{}`", src.trim_start_matches(LAB_FILE));
        Err(context
            .refuse("src", title, "`homelab lab up` puts it there")
            .hint(format!(
                "run `homelab lab up`; a host of the lab needs `lab = {{ helm = true }}`. There are {}",
                known.join(" and ")
            )))
    }

    fn content(&self, context: &PlanContext<'_>) -> Result<WishedContent<'_>, Stop> {
        match (&self.src, &self.content) {
            (Some(src), None) if self.is_agent() => Ok(WishedContent::Ready(context.agent_part("src", src, "binary")?)),
            (Some(src), None) => {
                if src.starts_with(LAB_FILE) {
                    return Self::of_lab(context, src);
                }
                context.require_asset("src", src)?;
                self.check_suffix(context, src)?;
                if context.is_encrypted_asset(src) {
                    return Ok(WishedContent::Ready(context.asset_or_secret("src", src)?));
                }
                Ok(WishedContent::Asset {
                    argument: "src",
                    path: src,
                })
            }
            (None, Some(content)) => Ok(WishedContent::Ready(Content::of_text(content))),
            (Some(_), Some(_)) => Err(context
                .refuse(
                    "content",
                    "`src` and `content` cannot be used together",
                    "used together with `src`",
                )
                .hint("remove `content` to copy a file, or `src` to write a text")),
            (None, None) => Err(context
                .refuse("dest", "missing `src` or `content`", "this file has no content")
                .hint("add `content = \"…\"`, or `src` with a file below `templates/`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Action, Attribute, Before, Expect, Step};
    use crate::facts::Fact;
    use crate::facts::path::ContentFact;
    use crate::operations::testing::{Bench, change};
    use crate::secret::Secret;
    use crate::value::{Kind, Value};

    const PUT: &str = "dest = '/etc/motd'\ncontent = \"hello\\n\"\nmode = '0644'";

    fn bench(text: &str) -> Bench {
        Bench::new::<Put>(text).directory("/").directory("/etc")
    }

    #[test]
    fn a_missing_file_is_created() {
        let change = change(bench(PUT).absent("/etc/motd").plan());
        assert_eq!(change.action, Action::Create);
        assert_eq!(change.before, Before::Absent);
        assert_eq!(
            change.expect,
            [Expect::Absent {
                path: "/etc/motd".to_owned()
            }]
        );
        let after = change.after.expect("created");
        assert_eq!(after["content"], Attribute::known("hello\n"));
        assert_eq!(after["mode"], Attribute::known("0644"));
        assert!(matches!(&change.steps[..], [Step::WriteFile(file)] if file.content == Content::new(*b"hello\n")));
    }

    #[test]
    fn old_content_is_read_to_show_it() {
        let bench = bench(PUT).file("/etc/motd", "bye\n", 0o644);
        assert_eq!(bench.missing(), [FactKey::Content("/etc/motd".to_owned())]);
        let content = Fact::Content(ContentFact::Bytes(b"bye\n".to_vec()));
        let change = change(bench.fact(FactKey::Content("/etc/motd".to_owned()), content).plan());
        assert!(matches!(change.before, Before::Present(before) if before["content"] == Attribute::known("bye\n")));
    }

    #[test]
    fn of_a_file_that_is_not_world_readable_old_lines_are_hidden() {
        let text = "dest = '/etc/motd'\ncontent = \"a\\nb\\n\"\nmode = '0600'";
        let change = change(bench(text).private("/etc/motd", "a\nold\n").plan());
        let Before::Present(before) = change.before else {
            panic!("a change")
        };
        assert_eq!(before["content"].shown(), Some("a\n[hidden]\n"));
        assert_eq!(change.after.expect("stays")["content"], Attribute::known("a\nb\n"));
    }

    #[test]
    fn a_secret_is_masked_and_its_file_is_for_its_owner_alone() {
        let secret = Value::new(Kind::Secret(Secret::new("hunter2")));
        let bench = |file: &str| {
            let bench = Bench::with::<Put>("dest = '/etc/motd'", [("content", secret.clone())]);
            let bench = bench.directory("/").directory("/etc");
            match file {
                "" => bench.absent("/etc/motd"),
                text => bench.private("/etc/motd", text),
            }
        };
        let created = change(bench("").plan());
        let after = created.after.expect("created");
        assert_eq!(after["content"].shown(), Some("[secret]"));
        assert_eq!(after["mode"], Attribute::known("0600"));
        let updated = change(bench("old").plan());
        assert!(!format!("{updated:?}").contains("hunter2"), "{updated:?}");
        let Before::Present(before) = updated.before else {
            panic!("a change")
        };
        assert_eq!(before["content"].shown(), Some("[hidden]"));
        assert_eq!(bench("hunter2").plan(), Ok(Outcome::Unchanged));
    }

    #[test]
    fn what_a_package_may_create_is_ensured() {
        let outcome = bench(PUT).absent("/etc/motd").package_may_create().plan();
        let Ok(Outcome::Ensure { changes, since }) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(since.len(), 1);
        assert!(matches!(changes[0].before, Before::Unknown(_)));
        assert!(changes[0].expect.is_empty());
    }
}
