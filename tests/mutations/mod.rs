//! Right projects spoilt in many small ways, as hands do it: how much of that `homelab check` finds, and on the right line.
//!
//! Whether a spoilt project is wrong is decided by rule, not by looking at what is found (`places::Class`, `is_harmful`).

mod places;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use homelab::error::Diagnostic;
use homelab::plan::{CheckRequest, check};
use homelab::project::read;

use places::{Class, Place, has_suffix, places};

/// How many ways each project is spoilt in.
const MUTATIONS: usize = 400;
const SEED: u64 = 6;
/// Of a hundred mutations that make a project wrong, so many are found on their line, or where what they break is used.
const FLOOR: usize = 95;

/// The same numbers on every machine (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let limit = u64::try_from(limit.max(1)).unwrap();
        usize::try_from((mixed ^ (mixed >> 31)) % limit).unwrap()
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        (!all.is_empty()).then(|| &all[self.below(all.len())])
    }
}

type Files = BTreeMap<String, String>;

/// A project with one thing spoilt.
struct Mutation {
    kind: &'static str,
    file: String,
    text: String,
    line: usize,
    /// What was there, where it is a name that other places may use.
    word: String,
    is_harmful: bool,
}

/// The ways to spoil a project; each gives `None` where the file offers no place for it.
type Spoil = fn(&str, &str, &mut Random) -> Option<Mutation>;

const WAYS: &[Spoil] = &[
    |path, text, random| letter("key: a letter", &[Class::Key], path, text, random),
    |path, text, random| letter("key of data: a letter", &[Class::DataKey], path, text, random),
    |path, text, random| letter("reference: a letter", &[Class::Reference], path, text, random),
    |path, text, random| letter("choice: a letter", &[Class::Choice], path, text, random),
    |path, text, random| letter("name in a template: a letter", &[Class::Name], path, text, random),
    |path, text, random| letter("free text: a letter", &[Class::Free], path, text, random),
    renamed,
    line_deleted,
    |path, text, random| sign_dropped("bracket dropped", &['[', ']', '{', '}'], path, text, random),
    |path, text, random| sign_dropped("quote dropped", &['"', '\''], path, text, random),
    |path, text, random| sign_dropped("equals sign dropped", &['='], path, text, random),
    |path, text, random| sign_dropped("comma dropped", &[','], path, text, random),
    type_changed,
    indented,
];

/// A letter changed, dropped, doubled, or swapped with the next.
fn letter(kind: &'static str, classes: &[Class], path: &str, text: &str, random: &mut Random) -> Option<Mutation> {
    let all = places(path, text);
    let fitting: Vec<&Place> = all
        .iter()
        .filter(|place| classes.contains(&place.class) && (place.value.is_none() || place.value == Some("a string")))
        .collect();
    let place = *random.of(&fitting)?;
    let word = text[place.span.clone()].trim_matches(['"', '\'']);
    let offset = text[place.span.clone()].find(word)?;
    let letters: Vec<(usize, char)> = word
        .char_indices()
        .filter(|(_, letter)| letter.is_ascii_alphabetic())
        .collect();
    let (at, old) = *random.of(&letters)?;
    let start = place.span.start + offset + at;
    let new = match random.below(4) {
        0 => char::from(b'a' + u8::try_from(random.below(26)).unwrap()).to_string(),
        1 => String::new(),
        2 => format!("{old}{old}"),
        _ => {
            let next = word[at + 1..].chars().next().filter(char::is_ascii_alphabetic)?;
            let text = spliced(text, start..start + 2, &format!("{next}{old}"));
            return made(kind, path, text, start, place, next != old);
        }
    };
    let is_changed = new != old.to_string();
    made(
        kind,
        path,
        spliced(text, start..start + 1, &new),
        start,
        place,
        is_changed,
    )
}

fn made(kind: &'static str, path: &str, text: String, at: usize, place: &Place, is_changed: bool) -> Option<Mutation> {
    is_changed.then(|| Mutation {
        kind,
        file: path.to_owned(),
        line: line_of(&text, at),
        word: place.key.clone(),
        is_harmful: place.class != Class::Free && !is_still_right(place, &text),
        text,
    })
}

/// Some choices are other right ones when a letter is gone or changed: another unit of time, `become = "none"`.
fn is_still_right(place: &Place, text: &str) -> bool {
    let literal: String = text[place.span.start..]
        .chars()
        .take_while(|character| *character != '\n')
        .collect();
    place.class == Class::Choice && ["cache_time", "within"].contains(&place.key.as_str()) && {
        let value = literal.trim_matches(['"', '\'', ' ', ',']);
        value.ends_with(['s', 'm', 'h', 'd', 'w', 'y'])
    }
}

/// A reference or a name called by a wholly different word.
fn renamed(path: &str, text: &str, random: &mut Random) -> Option<Mutation> {
    let all = places(path, text);
    let fitting: Vec<&Place> = all
        .iter()
        .filter(|place| [Class::Reference, Class::Name].contains(&place.class) && place.value != Some("a list"))
        .collect();
    let place = *random.of(&fitting)?;
    let new = if place.class == Class::Name {
        "elsewhere"
    } else {
        "\"elsewhere\""
    };
    let text = spliced(text, place.span.clone(), new);
    made("reference: renamed", path, text, place.span.start, place, true)
}

/// Keys that an entry cannot do without.
const NEEDED: &[&str] = &[
    "op", "include", "hosts", "packages", "path", "dest", "service", "user", "commands", "unless", "url", "port",
    "src", "line", "upstream", "tasks",
];

fn line_deleted(path: &str, text: &str, random: &mut Random) -> Option<Mutation> {
    if !has_suffix(path, "toml") {
        return None;
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let index = random.below(lines.len());
    let line = lines[index].trim();
    let key = line.split([' ', '=']).next().unwrap_or_default();
    let is_heading = line.starts_with("[[")
        || ["[hosts.", "[connection", "[operation"]
            .iter()
            .any(|one| line.starts_with(one));
    let is_task = path.starts_with("tasks/") || path.starts_with("deploys/") || path.starts_with("templates/");
    let is_needed = is_task && NEEDED.contains(&key) && line.contains('=');
    // What goes over several lines is broken by any of them.
    let is_part = line.ends_with(['[', '{']) || line.starts_with([']', '}']);
    let start: usize = lines[..index].iter().map(|line| line.len()).sum();
    // The entry above takes the keys of one that has lost its heading: what comes of it need not be wrong.
    let is_harmful = is_needed || is_part || (is_heading && path.starts_with("tasks/") && line == "[[operation]]");
    Some(Mutation {
        kind: "line deleted",
        file: path.to_owned(),
        text: spliced(text, start..start + lines[index].len(), ""),
        line: index + 1,
        word: key.to_owned(),
        is_harmful,
    })
}

fn sign_dropped(kind: &'static str, signs: &[char], path: &str, text: &str, random: &mut Random) -> Option<Mutation> {
    if !has_suffix(path, "toml") {
        return None;
    }
    let found: Vec<usize> = code(text)
        .filter(|(_, character)| signs.contains(character))
        .map(|(at, _)| at)
        .collect();
    let at = *random.of(&found)?;
    // A comma before a closing bracket means nothing.
    let is_last = text[at + 1..].trim_start().starts_with([']', '}']);
    Some(Mutation {
        kind,
        file: path.to_owned(),
        text: spliced(text, at..at + 1, ""),
        line: line_of(text, at),
        word: String::new(),
        is_harmful: !(signs.contains(&',') && is_last),
    })
}

/// The characters that are TOML rather than the content of strings and comments; quotes are.
fn code(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut quote: Option<char> = None;
    let mut is_comment = false;
    let mut is_long = false;
    let mut previous = [' '; 2];
    text.char_indices().filter(move |(_, character)| {
        let character = *character;
        let is_code = !is_comment && !is_long && (quote.is_none() || quote == Some(character));
        if quote.is_none() && !is_long && character == '#' {
            is_comment = true;
        }
        if character == '\n' {
            is_comment = false;
            quote = if is_long { quote } else { None };
        }
        if !is_comment && ['"', '\''].contains(&character) {
            let is_third = previous == [character, character];
            if is_third {
                is_long = !is_long;
                quote = None;
            } else if quote == Some(character) {
                quote = None;
            } else if quote.is_none() && !is_long {
                quote = Some(character);
            }
        }
        previous = [previous[1], character];
        is_code && !is_long
    })
}

/// A value of another type.
fn type_changed(path: &str, text: &str, random: &mut Random) -> Option<Mutation> {
    let all = places(path, text);
    // Data of another type are wrong only where they are used so.
    let is_data = path.starts_with("group_data/") || path.starts_with("templates/");
    let fitting: Vec<&Place> = all
        .iter()
        .filter(|place| place.value.is_some() && !is_data && !["data", "vars", "port"].contains(&place.key.as_str()))
        .collect();
    let place = *random.of(&fitting)?;
    let new = match place.value? {
        "a string" => "{ a = 1 }",
        "a list" => "7",
        "a boolean" => "\"x\"",
        _ => "[\"x\"]",
    };
    let mut place = place.clone();
    place.class = Class::Key;
    let text = spliced(text, place.span.clone(), new);
    made("type changed", path, text, place.span.start, &place, true)
}

/// Blanks before a line, which mean nothing in TOML.
fn indented(path: &str, text: &str, random: &mut Random) -> Option<Mutation> {
    let starts: Vec<usize> = text
        .match_indices('\n')
        .map(|(at, _)| at + 1)
        .filter(|at| *at < text.len())
        .collect();
    let at = *random.of(&starts)?;
    has_suffix(path, "toml").then(|| Mutation {
        kind: "indentation",
        file: path.to_owned(),
        text: spliced(text, at..at, "   "),
        line: line_of(text, at),
        word: String::new(),
        is_harmful: false,
    })
}

fn spliced(text: &str, span: std::ops::Range<usize>, new: &str) -> String {
    format!("{}{new}{}", &text[..span.start], &text[span.end..])
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at.min(text.len())].matches('\n').count() + 1
}

/// What came of a mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    OnItsLine,
    WhereItIsUsed,
    Elsewhere,
    Missed,
    Harmless,
}

fn judge(mutation: &Mutation, mistakes: &[&Diagnostic]) -> End {
    if mistakes.is_empty() {
        return if mutation.is_harmful {
            End::Missed
        } else {
            End::Harmless
        };
    }
    let labels = || mistakes.iter().flat_map(|mistake| &mistake.labels);
    let is_near = |line: usize| {
        // Of a line that is gone the entry that it belonged to is blamed.
        let distance = if mutation.kind == "line deleted" { 6 } else { 0 };
        line.abs_diff(mutation.line) <= distance
    };
    if labels().any(|label| label.origin.file.path == mutation.file && is_near(label.origin.line_column().0)) {
        return End::OnItsLine;
    }
    let last = mutation.word.rsplit('.').next().unwrap_or_default();
    let names_it = mistakes.iter().any(|mistake| {
        let hint = mistake.hint.as_deref().unwrap_or_default();
        !last.is_empty() && (mistake.title.contains(last) || hint.contains(last))
    });
    if names_it { End::WhereItIsUsed } else { End::Elsewhere }
}

/// The files of a project that people write.
fn files(root: &Path) -> Files {
    let mut found = Files::new();
    for folder in ["inventories", "group_data", "deploys", "tasks", "templates"] {
        collect(root, &root.join(folder), &mut found);
    }
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Files) {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(root, &path, found);
        } else {
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            found.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

type Counts = BTreeMap<(&'static str, End), usize>;

/// Spoils the project at `root` and counts what comes of it; `missed` lists what is not found on its line.
fn spoil(root: &Path, counts: &mut Counts, missed: &mut Vec<String>) {
    let right = files(root);
    let copy = tempfile::tempdir().unwrap();
    for (path, text) in &right {
        write(copy.path(), path, text);
    }
    let paths: Vec<&String> = right.keys().collect();
    let mut random = Random(SEED);
    let mut done = 0;
    for turn in 0.. {
        if done == MUTATIONS / 2 {
            break;
        }
        let way = WAYS[turn % WAYS.len()];
        let path = random.of(&paths).unwrap().as_str();
        let Some(mut mutation) = way(path, &right[path], &mut random) else {
            continue;
        };
        // Data that nothing else names are not used.
        if mutation.kind == "key of data: a letter" && !is_named_elsewhere(&right, path, &mutation.word) {
            mutation.is_harmful = false;
        }
        write(copy.path(), path, &mutation.text);
        let checked = check(&read(copy.path()), &CheckRequest::default()).unwrap();
        write(copy.path(), path, &right[path]);
        let mistakes: Vec<&Diagnostic> = checked.mistakes.iter().map(|found| &found.diagnostic).collect();
        let end = judge(&mutation, &mistakes);
        *counts.entry((mutation.kind, end)).or_default() += 1;
        if matches!(end, End::Missed | End::Elsewhere) {
            let line = mutation.text.lines().nth(mutation.line - 1).unwrap_or_default();
            let told = mistakes.first().map(ToString::to_string).unwrap_or_default();
            missed.push(format!(
                "{end:?}: {}: {}:{}: {line} {told}",
                mutation.kind, mutation.file, mutation.line
            ));
        }
        done += 1;
    }
}

/// Whether a word stands in another file, or twice in its own.
fn is_named_elsewhere(files: &Files, own: &str, word: &str) -> bool {
    let times = |(path, text): (&String, &String)| text.matches(word).count() > usize::from(path == own);
    files.iter().any(times)
}

fn table(counts: &Counts) -> String {
    let ends = [
        End::OnItsLine,
        End::WhereItIsUsed,
        End::Elsewhere,
        End::Missed,
        End::Harmless,
    ];
    let mut text = format!("{:<30} on its line  other end  elsewhere  missed  harmless\n", "");
    let mut kinds: Vec<&str> = counts.keys().map(|(kind, _)| *kind).collect();
    kinds.dedup();
    for kind in kinds {
        let number = |end| counts.get(&(kind, end)).copied().unwrap_or_default();
        let [line, other, elsewhere, missed, harmless] = ends.map(number);
        let _ = writeln!(
            text,
            "{kind:<30} {line:>11} {other:>10} {elsewhere:>10} {missed:>7} {harmless:>9}"
        );
    }
    text
}

#[test]
fn most_of_what_hands_spoil_is_found_on_its_line() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut counts = Counts::new();
    let mut missed = Vec::new();
    spoil(here, &mut counts, &mut missed);
    spoil(&here.join("tests/wrong_projects/base"), &mut counts, &mut missed);
    let sum = |wanted: &[End]| -> usize {
        let fitting = counts.iter().filter(|((_, end), _)| wanted.contains(end));
        fitting.map(|(_, number)| number).sum()
    };
    let right = sum(&[End::OnItsLine, End::WhereItIsUsed]);
    let wrong = right + sum(&[End::Elsewhere, End::Missed]);
    let report = format!("{}\n{}\n{right} of {wrong} found", table(&counts), missed.join("\n"));
    println!("{report}");
    assert!(right * 100 >= wrong * FLOOR, "{report}");
    assert_eq!(right + sum(&[End::Elsewhere, End::Missed, End::Harmless]), MUTATIONS);
}
