//! Changes an existing user.

use std::collections::BTreeSet;

use super::super::command::{AccountCommand, databases_change};
use super::super::home::{NewHome, closed_home, found_home, missing_home};
use super::super::names::{check_is_local, since};
use super::super::rosters::Rosters;
use super::{User, attributed, unfinished};
use crate::change::{Action, Attribute, Attributes, Before, Expect, ResourceChange, Stop};
use crate::facts::account::{self, AccountDefaultsKey, UserFact};
use crate::facts::overlay::{Effect, FactScope, OperationId};
use crate::facts::path::{InodeKind, PathFact};
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;
use crate::value::Known;

const BY_HAND: &str =
    "choose a `home` in a directory that only root can change, such as `/home`, or run `usermod` by hand";

impl User {
    pub(super) fn update(
        &self,
        context: &PlanContext<'_>,
        old: &account::User,
        after: &mut Vec<OperationId>,
    ) -> Result<Vec<ResourceChange>, Stop> {
        let missing_group = self.missing_group(context, old)?;
        let new = self.wanted(old, missing_group.is_some());
        let mut changes = Vec::new();
        let record = context.without_record_of(&self.user);
        if record.is_some() || missing_group.is_some() {
            return self.finish(context, (old, &new), missing_group, after, record);
        }
        if new != *old {
            self.check_is_possible(context, old, &new)?;
            let mut after = attributed(&new);
            if let (Known::Yes(home), true) = (&new.home, new.home != old.home)
                && let Some(found) = found_home(context, home, &self.user, &new.uid)?
            {
                after.insert("home", found);
            }
            let mut change = self.change(Action::Update, Before::Present(attributed(old)), Some(after));
            change.expect.extend(self.home_that_changes(context, old, &new)?);
            change.steps = vec![self.usermod(old, &new).on(&self.user)];
            change.effects = self.update_effects(context, old, &new)?;
            changes.push(change);
        }
        if self.create_home == Some(true) {
            changes.extend(self.created_home(context, &new, after)?);
        }
        Ok(changes)
    }

    /// Completes a user whose creation was interrupted: its group, what differs, then the home directory.
    fn finish(
        &self,
        context: &PlanContext<'_>,
        (old, new): (&account::User, &account::User),
        missing_group: Option<u32>,
        after: &mut Vec<OperationId>,
        record: Option<Fact>,
    ) -> Result<Vec<ResourceChange>, Stop> {
        self.check_is_possible(context, old, new)?;
        // The group gets the number that the user has.
        let grouped = account::User {
            group: match missing_group {
                Some(_) => new.group.clone(),
                None => old.group.clone(),
            },
            ..old.clone()
        };
        let home = if self.makes_home() {
            self.created_home(context, new, after)?
        } else {
            None
        };
        let [mut before, mut attributes] = [attributed(old), attributed(new)];
        before.insert("created", Attribute::known("in part"));
        attributes.insert("created", Attribute::known("completely"));
        let mut change = self.change(Action::Update, Before::Present(before), Some(attributes));
        change.steps = unfinished::complete_databases(&self.user, missing_group);
        if *new != grouped {
            change.expect.extend(self.home_that_changes(context, &grouped, new)?);
            change.steps.push(self.usermod(&grouped, new).on(&self.user));
        }
        let mut changes: Vec<ResourceChange> = home.into_iter().collect();
        for made in &mut changes {
            change.steps.append(&mut made.steps);
        }
        if let (true, Known::Yes(home), Known::Yes(group)) = (self.makes_home(), &new.home, &new.group) {
            let mode = context.get(AccountDefaultsKey)?.home_mode;
            let makes_it = change.steps.iter().any(|step| step.path().is_some());
            // What is not known now is checked in its turn.
            if let Ok(path) = since(context.resolve(home))?
                && let Ok(closed) = since(closed_home(context, "home", &path))?
                && !makes_it
            {
                change.expect.push(closed);
            }
            change
                .steps
                .extend(unfinished::complete_home(&self.user, group, home, mode));
            let why = format!("the home directory of `{}` is completed", self.user);
            change
                .effects
                .push(Effect::Forget(FactScope::Tree(home.to_owned()), why));
        }
        change.effects.extend(self.update_effects(context, &grouped, new)?);
        if let Some(system) = record {
            change.steps.push(unfinished::forget(&self.user));
            change.effects.push(Effect::Set(FactKey::System, system));
        }
        let group = missing_group.map(|gid| {
            let holder = Effect::Set(FactKey::GroupNumber(gid), Fact::GroupNumber(Some(self.user.clone())));
            let mut group = self.private_group(Some(gid));
            group.effects.push(holder);
            group
        });
        Ok([change].into_iter().chain(group).chain(changes).collect())
    }

    /// The user as wanted, with its own group if that was missing.
    fn wanted(&self, old: &account::User, was_without_group: bool) -> account::User {
        let given = |given: &Option<String>, old: &Known<String>| match given {
            Some(given) => Known::Yes(given.clone()),
            None => old.clone(),
        };
        account::User {
            uid: self.uid.map_or_else(|| old.uid.clone(), Known::Yes),
            group: if was_without_group {
                Known::Yes(self.user.clone())
            } else {
                given(&self.group, &old.group)
            },
            home: given(&self.home, &old.home),
            shell: given(&self.shell, &old.shell),
            comment: given(&self.comment, &old.comment),
            groups: match self.wanted_groups() {
                None => old.groups.clone(),
                Some(groups) if self.append => old.groups.union(&groups).cloned().collect(),
                Some(groups) => groups,
            },
            elsewhere: old.elsewhere.clone(),
        }
    }

    /// `usermod` changes only what is in the host's own files.
    fn check_is_possible(
        &self,
        context: &PlanContext<'_>,
        old: &account::User,
        new: &account::User,
    ) -> Result<(), Stop> {
        check_is_local(context, "user", &self.user, old.elsewhere.as_deref())?;
        for group in new.groups.symmetric_difference(&old.groups) {
            Self::check_group_is_local(context, group)?;
        }
        Ok(())
    }

    /// With another number or group of the user, `usermod` changes the owner and group of what is in the home directory, which it
    /// finds by its name: another user could have it change files elsewhere.
    fn home_that_changes(
        &self,
        context: &PlanContext<'_>,
        old: &account::User,
        new: &account::User,
    ) -> Result<Option<Expect>, Stop> {
        let argument = match (self.uid, &self.group) {
            (Some(_), _) if new.uid != old.uid => "uid",
            (_, Some(_)) if new.group != old.group => "group",
            _ => return Ok(None),
        };
        let Known::Yes(home) = &new.home else { return Ok(None) };
        let path = context.resolve(home)?;
        match context.path(&path)? {
            PathFact::Present(inode) if inode.kind == InodeKind::Directory => {
                let way = context.closed_path(argument, &path, "change of owners", BY_HAND)?;
                Ok(Some(Expect::ResolvedPath(Box::new(way))))
            }
            PathFact::Present(_) | PathFact::Absent => Ok(None),
        }
    }

    fn usermod(&self, old: &account::User, new: &account::User) -> AccountCommand {
        let given = |given: &Option<String>, differs: bool| given.clone().filter(|_| differs);
        let joined = |groups: BTreeSet<String>| groups.into_iter().collect::<Vec<_>>().join(",");
        let command = AccountCommand::new("usermod")
            .option("-u", self.uid.filter(|_| new.uid != old.uid))
            .option("-g", given(&self.group, new.group != old.group))
            .option("-d", given(&self.home, new.home != old.home))
            .option("-s", given(&self.shell, new.shell != old.shell))
            .option("-c", given(&self.comment, new.comment != old.comment));
        if new.groups == old.groups {
            command
        } else if self.append {
            let missing = new.groups.difference(&old.groups).cloned().collect();
            command.flag("-a").option("-G", Some(joined(missing)))
        } else {
            command.option("-G", Some(joined(new.groups.clone())))
        }
    }

    fn update_effects(
        &self,
        context: &PlanContext<'_>,
        old: &account::User,
        new: &account::User,
    ) -> Result<Vec<Effect>, Stop> {
        let mut effects: Vec<Effect> = databases_change().collect();
        if let (Known::Yes(old), true) = (&old.uid, old.uid != new.uid) {
            effects.push(Effect::Set(FactKey::UserNumber(*old), Fact::UserNumber(None)));
        }
        if let Some(uid) = self.uid {
            let holder = Some(self.user.clone());
            effects.push(Effect::Set(FactKey::UserNumber(uid), Fact::UserNumber(holder)));
        }
        if let (Known::Yes(home), true) = (&old.home, old.group != new.group)
            && home != "/"
        {
            // `usermod` changes the group of files in the home directory that have the old group.
            let why = format!("its files get the new group of `{}`", self.user);
            effects.push(Effect::Forget(FactScope::Tree(home.clone()), why));
        }
        effects.extend(Rosters::effects(context, &self.user, Some(old), Some(new))?);
        effects.push(Effect::Set(
            FactKey::User(self.user.clone()),
            Fact::User(UserFact::Present(new.clone())),
        ));
        Ok(effects)
    }

    /// Creates the missing home directory of an existing user, without copying the skeleton.
    fn created_home(
        &self,
        context: &PlanContext<'_>,
        user: &account::User,
        after: &mut Vec<OperationId>,
    ) -> Result<Option<ResourceChange>, Stop> {
        let (Known::Yes(home), Known::Yes(group)) = (&user.home, &user.group) else {
            return Ok(None);
        };
        let path = match since(missing_home(context, home))? {
            Ok(Some(path)) => path,
            Ok(None) => return Ok(None),
            Err((operation, _)) => {
                after.push(operation);
                home.clone()
            }
        };
        let defaults = context.get(AccountDefaultsKey)?;
        let home = NewHome {
            path,
            attributes: Attributes {
                owner: self.user.clone(),
                group: group.clone(),
                mode: defaults.home_mode,
            },
            defaults: &defaults,
        };
        Ok(Some(home.alone()))
    }
}
