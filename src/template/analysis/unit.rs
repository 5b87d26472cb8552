//! The scripts in the commands of a unit file: `ExecStart=/bin/sh -c "…"`.

use std::ops::Range;

use crate::template::script::script_words;

/// The places of the words that a shell reads, in the text of a unit before its templates are rendered.
pub(super) fn scripts_in(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let end = end_of_setting(text, start);
        if let Some((name, value)) = text[start..end].split_once('=')
            && is_command(name.trim())
        {
            let at = end - value.len();
            let words = words(value);
            let plain: Vec<Option<&str>> = words
                .iter()
                .enumerate()
                .map(|(index, word)| Some(plain(&value[word.clone()], index == 0)))
                .collect();
            let scripts = script_words(&plain).into_iter();
            found.extend(scripts.map(|index| at + words[index].start..at + words[index].end));
        }
        start = end + 1;
    }
    found
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
        ] {
            let found: Vec<&str> = scripts_in(text).into_iter().map(|place| &text[place]).collect();
            assert_eq!(found, scripts, "{text}");
        }
    }
}
