//! `files.sync`: make a folder of the project a folder of the host.
//!
//! ```toml
//! [[operation]]
//! op = "files.sync"
//! src = "grafana/provisioning"                 # below templates/
//! dest = "/etc/grafana/provisioning"
//! group = "grafana"
//! mode = "0640"
//! ```
//!
//! What homelab wrote is recorded on the host, so that what leaves the project also leaves the host, and nothing else does.

mod folder;
mod patterns;
mod record;
mod removal;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(in crate::operations) use self::folder::{Folder, Unknown};
use self::folder::{Text, outlined};
use self::patterns::Patterns;
pub(in crate::operations) use self::patterns::Rules;
pub use self::patterns::pattern_mistake;
use self::record::{Record, record_path};
use self::removal::Removal;
use self::source::{Source, directories_of};
use super::directory::{Directory, plan_one};
use super::parameters::{Mode, check_owners, check_path, check_validate, path_and_ancestors};
use super::whole_file::{FileWish, WishedContent, plan_file};
use crate::change::{Before, Outcome, ResourceId, ResourceKind, Stop};
use crate::facts::overlay::FactScope;
use crate::facts::path::{InodeKind, PathFact, PathKey, ancestors, parent};
use crate::facts::{Fact, FactKey};
use crate::operations::conduct::RunsCommands;
use crate::operations::run_as::RunAsSupport;
use crate::operations::work::{Work, later};
use crate::operations::{Define, Demand, Operation, PlacedText, PlanContext, Stays, Tree};

/// Parameters of `files.sync`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Sync {
    /// Folder below `templates/` of the project, with all that is in it.
    src: String,
    /// Absolute path of the directory on the host. Missing parent directories are created too.
    dest: String,
    /// User who owns the files and directories. By default the owner is kept; what is new belongs to `root`, or to `become_user`.
    user: Option<String>,
    /// Group they belong to. By default the group is kept; what is new gets `root`, or the primary group of `become_user`.
    group: Option<String>,
    /// Permissions of the files. By default they are kept; a new file gets `"0644"`.
    mode: Option<Mode>,
    /// Permissions of the directories, `dest` included. By default they are kept; a new directory gets `"0755"`.
    dir_mode: Option<Mode>,
    /// Patterns of what is neither copied nor removed, such as `"*.bak"` or `"cache/**"`. One without `/` stands for a name in any
    /// directory; a directory stands for all that is in it.
    #[serde(default)]
    exclude: Vec<String>,
    /// What is removed from the host: `"recorded"`, what homelab wrote there and is no longer in `src`; `"all"`, everything that is not
    /// in `src`; `"no"`, nothing.
    #[serde(default)]
    delete: Delete,
    /// Patterns of what is never removed from the host, as in `exclude`.
    #[serde(default)]
    protect: Vec<String>,
    /// `true` renders files whose names end in `.j2`, and drops that end; `false` copies them as they are.
    #[serde(default = "crate::operations::parameters::yes")]
    render: bool,
    /// Command of the host, as a list of words, that must accept each new file before it replaces the old one, such as
    /// `["nginx", "-t"]`; `{path}` stands for the path of the new file. It is tried before the review, where nothing that it
    /// writes is kept.
    validate: Option<Vec<String>>,
    /// Files with another owner or mode.
    #[serde(skip)]
    own: Rules<Own>,
    /// Directories below `dest` of which nothing is known but their owners and modes, by their paths from there.
    #[serde(skip)]
    directories: BTreeMap<String, Own>,
    /// Whether files that can be executed in the project can be on the host.
    #[serde(skip)]
    keeps_executable: bool,
}

/// An owner and permissions, as far as they are given.
#[derive(Clone, Debug, Default)]
pub(in crate::operations) struct Own {
    pub(in crate::operations) user: Option<String>,
    pub(in crate::operations) group: Option<String>,
    pub(in crate::operations) mode: Option<Mode>,
}

/// What is removed from the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Delete {
    #[default]
    Recorded,
    All,
    No,
}

impl Define for Sync {
    const NAME: &'static str = "files.sync";
    const SUMMARY: &'static str = "Make a folder of the project a folder of the host";
    const MAIN_ARGUMENT: &'static str = "dest";
    const TOLD_APART_BY: &'static [&'static str] = &["src"];
    const RUNS: RunsCommands = RunsCommands::Validate;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "files.sync"
src = "site"
dest = "/srv/site"
mode = "0644"
dir_mode = "0755"
exclude = ["*.bak"]
"#;
    const RUN_AS: RunAsSupport = RunAsSupport::Owner;
}

impl Operation for Sync {
    fn needs(&self) -> Vec<FactKey> {
        let record = record_path(None, &self.src, &self.dest);
        let listing = (self.delete == Delete::All).then(|| FactKey::Listing(self.dest.clone()));
        path_and_ancestors(&self.dest)
            .into_iter()
            .chain([FactKey::Path(record.clone()), FactKey::Content(record)])
            .chain(listing)
            .collect()
    }

    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        let ends = [self.dest.clone()].into_iter().chain(context.leads_to(&self.dest));
        let above: BTreeSet<String> = ends.flat_map(|path| ancestors(&path)).collect();
        // It makes those that are missing, and leaves the others as they are.
        let is_there = |path: &String| {
            let known = context.known_fact(&FactKey::Path(path.clone()));
            matches!(known, Some(Fact::Path(PathFact::Present(inode))) if inode.kind == InodeKind::Directory)
        };
        let above = above.into_iter().filter(|path| !is_there(path));
        let above = above.map(|path| FactScope::Key(FactKey::Path(path)));
        let session = context.session();
        let record = record_path(session.as_ref(), &self.src, &self.dest);
        above
            .chain([
                FactScope::Tree(self.dest.clone()),
                FactScope::Key(FactKey::Path(record)),
            ])
            .collect()
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        vec![Demand::presence(ResourceKind::Directory, &self.dest, true)]
    }

    fn trees(&self, context: &PlanContext<'_>) -> Vec<Tree> {
        let patterns = |argument: &str, patterns| Patterns::new(context, argument, patterns).ok();
        let (Some(excluded), Some(protected)) =
            (patterns("exclude", &self.exclude), patterns("protect", &self.protect))
        else {
            return Vec::new();
        };
        let Ok(source) = Source::new(context, &self.src, self.render, &excluded) else {
            return Vec::new();
        };
        let files: Vec<String> = source.names().map(str::to_owned).collect();
        let own: BTreeSet<String> = directories_of(source.names())
            .into_iter()
            .chain(files.clone())
            .collect();
        let stays = move |name: &str| own.contains(name) || excluded.matches(name) || protected.matches(name);
        vec![Tree {
            path: self.dest.clone(),
            files: Some(files),
            stays: (self.delete == Delete::All).then(|| Box::new(stays) as Stays),
            restores: Vec::new(),
        }]
    }

    fn texts(&self, context: &PlanContext<'_>) -> Vec<PlacedText> {
        let excluded = Patterns::new(context, "exclude", &self.exclude);
        let source = excluded.and_then(|excluded| Source::new(context, &self.src, self.render, &excluded));
        let Ok(source) = source else {
            return Vec::new();
        };
        let top = self.dest.trim_end_matches('/');
        let placed = source.assets().filter_map(|(name, asset, is_rendered)| {
            let mode = self.own.of(name).and_then(|own| own.mode).or(self.mode);
            let text = context.placed_file("src", asset, is_rendered, format!("{top}/{name}"))?;
            Some(text.with_mode(mode.map(|mode| mode.0)))
        });
        placed.collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_path(context, "dest", &self.dest)?;
        self.check_emptied(context, &self.dest)?;
        check_owners(context, self.user.as_deref(), self.group.as_deref())?;
        check_validate(context, self.validate.as_deref())?;
        self.plan_folder(context, &self.read(context)?)
    }
}

/// Refuses links where the project has files and directories: what they lead to is not what the operation says that it changes.
fn check_links(context: &PlanContext<'_>, top: &str, source: &Source<'_>) -> Result<(), Stop> {
    for path in source.paths(top) {
        if let Ok(PathFact::Present(inode)) = context.path(&path)
            && matches!(inode.kind, InodeKind::Link { .. })
        {
            let title = format!("`{path}` is a link on the host");
            let label = format!(
                "it is {}, and `files.sync` follows links only up to `dest`",
                inode.describe()
            );
            return Err(context.refuse("dest", title, label).hint(format!(
                "remove it: `op = \"files.link\"`, `path = \"{path}\"`, `present = false`, or leave it out with `exclude`"
            )));
        }
    }
    Ok(())
}

/// Whether a path that is no longer in the project stays in the record.
fn stays_recorded(delete: Delete, stays: impl Fn(&str) -> bool) -> impl Fn(&str) -> bool {
    move |name| delete == Delete::No || stays(name)
}

/// Directories that many programs have files in: `delete = "all"` would remove most of a system, or what all of a user's data is.
const SHARED: [&str; 43] = [
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/etc/pam.d",
    "/etc/security",
    "/etc/ssh",
    "/etc/ssl",
    "/etc/ssl/certs",
    "/etc/systemd",
    "/etc/systemd/system",
    "/home",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/media",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/local/bin",
    "/usr/local/lib",
    "/usr/local/sbin",
    "/usr/local/share",
    "/var",
    "/var/backups",
    "/var/cache",
    "/var/lib",
    "/var/lib/apt",
    "/var/lib/dpkg",
    "/var/lib/homelab",
    "/var/log",
    "/var/mail",
    "/var/spool",
    "/var/tmp",
];

/// Directories whose every directory is such a one, or a user's home.
const ABOVE_SHARED: [&str; 2] = ["/home", "/usr"];

impl Sync {
    /// The folder `src` of the project as the directory `dest`, from which only leaves what homelab wrote there.
    pub(in crate::operations) fn of_folder(src: &str, dest: &str, exclude: &[&str]) -> Self {
        Self {
            src: src.to_owned(),
            dest: dest.to_owned(),
            user: None,
            group: None,
            mode: None,
            dir_mode: None,
            exclude: exclude.iter().map(|pattern| (*pattern).to_owned()).collect(),
            delete: Delete::Recorded,
            protect: Vec::new(),
            render: true,
            validate: None,
            own: Rules::default(),
            directories: BTreeMap::new(),
            keeps_executable: true,
        }
    }

    /// The same, with an owner.
    pub(in crate::operations) fn owned_by(mut self, user: Option<&str>, group: Option<&str>) -> Self {
        self.user = user.map(str::to_owned);
        self.group = group.map(str::to_owned);
        self
    }

    /// The same, with files that have owners of their own, and directories that are filled by others.
    pub(in crate::operations) fn with_own(mut self, files: Rules<Own>, directories: BTreeMap<String, Own>) -> Self {
        self.own = files;
        self.directories = directories;
        self
    }

    /// Removes what homelab wrote to `dest`, and directories below it that are empty then.
    ///
    /// Errors: what is there is not known.
    pub(in crate::operations) fn plan_removed(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let record = Record::of(context, &self.src, &self.dest);
        let old = record.read(context);
        let top = context.resolve(&self.dest);
        let (old, top) = (old?, top?);
        let source = Source::empty();
        let removal = Removal::of_recorded(context, &top, &old, &source, |_| false)?;
        let left = removal.left.clone();
        context.on_scratch(|scratch| {
            let mut work = Work::default();
            removal.add_to(scratch, &mut work)?;
            Ok(record.kept_along(
                &old,
                &source,
                (&top, &BTreeSet::new()),
                |name| left.contains(name),
                work,
            ))
        })
    }

    /// The folder of the project, with what each file gets.
    ///
    /// Errors: there is no such folder, or a file of it is not valid.
    pub(in crate::operations) fn read<'c>(&self, context: &'c PlanContext<'_>) -> Result<Folder<'c>, Stop> {
        let excluded = Patterns::new(context, "exclude", &self.exclude)?;
        Folder::read(context, Source::new(context, &self.src, self.render, &excluded)?)
    }

    /// Makes the directory of the host what `folder` is.
    ///
    /// Errors: what is there is not known, or the files are refused.
    pub(in crate::operations) fn plan_folder(
        &self,
        context: &PlanContext<'_>,
        folder: &Folder<'_>,
    ) -> Result<Outcome, Stop> {
        let excluded = Patterns::new(context, "exclude", &self.exclude)?;
        let protected = Patterns::new(context, "protect", &self.protect)?;
        let source = &folder.source;
        let record = Record::of(context, &self.src, &self.dest);
        let old = record.read(context);
        let top = context.resolve(&self.dest);
        // All of them in one round.
        for path in source.paths(&self.dest) {
            let _ = context.get(PathKey(&path));
        }
        if let Some(why) = folder.why_unready() {
            return Ok(self.deferred(context, why.to_owned()));
        }
        let (old, top) = (old?, top?);
        self.check_emptied(context, &top)?;
        check_links(context, &top, source)?;
        let stays = |name: &str| excluded.matches(name) || protected.matches(name);
        let mut removal = match self.delete {
            Delete::No => Ok(Removal::default()),
            Delete::Recorded => Removal::of_recorded(context, &top, &old, source, stays),
            Delete::All => Removal::of_all(context, &top, source, stays),
        };
        let left = removal.as_ref().map(|removal| removal.left.clone()).unwrap_or_default();
        let in_the_way = match &mut removal {
            Ok(removal) => removal.take_in_the_way(&top, source),
            Err(_) => Removal::default(),
        };
        context.on_scratch(|scratch| {
            let mut work = Work::default();
            let mut first = None;
            in_the_way
                .add_to(scratch, &mut work)
                .or_else(|stop| later(stop, &mut first))?;
            self.add_directories(scratch, &top, source, &mut work)?;
            for (name, text) in &folder.texts {
                self.add_file(scratch, &top, source, (name, text), &mut work)
                    .or_else(|stop| later(stop, &mut first))?;
            }
            removal
                .and_then(|removal| removal.add_to(scratch, &mut work))
                .or_else(|stop| later(stop, &mut first))?;
            if let Some(stop) = first {
                return Err(stop);
            }
            let stays = |name: &str| left.contains(name) || stays_recorded(self.delete, &stays)(name);
            let outcome = record.kept_along(&old, source, (&top, &self.filled(source)), stays, work);
            Ok(self.unless_there(context, &top, folder, outcome))
        })
    }

    /// The outcome, unless a file is on the host that uses an unknown value: whether that changes is known later. So it is where a command
    /// must accept all files.
    fn unless_there(&self, context: &PlanContext<'_>, top: &str, folder: &Folder<'_>, outcome: Outcome) -> Outcome {
        let unknown = folder.unknown();
        let Some(first) = unknown.values().next() else {
            return outcome;
        };
        let changes = match &outcome {
            Outcome::Change(changes) | Outcome::Ensure { changes, .. } => changes.as_slice(),
            Outcome::Unchanged | Outcome::Deferred { .. } | Outcome::Check { .. } => &[],
        };
        let is_new = |name: &String| {
            let path = format!("{}/{name}", top.trim_end_matches('/'));
            let of_file = |id: &ResourceId| id.kind == ResourceKind::File && id.name == path;
            let mut own = changes.iter().filter(|change| of_file(&change.id));
            own.any(|change| !matches!(change.before, Before::Present(_)))
        };
        if self.validate.is_none() && unknown.keys().all(is_new) {
            return outcome;
        }
        Outcome::Deferred {
            waits_for: Vec::new(),
            why: first.why.clone(),
            touches: self.touches(context),
            preview: outcome.into_preview(),
        }
    }

    /// The directories that others fill, and those above them that have none of its files.
    fn filled(&self, source: &Source<'_>) -> BTreeSet<String> {
        let own = directories_of(source.names());
        let above = directories_of(self.directories.keys().map(String::as_str));
        let filled = self.directories.keys().cloned().chain(above);
        filled.filter(|name| !own.contains(name)).collect()
    }

    /// Refuses to empty a directory that is not for one purpose alone.
    fn check_emptied(&self, context: &PlanContext<'_>, dest: &str) -> Result<(), Stop> {
        let path = match dest.trim_end_matches('/') {
            "" => "/",
            path => path,
        };
        if self.delete != Delete::All || !(SHARED.contains(&path) || ABOVE_SHARED.contains(&parent(path))) {
            return Ok(());
        }
        let title = format!("`delete = \"all\"` cannot empty `{path}`");
        Err(context
            .refuse("delete", title, "programs and users have files of their own there")
            .hint("use `delete = \"recorded\"`, which removes only what homelab wrote; or sync a directory below it"))
    }

    fn add_directories(
        &self,
        context: &PlanContext<'_>,
        top: &str,
        source: &Source<'_>,
        work: &mut Work,
    ) -> Result<(), Stop> {
        for above in ancestors(top).into_iter().skip(1) {
            Self::add_directory(context, &above, None, work)?;
        }
        let wish = Directory::new(top, self.user.as_deref(), self.group.as_deref(), self.dir_mode);
        Self::add_directory(context, top, Some(&wish), work)?;
        let filled = self.filled(source);
        for name in directories_of(source.names())
            .into_iter()
            .chain(filled)
            .collect::<BTreeSet<String>>()
        {
            let path = context.resolve(&format!("{}/{name}", top.trim_end_matches('/')))?;
            let wish = match self.directories.get(&name) {
                None => &wish,
                Some(own) => &Directory::new(
                    &path,
                    own.user.as_deref().or(self.user.as_deref()),
                    own.group.as_deref().or(self.group.as_deref()),
                    own.mode.or(self.dir_mode),
                ),
            };
            Self::add_directory(context, &path, Some(wish), work)?;
        }
        Ok(())
    }

    fn add_directory(
        context: &PlanContext<'_>,
        path: &str,
        wish: Option<&Directory>,
        work: &mut Work,
    ) -> Result<(), Stop> {
        if let Ok(PathFact::Present(inode)) = context.path(path)
            && inode.kind != InodeKind::Directory
        {
            let label = format!("`{path}` is {} on the host", inode.describe());
            return Err(context
                .refuse("dest", format!("`{path}` is not a directory"), label)
                .hint("move it away first, or choose another `dest`"));
        }
        let mut changes = Vec::new();
        let mut since = Vec::new();
        plan_one(context, path, wish, &mut changes, &mut since)?;
        let outcome = if since.is_empty() {
            Outcome::Change(changes)
        } else {
            Outcome::Ensure { changes, since }
        };
        work.add(context, outcome);
        Ok(())
    }

    fn add_file(
        &self,
        context: &PlanContext<'_>,
        top: &str,
        source: &Source<'_>,
        (name, text): (&str, &Text<'_>),
        work: &mut Work,
    ) -> Result<(), Stop> {
        let path = &format!("{}/{name}", top.trim_end_matches('/'));
        let own = self.own.of(name).cloned().unwrap_or_default();
        let executable = || (self.keeps_executable && source.is_executable(context, name)).then_some(Mode(0o755));
        let mode = own.mode.or(self.mode).or_else(executable);
        let content = match text {
            Text::Asset(path) => WishedContent::Asset { argument: "src", path },
            Text::Rendered(content) => WishedContent::Ready(content.clone()),
            Text::Unknown(unknown) => match &unknown.outline {
                Some(outline) => WishedContent::Ready(outline.clone()),
                None => return Ok(()),
            },
        };
        let wish = FileWish {
            owner: own.user.as_deref().or(self.user.as_deref()),
            group: own.group.as_deref().or(self.group.as_deref()),
            mode: mode.map(|mode| mode.0),
            validate: self.validate.clone(),
            ..FileWish::new(path, "dest", content)
        };
        let outcome = plan_file(context, &wish)?;
        let outcome = match text {
            Text::Unknown(unknown) => outlined(outcome, &unknown.why),
            Text::Asset(_) | Text::Rendered(_) => outcome,
        };
        work.add(context, outcome);
        Ok(())
    }

    fn deferred(&self, context: &PlanContext<'_>, why: String) -> Outcome {
        Outcome::Deferred {
            waits_for: Vec::new(),
            why,
            touches: self.touches(context),
            preview: Vec::new(),
        }
    }
}
