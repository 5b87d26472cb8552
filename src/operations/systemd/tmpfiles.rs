//! `systemd.tmpfiles`: create directories and files at boot and now, as tmpfiles.d(5) describes them.
//!
//! ```toml
//! [[operation]]
//! op = "systemd.tmpfiles"
//! file = "hello"                               # /etc/tmpfiles.d/hello.conf
//! content = "d /run/hello 0750 hello hello -\n"
//! ```

mod lines;

use schemars::JsonSchema;
use serde::Deserialize;

use self::lines::{Line, Made};
use super::name;
use crate::change::{
    Action, Attribute, Attributed, Before, Command, NotKnown, Outcome, ResourceChange, ResourceId, ResourceKind, Risk,
    Step, Stop,
};
use crate::content::Content;
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::path::{Inode, InodeKind, PathFact};
use crate::facts::{Fact, FactKey};
use crate::operations::files::parameters::{octal, path_and_ancestors};
use crate::operations::files::removal::{note_other_kind, plan_absent};
use crate::operations::files::whole_file::{FileWish, WishedContent, plan_file};
use crate::operations::work::Work;
use crate::operations::{Define, Operation, PlanContext, text};
use crate::quote::quote;

/// Parameters of `systemd.tmpfiles`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Tmpfiles {
    /// Name of the file in `/etc/tmpfiles.d`, without `.conf`.
    file: String,
    /// The lines to write. Give `content` or `src`.
    content: Option<String>,
    /// File below `templates/` of the project; a template is rendered if its name ends in `.j2`. Give `content` or `src`.
    src: Option<String>,
    /// `false` removes the file. What it created stays.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

impl Define for Tmpfiles {
    const NAME: &'static str = "systemd.tmpfiles";
    const SUMMARY: &'static str = "Create directories and files at each boot and now";
    const MAIN_ARGUMENT: &'static str = "file";
    const INSTEAD_OF_SECRETS: Option<&'static str> = Some(
        "every user of the host can read this file: write the secret to a file of its own with `files.put`, and copy it with a line `C`",
    );
    const EXAMPLE: &'static str = r#"[[operation]]
op = "systemd.tmpfiles"
file = "scans"
content = "d /run/scans 0755 root root -\n"
"#;
}

impl Operation for Tmpfiles {
    fn needs(&self) -> Vec<FactKey> {
        let of_lines = made_by(self.content.as_deref().unwrap_or_default());
        let made = of_lines.into_iter().map(|made| FactKey::Path(made.path));
        path_and_ancestors(&self.path()).into_iter().chain(made).collect()
    }

    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        let path = FactScope::Key(FactKey::Path(self.path()));
        if !self.present {
            return vec![path];
        }
        match text::known_text(context, "file", self.written()) {
            Some(text) if !lines::of(&text).iter().any(Line::is_open) => {
                let made = made_by(&text).into_iter();
                let made = made.map(|made| FactScope::Key(FactKey::Path(made.path)));
                [path].into_iter().chain(made).collect()
            }
            _ => vec![FactScope::Everything],
        }
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        name::check_conf(context, "file", &self.file)?;
        if !self.present {
            note_other_kind(context, "file", &self.path(), "a file");
            return plan_absent(context, &self.path());
        }
        let content = match text::content_or_later(context, "file", self.written(), || self.touches(context))? {
            Ok(content) => content,
            Err(later) => return Ok(later),
        };
        context.on_scratch(|scratch| self.write(scratch, &content))
    }
}

impl Tmpfiles {
    /// `src` and `content`.
    fn written(&self) -> (Option<&str>, Option<&str>) {
        (self.src.as_deref(), self.content.as_deref())
    }

    fn path(&self) -> String {
        format!("/etc/tmpfiles.d/{}.conf", self.file)
    }

    fn write(&self, context: &PlanContext<'_>, content: &Content) -> Result<Outcome, Stop> {
        let bytes = content.bytes().map_or(Ok(""), |bytes| std::str::from_utf8(bytes));
        let Ok(text) = bytes else {
            return Err(context.refuse("src", "this is not text", "tmpfiles.d(5) describes the lines"));
        };
        let argument = if self.src.is_some() { "src" } else { "content" };
        if let Some((line, sequence)) = lines::wrong_escape(text) {
            let title = format!(
                "`{sequence}` in line {line} of `{}` is not an escape sequence",
                self.path()
            );
            return Err(context
                .refuse(argument, title, "systemd cannot read the text of this line")
                .hint("write `\\\\` for a backslash"));
        }
        let path = self.path();
        let wish = FileWish {
            validate: Some(VALIDATE.iter().map(|word| (*word).to_owned()).collect()),
            ..FileWish::new(&path, "file", WishedContent::Ready(content.clone()))
        };
        let mut work = Work::default();
        let file = plan_file(context, &wish)?;
        let is_written = file != Outcome::Unchanged;
        let made: Vec<(Made, Result<PathFact, Stop>)> = made_by(text)
            .into_iter()
            .map(|made| {
                let fact = context.path(&made.path);
                (made, fact)
            })
            .collect();
        work.add(context, file);
        for (made, fact) in made {
            match fact {
                Ok(fact) if made.holds(&fact) => {}
                Ok(fact) => work.add(context, Outcome::Change(vec![created(&made, Some(&fact))])),
                Err(Stop::NotKnown {
                    cause: NotKnown::Since(operation, why),
                    ..
                }) => {
                    let mut change = created(&made, None);
                    change.before = Before::Unknown(why);
                    let outcome = Outcome::Ensure {
                        changes: vec![change],
                        since: vec![operation],
                    };
                    work.add(context, outcome);
                }
                Err(stop) => return Err(stop),
            }
        }
        let forgets_everything = is_written && lines::of(text).iter().any(Line::is_open);
        if let Some(first) = work.changes.first_mut() {
            first.steps.push(create(&path));
            if forgets_everything {
                let why = "its lines may change anything".to_owned();
                first.effects.push(Effect::Forget(FactScope::Everything, why));
            }
        }
        Ok(work.outcome())
    }
}

/// What the lines create and can be read back.
fn made_by(text: &str) -> Vec<Made> {
    lines::of(text).into_iter().filter_map(Line::made).collect()
}

/// Reads all lines and acts on none.
const VALIDATE: [&str; 4] = ["systemd-tmpfiles", "--create", "--prefix=/homelab/none", "{path}"];

fn create(path: &str) -> Step {
    let summary = format!("systemd-tmpfiles --create {path}");
    Step::Run(Command::new(
        summary,
        format!("systemd-tmpfiles --create -- {}", quote(path)),
    ))
}

/// What a line creates or changes. The change before it does that.
fn created(made: &Made, now: Option<&PathFact>) -> ResourceChange {
    let inode = match now {
        Some(PathFact::Present(inode)) => Some(inode),
        _ => None,
    };
    let attributes = |mode: Option<u32>, owner: Option<&str>, group: Option<&str>| -> Attributed {
        [
            ("mode", mode.map(octal)),
            ("owner", owner.map(str::to_owned)),
            ("group", group.map(str::to_owned)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, Attribute::known(value?))))
        .collect()
    };
    let wanted = made.attributes(inode);
    ResourceChange {
        id: ResourceId {
            kind: if made.is_directory {
                ResourceKind::Directory
            } else {
                ResourceKind::File
            },
            name: made.path.clone(),
        },
        action: if inode.is_some() {
            Action::Update
        } else {
            Action::Create
        },
        before: inode.map_or(Before::Absent, |inode| {
            Before::Present(attributes(Some(inode.mode), Some(&inode.owner), Some(&inode.group)))
        }),
        after: Some(attributes(Some(wanted.mode), Some(&wanted.owner), Some(&wanted.group))),
        expect: Vec::new(),
        effects: vec![effect(made, wanted)],
        steps: Vec::new(),
        risk: Risk::None,
        is_asked_as_before: false,
    }
}

fn effect(made: &Made, wanted: lines::Attributes) -> Effect {
    let key = FactKey::Path(made.path.clone());
    if !made.is_directory {
        return Effect::Forget(FactScope::Key(key), "systemd-tmpfiles creates it".to_owned());
    }
    let inode = Inode {
        owner_id: None,
        group_id: None,
        kind: InodeKind::Directory,
        owner: wanted.owner,
        group: wanted.group,
        mode: wanted.mode,
    };
    Effect::Set(key, Fact::Path(PathFact::Present(inode)))
}
