//! `files.directory`: create a directory, change its owner and mode, or remove it.
//!
//! ```toml
//! [[operation]]
//! op = "files.directory"
//! path = "/opt/stacks"
//! user = "setup"
//! mode = "0755"
//! ```

mod removal;
mod shown;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use self::shown::{attributed, directory_id};

pub use self::removal::is_needed;
pub(super) use self::removal::{plan as plan_removal, plan_emptied};
use super::parameters::{Mode, check_owners, check_path, path_and_ancestors};
use super::removal::note_other_kind;
use crate::change::{
    Action, Attributes, Before, Expect, MakeDirectory, NotKnown, Outcome, Ownership, ResourceChange, ResourceKind,
    Risk, SetAttributes, Step, Stop,
};
use crate::facts::overlay::{Effect, FactScope, OperationId};
use crate::facts::path::{Inode, InodeKind, PathFact, ancestors};
use crate::facts::{Fact, FactKey};
use crate::operations::ownership::{check_new_owners, ownership};
use crate::operations::run_as::RunAsSupport;
use crate::operations::{Define, Demand, Operation, PlanContext};

/// Parameters of `files.directory`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Directory {
    /// Absolute path on the host. Missing parent directories are created too.
    path: String,
    /// `false` removes the directory, which must be empty unless `recursive` is `true`. A file or link at the path is no directory,
    /// and stays.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
    /// With `present = false`: `true` removes the directory with everything in it.
    #[serde(default)]
    recursive: bool,
    /// User who owns it. By default the owner is kept; a new directory belongs to `root`, or to `become_user`.
    user: Option<String>,
    /// Group it belongs to. By default the group is kept; a new directory gets `root`, or the primary group of `become_user`.
    group: Option<String>,
    /// Permissions. By default they are kept; a new directory gets `"0755"`.
    mode: Option<Mode>,
}

impl Directory {
    /// A directory in which what is given holds, and all else is kept.
    pub(super) fn new(path: &str, user: Option<&str>, group: Option<&str>, mode: Option<Mode>) -> Self {
        Self {
            path: path.to_owned(),
            present: true,
            recursive: false,
            user: user.map(str::to_owned),
            group: group.map(str::to_owned),
            mode,
        }
    }

    /// A directory that belongs to a user and has this mode.
    pub(in crate::operations) fn of_user(path: &str, user: &str, group: Option<&str>, mode: u32) -> Self {
        Self {
            path: path.to_owned(),
            present: true,
            recursive: false,
            user: Some(user.to_owned()),
            group: group.map(str::to_owned),
            mode: Some(Mode(mode)),
        }
    }
}

/// The mode of missing parent directories, and the default mode.
const DEFAULT_MODE: u32 = 0o755;

impl Define for Directory {
    const NAME: &'static str = "files.directory";
    const SUMMARY: &'static str = "Create a directory, change its owner and mode, or remove it";
    const MAIN_ARGUMENT: &'static str = "path";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "files.directory"
path = "/srv/backup"
user = "backup"
group = "backup"
mode = "0750"
"#;
    const RUN_AS: RunAsSupport = RunAsSupport::Owner;
}

impl Operation for Directory {
    fn needs(&self) -> Vec<FactKey> {
        path_and_ancestors(&self.path)
    }

    /// Missing parent directories are created too, including those of a link's target.
    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        if !self.present {
            return vec![FactScope::Tree(self.path.clone())];
        }
        let paths: BTreeSet<String> = [self.path.clone()]
            .into_iter()
            .chain(context.leads_to(&self.path))
            .flat_map(|path| ancestors(&path).into_iter().chain([path]))
            .collect();
        let is_there = |path: &String| match context.path(path) {
            Ok(PathFact::Present(inode)) => *path != self.path && inode.kind == InodeKind::Directory,
            _ => path == "/",
        };
        let paths = paths.into_iter().filter(|path| !is_there(path));
        paths.map(|path| FactScope::Key(FactKey::Path(path))).collect()
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        vec![Demand::presence(ResourceKind::Directory, &self.path, self.present)]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_path(context, "path", &self.path)?;
        check_owners(context, self.user.as_deref(), self.group.as_deref())?;
        if !self.present {
            note_other_kind(context, "path", &self.path, "a directory");
            return removal::plan(context, &self.path, self.recursive);
        }
        if self.recursive {
            let title = "`recursive` needs `present = false`";
            return Err(context
                .refuse("recursive", title, "it removes what is in a directory")
                .hint("remove it, or add `present = false` to remove the directory with everything in it"));
        }
        let path = match context.resolve(&self.path) {
            // What an earlier operation creates on the way is taken for a directory: nothing is done to it then.
            Err(Stop::NotKnown {
                cause: NotKnown::Since(..),
                ..
            }) => self.path.clone(),
            resolved => resolved?,
        };
        let mut changes = Vec::new();
        let mut since = Vec::new();
        for above in ancestors(&path).into_iter().skip(1) {
            plan_one(context, &above, None, &mut changes, &mut since)?;
        }
        plan_one(context, &path, Some(self), &mut changes, &mut since)?;
        Ok(if changes.is_empty() {
            Outcome::Unchanged
        } else if since.is_empty() {
            Outcome::Change(changes)
        } else {
            Outcome::Ensure { changes, since }
        })
    }
}

/// Plans one directory of the path; only the last has a `wish`.
pub(in crate::operations) fn plan_one(
    context: &PlanContext<'_>,
    path: &str,
    wish: Option<&Directory>,
    changes: &mut Vec<ResourceChange>,
    since: &mut Vec<OperationId>,
) -> Result<(), Stop> {
    match context.path(path) {
        Ok(PathFact::Absent) => changes.push(create(context, path, wish, Before::Absent)?),
        Ok(PathFact::Present(inode)) if inode.kind == InodeKind::Directory => {
            if let Some(wish) = wish {
                changes.extend(update(context, path, wish, &inode)?);
            }
        }
        Ok(PathFact::Present(inode)) => {
            let label = format!("`{path}` is {} on the host", inode.describe());
            return Err(context
                .refuse("path", format!("`{path}` is not a directory"), label)
                .hint("move it away first, or choose another path"));
        }
        Err(Stop::NotKnown {
            cause: NotKnown::Since(operation, why),
            ..
        }) => {
            since.push(operation);
            changes.push(create(context, path, wish, Before::Unknown(why))?);
        }
        Err(stop) => return Err(stop),
    }
    Ok(())
}

fn create(
    context: &PlanContext<'_>,
    path: &str,
    wish: Option<&Directory>,
    before: Before,
) -> Result<ResourceChange, Stop> {
    let owner = wish.and_then(|wish| wish.user.as_deref());
    let group = wish.and_then(|wish| wish.group.as_deref());
    let Ownership { owner, group } = ownership(context, owner, group)?;
    let attributes = Attributes {
        owner,
        group,
        mode: wish.and_then(|wish| wish.mode).map_or(DEFAULT_MODE, |mode| mode.0),
    };
    let is_given = wish.is_some_and(|wish| wish.user.is_some() || wish.group.is_some() || wish.mode.is_some());
    // One that an earlier operation creates stays as that leaves it.
    let keeps = !is_given && before != Before::Absent;
    let expect = match before {
        Before::Absent => vec![Expect::Absent { path: path.to_owned() }],
        _ => Vec::new(),
    };
    Ok(ResourceChange {
        id: directory_id(path),
        action: Action::Create,
        before,
        after: Some(attributed(&attributes)),
        expect,
        effects: vec![effect(path, &attributes)],
        steps: vec![Step::MakeDirectory(MakeDirectory {
            path: path.to_owned(),
            attributes,
            keeps,
        })],
        risk: Risk::None,
        is_asked_as_before: false,
    })
}

fn update(
    context: &PlanContext<'_>,
    path: &str,
    wish: &Directory,
    inode: &Inode,
) -> Result<Option<ResourceChange>, Stop> {
    let old = Attributes {
        owner: inode.owner.clone(),
        group: inode.group.clone(),
        mode: inode.mode,
    };
    let new = Attributes {
        owner: inode.owner_as(wish.user.as_ref().unwrap_or(&old.owner)).to_owned(),
        group: inode.group_as(wish.group.as_ref().unwrap_or(&old.group)).to_owned(),
        mode: wish.mode.map_or(old.mode, |mode| mode.0),
    };
    check_new_owners(context, &old, &new)?;
    Ok((old != new).then(|| ResourceChange {
        id: directory_id(path),
        action: Action::Update,
        before: Before::Present(attributed(&old)),
        after: Some(attributed(&new)),
        expect: vec![Expect::Directory {
            path: path.to_owned(),
            attributes: old,
        }],
        effects: vec![effect(path, &new)],
        steps: vec![Step::SetAttributes(SetAttributes {
            path: path.to_owned(),
            attributes: new,
        })],
        risk: Risk::None,
        is_asked_as_before: false,
    }))
}

fn effect(path: &str, attributes: &Attributes) -> Effect {
    let inode = Inode {
        owner_id: None,
        group_id: None,
        kind: InodeKind::Directory,
        owner: attributes.owner.clone(),
        group: attributes.group.clone(),
        mode: attributes.mode,
    };
    Effect::Set(FactKey::Path(path.to_owned()), Fact::Path(PathFact::Present(inode)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Attribute;
    use crate::operations::testing::Bench;

    fn bench(text: &str) -> Bench {
        Bench::new::<Directory>(text).directory("/")
    }

    #[test]
    fn missing_parent_directories_are_created_too() {
        let bench = bench("path = '/a/b'\nmode = '0700'\nuser = 'setup'")
            .absent("/a")
            .absent("/a/b")
            .user("setup", 1000, "setup", &[]);
        let Ok(Outcome::Change(changes)) = bench.plan() else {
            panic!("a change")
        };
        let created: Vec<_> = changes
            .iter()
            .map(|change| {
                let after = change.after.clone().expect("created");
                (change.id.name.clone(), after["mode"].clone(), after["owner"].clone())
            })
            .collect();
        let known = Attribute::known;
        assert_eq!(
            created,
            [
                ("/a".to_owned(), known("0755"), known("root")),
                ("/a/b".to_owned(), known("0700"), known("setup")),
            ]
        );
    }

    #[test]
    fn parent_directories_of_a_links_target_are_created() {
        let bench = Bench::new::<Directory>("path = '/data/x'")
            .directory("/")
            .link("/data", "/srv/lost")
            .directory("/srv")
            .absent("/srv/lost")
            .absent("/srv/lost/x");
        let Ok(Outcome::Change(changes)) = bench.plan() else {
            panic!("a change")
        };
        let created: Vec<&str> = changes.iter().map(|change| change.id.name.as_str()).collect();
        assert_eq!(created, ["/srv/lost", "/srv/lost/x"]);
    }
}
