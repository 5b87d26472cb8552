//! Reads the user that the host's shell runs as, and the user that logged in.

use std::collections::BTreeMap;

use crate::facts::session::{Account, Session, Unprivileged};

/// `key=value` lines, added to those of the system probe, which has set `$user`; empty if root logged in.
pub(super) const PROBE: &str = r#"if [ "$user" != 0 ]; then
case ${XDG_STATE_HOME-} in /*) state=$XDG_STATE_HOME ;; *) state=$HOME/.local/state ;; esac
printf "name=%s\ngroup=%s\ngroups=%s\nstate=%s/homelab\n" "$(id -un)" "$(id -gn)" "$(id -Gn)" "$state"
[ ! -d /var/lib/homelab ] || [ -x /var/lib/homelab ] || printf "jobs=hidden\n"
fi
l=${SUDO_USER:-${DOAS_USER-}}
[ -z "$l" ] || printf "login=%s\nlogin-group=%s\n" "$l" "$(id -gn "$l")"
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
    Session {
        login,
        unprivileged,
        reader: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::path::{Inode, InodeKind};

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
            owner_id: None,
            group_id: None,
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
