//! The user that a command runs as on a host.

use serde::{Deserialize, Serialize};

use crate::quote::{delimiter, quote};

/// The user that a command runs as on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// Root, since the command needs it.
    Root,
    /// The user that the host's shell runs as.
    #[default]
    Own,
    /// The user that logged in, before `sudo` or `doas`.
    LoginUser,
    /// The user with this name.
    User(String),
}

/// The login user: `sudo` and `doas` pass its name in the environment.
pub(super) const LOGIN_USER: &str = "${SUDO_USER:-${DOAS_USER:-$(id -un)}}";

/// Looks up `$user` and sets `$@` to the command line of a shell that runs as this user with a clean environment.
const ENTER: &str = r#"entry=$(getent passwd "$user") || { printf 'unknown user `%s`\n' "$user"; exit 1; }
home=${entry%:*}; home=${home##*:}
set -- env -i HOME="$home" USER="$user" LOGNAME="$user" PATH="$PATH"
if [ "$(id -un)" = "$user" ]; then set -- "$@" sh
elif [ "$(id -u)" != 0 ]; then printf '`%s` cannot run commands as `%s`\n' "$(id -un)" "$user"; exit 1
elif command -v runuser >/dev/null; then set -- runuser -u "$user" -- "$@" sh
else set -- "$@" su -s /bin/sh "$user"; fi
"#;

impl Identity {
    /// Shell text, for a shell of its own, that runs `script` with nothing to read; `timeout` is a command line of timeout(1).
    ///
    /// The script is read from standard input: an argument list is for every user of the host to see.
    pub fn run(&self, timeout: &str, script: &str) -> String {
        self.run_reading(timeout, script, "</dev/null")
    }

    /// The same with something to read: `input` is a redirection.
    pub fn run_reading(&self, timeout: &str, script: &str, input: &str) -> String {
        let end = delimiter(script);
        let body = format!("{{\n{script}\n}} {input}\n{end}");
        match self.user() {
            None => format!("{timeout} sh <<'{end}'\numask 022\n{body}"),
            // As after a login: the usual umask, and the user's home directory.
            Some(user) => format!(
                "user={user}\n{ENTER}{timeout} \"$@\" <<'{end}'\numask 022; cd \"$HOME\" 2>/dev/null || cd /\n{body}"
            ),
        }
    }

    /// Shell text that prints, in one line, why the host's shell cannot run commands as this user, or nothing.
    pub(super) fn obstacle(&self) -> Option<String> {
        let user = self.user()?;
        Some(format!(
            "user={user}; [ \"$(id -u)\" = 0 ] || [ \"$(id -un)\" = \"$user\" ] || \
             printf '`%s` cannot run commands as `%s`' \"$(id -un)\" \"$user\""
        ))
    }

    /// The user as a shell word; `None` for the user of the shell itself.
    fn user(&self) -> Option<String> {
        match self {
            Self::Root | Self::Own => None,
            Self::LoginUser => Some(LOGIN_USER.to_owned()),
            Self::User(name) => Some(quote(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn ran(identity: &Identity, script: &str) -> String {
        let text = identity.run("timeout 10", script);
        let output = Command::new("sh")
            .arg("-c")
            .arg(&text)
            .env("LEFT_OVER", "seen")
            .env_remove("SUDO_USER")
            .env_remove("DOAS_USER")
            .output()
            .expect("sh runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    #[test]
    fn files_of_a_command_are_readable_as_after_a_login() {
        for identity in [Identity::Root, Identity::Own, Identity::User(me())] {
            assert_eq!(ran(&identity, "umask"), "0022", "{identity:?}");
        }
    }

    fn me() -> String {
        let output = Command::new("id").arg("-un").output().expect("id runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    #[test]
    fn a_script_is_in_no_argument_list_whoever_runs_it() {
        for identity in [Identity::Own, Identity::LoginUser, Identity::User(me())] {
            let said = ran(&identity, "echo \"it's $(id -un)\"; tr '\\0' ' ' </proc/$$/cmdline");
            assert!(said.starts_with(&format!("it's {}", me())), "{said}");
            assert!(!said.contains("tr "), "{said}");
        }
    }

    #[test]
    fn another_user_sees_nothing_of_this_environment() {
        assert_eq!(ran(&Identity::Own, "echo ${LEFT_OVER-clean}"), "seen");
        let named = Identity::User(me());
        assert_eq!(
            ran(&named, "echo ${LEFT_OVER-clean} $USER $LOGNAME; umask"),
            format!("clean {0} {0}\n0022", me())
        );
    }

    #[test]
    fn an_unknown_user_is_reported() {
        let nobody = Identity::User("no-such-user".to_owned());
        assert_eq!(ran(&nobody, "echo ran"), "unknown user `no-such-user`");
    }
}
