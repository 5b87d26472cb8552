//! Where in a file of the project something is written that a host gets, or that is read from it.

use std::ops::Range;

use super::PlanContext;
use crate::content::Assets;
use crate::error::{Origin, SourceFile};

/// Where a place of `text` is in the project, which is the file at `path` below `templates/` without the ending of templates. In what
/// a template gives, that is the same line of the template, if it has one.
pub(super) fn place_in_project(
    context: &PlanContext<'_>,
    path: &str,
    text: &str,
    place: Range<usize>,
) -> Option<Origin> {
    if let Some(own) = context.asset_text(path) {
        let file = SourceFile::new(format!("templates/{path}"), own);
        return (own == text).then(|| Origin::new(&file, place));
    }
    let path = format!("{path}{}", Assets::TEMPLATE_SUFFIX);
    let template = context.asset_text(&path)?;
    let place = in_template(template, text, place)?;
    let file = SourceFile::new(format!("templates/{path}"), template);
    Some(Origin::new(&file, place))
}

/// The place of a template that gives a place of its text.
fn in_template(template: &str, text: &str, place: Range<usize>) -> Option<Range<usize>> {
    let start = text.get(..place.start)?.rfind('\n').map_or(0, |at| at + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let in_template = template_line(template, text, start, line)?;
    let of_template = template[in_template..].lines().next().unwrap_or_default();
    if of_template != line {
        // What an expression gives has no place of its own.
        let indent = of_template.len() - of_template.trim_start().len();
        return Some(in_template + indent..in_template + of_template.trim_end().len());
    }
    let end = (in_template + place.end.saturating_sub(start)).min(in_template + line.len());
    Some(in_template + (place.start - start)..end)
}

/// Where the line of a template begins that gives the line at `start` of its text: the same one, of several the one in the same turn,
/// or of a template that only has expressions within lines the one with the same number.
fn template_line(template: &str, text: &str, start: usize, line: &str) -> Option<usize> {
    let same = |text: &str| -> Vec<usize> {
        let mut at = 0;
        let starts = text.split_inclusive('\n').map(|one| {
            let own = at;
            at += one.len();
            (own, one.trim_end_matches(['\n', '\r']))
        });
        starts.filter(|(_, one)| *one == line).map(|(at, _)| at).collect()
    };
    let (written, rendered) = (same(template), same(text));
    if !line.trim().is_empty() && written.len() == rendered.len() {
        let turn = rendered.iter().position(|at| *at == start)?;
        return written.get(turn).copied();
    }
    if template.contains("{%") || template.lines().count() != text.lines().count() {
        return None;
    }
    let number = text[..start].matches('\n').count();
    let before = template.split_inclusive('\n').take(number);
    Some(before.map(str::len).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_text_is_found_in_its_template() {
        let template = "a: 1\n{% for x in [1, 2] %}\nb: {{ x }}\nc: 3\n{% endfor %}\nd: 4\n";
        let text = "a: 1\n\nb: 1\nc: 3\n\nb: 2\nc: 3\n\nd: 4\n";
        for (word, expected) in [("a: 1", Some("a: 1")), ("4", Some("4")), ("b: 2", None), ("c: 3", None)] {
            let at = text.find(word).expect("a word");
            let place = in_template(template, text, at..at + word.len());
            assert_eq!(place.map(|place| &template[place]), expected, "{word}");
        }
        // Without blocks each line has its number.
        let (template, text) = ("a: {{ x }}\nb: 1\n", "a: 1\nb: 1\n");
        assert_eq!(
            in_template(template, text, 3..4).map(|place| &template[place]),
            Some("a: {{ x }}")
        );
    }
}
