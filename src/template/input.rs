//! Commands that read their standard input as a script: the end of `echo … | sh`.

use super::readers::{beginnings, is_short, operands_of, program_name};
use super::script::{SHELLS, ScriptWord, WITH_OPERAND, script_words};

/// Programs that write their words to their output.
const WRITERS: &[&str] = &["echo", "printf", "print"];
/// Interpreters of other languages that read a program from their input if no word names one.
const INTERPRETERS: &[&str] = &[
    "perl", "python", "pypy", "ruby", "node", "nodejs", "php", "lua", "luajit", "guile", "tclsh",
];
/// Letters of their options that give a program, a module, or a file in place of the input.
const IN_PLACE_OF_INPUT: &str = "eEcmrRBpfl";
/// Names of the standard input.
const INPUT: &[&str] = &["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];
/// Options of `ssh` and `parallel` that are followed by a word of their own.
const OF_SSH: &str = "BbcDEeFIiJLlmOopQRSWw";
const OF_PARALLEL: &str = "jnNLaISP";

/// Whether the command writes its words as they are. `printf %q` quotes them.
pub(super) fn writes_words(words: &[Option<&str>]) -> bool {
    let is_writer = |at: &usize| words[*at].is_some_and(|word| WRITERS.contains(&program_name(word)));
    let is_quoting = || {
        words
            .iter()
            .flatten()
            .any(|word| word.contains("%q") && !word.contains("%s"))
    };
    beginnings(words).iter().any(is_writer) && !is_quoting()
}

/// What reads the standard input of the command as a script; its place is that of the program.
pub(super) fn reads_input(words: &[Option<&str>]) -> Option<ScriptWord> {
    let beginnings = beginnings(words);
    beginnings.iter().find_map(|at| {
        let word = words[*at]?;
        let rest = &words[*at + 1..];
        let is_last = beginnings.iter().all(|other| other <= at);
        let inner = match program_name(word) {
            "ssh" | "rsh" => operands_of(words, *at, OF_SSH, 1).get(1).map(|start| &words[*start..]),
            _ => None,
        };
        if let Some(inner) = inner {
            return reads_input(inner);
        }
        let is_shell = match program_name(word) {
            name if SHELLS.contains(&name) => shell_reads(rest).then_some(true),
            name if INTERPRETERS.contains(&name) => interpreter_reads(rest).then_some(false),
            "." | "source" => rest.first().is_some_and(|file| is_input(*file)).then_some(true),
            "su" => (!has_option(rest, "c", &["--command", "--session-command"])).then_some(true),
            "sudo" => (is_last && has_option(rest, "is", &["--login", "--shell"])).then_some(true),
            "ssh" | "rsh" => (operands_of(words, *at, OF_SSH, 1).len() == 1).then_some(true),
            "at" | "batch" => (!has_option(rest, "fldrc", &["--file"])).then_some(true),
            "crontab" => rest.contains(&Some("-")).then_some(true),
            "parallel" => operands_of(words, *at, OF_PARALLEL, 0).is_empty().then_some(true),
            "xargs" => handed_over(words, *at),
            _ => None,
        }?;
        Some(ScriptWord {
            at: *at,
            by: word.rsplit('/').next().unwrap_or(word).to_owned(),
            is_shell,
            is_joined: true,
        })
    })
}

fn is_input(word: Option<&str>) -> bool {
    word.is_some_and(|word| INPUT.contains(&word))
}

fn has_option(words: &[Option<&str>], letters: &str, names: &[&str]) -> bool {
    words.iter().flatten().any(|word| {
        let name = word.split('=').next().unwrap_or(word);
        names.contains(&name) || letters.chars().any(|letter| is_short(word, letter))
    })
}

/// `sh OPTIONS`, `sh -s WORDS`, `sh -`, but neither `sh -c SCRIPT` nor `sh FILE`.
fn shell_reads(rest: &[Option<&str>]) -> bool {
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        let Some(word) = word else { return false };
        if is_short(word, 's') || INPUT.contains(word) {
            return true;
        }
        if is_short(word, 'c') || *word == "--command" || !word.starts_with(['-', '+']) {
            return false;
        }
        if WITH_OPERAND.contains(word) || is_short(word, 'o') {
            words.next();
        }
    }
    true
}

/// `python3`, `python3 -`, `python3 -u - WORDS`, but not `python3 -c PROGRAM`.
fn interpreter_reads(rest: &[Option<&str>]) -> bool {
    for word in rest {
        if is_input(*word) {
            return true;
        }
        let is_flag = word.is_some_and(|word| {
            word.starts_with('-') && !IN_PLACE_OF_INPUT.chars().any(|letter| is_short(word, letter))
        });
        if !is_flag {
            return false;
        }
    }
    true
}

/// Whether `xargs` writes its input into a script: `xargs sh -c`, `xargs -I{} sh -c 'echo {}'`.
fn handed_over(words: &[Option<&str>], at: usize) -> Option<bool> {
    let own = &words[at + 1..];
    let written = own.iter().enumerate().find_map(|(place, word)| {
        let word = (*word)?;
        match word.strip_prefix("-I") {
            Some("") => *own.get(place + 1)?,
            Some(sign) => Some(sign),
            None if word == "-i" || word == "--replace" => Some("{}"),
            None => word.strip_prefix("--replace="),
        }
    });
    let mut command = words[at..].to_vec();
    if written.is_none() {
        command.push(None);
    }
    let reads = |one: &ScriptWord| match (written, command[one.at]) {
        (Some(sign), Some(script)) => script.contains(sign),
        (Some(_), None) => false,
        (None, _) => one.at + 1 == command.len(),
    };
    let found = script_words(&command).into_iter().find(reads);
    found.map(|one| one.is_shell)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &str) -> Vec<Option<&str>> {
        command.split(' ').map(|word| (word != "?").then_some(word)).collect()
    }

    #[test]
    fn the_input_is_a_script() {
        for (command, by, is_shell) in [
            ("sh", "sh", true),
            ("/bin/bash", "bash", true),
            ("bash -s", "bash", true),
            ("bash -es -- a ?", "bash", true),
            ("sh -", "sh", true),
            ("bash -o pipefail", "bash", true),
            ("bash -euo pipefail", "bash", true),
            ("bash /dev/stdin", "bash", true),
            ("sudo sh", "sh", true),
            ("sudo -u anna bash -s", "bash", true),
            ("sudo -E -n -H sh", "sh", true),
            ("sudo -i", "sudo", true),
            ("timeout 5 env A=1 sh -x", "sh", true),
            ("su - anna", "su", true),
            ("ssh host", "ssh", true),
            ("ssh -T -p 22 host", "ssh", true),
            ("ssh host bash -s", "bash", true),
            ("docker exec -i c sh", "sh", true),
            ("kubectl exec -i pod -- sh", "sh", true),
            (". /dev/stdin", ".", true),
            ("source /dev/stdin", "source", true),
            ("at now", "at", true),
            ("crontab -u anna -", "crontab", true),
            ("parallel -j 4", "parallel", true),
            ("xargs sh -c", "xargs", true),
            ("xargs -0 -n 1 bash -c", "xargs", true),
            ("xargs -I{} sh -c {}", "xargs", true),
            ("xargs -I % sh -c echo-%", "xargs", true),
            ("xargs ssh host", "xargs", true),
            ("xargs python3 -c", "xargs", false),
            ("python3", "python3", false),
            ("python3 -u - a", "python3", false),
            ("sudo perl", "perl", false),
        ] {
            let found = reads_input(&words(command)).map(|one| (one.by, one.is_shell));
            assert_eq!(found, Some((by.to_owned(), is_shell)), "{command}");
        }
    }

    #[test]
    fn the_input_is_data() {
        for command in [
            "cat",
            "grep sh",
            "grep -c bash",
            "sh /opt/tool",
            "sh ?",
            "sh -c cat",
            "bash -ec cat a",
            "sudo tee /etc/bash",
            "sudo -u anna cp sh",
            "sudo -i cat",
            "ssh host cat",
            "ssh host tee sh",
            "docker login --password-stdin",
            "docker exec -i c cat",
            "su anna -c cat",
            "at -f file now",
            "crontab -l",
            "parallel echo",
            "xargs echo",
            "xargs -I{} cp {} /srv",
            "xargs -I{} sh -c cat x {}",
            "xargs sh -c cat",
            "python3 -c pass",
            "python3 -m json.tool",
            "perl -ne print",
            "perl -pe1",
            "tee sh",
            "",
        ] {
            assert_eq!(reads_input(&words(command)), None, "{command}");
        }
    }

    #[test]
    fn words_are_written_as_they_are() {
        for (command, is_written) in [
            ("echo ?", true),
            ("sudo echo -n ?", true),
            ("printf %s ?", true),
            ("printf %q ?", false),
            ("cat ?", false),
            ("curl ?", false),
        ] {
            assert_eq!(writes_words(&words(command)), is_written, "{command}");
        }
    }
}
