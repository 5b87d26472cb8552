//! Two texts compared line by line, and texts that are added or removed as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use similar::{Algorithm, ChangeTag, DiffOp, TextDiff};

use super::line::{DiffLine, LeftOut, LineSign, SourceLine};

/// Lines shown around a change.
const CONTEXT: usize = 3;
/// More changed lines than these are counted, not shown.
const MOST_CHANGED: usize = 2000;
/// Lines shown of a text that is added or removed as a whole.
const MOST_LISTED: usize = 40;
/// Only a safety net: slower texts are counted, not compared, so that the same texts give the same lines.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longer stretches of changed lines are not searched for changed words, in bytes.
const MOST_INLINE: usize = 16 * 1024;
/// Lines as long as this on average show where they differ even if they have little in common, in bytes.
const LONG: usize = 400;

/// The lines of a unified diff; `whole` leaves out nothing.
pub(super) fn compared(old: &str, new: &str, whole: bool) -> Vec<DiffLine> {
    let old_lines: Vec<&str> = old.split_inclusive('\n').collect();
    let new_lines: Vec<&str> = new.split_inclusive('\n').collect();
    if !whole {
        let (removed, added) = counts(&old_lines, &new_lines);
        if removed + added > MOST_CHANGED {
            return vec![DiffLine::LeftOut(LeftOut::Changed { removed, added })];
        }
    }
    let diff = TextDiff::configure()
        .algorithm(Algorithm::Myers)
        .timeout(TIMEOUT)
        .diff_slices(&old_lines, &new_lines);
    let (removed, added) = changed_lines(diff.ops());
    if !whole && removed + added > MOST_CHANGED {
        // The number of lines of a move depends on the diff algorithm, so the exact count is not given.
        return vec![DiffLine::LeftOut(LeftOut::ChangedOver(MOST_CHANGED))];
    }
    let mut lines = Vec::new();
    for group in diff.grouped_ops(CONTEXT) {
        lines.push(DiffLine::Hunk(hunk_header(&group)));
        for operation in &group {
            lines.extend(operation_lines(&diff, operation, whole));
        }
    }
    lines
}

/// The lines of a text that is added or removed as a whole.
pub(super) fn listed(text: &str, sign: LineSign, whole: bool) -> Vec<DiffLine> {
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    let shown = if whole { all.len() } else { all.len().min(MOST_LISTED) };
    let mut lines: Vec<DiffLine> = all[..shown]
        .iter()
        .flat_map(|line| {
            let line = SourceLine {
                sign,
                stretches: vec![(false, line)],
                shows_whitespace: false,
                whole,
            };
            line.lines()
        })
        .collect();
    if shown < all.len() {
        lines.push(DiffLine::LeftOut(LeftOut::Listed {
            more: all.len() - shown,
            all: all.len(),
        }));
    }
    lines
}

/// How many lines are removed and added, regardless of their order: fast for texts of any size.
fn counts(old: &[&str], new: &[&str]) -> (usize, usize) {
    let mut balance: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for line in old {
        balance.entry(line).or_default().0 += 1;
    }
    for line in new {
        balance.entry(line).or_default().1 += 1;
    }
    balance.values().fold((0, 0), |(removed, added), (before, after)| {
        (
            removed + before.saturating_sub(*after),
            added + after.saturating_sub(*before),
        )
    })
}

fn changed_lines(operations: &[DiffOp]) -> (usize, usize) {
    let changed = operations.iter().filter(|one| !matches!(one, DiffOp::Equal { .. }));
    changed.fold((0, 0), |(removed, added), one| {
        (removed + one.old_range().len(), added + one.new_range().len())
    })
}

fn hunk_header(group: &[DiffOp]) -> String {
    let (first, last) = (&group[0], &group[group.len() - 1]);
    let old = first.old_range().start..last.old_range().end;
    let new = first.new_range().start..last.new_range().end;
    format!("@@ -{} +{} @@", position(&old), position(&new))
}

/// Counts as `diff -u` does: an empty range comes after the line it names.
fn position(range: &std::ops::Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => format!("{}", range.start + 1),
        count => format!("{},{count}", range.start + 1),
    }
}

fn operation_lines(diff: &TextDiff<'_, '_, str>, operation: &DiffOp, whole: bool) -> Vec<DiffLine> {
    let blank = Blank::of(diff, operation);
    let render = |tag: ChangeTag, stretches: Vec<(bool, &str)>| {
        let (sign, shows_whitespace) = match tag {
            ChangeTag::Equal => (LineSign::Kept, false),
            ChangeTag::Insert => (LineSign::Added, blank.is_in_old(&stretches)),
            ChangeTag::Delete => (LineSign::Removed, blank.is_in_new(&stretches)),
        };
        let line = SourceLine {
            sign,
            stretches,
            shows_whitespace,
            whole,
        };
        line.lines()
    };
    let lines = stretched(diff, operation, whole).into_iter();
    lines.flat_map(|(tag, stretches)| render(tag, stretches)).collect()
}

type Stretches<'a> = Vec<(bool, &'a str)>;

/// The lines of one diff operation, with changed words marked.
fn stretched<'a>(diff: &'a TextDiff<'_, '_, str>, operation: &DiffOp, whole: bool) -> Vec<(ChangeTag, Stretches<'a>)> {
    let plain = || {
        let changes = diff.iter_changes(operation);
        changes
            .map(|change| (change.tag(), vec![(false, change.value())]))
            .collect::<Vec<_>>()
    };
    let DiffOp::Replace { old_len, new_len, .. } = operation else {
        return plain();
    };
    let bytes: usize = diff.iter_changes(operation).map(|change| change.value().len()).sum();
    let is_paired = old_len == new_len;
    if bytes > MOST_INLINE && !whole {
        return if is_paired { paired(diff, operation) } else { plain() };
    }
    let changes = diff.iter_inline_changes_deadline(operation, Some(Instant::now() + TIMEOUT));
    let lines: Vec<(ChangeTag, Stretches<'a>)> =
        changes.map(|change| (change.tag(), change.values().to_vec())).collect();
    let has_words = lines
        .iter()
        .any(|(_, stretches)| stretches.iter().any(|(is_word, _)| *is_word));
    if is_paired && !has_words && bytes > LONG * lines.len() {
        return paired(diff, operation);
    }
    lines
}

/// Lines replaced by equally many: the common start and end of a line and its replacement are not marked.
fn paired<'a>(diff: &'a TextDiff<'_, '_, str>, operation: &DiffOp) -> Vec<(ChangeTag, Stretches<'a>)> {
    let of = |tag: ChangeTag| {
        let changes = diff.iter_changes(operation).filter(move |change| change.tag() == tag);
        changes.map(|change| change.value()).collect::<Vec<&'a str>>()
    };
    let (old, new) = (of(ChangeTag::Delete), of(ChangeTag::Insert));
    let marked = |tag: ChangeTag, own: &[&'a str], other: &[&'a str]| {
        let pairs = std::iter::zip(own, other);
        pairs
            .map(|(own, other)| (tag, middle_marked(own, other)))
            .collect::<Vec<_>>()
    };
    let mut lines = marked(ChangeTag::Delete, &old, &new);
    lines.extend(marked(ChangeTag::Insert, &new, &old));
    lines
}

fn middle_marked<'a>(own: &'a str, other: &str) -> Stretches<'a> {
    let same = |(own, other): &(char, char)| own == other;
    let bytes = |pairs: &mut dyn Iterator<Item = (char, char)>| pairs.map(|(own, _)| own.len_utf8()).sum::<usize>();
    let head = bytes(&mut std::iter::zip(own.chars(), other.chars()).take_while(same));
    let (own_rest, other_rest) = (&own[head..], &other[head..]);
    let tail = bytes(&mut std::iter::zip(own_rest.chars().rev(), other_rest.chars().rev()).take_while(same));
    let (middle, end) = own_rest.split_at(own_rest.len() - tail);
    vec![(false, &own[..head]), (true, middle), (false, end)]
}

/// The lines of a replacement without their spaces: a line that differs from another only by these shows them.
struct Blank {
    old: BTreeSet<String>,
    new: BTreeSet<String>,
}

impl Blank {
    fn of(diff: &TextDiff<'_, '_, str>, operation: &DiffOp) -> Self {
        let mut blank = Self {
            old: BTreeSet::new(),
            new: BTreeSet::new(),
        };
        for change in diff.iter_changes(operation) {
            let text = without_spaces([change.value()]);
            match change.tag() {
                ChangeTag::Delete => blank.old.insert(text),
                ChangeTag::Insert => blank.new.insert(text),
                ChangeTag::Equal => false,
            };
        }
        blank
    }

    fn is_in_old(&self, stretches: &[(bool, &str)]) -> bool {
        self.old
            .contains(&without_spaces(stretches.iter().map(|(_, text)| *text)))
    }

    fn is_in_new(&self, stretches: &[(bool, &str)]) -> bool {
        self.new
            .contains(&without_spaces(stretches.iter().map(|(_, text)| *text)))
    }
}

/// Line breaks are no spaces here: a file that lost its last one shows that by itself.
fn without_spaces<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let characters = texts.into_iter().flat_map(str::chars);
    characters
        .filter(|character| !matches!(character, ' ' | '\t'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_two_lines_is_marked() {
        let marked = middle_marked("aüxa\n", "aüyya\n");
        assert_eq!(marked, [(false, "aü"), (true, "x"), (false, "a\n")]);
        assert_eq!(middle_marked("aa", "aaa"), [(false, "aa"), (true, ""), (false, "")]);
        assert_eq!(middle_marked("aaa", "aa"), [(false, "aa"), (true, "a"), (false, "")]);
        assert_eq!(middle_marked("", ""), [(false, ""), (true, ""), (false, "")]);
    }

    #[test]
    fn positions_are_those_of_diff() {
        assert_eq!(position(&(0..0)), "0,0");
        assert_eq!(position(&(4..5)), "5");
        assert_eq!(position(&(4..7)), "5,3");
    }
}
