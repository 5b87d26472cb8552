//! The user that the host's shell runs as, and the user that logged in.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::path::Inode;

/// The user that the host's shell runs as, and the user that logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub login: Account,
    /// The user that the shell runs as, if that is not root.
    pub unprivileged: Option<Unprivileged>,
}

/// A user and its primary group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub user: String,
    pub group: String,
}

/// A user other than root that the host's shell runs as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unprivileged {
    pub account: Account,
    pub groups: BTreeSet<String>,
    /// The folder for homelab's state in the user's home directory.
    pub state_folder: String,
    /// Whether jobs of earlier runs as root may exist that this user cannot see.
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
    /// Why an operation that needs root is not possible; `None` for root.
    pub fn needs_root(&self) -> Option<String> {
        let user = &self.unprivileged.as_ref()?.account.user;
        Some(if *user == self.login.user {
            format!("needs root; the login user is `{user}`")
        } else {
            format!("needs root; homelab runs as `{user}` here")
        })
    }

    /// A notice for the review, if the shell does not run as root.
    pub fn notice(&self) -> Option<String> {
        let unprivileged = self.unprivileged.as_ref()?;
        let hidden = if unprivileged.jobs_are_hidden {
            "; jobs of earlier runs as root are not visible"
        } else {
            ""
        };
        Some(format!(
            "runs without root: the lock is in {}{hidden}",
            unprivileged.state_folder
        ))
    }
}

impl Unprivileged {
    /// The lock file in the state folder.
    pub fn lock_path(&self) -> String {
        format!("{}/lock", self.state_folder)
    }

    /// Whether this user may create entries in a directory, by its owner and mode.
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

    /// Whether this user may replace or remove an entry of a directory that they may write to.
    pub fn may_replace(&self, inode: &Inode, directory: &Inode) -> bool {
        const STICKY: u32 = 0o1000;
        directory.mode & STICKY == 0 || self.owns(inode) || self.owns(directory)
    }

    /// Whether this user is the owner.
    pub fn owns(&self, inode: &Inode) -> bool {
        inode.owner == self.account.user
    }

    /// Whether this user may change the owner and group of their own file to these.
    pub fn may_give(&self, owner: &str, group: &str) -> bool {
        owner == self.account.user && self.groups.contains(group)
    }
}

/// `key=value` lines, added to those of the system probe; empty if root logged in.
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
    fn root_the_login_user_and_other_users_are_distinguished() {
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
            "runs without root: the lock is in /home/anna/.local/state/homelab"
        );
        let other = parse(&values(
            "name=web\ngroup=web\ngroups=web\nstate=/s\njobs=hidden\nlogin=anna",
        ));
        assert_eq!(
            other.needs_root().expect("not root"),
            "needs root; homelab runs as `web` here"
        );
        assert!(other.notice().expect("not root").contains("not visible"));
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
