//! The scripts in the commands of a unit file: `ExecStart=/bin/sh -c "…"`.

use std::ops::Range;

use crate::template::script::script_words;

/// The places of the words that a shell reads, in the text of a unit before its templates are rendered.
pub(super) fn scripts_in(text: &str) -> Vec<Range<usize>> {
    let text = &without_comments(text);
    let mut found = Vec::new();
    for (name, setting) in settings(text) {
        if is_command(name) {
            let (at, value) = (setting.start, &text[setting]);
            let words = words(value);
            let plain: Vec<Option<&str>> = words
                .iter()
                .enumerate()
                .map(|(index, word)| Some(plain(&value[word.clone()], index == 0)))
                .collect();
            let scripts = script_words(&plain).into_iter();
            found.extend(scripts.map(|one| at + words[one.at].start..at + words[one.at].end));
        }
    }
    found
}

/// The variables that systemd writes into `scripts`, with the places of their settings: `${NAME}` there, but not `$${NAME}`.
pub(super) fn substituted(text: &str, scripts: &[Range<usize>]) -> Vec<(String, Range<usize>)> {
    let text = &without_comments(text);
    let mut found = Vec::new();
    for (_, setting) in settings(text).filter(|(name, _)| *name == "Environment") {
        let at = setting.start;
        for word in words(&text[setting.clone()]) {
            let whole = at + word.start..at + word.end;
            let name = text[whole.clone()].trim_start_matches(['"', '\'']).split_once('=');
            let Some((name, _)) = name else { continue };
            let sign = format!("${{{name}}}");
            let is_in = |script: &Range<usize>| {
                let script = &text[script.clone()];
                // A word that is a variable alone is replaced too.
                let is_alone = script.trim_matches(['"', '\'']).strip_prefix('$') == Some(name);
                is_alone
                    || script.match_indices(&sign).any(|(at, _)| {
                        (script[..at].len() - script[..at].trim_end_matches('$').len()).is_multiple_of(2)
                    })
            };
            if scripts.iter().any(is_in) {
                found.push((name.to_owned(), whole));
            }
        }
    }
    found
}

/// The settings of a unit: their names, and the places of their values.
fn settings(text: &str) -> impl Iterator<Item = (&str, Range<usize>)> {
    let mut start = 0;
    let lines = std::iter::from_fn(move || {
        (start < text.len()).then(|| {
            let line = start..end_of_setting(text, start);
            start = line.end + 1;
            line
        })
    });
    lines.filter_map(|line| {
        let (name, value) = text[line.clone()].split_once('=')?;
        Some((name.trim(), line.end - value.len()..line.end))
    })
}

/// The text with blanks in place of comments between the lines of a setting, where systemd leaves them out. All places stay.
fn without_comments(text: &str) -> String {
    let mut rest = String::with_capacity(text.len());
    let mut is_continued = false;
    for line in text.split_inclusive('\n') {
        if is_continued && line.trim_start().starts_with(['#', ';']) {
            rest.extend(std::iter::repeat_n(' ', line.len()));
            continue;
        }
        is_continued = line.trim_end_matches('\n').ends_with('\\');
        rest.push_str(line);
    }
    rest
}

/// Whether it is `ExecStart`, `ExecStartPre` or another setting that is a command.
fn is_command(name: &str) -> bool {
    let kind = name.strip_prefix("Exec");
    kind.is_some_and(|kind| kind.chars().all(|letter| letter.is_ascii_alphabetic()))
}

/// Where a setting ends that begins at `start`: a `\` at the end of a line continues it.
fn end_of_setting(text: &str, start: usize) -> usize {
    let mut from = start;
    while let Some(end) = text[from..].find('\n').map(|at| from + at) {
        if !text[..end].ends_with('\\') {
            return end;
        }
        from = end + 1;
    }
    text.len()
}

/// A word without its quotes, and the first one without the signs that systemd reads in front of a program.
fn plain(word: &str, is_first: bool) -> &str {
    let word = word.trim_matches(['"', '\'']);
    if is_first {
        word.trim_start_matches(['@', '-', ':', '+', '!', '|'])
    } else {
        word
    }
}

/// The places of the words as systemd reads them. What a template writes is a part of the word that it stands in.
fn words(value: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let (mut quote, mut start, mut at) = (None, None, 0);
    while let Some(character) = value[at..].chars().next() {
        let next = at + character.len_utf8();
        let template = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")];
        let template = template.iter().find(|(open, _)| value[at..].starts_with(open));
        if let Some((_, close)) = template {
            start = start.or(Some(at));
            at = value[at..]
                .find(close)
                .map_or(value.len(), |length| at + length + close.len());
            continue;
        }
        let is_between = character.is_whitespace() || value[at..].starts_with("\\\n");
        match (quote, character) {
            (_, '\\') if !is_between => {
                start = start.or(Some(at));
                at = next + value[next..].chars().next().map_or(0, char::len_utf8);
                continue;
            }
            (Some(open), closing) if open == closing => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => {
                quote = Some(character);
                start = start.or(Some(at));
            }
            (None, _) if is_between => words.extend(start.take().map(|start| start..at)),
            (None, _) => start = start.or(Some(at)),
        }
        at = next;
    }
    words.extend(start.map(|start| start..value.len()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_of_commands_are_found() {
        for (text, scripts) in [
            ("[Service]\nExecStart=/bin/sh -c \"a b\" c\n", &["\"a b\""][..]),
            (
                "ExecStartPre=-+/bin/sh -c 'a'\nExecStart=/bin/bash -lc b",
                &["'a'", "b"],
            ),
            (
                "ExecStart = /usr/bin/env bash \\\n  -c \"a \\\n b\"\n",
                &["\"a \\\n b\""],
            ),
            (
                "ExecStart=sh -c \"a {{ f['x y'] }} \\\" b\"",
                &["\"a {{ f['x y'] }} \\\" b\""],
            ),
            ("ExecStart=sh -c {{ a | b }}", &["{{ a | b }}"]),
            (
                "ExecStart=/bin/echo -c 'a'\nDescription=sh -c a\nExec Start=sh -c a",
                &[],
            ),
            ("ExecStart=/bin/sh -c 'a \"$1\"' sh {{ b }}", &["'a \"$1\"'"]),
            ("ExecStart=/usr/bin/python3 -c 'a'", &["'a'"]),
            ("# ExecStart=sh -c \\\na\n", &[]),
        ] {
            let found: Vec<&str> = scripts_in(text).into_iter().map(|place| &text[place]).collect();
            assert_eq!(found, scripts, "{text}");
        }
    }

    #[test]
    fn a_comment_between_the_lines_of_a_command_is_left_out() {
        let text = "ExecStart=/bin/sh -c \"echo \\\n# it's \\\n  ; \"\n{{ f }}\"\nUser=a\n";
        let scripts = scripts_in(text);
        assert_eq!(scripts.len(), 1);
        assert!(text[scripts[0].clone()].ends_with("{{ f }}\""));
    }

    #[test]
    fn variables_that_systemd_writes_into_scripts_are_found() {
        for (command, names) in [
            ("/bin/sh -c \"echo ${X}\"", &["X"][..]),
            ("/bin/sh -c $X", &["X"]),
            ("/bin/sh -c 'echo $$X $${X} $X'", &[]),
            ("/bin/sh -c 'echo \"$$1\"' sh ${X}", &[]),
            ("/bin/sh -c 'echo ${Y} $$${X}'", &["X", "Y"]),
            ("/bin/echo ${X}", &[]),
        ] {
            let text = format!("Environment=\"X={{{{ f }}}}\" Y={{{{ g }}}}\nExecStart={command}\n");
            let found = substituted(&text, &scripts_in(&text));
            let found: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(found, names, "{command}");
        }
    }
}
