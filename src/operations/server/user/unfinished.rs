//! Completes a user whose creation was interrupted.
//!
//! `useradd` writes the user first, then its group and its password, and makes the home directory last. A record on the host,
//! which goes when all is done, tells such a user from one that has no home directory on purpose. A primary group that is only
//! a number needs no record: no tool leaves that on purpose.

use super::super::command::{AccountCommand, record};
use super::User;
use crate::change::{Command, Step, Stop};
use crate::facts::Identity;
use crate::facts::account::{self, AccountDefaultsKey, GroupFact, GroupNumberKey};
use crate::operations::PlanContext;
use crate::quote::quote;
use crate::value::Known;

impl User {
    /// The id of the user's own group, if the user was written and the group was not.
    pub(super) fn missing_group(&self, context: &PlanContext<'_>, user: &account::User) -> Result<Option<u32>, Stop> {
        let Known::Yes(group) = &user.group else {
            return Ok(None);
        };
        let Ok(gid) = group.parse::<u32>() else {
            return Ok(None);
        };
        let is_wanted = self.group.is_none() && user.elsewhere.is_none();
        if !is_wanted || !context.get(AccountDefaultsKey)?.private_groups {
            return Ok(None);
        }
        let is_missing =
            context.group(&self.user)? == GroupFact::Absent && context.get(GroupNumberKey(&gid))?.is_none();
        Ok(is_missing.then_some(gid))
    }
}

/// The steps for what `useradd` writes after the user: its own group, if that is missing, and the entry of its password.
pub(super) fn complete_databases(user: &str, missing_group: Option<u32>) -> Vec<Step> {
    let group = missing_group.map(|gid| AccountCommand::new("groupadd").option("-g", Some(gid)).on(user));
    let password = Command::new(format!("complete /etc/shadow for {user}"), "pwconv");
    group.into_iter().chain([Step::Run(password)]).collect()
}

/// The steps for a home directory that exists: `useradd` gives it to the user first, then copies the skeleton. The copying
/// is done as the user, who may have put links there meanwhile.
pub(super) fn complete_home(user: &str, group: &str, home: &str, mode: u32) -> [Step; 2] {
    let home = quote(home);
    let owner = quote(&format!("{user}:{group}"));
    let give = format!(
        "[ \"$(stat -c %u:%a -- {home})\" != 0:0 ] || {{ chown -h -- {owner} {home} && chmod {mode:04o} -- {home}; }}"
    );
    // Another user's directory that was there before gets no skeleton.
    let copy = format!(
        "[ ! -d /etc/skel ] || [ ! -O {home} ] || \
         {{ cd /etc/skel && find . -mindepth 1 -print0 | tar -c --null --no-recursion -T - | tar -C {home} -x --skip-old-files; }}"
    );
    [
        Step::Run(Command::new(format!("give the home directory to {user}"), give)),
        Step::Run(Command {
            by: Identity::User(user.to_owned()),
            ..Command::new(format!("copy /etc/skel to the home directory of {user}"), copy)
        }),
    ]
}

/// The step that removes the record of an unfinished user.
pub(super) fn forget(user: &str) -> Step {
    Step::Run(Command::new(
        format!("forget that {user} was not created completely"),
        format!("rm -rf -- {}", quote(&record(user))),
    ))
}
