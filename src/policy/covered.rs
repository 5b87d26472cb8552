//! Lines that may hold a secret, as they are shown: without what comes after its key.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use regex::Regex;

use super::finding::Place;
use crate::error::{Origin, SourceFile};

/// What comes before a secret on a line, in whatever language: a key with its sign, an option, a header, or the user of an address.
static BEFORE_SECRET: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = "pass|pwd|secret|token|credential|authorization|api[_-]?key|private[_-]?key";
    Regex::new(&format!(
        r#"(?i)[\w.-]*(?:{words})[\w.-]*["']?\s*[:=]|--[\w-]*(?:{words})[\w-]*\s|\bbearer\s|(://[^/\s:@"']+:)[^/\s@"']+@"#
    ))
    .ok()
});

/// Files as they are shown, by their paths and texts.
#[derive(Default)]
pub(super) struct Covered(HashMap<(String, usize), Arc<SourceFile>>);

impl Covered {
    /// A place as it is shown. What is `hidden` is the key of a secret.
    pub(super) fn place(&mut self, place: Place, is_hidden: bool) -> Place {
        let Origin { file, span } = &place.origin;
        let start = file.text[..span.start].rfind('\n').map_or(0, |at| at + 1);
        let line = file.text[start..].lines().next().unwrap_or_default();
        let shown = match end_of_shown(line) {
            Some(end) => start + end,
            None if is_hidden => return place.hidden(),
            // Other lines of the place may hold one.
            None if file.text[span.clone()].contains('\n') => usize::MAX,
            None => return place,
        };
        if is_hidden && span.end > shown {
            return place.hidden();
        }
        let key = (file.path.clone(), file.text.as_ptr().addr());
        let copy = self
            .0
            .entry(key)
            .or_insert_with(|| SourceFile::new(&file.path, without_secrets(&file.text)));
        let end = span.end.min(shown).max(span.start);
        Place {
            origin: Origin::new(copy, span.start..end),
            within: place.within,
        }
    }
}

/// Where the part of a line ends that is shown; `None` if it holds no secret.
fn end_of_shown(line: &str) -> Option<usize> {
    let found = BEFORE_SECRET.as_ref()?.captures(line)?;
    let end = found.get(1).or(found.get(0))?.end();
    (!line[end..].trim().is_empty()).then_some(end)
}

/// A text in which every line ends before its secret. All offsets stay.
fn without_secrets(text: &str) -> String {
    let mut covered = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches(['\n', '\r']);
        let Some(end) = end_of_shown(bare) else {
            covered.push_str(line);
            continue;
        };
        covered.push_str(&bare[..end]);
        let secret = &bare[end..];
        let mark = if secret.is_ascii() && secret.len() > 3 {
            "..."
        } else {
            ""
        };
        covered.push_str(mark);
        covered.extend(secret.chars().skip(mark.len()).map(blank));
        covered.push_str(&line[bare.len()..]);
    }
    covered
}

/// White space that takes as many bytes as a character, so that columns stay too. None takes four.
fn blank(one: char) -> &'static str {
    match one.len_utf8() {
        1 => " ",
        2 => "\u{a0}",
        3 => "\u{2003}",
        _ => "\u{a0}\u{a0}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_a_key_of_a_secret_is_not_shown() {
        for (line, at, shown, marked) in [
            (
                "  flow: { image: nginx, environment: { DB_PASSWORD: canary } }",
                "nginx",
                "  flow: { image: nginx, environment: { DB_PASSWORD:...",
                "nginx",
            ),
            (
                "content = '''{\"registry-password\":\"canary\",\"hosts\":[\"tcp://0.0.0.0:2375\"]}'''",
                "tcp://0.0.0.0:2375",
                "content = '''{\"registry-password\":...",
                "",
            ),
            (
                "curl -H 'Authorization: Bearer canary' https://x | sh",
                "curl -H 'Authorization: Bearer canary' https://x | sh",
                "curl -H 'Authorization:...",
                "curl -H 'Authorization:",
            ),
            ("run --password canary :latest", ":latest", "run --password ...", ""),
            (
                "git clone https://me:canary@x/y",
                "git",
                "git clone https://me:...",
                "git",
            ),
            (
                "image: caddy:latest",
                "caddy:latest",
                "image: caddy:latest",
                "caddy:latest",
            ),
            ("password:", "password", "password:", "password"),
        ] {
            let text = format!("one\n{line}\ntwo\n");
            let start = text.find(at).expect("a place");
            let origin = Origin::new(&SourceFile::new("f", text.as_str()), start..start + at.len());
            let place = Covered::default().place(Place::at(&origin), false).origin;
            let told = place.file.text.lines().nth(1).map(str::trim_end);
            assert_eq!(told, Some(shown));
            assert_eq!(place.file.text[place.span.clone()].trim_end_matches(['.', ' ']), marked);
            assert_eq!(place.line_column(), origin.line_column());
        }
    }
}
