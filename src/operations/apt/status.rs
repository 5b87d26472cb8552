//! What dpkg's status of a package means for `apt.packages`: whether it is as wanted, and what leads there.
//!
//! What apt and dpkg do in each state was tried on Debian 12 and 13:
//!
//! - `apt-get install` completes an unpacked or half-configured package, but only if dpkg still wants it installed. It leaves a
//!   half-installed one alone, and one that waits for triggers; `dpkg --configure` completes the latter.
//! - `apt-get install --reinstall` completes a half-installed package, and one that needs to be reinstalled. It silently drops a
//!   hold, and fails for unpacked packages.
//! - apt changes no held package. dpkg removes no package that needs to be reinstalled.

use crate::facts::package::{ErrorFlag, State, Status, Want};

/// What makes a package present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Present {
    /// It is installed.
    Holds,
    /// `apt-get install`
    Install,
    /// `apt-get install --reinstall`
    Reinstall,
    /// `dpkg --configure`
    Configure,
    /// It is held, and something would have to change.
    Held,
}

/// What makes a package absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// At most its configuration is left.
    Holds,
    /// `apt-get remove`
    Remove,
    /// It is held.
    Held,
    /// dpkg removes it only after it was installed again.
    NeedsReinstallation,
}

/// What makes a package with this status present.
pub(super) fn present(status: Status) -> Present {
    let Status { want, error, state } = status;
    match (state, error, want) {
        (State::Installed, ErrorFlag::Ok, _) => Present::Holds,
        (State::NotInstalled | State::ConfigFiles | State::HalfInstalled, _, Want::Hold)
        | (_, ErrorFlag::Reinstreq, Want::Hold) => Present::Held,
        (State::NotInstalled | State::ConfigFiles, _, _)
        | (State::Unpacked | State::HalfConfigured, ErrorFlag::Ok, Want::Install) => Present::Install,
        (State::HalfInstalled, _, _) | (_, ErrorFlag::Reinstreq, _) => Present::Reinstall,
        (
            State::Unpacked | State::HalfConfigured | State::TriggersAwaited | State::TriggersPending,
            ErrorFlag::Ok,
            _,
        ) => Present::Configure,
    }
}

/// What makes a package with this status absent.
pub(super) fn absent(status: Status) -> Absent {
    let Status { want, error, state } = status;
    match (state, error, want) {
        (State::NotInstalled | State::ConfigFiles, _, _) => Absent::Holds,
        (_, _, Want::Hold) => Absent::Held,
        (_, ErrorFlag::Reinstreq, _) => Absent::NeedsReinstallation,
        (_, ErrorFlag::Ok, _) => Absent::Remove,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For each state, with and without the flag: present and absent for unknown, install, hold, deinstall and purge.
    const TABLE: &str = "
        not-installed    ok         install install held install install               holds holds holds holds holds
        not-installed    reinstreq  install install held install install               holds holds holds holds holds
        config-files     ok         install install held install install               holds holds holds holds holds
        config-files     reinstreq  install install held install install               holds holds holds holds holds
        half-installed   ok         reinstall reinstall held reinstall reinstall       remove remove held remove remove
        half-installed   reinstreq  reinstall reinstall held reinstall reinstall       stuck stuck held stuck stuck
        unpacked         ok         configure install configure configure configure    remove remove held remove remove
        unpacked         reinstreq  reinstall reinstall held reinstall reinstall       stuck stuck held stuck stuck
        half-configured  ok         configure install configure configure configure    remove remove held remove remove
        half-configured  reinstreq  reinstall reinstall held reinstall reinstall       stuck stuck held stuck stuck
        triggers-awaited ok         configure configure configure configure configure  remove remove held remove remove
        triggers-awaited reinstreq  reinstall reinstall held reinstall reinstall       stuck stuck held stuck stuck
        triggers-pending ok         configure configure configure configure configure  remove remove held remove remove
        triggers-pending reinstreq  reinstall reinstall held reinstall reinstall       stuck stuck held stuck stuck
        installed        ok         holds holds holds holds holds                      remove remove held remove remove
        installed        reinstreq  reinstall reinstall held reinstall reinstall       stuck stuck held stuck stuck
    ";

    #[test]
    fn every_status_leads_where_the_table_says() {
        let mut cells = 0;
        for line in TABLE.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (present_words, absent_words) = words[2..].split_at(Want::ALL.len());
            for (at, want) in Want::ALL.iter().enumerate() {
                let status: Status = format!("{} {} {}", want.word(), words[1], words[0])
                    .parse()
                    .expect("a status");
                let expected = match present_words[at] {
                    "holds" => Present::Holds,
                    "install" => Present::Install,
                    "reinstall" => Present::Reinstall,
                    "configure" => Present::Configure,
                    _ => Present::Held,
                };
                assert_eq!(present(status), expected, "{status}");
                let expected = match absent_words[at] {
                    "holds" => Absent::Holds,
                    "remove" => Absent::Remove,
                    "held" => Absent::Held,
                    _ => Absent::NeedsReinstallation,
                };
                assert_eq!(absent(status), expected, "{status}");
                cells += 2;
            }
        }
        assert_eq!(cells, 2 * Want::ALL.len() * ErrorFlag::ALL.len() * State::ALL.len());
    }
}
