//! As whom the host's shell works, and who logged in.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::path::Inode;

/// As whom the host's shell works, and who logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Who logged in, and the primary group.
    pub login: Account,
    /// As whom it works, if that is not root.
    pub unprivileged: Option<Unprivileged>,
}

/// A user's name and that of the primary group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The user's name.
    pub user: String,
    /// The name of the primary group.
    pub group: String,
}

/// Somebody who is not root, at work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unprivileged {
    /// Who.
    pub account: Account,
    /// All groups.
    pub groups: BTreeSet<String>,
    /// The folder for the state of programs, which is the user's own.
    pub state_folder: String,
    /// Whether work of earlier runs is out of sight.
    pub jobs_are_hidden: bool,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            login: Account {
                user: "root".to_owned(),
                group: "root".to_owned(),
            },
            unprivileged: None,
        }
    }
}

impl Session {
    /// Why what only root can do cannot be done; `None` for root.
    pub fn needs_root(&self) -> Option<String> {
        let user = &self.unprivileged.as_ref()?.account.user;
        Some(if *user == self.login.user {
            format!("needs root; the login user is `{user}`")
        } else {
            format!("needs root; homelab works as `{user}` here")
        })
    }

    /// What the host's owner should know.
    pub fn notice(&self) -> Option<String> {
        let unprivileged = self.unprivileged.as_ref()?;
        let hidden = if unprivileged.jobs_are_hidden {
            "; work of earlier runs as root is out of sight"
        } else {
            ""
        };
        Some(format!("without root: lock in {}{hidden}", unprivileged.state_folder))
    }
}

impl Unprivileged {
    /// The lock's file.
    pub fn lock_path(&self) -> String {
        format!("{}/lock", self.state_folder)
    }

    /// Whether this user may put something into a directory, going by its owner and mode.
    pub fn may_write(&self, directory: &Inode) -> bool {
        const WRITE_AND_SEARCH: u32 = 0o3;
        let bits = if directory.owner == self.account.user {
            directory.mode >> 6
        } else if self.groups.contains(&directory.group) {
            directory.mode >> 3
        } else {
            directory.mode
        };
        bits & WRITE_AND_SEARCH == WRITE_AND_SEARCH
    }

    /// Whether this user may replace or remove what is in a directory into which they may write.
    pub fn may_replace(&self, inode: &Inode, directory: &Inode) -> bool {
        const STICKY: u32 = 0o1000;
        directory.mode & STICKY == 0 || self.owns(inode) || self.owns(directory)
    }

    /// Whether something is this user's.
    pub fn owns(&self, inode: &Inode) -> bool {
        inode.owner == self.account.user
    }

    /// Whether this user may give something of theirs to such an owner and group.
    pub fn may_give(&self, owner: &str, group: &str) -> bool {
        owner == self.account.user && self.groups.contains(group)
    }
}

/// `key=value` lines, after those of the system: nothing where root logged in.
pub(super) const PROBE: &str = r#"if [ "$(id -u)" != 0 ]; then
case ${XDG_STATE_HOME-} in /*) state=$XDG_STATE_HOME ;; *) state=$HOME/.local/state ;; esac
printf 'name=%s\ngroup=%s\ngroups=%s\nstate=%s/homelab\n' "$(id -un)" "$(id -gn)" "$(id -Gn)" "$state"
[ ! -d /var/lib/homelab ] || [ -x /var/lib/homelab ] || printf 'jobs=hidden\n'
fi
login=${SUDO_USER:-${DOAS_USER-}}
[ -z "$login" ] || printf 'login=%s\nlogin-group=%s\n' "$login" "$(id -gn "$login")"
"#;

pub(super) fn parse(values: &BTreeMap<String, String>) -> Session {
    let get = |key: &str| values.get(key).cloned();
    let unprivileged = get("name").map(|user| Unprivileged {
        account: Account {
            user,
            group: get("group").unwrap_or_default(),
        },
        groups: get("groups")
            .unwrap_or_default()
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        state_folder: get("state").unwrap_or_default(),
        jobs_are_hidden: values.contains_key("jobs"),
    });
    let login = match (get("login"), &unprivileged) {
        (Some(user), _) => Account {
            user,
            group: get("login-group").unwrap_or_default(),
        },
        (None, Some(unprivileged)) => unprivileged.account.clone(),
        (None, None) => Session::default().login,
    };
    Session { login, unprivileged }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::path::InodeKind;

    fn values(text: &str) -> BTreeMap<String, String> {
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    fn anna() -> Session {
        parse(&values(
            "name=anna\ngroup=anna\ngroups=anna adm\nstate=/home/anna/.local/state/homelab",
        ))
    }

    fn directory(owner: &str, group: &str, mode: u32) -> Inode {
        Inode {
            kind: InodeKind::Directory,
            owner: owner.to_owned(),
            group: group.to_owned(),
            mode,
        }
    }

    #[test]
    fn root_is_told_from_others_and_from_who_logged_in() {
        let root = parse(&values("user=0"));
        assert_eq!(root, Session::default());
        assert_eq!((root.needs_root(), root.notice()), (None, None));
        let by_sudo = parse(&values("login=anna\nlogin-group=users"));
        assert_eq!((by_sudo.login.group.as_str(), by_sudo.needs_root()), ("users", None));
        let anna = anna();
        assert_eq!(anna.login.user, "anna");
        assert_eq!(
            anna.needs_root().expect("not root"),
            "needs root; the login user is `anna`"
        );
        assert_eq!(
            anna.notice().expect("not root"),
            "without root: lock in /home/anna/.local/state/homelab"
        );
        let other = parse(&values(
            "name=web\ngroup=web\ngroups=web\nstate=/s\njobs=hidden\nlogin=anna",
        ));
        assert_eq!(
            other.needs_root().expect("not root"),
            "needs root; homelab works as `web` here"
        );
        assert!(other.notice().expect("not root").contains("out of sight"));
    }

    #[test]
    fn owner_group_and_mode_say_who_may_write() {
        let anna = anna().unprivileged.expect("not root");
        let may = |owner: &str, group: &str, mode: u32| anna.may_write(&directory(owner, group, mode));
        assert!(may("anna", "anna", 0o755) && may("root", "adm", 0o770) && may("root", "root", 0o1777));
        // The owner's bits count for the owner, whatever others may.
        assert!(!may("anna", "anna", 0o577) && !may("root", "adm", 0o757) && !may("root", "root", 0o755));
        assert!(anna.may_give("anna", "adm") && !anna.may_give("anna", "root") && !anna.may_give("root", "anna"));
        let (sticky, others) = (directory("root", "root", 0o1777), directory("root", "root", 0o644));
        assert!(!anna.may_replace(&others, &sticky) && anna.may_replace(&directory("anna", "adm", 0), &sticky));
    }
}
