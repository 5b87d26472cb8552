//! How to log in to a lab host with the system's `ssh`, apart from whatever the user's own configuration says.

use std::ffi::OsString;
use std::path::Path;

use super::LabAddress;

/// The arguments of `ssh` that log in to `address`: an interactive login where `command` is empty.
///
/// A single word is a line for the host's shell, as with `ssh` itself; several are one command with its arguments, which
/// arrive as they are.
pub fn ssh_arguments(address: &LabAddress, command: &[String]) -> Vec<OsString> {
    let mut arguments = base_arguments(address);
    if !command.is_empty() {
        // Nobody is asked anything on behalf of a script.
        arguments.extend(["-o", "BatchMode=yes"].map(OsString::from));
    }
    arguments.extend(["--".into(), address.address.clone().into()]);
    arguments.extend(command_line(command).map(OsString::from));
    arguments
}

fn base_arguments(address: &LabAddress) -> Vec<OsString> {
    let known_hosts = format!("UserKnownHostsFile={}", option_path(&address.known_hosts));
    let mut arguments: Vec<OsString> = vec![
        "-F".into(),
        "none".into(),
        "-i".into(),
        address.identity_file.clone().into(),
    ];
    let options = [
        &known_hosts,
        "GlobalKnownHostsFile=none",
        "StrictHostKeyChecking=yes",
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
        "PreferredAuthentications=publickey",
        "ConnectTimeout=10",
        "LogLevel=ERROR",
    ];
    for option in options {
        arguments.extend(["-o".into(), option.into()]);
    }
    arguments.extend([
        "-p".into(),
        address.port.to_string().into(),
        "-l".into(),
        address.user.clone().into(),
    ]);
    arguments
}

/// A path in the form that `ssh` reads in an option: quoted, since a bare blank would split it, and with its own `%` doubled.
fn option_path(path: &Path) -> String {
    let text = path
        .to_string_lossy()
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%");
    format!("\"{text}\"")
}

fn command_line(command: &[String]) -> Option<String> {
    match command {
        [] => None,
        [line] => Some(line.clone()),
        // Words with NUL cannot come from an argument list; they are the only ones that cannot be quoted.
        words => shlex::try_join(words.iter().map(String::as_str)).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> LabAddress {
        LabAddress {
            host: "alpha".into(),
            address: "172.17.0.9".into(),
            port: 22,
            user: "root".into(),
            identity_file: "/my project/.homelab/lab/id_ed25519".into(),
            known_hosts: "/my project/100%/known_hosts".into(),
        }
    }

    fn shown(command: &[&str]) -> Vec<String> {
        let command: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
        ssh_arguments(&address(), &command)
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .collect()
    }

    #[test]
    fn several_words_arrive_as_they_are_and_one_is_a_shell_line() {
        assert_eq!(shown(&["sh", "-c", "exit 7"]).last().unwrap(), "sh -c 'exit 7'");
        assert_eq!(shown(&["ls | wc -l"]).last().unwrap(), "ls | wc -l");
    }

    #[test]
    fn a_login_has_no_command_and_may_ask() {
        let arguments = shown(&[]);
        assert_eq!(arguments.last().unwrap(), "172.17.0.9");
        assert!(!arguments.iter().any(|word| word == "BatchMode=yes"));
    }

    #[test]
    fn keys_are_strict_and_odd_paths_survive() {
        let arguments = shown(&["true"]);
        assert!(arguments.iter().any(|word| word == "StrictHostKeyChecking=yes"));
        assert!(
            arguments
                .iter()
                .any(|word| word == "UserKnownHostsFile=\"/my project/100%%/known_hosts\"")
        );
        assert!(
            arguments
                .iter()
                .any(|word| word == "/my project/.homelab/lab/id_ed25519")
        );
    }
}
