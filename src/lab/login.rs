//! The `ssh` command to log in to a lab host, independent of the user's `ssh` configuration.

use std::ffi::OsString;
use std::path::Path;

use super::spec::LabAddress;

/// The arguments of `ssh` to run `command` at `address`, or for an interactive login if `command` is empty.
///
/// A single word is a line for the host's shell, as with `ssh` itself. Several words are a command with its arguments, which
/// arrive unchanged.
pub fn ssh_arguments(address: &LabAddress, command: &[String]) -> Vec<OsString> {
    let mut arguments = base_arguments(address);
    if !command.is_empty() {
        // No prompts in scripts.
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

/// A path as the value of an `ssh` option: quoted, since `ssh` splits at blanks, and with `%` doubled.
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
        // Only words with a NUL cannot be quoted, and an argument list cannot contain one.
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
