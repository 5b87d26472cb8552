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

use std::collections::BTreeMap;
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Deserialize;

use super::docker::engine;
use super::docker::exec::Place;
use super::files::parameters::{Mode, check_owners, check_path, octal, path_and_ancestors};
use super::files::whole_file::{FileWish, IfExists, WishedContent, check_parent, plan_file};
use super::ownership::ownership;
use super::parameters::Span;
use super::request::{JsonValue, check_url, headers, unchecked};
use super::{Define, Operation, PlanContext};
use crate::change::{
    Action, Attribute, Before, Command, Expect, NotKnown, Outcome, Ownership, ResourceChange, ResourceId, ResourceKind,
    Step, Stop,
};
use crate::content::{Content, Input};
use crate::facts::http::{Headers, Request};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::path::{Inode, InodeKind, PathFact, parent};
use crate::facts::{Environment, Fact, FactKey, receiving};
use crate::quote::{quote, quote_all};
use crate::secret::Secret;
use crate::value::{Known, Text, Varied};

/// Why the value is not known yet.
const LATER: &str = "the capture makes it";
const SHELL: &str = "server.shell";
const REQUEST: &str = "http.resource";
const EXEC: &str = "docker.exec";
/// Shell text that ends if Docker could not start the program of the container, with the exit code `$1`. Docker says why where the program
/// would print, and trying again does not help.
const STARTED: &str =
    "started() { case $1 in 126|127) ! grep -a '^OCI runtime exec failed' ./value >&2 || exit \"$1\";; esac; }\n";
/// The operations that make a value.
pub const MAKES_VALUES: [&str; 3] = [SHELL, REQUEST, EXEC];

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
    /// `true` hides the value wherever it is used, as a secret.
    #[serde(default)]
    #[expect(dead_code, reason = "the entry as written has it for templates")]
    secret: bool,
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
    /// `"server.shell"`, `"http.resource"` for what a web API answers, or `"docker.exec"` for what a command in a container
    /// prints.
    op: String,
    /// Of `server.shell`: commands for `sh`, run in order until one fails. What they print becomes the file.
    commands: Option<Vec<String>>,
    /// Of `http.resource`: URL of the request, as the host reaches it. The answer becomes the file. `https` needs curl on the host.
    url: Option<String>,
    /// Of `http.resource`: method of the request.
    #[serde(default)]
    method: Method,
    /// Of `http.resource`: what the request sends, as JSON.
    body: Option<Varied<JsonValue>>,
    /// Of `http.resource`: headers of the request, such as `{ Authorization = "Bearer …" }`. Their values are never shown.
    headers: Option<BTreeMap<String, Text>>,
    /// Of `docker.exec`: the command, as a list of words. What it prints becomes the file.
    command: Option<Vec<String>>,
    /// Of `docker.exec`: name of the container. Give this, or `project` and `service`.
    container: Option<String>,
    /// Of `docker.exec`: name of the compose project that the service belongs to.
    project: Option<String>,
    /// Of `docker.exec`: service of `project`.
    service: Option<String>,
    /// Of `docker.exec`: user of the container that the command runs as.
    user: Option<String>,
    /// How long to try: it is made again after a pause until it succeeds. By default it is tried once.
    within: Option<Span>,
    /// Paths that this may change beside the file, such as `[]` for none. By default it may change anything, so that later
    /// operations are harder to predict; `docker.exec` changes none by default.
    touches: Option<Vec<String>>,
}

/// A method of a request that makes a value.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, strum::IntoStaticStr)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
enum Method {
    #[default]
    Post,
    Put,
    Get,
}

impl Define for Capture {
    const NAME: &'static str = "capture";
    const SUMMARY: &'static str = "Keep what a command prints in a file, and use it in templates";
    const MAIN_ARGUMENT: &'static str = "capture";
    const SHELL_TEXT: &'static [&'static str] = &["create.commands"];
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
        let file = [FactKey::Path(self.file.clone()), FactKey::Content(self.file.clone())].map(FactScope::Key);
        let others = self.create.as_ref().map(Create::may_change);
        others.into_iter().flatten().chain(file).collect()
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
        create.check_container(context)?;
        Ok(Outcome::Change(vec![self.change(context, create)?]))
    }
}

impl Capture {
    fn check_create(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let Some(create) = &self.create else { return Ok(()) };
        if let Some(key) = create.foreign() {
            let title = format!("`{key}` is not for `{}` in `create`", create.op);
            return Err(context
                .refuse_entry("create", key, title, "this would have no effect")
                .hint("remove it"));
        }
        let mut touched = create.touches.iter().flatten();
        if let Some(path) = touched.find(|path| !path.starts_with('/')) {
            let title = format!("`{path}` in `touches` is not a valid path");
            return Err(context
                .refuse_entry("create", "touches", title, "must start with `/`")
                .hint("write an absolute path of the host"));
        }
        if create.op == EXEC {
            return create.check_exec(context);
        }
        if create.op == REQUEST {
            let Some(url) = &create.url else {
                return Err(context
                    .refuse_entry("create", "op", "missing `url` in `create`", "nothing to ask")
                    .hint("write `url = \"http://…\"`"));
            };
            check_url(context, "create", url)?;
            return headers(context, create.headers()).map(drop);
        }
        let commands = create.commands.as_deref().unwrap_or_default();
        if commands.iter().all(|command| command.trim().is_empty()) {
            return Err(context
                .refuse_entry("create", "commands", "`commands` is empty", "nothing to run")
                .hint("write `commands = [\"…\"]`"));
        }
        Ok(())
    }

    fn change(&self, context: &PlanContext<'_>, create: &Create) -> Result<ResourceChange, Stop> {
        let Ownership { owner, group } = ownership(context, self.user.as_deref(), self.group.as_deref())?;
        let mode = self.mode.map_or(0o600, |mode| mode.0);
        let (summary, make) = create.summary_and_script();
        let after = [
            ("made by", Attribute::known(&summary)),
            ("content", Attribute::Unknown(String::new())),
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
            owner_id: None,
            group_id: None,
            kind: InodeKind::File {
                digest: Known::No(LATER.to_owned()),
            },
            owner: owner.clone(),
            group: group.clone(),
            mode,
        };
        let others = create.may_change().into_iter();
        let forget = |scope| Effect::Forget(scope, "the command may change it".to_owned());
        change.effects = others
            .map(forget)
            .chain([
                Effect::Set(FactKey::Path(self.file.clone()), Fact::Path(PathFact::Present(inode))),
                Effect::Forget(FactScope::Key(FactKey::Content(self.file.clone())), LATER.to_owned()),
            ])
            .collect();
        let script = self.script(create, &make, &format!("{owner}:{group}"), mode);
        let mut command = if create.op == REQUEST {
            // A shell reads it from standard input: it has the values of the headers.
            let input = Input::secret(script.into_bytes(), context.digests());
            Command {
                input: Some(input),
                ..Command::new(summary, "sh")
            }
        } else {
            Command::new(summary, script)
        };
        if let Some(within) = create.within {
            command.timeout = within.0;
        }
        let asking = match create.op.as_str() {
            REQUEST => "create.url",
            EXEC => "create.command",
            _ => "create.commands",
        };
        command = command.asked_by(asking);
        change.steps = vec![Step::Run(command)];
        Ok(change)
    }

    /// The file gets its place only when it is whole. Until then it is in a new folder that only this user can enter: others may own
    /// the one around it. From there, `..` is that one, whatever is renamed.
    fn script(&self, create: &Create, make: &str, owner: &str, mode: u32) -> String {
        let again = match (create.within.is_some(), create.op.as_str()) {
            (true, EXEC) => "until make; do started $?; sleep 2; done",
            (true, _) => "until make; do sleep 2; done",
            (false, EXEC) => "make || { s=$?; started $s; exit $s; }",
            (false, _) => "make || exit",
        };
        let started = if create.op == EXEC { STARTED } else { "" };
        format!(
            "umask 077\n\
             from=$PWD\n\
             cd -P -- {folder} && folder=$(pwd -P) && new=$(mktemp -d ./.homelab-XXXXXXXXXX) || exit\n\
             trap 'cd -- \"$folder\" && rm -rf -- \"$new\"' EXIT; trap 'exit 1' HUP INT TERM PIPE\n\
             cd -P -- \"$new\" && [ \"$(pwd -P)\" = \"${{folder%/}}/${{new#./}}\" ] && [ -O . ] || {{ echo 'its folder has changed'; exit 1; }}\n\
             make() {{ ( cd -- \"$from\"\n{make}) </dev/null >./value; }}\n\
             {started}{again}\n\
             [ -s ./value ] || {{ echo 'the command printed nothing'; exit 1; }}\n\
             chown -- {owner} ./value && chmod -- {mode:05o} ./value && sync -- ./value && ln -T -- ./value ../{name}",
            folder = quote(parent(&self.file)),
            name = quote(&self.file[self.file.rfind('/').map_or(0, |at| at + 1)..]),
            owner = quote(owner),
        )
    }
}

impl Create {
    /// What it may change beside the file.
    fn may_change(&self) -> Vec<FactScope> {
        let paths = self
            .touches
            .as_ref()
            .map(|paths| paths.iter().cloned().map(FactScope::Tree));
        if self.op == EXEC {
            // What runs in a container reaches only what is mounted into it.
            let container = self.place().key().map(FactKey::DockerContainer).map(FactScope::Key);
            return container.into_iter().chain(paths.into_iter().flatten()).collect();
        }
        paths.map_or_else(|| vec![FactScope::Everything], Iterator::collect)
    }

    fn headers(&self) -> &BTreeMap<String, Text> {
        static NONE: BTreeMap<String, Text> = BTreeMap::new();
        self.headers.as_ref().unwrap_or(&NONE)
    }

    /// A parameter that belongs to another operation. The project has none but those of [`MAKES_VALUES`] here.
    fn foreign(&self) -> Option<&'static str> {
        let given = [
            (SHELL, "commands", self.commands.is_some()),
            (REQUEST, "url", self.url.is_some()),
            (REQUEST, "body", self.body.is_some()),
            (REQUEST, "headers", self.headers.is_some()),
            (EXEC, "command", self.command.is_some()),
            (EXEC, "container", self.container.is_some()),
            (EXEC, "project", self.project.is_some()),
            (EXEC, "service", self.service.is_some()),
            (EXEC, "user", self.user.is_some()),
        ];
        let mut foreign = given
            .into_iter()
            .filter(|(op, _, is_given)| *is_given && *op != self.op);
        foreign.next().map(|(_, key, _)| key)
    }

    /// Where the command of `docker.exec` runs.
    fn place(&self) -> Place<'_> {
        Place {
            container: self.container.as_deref(),
            project: self.project.as_deref(),
            service: self.service.as_deref(),
            user: self.user.as_deref(),
            workdir: None,
        }
    }

    /// Refuses a command in a container that is not given as it must be.
    fn check_exec(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        self.place().check(context, "create")?;
        let command = self.command.as_deref().unwrap_or_default();
        match command.first().filter(|program| !program.trim().is_empty()) {
            Some(_) => Ok(()),
            None => Err(context
                .refuse_entry("create", "command", "missing `command` in `create`", "nothing to run")
                .hint("write `command = [\"PROGRAM\", \"ARGUMENT\"]`")),
        }
    }

    /// Refuses a container that does not run. One that an earlier operation may start is waited for in its turn.
    fn check_container(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        if self.op != EXEC {
            return Ok(());
        }
        let refuse = |argument: &str, title, label| context.refuse_entry("create", argument, title, label);
        let runs = engine::runs(context, "create", true).map(drop);
        let found = runs.and_then(|()| self.place().check_runs(context, refuse));
        match found {
            Err(Stop::NotKnown {
                cause: NotKnown::Since(..),
                ..
            }) => Ok(()),
            found => found,
        }
    }

    /// What is shown of it, and what makes the value.
    fn summary_and_script(&self) -> (String, String) {
        if self.op == EXEC {
            let command = self.command.as_deref().unwrap_or_default();
            let place = self.place();
            let run = place.run(&Environment::default(), false, command);
            let words = quote_all(command.iter().map(String::as_str));
            return (
                format!("docker exec {} {words}", place.shown()),
                format!("{run} || exit\n"),
            );
        }
        let Some(url) = &self.url else {
            let commands = self.commands.as_deref().unwrap_or_default();
            let mut make = String::new();
            for command in commands {
                let _ = write!(make, "( eval {}\n) || exit\n", quote(command));
            }
            return (commands.join("; "), make);
        };
        let method = <&str>::from(self.method);
        let mut lines = unchecked(self.headers()).into_lines();
        if self.body.is_some() && !unchecked(self.headers()).has("content-type") {
            lines.push(("Content-Type".to_owned(), Secret::new("application/json")));
        }
        let request = Request {
            method: method.to_owned(),
            headers: Headers::new(lines),
            body: self.body.as_ref().map(|body| Secret::new(body.expose().0.to_string())),
            ..Request::get(url)
        };
        (format!("{method} {url}"), receiving(&request))
    }
}
