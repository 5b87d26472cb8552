//! Completes a user whose creation was interrupted.
//!
//! `useradd` writes the user first, and makes the home directory last. A record on the host, which goes when all is done, tells
//! such a user from one that has no home directory on purpose.

use super::super::command::record;
use crate::change::{Command, Step};
use crate::facts::Identity;
use crate::quote::quote;

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
