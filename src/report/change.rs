//! One change as lines of text: its sign, its resource, its attributes, its diffs.

use super::TextOptions;
use super::diff_words;
use super::layout::{Part, indented, row, wrapped};
use super::packages;
use super::phrases;
use super::review::{Block, Change, DiffLine, LineSign, Sign, Span, SpanText};
use super::sanitize::one_line;
use super::style::{Tone, paint};
use crate::facts::overlay::OperationId;

/// The style of a sign.
pub(super) fn tone(sign: Sign) -> Tone {
    match sign {
        Sign::Added => Tone::Added,
        Sign::Changed => Tone::Changed,
        Sign::Removed | Sign::Fails => Tone::Removed,
        Sign::EachTime => Tone::EachTime,
        Sign::Later | Sign::CheckLater => Tone::Later,
        Sign::Passes | Sign::Unchanged => Tone::Faint,
    }
}

/// The lines of a change in `room` columns; the operations in `unless` may already make it.
pub(super) fn lines(change: &Change<'_>, unless: &[OperationId], options: &TextOptions, room: usize) -> Vec<String> {
    if let Some(along) = &change.along {
        let lines = packages::lines(along, options, room.saturating_sub(2));
        return indented(lines, 2).collect();
    }
    let head = [
        Part::new(
            tone(change.sign()),
            format!("{} {}", change.sign().as_str(), change.kind),
        ),
        Part::new(Tone::Heading, format!(" {}", one_line(&change.name))),
    ];
    let parts: Vec<Part> = phrases::parts(change, unless, options)
        .into_iter()
        .map(|(tone, phrase)| Part::new(tone, phrase.text()))
        .collect();
    let mut lines = row(&head, &parts, room);
    for block in &change.blocks {
        lines.extend(indented(block_lines(block), 4));
    }
    if options.verbose {
        let more = indented(more(change, room), 4);
        lines.extend(more.map(|line| paint(Tone::Faint, &line)));
    }
    lines
}

fn block_lines(block: &Block) -> Vec<String> {
    let lines: Vec<String> = block.lines.iter().map(diff_line).collect();
    match diff_words::block_name(block) {
        None => lines,
        Some(name) => std::iter::once(paint(Tone::Faint, &name))
            .chain(indented(lines, 2))
            .collect(),
    }
}

fn diff_line(line: &DiffLine) -> String {
    match line {
        DiffLine::Hunk(header) => paint(Tone::Later, header),
        DiffLine::Values { with_white_space } => paint(Tone::Faint, diff_words::values(*with_white_space)),
        DiffLine::NoNewline => paint(Tone::Faint, diff_words::NO_NEWLINE),
        DiffLine::LeftOut(left_out) => paint(Tone::Faint, &diff_words::left_out(*left_out)),
        DiffLine::Line { sign, spans } => source_line(*sign, spans),
    }
}

fn source_line(sign: LineSign, spans: &[Span]) -> String {
    let (plain, changed) = match sign {
        LineSign::Kept => (Tone::Plain, Tone::Plain),
        LineSign::Added => (Tone::Added, Tone::AddedWord),
        LineSign::Removed => (Tone::Removed, Tone::RemovedWord),
        LineSign::Changed => (Tone::Changed, Tone::Changed),
    };
    let mut text = paint(plain, sign.as_str());
    for run in spans.chunk_by(|one, other| one.is_changed == other.is_changed) {
        let run_text: String = run.iter().map(span_text).collect();
        text.push_str(&paint(if run[0].is_changed { changed } else { plain }, &run_text));
    }
    if text == sign.as_str() {
        text.truncate(text.trim_end().len());
    }
    text
}

/// A line of a diff without styles.
pub(super) fn diff_text(line: &DiffLine) -> String {
    anstream::adapter::strip_str(&diff_line(line)).to_string()
}

/// The text of a span.
pub(super) fn span_text(span: &Span) -> String {
    match &span.text {
        SpanText::Shown(text) => text.clone(),
        SpanText::LeftOut(count) => diff_words::more_characters(*count),
    }
}

/// What only a verbose review shows.
fn more(change: &Change<'_>, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    if !change.kept.is_empty() {
        let kept: Vec<String> = change.kept.iter().map(phrases::kept).collect();
        lines.extend(wrapped(&format!("unchanged: {}", kept.join(", ")), room));
    }
    lines.extend(change.steps.iter().map(|step| phrases::step(step).text()));
    lines
}
