//! Backups of a host's stacks. The host makes, lists and restores them itself, by `homelab-backup`.

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use super::Stream;
use crate::quote::quote;
use crate::remote::{Connection, RemoteError, Target, Written};

/// The program on the host, see `templates/backup/`.
const PROGRAM: &str = "/usr/local/sbin/homelab-backup";
/// The exit code of the program when a deploy holds the host's lock.
const LOCKED: i32 = 5;
/// More of what a backup said is left on the host.
const LINES: u32 = 50;

/// A backup that a host has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    pub stack: String,
    /// When it was made, in UTC, such as `2026-01-31T02-30-00Z`.
    pub name: String,
    /// Its size, in bytes.
    pub bytes: u64,
    /// The backup servers that have a copy, as of the last run that reached them.
    pub copies: Vec<String>,
}

/// How a stack's backups can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupSettings {
    /// Whether the stack says how to restore one.
    pub is_restorable: bool,
    /// The services that are restarted after that.
    pub restarts: Vec<String>,
}

/// What a host says of its backups.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct HostBackups {
    /// The stacks that are backed up.
    pub stacks: BTreeMap<String, BackupSettings>,
    /// The backups by stack, each stack's oldest first. Stacks that left the host may have some too.
    pub backups: Vec<Backup>,
}

/// What was found when a host was asked for its backups.
#[derive(Debug, PartialEq, Eq)]
pub enum BackupsFound {
    /// It makes none.
    Nothing,
    /// Only root may see them.
    Denied,
    Here(HostBackups),
}

/// Work on the backups of a stack.
#[derive(Clone, Copy, Debug)]
pub enum BackupWork<'a> {
    Make { stack: &'a str },
    Restore { stack: &'a str, name: &'a str },
}

/// How work on a host ended.
#[derive(Debug, PartialEq, Eq)]
pub enum BackupEnd {
    Done,
    Failed,
    /// Another run holds the host's lock.
    Locked,
}

/// What a host has of backups.
pub async fn read_backups(target: &Target) -> Result<BackupsFound, RemoteError> {
    let script = format!("[ -x {PROGRAM} ] || exit 0; [ \"$(id -u)\" = 0 ] || exit 1; echo here; {PROGRAM} survey");
    let (status, said) = ask(target, &script).await?;
    Ok(match (status, said.starts_with("here\n")) {
        (0, true) => BackupsFound::Here(parse(&said)),
        (1, false) => BackupsFound::Denied,
        _ => BackupsFound::Nothing,
    })
}

/// Does `work` and waits for its end. Returns also what the host said about it. It goes on if the connection is lost.
pub async fn work_on_backups(target: &Target, work: BackupWork<'_>) -> Result<(BackupEnd, Vec<String>), RemoteError> {
    let (status, said) = ask(target, &script(work)).await?;
    let end = match status {
        0 => BackupEnd::Done,
        LOCKED => BackupEnd::Locked,
        _ => BackupEnd::Failed,
    };
    Ok((end, said.lines().map(str::to_owned).collect()))
}

/// The work is that of a unit, so it has the same surroundings as at night, and does not end with this connection.
fn script(work: BackupWork<'_>) -> String {
    let journal = format!("journalctl --sync; journalctl --quiet --no-pager --output cat --lines {LINES}");
    match work {
        BackupWork::Make { stack } => {
            // systemd refuses a sixth start within 10 s (`StartLimitBurst=`), which the first line counts anew. A start that
            // it refuses has no journal of its own: then that of an earlier run would be shown.
            let unit = quote(&format!("backup-{stack}.service"));
            format!(
                "systemctl reset-failed {unit} 2>/dev/null\n\
                 run() {{ systemctl show --property InvocationID --value {unit}; }}\n\
                 before=$(run); said=$(systemctl start {unit} 2>&1); status=$?; now=$(run)\n\
                 if [ \"$status\" != 0 ] && [ \"$now\" = \"$before\" ]; then printf '%s\\n' \"$said\"; exit 1; fi\n\
                 {journal} _SYSTEMD_UNIT={unit} ${{now:+_SYSTEMD_INVOCATION_ID=$now}}\n\
                 exit $status"
            )
        }
        BackupWork::Restore { stack, name } => {
            let unit = quote(&format!("restore-{stack}"));
            let (stack, name) = (quote(stack), quote(name));
            format!(
                "unit={unit}-$$.service\n\
                 systemd-run --quiet --wait --collect --unit \"$unit\" {PROGRAM} restore {stack} {name}; status=$?\n\
                 {journal} _SYSTEMD_UNIT=\"$unit\"\n\
                 exit $status"
            )
        }
    }
}

/// Runs a script. Returns its exit code and what it printed.
async fn ask(target: &Target, script: &str) -> Result<(i32, String), RemoteError> {
    const PIECES: usize = 4;
    let (written, mut pieces) = mpsc::channel(PIECES);
    let connection = Connection::open(target).await?;
    let collected = async {
        let mut said = Vec::new();
        while let Some(Written { stream, bytes }) = pieces.recv().await {
            if stream == Stream::Output {
                said.extend(bytes);
            }
        }
        String::from_utf8_lossy(&said).into_owned()
    };
    let (status, said) = tokio::join!(connection.run(script, written), collected);
    Ok((status?, said))
}

/// Reads what the program says. A folder of another kind among the backups is no stack.
fn parse(said: &str) -> HostBackups {
    let mut found = HostBackups::default();
    for line in said.lines() {
        let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            ["stack", stack, restorable, restarts @ ..] => {
                let settings = BackupSettings {
                    is_restorable: *restorable == "yes",
                    restarts: restarts.iter().map(|&name| name.to_owned()).collect(),
                };
                found.stacks.insert((*stack).to_owned(), settings);
            }
            [stack, name, bytes, copies @ ..] if copies.len() < 2 => {
                if let (Some(name), Ok(bytes)) = (name.strip_suffix(".gz"), bytes.parse()) {
                    found.backups.push(Backup {
                        stack: (*stack).to_owned(),
                        name: name.to_owned(),
                        bytes,
                        copies: copies
                            .iter()
                            .flat_map(|names| names.split(','))
                            .map(str::to_owned)
                            .collect(),
                    });
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_host_says() {
        let found = parse(
            "here\nstack web yes app side\nstack files no \nold 2026-01-01T00-00-00Z.gz 3\nweb 2026-01-02T00-00-00Z.gz 12 nas,attic\n\
             a folder with spaces\nweb other 1\n",
        );
        let settings = |is_restorable, restarts: &[&str]| BackupSettings {
            is_restorable,
            restarts: restarts.iter().map(|&name| name.to_owned()).collect(),
        };
        assert_eq!(found.stacks["web"], settings(true, &["app", "side"]));
        assert_eq!(found.stacks["files"], settings(false, &[]));
        let names: Vec<_> = found
            .backups
            .iter()
            .map(|one| (one.stack.as_str(), one.name.as_str(), one.bytes))
            .collect();
        assert_eq!(
            names,
            [("old", "2026-01-01T00-00-00Z", 3), ("web", "2026-01-02T00-00-00Z", 12)]
        );
        let copies: Vec<_> = found.backups.iter().map(|one| one.copies.join(" ")).collect();
        assert_eq!(copies, ["", "nas attic"]);
    }

    #[test]
    fn names_are_words_of_the_script() {
        let stack = "a b";
        assert!(script(BackupWork::Make { stack }).contains("start 'backup-a b.service'"));
        let name = "x;reboot";
        assert!(script(BackupWork::Restore { stack, name }).contains("restore 'a b' 'x;reboot'"));
    }
}
