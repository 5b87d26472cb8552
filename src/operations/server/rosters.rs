//! The members of groups after a change of a user.

use std::collections::BTreeMap;

use crate::change::Stop;
use crate::facts::account::{Group, GroupFact, User};
use crate::facts::overlay::Effect;
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;
use crate::value::Known;

use super::names::since;

/// Groups as they are after the change.
pub(super) struct Rosters<'a, 'b> {
    context: &'a PlanContext<'b>,
    /// Each as it was and as it is.
    edited: BTreeMap<String, (Group, Group)>,
}

impl<'a, 'b> Rosters<'a, 'b> {
    /// The effects on groups if the user `name` changes from `before` to `after`.
    pub(super) fn effects(
        context: &'a PlanContext<'b>,
        name: &str,
        before: Option<&User>,
        after: Option<&User>,
    ) -> Result<Vec<Effect>, Stop> {
        let mut rosters = Self {
            context,
            edited: BTreeMap::new(),
        };
        if let Some(user) = before {
            rosters.leave(name, user)?;
        }
        if let Some(user) = after {
            rosters.join(name, user)?;
        }
        let edited = rosters.edited.into_iter();
        let changed = edited.filter(|(_, (before, after))| before != after);
        Ok(changed
            .map(|(group, (_, after))| Effect::Set(FactKey::Group(group), Fact::Group(GroupFact::Present(after))))
            .collect())
    }

    fn leave(&mut self, name: &str, user: &User) -> Result<(), Stop> {
        for group in &user.groups {
            self.edit(group, |roster| {
                roster.members.remove(name);
            })?;
        }
        if let Known::Yes(group) = &user.group {
            self.edit(group, |roster| {
                roster.primary_of.remove(name);
            })?;
        }
        Ok(())
    }

    fn join(&mut self, name: &str, user: &User) -> Result<(), Stop> {
        for group in &user.groups {
            self.edit(group, |roster| {
                roster.members.insert(name.to_owned());
            })?;
        }
        if let Known::Yes(group) = &user.group {
            self.edit(group, |roster| {
                roster.primary_of.insert(name.to_owned());
            })?;
        }
        Ok(())
    }

    /// Ignores a group that does not exist or is not known.
    fn edit(&mut self, group: &str, change: impl FnOnce(&mut Group)) -> Result<(), Stop> {
        if !self.edited.contains_key(group) {
            let Ok(GroupFact::Present(roster)) = since(self.context.group(group))? else {
                return Ok(());
            };
            self.edited.insert(group.to_owned(), (roster.clone(), roster));
        }
        if let Some((_, roster)) = self.edited.get_mut(group) {
            change(roster);
        }
        Ok(())
    }
}
