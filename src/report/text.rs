//! The whole review: per host and task what would be done, then the totals.

use super::TextOptions;
use std::fmt::Write as _;

use super::layout::{indented, joined, wrapped};
use super::operation;
use super::sanitize::one_line;
use super::style::{Tone, counted, paint};
use super::totals::Tally;
use crate::plan::{HostPlan, Plan, Totals};
use crate::project::Selection;

/// Hosts with the same review.
struct Section {
    hosts: Vec<String>,
    lines: Vec<String>,
    tally: Tally,
}

/// The whole review of `plan`.
pub fn plan(run: &Selection, plan: &Plan, options: &TextOptions) -> String {
    let sections = sections(plan, options);
    let mut lines = Vec::new();
    for section in sections.iter().filter(|section| !section.lines.is_empty()) {
        lines.push(heading(&section.hosts));
        lines.extend(section.lines.iter().cloned());
        lines.push(String::new());
    }
    lines.extend(totals(plan, &sections));
    lines.extend(not_looked_at(run, options));
    joined(&lines)
}

/// What is equal to the byte on several hosts is told once.
fn sections(plan: &Plan, options: &TextOptions) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for host in &plan.hosts {
        let name = one_line(&host.host);
        let lines = host_lines(host, options);
        let tally = Tally::of(host);
        match sections.iter_mut().find(|one| one.lines == lines && one.tally == tally) {
            Some(section) => section.hosts.push(name),
            None => sections.push(Section {
                hosts: vec![name],
                lines,
                tally,
            }),
        }
    }
    sections
}

fn heading(hosts: &[String]) -> String {
    let names = hosts.join(", ");
    let same = if hosts.len() > 1 { "the same on " } else { "" };
    format!("{same}{}", paint(Tone::Heading, &names))
}

/// Empty for a host of which there is nothing to tell but a count.
fn host_lines(host: &HostPlan, options: &TextOptions) -> Vec<String> {
    let mut lines = Vec::new();
    let mut task = None;
    for operation in &host.operations {
        let block = operation::lines(operation, options, options.width.saturating_sub(4));
        if block.is_empty() {
            continue;
        }
        if task != Some(&operation.task) {
            task = Some(&operation.task);
            lines.push(format!("  {}", one_line(&operation.task)));
        }
        lines.extend(indented(block, 4));
    }
    let notices = host.notices.iter().map(|notice| format!("  ! {}", one_line(notice)));
    lines.extend(notices);
    let totals = host.totals();
    if !lines.is_empty() && totals.unchanged + totals.holding > 0 && !options.verbose {
        lines.push(paint(Tone::Faint, &format!("  {}", as_wanted(&totals))));
    }
    lines
}

/// What is as it should be, which is not listed.
fn as_wanted(totals: &Totals) -> String {
    let unchanged = format!("{} unchanged", counted(totals.unchanged, "operation"));
    match totals.holding {
        0 => unchanged,
        1 => format!("{unchanged}, 1 check holds"),
        many => format!("{unchanged}, {many} checks hold"),
    }
}

fn totals(plan: &Plan, sections: &[Section]) -> Vec<String> {
    let mut all = Tally::default();
    plan.hosts.iter().for_each(|host| all.merge(&Tally::of(host)));
    if !plan.is_pending() {
        return vec![nothing_to_do(plan, &all)];
    }
    let (idle, busy): (Vec<&Section>, Vec<&Section>) = sections.iter().partition(|one| is_idle(&one.tally));
    let mut lines: Vec<String> = busy
        .iter()
        .map(|section| {
            let each = if section.hosts.len() > 1 { " on each" } else { "" };
            format!("{}{each}: {}", section.hosts.join(", "), section.tally.line())
        })
        .collect();
    let idle: Vec<&str> = idle.iter().flat_map(|one| &one.hosts).map(String::as_str).collect();
    if !idle.is_empty() {
        lines.push(format!("{}: nothing to do", idle.join(", ")));
    }
    if plan.hosts.len() > 1 {
        let text = format!("{} in all: ", counted(plan.hosts.len(), "host"));
        lines.push(format!("{}{}", paint(Tone::Heading, &text), all.line()));
    }
    lines
}

fn is_idle(tally: &Tally) -> bool {
    let mut nothing = Tally::default();
    nothing.totals.unchanged = tally.totals.unchanged;
    nothing.totals.holding = tally.totals.holding;
    *tally == nothing
}

fn nothing_to_do(plan: &Plan, all: &Tally) -> String {
    let hosts = counted(plan.hosts.len(), "host");
    let mut text = format!(
        "{}: {} on {hosts}",
        paint(Tone::Heading, "nothing to do"),
        as_wanted(&all.totals)
    );
    if all.totals.each_time > 0 {
        let _ = write!(text, ", {} done each time", all.totals.each_time);
    }
    text
}

/// A filtered run says what it left out.
fn not_looked_at(run: &Selection, options: &TextOptions) -> Vec<String> {
    let mut parts = Vec::new();
    for (what, names, flag) in [
        ("task", &run.tasks_left_out, "--only"),
        ("host", &run.hosts_left_out, "--limit"),
    ] {
        if names.is_empty() {
            continue;
        }
        let plural = if names.len() == 1 { "" } else { "s" };
        let names: Vec<String> = names.iter().map(|name| one_line(name)).collect();
        parts.push(format!("{what}{plural} {} ({flag})", names.join(", ")));
    }
    let items = run.items_left_out_of.iter();
    parts.extend(items.map(|task| format!("other items of {} (--only)", one_line(task))));
    if !run.tags.is_empty() {
        let tags: Vec<String> = run.tags.iter().map(|tag| one_line(tag)).collect();
        parts.push(format!("operations that are not tagged {} (--tags)", tags.join(" or ")));
    }
    if parts.is_empty() {
        return Vec::new();
    }
    wrapped(&format!("not looked at: {}", parts.join("; ")), options.width)
}
