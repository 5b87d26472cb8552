//! Creates a user.

use std::collections::BTreeSet;

use super::super::command::{AccountCommand, databases_change};
use super::super::group;
use super::super::home::{NewHome, closed_home, found_home, missing_home};
use super::super::names::{number, since};
use super::super::rosters::Rosters;
use super::{User, attributed, unfinished};
use crate::change::{Action, Attribute, Attributes, Before, Expect, ResourceChange, Risk, Step, Stop};
use crate::facts::account::{self, AccountDefaults, AccountDefaultsKey, Group, GroupFact, UserFact};
use crate::facts::overlay::{Effect, FactScope, OperationId};
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;
use crate::value::Known;

/// Where a new user's primary group comes from.
enum Primary {
    /// It exists by the time the user is created.
    Existing(String),
    /// `useradd` creates it with the user's name.
    Private,
}

impl User {
    pub(super) fn create(
        &self,
        context: &PlanContext<'_>,
        after: &mut Vec<OperationId>,
    ) -> Result<Vec<ResourceChange>, Stop> {
        let defaults = context.get(AccountDefaultsKey)?;
        let primary = self.primary(context, &defaults)?;
        let user = self.predicted(&defaults, &primary);
        for group in &user.groups {
            Self::check_group_is_local(context, group)?;
        }
        let mut change = self.change(Action::Create, Before::Absent, Some(attributed(&user)));
        let mut makes = None;
        change.effects = self.effects(user.clone());
        let mut along = Vec::new();
        if matches!(primary, Primary::Private) {
            along.push(self.private_group(None));
        }
        // A private group does not exist yet: its own change sets its members.
        change
            .effects
            .extend(Rosters::effects(context, &self.user, None, Some(&user))?);
        if self.makes_home() {
            let home = self.home_of(&defaults);
            match since(missing_home(context, &home))? {
                Ok(Some(path)) => {
                    change.expect.push(Expect::Absent { path: path.clone() });
                    change.expect.push(closed_home(context, "home", &path)?);
                    makes = Some(path.clone());
                    along.push(self.new_home(path, &primary, &defaults).with_user());
                }
                Ok(None) => {
                    let found = found_home(context, &home, &self.user, &user.uid)?;
                    if let (Some(after), Some(found)) = (&mut change.after, found) {
                        after.insert("home", found);
                    }
                }
                Err((operation, why)) => {
                    after.push(operation);
                    change.effects.push(Effect::Forget(FactScope::Tree(home), why));
                }
            }
        }
        change.steps = vec![self.useradd(&primary, makes.as_deref())];
        if let Some(system) = context.without_record_of(&self.user) {
            change.steps.push(unfinished::forget(&self.user));
            change.effects.push(Effect::Set(FactKey::System, system));
        }
        Ok([change].into_iter().chain(along).collect())
    }

    /// Plans a user that an earlier operation may create. What the parameters do not set stays as that operation creates it.
    pub(super) fn take_over(&self, context: &PlanContext<'_>, why: &str) -> Result<Vec<ResourceChange>, Stop> {
        let defaults = context.get(AccountDefaultsKey)?;
        let unless_given = |given: &Option<String>| match given {
            Some(given) => Known::Yes(given.clone()),
            None => Known::No(why.to_owned()),
        };
        let user = account::User {
            uid: self.uid.map_or_else(|| Known::No(why.to_owned()), Known::Yes),
            group: unless_given(&self.group),
            home: unless_given(&self.home),
            shell: unless_given(&self.shell),
            comment: unless_given(&self.comment),
            groups: self.wanted_groups().unwrap_or_default(),
            elsewhere: None,
        };
        let mut after = attributed(&user);
        if self.groups.is_none() || self.append {
            after.insert("groups", Attribute::Unknown(why.to_owned()));
        }
        let unknown = || Before::Unknown(why.to_owned());
        let primary = self.primary(context, &defaults)?;
        let mut change = self.change(Action::Create, unknown(), Some(after));
        change.steps = vec![self.useradd(&primary, None)];
        change.effects = self.effects(user);
        let home = self.home_of(&defaults);
        if self.makes_home() {
            let forgotten = Effect::Forget(FactScope::Tree(home.clone()), why.to_owned());
            change.effects.push(forgotten);
        }
        let mut along = Vec::new();
        if matches!(primary, Primary::Private) {
            let mut group = self.private_group(None);
            // Its members are not known either.
            group.effects = vec![Effect::Forget(
                FactScope::Key(FactKey::Group(self.user.clone())),
                why.to_owned(),
            )];
            along.push(group);
        }
        // A home directory that is there stays as it is.
        let is_there = matches!(since(missing_home(context, &home)), Ok(Ok(None)));
        if self.makes_home() && !is_there {
            if let Ok(closed) = since(closed_home(context, "home", &home))? {
                change.expect.push(closed);
            }
            let mut new_home = self.new_home(home, &primary, &defaults).with_user();
            if let Some(after) = new_home.after.as_mut().filter(|_| self.group.is_none()) {
                after.insert("group", Attribute::Unknown(why.to_owned()));
            }
            new_home.effects = Vec::new();
            along.push(new_home);
        }
        for change in &mut along {
            change.before = unknown();
        }
        Ok([change].into_iter().chain(along).collect())
    }

    fn primary(&self, context: &PlanContext<'_>, defaults: &AccountDefaults) -> Result<Primary, Stop> {
        if let Some(group) = &self.group {
            return Ok(Primary::Existing(group.clone()));
        }
        if !defaults.private_groups {
            return Ok(Primary::Existing(defaults.group.clone()));
        }
        // `useradd -U` refuses an existing group; `-g` uses it.
        Ok(match since(context.group(&self.user))? {
            Ok(GroupFact::Present(_)) => Primary::Existing(self.user.clone()),
            Ok(GroupFact::Absent) | Err(_) => Primary::Private,
        })
    }

    fn primary_name<'a>(&'a self, primary: &'a Primary) -> &'a str {
        match primary {
            Primary::Existing(group) => group,
            Primary::Private => &self.user,
        }
    }

    fn predicted(&self, defaults: &AccountDefaults, primary: &Primary) -> account::User {
        let shell = self.shell.as_ref().unwrap_or(&defaults.shell);
        account::User {
            uid: number(self.uid),
            group: Known::Yes(self.primary_name(primary).to_owned()),
            home: Known::Yes(self.home_of(defaults)),
            shell: Known::Yes(shell.clone()),
            comment: Known::Yes(self.comment.clone().unwrap_or_default()),
            groups: self.wanted_groups().unwrap_or_default(),
            elsewhere: None,
        }
    }

    pub(super) fn makes_home(&self) -> bool {
        self.create_home.unwrap_or(!self.system)
    }

    fn home_of(&self, defaults: &AccountDefaults) -> String {
        self.home
            .clone()
            .unwrap_or_else(|| format!("{}/{}", defaults.home_base, self.user))
    }

    /// `makes` is the home directory that `useradd` must be able to make.
    fn useradd(&self, primary: &Primary, makes: Option<&str>) -> Step {
        let groups: Option<Vec<String>> = self.wanted_groups().map(|groups| groups.into_iter().collect());
        let command = AccountCommand::new("useradd")
            .flag_if(self.system, "-r")
            .option("-u", self.uid);
        let command = match primary {
            Primary::Existing(group) => command.option("-g", Some(group)),
            Primary::Private => command.flag("-U"),
        };
        command
            .option(
                "-G",
                groups
                    .filter(|groups| !groups.is_empty())
                    .map(|groups| groups.join(",")),
            )
            .option("-d", self.home.as_ref())
            .option("-s", self.shell.as_ref())
            .option("-c", self.comment.as_ref())
            .flag(if self.makes_home() { "-m" } else { "-M" })
            .recorded(makes, &self.user)
            .on(&self.user)
    }

    fn effects(&self, user: account::User) -> Vec<Effect> {
        let holder = |uid| Effect::Set(FactKey::UserNumber(uid), Fact::UserNumber(Some(self.user.clone())));
        databases_change()
            .chain(self.uid.map(holder))
            .chain([Effect::Set(
                FactKey::User(self.user.clone()),
                Fact::User(UserFact::Present(user)),
            )])
            .collect()
    }

    /// The group that `useradd` itself creates, with this id if it is known.
    pub(super) fn private_group(&self, gid: Option<u32>) -> ResourceChange {
        let group = Group {
            gid: number(gid),
            members: BTreeSet::new(),
            primary_of: BTreeSet::from([self.user.clone()]),
            elsewhere: None,
        };
        ResourceChange {
            id: group::group_id(&self.user),
            action: Action::Create,
            before: Before::Absent,
            after: Some(group::attributed(&group)),
            expect: Vec::new(),
            effects: vec![Effect::Set(
                FactKey::Group(self.user.clone()),
                Fact::Group(GroupFact::Present(group)),
            )],
            steps: Vec::new(),
            risk: Risk::None,
            is_asked_as_before: false,
        }
    }

    fn new_home<'a>(&self, path: String, primary: &Primary, defaults: &'a AccountDefaults) -> NewHome<'a> {
        NewHome {
            path,
            attributes: Attributes {
                owner: self.user.clone(),
                group: self.primary_name(primary).to_owned(),
                mode: defaults.home_mode,
            },
            defaults,
        }
    }
}
