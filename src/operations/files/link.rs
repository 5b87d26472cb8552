//! `files.link`: create or remove a symbolic link.
//!
//! ```toml
//! [[operation]]
//! op = "files.link"
//! path = "/usr/local/bin/tool"
//! target = "/opt/tool/bin/tool"
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use super::parameters::{check_path, link_and_ancestors};
use super::removal::note_other_kind;
use super::whole_file::check_parent;
use crate::change::{
    Action, Attribute, Attributed, Before, Expect, NotKnown, Outcome, Ownership, Remove, ResourceChange, ResourceId,
    ResourceKind, Risk, Step, Stop,
};
use crate::facts::overlay::{Effect, FactScope, OperationId};
use crate::facts::path::{ContentFact, Inode, InodeKind, PathFact};
use crate::facts::unit::is_drop_in_folder;
use crate::facts::{Fact, FactKey};
use crate::operations::ownership::ownership;
use crate::operations::run_as::RunAsSupport;
use crate::operations::{Define, Demand, Operation, PlanContext};

/// Parameters of `files.link`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Link {
    /// Absolute path of the link on the host.
    path: String,
    /// Path that the link points to, absolute or relative to the link's directory. It does not have to exist.
    target: Option<String>,
    /// `false` removes the link, wherever it points. A file or directory at the path is no link, and stays.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

impl Define for Link {
    const NAME: &'static str = "files.link";
    const SUMMARY: &'static str = "Create or remove a symbolic link";
    const MAIN_ARGUMENT: &'static str = "path";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "files.link"
path = "/etc/localtime"
target = "/usr/share/zoneinfo/Europe/Berlin"
"#;
    const RUN_AS: RunAsSupport = RunAsSupport::Owner;
}

impl Operation for Link {
    fn needs(&self) -> Vec<FactKey> {
        link_and_ancestors(&self.path)
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(FactKey::Path(self.path.clone()))]
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        let target = self.target.as_ref().filter(|_| self.present);
        let target = target.map(|target| Demand::new(ResourceKind::Link, &self.path, "target", target));
        let presence = Demand::presence(ResourceKind::Link, &self.path, self.present);
        target.into_iter().chain([presence]).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_path(context, "path", &self.path)?;
        if !self.present {
            note_other_kind(context, "path", &self.path, "a link");
            return self.plan_absent(context);
        }
        let target = self.checked_target(context)?;
        match self.plan_present(context, target) {
            Err(Stop::NotKnown {
                cause: NotKnown::Since(operation, why),
                ..
            }) => self.ensure(context, target, operation, why),
            outcome => outcome,
        }
    }
}

impl Link {
    /// A link that leads to `target`.
    pub(in crate::operations) fn to(path: &str, target: &str) -> Self {
        Self {
            path: path.to_owned(),
            target: Some(target.to_owned()),
            present: true,
        }
    }

    /// No link, wherever it leads.
    pub(super) fn absent(path: String) -> Self {
        Self {
            path,
            target: None,
            present: false,
        }
    }

    fn checked_target(&self, context: &PlanContext<'_>) -> Result<&str, Stop> {
        let Some(target) = self.target.as_deref() else {
            return Err(context
                .refuse("path", "missing `target`", "this link needs a target")
                .hint("write `target = \"…\"`, or `present = false`"));
        };
        if target.is_empty() || target.contains(['\n', '\0']) {
            let title = format!("`{}` is not a valid target", target.escape_debug());
            return Err(context
                .refuse("target", title, "must be a path without line breaks")
                .hint("write the path that the link points to, such as \"/srv/data\""));
        }
        Ok(target)
    }

    fn plan_present(&self, context: &PlanContext<'_>, target: &str) -> Result<Outcome, Stop> {
        let path = context.resolve_parent(&self.path)?;
        match context.path(&path)? {
            PathFact::Absent => {
                check_parent(context, "path", &path)?;
                let expect = Expect::Absent { path: path.clone() };
                let owner = ownership(context, None, None)?;
                Ok(Outcome::Change(vec![link(
                    &path,
                    target,
                    owner,
                    Before::Absent,
                    expect,
                )]))
            }
            PathFact::Present(inode) => {
                let owner = Ownership {
                    owner: inode.owner.clone(),
                    group: inode.group.clone(),
                };
                let old = old_target(context, &path, inode)?;
                if old == target {
                    return Ok(Outcome::Unchanged);
                }
                let before = Before::Present(attributed(&old));
                let expect = Expect::Link {
                    path: path.clone(),
                    target: old,
                };
                Ok(Outcome::Change(vec![link(&path, target, owner, before, expect)]))
            }
        }
    }

    fn ensure(
        &self,
        context: &PlanContext<'_>,
        target: &str,
        since: OperationId,
        why: String,
    ) -> Result<Outcome, Stop> {
        let path = context.resolve_parent(&self.path).unwrap_or_else(|_| self.path.clone());
        // A link must not replace a file that the package creates.
        let expect = Expect::AbsentOrLink { path: path.clone() };
        let owner = ownership(context, None, None)?;
        Ok(Outcome::Ensure {
            changes: vec![link(&path, target, owner, Before::Unknown(why), expect)],
            since: vec![since],
        })
    }

    pub(super) fn plan_absent(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let path = context.resolve_parent(&self.path)?;
        let PathFact::Present(inode) = context.path(&path)? else {
            return Ok(Outcome::Unchanged);
        };
        // A file or a directory is no link.
        let InodeKind::Link { target: old } = inode.kind else {
            return Ok(Outcome::Unchanged);
        };
        // The drop-ins behind it are none any more.
        let drop_ins = is_drop_in_folder(&path)
            .then(|| Effect::Forget(FactScope::Tree(path.clone()), "its link is removed".to_owned()));
        let absent = [
            Effect::Set(FactKey::Path(path.clone()), Fact::Path(PathFact::Absent)),
            Effect::Set(FactKey::Content(path.clone()), Fact::Content(ContentFact::Absent)),
        ];
        Ok(Outcome::Change(vec![ResourceChange {
            id: link_id(&path),
            action: Action::Remove,
            before: Before::Present(attributed(&old)),
            after: None,
            expect: vec![Expect::Link {
                path: path.clone(),
                target: old,
            }],
            effects: drop_ins.into_iter().chain(absent).collect(),
            steps: vec![Step::Remove(Remove { path })],
            risk: Risk::Removal,
            is_asked_as_before: false,
        }]))
    }
}

fn old_target(context: &PlanContext<'_>, path: &str, inode: Inode) -> Result<String, Stop> {
    let described = inode.describe();
    let InodeKind::Link { target } = inode.kind else {
        let label = format!("this is {described} on the host");
        return Err(context
            .refuse("path", format!("`{path}` is not a link"), label)
            .hint("move it away first: `files.link` replaces only links"));
    };
    Ok(target)
}

fn link(path: &str, target: &str, owner: Ownership, before: Before, expect: Expect) -> ResourceChange {
    let inode = Inode {
        owner_id: None,
        group_id: None,
        kind: InodeKind::Link {
            target: target.to_owned(),
        },
        owner: owner.owner.clone(),
        group: owner.group.clone(),
        mode: 0o777,
    };
    ResourceChange {
        id: link_id(path),
        action: match before {
            Before::Present(_) => Action::Update,
            Before::Absent | Before::Unknown(_) => Action::Create,
        },
        before,
        after: Some(attributed(target)),
        expect: vec![expect],
        effects: vec![Effect::Set(
            FactKey::Path(path.to_owned()),
            Fact::Path(PathFact::Present(inode)),
        )],
        steps: vec![Step::Link(crate::change::Link {
            path: path.to_owned(),
            target: target.to_owned(),
            owner,
        })],
        risk: Risk::None,
        is_asked_as_before: false,
    }
}

fn link_id(path: &str) -> ResourceId {
    ResourceId::new(ResourceKind::Link, path)
}

fn attributed(target: &str) -> Attributed {
    [("target", Attribute::known(target))].into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{Bench, change, refusal};

    const LINK: &str = "path = '/etc/l'\ntarget = '../srv/x'";

    fn bench(text: &str) -> Bench {
        Bench::new::<Link>(text).directory("/").directory("/etc")
    }

    #[test]
    fn a_missing_link_is_created() {
        let change = change(bench(LINK).absent("/etc/l").plan());
        assert_eq!(change.action, Action::Create);
        let step = Step::Link(crate::change::Link {
            path: "/etc/l".to_owned(),
            target: "../srv/x".to_owned(),
            owner: Ownership {
                owner: "root".to_owned(),
                group: "root".to_owned(),
            },
        });
        assert_eq!(change.steps, [step]);
        assert_eq!(
            change.expect,
            [Expect::Absent {
                path: "/etc/l".to_owned()
            }]
        );
    }

    #[test]
    fn a_link_as_wanted_is_unchanged_and_another_is_replaced() {
        assert_eq!(bench(LINK).link("/etc/l", "../srv/x").plan(), Ok(Outcome::Unchanged));
        let change = change(bench(LINK).link("/etc/l", "/old").plan());
        assert_eq!(change.action, Action::Update);
        assert_eq!(change.before, Before::Present(attributed("/old")));
        assert_eq!(change.after, Some(attributed("../srv/x")));
        let expect = Expect::Link {
            path: "/etc/l".to_owned(),
            target: "/old".to_owned(),
        };
        assert_eq!(change.expect, [expect]);
    }

    #[test]
    fn links_in_the_directory_are_followed_but_not_the_link_itself() {
        let bench = Bench::new::<Link>("path = '/lib/l'\ntarget = 'x'")
            .directory("/")
            .link("/lib", "usr/lib")
            .directory("/usr")
            .directory("/usr/lib")
            .link("/usr/lib/l", "y");
        assert_eq!(change(bench.plan()).id.name, "/usr/lib/l");
    }

    #[test]
    fn an_unwanted_link_is_removed() {
        let text = "path = '/etc/l'\npresent = false";
        assert_eq!(bench(text).absent("/etc/l").plan(), Ok(Outcome::Unchanged));
        let change = change(bench(text).link("/etc/l", "/old").plan());
        assert_eq!((change.action, change.risk), (Action::Remove, Risk::Removal));
        assert_eq!(
            change.steps,
            [Step::Remove(Remove {
                path: "/etc/l".to_owned()
            })]
        );
    }

    #[test]
    fn what_a_package_may_create_is_ensured_but_no_file_is_replaced() {
        let outcome = bench(LINK).absent("/etc/l").package_may_create().plan();
        let Ok(Outcome::Ensure { changes, .. }) = outcome else {
            panic!("{outcome:?}")
        };
        let expect = Expect::AbsentOrLink {
            path: "/etc/l".to_owned(),
        };
        assert_eq!(changes[0].expect, [expect]);
    }

    #[test]
    fn refusals_name_what_is_wrong() {
        let refused = |bench: Bench| refusal(bench.plan()).to_string();
        let not_a_link = "t.toml:1:8: `/etc/l` is not a link";
        assert_eq!(refused(bench(LINK).file("/etc/l", "", 0o644)), not_a_link);
        assert_eq!(refused(bench(LINK).directory("/etc/l")), not_a_link);
        let file = bench("path = '/etc/l'\npresent = false").file("/etc/l", "", 0o644);
        assert_eq!(file.plan(), Ok(Outcome::Unchanged));
        let notice =
            "`/etc/l` stays: it is a file, not a link; `files.file` with `present = false` removes it (t.toml:1:8)";
        assert_eq!(file.notices(), [notice]);
        assert_eq!(refused(bench("path = '/etc/l'")), "t.toml:1:8: missing `target`");
        assert_eq!(
            refused(bench("path = '/etc/l'\ntarget = ''")),
            "t.toml:2:10: `` is not a valid target"
        );
        let nowhere = bench("path = '/no/l'\ntarget = 'x'").absent("/no").absent("/no/l");
        assert_eq!(refused(nowhere), "t.toml:1:8: the directory of `/no/l` does not exist");
    }
}
