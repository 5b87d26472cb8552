//! `server.mount`: mount a file system, now and at boot.
//!
//! ```toml
//! [[operation]]
//! op = "server.mount"
//! path = "/srv/media"
//! device = "nas.lan:/export/media"
//! fs_type = "nfs"
//! options = ["ro", "_netdev"]
//! ```

mod agreement;

use schemars::JsonSchema;
use serde::Deserialize;

use super::fstab::{FSTAB, FstabLine, plan_line};
use super::names::since;
use crate::change::{
    Action, Attribute, Attributed, Before, Command, Expect, Outcome, ResourceChange, ResourceId, ResourceKind, Step,
    Stop,
};
use crate::facts::mount::{Mount as Mounted, MountKey};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::path::{InodeKind, PathFact, is_of_system};
use crate::facts::{Fact, FactKey};
use crate::operations::files::parameters::{check_path, path_and_ancestors};
use crate::operations::work::Work;
use crate::operations::{Define, Operation, PlanContext};
use crate::quote::quote;

const CLOSED: &str = "choose a directory that only root can change, such as one in `/srv` or `/mnt`";

/// Parameters of `server.mount`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Mount {
    /// Directory to mount on, which has to exist.
    path: String,
    /// What to mount: a device, `UUID=…` or `LABEL=…`, `host:/path` for NFS, a directory with the option `bind`, or `tmpfs`.
    device: Option<String>,
    /// Type of the file system, such as `"ext4"`, `"nfs"` or `"tmpfs"`; `"none"` with the option `bind`.
    fs_type: Option<String>,
    /// Options, such as `["ro", "noatime"]`.
    #[serde(default)]
    options: Vec<String>,
    /// The fifth field of fstab(5).
    #[serde(default)]
    dump: u32,
    /// The sixth field of fstab(5): the order of checks at boot.
    #[serde(default)]
    passno: u32,
    /// `false` keeps the line in `/etc/fstab` and unmounts.
    #[serde(default = "crate::operations::parameters::yes")]
    mounted: bool,
    /// `false` unmounts and removes the line from `/etc/fstab`. The directory stays.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

impl Define for Mount {
    const NAME: &'static str = "server.mount";
    const SUMMARY: &'static str = "Mount a file system, now and at boot";
    const MAIN_ARGUMENT: &'static str = "path";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "server.mount"
path = "/mnt"
device = "tmpfs"
fs_type = "tmpfs"
options = ["size=64m", "mode=0755"]
"#;
}

impl Operation for Mount {
    fn needs(&self) -> Vec<FactKey> {
        let device = self.source_path().map(|path| path_and_ancestors(&path));
        let paths = [self.path.as_str(), FSTAB].into_iter().flat_map(path_and_ancestors);
        let rest = [FactKey::Content(FSTAB.to_owned()), FactKey::Mount(self.path.clone())];
        paths.chain(device.into_iter().flatten()).chain(rest).collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![
            FactScope::Key(FactKey::Path(FSTAB.to_owned())),
            FactScope::Key(FactKey::Mount(self.path.clone())),
            FactScope::Tree(self.path.clone()),
        ]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        context.on_scratch(|scratch| {
            let mut work = Work::default();
            // In the same round.
            let now = since(scratch.get(MountKey(&self.path)));
            let (table, old) = plan_line(scratch, "path", &self.line(), self.present)?;
            if self.present && self.mounted {
                self.check_directory(scratch)?;
            }
            let now = match now? {
                Ok(now) => now,
                Err((operation, _)) => {
                    work.since.push(operation);
                    None
                }
            };
            // A line of what cannot be mounted could keep the host from starting, so the table comes last.
            let change = self.mount(scratch, now.as_ref(), old.as_ref())?;
            work.add(scratch, change);
            work.add(scratch, table);
            Ok(work.outcome())
        })
    }
}

impl Mount {
    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        check_path(context, "path", &self.path)?;
        if !self.present {
            return Ok(());
        }
        for (argument, value) in [("device", &self.device), ("fs_type", &self.fs_type)] {
            let hint = format!("write `{argument} = \"…\"`, or `present = false`");
            let Some(value) = value else {
                let title = format!("missing `{argument}`");
                return Err(context.refuse("path", title, "this mount needs it").hint(hint));
            };
            if value.is_empty() || value.contains(['\n', '\r', '\0']) {
                let title = format!("`{argument}` must be one line that is not empty");
                return Err(context
                    .refuse(argument, title, "`/etc/fstab` cannot store this")
                    .hint(hint));
            }
        }
        for option in &self.options {
            if option.is_empty() || option.contains([' ', '\t', '\n', '\r', '\0']) || option.starts_with('-') {
                let title = format!("`{}` is not a valid option", option.escape_debug());
                return Err(context
                    .refuse_item("options", option, title, "an option has no blanks")
                    .hint("write a string for each option, such as \"ro\""));
            }
        }
        Ok(())
    }

    /// Refuses what is no directory, and a place that another user could put something else in.
    fn check_directory(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let path = context.resolve(&self.path);
        if let Ok(path) = &path
            && *path != self.path
        {
            let title = format!("`{}` goes through a link", self.path);
            return Err(context
                .refuse("path", title, "the kernel and `/etc/fstab` would name it differently")
                .hint(format!("write where it leads: \"{path}\"")));
        }
        match since(path.and_then(|path| context.path(&path)))? {
            Ok(PathFact::Absent) => Err(context
                .refuse(
                    "path",
                    format!("`{}` does not exist", self.path),
                    "nothing can be mounted there",
                )
                .hint(format!(
                    "create it first: `op = \"files.directory\"`, `path = \"{}\"`",
                    self.path
                ))),
            Ok(PathFact::Present(inode)) if inode.kind == InodeKind::Directory || self.is_bind() => Ok(()),
            Ok(PathFact::Present(inode)) => {
                let label = format!("this is {} on the host", inode.describe());
                Err(context
                    .refuse("path", format!("`{}` is not a directory", self.path), label)
                    .hint("choose another path, or move it away first"))
            }
            Err(_) => Ok(()),
        }
    }

    /// Refuses a device or directory that is not there, and that no earlier operation creates.
    fn check_source(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let Some(path) = self.source_path() else {
            return Ok(());
        };
        match since(context.resolve(&path).and_then(|path| context.path(&path)))? {
            Ok(PathFact::Absent) => Err(context
                .refuse(
                    "device",
                    format!("`{path}` does not exist"),
                    "nothing to mount on the host",
                )
                .hint("correct the path, or see what `lsblk -f` shows on the host")),
            Ok(PathFact::Present(_)) | Err(_) => Ok(()),
        }
    }

    fn line(&self) -> FstabLine {
        FstabLine {
            device: self.device.clone().unwrap_or_default(),
            path: self.path.clone(),
            fs_type: self.fs_type.clone().unwrap_or_default(),
            options: match self.options.join(",") {
                none if none.is_empty() => "defaults".to_owned(),
                options => options,
            },
            dump: self.dump,
            passno: self.passno,
        }
    }

    fn mount(
        &self,
        context: &PlanContext<'_>,
        now: Option<&Mounted>,
        old: Option<&FstabLine>,
    ) -> Result<Outcome, Stop> {
        let path = quote(&self.path);
        let wanted = self.present && self.mounted;
        let line = self.line();
        let (fs_type, options, device) = (quote(&line.fs_type), quote(&line.options), quote(&line.device));
        let mount = format!("mount -t {fs_type} -o {options} -- {device} {path}");
        let mut is_remount = false;
        let (action, command) = match now {
            None if !wanted => return Ok(Outcome::Unchanged),
            None => (Action::Create, mount),
            // Each that is mounted there hides the one below it.
            Some(now) if !wanted => {
                let all = vec![format!("umount -- {path}"); now.below.len() + 1];
                (Action::Remove, all.join(" && "))
            }
            Some(now) => {
                let has_other_options = old.is_some_and(|old| old.options != line.options);
                let has_device = self.has_device(context, now)?;
                if has_device && self.has_options(now) && !has_other_options {
                    return Ok(Outcome::Unchanged);
                }
                is_remount = has_device && !self.is_bind();
                let command = if is_remount {
                    format!("mount -o {} -- {path}", quote(&format!("remount,{}", line.options)))
                } else if old.is_some() {
                    // By the line that is still in the table.
                    format!("umount -- {path} && {{ {mount} || {{ mount -- {path}; exit 1; }}; }}")
                } else {
                    format!("umount -- {path} && {mount}")
                };
                (Action::Update, command)
            }
        };
        if wanted && !is_remount {
            self.check_source(context)?;
        }
        if is_of_system(&self.path) && !is_remount {
            let title = format!("nothing can be mounted on or unmounted from `{}`", self.path);
            return Err(context
                .refuse("path", title, "the running system needs what is there")
                .hint("choose another path; such a file system is set up when the host is installed"));
        }
        let before = now.map_or(Before::Absent, |now| {
            let options = now.options.iter().map(String::as_str).collect::<Vec<_>>();
            let mut before = attributed(&now.source, &now.fs_type, &options.join(","));
            if !now.below.is_empty() {
                before.insert("below it", Attribute::known(now.below.join(", ")));
            }
            Before::Present(before)
        });
        // A remount changes the options alone: of `tmpfs` and the like the device is any word.
        let kept = now.filter(|_| is_remount);
        let (device, fs_type) = kept.map_or((&line.device, &line.fs_type), |now| (&now.source, &now.fs_type));
        let after = wanted.then(|| attributed(device, fs_type, &line.options));
        let id = ResourceId::new(ResourceKind::Mount, &self.path);
        let mut change = ResourceChange::new(id, action, before, after);
        let mounted = wanted.then(|| Mounted {
            source: device.clone(),
            fs_type: fs_type.clone(),
            options: self.options.iter().cloned().collect(),
            below: now.map(|now| now.below.clone()).unwrap_or_default(),
        });
        let why = format!("something else is mounted on `{}` then", self.path);
        change.effects = vec![
            Effect::Forget(FactScope::Tree(self.path.clone()), why),
            Effect::Set(FactKey::Mount(self.path.clone()), Fact::Mount(mounted)),
        ];
        change.expect = vec![Expect::Mount {
            path: self.path.clone(),
            count: now.map_or(0, |now| now.below.len() + 1),
        }];
        let way = if wanted {
            context.closed_path("path", &self.path, "mount", CLOSED)?
        } else {
            context.resolved_path(&self.path)?
        };
        change.expect.push(Expect::ResolvedPath(Box::new(way)));
        change.steps = vec![Step::Run(Command::new(command.clone(), command))];
        Ok(Outcome::Change(vec![change]))
    }
}

fn attributed(device: &str, fs_type: &str, options: &str) -> Attributed {
    [("device", device), ("type", fs_type), ("options", options)]
        .into_iter()
        .map(|(name, value)| (name, Attribute::known(value)))
        .collect()
}
