//! The same inputs give the same bytes, and a comment has room for the deploy of many hosts.

use super::documents::check_markdown;
use super::reviews::{TASKS, fresh, run_of, settle_in};
use super::*;
use crate::project::Filter;
use crate::report::review::Review;
use crate::report::{html, json, markdown, text};

/// The inventory of so many hosts; each has a line of its own in a file.
fn inventory(hosts: usize) -> String {
    let host = |number| format!("[hosts.host-{number:03}]\ndata = {{ number = {number} }}\n");
    (0..hosts).map(host).collect()
}

/// A task after which no two hosts are the same.
fn tasks() -> String {
    TASKS.replace(
        "hello\\nworld\\n",
        "hello\\nhost {{ host.name }}, number {{ number }}\\n",
    )
}

#[test]
fn the_order_of_answers_changes_no_byte_of_any_format() {
    let run = run_of(&tasks(), &inventory(5), &Filter::default());
    let of = |is_reversed| {
        // Maps with keys of their own have another order in each.
        let plan = settle_in(&run, |_, key| fresh(key), is_reversed);
        let review = Review::planned(&run, &plan, &[], true, false);
        let shown = text(&review, &TextOptions::default());
        [
            shown,
            text(&review, &verbose()),
            json(&review),
            markdown(&review),
            html(&review),
        ]
    };
    let first = of(false);
    assert!(first[0].contains("host-004"), "{}", first[0]);
    for is_reversed in [false, true] {
        for (before, after) in first.iter().zip(of(is_reversed)) {
            assert!(*before == after, "{before}\n{after}");
        }
    }
}

#[test]
fn comments_of_ten_and_of_a_hundred_hosts_fit() {
    for hosts in [10, 100] {
        let run = run_of(&tasks(), &inventory(hosts), &Filter::default());
        let plan = settle_in(&run, |_, key| fresh(key), false);
        let review = Review::planned(&run, &plan, &[], true, false);
        let comment = markdown(&review);
        check_markdown(&comment);
        assert!(comment.len() <= 65_000, "{}", comment.len());
        assert_eq!(comment.matches("<details").count(), hosts, "{comment}");
        let is_cut = comment.contains("**Cut to fit a comment:**");
        assert_eq!(is_cut, hosts == 100, "{comment}");
        if is_cut {
            assert!(
                comment.contains("For the full review, run `homelab deploy dev site --dry-run`"),
                "{comment}"
            );
        }
    }
}
