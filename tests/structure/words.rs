//! Words that docs/style.md replaces stand neither in the documentation nor in messages.

use std::path::Path;

/// They hide who is meant.
const BANNED: &[&str] = &["nobody", "somebody", "whoever"];

/// The banned words in `text`, unless they are a name: the user `nobody`, or a variable of a shell.
fn banned_in(text: &str) -> Vec<&'static str> {
    let lower = text.to_lowercase();
    let is_part = |sign: char| sign.is_alphanumeric() || "_-$`.".contains(sign);
    let stands = |word: &&&str| {
        lower.match_indices(**word).any(|(at, _)| {
            let is_constant = text
                .get(at..at + word.len())
                .is_some_and(|own| own == word.to_uppercase());
            let before = lower[..at].chars().next_back();
            let mut after = lower[at + word.len()..].chars();
            let next = after.next();
            // A full stop ends a sentence, or is a part of the name of a file.
            let is_name = match next {
                Some('.') => after.next().is_some_and(char::is_alphanumeric),
                Some(sign) => is_part(sign) || "=:\"".contains(sign),
                None => false,
            };
            !before.is_some_and(is_part) && !is_name && !is_constant
        })
    };
    BANNED.iter().filter(stands).copied().collect()
}

/// The lines of a source that may be messages: no comments, no names of variants, no tests.
fn message_lines(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().enumerate();
    lines.filter(|(_, line)| {
        let line = line.trim();
        let is_variant = line.trim_end_matches(',').chars().all(char::is_alphanumeric);
        let starts = ["//", "mod ", "use ", "pub "];
        !is_variant && !starts.iter().any(|start| line.starts_with(start))
    })
}

/// Every use of a banned word below `top`, by place.
pub(crate) fn found(top: &Path, sources: &[std::path::PathBuf]) -> Vec<String> {
    let mut found = Vec::new();
    let mut note = |path: &Path, number: usize, line: &str| {
        let place = path.strip_prefix(top).unwrap_or(path).display();
        found.extend(
            banned_in(line)
                .into_iter()
                .map(|word| format!("{place}:{}: `{word}`", number + 1)),
        );
    };
    let pages = std::fs::read_dir(top.join("docs")).expect("docs").flatten();
    let pages = pages.map(|entry| entry.path()).chain([top.join("README.md")]);
    for page in pages.filter(|path| path.extension().is_some_and(|kind| kind == "md")) {
        // It lists them.
        if page.ends_with("style.md") {
            continue;
        }
        let text = std::fs::read_to_string(&page).expect("readable");
        text.lines()
            .enumerate()
            .for_each(|(number, line)| note(&page, number, line));
    }
    for source in sources.iter().filter(|path| !path.to_string_lossy().contains("/tests")) {
        let text = std::fs::read_to_string(source).expect("readable");
        message_lines(&text).for_each(|(number, line)| note(source, number, line));
    }
    found
}

#[test]
fn a_banned_word_is_found_and_a_name_is_not() {
    for (text, expected) in [
        ("ask whoever saved it", &["whoever"][..]),
        ("Nobody agreed. Somebody did.", &["nobody", "somebody"]),
        ("it asks nobody.", &["nobody"]),
        ("asked as `nobody`, who cannot write", &[]),
        ("[ -n \"$nobody\" ] || nobody=; as_nobody", &[]),
        ("cases/data-nobody-uses.txt", &[]),
        ("let nobody_else = 1", &[]),
        ("\"User\": NOBODY,", &[]),
    ] {
        assert_eq!(banned_in(text), expected, "{text}");
    }
    let source = "// nobody\nfail(\"nobody\n#[cfg(test)]\nmod tests {\nlet x = \"nobody\";\n";
    assert_eq!(message_lines(source).count(), 1);
}
