//! `server.user`: create, change or remove a user.
//!
//! ```toml
//! [[operation]]
//! op = "server.user"
//! user = "ann"
//! shell = "/bin/bash"
//! groups = ["docker", "adm"]
//! append = true                     # keep its other groups
//! ```

mod create;
mod password;
mod remove;
mod unfinished;
mod update;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::command::databases_touched;
use super::names::{attribute, check_is_local, check_new_name, since};
use crate::change::{
    Action, Attribute, Attributed, Before, NotKnown, Outcome, ResourceChange, ResourceId, ResourceKind, Stop,
};
use crate::facts::FactKey;
use crate::facts::account::{self, AccountDefaultsKey, GroupFact, UserFact, UserNumberKey};
use crate::facts::overlay::{FactScope, OperationId};
use crate::operations::files::parameters::{check_path, path_and_ancestors};
use crate::operations::parameters::check_account_name;
use crate::operations::systemd::Needs;
use crate::operations::{Define, Operation, PlanContext};
use crate::value::{Known, Text};

/// Parameters of `server.user`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a parameter that people write")]
pub(in crate::operations) struct User {
    /// Name of the user.
    user: String,
    /// `false` removes the user.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
    /// Home directory. By default it is kept; a new user gets the host's default. If it changes, the files are not moved.
    home: Option<String>,
    /// Login shell. By default it is kept; a new user gets the host's default.
    shell: Option<String>,
    /// Primary group. By default it is kept; a new user gets a group of the same name, or the host's default.
    group: Option<String>,
    /// Groups in addition to the primary one. By default they are kept.
    groups: Option<Vec<String>>,
    /// `true` keeps the user in groups that `groups` does not list; `false` removes the user from them.
    #[serde(default)]
    append: bool,
    /// `true` creates a missing home directory. By default only new users that are not system users get one, with a copy of
    /// `/etc/skel`.
    create_home: Option<bool>,
    /// `true` gives a new user an id from the range of system users.
    #[serde(default)]
    system: bool,
    /// User id. By default it is kept, or chosen by the host for a new user.
    uid: Option<u32>,
    /// Comment field, usually the full name.
    comment: Option<String>,
    /// The hash of the password, as the filter `password_hash('sha512', salt='anna')` makes it. By default it is kept; a new user
    /// has none, and cannot log in with one. It is never shown.
    password: Option<Text>,
    /// With `present = false`: `true` removes the home directory too.
    #[serde(default)]
    remove_home: bool,
}

/// Debian's default, to guess which facts planning needs.
const USUAL_HOMES: &str = "/home";

impl Define for User {
    const NAME: &'static str = "server.user";
    const SUMMARY: &'static str = "Create, change or remove a user";
    const MAIN_ARGUMENT: &'static str = "user";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "server.user"
user = "backup-runner"
system = true
groups = ["adm"]
append = true
"#;
}

impl Operation for User {
    fn needs(&self) -> Vec<FactKey> {
        let mut needs = path_and_ancestors(&self.usual_home());
        needs.push(FactKey::User(self.user.clone()));
        needs.push(FactKey::Group(self.user.clone()));
        needs.push(FactKey::AccountDefaults);
        needs.extend(self.named_groups().map(|(_, group)| FactKey::Group(group.to_owned())));
        needs.extend(self.uid.map(FactKey::UserNumber));
        needs.extend(self.password.iter().map(|_| FactKey::Password(self.user.clone())));
        needs
    }

    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        let homes = self.homes(context).into_iter().map(FactScope::Tree);
        let record = context
            .without_record_of(&self.user)
            .map(|_| FactScope::Key(FactKey::System));
        let accounts = self.accounts(context).unwrap_or_else(|| vec![FactScope::Accounts]);
        let password = self.password.iter();
        let password = password.map(|_| FactScope::Key(FactKey::Password(self.user.clone())));
        databases_touched()
            .chain(accounts)
            .chain(homes)
            .chain(record)
            .chain(password)
            .collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        if !self.present {
            return self.plan_absent(context);
        }
        let mut after = Vec::new();
        self.check_groups(context, &mut after)?;
        self.check_number(context)?;
        let mut changes = match since(context.user(&self.user))? {
            Ok(UserFact::Present(user)) => self.update(context, &user, &mut after)?,
            Ok(UserFact::Absent) => {
                check_new_name(context, "user", &self.user)?;
                self.create(context, &mut after)?
            }
            Err((operation, why)) => {
                after.push(operation);
                self.take_over(context, &why)?
            }
        };
        self.check_shell(context)?;
        self.set_password(context, &mut changes, &mut after)?;
        Ok(if changes.is_empty() {
            Outcome::Unchanged
        } else if after.is_empty() {
            Outcome::Change(changes)
        } else {
            Outcome::Ensure { changes, since: after }
        })
    }
}

impl User {
    /// The home directories whose files may change: the current one and the new one.
    fn homes(&self, context: &PlanContext<'_>) -> Vec<String> {
        const ANYWHERE: &str = "/";
        // What an earlier operation may change: the home as it is now is added from the user as they are now.
        let unknown = |stop: &Stop| match stop {
            Stop::NotKnown {
                cause: NotKnown::NotGathered | NotKnown::Since(..),
                ..
            } => self.usual_home(),
            _ => ANYWHERE.to_owned(),
        };
        let old = match context.user(&self.user) {
            Ok(UserFact::Present(user)) => Some(match user.home {
                Known::Yes(home) => home,
                Known::No(_) => ANYWHERE.to_owned(),
            }),
            Ok(UserFact::Absent) => None,
            Err(stop) => Some(unknown(&stop)),
        };
        let new = match (&self.home, &old) {
            (Some(home), _) => Some(home.clone()),
            (None, Some(_)) => None,
            (None, None) => Some(match context.get(AccountDefaultsKey) {
                Ok(defaults) => format!("{}/{}", defaults.home_base, self.user),
                Err(stop) => unknown(&stop),
            }),
        };
        old.into_iter().chain(new).collect()
    }

    /// What it may change of users and groups, if the user is known: others stay as they are. `None` if that may be any of them.
    fn accounts(&self, context: &PlanContext<'_>) -> Option<Vec<FactScope>> {
        if !self.present {
            return None;
        }
        let mut groups: BTreeSet<String> = self.named_groups().map(|(_, group)| group.to_owned()).collect();
        groups.insert(self.user.clone());
        let mut keys = vec![FactKey::User(self.user.clone())];
        keys.extend(self.uid.map(FactKey::UserNumber));
        match context.user(&self.user) {
            Ok(UserFact::Present(old)) => {
                let Known::Yes(group) = old.group else { return None };
                keys.extend(group.parse().ok().map(FactKey::GroupNumber));
                if let Known::Yes(uid) = old.uid {
                    keys.push(FactKey::UserNumber(uid));
                }
                groups.insert(group);
                groups.extend(old.groups);
            }
            found @ (Ok(UserFact::Absent)
            | Err(Stop::NotKnown {
                cause: NotKnown::Since(..),
                ..
            })) => {
                if found.is_err() && !self.leaves_other_groups() {
                    return None;
                }
                groups.extend(
                    context
                        .get(AccountDefaultsKey)
                        .ok()
                        .map(|defaults| defaults.group.clone()),
                );
            }
            Err(_) => return None,
        }
        keys.extend(groups.into_iter().map(FactKey::Group));
        Some(keys.into_iter().map(FactScope::Key).collect())
    }

    /// Whether it changes no number and no group that its parameters do not name, whatever groups the user is in.
    fn leaves_other_groups(&self) -> bool {
        self.uid.is_none() && self.group.is_none() && (self.groups.is_none() || self.append)
    }

    fn usual_home(&self) -> String {
        self.home
            .clone()
            .unwrap_or_else(|| format!("{USUAL_HOMES}/{}", self.user))
    }

    fn named_groups(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let primary = self.group.iter().map(|group| ("group", group.as_str()));
        let further = self.groups.iter().flatten();
        primary.chain(further.map(|group| ("groups", group.as_str())))
    }

    fn wanted_groups(&self) -> Option<BTreeSet<String>> {
        self.groups.as_ref().map(|groups| groups.iter().cloned().collect())
    }

    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let names = [
            check_account_name(context, "user", &self.user),
            self.check_password(context),
        ];
        let groups = self
            .named_groups()
            .map(|(argument, group)| check_account_name(context, argument, group));
        let fields = [("home", &self.home), ("shell", &self.shell), ("comment", &self.comment)];
        let fields = fields
            .into_iter()
            .filter_map(|(name, field)| Some((name, field.as_ref()?)));
        let fields = fields.map(|(argument, field)| {
            if argument != "comment" {
                check_path(context, argument, field)?;
            }
            if !field.contains([':', '\n', '\0']) {
                return Ok(());
            }
            let title = format!("`{argument}` must not contain `:` or a line break");
            Err(context
                .refuse(argument, title, "`/etc/passwd` cannot store this")
                .hint("remove the `:` or the line break"))
        });
        Stop::unless_all(names.into_iter().chain(groups).chain(fields))
    }

    /// A group must exist by now, or an earlier operation may create it.
    fn check_groups(&self, context: &PlanContext<'_>, after: &mut Vec<OperationId>) -> Result<(), Stop> {
        for (argument, group) in self.named_groups() {
            match since(context.group(group))? {
                Ok(GroupFact::Present(_)) => {}
                Ok(GroupFact::Absent) => {
                    let title = format!("unknown group `{group}`");
                    let label = "not on the host, and no earlier operation creates it";
                    let hint = format!("create it first: `op = \"server.group\"`, `group = \"{group}\"`");
                    return Err(context.refuse_item(argument, group, title, label).hint(hint));
                }
                Err((operation, _)) if after.contains(&operation) => {}
                Err((operation, _)) => after.push(operation),
            }
        }
        Ok(())
    }

    /// Refuses a group whose members cannot be changed on the host.
    fn check_group_is_local(context: &PlanContext<'_>, group: &str) -> Result<(), Stop> {
        match since(context.group(group))? {
            Ok(GroupFact::Present(found)) => check_is_local(context, "groups", group, found.elsewhere.as_deref()),
            _ => Ok(()),
        }
    }

    /// Refuses a new shell that is not on the host: the user could not log in with it.
    fn check_shell(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let Some(shell) = self.shell.as_ref().filter(|_| !context.has_stand_ins()) else {
            return Ok(());
        };
        let has_it = |user: &account::User| matches!(&user.shell, Known::Yes(own) if own == shell);
        match context.user(&self.user) {
            Ok(UserFact::Present(user)) if has_it(&user) => Ok(()),
            _ => Needs::of_program(shell).check(context, "shell", "shell"),
        }
    }

    fn check_number(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let Some(uid) = self.uid else { return Ok(()) };
        match since(context.get(UserNumberKey(&uid)))? {
            Ok(Some(holder)) if holder != self.user => {
                let label = format!("used by user `{holder}`");
                Err(context
                    .refuse("uid", format!("user id {uid} is already in use"), label)
                    .hint("choose another `uid`, or remove it"))
            }
            _ => Ok(()),
        }
    }

    /// The common parts of all changes.
    fn change(&self, action: Action, before: Before, after: Option<Attributed>) -> ResourceChange {
        let id = ResourceId::new(ResourceKind::User, &self.user);
        ResourceChange::new(id, action, before, after)
    }
}

fn attributed(user: &account::User) -> Attributed {
    let groups: Vec<&str> = user.groups.iter().map(String::as_str).collect();
    [
        ("uid", attribute(&user.uid)),
        ("group", attribute(&user.group)),
        ("groups", Attribute::known(groups.join(", "))),
        ("home", attribute(&user.home)),
        ("shell", attribute(&user.shell)),
        ("comment", attribute(&user.comment)),
    ]
    .into_iter()
    .collect()
}

#[cfg(test)]
mod tests;
