//! Removes a user.

use super::super::command::{AccountCommand, databases_change};
use super::super::group;
use super::super::home::removed_home;
use super::super::names::{check_is_local, since};
use super::super::rosters::Rosters;
use super::{User, attributed, unfinished};
use crate::change::{Action, Before, Outcome, ResourceChange, Risk, Stop};
use crate::facts::account::{self, AccountDefaultsKey, GroupFact, UserFact};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;
use crate::value::Known;

impl User {
    pub(super) fn plan_absent(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let UserFact::Present(user) = context.user(&self.user)? else {
            return Ok(Outcome::Unchanged);
        };
        if user.uid == Known::Yes(0) {
            return Err(context
                .refuse(
                    "user",
                    format!("cannot remove `{}`", self.user),
                    "this is the superuser",
                )
                .hint("remove `present = false`"));
        }
        check_is_local(context, "user", &self.user, user.elsewhere.as_deref())?;
        let mut change = self.change(Action::Remove, Before::Present(attributed(&user)), None);
        change.steps = vec![
            AccountCommand::new("userdel")
                .flag_if(self.remove_home, "-r")
                .on(&self.user),
        ];
        if let Some(system) = context.without_record_of(&self.user) {
            change.steps.push(unfinished::forget(&self.user));
            change.effects.push(Effect::Set(FactKey::System, system));
        }
        change.risk = Risk::Removal;
        change.effects.extend(self.remove_effects(context, &user)?);
        let mut changes = vec![change];
        changes.extend(self.removed_private_group(context, &user)?);
        if let (Known::Yes(home), true) = (&user.home, self.remove_home)
            && let Some((removed, closed)) = removed_home(context, &self.user, home)?
        {
            changes[0].expect.push(closed);
            changes.push(removed);
        }
        Ok(Outcome::Change(changes))
    }

    fn remove_effects(&self, context: &PlanContext<'_>, user: &account::User) -> Result<Vec<Effect>, Stop> {
        let mut effects: Vec<Effect> = databases_change().collect();
        if let Known::Yes(home) = &user.home
            && home != "/"
        {
            // `stat` shows a number instead of the name as the owner of files that are left.
            let why = format!("its files lose their owner `{}`", self.user);
            effects.push(Effect::Forget(FactScope::Tree(home.clone()), why));
        }
        if let Known::Yes(uid) = user.uid {
            effects.push(Effect::Set(FactKey::UserNumber(uid), Fact::UserNumber(None)));
        }
        effects.extend(Rosters::effects(context, &self.user, Some(user), None)?);
        effects.push(Effect::Set(
            FactKey::User(self.user.clone()),
            Fact::User(UserFact::Absent),
        ));
        Ok(effects)
    }

    /// The removal of the user's own group by `userdel`, if no other user is in it.
    fn removed_private_group(
        &self,
        context: &PlanContext<'_>,
        user: &account::User,
    ) -> Result<Option<ResourceChange>, Stop> {
        let only_own = |users: &std::collections::BTreeSet<String>| users.iter().all(|other| *other == self.user);
        if user.group != Known::Yes(self.user.clone()) || !context.get(AccountDefaultsKey)?.private_groups {
            return Ok(None);
        }
        let Ok(GroupFact::Present(own)) = since(context.group(&self.user))? else {
            return Ok(None);
        };
        if !only_own(&own.primary_of) || !own.members.is_empty() {
            return Ok(None);
        }
        let mut effects = vec![Effect::Set(
            FactKey::Group(self.user.clone()),
            Fact::Group(GroupFact::Absent),
        )];
        if let Known::Yes(gid) = own.gid {
            effects.push(Effect::Set(FactKey::GroupNumber(gid), Fact::GroupNumber(None)));
        }
        Ok(Some(ResourceChange {
            id: group::group_id(&self.user),
            action: Action::Remove,
            before: Before::Present(group::attributed(&own)),
            after: None,
            expect: Vec::new(),
            effects,
            steps: Vec::new(),
            risk: Risk::Removal,
            is_asked_as_before: false,
        }))
    }
}
