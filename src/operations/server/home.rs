//! Home directories that `useradd` creates and `userdel` removes.

use crate::change::{
    Action, Attribute, Attributed, Attributes, Before, Expect, MakeDirectory, ResourceChange, ResourceId, ResourceKind,
    Risk, Step, Stop,
};
use crate::facts::account::{AccountDefaults, SkeletonEntry, SkeletonKind};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::path::{ContentFact, Inode, InodeKind, PathFact};
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;
use crate::operations::files::parameters::octal;
use crate::operations::files::whole_file::check_parent;
use crate::secret::sha256_hex;
use crate::value::Known;

use super::names::since;

const CLOSED: &str =
    "choose a directory that only root can change, such as one in `/home`, or create and remove it by hand";

/// A home directory to create.
pub(super) struct NewHome<'a> {
    /// With links resolved.
    pub(super) path: String,
    pub(super) attributes: Attributes,
    pub(super) defaults: &'a AccountDefaults,
}

/// The path of `home` with links resolved if it must be created; `None` if the directory exists.
pub(super) fn missing_home(context: &PlanContext<'_>, home: &str) -> Result<Option<String>, Stop> {
    let path = context.resolve(home)?;
    match context.path(&path)? {
        PathFact::Absent => {
            check_parent(context, "home", &path)?;
            context.check_can_create("home", &path)?;
            Ok(Some(path))
        }
        PathFact::Present(inode) if inode.kind == InodeKind::Directory => Ok(None),
        PathFact::Present(inode) => {
            let label = format!("this is {} on the host", inode.describe());
            Err(context
                .refuse("home", format!("`{path}` cannot be a home directory"), label)
                .hint("move it away first, or choose another `home`"))
        }
    }
}

/// What a command of the host that works in `path` by its name relies on.
///
/// Errors: another user could have it work somewhere else.
pub(super) fn closed_home(context: &PlanContext<'_>, argument: &str, path: &str) -> Result<Expect, Stop> {
    let way = context.closed_path(argument, path, "work in it", CLOSED)?;
    Ok(Expect::ResolvedPath(Box::new(way)))
}

/// How a home directory that exists already is shown, if another user owns it; it stays as it is.
pub(super) fn found_home(
    context: &PlanContext<'_>,
    home: &str,
    user: &str,
    uid: &Known<u32>,
) -> Result<Option<Attribute>, Stop> {
    let Ok(path) = since(context.resolve(home))? else {
        return Ok(None);
    };
    let Ok(PathFact::Present(inode)) = since(context.path(&path))? else {
        return Ok(None);
    };
    let is_own = inode.owner == user || matches!(uid, Known::Yes(uid) if inode.owner == uid.to_string());
    Ok((!is_own).then(|| Attribute::Noted {
        value: home.to_owned(),
        note: format!("exists, owned by {}", inode.owner),
    }))
}

impl NewHome<'_> {
    /// The change that `useradd` itself makes, including the files of the skeleton.
    pub(super) fn with_user(&self) -> ResourceChange {
        let skeleton = self.defaults.skeleton.iter();
        let mut effects = vec![self.set(&self.path, InodeKind::Directory, self.attributes.mode)];
        effects.extend(skeleton.flat_map(|entry| self.skeleton_effects(entry)));
        ResourceChange {
            effects,
            steps: Vec::new(),
            ..self.alone()
        }
    }

    /// The change that creates the empty directory of an existing user.
    pub(super) fn alone(&self) -> ResourceChange {
        ResourceChange {
            id: directory_id(&self.path),
            action: Action::Create,
            before: Before::Absent,
            after: Some(self.attributed()),
            expect: Vec::new(),
            effects: vec![self.set(&self.path, InodeKind::Directory, self.attributes.mode)],
            steps: vec![Step::MakeDirectory(MakeDirectory {
                path: self.path.clone(),
                attributes: self.attributes.clone(),
                keeps: false,
            })],
            risk: Risk::None,
            is_asked_as_before: false,
        }
    }

    fn attributed(&self) -> Attributed {
        [
            ("mode", Attribute::known(octal(self.attributes.mode))),
            ("owner", Attribute::known(&self.attributes.owner)),
            ("group", Attribute::known(&self.attributes.group)),
        ]
        .into_iter()
        .collect()
    }

    fn skeleton_effects(&self, entry: &SkeletonEntry) -> Vec<Effect> {
        let path = format!("{}/{}", self.path, entry.path);
        match &entry.kind {
            SkeletonKind::Directory => vec![self.set(&path, InodeKind::Directory, entry.mode)],
            SkeletonKind::Link(target) => {
                let target = target.clone();
                vec![self.set(&path, InodeKind::Link { target }, entry.mode)]
            }
            SkeletonKind::File(Known::Yes(bytes)) => {
                let digest = Known::Yes(sha256_hex(bytes));
                let content = Fact::Content(ContentFact::Bytes(bytes.clone()));
                vec![
                    self.set(&path, InodeKind::File { digest }, entry.mode),
                    Effect::Set(FactKey::Content(path), content),
                ]
            }
            SkeletonKind::File(Known::No(why)) => {
                vec![Effect::Forget(FactScope::Key(FactKey::Path(path)), why.clone())]
            }
        }
    }

    fn set(&self, path: &str, kind: InodeKind, mode: u32) -> Effect {
        let inode = Inode {
            owner_id: None,
            group_id: None,
            kind,
            owner: self.attributes.owner.clone(),
            group: self.attributes.group.clone(),
            mode,
        };
        Effect::Set(FactKey::Path(path.to_owned()), Fact::Path(PathFact::Present(inode)))
    }
}

/// The removal of the home directory by `userdel`.
///
/// Errors: `userdel` would remove the user but not the directory.
///
/// With it, what `userdel` relies on: it works there by name.
pub(super) fn removed_home(
    context: &PlanContext<'_>,
    user: &str,
    home: &str,
) -> Result<Option<(ResourceChange, Expect)>, Stop> {
    let path = context.resolve(home)?;
    let PathFact::Present(inode) = context.path(&path)? else {
        return Ok(None);
    };
    if inode.owner != user || inode.kind != InodeKind::Directory {
        let title = format!("cannot remove the home directory of `{user}`");
        let label = format!("`{path}` is {} owned by `{}`", inode.describe(), inode.owner);
        let mistake = context.mistake("remove_home", title, label);
        return Err(Stop::Refused(Box::new(mistake.hint(
            "`userdel` removes only a directory that the user owns: remove `remove_home`",
        ))));
    }
    let closed = closed_home(context, "remove_home", &path)?;
    context.check_can_remove("remove_home", &path)?;
    let attributes = Attributes {
        owner: inode.owner,
        group: inode.group,
        mode: inode.mode,
    };
    let before: Attributed = [
        ("mode", Attribute::known(octal(attributes.mode))),
        ("owner", Attribute::known(attributes.owner)),
        ("group", Attribute::known(attributes.group)),
    ]
    .into_iter()
    .collect();
    let removed = ResourceChange {
        id: directory_id(&path),
        action: Action::Remove,
        before: Before::Present(before),
        after: None,
        expect: Vec::new(),
        effects: vec![
            Effect::Forget(
                FactScope::Tree(path.clone()),
                format!("the home directory of `{user}` is removed"),
            ),
            Effect::Set(FactKey::Path(path), Fact::Path(PathFact::Absent)),
        ],
        steps: Vec::new(),
        risk: Risk::Removal,
        is_asked_as_before: false,
    };
    Ok(Some((removed, closed)))
}

fn directory_id(path: &str) -> ResourceId {
    ResourceId::new(ResourceKind::Directory, path)
}
