//! Filters of a page: by host and by kind of change, as check boxes that the style sheet reads. They need no script.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use strum::{EnumIter, IntoEnumIterator as _};

use super::quote::escaped;
use crate::report::review::{Entry, EntryState, Sign};
use crate::report::sanitize::one_line;
use crate::report::style::counted;

/// A kind of change that a page can be limited to.
#[derive(Clone, Copy, Debug, EnumIter, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Fail,
    Create,
    Change,
    Remove,
    Later,
    EachTime,
    Check,
}

impl Kind {
    /// The kind of what has this sign; `None` if there is nothing to do.
    pub(super) fn of(sign: Sign) -> Option<Self> {
        match sign {
            Sign::Added => Some(Self::Create),
            Sign::Changed => Some(Self::Change),
            Sign::Removed => Some(Self::Remove),
            Sign::EachTime => Some(Self::EachTime),
            Sign::Later => Some(Self::Later),
            Sign::CheckLater | Sign::Passes => Some(Self::Check),
            Sign::Fails => Some(Self::Fail),
            Sign::Unchanged => None,
        }
    }

    /// The kinds of what an entry shows. What it may do later, according to its preview, is known later all the same.
    pub(super) fn of_entry(entry: &Entry<'_>) -> BTreeSet<Self> {
        match &entry.state {
            EntryState::Change(changes) | EntryState::Ensure { changes, .. } => changes
                .iter()
                .filter(|change| change.along.is_none())
                .filter_map(|change| Self::of(change.sign()))
                .collect(),
            _ => Self::of(entry.sign()).into_iter().collect(),
        }
    }

    /// The class of elements of this kind, and the id of its check box. The style sheet has it too.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Fail => "kind-fail",
            Self::Create => "kind-create",
            Self::Change => "kind-change",
            Self::Remove => "kind-remove",
            Self::Later => "kind-later",
            Self::EachTime => "kind-each",
            Self::Check => "kind-check",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Fail => "✗ failures",
            Self::Create => "+ created",
            Self::Change => "~ changed",
            Self::Remove => "- removed",
            Self::Later => "? known later",
            Self::EachTime => "↻ run each time",
            Self::Check => "○ checks",
        }
    }
}

/// What a section of the page shows.
#[derive(Clone, Debug)]
pub(super) struct Shown<'a> {
    pub(super) hosts: Vec<&'a str>,
    pub(super) kinds: BTreeSet<Kind>,
}

/// The id of a section, by its place on the page.
pub(super) fn section_id(index: usize) -> String {
    format!("section-{index}")
}

fn host_id(index: usize) -> String {
    format!("host-{index}")
}

/// The check boxes; empty if there is nothing to choose from. `hosts` are all hosts in their order.
pub(super) fn controls(sections: &[Shown<'_>], hosts: &[&str]) -> String {
    let kinds: BTreeSet<Kind> = sections.iter().flat_map(|section| &section.kinds).copied().collect();
    let mut text = String::new();
    if kinds.len() > 1 {
        text.push_str("<fieldset class=\"kinds\">\n<legend>Show only</legend>\n");
        for kind in Kind::iter().filter(|kind| kinds.contains(kind)) {
            text.push_str(&check_box(kind.class(), kind.label()));
        }
        text.push_str("</fieldset>\n");
    }
    if sections.len() > 1 {
        let listed: Vec<(usize, &&str)> = hosts
            .iter()
            .enumerate()
            .filter(|(_, host)| is_shown(sections, host))
            .collect();
        let _ = writeln!(
            text,
            "<details class=\"hosts\">\n<summary>Show only some of {}</summary>\n<fieldset>\n<legend>Hosts</legend>",
            counted(listed.len(), "host")
        );
        for (index, host) in listed {
            text.push_str(&check_box(&host_id(index), &one_line(host)));
        }
        text.push_str("</fieldset>\n</details>\n");
        text.push_str("<p class=\"unfold\">");
        text.push_str(&check_box("unfold", "unfold all hosts"));
        text.push_str("</p>\n");
    }
    if text.is_empty() {
        return text;
    }
    format!("<form class=\"filters\" autocomplete=\"off\">\n{text}<button type=\"reset\">Show all</button>\n</form>\n")
}

fn is_shown(sections: &[Shown<'_>], host: &str) -> bool {
    sections.iter().any(|section| section.hosts.contains(&host))
}

fn check_box(id: &str, label: &str) -> String {
    format!(
        "<label><input type=\"checkbox\" id=\"{id}\"> {}</label>\n",
        escaped(label)
    )
}

/// The rules that hide sections of hosts that are not chosen. A section of several hosts stays while one of them is.
pub(super) fn rules(sections: &[Shown<'_>], hosts: &[&str]) -> String {
    let mut text = String::new();
    if sections.len() < 2 {
        return text;
    }
    for (index, section) in sections.iter().enumerate() {
        let chosen: Vec<String> = hosts
            .iter()
            .enumerate()
            .filter(|(_, host)| section.hosts.contains(host))
            .map(|(index, _)| format!("#{}:checked", host_id(index)))
            .collect();
        let _ = writeln!(
            text,
            "body:has(.hosts :checked):not(:has({})) #{} {{ display: none !important; }}",
            chosen.join(", "),
            section_id(index)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_sheet_knows_every_kind() {
        for kind in Kind::iter() {
            let class = kind.class();
            for rule in [
                format!("body:has(#{class}:checked) :is(.host, .task, article):has(.{class})"),
                format!("body:has(#{class}:checked) .change.{class}"),
            ] {
                assert!(include_str!("style.css").contains(&rule), "{rule}");
            }
        }
    }

    #[test]
    fn there_is_no_filter_for_what_is_the_only_one() {
        let section = |hosts, kinds: &[Kind]| Shown {
            hosts,
            kinds: kinds.iter().copied().collect(),
        };
        let one = [section(vec!["a"], &[Kind::Create])];
        assert_eq!(controls(&one, &["a", "idle"]), "");
        assert_eq!(rules(&one, &["a", "idle"]), "");
        let two = [
            section(vec!["a", "c"], &[Kind::Create]),
            section(vec!["b"], &[Kind::Create]),
        ];
        let hosts = ["a", "b", "idle", "c"];
        let shown = controls(&two, &hosts);
        assert!(
            shown.contains("id=\"host-3\"> c<") && !shown.contains("idle"),
            "{shown}"
        );
        assert!(!shown.contains("class=\"kinds\""), "{shown}");
        assert_eq!(
            rules(&two, &hosts),
            "body:has(.hosts :checked):not(:has(#host-0:checked, #host-3:checked)) #section-0 { display: none !important; }\n\
             body:has(.hosts :checked):not(:has(#host-1:checked)) #section-1 { display: none !important; }\n"
        );
    }
}
