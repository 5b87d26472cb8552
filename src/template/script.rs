//! Which words of a command are scripts that a shell or another program reads.

use super::readers::{READERS, Reads, Stands, beginnings, is_short, program_name, words_read};

/// Shells by the names of their programs.
pub(super) const SHELLS: &[&str] = &[
    "ash",
    "bash",
    "bash-static",
    "csh",
    "dash",
    "fish",
    "ksh",
    "ksh93",
    "lksh",
    "mksh",
    "mksh-static",
    "oksh",
    "posh",
    "rbash",
    "rksh",
    "rzsh",
    "sash",
    "sh",
    "static-sh",
    "tcsh",
    "yash",
    "zsh",
    "zsh-static",
];
/// Options of shells that are followed by a word of their own.
pub(super) const WITH_OPERAND: &[&str] = &[
    "-o",
    "+o",
    "-O",
    "+O",
    "--init-file",
    "--rcfile",
    "-C",
    "--init-command",
];

/// A word of a command that is read as text of a language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptWord {
    /// Its place in the command.
    pub at: usize,
    /// The name of the program that reads it.
    pub by: String,
    /// Whether a shell reads it. Otherwise no quotes of a shell protect it.
    pub is_shell: bool,
    /// Whether the same shell reads other words with it, so that a word is quoted again and not handed over.
    pub is_joined: bool,
}

/// The words that are read as scripts; `None` is a word that is not known.
///
/// Every word may be the name of a shell: `env`, `timeout`, `sudo`, `busybox` and many others run what follows them. Names that are also
/// those of packages and services, such as `ssh`, count only where a command begins.
pub fn script_words(words: &[Option<&str>]) -> Vec<ScriptWord> {
    let mut found: Vec<ScriptWord> = Vec::new();
    let beginnings = beginnings(words);
    for (by, word) in words.iter().enumerate() {
        let Some(name) = word.map(program_name) else { continue };
        let mut add = |at: usize, is_shell: bool, is_joined: bool| {
            found.push(ScriptWord {
                at,
                by: word.map_or(name, file_name).to_owned(),
                is_shell,
                is_joined,
            });
        };
        if SHELLS.contains(&name) {
            for at in scripts_of_shell(words, by + 1) {
                add(at, true, false);
            }
        }
        // `capsh -- -c SCRIPT` starts bash.
        if name == "capsh"
            && let Some(end) = words.iter().skip(by).position(|word| *word == Some("--"))
        {
            for at in scripts_of_shell(words, by + end + 1) {
                add(at, true, false);
            }
        }
        for reader in READERS.iter().filter(|reader| reader.names.contains(&name)) {
            if reader.stands == Stands::Anywhere || beginnings.contains(&by) {
                for at in words_read(reader.reads, words, by) {
                    add(
                        at,
                        reader.is_shell,
                        matches!(reader.reads, Reads::Each | Reads::Operands { .. }),
                    );
                }
            }
        }
    }
    found.extend(of_entrypoint(words));
    found.sort_by_key(|one| (one.at, one.is_shell));
    found.dedup_by_key(|one| one.at);
    found
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// `docker run --entrypoint sh IMAGE -c SCRIPT`.
fn of_entrypoint(words: &[Option<&str>]) -> Vec<ScriptWord> {
    let given = words.iter().enumerate().find_map(|(at, word)| {
        let value = word.as_ref()?.strip_prefix("--entrypoint")?;
        match value.strip_prefix('=') {
            Some(program) => Some((at, program)),
            None => Some((at + 1, (*words.get(at + 1)?)?)),
        }
    });
    let Some((at, program)) = given else { return Vec::new() };
    let name = program_name(program);
    // What stands between is the image, with options of `docker`.
    let Some(option) = (at + 1..words.len()).find(|at| {
        words[*at].is_some_and(|word| word.starts_with('-') && (is_short(word, 'c') || is_short(word, 'e')))
            && words[*at - 1].is_some_and(|before| !before.starts_with('-'))
    }) else {
        return Vec::new();
    };
    let mut command = vec![Some(name)];
    command.extend(&words[option..]);
    let inner = script_words(&command).into_iter();
    inner
        .map(|one| ScriptWord {
            at: one.at + option - 1,
            ..one
        })
        .collect()
}

/// The script of a shell whose words begin at `start`, and the words behind it if the script reads those as scripts again.
fn scripts_of_shell(words: &[Option<&str>], start: usize) -> Vec<usize> {
    let Some(at) = script_of_shell(words, start..words.len()) else {
        return Vec::new();
    };
    let is_read_again = words[at].is_some_and(|script| {
        let mut parts = script.split(|one: char| one.is_whitespace() || ";&|({`".contains(one));
        parts.any(|part| part == "eval")
            && ["$1", "$2", "$3", "$@", "$*", "${"]
                .iter()
                .any(|name| script.contains(name))
    });
    if is_read_again {
        (at..words.len()).collect()
    } else {
        vec![at]
    }
}

/// The script of `sh OPTIONS -c OPTIONS SCRIPT`.
fn script_of_shell(words: &[Option<&str>], rest: std::ops::Range<usize>) -> Option<usize> {
    let mut has_command = false;
    let mut at = rest.start;
    while at < rest.end {
        let Some(word) = words[at] else {
            return has_command.then_some(at);
        };
        if word.starts_with("--command=") {
            return Some(at);
        }
        if WITH_OPERAND.contains(&word) {
            at += 2;
            continue;
        }
        if !word.starts_with(['-', '+']) || word == "-" {
            return has_command.then_some(at);
        }
        has_command = has_command || word == "--command" || is_short(word, 'c');
        // `-eo pipefail`, `-euxo pipefail`
        at += if is_short(word, 'o') { 2 } else { 1 };
    }
    None
}

/// Whether the first line of a file names a shell as its interpreter.
pub fn is_shell_script(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default();
    let Some(interpreter) = line.strip_prefix("#!") else {
        return false;
    };
    interpreter.split_whitespace().any(|word| {
        let name = word.rsplit('/').next().unwrap_or(word);
        SHELLS.contains(&name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words that are scripts; `?` is a word that is not known.
    fn scripts(command: &[&'static str]) -> Vec<&'static str> {
        let words: Vec<Option<&str>> = command.iter().map(|word| (*word != "?").then_some(*word)).collect();
        script_words(&words).into_iter().map(|one| command[one.at]).collect()
    }

    #[test]
    fn the_script_of_a_shell_is_found_behind_its_options() {
        for before in [
            &["sh", "-c"][..],
            &["/bin/sh", "-c"],
            &["sh", "-ec"],
            &["sh", "-ce"],
            &["sh", "-e", "-c"],
            &["sh", "-c", "-e"],
            &["sh", "-c", "--"],
            &["bash", "-lc"],
            &["bash", "--login", "-c"],
            &["bash", "--rcfile", "/etc/rc", "-c"],
            &["bash", "-o", "pipefail", "-c"],
            &["bash", "-eo", "pipefail", "-c"],
            &["bash", "-euo", "pipefail", "-c"],
            &["bash", "+o", "history", "-c"],
            &["bash", "-c", "-o", "pipefail"],
            &["ash", "-c"],
            &["busybox", "sh", "-c"],
            &["fish", "--command"],
            &["su", "-c"],
            &["su", "-", "anna", "-c"],
            &["su", "anna", "-s", "/bin/sh", "-c"],
            &["su", "anna", "--command"],
            &["runuser", "-u", "anna", "--", "sh", "-c"],
            &["env", "A=1", "sh", "-c"],
            &["/usr/bin/env", "bash", "-c"],
            &["timeout", "5", "sh", "-c"],
            &["nice", "-n", "5", "sh", "-c"],
            &["sudo", "-u", "anna", "--", "sh", "-c"],
            &["xargs", "sh", "-c"],
            &["flock", "/run/lock", "-c"],
            &["env", "-S"],
            &["ssh", "host"],
        ] {
            let command = [before, &["SCRIPT"]].concat();
            assert!(scripts(&command).contains(&"SCRIPT"), "{command:?}");
        }
        assert_eq!(scripts(&["su", "anna", "--command=SCRIPT"]), ["--command=SCRIPT"]);
        assert_eq!(scripts(&["su", "anna", "-cSCRIPT"]), ["-cSCRIPT"]);
    }

    #[test]
    fn words_that_no_shell_reads_are_free() {
        for command in [
            &["echo", "WORD"][..],
            &["sh", "/opt/tool", "WORD"],
            &["sh", "-e", "/opt/tool", "-c", "WORD"],
            &["test", "-c", "WORD"],
            &["nginx", "-t", "-c", "WORD"],
            &["git", "-c", "user.name=WORD", "fetch"],
            &["apt-get", "install", "ssh", "watch", "WORD"],
            &["sudo", "apt-get", "install", "make", "WORD"],
            &["sudo", "-u", "anna", "cp", "watch", "WORD"],
            &["sudo", "-E", "-n", "-H", "apt-get", "install", "ssh", "WORD"],
            &["sudo", "-nu", "anna", "apt-get", "install", "ssh", "WORD"],
            &["sudo", "-uanna", "--group=x", "apt-get", "install", "ssh", "WORD"],
            &[
                "nice", "-n", "5", "ionice", "-c", "3", "apt-get", "install", "ssh", "WORD",
            ],
            &[
                "timeout",
                "-k",
                "5",
                "--foreground",
                "9",
                "apt-get",
                "install",
                "make",
                "WORD",
            ],
            &["env", "-i", "-u", "A", "B=1", "apt-get", "install", "ssh", "WORD"],
            &["systemctl", "restart", "ssh", "WORD"],
            &["ssh", "-p", "22", "WORD"],
            &["awk", "-f", "/opt/program", "WORD"],
            &["awk", "{ print }", "WORD"],
            &["sed", "-e", "s/a/b/", "WORD"],
            &["sed", "-i", "s/a/b/", "WORD"],
            &["python3", "/opt/tool", "WORD"],
            &["python3", "-c", "pass", "WORD"],
            &["perl", "-e", "1", "WORD"],
            &["make", "-C", "WORD"],
            &["tar", "-xf", "WORD"],
            &["tar", "-C", "WORD"],
            &["su", "WORD"],
            &["docker", "run", "--entrypoint", "sh", "image", "WORD"],
            &["tmux", "new-session", "-s", "WORD"],
            &["systemd-run", "-p", "User=WORD", "true"],
            &["trap", "-", "WORD"],
            &["push", "-c", "WORD"],
        ] {
            let found = scripts(command);
            assert!(
                found.iter().all(|word| !word.contains("WORD")),
                "{command:?}: {found:?}"
            );
        }
        assert_eq!(scripts(&["sh", "-c", "echo \"$1\"", "sh", "WORD"]), ["echo \"$1\""]);
    }

    #[test]
    fn other_programs_read_scripts_too() {
        for (command, is_shell) in [
            (&["eval", "echo", "SCRIPT"][..], true),
            (&["alias", "SCRIPT"], true),
            (&["trap", "SCRIPT", "EXIT"], true),
            (&[".", "SCRIPT"], true),
            (&["source", "SCRIPT"], true),
            (&["sudo", "ssh", "host", "SCRIPT"], true),
            (&["timeout", "5", "ssh", "host", "SCRIPT"], true),
            (&["timeout", "-k", "5", "5", "ssh", "host", "SCRIPT"], true),
            (&["env", "A=1", "ssh", "-p", "22", "host", "SCRIPT"], true),
            (&["sudo", "-u", "anna", "ssh", "host", "SCRIPT"], true),
            (&["sudo", "-nu", "anna", "-E", "--", "ssh", "host", "SCRIPT"], true),
            (&["sudo", "--user", "anna", "ssh", "host", "SCRIPT"], true),
            (&["systemd-run", "--wait", "ssh", "host", "SCRIPT"], true),
            (&["nohup", "nice", "watch", "SCRIPT"], true),
            (&["doas", "chroot", "/srv", "su", "-c", "SCRIPT"], true),
            (&["docker", "exec", "-u", "root", "c", "ssh", "host", "SCRIPT"], true),
            (&["docker", "run", "--entrypoint", "sh", "image", "-c", "SCRIPT"], true),
            (
                &[
                    "docker",
                    "run",
                    "--entrypoint=/bin/sh",
                    "--rm",
                    "image",
                    "-ec",
                    "SCRIPT",
                ],
                true,
            ),
            (
                &["docker", "run", "--entrypoint", "python3", "image", "-c", "SCRIPT"],
                false,
            ),
            (&["docker", "run", "--health-cmd", "SCRIPT", "image"], true),
            (&["docker", "exec", "c", "sh", "-c", "SCRIPT"], true),
            (&["find", ".", "-exec", "sh", "-c", "SCRIPT", ";"], true),
            (&["sg", "group", "SCRIPT"], true),
            (&["su", "anna", "--comm", "SCRIPT"], true),
            (&["capsh", "--user=anna", "--", "-c", "SCRIPT"], true),
            (&["tar", "-xf", "a.tar", "--to-command", "SCRIPT"], true),
            (&["tar", "--checkpoint-action=exec=SCRIPT"], true),
            (&["tar", "-I", "SCRIPT", "-cf", "a"], true),
            (&["git", "-c", "alias.x=!SCRIPT", "x"], true),
            (&["sftp", "-o", "ProxyCommand SCRIPT", "host"], true),
            (&["ssh", "-oProxyCommand=SCRIPT", "host"], true),
            (&["rsync", "-e", "SCRIPT", "a", "b"], true),
            (&["parallel", "SCRIPT"], true),
            (&["tmux", "new-session", "-d", "SCRIPT"], true),
            (&["systemd-run", "-p", "ExecStartPre=sh -c SCRIPT", "true"], true),
            (&["sh", "-c", "eval \"$1\"", "sh", "SCRIPT"], true),
            (&["make", "X=SCRIPT"], false),
            (&["make", "--eval", "SCRIPT"], false),
            (&["perl", "-e", "SCRIPT"], false),
            (&["perl", "-ne", "SCRIPT"], false),
            (&["perl", "-eSCRIPT"], false),
            (&["sudo", "/usr/bin/python3", "-c", "SCRIPT"], false),
            (&["python3.13", "-Ic", "SCRIPT"], false),
            (&["ruby", "-e", "SCRIPT"], false),
            (&["node", "--eval=SCRIPT"], false),
            (&["node", "-e", "SCRIPT"], false),
            (&["php", "-r", "SCRIPT"], false),
            (&["lua5.4", "-e", "SCRIPT"], false),
            (&["awk", "-F", ":", "SCRIPT", "/etc/passwd"], false),
            (&["awk", "-v", "a=1", "SCRIPT"], false),
            (&["sed", "-i", "SCRIPT", "/etc/hosts"], false),
            (&["sed", "-n", "-e", "SCRIPT", "/etc/hosts"], false),
        ] {
            let words: Vec<Option<&str>> = command.iter().map(|word| Some(*word)).collect();
            let found = script_words(&words);
            let wanted = command.iter().position(|word| word.contains("SCRIPT"));
            let read = found.iter().find(|one| Some(one.at) == wanted);
            assert_eq!(read.map(|one| one.is_shell), Some(is_shell), "{command:?}: {found:?}");
        }
    }

    #[test]
    fn the_first_line_of_a_script_names_its_shell() {
        for (line, is_shell) in [
            ("#!/bin/sh", true),
            ("#!/usr/bin/env bash", true),
            ("#! /bin/dash -e", true),
            ("#!/usr/bin/env python3", false),
            ("echo", false),
            ("", false),
        ] {
            assert_eq!(is_shell_script(line), is_shell, "{line}");
        }
    }
}
