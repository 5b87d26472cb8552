//! What is written beside the values that change: comments, the order of keys, quotes, white space.
//!
//! Everything that a review shows by its value is taken out of both texts. What is left must be the same.

use std::cmp::Reverse;
use std::ops::Range;

use super::compare::Change;

/// What is left of two texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    Same,
    /// The same but for white space.
    WhiteSpace,
    Differs,
}

/// Stands for a value that is replaced.
const REPLACED: char = '\u{1}';
/// Stands for a key, value or bracket that is added or removed.
const OWN: char = '\u{2}';

/// Compares what is left of `old` and `new` without `changes`.
pub(super) fn compare(old: &str, new: &str, changes: &[Change]) -> Beside {
    if [old, new].iter().any(|text| text.contains([REPLACED, OWN])) {
        return Beside::Differs;
    }
    let [mut of_old, mut of_new] = [Vec::new(), Vec::new()];
    for change in changes {
        let sign = match (&change.before, &change.after) {
            (Some(_), Some(_)) => REPLACED,
            _ => OWN,
        };
        let sides = [(&change.before, &mut of_old), (&change.after, &mut of_new)];
        for (value, places) in sides {
            let Some(value) = value else { continue };
            let places_of_value = value.all_places().into_iter();
            places.extend(
                change
                    .key_place
                    .iter()
                    .cloned()
                    .chain(places_of_value)
                    .map(|place| (place, sign)),
            );
        }
    }
    let (Some(old), Some(new)) = (left(old, of_old), left(new, of_new)) else {
        return Beside::Differs;
    };
    let without_white_space = |lines: &[String]| -> String {
        let lines = lines
            .iter()
            .map(|line| line.split_ascii_whitespace().collect::<String>());
        let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
        lines.join("\n")
    };
    if old == new {
        Beside::Same
    } else if without_white_space(&old) == without_white_space(&new) {
        Beside::WhiteSpace
    } else {
        Beside::Differs
    }
}

/// The lines of a text without what is written at `places`; `None` if these overlap.
fn left(text: &str, mut places: Vec<(Range<usize>, char)>) -> Option<Vec<String>> {
    places.sort_by_key(|(place, _)| (place.start, Reverse(place.end)));
    let mut rest = String::new();
    let mut at = 0;
    for (place, sign) in places {
        // The key of a table is a part of its heading.
        if place.end <= at && !place.is_empty() {
            continue;
        }
        rest.push_str(text.get(at..place.start)?);
        rest.push(sign);
        at = place.end;
    }
    rest.push_str(text.get(at..)?);
    let lines = rest.split('\n').filter(|line| !is_own(line)).map(without_separators);
    Some(lines.collect())
}

/// What stands between the parts of a value on a line.
const BETWEEN: &str = "-:=.";

/// Whether nothing else is on a line than what is added or removed.
fn is_own(line: &str) -> bool {
    let is_own = |character: char| {
        character == OWN || character == ',' || character.is_whitespace() || BETWEEN.contains(character)
    };
    line.contains(OWN) && line.chars().all(is_own)
}

/// A line without values that are added or removed and the commas beside them: a comma comes and goes with its item.
fn without_separators(line: &str) -> String {
    let mut pieces = line.split(OWN);
    let mut rest = pieces.next().unwrap_or_default().to_owned();
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        let is_between = |character: char| character == ' ' || BETWEEN.contains(character);
        if pieces.peek().is_some() && piece.chars().all(is_between) {
            continue;
        }
        if let Some(piece) = piece.strip_prefix(',') {
            rest.push_str(piece.trim_start_matches(' '));
            continue;
        }
        if let Some(before) = rest.trim_end_matches(' ').strip_suffix(',') {
            rest.truncate(before.len());
        }
        rest.push_str(piece);
    }
    let end = rest.trim_end();
    if end.ends_with(',') && !end.contains('#') {
        rest.truncate(end.len() - 1);
    }
    rest
}
