//! `git.repo`: clone a git repository, and keep it at the commit of a branch, a tag or a revision.
//!
//! ```toml
//! [[operation]]
//! op = "git.repo"
//! src = "https://github.com/anna/app.git"
//! dest = "/opt/app"
//! user = "app"
//! ```

mod shown;

use schemars::JsonSchema;
use serde::Deserialize;

use super::seen::{Seen, is_commit};
use super::source::{wrong_name, wrong_source};
use crate::change::{Action, Before, Command, Outcome, ResourceChange, ResourceId, ResourceKind, Risk, Step, Stop};
use crate::facts::account::UserFact;
use crate::facts::git::{MOST, Target, WorkingTree};
use crate::facts::inquiry::{Inquiry, InquiryFact, InquiryKey};
use crate::facts::overlay::{Effect, FactScope, OperationId};
use crate::facts::path::{InodeKind, PathFact, ancestors};
use crate::facts::{Fact, FactKey};
use crate::operations::files::directory::Directory;
use crate::operations::files::parameters::{check_path, path_and_ancestors};
use crate::operations::ownership::check_user;
use crate::operations::parameters::check_account_name;
use crate::operations::work::Work;
use crate::operations::{Define, Demand, Operation, PlanContext};
use crate::value::Known;

/// Parameters of `git.repo`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Repo {
    /// URL of the repository, or its absolute path on the host.
    src: String,
    /// Absolute path on the host of the working tree. It is created, unless it is an empty directory.
    dest: String,
    /// Branch to follow; default: the default branch of the repository.
    branch: Option<String>,
    /// Tag, or all 40 digits of a commit, to stay at. Cannot be combined with `branch`.
    revision: Option<String>,
    /// User that git runs as, who owns the files; default: `root`.
    user: Option<String>,
    /// How many commits of the history to fetch; default: all.
    depth: Option<u32>,
    /// `true` checks out submodules too, at the commits that the repository names.
    #[serde(default)]
    submodules: bool,
    /// `true` discards changes of tracked files, and commits that only the host has. Files that git does not track stay.
    #[serde(default)]
    clean: bool,
}

impl Define for Repo {
    const NAME: &'static str = "git.repo";
    const SUMMARY: &'static str = "Clone a git repository, and keep it up to date";
    const MAIN_ARGUMENT: &'static str = "dest";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "git.repo"
src = "https://github.com/anna/app.git"
dest = "/opt/app"
branch = "main"
"#;
}

/// The package with `git`.
const PACKAGE: &str = "git";

impl Operation for Repo {
    fn needs(&self) -> Vec<FactKey> {
        let mut needs = path_and_ancestors(&self.dest);
        needs.push(self.key(&self.dest));
        needs.extend(self.user.clone().map(FactKey::User));
        needs
    }

    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        let led = context.leads_to(&self.dest);
        let trees = led.iter().chain([&self.dest]);
        trees
            .flat_map(|dest| [FactScope::Key(self.key(dest)), FactScope::Tree(dest.clone())])
            .chain(self.directory(&self.dest, None).touches(context))
            .collect()
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        let demand = |property, value: &str| Demand::new(ResourceKind::GitRepository, &self.dest, property, value);
        let target = self.branch.as_ref().or(self.revision.as_ref());
        let target = target.map_or("the default branch", String::as_str);
        vec![demand("source", &self.src), demand("branch or revision", target)]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        if let Some(user) = &self.user {
            check_user(context, "user", user)?;
        }
        context.on_scratch(|scratch| self.work(scratch))
    }
}

/// What is to be checked out.
enum Wanted {
    Commit(String),
    /// Known once an earlier operation is done.
    Later(String, Option<OperationId>),
}

impl Repo {
    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        check_path(context, "dest", &self.dest)?;
        if self.dest == "/" {
            return Err(context
                .refuse("dest", "`/` cannot be `dest`", "this is the root of the system")
                .hint("name a directory, such as \"/opt/app\""));
        }
        if let Some(why) = wrong_source(&self.src) {
            return Err(context
                .refuse("src", format!("`{}` is not a valid source", self.src), why)
                .hint("write a URL such as \"https://github.com/anna/app.git\"; a private one is read with a key: \"git@github.com:anna/app.git\""));
        }
        if let Some(user) = &self.user {
            check_account_name(context, "user", user)?;
        }
        if self.branch.is_some() && self.revision.is_some() {
            return Err(context
                .refuse(
                    "revision",
                    "`branch` and `revision` cannot be used together",
                    "a branch moves on, a revision does not",
                )
                .hint("remove one of the two"));
        }
        for (argument, name) in [("branch", &self.branch), ("revision", &self.revision)] {
            if let Some(name) = name
                && let Some(why) = wrong_name(name)
            {
                return Err(context
                    .refuse(argument, format!("`{name}` is not a valid {argument}"), why)
                    .hint("write the name as `git branch` or `git tag` prints it"));
            }
        }
        if self.depth == Some(0) {
            return Err(context
                .refuse("depth", "`depth` must be at least 1", "no commit can be checked out")
                .hint("write `depth = 1`, or remove it for the whole history"));
        }
        Ok(())
    }

    fn tree(&self, dest: &str) -> WorkingTree {
        WorkingTree {
            src: self.src.clone(),
            dest: dest.to_owned(),
            user: self.user.clone(),
            target: match (&self.branch, &self.revision) {
                (Some(branch), _) => Target::Branch(branch.clone()),
                (None, Some(commit)) if is_commit(commit) => Target::Commit(commit.to_ascii_lowercase()),
                (None, Some(tag)) => Target::Tag(tag.clone()),
                (None, None) => Target::Default,
            },
            submodules: self.submodules,
        }
    }

    fn key(&self, dest: &str) -> FactKey {
        FactKey::Inquiry(Inquiry::WorkingTree(Box::new(self.tree(dest))))
    }

    fn owner(&self) -> &str {
        self.user.as_deref().unwrap_or("root")
    }

    fn directory(&self, dest: &str, group: Option<&str>) -> Directory {
        Directory::of_user(dest, self.owner(), group.or(Some("root")), 0o755)
    }

    fn work(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let dest = context.resolve(&self.dest)?;
        let inquiry = Inquiry::WorkingTree(Box::new(self.tree(&dest)));
        // In the same round.
        let said = context.get(InquiryKey(&inquiry));
        let is_there = self.check_dest(context, &dest);
        let seen = match said? {
            InquiryFact::Said(bytes) => Seen::read(&String::from_utf8_lossy(&bytes)),
            InquiryFact::Failed(why) => {
                return Err(context
                    .refuse(
                        "dest",
                        format!("the repository in `{dest}` cannot be read"),
                        "nothing was changed",
                    )
                    .because(why));
            }
        };
        let is_there = is_there?;
        self.check_way(context, &dest)?;
        // Before the directory is created: that is no change which could bring what is missing.
        let wanted = self.wanted(context, &dest, is_there, &seen)?;
        let mut work = Work::default();
        if !is_there {
            let group = self.group(context)?;
            work.add(context, self.directory(&dest, group.as_deref()).plan(context)?);
        }
        let is_repository = is_there && seen.kind == "repository";
        if is_repository {
            self.check_local(context, &dest, &seen)?;
        }
        work.add(context, self.checked_out(context, &dest, &seen, wanted, is_repository));
        Ok(work.outcome())
    }

    fn group(&self, context: &PlanContext<'_>) -> Result<Option<String>, Stop> {
        let Some(user) = &self.user else { return Ok(None) };
        Ok(match context.user(user)? {
            UserFact::Present(found) => match found.group {
                Known::Yes(group) => Some(group),
                Known::No(_) => Some(user.clone()),
            },
            UserFact::Absent => None,
        })
    }

    /// Whether `dest` is there, as a directory of the user that git runs as.
    fn check_dest(&self, context: &PlanContext<'_>, dest: &str) -> Result<bool, Stop> {
        let inode = match context.path(dest)? {
            PathFact::Absent => return Ok(false),
            PathFact::Present(inode) => inode,
        };
        if inode.kind != InodeKind::Directory {
            let label = format!("this is {} on the host", inode.describe());
            return Err(context
                .refuse("dest", format!("`{dest}` is not a directory"), label)
                .hint("move it away first, or choose another path"));
        }
        if inode.owner != self.owner() {
            let title = format!("`{dest}` belongs to `{}`", inode.owner);
            let label = format!(
                "git would run as `{}`, and does not trust what another user wrote there",
                self.owner()
            );
            return Err(context.refuse("dest", title, label).hint(format!(
                "add `user = \"{}\"`, or change the owner first with `files.directory` while it is empty",
                inode.owner
            )));
        }
        Ok(true)
    }

    /// Refuses root's repository where another user could put another directory in its place.
    fn check_way(&self, context: &PlanContext<'_>, dest: &str) -> Result<(), Stop> {
        if self.owner() != "root" {
            return Ok(());
        }
        // What an earlier operation may change is known after it. Directories that are not there yet will be root's.
        let mut end = dest.to_owned();
        for above in ancestors(dest) {
            if context.path(&above)? == PathFact::Absent {
                end = above;
                break;
            }
        }
        if !context.resolved_path(&end)?.is_open {
            return Ok(());
        }
        let title = format!("other users can change the directory of `{dest}`");
        Err(context
            .refuse("dest", title, "one of them could have git run programs as `root`")
            .hint("add `user`, or choose a directory that only root can change, such as one in `/opt` or `/srv`"))
    }

    /// The commit to check out.
    ///
    /// Errors: git is missing, `dest` has something else, or the source does not have it.
    fn wanted(&self, context: &PlanContext<'_>, dest: &str, is_there: bool, seen: &Seen) -> Result<Wanted, Stop> {
        let (kind, of) = seen.kind.split_once(' ').unwrap_or((&seen.kind, ""));
        let is_new = context.predicted_by(&FactKey::Path(dest.to_owned()));
        let user = self.user.clone().map(FactKey::User);
        let new_user = user.and_then(|user| context.predicted_by(&user));
        match kind {
            "missing" if context.is_installed_before(PACKAGE) => {
                let operation = context.predicted_by(&FactKey::Package(PACKAGE.to_owned()));
                return Ok(Wanted::Later("an earlier operation installs git".to_owned(), operation));
            }
            "missing" => {
                return Err(context
                    .refuse(
                        "dest",
                        "`git` is not installed",
                        "not on the host, and no earlier operation installs it",
                    )
                    .hint("install it first: `op = \"apt.packages\"`, `packages = [\"git\"]`"));
            }
            "absent" if is_there && is_new.is_none() => {
                let title = format!("`{}` cannot enter `{dest}`", self.owner());
                return Err(context
                    .refuse("dest", title, "a directory above it is closed to this user")
                    .hint("choose another path, or open the directory with `files.directory`"));
            }
            "absent" | "empty" | "unfinished" | "repository" => {}
            "foreign" if is_new.is_some() => {
                return Ok(Wanted::Later(
                    "an earlier operation changes the owner".to_owned(),
                    is_new,
                ));
            }
            "open" if is_new.is_some() => {
                return Ok(Wanted::Later(
                    "an earlier operation changes the mode".to_owned(),
                    is_new,
                ));
            }
            "open" => {
                let title = format!("other users can change the repository in `{dest}`");
                return Err(context
                    .refuse(
                        "dest",
                        title,
                        format!(
                            "`{of}` in it is writable for others, or not root's; git runs what is configured there"
                        ),
                    )
                    .hint(format!(
                        "add `user`, or give it to root alone: `chown -R root: {dest}; chmod -R go-w {dest}`"
                    )));
            }
            "other" | "foreign" => {
                let title = format!("`{dest}` is not empty, and has no repository of `{}`", self.owner());
                return Err(context
                    .refuse("dest", title, "its files stay as they are")
                    .hint("move them away, or choose another path"));
            }
            // The host does not know the user yet.
            _ if new_user.is_some() => {
                return Ok(Wanted::Later(
                    "an earlier operation creates the user".to_owned(),
                    new_user,
                ));
            }
            _ => {
                return Err(context
                    .refuse(
                        "dest",
                        format!("the repository in `{dest}` cannot be read"),
                        "nothing was changed",
                    )
                    .because(&seen.kind));
            }
        }
        self.at_source(context, seen)
    }

    /// The commit that the source has.
    ///
    /// Errors: it has none, or cannot be read.
    fn at_source(&self, context: &PlanContext<'_>, seen: &Seen) -> Result<Wanted, Stop> {
        if let Some(commit) = &seen.remote {
            return Ok(Wanted::Commit(commit.clone()));
        }
        if let Some(why) = &seen.unreachable {
            // It may bring the key, the host's name or the network that is missing.
            if let Some(operation) = context.last_change() {
                return Ok(Wanted::Later(
                    format!("the host cannot read the source yet: {why}"),
                    Some(operation),
                ));
            }
            return Err(context
                .refuse("src", format!("the host cannot read `{}`", self.src), "nothing was changed")
                .because(why)
                .hint(format!(
                    "try `git ls-remote {}` as `{}` on the host; a server's key comes with `ssh.keyscan`, a private key with `files.put`",
                    self.src,
                    self.owner()
                )));
        }
        let (argument, title) = match (&self.branch, &self.revision) {
            (Some(branch), _) => ("branch", format!("`{}` has no branch `{branch}`", self.src)),
            (None, Some(tag)) => ("revision", format!("`{}` has no tag `{tag}`", self.src)),
            (None, None) => ("src", format!("`{}` has no commits", self.src)),
        };
        let hint = match argument {
            "revision" => "write a tag, or all 40 digits of a commit; `git ls-remote` lists what is there",
            "branch" => "`git ls-remote` lists what is there",
            _ => "push a commit first, or name a `branch`",
        };
        Err(context.refuse(argument, title, "not there now").hint(hint))
    }

    /// Refuses what only the host has, unless it may be discarded.
    fn check_local(&self, context: &PlanContext<'_>, dest: &str, seen: &Seen) -> Result<(), Stop> {
        if self.clean {
            return Ok(());
        }
        if !seen.changed.is_empty() && !seen.interrupted {
            let more = if seen.changed.len() < MOST { "" } else { " and more" };
            return Err(context
                .refuse(
                    "dest",
                    format!("`{dest}` has local changes"),
                    format!("{}{more}", seen.changed.join(", ")),
                )
                .hint("commit and push them, or add `clean = true` to discard them"));
        }
        if seen.commits > 0 {
            return Err(context
                .refuse(
                    "dest",
                    format!("`{dest}` has commits of its own"),
                    format!("{} not in `{}`", seen.commits, self.src),
                )
                .hint("push them, or add `clean = true` to discard them"));
        }
        Ok(())
    }

    fn checked_out(
        &self,
        context: &PlanContext<'_>,
        dest: &str,
        seen: &Seen,
        wanted: Wanted,
        is_repository: bool,
    ) -> Outcome {
        let (commit, later) = match wanted {
            Wanted::Commit(commit) => (Some(commit), None),
            Wanted::Later(why, since) => (None, Some((why, since))),
        };
        let (before, after) = self.shown(
            seen,
            commit.as_deref(),
            later.as_ref().map(|(why, _)| why.as_str()),
            is_repository,
        );
        if is_repository && before == after {
            return Outcome::Unchanged;
        }
        let id = ResourceId::new(ResourceKind::GitRepository, dest);
        let (action, before) = if is_repository {
            (Action::Update, Before::Present(before))
        } else {
            (Action::Create, Before::Absent)
        };
        let mut change = ResourceChange::new(id, action, before, Some(after));
        if is_repository && (!seen.changed.is_empty() || seen.commits > 0) {
            change.risk = Risk::Removal;
        }
        let tree = self.tree(dest);
        let summary = if is_repository {
            format!("git fetch {} in {dest}, and check out", self.src)
        } else {
            format!("git clone {} {dest}", self.src)
        };
        change.effects = effects(context, &tree, commit.as_deref(), self.followed(seen));
        let script = tree.update(commit.as_deref(), self.depth, self.clean || seen.interrupted);
        let command = Command {
            by: tree.by(),
            ..Command::new(summary, script)
        };
        change.steps = vec![Step::Run(command)];
        match later {
            Some((_, Some(operation))) if is_repository => Outcome::Ensure {
                changes: vec![change],
                since: vec![operation],
            },
            _ => Outcome::Change(vec![change]),
        }
    }
}

/// What is not known any more, and what the host says then. The directory itself stays as it is.
fn effects(context: &PlanContext<'_>, tree: &WorkingTree, commit: Option<&str>, branch: Option<&str>) -> Vec<Effect> {
    let dest = &tree.dest;
    let is_dest = [FactKey::Path(dest.clone()), FactKey::PathResolution(dest.clone())];
    let kept = is_dest.map(|key| context.known_fact(&key).map(|fact| Effect::Set(key, fact)));
    let key = FactKey::Inquiry(Inquiry::WorkingTree(Box::new(tree.clone())));
    let then = match commit {
        None => Effect::Forget(FactScope::Key(key), "a repository is checked out there".to_owned()),
        Some(commit) => {
            let branch = branch.map_or_else(String::new, |branch| format!("branch {branch}\ndefault {branch}\n"));
            let said = format!(
                "repository\nhead {commit}\norigin {}\n{branch}remote {commit}\n",
                tree.src
            );
            Effect::Set(key, Fact::Inquiry(InquiryFact::Said(said.into_bytes())))
        }
    };
    let forgotten = Effect::Forget(
        FactScope::Tree(dest.clone()),
        "a repository is checked out there".to_owned(),
    );
    [forgotten]
        .into_iter()
        .chain(kept.into_iter().flatten())
        .chain([then])
        .collect()
}
