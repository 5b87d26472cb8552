//! Which words of a command are scripts that a shell reads.

/// Shells by the names of their programs.
const SHELLS: &[&str] = &[
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
/// Programs that hand what follows `-c` to a shell, wherever that option stands.
const STARTS_SHELLS: &[&str] = &["flock", "runuser", "script", "sg", "su"];
/// Programs that read each of their words as a shell does, or have another host's shell read them.
const READS_ALL: &[&str] = &["rsh", "ssh", "watch"];
/// Options of shells that are followed by a word of their own.
const WITH_OPERAND: &[&str] = &[
    "-o",
    "+o",
    "-O",
    "+O",
    "--init-file",
    "--rcfile",
    "-C",
    "--init-command",
];

/// The places of the words that a shell reads as a script; `None` is a word that is not known.
///
/// Every word may be the name of a shell: `env`, `timeout`, `sudo`, `busybox` and many others run what follows them. Names that are also
/// those of packages and services, such as `ssh`, count only where a command begins.
pub fn script_words(words: &[Option<&str>]) -> Vec<usize> {
    let mut found: Vec<usize> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let Some(word) = word else { continue };
        let name = word.rsplit('/').next().unwrap_or(word);
        let rest = at + 1..words.len();
        if SHELLS.contains(&name) {
            found.extend(script_of_shell(words, rest.clone()));
        }
        if STARTS_SHELLS.contains(&name) {
            found.extend(rest.clone().filter(|at| follows(words, *at, &["c"], "--command")));
        }
        if at == 0 && READS_ALL.contains(&name) {
            found.extend(rest.clone());
        }
        // `env -S 'sh -c …'` makes words of one.
        if name == "env" {
            found.extend(rest.filter(|at| follows(words, *at, &["S"], "--split-string")));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
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

/// Whether the word at `at` is the value of one of these options.
fn follows(words: &[Option<&str>], at: usize, short: &[&str], long: &str) -> bool {
    let is_value = |before: &str| before == long || short.iter().any(|one| is_short_ending(before, one));
    let own = words[at].is_some_and(|word| {
        word.strip_prefix(long).is_some_and(|value| value.starts_with('='))
            || short.iter().any(|one| {
                let option = format!("-{one}");
                word.len() > option.len() && word.starts_with(&option)
            })
    });
    own || at.checked_sub(1).and_then(|before| words[before]).is_some_and(is_value)
}

/// Whether it is an option of one letter, or several in one word, with `letter` among them.
fn is_short(word: &str, letter: char) -> bool {
    let letters = word.strip_prefix('-').unwrap_or_default();
    !letters.starts_with('-') && letters.chars().all(|one| one.is_ascii_alphanumeric()) && letters.contains(letter)
}

fn is_short_ending(word: &str, letter: &str) -> bool {
    letter.chars().all(|one| is_short(word, one)) && word.ends_with(letter)
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
        script_words(&words).into_iter().map(|at| command[at]).collect()
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
            &["git", "-c", "WORD", "fetch"],
            &["push", "-c", "WORD"],
        ] {
            assert_eq!(scripts(command), [""; 0], "{command:?}");
        }
        assert_eq!(scripts(&["sh", "-c", "echo \"$1\"", "sh", "WORD"]), ["echo \"$1\""]);
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
