//! A review as Markdown, for a comment on a pull request.
//!
//! Foreign text is only in code spans and fenced blocks, or escaped in `<code>`. There it cannot be markup, a link or a
//! mention, and cannot end its block. GitHub's own extensions leave code alone too.

mod fit;
mod item;
mod quote;

use std::fmt::Write as _;

use super::failure::{self, ENDS};
use super::phrases::{self, Phrase};
use super::review::{Fold, HostReview, Review};
use super::sanitize::one_line;
use super::style::{counted, grouped};
use super::{saved, unread};
use crate::apply::{HostEnd, OperationResult, ResourceEnd};
use fit::{Fit, Section, fit};
use item::Item;
use quote::{code, html_code, names, phrase};

/// GitHub takes comments of 65,536 characters. Bytes are counted here: a text never has more characters than bytes, whether
/// those are Unicode characters or UTF-16 units.
const MOST: usize = 65_000;

/// Longer names of an inventory or a deploy are cut, in bytes.
const NAME: usize = 255;

/// A heading, a line and a block of text, cut to what a comment may have.
pub(super) fn block(command: &str, title: &str, text: &str) -> String {
    let head = format!("## {}\n\n{}\n\n", quote::code(command), quote::words(title));
    let mut lines: Vec<String> = Vec::new();
    // The fence, and the line about what is left out.
    let mut room = MOST.saturating_sub(head.len() + 200);
    let all = text.trim_end().lines().count();
    for line in text.trim_end().lines() {
        let Some(left) = room.checked_sub(line.len() + 1) else {
            lines.push(format!("… {} more lines", all - lines.len()));
            break;
        };
        room = left;
        lines.push(line.to_owned());
    }
    format!("{head}{}", quote::fenced("text", &lines, 0))
}

/// The review as Markdown of at most 65,000 characters. Changes that do not fit are left out one by one, and counted.
pub fn markdown(review: &Review<'_>) -> String {
    limited(review, MOST)
}

/// The content of a host's section.
#[derive(Clone, Debug, PartialEq)]
struct Body {
    failures: Vec<Item>,
    items: Vec<Item>,
    end: Option<String>,
    as_wanted: Option<String>,
    /// What `when` skips.
    skipped: Option<String>,
}

impl Body {
    fn is_shown(&self) -> bool {
        !self.failures.is_empty() || !self.items.is_empty()
    }
}

fn limited(review: &Review<'_>, most: usize) -> String {
    let folds = review.folded(body);
    let sections: Vec<Section> = folds
        .iter()
        .filter(|fold| fold.body.is_shown() || fold.has_notices())
        .map(|fold| section(fold))
        .collect();
    let summary = summary(review, &folds);
    let sections = match &sections[..] {
        // Folding the only section would hide everything.
        [one] => vec![one.clone().opened()],
        _ => sections,
    };
    let fit = fit(&sections, most.saturating_sub(summary.len()));
    let mut text = summary;
    text.push_str(&cut(review, &fit));
    text.push_str(&fit.text);
    text
}

/// What was left out; empty if nothing was.
fn cut(review: &Review<'_>, fit: &Fit) -> String {
    if fit.is_whole() {
        return String::new();
    }
    let mut text = format!(
        "**Cut to fit a comment:** {} of {} are shown",
        grouped(fit.shown),
        counted(fit.all, "change")
    );
    if fit.shown < fit.all {
        let hosts: Vec<&str> = fit.cut_hosts.iter().map(String::as_str).collect();
        let _ = write!(
            text,
            ", {} are left out (on {})",
            grouped(fit.all - fit.shown),
            names(&hosts, fit::NAMES)
        );
    }
    if fit.shortened > 0 {
        let _ = write!(
            text,
            "; {} without {}",
            grouped(fit.shortened),
            if fit.shortened == 1 {
                "its details"
            } else {
                "their details"
            }
        );
    }
    let _ = writeln!(text, ". For the full review, run {}.\n", code(&command(review, true)));
    text
}

fn command(review: &Review<'_>, is_dry_run: bool) -> String {
    let option = if is_dry_run { " --dry-run" } else { "" };
    let [inventory, deploy] = [review.inventory, review.deploy].map(|name| phrases::cut(&one_line(name), NAME));
    format!("homelab deploy {inventory} {deploy}{option}")
}

/// The heading with the totals, and the notes about hosts without a section.
fn summary(review: &Review<'_>, folds: &[Fold<'_, Body>]) -> String {
    let (of, is_dry_run) = match &review.saved {
        Some(_) => (format!("{} of ", saved::SAVED_PLAN), false),
        None => (String::new(), review.is_dry_run),
    };
    let mut text = format!(
        "### {of}{}: {}\n\n",
        code(&command(review, is_dry_run)),
        headline(review)
    );
    if let Some(saved) = &review.saved {
        let _ = writeln!(text, "{}\n", phrase(&saved::named(saved).cut(fit::NAMES)));
    }
    let hosts = review.read_hosts().count();
    if review.is_pending {
        let along = join(phrases::along_totals(&review.totals));
        let along = if along.is_empty() {
            String::new()
        } else {
            format!("; {}{along}", phrases::ALONG_WITH_PACKAGES)
        };
        let in_all = counted(hosts, "host");
        let _ = writeln!(text, "{in_all}: {}{along}\n", join(phrases::totals(&review.totals)));
    } else if hosts > 0 {
        let counts = phrases::idle_counts(&review.totals.totals);
        let _ = writeln!(text, "{}: {counts}\n", counted(hosts, "host"));
    }
    let idle: Vec<&str> = folds
        .iter()
        .filter(|fold| !fold.body.is_shown() && !fold.has_notices())
        .flat_map(|fold| &fold.hosts)
        .copied()
        .collect();
    if !idle.is_empty() && review.is_pending {
        let _ = writeln!(text, "{}: nothing to do\n", names(&idle, fit::NAMES));
    }
    text.push_str(&unread(review));
    let skipped = phrases::skipped(&review.skipped);
    if !skipped.is_empty() {
        let _ = writeln!(text, "{}{}\n", phrases::SKIPPED, bounded(&skipped));
    }
    text
}

/// Phrases in a row, shortened if they would take much of the room.
fn bounded(parts: &[Phrase]) -> String {
    let mut text = String::new();
    for (index, part) in parts.iter().enumerate() {
        let part = phrase(&part.cut(fit::NAMES));
        if text.len() + part.len() > 3 * fit::NAMES {
            let _ = write!(text, " and {} more", parts.len() - index);
            break;
        }
        if index > 0 {
            text.push_str("; ");
        }
        text.push_str(&part);
    }
    text
}

fn headline(review: &Review<'_>) -> String {
    let has_results = review.hosts.iter().any(|host| host.results.is_some());
    if has_results {
        let ends: Vec<String> = phrases::host_ends(review.ends())
            .into_iter()
            .map(|(count, (words, _))| format!("{} {words}", grouped(count)))
            .collect();
        return ends.join(", ");
    }
    if !review.is_pending {
        return match review.read_hosts().count() {
            0 => unread::NOT_READ.to_owned(),
            _ => phrases::nothing_to_do(&review.totals.totals).to_owned(),
        };
    }
    join(phrases::pending(&review.totals))
}

fn unread(review: &Review<'_>) -> String {
    let mut by_end: Vec<(HostEnd, Vec<&str>)> = Vec::new();
    for host in review.unread_hosts() {
        match by_end.iter_mut().find(|(end, _)| *end == host.end) {
            Some((_, hosts)) => hosts.push(host.host),
            None => by_end.push((host.end, vec![host.host])),
        }
    }
    let mut text = String::new();
    for (end, hosts) in by_end {
        let (label, end) = (unread::label(end), unread::end(end));
        let _ = writeln!(text, "**{label}**: {} ({end})\n", names(&hosts, fit::NAMES));
    }
    text
}

fn join<T>(parts: Vec<(T, String)>) -> String {
    let parts: Vec<String> = parts.into_iter().map(|(_, text)| text).collect();
    parts.join(", ")
}

fn body(host: &HostReview<'_>) -> Body {
    let mut items = Vec::new();
    let operations = host.results.unwrap_or_default();
    let failures = operations.iter().filter_map(|operation| operation.failure.as_ref());
    let failures = failures
        .chain(host.failure)
        .map(|failure| Item::failure(&failure::lines_below_host(host.host, failure)));
    for task in &host.tasks {
        items.extend(task.entries.iter().flat_map(|entry| Item::of(task.task, entry)));
    }
    let totals = &host.totals.totals;
    Body {
        failures: failures.collect(),
        items,
        end: host.results.map(|operations| ended(host.end, operations)),
        as_wanted: (totals.unchanged + totals.holding > 0).then(|| phrases::as_wanted(totals)),
        skipped: (!host.skipped.is_empty()).then(|| {
            let skipped: Vec<Phrase> = host.skipped.iter().map(phrases::skipped_entry).collect();
            format!("{}: {}", phrases::SKIPPED_BY_WHEN, bounded(&skipped))
        }),
    }
}

/// How a host ended, and how many of its changes ended how.
fn ended(end: HostEnd, operations: &[OperationResult]) -> String {
    let count = |wanted: ResourceEnd| -> usize {
        let ended = operations.iter().map(|one| failure::ended(end, one, wanted).len());
        ended.sum()
    };
    let counts = ENDS.iter().filter_map(|wanted| {
        let count = count(*wanted);
        (count > 0).then(|| format!("{} {}", grouped(count), failure::words(*wanted).0))
    });
    let parts: Vec<String> = std::iter::once(phrases::host_end_after(end, operations).0.to_owned())
        .chain(counts)
        .collect();
    parts.join(", ")
}

fn section(fold: &Fold<'_, Body>) -> Section {
    let hosts: Vec<String> = fold.hosts.iter().map(|host| (*host).to_owned()).collect();
    let (same, each) = if hosts.len() > 1 {
        (format!("the same on {}: ", counted(hosts.len(), "host")), " on each")
    } else {
        (String::new(), "")
    };
    let totals = match &fold.body.end {
        Some(end) => end.clone(),
        None => join(phrases::totals(&fold.totals)),
    };
    let notices = fold.notices().map(|(notice, hosts)| Item::notice(notice, hosts));
    let failures = fold.body.failures.iter().cloned();
    let items = failures.chain(notices).chain(fold.body.items.iter().cloned()).collect();
    let named = quote::listed(&fold.hosts, fit::NAMES, html_code);
    Section {
        open: format!("<details>\n<summary>{same}{named}{each}: {totals}</summary>\n\n"),
        close: [&fold.body.as_wanted, &fold.body.skipped]
            .into_iter()
            .flatten()
            .fold(String::new(), |text, line| format!("{text}{line}\n\n"))
            + "</details>\n\n",
        items,
        hosts,
    }
}
