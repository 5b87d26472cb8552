//! The lock-out guard: what a host does by itself if no new connection works any more.
//!
//! Before the first guarded step, a process is started on the host that has nothing to do with the connection. Unless it is told
//! within a time that a new connection works, it puts back the files of the guarded operations and restarts what was restarted.
//! Its folder is that of a job, so the next run finds it: it waits while the guard is armed, and reports that it went back.

mod boot;
mod scripts;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

pub use self::boot::boot_files;
use self::boot::{END_AT_BOOT, at_boot};
use self::scripts::{BACK, BEGIN, END_SHELL, RULES, RULES_BACK, UNCHANGED, UNITS, WATCH};
use super::Kept;
use super::access::Access;
use crate::facts::system::{GUARD, JOBS};
use crate::quote::{delimiter, quote};

/// The exit code of [`LockoutGuard::confirm`] and [`LockoutGuard::give_up`] if it is too late, or nothing is armed.
pub const NOT_ARMED: i32 = 3;

/// What [`LockoutGuard::arm`] prints if it fails.
pub const UNARMED: &str = "the lock-out guard cannot be armed, so nothing was changed";

/// The guard of one host for some of its operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockoutGuard {
    id: String,
    folder: String,
    within: Duration,
}

impl LockoutGuard {
    /// A guard that goes back unless it is confirmed `within` this time after the last step. `number` makes its names unique;
    /// `state_folder` is where homelab keeps its state if it does not run as root.
    pub fn new(number: u64, within: Duration, state_folder: Option<&str>) -> Self {
        let id = format!("{number:016x}");
        let jobs = state_folder.map_or_else(|| JOBS.to_owned(), |folder| format!("{folder}/jobs"));
        Self {
            folder: format!("{jobs}/{id}"),
            id,
            within,
        }
    }

    /// How long it waits.
    pub fn within(&self) -> Duration {
        self.within
    }

    /// Shell text that arms it, unless it is armed. It prints why it cannot, and fails.
    pub fn arm(&self, accesses: &BTreeSet<Access>) -> String {
        let watch = format!("{BEGIN}g={} w={}\n{WATCH}", quote(&self.folder), seconds(self.within));
        let back = format!(
            "{BEGIN}g={}\n{UNITS}{END_AT_BOOT}rules() {{\n{RULES_BACK}}}\n{BACK}",
            quote(&self.folder)
        );
        let end = delimiter(&format!("{watch}{back}"));
        format!(
            "g={folder}\n\
             {END_AT_BOOT}\
             unarmed() {{ unboot; rm -rf -- \"$g\"; echo '{UNARMED}'; exit 1; }}\n\
             {UNITS}\
             if [ ! -e \"$g/armed\" ]; then\n\
             umask 077\n\
             mkdir -p -- \"$g/units\" \"$g/commands\" && printf '%s\\n' {GUARD} >\"$g/summary\" && : >\"$g/output\" && : >\"$g/entries\" || unarmed\n\
             cat >\"$g/watch\" <<'{end}'\n{watch}\n{end}\n\
             cat >\"$g/back\" <<'{end}'\n{back}\n{end}\n\
             {put_off}\
             echo $$ >\"$g/shell\" && : >\"$g/armed\" || unarmed\n\
             if [ -d /run/systemd/system ] && [ \"$(id -u)\" = 0 ]; then\n\
             {at_boot}\
             systemd-run --quiet --collect --property=Restart=on-abnormal --unit=homelab-guard-{id} sh \"$g/watch\" </dev/null || unarmed\n\
             else setsid sh \"$g/watch\" </dev/null >/dev/null 2>&1 & fi\n\
             n=0\n\
             while [ ! -s \"$g/pid\" ]; do n=$((n + 1)); [ $n -le 50 ] || unarmed; sleep 0.1; done\n\
             fi\n\
             {records}",
            folder = quote(&self.folder),
            records = records(accesses),
            id = self.id,
            at_boot = at_boot(),
            put_off = put_off(self.within),
        )
    }

    /// Shell text that makes it put back `kept` too. It comes after [`LockoutGuard::arm`].
    pub fn add(&self, kept: &Kept) -> String {
        let folder = quote(&self.folder);
        format!(
            "printf '%s\\n' {kept} >>{folder}/entries || exit\n\
             sync -- {folder}/entries {kept}/path {kept}/was {kept}/back 2>/dev/null || sync\n",
            kept = quote(&kept.folder)
        )
    }

    /// Shell text that makes it note in the journal of the run that the change `number` went back, if it does. It comes after
    /// [`LockoutGuard::arm`].
    pub fn note(&self, number: u32) -> String {
        let folder = quote(&self.folder);
        format!(
            "[ -z \"${{hl_journal-}}\" ] || printf '%s %s\\n' {number} \"$hl_journal\" >>{folder}/changes || exit\n"
        )
    }

    /// The same as [`LockoutGuard::add`] for folders of what was kept, which a word of the shell stands for, one in a line.
    pub fn add_listed(&self, folders: &str) -> String {
        let folder = quote(&self.folder);
        format!("[ -z \"{folders}\" ] || printf '%s\\n' \"{folders}\" >>{folder}/entries || exit\n")
    }

    /// Shell text that makes it restart a unit that a step is about to start, stop or restart, if it is armed.
    pub fn record(&self, units: &[&str]) -> String {
        let folder = quote(&self.folder);
        let records: Vec<String> = units.iter().map(|unit| format!("record {}", quote(unit))).collect();
        format!(
            "g={folder}\n{UNITS}[ ! -e \"$g/armed\" ] || {{ {}; }}\n",
            records.join("; ")
        )
    }

    /// Shell text that makes it run a command again after the files went back. It comes after [`LockoutGuard::arm`].
    pub fn repeat(&self, summary: &str, body: &str) -> String {
        let folder = quote(&self.folder);
        let summary = summary.replace('\n', " ");
        let text = format!("# {summary}\n{BEGIN}{body}");
        let end = delimiter(&text);
        format!(
            "n=1000; while [ -e {folder}/commands/$n ]; do n=$((n + 1)); done\n\
             cat >{folder}/commands/$n <<'{end}'\n{text}\n{end}\n"
        )
    }

    /// Shell text that puts it off until `within` after a step that takes up to `length`, if it is armed.
    pub fn put_off(&self, length: Duration) -> String {
        let folder = quote(&self.folder);
        format!(
            "g={folder}\n[ ! -e \"$g/armed\" ] || {{\n{}}}\n",
            put_off(self.within + length)
        )
    }

    /// Shell text that ends it, and prints what it could not guard. It exits with [`NOT_ARMED`] if it is going back already.
    ///
    /// It runs through a new connection: that it runs at all is what confirms the change.
    pub fn confirm(&self) -> String {
        format!(
            "g={}\n\
             {END_AT_BOOT}\
             [ -d \"$g\" ] || exit 0\n\
             mkdir -- \"$g/decided\" 2>/dev/null || exit {NOT_ARMED}\n\
             rm -f -- \"$g/armed\"\n\
             unboot\n\
             {{ read -r p <\"$g/pid\" && kill \"$p\"; }} 2>/dev/null\n\
             [ ! -f \"$g/unkept\" ] || cat -- \"$g/unkept\"\n\
             rm -rf -- \"$g\"",
            quote(&self.folder)
        )
    }

    /// The same if what is guarded is as it was before: then there is nothing to find out. Otherwise it does nothing, and fails.
    pub fn end_unchanged(&self) -> String {
        format!("g={}\n{UNITS}{UNCHANGED}{}", quote(&self.folder), self.confirm())
    }

    /// The same as [`LockoutGuard::give_up`], where the connection that armed it is dead: its shell still holds the host's lock, and
    /// the host does not know that the other end is gone.
    pub fn collect(&self) -> String {
        format!(
            "read -r s <{}/shell\n{END_SHELL}{}",
            quote(&self.folder),
            self.give_up()
        )
    }

    /// Shell text that makes it go back now, or waits while it does, and prints what it did. It exits with 1 if something could not
    /// be put back, and with [`NOT_ARMED`] if there is no guard.
    pub fn give_up(&self) -> String {
        format!(
            "g={}\n\
             [ -d \"$g\" ] || exit {NOT_ARMED}\n\
             echo 0 >\"$g/until\"\n\
             n=0 p=0\n\
             while [ ! -f \"$g/status\" ] && [ $n -lt 240 ]; do\n\
             read -r p <\"$g/pid\"\n\
             kill -0 \"$p\" 2>/dev/null || sh \"$g/back\"\n\
             n=$((n + 1)); sleep 0.5\n\
             done\n\
             cat -- \"$g/output\"\n\
             [ -f \"$g/status\" ] || {{ echo 'it has not ended after two minutes'; exit 1; }}\n\
             read -r end <\"$g/status\"\n\
             rm -rf -- \"$g\"\n\
             exit \"$end\"",
            quote(&self.folder)
        )
    }
}

/// Shell text that keeps what belongs to these ways in, once for each: a later operation may go through another one.
fn records(accesses: &BTreeSet<Access>) -> String {
    accesses.iter().fold(String::new(), |mut text, access| {
        let _ = writeln!(text, "if [ ! -e \"$g/kept-{access:?}\" ]; then");
        for unit in Access::units(&BTreeSet::from([*access])) {
            let _ = writeln!(text, "record {}", quote(&unit));
        }
        if matches!(access, Access::Firewall | Access::Marked) {
            text.push_str(RULES);
        }
        let _ = writeln!(text, ": >\"$g/kept-{access:?}\"\nfi");
        text
    })
}

fn seconds(length: Duration) -> u64 {
    length.as_secs().max(1)
}

/// By the time since boot: a deploy may set the clock.
fn put_off(length: Duration) -> String {
    let seconds = seconds(length);
    format!("read -r up _ </proc/uptime; echo $((${{up%%.*}} + {seconds})) >\"$g/until\"\n")
}
