//! An operation's changes on a page.

use std::fmt::Write as _;

use super::filter::Kind;
use super::quote::{OPTIONS, class, escaped, phrase};
use crate::facts::overlay::OperationId;
use crate::report::change::{span_text, tone};
use crate::report::diff_words;
use crate::report::phrases;
use crate::report::review::{Block, Change, DiffLine, Entry, EntryState, LineSign, Sign, SkippedEntry, Span};
use crate::report::sanitize::one_line;

/// An operation with something to do.
pub(super) fn entry(entry: &Entry<'_>) -> String {
    let trigger = phrase(&phrases::aside(entry));
    let trigger = if trigger.is_empty() {
        trigger
    } else {
        format!("<p class=\"along\">{trigger}</p>\n")
    };
    let source = format!("<p class=\"source\">{}</p>", phrase(&phrases::written_at(entry)));
    let shown = match &entry.state {
        EntryState::Unchanged => String::new(),
        EntryState::Change(all) => filtered(all, &[]),
        EntryState::Ensure { changes: all, .. } => filtered(all, entry.unless_each()),
        EntryState::Deferred { why, .. } if entry.stays => of_kind(
            entry.sign(),
            &format!(
                "{}<p class=\"along\">{}</p>\n",
                head(entry.sign(), &format!("<b>{}</b>", escaped(&one_line(entry.slug())))),
                escaped(&one_line(why))
            ),
        ),
        EntryState::Deferred {
            waits_for,
            why,
            touches,
            preview,
        } => {
            let mut text = format!(
                "{}<p class=\"along\">{} <code>{}</code></p>\n<p class=\"along\">{}</p>\n",
                head(entry.sign(), &format!("<b>{}</b>", escaped(&one_line(entry.slug())))),
                phrase(&phrases::known_when(waits_for)),
                escaped(&one_line(why)),
                phrase(&phrases::may_change(touches))
            );
            if !preview.is_empty() {
                let preview = changes(preview, &[]);
                let _ = writeln!(
                    text,
                    "<p class=\"along\">{}</p>\n<div class=\"preview\">{preview}</div>",
                    phrases::AS_THINGS_ARE
                );
            }
            of_kind(entry.sign(), &text)
        }
        EntryState::Check { what, state } => {
            let what = format!(
                "<b>{}</b> <span class=\"notes\">{}</span>",
                escaped(&one_line(what)),
                phrase(&phrases::check(state))
            );
            of_kind(entry.sign(), &head(entry.sign(), &what))
        }
    };
    format!("<article>\n{shown}{trigger}{source}\n</article>\n")
}

/// An operation with nothing to do, as an item of a list.
pub(super) fn idle(entry: &Entry<'_>) -> String {
    let name = match &entry.state {
        EntryState::Check { what, .. } => what.as_ref(),
        _ => entry.slug(),
    };
    format!(
        "<li>{} {} <span class=\"faint\">{}</span></li>\n",
        entry.sign().as_str(),
        escaped(&one_line(name)),
        escaped(&one_line(&entry.written_at))
    )
}

/// A task or an operation that `when` skips.
pub(super) fn skipped(skipped: &SkippedEntry<'_>) -> String {
    format!("<li>{}</li>\n", phrase(&phrases::skipped_entry(skipped)))
}

fn head(sign: Sign, rest: &str) -> String {
    let class = class(tone(sign));
    format!(
        "<p class=\"head\"><span class=\"sign {class}\" role=\"img\" aria-label=\"{}\">{}</span> {rest}</p>\n",
        word(sign),
        sign.as_str()
    )
}

/// What a sign says, for those who hear the page.
fn word(sign: Sign) -> &'static str {
    match sign {
        Sign::Added => "create",
        Sign::Changed => "change",
        Sign::Removed => "remove",
        Sign::EachTime => "each time",
        Sign::Later => "known later",
        Sign::CheckLater => "checked later",
        Sign::Passes => "passes",
        Sign::Fails => "fails",
        Sign::Unchanged => "unchanged",
    }
}

/// What the filters of the page show or hide.
fn of_kind(sign: Sign, text: &str) -> String {
    let kind = Kind::of(sign).map_or_else(String::new, |kind| format!(" {}", kind.class()));
    format!("<div class=\"change{kind}\">\n{text}</div>\n")
}

/// Changes that the filters show one by one. Packages that come along belong to the change before them.
fn filtered(all: &[Change<'_>], unless: &[OperationId]) -> String {
    all.chunk_by(|_, next| next.along.is_some())
        .map(|group| of_kind(group[0].sign(), &changes(group, unless)))
        .collect()
}

fn changes(changes: &[Change<'_>], unless: &[OperationId]) -> String {
    changes.iter().map(|one| change(one, unless)).collect()
}

fn change(change: &Change<'_>, unless: &[OperationId]) -> String {
    if let Some(along) = &change.along {
        let along = phrases::along(along, &OPTIONS);
        let mut text = String::new();
        if let Some(unknown) = &along.unknown {
            let _ = writeln!(text, "<p class=\"along\">{}</p>", phrase(unknown));
        }
        for (heading, names) in [along.installs, along.upgrades, along.removes].into_iter().flatten() {
            let _ = writeln!(
                text,
                "<p class=\"along\">{} <code>{}</code></p>",
                escaped(&heading),
                escaped(&names.join(", "))
            );
        }
        return text;
    }
    let parts: Vec<String> = phrases::parts(change, unless, &OPTIONS)
        .iter()
        .map(|(tone, part)| format!("<span class=\"note {}\">{}</span>", class(*tone), phrase(part)))
        .collect();
    let rest = format!(
        "{} <b>{}</b> <span class=\"notes\">{}</span>",
        escaped(change.kind.as_str()),
        escaped(&one_line(&change.name)),
        parts.join(" ")
    );
    let mut text = head(change.sign(), &rest);
    text.extend(change.blocks.iter().map(block));
    let mut more: Vec<String> = Vec::new();
    if !change.kept.is_empty() {
        let kept: Vec<String> = change.kept.iter().map(phrases::kept).collect();
        more.push(format!("unchanged: {}", escaped(&kept.join(", "))));
    }
    more.extend(change.steps.iter().map(|step| phrase(&phrases::step(step))));
    if !more.is_empty() {
        let _ = writeln!(text, "<p class=\"more\">{}</p>", more.join("<br>"));
    }
    text
}

fn block(block: &Block) -> String {
    let name = diff_words::block_name(block).map_or_else(String::new, |name| {
        format!("<p class=\"attribute\">{}</p>\n", escaped(&name))
    });
    if block.lines.is_empty() {
        return name;
    }
    let lines: String = block.lines.iter().map(line).collect();
    format!("{name}<pre class=\"diff\">{lines}</pre>\n")
}

fn line(line: &DiffLine) -> String {
    let (class, text) = match line {
        DiffLine::Hunk(header) => ("hunk", escaped(header)),
        DiffLine::Values { with_white_space } => ("faint", escaped(diff_words::values(*with_white_space))),
        DiffLine::NoNewline => ("faint", escaped(diff_words::NO_NEWLINE)),
        DiffLine::LeftOut(left_out) => ("faint", escaped(&diff_words::left_out(*left_out))),
        DiffLine::Line { sign, spans } => {
            let class = match sign {
                LineSign::Kept => "kept",
                LineSign::Added => "added",
                LineSign::Removed => "removed",
                LineSign::Changed => "changed",
            };
            let spans: String = spans.iter().map(span).collect();
            (class, format!("{}{spans}", sign.as_str()))
        }
    };
    format!("<span class=\"line {class}\">{text}</span>")
}

fn span(span: &Span) -> String {
    let text = escaped(&span_text(span));
    if span.is_changed {
        format!("<mark>{text}</mark>")
    } else {
        text
    }
}
