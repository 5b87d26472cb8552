//! Mistakes with excerpts of their files.

use std::fmt::Write as _;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};

use super::sanitize;
use super::style::{Tone, counted, paint};
use crate::error::{Diagnostic, Label, Origin};
use crate::plan::Mistake;
use crate::policy;

const WIDTH: usize = 120;

/// How many mistakes with one reason are shown.
const SHOWN_PER_REASON: usize = 10;

/// One mistake: what is wrong, where, why, and what to do.
pub fn diagnostic(diagnostic: &Diagnostic) -> String {
    rendered(diagnostic, &[])
}

/// All mistakes, each shown once, and their number.
pub fn diagnostics(all: &[Diagnostic]) -> String {
    let mut shown: Vec<(&Diagnostic, Vec<&str>)> = Vec::new();
    for diagnostic in all {
        if !shown.iter().any(|(known, _)| *known == diagnostic) {
            shown.push((diagnostic, Vec::new()));
        }
    }
    together(&shown)
}

/// The line for someone who encrypted a secret that they cannot decrypt.
pub fn warning_of_outsider() -> String {
    let warning = paint(Tone::Changed, "warning");
    format!(
        "{warning}: you cannot decrypt it yourself: none of your keys is among the recipients; `homelab secrets init` says how to \
         become one"
    )
}

/// The line of a command that works despite mistakes in files that it does not need.
pub fn warning_of_mistakes(number: usize) -> String {
    let warning = paint(Tone::Changed, "warning");
    let count = counted(number, "mistake");
    format!("{warning}: {count} in the project, none in what this command needs; see `homelab check`")
}

/// Mistakes found on hosts; the same mistake on several hosts is shown once with their names. Numbers in what a program prints, such
/// as the time and its process id, do not make another mistake of it.
pub fn mistakes(all: &[Mistake]) -> String {
    let mut shown: Vec<(&Diagnostic, Vec<&str>)> = Vec::new();
    for mistake in all {
        match shown.iter_mut().find(|(known, _)| is_same(known, &mistake.diagnostic)) {
            // An operation that is planned again may find it again.
            Some((_, hosts)) if hosts.contains(&mistake.host.as_str()) => {}
            Some((_, hosts)) => hosts.push(&mistake.host),
            None => shown.push((&mistake.diagnostic, vec![&mistake.host])),
        }
    }
    together(&shown)
}

/// Whether both say the same at the same place, but for numbers in their causes.
fn is_same(one: &Diagnostic, other: &Diagnostic) -> bool {
    let words = |cause: &String| cause.replace(|sign: char| sign.is_ascii_digit(), "");
    one == other
        || (one.title == other.title
            && one.labels == other.labels
            && one.hint == other.hint
            && one.causes.iter().map(words).eq(other.causes.iter().map(words)))
}

/// The mistakes with their number. Of many with one reason, the first ones are enough to fix it.
pub(super) fn together(all: &[(&Diagnostic, Vec<&str>)]) -> String {
    let mut blocks: Vec<String> = Vec::new();
    let mut reasons: Vec<(&Diagnostic, usize)> = Vec::new();
    for (one, hosts) in all {
        let known = reasons.iter().position(|(known, _)| same_reason(known, one));
        let at = known.unwrap_or_else(|| {
            reasons.push((one, 0));
            reasons.len() - 1
        });
        reasons[at].1 += 1;
        if reasons[at].1 <= SHOWN_PER_REASON {
            blocks.push(rendered(one, hosts));
        }
    }
    let mut text = blocks.join("\n");
    if all.len() > 1 {
        let count = paint(Tone::Heading, &counted(all.len(), "mistake"));
        let _ = write!(text, "\nfound {count}");
        let left_out = all.len() - blocks.len();
        if left_out > 0 {
            let left_out = super::style::grouped(left_out);
            let _ = write!(
                text,
                ", of which {left_out} with the same reasons are not shown: `--format json` has all"
            );
        }
        text.push('\n');
    }
    text
}

/// Whether the same is said beside the excerpt and below it.
fn same_reason(one: &Diagnostic, other: &Diagnostic) -> bool {
    let said = |diagnostic: &Diagnostic| Some(diagnostic.labels.first()?.text.clone()).filter(|text| !text.is_empty());
    said(one).is_some() && said(one) == said(other) && one.hint == other.hint && one.causes == other.causes
}

/// What a lint finds, with its name.
pub(super) fn rendered_as(level: policy::Level, name: &str, diagnostic: &Diagnostic, hosts: &[&str]) -> String {
    let level = match level {
        policy::Level::Error => Level::ERROR,
        policy::Level::Warning => Level::WARNING,
        policy::Level::Note => Level::NOTE,
    };
    let title = level.primary_title(sanitize::one_line(&diagnostic.title)).id(name);
    with_excerpt(Group::with_title(title), diagnostic, &notes(diagnostic, hosts))
}

fn rendered(diagnostic: &Diagnostic, hosts: &[&str]) -> String {
    let notes = notes(diagnostic, hosts);
    if diagnostic.labels.is_empty() {
        return without_excerpt(diagnostic, &notes);
    }
    let title = Level::ERROR.primary_title(sanitize::one_line(&diagnostic.title));
    with_excerpt(Group::with_title(title), diagnostic, &notes)
}

fn with_excerpt<'a>(mut group: Group<'a>, diagnostic: &Diagnostic, notes: &'a [(&'static str, String)]) -> String {
    for labels in by_file(&diagnostic.labels) {
        group = group.element(excerpt(&labels, &diagnostic.labels[0]));
    }
    for (name, text) in notes {
        let level = if *name == "hint" { Level::HELP } else { Level::NOTE };
        group = group.element(level.with_name(*name).message(text.as_str()));
    }
    let rendered = Renderer::styled().term_width(WIDTH).render(&[group]);
    rendered
        .lines()
        .fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

/// The notes below the excerpts, each with its label.
fn notes(diagnostic: &Diagnostic, hosts: &[&str]) -> Vec<(&'static str, String)> {
    let causes = diagnostic.causes.iter();
    let mut notes: Vec<(&'static str, String)> = causes.map(|cause| ("caused by", sanitize::lines(cause))).collect();
    if !hosts.is_empty() {
        notes.push(("on", sanitize::one_line(&hosts.join(", "))));
    }
    notes.extend(diagnostic.hint.iter().map(|hint| ("hint", sanitize::lines(hint))));
    notes
}

fn without_excerpt(diagnostic: &Diagnostic, notes: &[(&'static str, String)]) -> String {
    let title = sanitize::one_line(&diagnostic.title);
    let mut text = format!("{}: {title}\n", paint(Tone::Removed, "error"));
    for (name, note) in notes {
        let note = note
            .trim_end()
            .replace('\n', &format!("\n{}", " ".repeat(name.len() + 4)));
        let _ = writeln!(text, "  {}: {note}", paint(Tone::Heading, name));
    }
    text
}

fn by_file(labels: &[Label]) -> Vec<Vec<&Label>> {
    let mut files: Vec<Vec<&Label>> = Vec::new();
    for label in labels {
        match files.iter_mut().find(|file| file[0].origin.file == label.origin.file) {
            Some(file) => file.push(label),
            None => files.push(vec![label]),
        }
    }
    files
}

fn excerpt<'a>(labels: &[&Label], first: &Label) -> Snippet<'a, Annotation<'a>> {
    let file = &labels[0].origin.file;
    // Only the lines that it needs: a file may be long, and have many mistakes.
    let spans: Vec<_> = labels.iter().map(|label| span(&label.origin)).collect();
    let (start, end) = spans.iter().fold((file.text.len(), 0), |(start, end), span| {
        (start.min(span.start), end.max(span.end))
    });
    let from = file.text[..start].rfind('\n').map_or(0, |at| at + 1);
    let to = file.text[end..].find('\n').map_or(file.text.len(), |at| end + at + 1);
    let mut snippet = Snippet::source(same_length(&file.text[from..to]))
        .line_start(1 + file.text[..from].matches('\n').count())
        .path(sanitize::one_line(&file.path));
    for (label, span) in labels.iter().zip(spans) {
        let kind = if std::ptr::eq(*label, first) {
            AnnotationKind::Primary
        } else {
            AnnotationKind::Context
        };
        let text = (!label.text.is_empty()).then(|| sanitize::lines(&label.text));
        snippet = snippet.annotation(kind.span(span.start - from..span.end - from).label(text));
    }
    snippet
}

/// The span, clamped to the file and to character boundaries.
fn span(origin: &Origin) -> std::ops::Range<usize> {
    let text = &origin.file.text;
    let between = |at: usize| {
        let at = at.min(text.len());
        (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
    };
    let start = between(origin.span.start);
    start..between(origin.span.end).max(start)
}

/// The text, sanitized without moving a byte, since spans point into it. Control characters of one byte are shown as
/// pictures by the renderer.
fn same_length(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for character in text.chars() {
        match (sanitize::is_hidden(character), character.len_utf8()) {
            (true, 2) => harmless.push('¿'),
            (true, 3) => harmless.push('\u{fffd}'),
            (true, 4) => harmless.push_str("¿¿"),
            _ => harmless.push(character),
        }
    }
    harmless
}
