//! The lines of tmpfiles.d(5), as far as homelab can read back what they do.

use crate::facts::path::{Inode, InodeKind, PathFact};

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// It creates this, now and at each boot.
    Makes(Made),
    /// It changes nothing before the next boot, or only removes and cleans up.
    Later,
    /// What it changes is in no fact, or in many.
    Open,
}

/// A directory or a file that a line creates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) path: String,
    pub(super) is_directory: bool,
    mode: Option<u32>,
    owner: Option<String>,
    group: Option<String>,
}

/// The attributes of what a line creates.
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) owner: String,
    pub(super) group: String,
}

/// The lines of a file, without comments.
pub(super) fn of(text: &str) -> Vec<Line> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(line)
        .collect()
}

/// The first line whose text systemd cannot read, counted from 1, with the wrong escape sequence. It reads these texts only when it
/// acts on a line, so `systemd-tmpfiles` accepts such a file.
pub(super) fn wrong_escape(text: &str) -> Option<(usize, String)> {
    let lines = text.lines().map(str::trim).enumerate();
    let mut lines = lines.filter(|(_, line)| !line.starts_with('#'));
    lines.find_map(|(index, line)| Some((index + 1, wrong_sequence(argument(line)?)?)))
}

/// The text that a line writes, or the target of its link or copy.
fn argument(line: &str) -> Option<&str> {
    let kind = line.chars().next().filter(|kind| "fFwCL".contains(*kind));
    let mut rest = kind.map(|_| line)?;
    // Type, path, mode, user, group and age. Of quoted ones it is not known here where they end.
    for _ in 0..6 {
        let end = rest.find(char::is_whitespace)?;
        if rest[..end].contains(['"', '\'', '\\']) {
            return None;
        }
        rest = rest[end..].trim_start();
    }
    Some(rest)
}

/// The first escape sequence that systemd does not know.
fn wrong_sequence(text: &str) -> Option<String> {
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let after = &rest[at + 1..];
        let letter = after.chars().next();
        let digits = |radix: u32, most: usize| {
            after
                .chars()
                .take(most)
                .skip_while(|letter| "xuU".contains(*letter))
                .filter(|digit| digit.is_digit(radix))
                .count()
        };
        let length = match letter {
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | 's' | '\\' | '"' | '\'') => 1,
            Some('x') if digits(16, 3) == 2 => 3,
            Some('u') if digits(16, 5) == 4 => 5,
            Some('U') if digits(16, 9) == 8 => 9,
            Some('0'..='7') if digits(8, 3) == 3 => 3,
            _ => {
                let shown: String = letter.into_iter().collect();
                return Some(format!("\\{shown}"));
            }
        };
        rest = &after[length..];
    }
    None
}

fn line(text: &str) -> Line {
    let mut fields = text.split_whitespace();
    let word = fields.next().unwrap_or_default();
    let mut letters = word.chars();
    let kind = letters.next().unwrap_or_default();
    let modifiers = letters.as_str();
    if modifiers.contains('!') || "xXrR".contains(kind) {
        return Line::Later;
    }
    let is_directory = match kind {
        'd' | 'D' | 'v' | 'q' | 'Q' => true,
        'f' | 'F' => false,
        _ => return Line::Open,
    };
    let path = fields.next().unwrap_or_default();
    let mut field = || fields.next().filter(|field| *field != "-");
    let (mode, owner, group) = (field(), field(), field());
    // Conditional and masked modes, numbers for names, and specifiers depend on the host.
    let is_plain = |text: &str| !text.contains(['%', '"', '\'', '\\', ':', '~']);
    let all = [Some(path), mode, owner, group];
    let is_name = |name: Option<&str>| name.is_none_or(|name| !name.starts_with(|first: char| first.is_ascii_digit()));
    let mode = mode.map(|mode| u32::from_str_radix(mode, 8));
    if !all.into_iter().flatten().all(is_plain)
        || !path.starts_with('/')
        || !is_name(owner)
        || !is_name(group)
        || mode.as_ref().is_some_and(Result::is_err)
        // What may fail, or may be replaced.
        || modifiers.contains(['-', '=', '$', '?'])
    {
        return Line::Open;
    }
    Line::Makes(Made {
        path: path.trim_end_matches('/').to_owned(),
        is_directory,
        mode: mode.and_then(Result::ok),
        owner: owner.map(str::to_owned),
        group: group.map(str::to_owned),
    })
}

impl Line {
    pub(super) fn is_open(&self) -> bool {
        *self == Self::Open
    }

    pub(super) fn made(self) -> Option<Made> {
        match self {
            Self::Makes(made) => Some(made),
            Self::Later | Self::Open => None,
        }
    }
}

impl Made {
    /// Whether it is there as the line says.
    pub(super) fn holds(&self, fact: &PathFact) -> bool {
        let PathFact::Present(inode) = fact else {
            return false;
        };
        let is_kind = match inode.kind {
            InodeKind::Directory => self.is_directory,
            InodeKind::File { .. } => !self.is_directory,
            _ => false,
        };
        is_kind
            && self.mode.is_none_or(|mode| mode == inode.mode)
            && self.owner.as_ref().is_none_or(|owner| *owner == inode.owner)
            && self.group.as_ref().is_none_or(|group| *group == inode.group)
    }

    /// Its attributes after the line has acted on `now`.
    pub(super) fn attributes(&self, now: Option<&Inode>) -> Attributes {
        let name = |wanted: &Option<String>, now: Option<&String>| {
            let name = wanted.as_ref().or(now);
            name.map_or_else(|| "root".to_owned(), ToOwned::to_owned)
        };
        let usual = if self.is_directory { 0o755 } else { 0o644 };
        Attributes {
            mode: self.mode.or(now.map(|now| now.mode)).unwrap_or(usual),
            owner: name(&self.owner, now.map(|now| &now.owner)),
            group: name(&self.group, now.map(|now| &now.group)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_systemd_cannot_read_is_found() {
        for (line, expected) in [
            ("f /run/x 0644 root root - plain 100%", None),
            (
                r#"f /run/x 0644 root root - a\tb\n\x41\101\u00e9\U0001f600\\ \s\""#,
                None,
            ),
            (r"f+ /run/x - - - - \ x", Some(r"\ ")),
            (r"w /run/x - - - - a\", Some(r"\")),
            (r"L /run/x - - - - \x4", Some(r"\x")),
            (r"C /run/x - - - - \8", Some(r"\8")),
            (r"F /run/x - - - - \u12g4", Some(r"\u")),
            // There is no text, or it is not read.
            (r"d /run/x - - - - \ x", None),
            (r"# f /run/x - - - - \ x", None),
            (r"f /run/x\040y - - - - \ x", None),
            ("f /run/x", None),
        ] {
            let text = format!("# first\n{line}\n");
            let found = wrong_escape(&text);
            assert_eq!(found, expected.map(|sequence| (2, sequence.to_owned())), "{line}");
        }
    }

    #[test]
    fn a_line_makes_something_or_is_open() {
        let made = |path: &str, is_directory: bool, mode: Option<u32>, owner: Option<&str>| {
            Line::Makes(Made {
                path: path.to_owned(),
                is_directory,
                mode,
                owner: owner.map(str::to_owned),
                group: owner.map(str::to_owned),
            })
        };
        for (text, expected) in [
            (
                "d /run/a 0750 anna anna -",
                made("/run/a", true, Some(0o750), Some("anna")),
            ),
            ("d /run/a/", made("/run/a", true, None, None)),
            ("D\t/run/a\t755 - - 10d", made("/run/a", true, Some(0o755), None)),
            ("f+ /run/x 0600 - - - text", made("/run/x", false, Some(0o600), None)),
            ("d! /run/a", Line::Later),
            ("r! /run/lock", Line::Later),
            ("x /tmp/keep", Line::Later),
            ("d /run/%u", Line::Open),
            ("d /run/a ~0755", Line::Open),
            ("d /run/a 0755 1000", Line::Open),
            ("d- /run/a", Line::Open),
            ("z /sys/x 0644", Line::Open),
            ("L /etc/x - - - - /y", Line::Open),
            ("d", Line::Open),
        ] {
            assert_eq!(of(text), [expected], "{text}");
        }
        assert!(of("# d /run/a\n\n").is_empty());
    }
}
