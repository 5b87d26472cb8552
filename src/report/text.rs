//! A review as text: the changes by host and task, then the totals.

use super::TextOptions;
use super::layout::{indented, joined, wrapped};
use super::operation;
use super::phrases;
use super::review::{Fold, HostReview, Review, Tally};
use super::sanitize::one_line;
use super::saved;
use super::style::{Tone, counted, paint};
use super::unread;

/// A review of the hosts that were read, as text, and what filters skipped.
pub fn text(review: &Review<'_>, options: &TextOptions) -> String {
    // Hosts with the same lines are shown once.
    let folds = review.folded(|host| host_lines(host, options));
    let mut lines = Vec::new();
    for fold in &folds {
        let shown = fold_lines(fold, options);
        if !shown.is_empty() {
            lines.push(heading(&fold.hosts));
            lines.extend(shown);
            lines.push(String::new());
        }
    }
    lines.extend(totals(review, &folds));
    for (slug, count) in &review.unbounded {
        let hint = phrases::unbounded(slug, *count).text();
        lines.extend(wrapped(&hint, options.width));
    }
    lines.extend(skipped_parts(review, options));
    if let Some(saved) = &review.saved {
        lines.extend(wrapped(&saved::named(saved).text(), options.width));
    }
    joined(&lines)
}

/// Hosts that could not be read, or not held to a saved plan, below a review without them.
pub fn not_read(review: &Review<'_>) -> String {
    let line = |label: &str| {
        let hosts = review.unread_hosts().filter(|host| unread::label(host.end) == label);
        let names: Vec<String> = hosts
            .map(|host| format!("{} ({})", one_line(host.host), unread::end(host.end)))
            .collect();
        let text = format!("{}: {}\n", paint(Tone::Removed, label), names.join(", "));
        (!names.is_empty()).then_some(text)
    };
    [unread::NOT_READ, unread::NOT_APPLIED]
        .into_iter()
        .filter_map(line)
        .collect()
}

fn names(hosts: &[&str]) -> String {
    let names: Vec<String> = hosts.iter().map(|host| one_line(host)).collect();
    names.join(", ")
}

fn heading(hosts: &[&str]) -> String {
    let same = if hosts.len() > 1 { "the same on " } else { "" };
    format!("{same}{}", paint(Tone::Heading, &names(hosts)))
}

/// What is below the names of the hosts; empty if there is nothing to show but a count.
fn fold_lines(fold: &Fold<'_, Vec<String>>, options: &TextOptions) -> Vec<String> {
    let mut lines = fold.body.clone();
    let notices = fold.notices();
    lines.extend(notices.map(|(notice, hosts)| format!("  ! {}", phrases::notice(notice, hosts))));
    let totals = &fold.totals.totals;
    if !lines.is_empty() && totals.unchanged + totals.holding > 0 && !options.verbose {
        let as_wanted = phrases::as_wanted(totals);
        lines.push(paint(Tone::Faint, &format!("  {as_wanted}")));
    }
    lines
}

/// The changes of a host.
fn host_lines(host: &HostReview<'_>, options: &TextOptions) -> Vec<String> {
    let mut lines = Vec::new();
    let mut heading = None;
    for task in &host.tasks {
        for entry in &task.entries {
            let block = operation::lines(entry, options, options.width.saturating_sub(4));
            if block.is_empty() {
                continue;
            }
            if heading != Some(task.task) {
                heading = Some(task.task);
                lines.push(format!("  {}", one_line(task.task)));
            }
            lines.extend(indented(block, 4));
        }
    }
    if options.verbose {
        let skipped = host.skipped.iter();
        lines.extend(skipped.map(|skipped| {
            let skipped = phrases::skipped_entry(skipped).text();
            paint(Tone::Faint, &format!("  {}: {skipped}", phrases::SKIPPED_BY_WHEN))
        }));
    }
    lines
}

fn totals(review: &Review<'_>, folds: &[Fold<'_, Vec<String>>]) -> Vec<String> {
    let hosts = review.read_hosts().count();
    if !review.is_pending {
        return vec![nothing_to_do(review, hosts)];
    }
    let (idle, busy): (Vec<_>, Vec<_>) = folds.iter().partition(|fold| fold.totals.is_idle());
    let mut lines: Vec<String> = busy
        .iter()
        .map(|fold| {
            let each = if fold.hosts.len() > 1 { " on each" } else { "" };
            format!("{}{each}: {}", names(&fold.hosts), tally(&fold.totals))
        })
        .collect();
    let idle: Vec<&str> = idle.iter().flat_map(|fold| &fold.hosts).copied().collect();
    if !idle.is_empty() {
        lines.push(format!("{}: nothing to do", names(&idle)));
    }
    if hosts > 1 {
        let text = format!("{} in total: ", counted(hosts, "host"));
        lines.push(format!("{}{}", paint(Tone::Heading, &text), tally(&review.totals)));
    }
    lines
}

/// The counts; a second line for additional packages.
fn tally(tally: &Tally) -> String {
    let line = painted(phrases::totals(tally));
    let along = painted(phrases::along_totals(tally));
    if along.is_empty() {
        return line;
    }
    format!("{line}\n    {}{along}", phrases::ALONG_WITH_PACKAGES)
}

fn painted(parts: Vec<(Tone, String)>) -> String {
    let parts: Vec<String> = parts.into_iter().map(|(tone, text)| paint(tone, &text)).collect();
    parts.join(", ")
}

fn nothing_to_do(review: &Review<'_>, hosts: usize) -> String {
    let totals = &review.totals.totals;
    format!(
        "{} on {}: {}",
        paint(Tone::Heading, phrases::nothing_to_do(totals)),
        counted(hosts, "host"),
        phrases::idle_counts(totals)
    )
}

/// What a filtered run skipped.
fn skipped_parts(review: &Review<'_>, options: &TextOptions) -> Vec<String> {
    let parts: Vec<String> = phrases::skipped(&review.skipped)
        .iter()
        .map(phrases::Phrase::text)
        .collect();
    if parts.is_empty() {
        return Vec::new();
    }
    wrapped(&format!("{}{}", phrases::SKIPPED, parts.join("; ")), options.width)
}
