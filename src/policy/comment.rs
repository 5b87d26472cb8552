//! `homelab: allow NAME: REASON` in a comment of any file: on the line that it is about, or above it.

use std::sync::Arc;

use crate::error::{Origin, SourceFile};

/// What a comment begins with that allows lints.
const MARK: &str = "homelab: allow ";

/// A comment that allows lints.
#[derive(Clone, Debug)]
pub(super) struct Comment {
    /// The number of its line, counted from 1.
    pub(super) line: usize,
    /// Whether nothing else is on the line, so that it is about the next one.
    pub(super) is_alone: bool,
    pub(super) lints: Vec<(String, Origin)>,
    /// Empty if it gives none.
    pub(super) reason: String,
    pub(super) place: Origin,
}

/// The comments of a file that allow lints.
pub(super) fn comments(file: &Arc<SourceFile>) -> Vec<Comment> {
    let mut found = Vec::new();
    let mut start = 0;
    for (index, line) in file.text.split_inclusive('\n').enumerate() {
        found.extend(comment(file, start, line.trim_end(), index + 1));
        start += line.len();
    }
    found
}

fn comment(file: &Arc<SourceFile>, start: usize, line: &str, number: usize) -> Option<Comment> {
    let at = line.find(MARK)?;
    let before = line[..at].trim_end();
    let is_comment = ["#", "//", "{#", "{#-", "<!--", "/*", ";", "\""]
        .iter()
        .any(|sign| before.ends_with(sign));
    if !is_comment {
        return None;
    }
    let rest = line[at + MARK.len()..]
        .trim_end_matches("#}")
        .trim_end_matches("-->")
        .trim_end_matches("*/");
    let (names, reason) = rest.split_once(':').unwrap_or((rest, ""));
    let mut lints = Vec::new();
    let mut offset = start + at + MARK.len();
    for name in names.split(',') {
        let blank = name.len() - name.trim_start().len();
        let bare = name.trim();
        let own = offset + blank;
        lints.push((bare.to_owned(), Origin::new(file, own..own + bare.len())));
        offset += name.len() + 1;
    }
    Some(Comment {
        line: number,
        is_alone: before.trim_start().len() <= 4,
        lints,
        reason: reason.trim().to_owned(),
        place: Origin::new(file, start + at..start + line.len()),
    })
}

impl Comment {
    /// Whether it is about a line of its file: its own, or the next one that is no such comment.
    pub(super) fn is_about(&self, line: usize, all: &[Self]) -> bool {
        if !self.is_alone {
            return self.line == line;
        }
        let mut next = self.line + 1;
        while all.iter().any(|other| other.is_alone && other.line == next) {
            next += 1;
        }
        next == line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_about_its_line_or_the_next() {
        let text = "# homelab: allow latest-tag, docker-socket: as meant\n  # homelab: allow no-checksum: why\nimage: x\n\
                    y: z # homelab: allow latest-tag: here\n{# homelab: allow wide-role: it is #}\nsays homelab: allow nothing: at all\n";
        let file = SourceFile::new("f", text);
        let found = comments(&file);
        assert_eq!(found.len(), 4);
        assert_eq!(
            found[0].lints.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["latest-tag", "docker-socket"]
        );
        assert_eq!(&text[found[0].lints[1].1.span.clone()], "docker-socket");
        assert_eq!(found[0].reason, "as meant");
        assert_eq!(found[3].reason, "it is");
        let about: Vec<Vec<usize>> = found
            .iter()
            .map(|one| (1..8).filter(|line| one.is_about(*line, &found)).collect())
            .collect();
        assert_eq!(about, [vec![3], vec![3], vec![4], vec![6]]);
    }
}
