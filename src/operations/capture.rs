//! `capture`: a value that exists only once a command has made it, kept in a file of the host.
//!
//! ```toml
//! [[operation]]
//! capture = "token"
//! file = "/etc/app/token"
//! [operation.create]
//! op = "server.shell"
//! commands = ["app-server create-token"]
//! ```
//!
//! What the commands print becomes the file on the host itself: it does not pass through homelab, so a token that was issued
//! is not lost with a connection.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Deserialize;

use super::files::parameters::{Mode, check_owners, check_path, octal, path_and_ancestors};
use super::files::whole_file::{FileWish, IfExists, WishedContent, check_parent, plan_file};
use super::ownership::ownership;
use super::parameters::Span;
use super::{Define, Operation, PlanContext};
use crate::change::{
    Action, Attribute, Before, Command, Expect, Outcome, Ownership, ResourceChange, ResourceId, ResourceKind, Step,
    Stop,
};
use crate::content::Content;
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::path::{Inode, InodeKind, PathFact, parent};
use crate::facts::{Fact, FactKey};
use crate::quote::quote;
use crate::value::Known;

/// Why the value is not known yet.
const LATER: &str = "known after apply";
/// The only operation that makes a value.
const MAKER: &str = "server.shell";

/// Parameters of a `capture`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Capture {
    /// Name of the value: templates use it as `captured.NAME`.
    #[expect(dead_code, reason = "the entry as written has it for templates")]
    capture: String,
    /// File of the host that holds the value. Deleting it makes a new one in the next deploy.
    file: String,
    /// JSON pointer to the value in the file, such as `"/token"`. By default it is all of the file, without the line break at its
    /// end.
    #[expect(dead_code, reason = "the entry as written has it for templates")]
    select: Option<String>,
    /// User who owns the file. By default the owner is kept; a new file belongs to `root`.
    user: Option<String>,
    /// Group that the file belongs to. By default the group is kept; a new file gets `root`.
    group: Option<String>,
    /// Permissions of the file. By default they are kept; a new file gets `"0600"`.
    mode: Option<Mode>,
    /// What makes the value if the file is not there. Without it the file is only read.
    create: Option<Create>,
}

/// What makes a value.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Create {
    /// `"server.shell"`.
    op: String,
    /// Commands for `sh`, run in order until one fails. What they print becomes the file.
    commands: Vec<String>,
    /// How long to try: the commands run again after a pause until they succeed. By default they run once.
    within: Option<Span>,
}

impl Define for Capture {
    const NAME: &'static str = "capture";
    const SUMMARY: &'static str = "Keep what a command prints in a file, and use it in templates";
    const MAIN_ARGUMENT: &'static str = "capture";
    const EXAMPLE: &'static str = r#"[[operation]]
capture = "token"
file = "/etc/app-token"
[operation.create]
op = "server.shell"
commands = ["openssl rand -hex 16"]
"#;
}

impl Operation for Capture {
    fn needs(&self) -> Vec<FactKey> {
        path_and_ancestors(&self.file)
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        match &self.create {
            Some(_) => vec![FactScope::Everything],
            None => vec![FactScope::Key(FactKey::Path(self.file.clone()))],
        }
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_path(context, "file", &self.file)?;
        check_owners(context, self.user.as_deref(), self.group.as_deref())?;
        self.check_create(context)?;
        if context.path(&self.file)? != PathFact::Absent {
            let wish = FileWish {
                owner: self.user.as_deref(),
                group: self.group.as_deref(),
                mode: self.mode.map(|mode| mode.0),
                if_exists: IfExists::Keep,
                ..FileWish::new(&self.file, "file", WishedContent::Ready(Content::new(*b"")))
            };
            return plan_file(context, &wish);
        }
        let Some(create) = &self.create else {
            let title = format!("`{}` is not on the host", self.file);
            return Err(context
                .refuse("file", title, "nothing here makes it")
                .hint("add `[operation.create]`, or create the file first"));
        };
        check_parent(context, "file", &self.file)?;
        Ok(Outcome::Change(vec![self.change(context, create)?]))
    }
}

impl Capture {
    fn check_create(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let Some(create) = &self.create else { return Ok(()) };
        if create.op != MAKER {
            let title = format!("`{}` cannot make a captured value", create.op);
            return Err(context
                .refuse_entry("create", "op", title, "not possible here")
                .hint(format!("use `op = \"{MAKER}\"`")));
        }
        if create.commands.iter().all(|command| command.trim().is_empty()) {
            return Err(context
                .refuse_entry("create", "commands", "`commands` is empty", "nothing to run")
                .hint("write `commands = [\"…\"]`"));
        }
        Ok(())
    }

    fn change(&self, context: &PlanContext<'_>, create: &Create) -> Result<ResourceChange, Stop> {
        let Ownership { owner, group } = ownership(context, self.user.as_deref(), self.group.as_deref())?;
        let mode = self.mode.map_or(0o600, |mode| mode.0);
        let summary = create.commands.join("; ");
        let after = [
            ("content", Attribute::Unknown(LATER.to_owned())),
            ("mode", Attribute::known(octal(mode))),
            ("owner", Attribute::known(&owner)),
            ("group", Attribute::known(&group)),
        ];
        let mut change = ResourceChange::new(
            ResourceId::new(ResourceKind::File, &self.file),
            Action::Create,
            Before::Absent,
            Some(after.into_iter().collect()),
        );
        change.expect = vec![Expect::Absent {
            path: self.file.clone(),
        }];
        let inode = Inode {
            kind: InodeKind::File {
                digest: Known::No(LATER.to_owned()),
            },
            owner: owner.clone(),
            group: group.clone(),
            mode,
        };
        change.effects = vec![
            Effect::Forget(FactScope::Everything, "the command may change it".to_owned()),
            Effect::Set(FactKey::Path(self.file.clone()), Fact::Path(PathFact::Present(inode))),
            Effect::Forget(FactScope::Key(FactKey::Content(self.file.clone())), LATER.to_owned()),
        ];
        let mut command = Command::new(summary, self.script(create, &format!("{owner}:{group}"), mode));
        if let Some(within) = create.within {
            command.timeout = within.0;
        }
        change.steps = vec![Step::Run(command)];
        Ok(change)
    }

    /// The file gets its place only when it is whole.
    fn script(&self, create: &Create, owner: &str, mode: u32) -> String {
        let mut make = String::new();
        for command in &create.commands {
            let _ = write!(make, "( eval {}\n) || exit\n", quote(command));
        }
        let again = match create.within {
            Some(_) => "until make; do sleep 2; done",
            None => "make || exit",
        };
        format!(
            "umask 077\n\
             p={path} t={folder}/.homelab-capture-$$\n\
             trap 'rm -f -- \"$t\"' EXIT; trap 'exit 1' HUP INT TERM PIPE\n\
             make() {{ (\n{make}) </dev/null >\"$t\"; }}\n\
             {again}\n\
             [ -s \"$t\" ] || {{ echo 'the command printed nothing'; exit 1; }}\n\
             chown -- {owner} \"$t\" && chmod -- {mode:05o} \"$t\" && sync -- \"$t\" && ln -T -- \"$t\" \"$p\"",
            path = quote(&self.file),
            folder = quote(parent(&self.file).trim_end_matches('/')),
            owner = quote(owner),
        )
    }
}
