//! Turns the messages of `ssh` into errors with a next step.

use std::path::Path;

use super::configuration::Configuration;
use super::error::{ChangedKey, Explanation, Obstacle, RemoteError, UnusedKey};

/// Why `ssh` exited before the host's shell answered, from its standard error.
pub(super) fn diagnose(host: &str, address: &str, configuration: Option<&Configuration>, stderr: &str) -> RemoteError {
    let key = configuration.and_then(Configuration::identity_file);
    let started_by = configuration.and_then(Configuration::started_by);
    diagnose_with(host, address, (key, started_by), stderr)
}

/// With the key that the project sets, and the command that starts the host.
fn diagnose_with(
    host: &str,
    address: &str,
    (key, started_by): (Option<&Path>, Option<&str>),
    stderr: &str,
) -> RemoteError {
    let lines: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let host = host.to_owned();
    let address = address.to_owned();
    if let Some(line) = find(&lines, "has changed and you have requested strict checking") {
        return RemoteError::HostKeyChanged {
            address: between(line, "Host key for ", " has changed").unwrap_or(address),
            keys: Box::new(changed_key(&lines)),
            cause: Explanation(line.to_owned()),
            host,
        };
    }
    if let Some(line) = find(&lines, "host key is known for") {
        return RemoteError::HostKeyUnknown {
            address: between(line, "known for ", " and you").unwrap_or(address),
            key_type: between(line, "No ", " host key"),
            cause: Explanation(line.to_owned()),
            host,
        };
    }
    if let Some(line) = find(&lines, "Permission denied (").or_else(|| find(&lines, "Too many authentication failures"))
    {
        let cause = all_lines(&lines);
        let (login, _) = line.split_once(": Permission denied").unzip();
        let user = login.and_then(|login| Some(login.rsplit_once('@')?.0.to_owned()));
        let jump = jump_host(&lines, line);
        return RemoteError::AuthenticationFailed {
            host,
            key: key.filter(|_| jump.is_none()).map(Box::from),
            unused: unused_key(&lines).filter(|_| jump.is_none()).map(Box::new),
            address: jump.unwrap_or(address),
            user,
            cause,
        };
    }
    let found = OBSTACLES
        .iter()
        .find_map(|(text, obstacle)| Some((find(&lines, text)?, *obstacle)));
    match found {
        Some((line, obstacle)) => RemoteError::Unreachable {
            cause: all_lines(&lines),
            host,
            address: on_the_way(&lines, line).unwrap_or(address),
            obstacle,
            started_by: started_by.map(str::to_owned),
        },
        None => RemoteError::Ssh {
            cause: all_lines(&lines),
            host,
            address,
        },
    }
}

/// The key that `ssh` says it did not use.
fn unused_key(lines: &[&str]) -> Option<UnusedKey> {
    let missing = |line: &str| {
        let rest = line.trim_end_matches('.').strip_suffix(": No such file or directory")?;
        let named = between(&format!("{rest}\n"), "no such identity: ", "\n");
        named
            .or_else(|| between(rest, "Identity file ", " not accessible"))
            .map(UnusedKey::Missing)
    };
    let open = |line: &str| between(line, " for '", "' are too open").map(UnusedKey::Open);
    let unreadable = |line: &str| between(line, "Load key \"", "\": ").map(UnusedKey::Unreadable);
    let first = |of: &dyn Fn(&str) -> Option<UnusedKey>| lines.iter().find_map(|line| of(line));
    // What is too open is also said not to load.
    first(&open).or_else(|| first(&missing)).or_else(|| first(&unreadable))
}

/// The jump host that `line` is about: the `ssh` to it printed first, then the one behind it.
fn jump_host(lines: &[&str], line: &str) -> Option<String> {
    find(lines, "closed by UNKNOWN port")?;
    let (login, _) = line.split_once(": Permission denied")?;
    Some(login.rsplit_once('@')?.1.to_owned())
}

/// The host on the way that `line` is about, if the `ssh` to it ended first.
fn on_the_way(lines: &[&str], line: &str) -> Option<String> {
    find(lines, "closed by UNKNOWN port")?;
    between(line, "Could not resolve hostname ", ":").or_else(|| between(line, "connect to host ", " port "))
}

fn changed_key(lines: &[&str]) -> ChangedKey {
    let print = lines.iter().find(|line| line.starts_with("SHA256:"));
    ChangedKey {
        key_type: find(lines, "The fingerprint for the").and_then(|line| between(line, "for the ", " key")),
        offered: print.map(|line| line.trim_end_matches('.').to_owned()),
        known_at: find(lines, "Offending ").and_then(|line| Some(line.split_once(" in ")?.1.to_owned())),
    }
}

/// What `ssh` prints for each obstacle. The first match wins, so the specific ones come first.
const OBSTACLES: &[(&str, Obstacle)] = &[
    ("Could not resolve hostname", Obstacle::UnknownName),
    ("Connection refused", Obstacle::Refused),
    ("No route to host", Obstacle::NoRoute),
    ("Network is unreachable", Obstacle::NoRoute),
    ("timed out", Obstacle::TimedOut),
    ("not responding", Obstacle::TimedOut),
    // `ssh` knows no port of the other side if a command makes the connection.
    ("UNKNOWN port", Obstacle::ClosedOnTheWay),
    ("Connection reset by", Obstacle::Closed),
    ("Connection closed by", Obstacle::Closed),
];

/// The last line of `ssh`, for a connection that broke while it was in use.
pub(super) fn last_line(stderr: &str) -> Option<String> {
    let line = stderr.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    Some(line.to_owned())
}

/// The last line that contains `text`: `ssh` prints last, after the host's banner.
fn find<'a>(lines: &[&'a str], text: &str) -> Option<&'a str> {
    lines.iter().rfind(|line| line.contains(text)).copied()
}

fn between(line: &str, before: &str, after: &str) -> Option<String> {
    let (_, rest) = line.split_once(before)?;
    let (found, _) = rest.split_once(after)?;
    Some(found.to_owned())
}

/// All that `ssh` and the commands on the way said; only the end of what is very long, such as a banner.
fn all_lines(lines: &[&str]) -> Explanation {
    const MOST: usize = 20;
    // Rows of a frame, and the words in it, are there to be seen on a terminal.
    let is_frame = |line: &&&str| line.starts_with('@') && line.ends_with('@');
    let lines: Vec<&str> = lines.iter().filter(|line| !is_frame(line)).copied().collect();
    match &lines[lines.len().saturating_sub(MOST)..] {
        [] => Explanation("ssh exited without a message".to_owned()),
        lines => Explanation(lines.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    //! The texts are those of OpenSSH 9.2, captured from a server on a loopback port.

    use std::error::Error;

    use super::*;

    const CHANGED: &str = "\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\r
Someone could be eavesdropping on you right now (man-in-the-middle attack)!\r
It is also possible that a host key has just been changed.\r
The fingerprint for the ED25519 key sent by the remote host is\nSHA256:D5g8zTxMRBO1UNSIJTFSR6T+MJx8Ir9OT0hL1m0NIo8.\r
Please contact your system administrator.\r
Add correct host key in changed to get rid of this message.\r
Offending ED25519 key in changed:1\r
  remove with:\r
  ssh-keygen -f \"changed\" -R \"[127.0.0.1]:42222\"\r
Host key for [127.0.0.1]:42222 has changed and you have requested strict checking.\r
Host key verification failed.\r
";

    fn diagnosed(stderr: &str) -> RemoteError {
        diagnose_with("pi", "pi.lan", (Some(Path::new("/keys/pi")), None), stderr)
    }

    #[test]
    fn unknown_key() {
        let error = diagnosed(
            "No ED25519 host key is known for [127.0.0.1]:42222 and you have requested strict checking.\r\n\
             Host key verification failed.\r\n",
        );
        assert_eq!(
            error.to_string(),
            "pi: cannot connect to `[127.0.0.1]:42222`: unknown host key (ED25519)"
        );
        assert!(
            error.hint().unwrap().contains("`homelab trust` with the name"),
            "{:?}",
            error.hint()
        );
    }

    #[test]
    fn changed_key() {
        let error = diagnosed(CHANGED);
        let RemoteError::HostKeyChanged { keys, address, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(
            keys.offered.as_deref(),
            Some("SHA256:D5g8zTxMRBO1UNSIJTFSR6T+MJx8Ir9OT0hL1m0NIo8")
        );
        assert_eq!(keys.known_at.as_deref(), Some("changed:1"));
        assert_eq!(keys.key_type.as_deref(), Some("ED25519"));
        assert_eq!(address, "[127.0.0.1]:42222");
        assert!(error.hint().unwrap().contains("at `changed:1`"));
    }

    #[test]
    fn refused_login() {
        let error = diagnosed(
            "Warning: Identity file nonesuch not accessible: No such file or directory.\n\
             root@127.0.0.1: Permission denied (publickey,password,keyboard-interactive).\r\n",
        );
        assert_eq!(error.to_string(), "pi: cannot log in to `pi.lan`");
        let cause = error.source().unwrap().to_string();
        assert!(cause.contains("Permission denied (publickey"), "{cause}");
        assert!(cause.contains("Identity file nonesuch"), "{cause}");
        let hint = error.hint().unwrap();
        assert!(hint.starts_with("correct `identity_file`, or create the key"), "{hint}");
        let error = diagnosed("root@127.0.0.1: Permission denied (publickey).\r\n");
        let hint = error.hint().unwrap();
        assert!(hint.starts_with("`ssh -i /keys/pi root@pi.lan` must log in"), "{hint}");
    }

    #[test]
    fn a_key_that_is_not_used_is_named_with_what_to_do() {
        let refused = "root@127.0.0.1: Permission denied (publickey).\r\n";
        for (said, hint) in [
            (
                "no such identity: /keys/a b: No such file or directory\r\n",
                "`ssh-keygen -t ed25519 -f '/keys/a b'`",
            ),
            (
                "Warning: Identity file /keys/pi not accessible: No such file or directory.\n",
                "`ssh-keygen -t ed25519 -f /keys/pi`",
            ),
            (
                "@@@@@@@@@@@@@@@@@@@@\r\n@  WARNING: UNPROTECTED PRIVATE KEY FILE!  @\r\n@@@@@@@@@@@@@@@@@@@@\r\n\
                 Permissions 0644 for '/keys/pi' are too open.\r\n\
                 It is required that your private key files are NOT accessible by others.\r\n\
                 This private key will be ignored.\r\nLoad key \"/keys/pi\": bad permissions\r\n",
                "`chmod 600 /keys/pi`",
            ),
            (
                "Load key \"/keys/pi\": error in libcrypto\r\n",
                "`ssh-keygen -y -f /keys/pi`",
            ),
            (
                "Load key \"/keys/pi.pub\": error in libcrypto\r\n",
                "this is the public key: set `identity_file` to the private key, `/keys/pi`",
            ),
            (
                "Permissions 0644 for '/keys/pi.pub' are too open.\r\nLoad key \"/keys/pi.pub\": bad permissions\r\n",
                "this is the public key: set `identity_file` to the private key, `/keys/pi`",
            ),
        ] {
            let error = diagnosed(&format!("{said}{refused}"));
            let told = error.hint().unwrap();
            assert!(told.contains(hint), "{told}");
            let cause = error.source().unwrap().to_string();
            assert!(!cause.contains("@@") && cause.contains("Permission denied"), "{cause}");
        }
    }

    #[test]
    fn a_login_refused_by_a_jump_host_names_the_jump_host() {
        let error = diagnosed(
            "anna@bastion.lan: Permission denied (publickey).\r\nConnection closed by UNKNOWN port 65535\r\n",
        );
        assert_eq!(error.to_string(), "pi: cannot log in to `bastion.lan`");
    }

    #[test]
    fn a_jump_host_that_cannot_be_reached_is_named() {
        for (said, told) in [
            (
                "ssh: Could not resolve hostname bastion: Name or service not known\r\n",
                "pi: cannot reach `bastion`: the name does not resolve",
            ),
            (
                "ssh: connect to host bastion.lan port 2222: Connection refused\r\n",
                "pi: cannot reach `bastion.lan`: connection refused",
            ),
        ] {
            let error = diagnosed(&format!("{said}Connection closed by UNKNOWN port 65535\r\n"));
            assert_eq!(error.to_string(), told);
        }
    }

    #[test]
    fn obstacles() {
        let cases = [
            (
                "ssh: connect to host 127.0.0.1 port 1: Connection refused\r\n",
                Obstacle::Refused,
            ),
            (
                "ssh: Could not resolve hostname nosuch.invalid: Name or service not known\r\n",
                Obstacle::UnknownName,
            ),
            (
                "Connection timed out during banner exchange\r\nConnection to 203.0.113.1 port 22 timed out\r\n",
                Obstacle::TimedOut,
            ),
            (
                "kex_exchange_identification: read: Connection reset by peer\r\n\
                 Connection reset by 127.0.0.1 port 42224\r\n",
                Obstacle::Closed,
            ),
        ];
        for (text, expected) in cases {
            let error = diagnosed(text);
            assert!(
                matches!(error, RemoteError::Unreachable { obstacle, .. } if obstacle == expected),
                "{text}: {error:?}"
            );
            assert!(error.hint().is_some() && error.source().is_some());
        }
    }

    #[test]
    fn a_lab_host_that_is_stopped_is_started() {
        let hint = |text: &str| {
            let known = (None, Some("homelab lab up dev"));
            diagnose_with("pi", "172.17.0.9", known, text)
                .hint()
                .unwrap_or_default()
        };
        for (text, is_named) in [
            (
                "ssh: connect to host 172.17.0.9 port 22: Connection timed out\r\n",
                true,
            ),
            ("ssh: connect to host 172.17.0.9 port 22: No route to host\r\n", true),
            ("ssh: connect to host 172.17.0.9 port 22: Connection refused\r\n", true),
            ("Connection reset by 172.17.0.9 port 22\r\n", false),
        ] {
            assert_eq!(hint(text).contains("run `homelab lab up dev`"), is_named, "{text}");
        }
    }

    #[test]
    fn what_a_proxy_command_said_is_shown() {
        let error = diagnosed(
            "sh: 1: nc: not found\nkex_exchange_identification: Connection closed by remote host\r\n\
             Connection closed by UNKNOWN port 65535\r\n",
        );
        let cause = error.source().unwrap().to_string();
        assert!(cause.starts_with("sh: 1: nc: not found; kex_exchange"), "{cause}");
        let hint = error.hint().unwrap();
        assert!(hint.contains("ProxyCommand") && !hint.contains("MaxStartups"), "{hint}");
    }

    #[test]
    fn any_other_error_keeps_the_message_of_ssh() {
        let error = diagnosed("command-line: line 0: Bad configuration option: foo\r\n");
        assert_eq!(
            error.source().unwrap().to_string(),
            "command-line: line 0: Bad configuration option: foo"
        );
        let revoked = "ED25519 host key for [127.0.0.1]:42222 was revoked and you have requested strict checking.\r\n\
                       Host key verification failed.\r\n";
        assert!(diagnosed(revoked).source().unwrap().to_string().contains("was revoked"));
    }
}
