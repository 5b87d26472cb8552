//! Words that docs/style.md replaces stand neither in the documentation nor in messages nor in comments.

use std::path::{Path, PathBuf};

/// The first three hide who is meant.
const BANNED: &[&str] = &[
    "nobody",
    "somebody",
    "whoever",
    "as whom",
    "comes to be",
    "told of",
    "mend",
    "mended",
    "hence",
    "lest",
];

/// The folders whose files have comments.
const COMMENTED: &[&str] = &[
    ".github",
    "agent",
    "benches",
    "charts",
    "deploys",
    "fuzz",
    "group_data",
    "inventories",
    "scripts",
    "src",
    "tasks",
    "templates",
    "tests",
];

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

/// The comments in the text of a file at `path`. The first line of a wrong project says what is wrong, without a sign.
fn comments<'a>(path: &Path, text: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let kind = path.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
    let sign = if ["rs", "go", "js"].contains(&kind) { "//" } else { "#" };
    let is_wrong_project = path
        .parent()
        .is_some_and(|folder| folder.ends_with("wrong_projects/cases"));
    text.lines().enumerate().filter_map(move |(number, line)| {
        let line = line.trim();
        let is_comment = line.starts_with(sign) || (is_wrong_project && number == 0);
        let trailing = || line.find(&format!(" {sign} ")).map(|at| &line[at..]);
        let comment = if is_comment { Some(line) } else { trailing() };
        comment.map(|comment| (number, comment))
    })
}

/// The files of a folder and of those below it. What is compiled is left out.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            files.extend(files_below(&path));
        } else if path.is_file() {
            files.push(path);
        }
    }
    files
}

/// Every use of a banned word below `top`, by place.
pub(crate) fn found(top: &Path, sources: &[PathBuf]) -> Vec<String> {
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
    for file in COMMENTED.iter().flat_map(|folder| files_below(&top.join(folder))) {
        // It lists them, and archives have no comments.
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        if !file.ends_with("structure/words.rs") {
            comments(&file, &text).for_each(|(number, line)| note(&file, number, line));
        }
    }
    found.sort();
    found.dedup();
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
    for (path, text, expected) in [
        ("a.rs", "/// One.\nlet x = \"# two\"; // Three.\nfour();\n", 2),
        ("a.toml", "# One.\nx = 1 # two\ny = \"// three\"\n", 2),
        ("tests/wrong_projects/cases/a.txt", "One.\nx = 2\n# three\n", 2),
    ] {
        assert_eq!(comments(Path::new(path), text).count(), expected, "{path}");
    }
}
