//! A review as one page of HTML that needs nothing else: no script, no font, no image, no network.
//!
//! Each host has a section that folds. Check boxes limit the page to hosts and kinds of changes: the style sheet reads them.
//! All foreign text is escaped. The policy in the page's head allows its own style sheet, and nothing else.

mod entry;
mod filter;
mod quote;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::failure::{self, ENDS};
use super::phrases;
use super::review::{Fold, HostReview, Review, Tally};
use super::sanitize::one_line;
use super::style::{Tone, counted, grouped};
use super::{saved, unread};
use crate::apply::{Failure, ResourceEnd};
use filter::{Kind, Shown};
use quote::{chip, phrase};

pub(super) use quote::escaped;

const STYLE: &str = include_str!("html/style.css");

/// The badge of a run that changes nothing.
pub(super) const DRY_RUN: &str = "dry run";

/// Up to so many sections are shown unfolded.
const FEW: usize = 3;

/// The review as a page.
pub fn html(review: &Review<'_>) -> String {
    let command = format!(
        "homelab deploy {} {}",
        one_line(review.inventory),
        one_line(review.deploy)
    );
    let folds = review.folded(body);
    let unread = review.unread_hosts().map(|host| {
        let kinds = BTreeSet::from([Kind::Fail]);
        (
            Shown {
                hosts: vec![host.host],
                kinds,
            },
            unread(host),
        )
    });
    let read = folds.iter().filter(|fold| is_shown(fold)).map(|fold| {
        let shown = Shown {
            hosts: fold.hosts.clone(),
            kinds: fold.body.kinds.clone(),
        };
        (shown, section(fold))
    });
    let (shown, sections): (Vec<Shown<'_>>, Vec<Section>) = unread.chain(read).unzip();
    let hosts: Vec<&str> = review.hosts.iter().map(|host| host.host).collect();
    let mut text = summary(review, &folds);
    text.push_str(&filter::controls(&shown, &hosts));
    text.push_str("</header>\n<main>\n");
    let are_few = sections.len() <= FEW;
    for (index, section) in sections.iter().enumerate() {
        text.push_str(&section.html(index, are_few));
    }
    text.push_str("</main>\n");
    let badge = match &review.saved {
        Some(_) => Some(saved::SAVED_PLAN),
        None => review.is_dry_run.then_some(DRY_RUN),
    };
    page(&escaped(&command), badge, &filter::rules(&shown, &hosts), &text)
}

/// A host's part of the page, or that of several hosts.
struct Section {
    heading: String,
    content: String,
    /// Whether something failed, so that it is shown unfolded.
    has_failed: bool,
}

impl Section {
    fn html(&self, index: usize, is_open: bool) -> String {
        let open = if is_open || self.has_failed { " open" } else { "" };
        format!(
            "<details class=\"host\" id=\"{}\"{open}>\n<summary>{}</summary>\n{}</details>\n",
            filter::section_id(index),
            self.heading,
            self.content
        )
    }
}

/// Whether hosts have a section.
fn is_shown(fold: &Fold<'_, Body>) -> bool {
    !fold.body.failures.is_empty() || !fold.body.shown.is_empty() || fold.has_notices()
}

/// A whole page: `command` is its title, with `badge` beside it, `rules` is added to its style sheet, and `body` begins in its header.
pub(super) fn page(command: &str, badge: Option<&str>, rules: &str, body: &str) -> String {
    let style = format!("{STYLE}{rules}");
    let hash = STANDARD.encode(Sha256::digest(style.as_bytes()));
    let badge = badge.map_or_else(String::new, |badge| format!(" <span class=\"badge\">{badge}</span>"));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{hash}'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{command}</title>\n<style>{style}</style>\n</head>\n<body>\n\
         <header>\n<h1><code>{command}</code>{badge}</h1>\n{body}</body>\n</html>\n"
    )
}

/// The parts of a host's section.
#[derive(Clone, Debug, PartialEq)]
struct Body {
    kinds: BTreeSet<Kind>,
    failures: String,
    /// What there is to do.
    shown: String,
    /// How the host ended.
    end: Option<String>,
    /// Unchanged operations.
    idle: String,
    /// What `when` skips.
    skipped: String,
}

fn body(host: &HostReview<'_>) -> Body {
    let mut shown = String::new();
    let operations = host.results.unwrap_or_default();
    let failures = operations.iter().filter_map(|operation| operation.failure.as_ref());
    let failures = failures.chain(host.failure).map(|failure| failed(host.host, failure));
    let failures: String = failures.collect();
    let mut kinds: BTreeSet<Kind> = (!failures.is_empty()).then_some(Kind::Fail).into_iter().collect();
    let mut idle = String::new();
    for task in &host.tasks {
        let mut entries = String::new();
        for one in &task.entries {
            if one.is_idle() {
                idle.push_str(&entry::idle(one));
            } else {
                kinds.extend(Kind::of_entry(one));
                entries.push_str(&entry::entry(one));
            }
        }
        if !entries.is_empty() {
            let task = escaped(&one_line(task.task));
            let _ = write!(
                shown,
                "<section class=\"task\">\n<h3>{task}</h3>\n{entries}</section>\n"
            );
        }
    }
    Body {
        kinds,
        failures,
        shown,
        end: host.results.map(|_| ended(host)),
        idle,
        skipped: host.skipped.iter().map(entry::skipped).collect(),
    }
}

fn failed(host: &str, failure: &Failure) -> String {
    let lines: Vec<String> = failure::lines_below_host(host, failure)
        .iter()
        .map(|line| escaped(&anstream::adapter::strip_str(line).to_string()))
        .collect();
    format!("<pre class=\"failure kind-fail\">{}</pre>\n", lines.join("\n"))
}

fn ended(host: &HostReview<'_>) -> String {
    let count = |wanted: ResourceEnd| -> usize {
        let operations = host.results.unwrap_or_default().iter();
        operations.map(|one| failure::ended(host.end, one, wanted).len()).sum()
    };
    let mut chips = end_chip(
        phrases::host_end_after(host.end, host.results.unwrap_or_default()),
        None,
    );
    for end in ENDS {
        let (words, tone) = failure::words(end);
        let count = count(end);
        if count > 0 {
            chips.push_str(&chip(tone, &format!("{} {words}", grouped(count))));
        }
    }
    chips
}

fn end_chip((words, tone): (&str, Tone), count: Option<usize>) -> String {
    let count = count.map_or_else(String::new, |count| format!("{} ", grouped(count)));
    chip(tone, &format!("{count}{words}"))
}

fn names(hosts: &[&str]) -> String {
    let names: Vec<String> = hosts
        .iter()
        .map(|host| format!("<b>{}</b>", escaped(&one_line(host))))
        .collect();
    names.join(", ")
}

fn summary(review: &Review<'_>, folds: &[Fold<'_, Body>]) -> String {
    let mut text = String::new();
    let hosts = counted(review.read_hosts().count(), "host");
    if let Some(saved) = &review.saved {
        let _ = writeln!(text, "<p>{}</p>", phrase(&saved::named(saved)));
    }
    if review.hosts.iter().any(|host| host.results.is_some()) {
        let ends = phrases::host_ends(review.ends());
        let ends = ends.into_iter().map(|(count, end)| end_chip(end, Some(count)));
        let _ = writeln!(text, "<p>{}</p>", ends.collect::<String>());
    }
    if review.is_pending {
        let _ = writeln!(text, "<p>{hosts}: {}</p>", chips(&review.totals));
    } else if review.read_hosts().next().is_some() {
        let totals = &review.totals.totals;
        let counts = escaped(&phrases::idle_counts(totals));
        let _ = writeln!(text, "<p>{} on {hosts}: {counts}</p>", phrases::nothing_to_do(totals));
    }
    let idle: Vec<&str> = folds
        .iter()
        .filter(|fold| !is_shown(fold))
        .flat_map(|fold| &fold.hosts)
        .copied()
        .collect();
    if !idle.is_empty() && review.is_pending {
        let _ = writeln!(text, "<p>{}: nothing to do</p>", names(&idle));
    }
    let skipped: Vec<String> = phrases::skipped(&review.skipped).iter().map(phrase).collect();
    if !skipped.is_empty() {
        let _ = writeln!(
            text,
            "<p class=\"faint\">{}{}</p>",
            phrases::SKIPPED,
            skipped.join("; ")
        );
    }
    text
}

fn chips(tally: &Tally) -> String {
    let mut text: String = phrases::totals(tally)
        .iter()
        .map(|(tone, words)| chip(*tone, words))
        .collect();
    let along = phrases::along_totals(tally);
    if !along.is_empty() {
        let along: Vec<String> = along.into_iter().map(|(_, words)| words).collect();
        let _ = write!(
            text,
            "<span class=\"faint\">{}{}</span>",
            phrases::ALONG_WITH_PACKAGES,
            along.join(", ")
        );
    }
    text
}

/// A list that is folded below its heading; nothing for an empty list.
fn folded(heading: &str, items: &str) -> String {
    if items.is_empty() {
        return String::new();
    }
    let heading = escaped(heading);
    format!("<details class=\"idle\"><summary>{heading}</summary>\n<ul>\n{items}</ul></details>\n")
}

fn section(fold: &Fold<'_, Body>) -> Section {
    let (same, each) = if fold.hosts.len() > 1 {
        (
            format!(
                "<span class=\"faint\">the same on {}:</span> ",
                counted(fold.hosts.len(), "host")
            ),
            " <span class=\"faint\">on each:</span>",
        )
    } else {
        (String::new(), "")
    };
    let totals = match &fold.body.end {
        Some(end) => end.clone(),
        None => chips(&fold.totals),
    };
    let idle = folded(&phrases::as_wanted(&fold.totals.totals), &fold.body.idle);
    let skipped = grouped(fold.totals.totals.skipped);
    let skipped = folded(&format!("{skipped} {}", phrases::SKIPPED_BY_WHEN), &fold.body.skipped);
    let notices = fold.notices().map(|(notice, hosts)| {
        let notice = escaped(&phrases::notice(notice, hosts));
        format!("<p class=\"notice\">{notice}</p>\n")
    });
    Section {
        heading: format!("<h2>{same}{}{each}</h2> {totals}", names(&fold.hosts)),
        content: format!(
            "{}{}{}{idle}{skipped}",
            fold.body.failures,
            notices.collect::<String>(),
            fold.body.shown
        ),
        has_failed: fold.body.kinds.contains(&Kind::Fail),
    }
}

/// The section of a host that could not be read.
fn unread(host: &HostReview<'_>) -> Section {
    let not_read = chip(Tone::Removed, unread::label(host.end));
    let end = unread::end(host.end);
    Section {
        heading: format!("<h2>{}</h2> {not_read}{end}", names(&[host.host])),
        content: host.failure.map_or_else(
            || format!("<p class=\"{}\">{end}</p>\n", Kind::Fail.class()),
            |failure| failed(host.host, failure),
        ),
        has_failed: true,
    }
}
