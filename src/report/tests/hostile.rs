//! Hostile text of hosts and projects in every format that there is.

use regex::Regex;

use super::documents::{HOSTILE, MARK, check_html, check_markdown, documents};
use super::*;
use crate::apply::HostEnd;
use crate::error::{Diagnostic, Origin, SourceFile};
use crate::plan::{Cause, Checked, Drift, Drifted, Found};
use crate::policy::{Allowed, Judged, LINTS, Verdict};
use crate::report::review::Review;
use crate::report::sanitize::is_hidden;
use crate::report::{
    HostDrift, Refusal, document, drift, drift_json, facts, found, found_github, found_json, found_sarif, html, json,
    markdown, refusal_html, refusal_json, refusal_markdown, schemas, text,
};

/// A format, what is written in it, and what must be true of that.
struct Case {
    name: &'static str,
    texts: fn(&str) -> Vec<String>,
    check: fn(&str),
}

/// Nothing drives a terminal but homelab's own styles.
fn check_text(text: &str) {
    let own = Regex::new("\u{1b}\\[[0-9;]*m").expect("a pattern");
    let foreign = own.replace_all(text, "");
    let driving = foreign
        .chars()
        .find(|one| is_hidden(*one) && !matches!(one, '\n' | '\t'));
    assert_eq!(driving, None, "{foreign}");
}

fn check_json(text: &str) {
    let driving = text.chars().find(|one| is_hidden(*one) && *one != '\n');
    assert_eq!(driving, None, "{text}");
    let value: serde_json::Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(value.to_string().contains(MARK), "{text}");
}

fn check_review(text: &str) {
    check_json(text);
    schemas::check("review", text);
}

/// Each line is one command, or nothing.
fn check_github(text: &str) {
    check_text(text);
    let is_command = |line: &str| {
        ["::error ", "::warning ", "::notice "]
            .iter()
            .any(|one| line.starts_with(one))
    };
    assert!(text.lines().all(is_command), "{text}");
}

fn in_text(review: &Review<'_>) -> String {
    text(review, &verbose())
}

fn mistakes(bad: &str) -> Vec<Found> {
    let source = format!("{bad} = 1");
    let file = SourceFile::new(bad, source.as_str());
    let mut diagnostic = Diagnostic::new(bad)
        .at(&Origin::new(&file, 0..source.len()), bad)
        .hint(bad);
    diagnostic.causes.push(bad.to_owned());
    vec![Found {
        diagnostic,
        hosts: vec![bad.to_owned()],
    }]
}

fn checked(bad: &str) -> Checked {
    Checked {
        mistakes: mistakes(bad),
        ..Checked::default()
    }
}

fn judged(bad: &str) -> Verdict {
    let judged = || {
        mistakes(bad).into_iter().map(|found| Judged {
            lint: &LINTS[0],
            diagnostic: found.diagnostic,
            hosts: found.hosts,
        })
    };
    let allowed = judged().map(|judged| Allowed {
        judged,
        reason: bad.to_owned(),
    });
    Verdict {
        found: judged().collect(),
        allowed: allowed.collect(),
        mistakes: Vec::new(),
    }
}

fn refusal(bad: &str) -> Refusal {
    Refusal {
        inventory: bad.to_owned(),
        deploy: bad.to_owned(),
        is_dry_run: true,
        mistakes: mistakes(bad),
    }
}

fn drifted(bad: &str) -> [HostDrift; 2] {
    let drifted = Drifted {
        cause: Cause::Host,
        kind: ResourceKind::File,
        name: bad.to_owned(),
        attributes: Vec::new(),
        taken: vec![(bad.to_owned(), bad.to_owned())],
    };
    let of = |drift| HostDrift {
        host: bad.to_owned(),
        drift,
        end: HostEnd::Unreachable,
    };
    let some = Drift {
        drifted: vec![drifted],
        checks: vec![bad.to_owned()],
        later: vec![bad.to_owned()],
        upgrades: vec![bad.to_owned()],
        oldest_run: Some(bad.to_owned()),
    };
    [of(Some(some)), of(None)]
}

fn tree(bad: &str) -> serde_json::Value {
    serde_json::json!({ "hostname": bad, "addresses": [bad] })
}

const CASES: &[Case] = &[
    Case {
        name: "a review as text",
        texts: |bad| documents(bad, in_text).to_vec(),
        check: check_text,
    },
    Case {
        name: "a review as JSON",
        texts: |bad| documents(bad, json).to_vec(),
        check: check_review,
    },
    Case {
        name: "a review as Markdown",
        texts: |bad| documents(bad, markdown).to_vec(),
        check: check_markdown,
    },
    Case {
        name: "a review as HTML",
        texts: |bad| documents(bad, html).to_vec(),
        check: check_html,
    },
    Case {
        name: "mistakes as text",
        texts: |bad| vec![found(&checked(bad))],
        check: check_text,
    },
    Case {
        name: "mistakes for GitHub",
        texts: |bad| vec![found_github(&checked(bad), &judged(bad))],
        check: check_github,
    },
    Case {
        name: "mistakes as SARIF",
        texts: |bad| vec![found_sarif(&checked(bad), &judged(bad))],
        check: check_json,
    },
    Case {
        name: "mistakes as JSON",
        texts: |bad| vec![found_json(&checked(bad), &[], &judged(bad))],
        check: |text| {
            check_json(text);
            schemas::check("check", text);
        },
    },
    Case {
        name: "a refusal as JSON",
        texts: |bad| vec![refusal_json(&refusal(bad))],
        check: |text| {
            check_json(text);
            schemas::check("refusal", text);
        },
    },
    Case {
        name: "a refusal as Markdown",
        texts: |bad| vec![refusal_markdown(&refusal(bad))],
        check: check_markdown,
    },
    Case {
        name: "a refusal as HTML",
        texts: |bad| vec![refusal_html(&refusal(bad))],
        check: check_html,
    },
    Case {
        name: "drift as text",
        texts: |bad| vec![drift(&drifted(bad), true)],
        check: check_text,
    },
    Case {
        name: "drift as JSON",
        texts: |bad| vec![drift_json(&drifted(bad))],
        check: |text| {
            check_json(text);
            schemas::check("drift", text);
        },
    },
    Case {
        name: "facts as text",
        texts: |bad| facts(&tree(bad), &[]).into_iter().collect(),
        check: check_text,
    },
    Case {
        name: "facts as JSON",
        texts: |bad| vec![document(&tree(bad))],
        check: check_json,
    },
];

#[test]
fn hostile_text_is_harmless_in_every_format() {
    for case in CASES {
        for bad in HOSTILE {
            let texts = (case.texts)(bad);
            assert!(!texts.is_empty(), "{}", case.name);
            for text in texts {
                assert!(text.contains(MARK), "{}: {bad:?}\n{text}", case.name);
                (case.check)(&text);
            }
        }
    }
}

#[test]
fn a_line_of_a_megabyte_is_harmless_in_every_format() {
    let bad = format!("{MARK}{}{MARK}", "`@<\0\u{202e}".repeat(200_000));
    let file = change(
        id(ResourceKind::File, "/etc/x"),
        &[("content", &bad)],
        &[("content", &format!("{bad}\n{bad}"))],
    );
    let plan = crate::plan::Plan {
        hosts: vec![super::documents::host(
            "web",
            vec![planned("x", Outcome::Change(vec![file]))],
        )],
    };
    let selection = selection();
    let review = Review::planned(&selection, &plan, &[], true, true);
    check_text(&in_text(&review));
    check_review(&json(&review));
    check_markdown(&markdown(&review));
    check_html(&html(&review));
}
