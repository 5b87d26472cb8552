//! `server.group`: create or remove a group.
//!
//! ```toml
//! [[operation]]
//! op = "server.group"
//! group = "media"
//! gid = 1500
//! ```

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::command::{AccountCommand, databases_change, databases_touched};
use super::names::{attribute, check_is_local, check_new_name, number, since};
use crate::change::{Action, Attributed, Before, Outcome, ResourceChange, ResourceId, ResourceKind, Risk, Step, Stop};
use crate::facts::account::{self, GroupFact, GroupNumberKey, UserFact};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::{Fact, FactKey};
use crate::operations::parameters::check_account_name;
use crate::operations::{Define, Operation, PlanContext};
use crate::value::Known;

/// Parameters of `server.group`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Group {
    /// Name of the group.
    group: String,
    /// Group id. By default it is kept, or chosen by the host for a new group.
    gid: Option<u32>,
    /// `true` gives a new group an id from the range of system groups.
    #[serde(default)]
    system: bool,
    /// `false` removes the group, unless it is the primary group of a user.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

impl Define for Group {
    const NAME: &'static str = "server.group";
    const SUMMARY: &'static str = "Create or remove a group";
    const MAIN_ARGUMENT: &'static str = "group";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "server.group"
group = "media"
gid = 2000
"#;
}

impl Operation for Group {
    fn needs(&self) -> Vec<FactKey> {
        let number = self.gid.map(FactKey::GroupNumber);
        [FactKey::Group(self.group.clone())].into_iter().chain(number).collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        databases_touched().chain([FactScope::Accounts]).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_account_name(context, "group", &self.group)?;
        if !self.present {
            return match context.group(&self.group)? {
                GroupFact::Absent => Ok(Outcome::Unchanged),
                GroupFact::Present(group) => self.remove(context, &group),
            };
        }
        self.check_number(context)?;
        match since(context.group(&self.group))? {
            Ok(GroupFact::Present(group)) => self.update(context, group),
            Ok(GroupFact::Absent) => {
                check_new_name(context, "group", &self.group)?;
                Ok(Outcome::Change(vec![self.create(Before::Absent)]))
            }
            Err((operation, why)) => Ok(Outcome::Ensure {
                changes: vec![self.create(Before::Unknown(why))],
                since: vec![operation],
            }),
        }
    }
}

impl Group {
    fn check_number(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let Some(gid) = self.gid else { return Ok(()) };
        match since(context.get(GroupNumberKey(&gid)))? {
            Ok(Some(holder)) if holder != self.group => {
                let label = format!("used by group `{holder}`");
                Err(context
                    .refuse("gid", format!("group id {gid} is already in use"), label)
                    .hint("choose another `gid`, or remove it"))
            }
            _ => Ok(()),
        }
    }

    fn create(&self, before: Before) -> ResourceChange {
        let group = account::Group {
            gid: number(self.gid),
            members: BTreeSet::new(),
            primary_of: BTreeSet::new(),
            elsewhere: None,
        };
        let command = AccountCommand::new("groupadd")
            .flag_if(self.system, "-r")
            .option("-g", self.gid)
            .on(&self.group);
        ResourceChange {
            action: Action::Create,
            before,
            after: Some(attributed(&group)),
            effects: self.effects(group, None),
            ..self.change(vec![command])
        }
    }

    fn update(&self, context: &PlanContext<'_>, group: account::Group) -> Result<Outcome, Stop> {
        let Some(gid) = self.gid.filter(|gid| group.gid != Known::Yes(*gid)) else {
            return Ok(Outcome::Unchanged);
        };
        check_is_local(context, "group", &self.group, group.elsewhere.as_deref())?;
        let command = AccountCommand::new("groupmod").option("-g", Some(gid)).on(&self.group);
        let old = match group.gid {
            Known::Yes(old) => Some(old),
            Known::No(_) => None,
        };
        let before = Before::Present(attributed(&group));
        let group = account::Group {
            gid: Known::Yes(gid),
            ..group
        };
        Ok(Outcome::Change(vec![ResourceChange {
            action: Action::Update,
            before,
            after: Some(attributed(&group)),
            effects: self.effects(group, old),
            ..self.change(vec![command])
        }]))
    }

    fn remove(&self, context: &PlanContext<'_>, group: &account::Group) -> Result<Outcome, Stop> {
        check_is_local(context, "group", &self.group, group.elsewhere.as_deref())?;
        if let Some(user) = group.primary_of.first() {
            let title = format!("cannot remove group `{}`", self.group);
            let label = format!("this is the primary group of user `{user}`");
            let mistake = context.mistake("group", title, label);
            return Err(Stop::Refused(Box::new(
                mistake.hint("first give that user another primary group, or remove the user"),
            )));
        }
        let mut effects: Vec<Effect> = databases_change().collect();
        effects.push(Effect::Set(
            FactKey::Group(self.group.clone()),
            Fact::Group(GroupFact::Absent),
        ));
        if let Known::Yes(gid) = group.gid {
            effects.push(Effect::Set(FactKey::GroupNumber(gid), Fact::GroupNumber(None)));
        }
        for member in &group.members {
            if let UserFact::Present(mut user) = context.user(member)? {
                user.groups.remove(&self.group);
                let fact = Fact::User(UserFact::Present(user));
                effects.push(Effect::Set(FactKey::User(member.clone()), fact));
            }
        }
        Ok(Outcome::Change(vec![ResourceChange {
            action: Action::Remove,
            before: Before::Present(attributed(group)),
            effects,
            risk: Risk::Removal,
            ..self.change(vec![AccountCommand::new("groupdel").on(&self.group)])
        }]))
    }

    fn effects(&self, group: account::Group, old: Option<u32>) -> Vec<Effect> {
        let number =
            |gid: u32, holder: Option<String>| Effect::Set(FactKey::GroupNumber(gid), Fact::GroupNumber(holder));
        databases_change()
            .chain(old.map(|gid| number(gid, None)))
            .chain(self.gid.map(|gid| number(gid, Some(self.group.clone()))))
            .chain([Effect::Set(
                FactKey::Group(self.group.clone()),
                Fact::Group(GroupFact::Present(group)),
            )])
            .collect()
    }

    /// The common parts of all changes.
    fn change(&self, steps: Vec<Step>) -> ResourceChange {
        ResourceChange {
            steps,
            ..ResourceChange::new(group_id(&self.group), Action::Update, Before::Absent, None)
        }
    }
}

pub(super) fn group_id(name: &str) -> ResourceId {
    ResourceId::new(ResourceKind::Group, name)
}

pub(super) fn attributed(group: &account::Group) -> Attributed {
    [("gid", attribute(&group.gid))].into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Attribute;
    use crate::operations::testing::{Bench, change, refusal, script};

    const MEDIA: &str = "group = 'media'\ngid = 1500";

    fn bench(text: &str) -> Bench {
        Bench::new::<Group>(text)
    }

    #[test]
    fn a_missing_group_is_created() {
        let created = change(bench(MEDIA).no_group("media").free_gid(1500).plan());
        assert_eq!((created.action, &created.before), (Action::Create, &Before::Absent));
        assert_eq!(script(&created), "groupadd -g 1500 -- media");
        assert_eq!(created.after.expect("created")["gid"], Attribute::known("1500"));
        let created = change(bench("group = 'media'\nsystem = true").no_group("media").plan());
        assert_eq!(script(&created), "groupadd -r -- media");
        assert!(matches!(created.after.expect("created")["gid"], Attribute::Unknown(_)));
    }

    #[test]
    fn a_group_as_wanted_is_unchanged_and_another_id_is_set() {
        let existing = |text: &str| bench(text).group("media", 1400, &[], &[]).free_gid(1500);
        assert_eq!(existing("group = 'media'").plan(), Ok(Outcome::Unchanged));
        assert_eq!(
            existing("group = 'media'\nsystem = true").plan(),
            Ok(Outcome::Unchanged)
        );
        let changed = change(existing(MEDIA).plan());
        assert_eq!(script(&changed), "groupmod -g 1500 -- media");
        assert!(matches!(changed.before, Before::Present(before) if before["gid"] == Attribute::known("1400")));
        let freed = Effect::Set(FactKey::GroupNumber(1400), Fact::GroupNumber(None));
        assert!(changed.effects.contains(&freed), "{:?}", changed.effects);
    }

    #[test]
    fn an_unwanted_group_is_removed_unless_a_user_needs_it() {
        let text = "group = 'media'\npresent = false";
        assert_eq!(bench(text).no_group("media").plan(), Ok(Outcome::Unchanged));
        let member = bench(text)
            .group("media", 1500, &["ann"], &[])
            .user("ann", 1000, "ann", &["media", "adm"]);
        let removed = change(member.plan());
        assert_eq!(
            (removed.action, removed.risk, removed.after.clone()),
            (Action::Remove, Risk::Removal, None)
        );
        assert_eq!(script(&removed), "groupdel -- media");
        let left = removed.effects.iter().find_map(|effect| match effect {
            Effect::Set(FactKey::User(_), Fact::User(UserFact::Present(user))) => Some(user.groups.clone()),
            _ => None,
        });
        assert_eq!(left, Some(BTreeSet::from(["adm".to_owned()])));
        let needed = bench(text).group("media", 1500, &[], &["ann"]);
        let mistake = refusal(needed.plan());
        assert_eq!(mistake.to_string(), "t.toml:1:9: cannot remove group `media`");
        assert_eq!(mistake.labels[0].text, "this is the primary group of user `ann`");
    }

    #[test]
    fn what_a_package_may_create_is_ensured() {
        let outcome = bench(MEDIA)
            .no_group("media")
            .free_gid(1500)
            .package_may_create()
            .plan();
        let Ok(Outcome::Ensure { changes, since }) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(since.len(), 1);
        assert!(matches!(changes[0].before, Before::Unknown(_)));
    }
}
