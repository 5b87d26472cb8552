//! One review in every format, and documents with hostile text.

use insta::assert_snapshot;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use regex::Regex;

use super::*;
use crate::apply::{HostEnd, HostResult};
use crate::change::CheckState;
use crate::facts::overlay::FactScope;
use crate::plan::{HostPlan, Plan};
use crate::report::review::Review;
use crate::report::{html, json, markdown, not_read, text};

pub(super) fn host(name: &str, operations: Vec<PlannedOperation>) -> HostPlan {
    HostPlan {
        host: name.to_owned(),
        operations,
        notices: Vec::new(),
        skipped: Vec::new(),
        items_left_out: std::collections::BTreeMap::new(),
        has_leftovers: false,
    }
}

fn unread(name: &str) -> HostResult {
    HostResult {
        host: name.to_owned(),
        end: HostEnd::Unreachable,
        operations: Vec::new(),
        failure: Some(Failure {
            attempted: format!("{name}: no answer on port 22"),
            cause: Some("connection timed out".to_owned()),
            outcome: None,
            place: None,
            exit_code: None,
            output: String::new(),
            hint: Some("check that the host is on".to_owned()),
        }),
        notices: Vec::new(),
        round_trips: 0,
        took: Duration::from_secs(1),
    }
}

fn waits(why: &str, preview: Vec<ResourceChange>) -> Outcome {
    Outcome::Deferred {
        waits_for: vec![OperationId("web / t/t / apt.packages x".to_owned())],
        why: why.to_owned(),
        touches: vec![FactScope::Tree("/etc/x".to_owned()), FactScope::Units],
        preview,
    }
}

fn web() -> Vec<PlannedOperation> {
    let file = |path| id(ResourceKind::File, path);
    let motd = change(
        file("/etc/motd"),
        &[("content", "hello\nold world\n"), ("mode", "0755"), ("owner", "root")],
        &[("content", "hello\nnew world\n"), ("mode", "0644"), ("owner", "root")],
    );
    let stack = "services:\n  web:\n    image: caddy:2.10\n    restart: always\n    ports:\n      - 80:80\n";
    let compose = change(
        file("/opt/web/compose.yaml"),
        &[("content", stack)],
        &[(
            "content",
            &stack
                .replace("2.10", "2.11")
                .replace("    restart: always\n", "    tty: <true>\n"),
        )],
    );
    let page = change(
        file("/srv/page.md"),
        &[],
        &[
            ("content", "# Title\n```sh\nls\n```\n"),
            ("mode", "0644"),
            ("owner", "root"),
            ("group", "root"),
        ],
    );
    let mut key = change(file("/etc/key"), &[("mode", "0600")], &[("mode", "0600")]);
    if let (Before::Present(before), Some(after)) = (&mut key.before, &mut key.after) {
        let digests = crate::secret::DigestKey::random();
        before.insert("content", Attribute::Secret(digests.digest("a")));
        after.insert("content", Attribute::Secret(digests.digest("b")));
    }
    let mut unit = change(
        id(ResourceKind::Unit, "ssh.service"),
        &[("active", "active"), ("enabled", "disabled")],
        &[("active", "active"), ("enabled", "enabled")],
    );
    unit.risk = Risk::LockOut;
    let packages = vec![
        change(id(ResourceKind::Package, "x"), &[], &[("version", "1.0")]),
        change(
            id(ResourceKind::PackagesAlong, "x"),
            &[],
            &[("installs", "a 1\nb 2"), ("removes", "exim4")],
        ),
    ];
    let mut command = change(id(ResourceKind::Command, "make it"), &[], &[("as", "ann")]);
    command.action = Action::RunEachTime;
    vec![
        planned("apt.packages x", Outcome::Change(packages)),
        planned("files.put /etc/motd", Outcome::Change(vec![motd])),
        planned("files.put /opt/web/compose.yaml", Outcome::Change(vec![compose])),
        planned("files.put /srv/page.md", Outcome::Change(vec![page])),
        planned("files.put /etc/key", Outcome::Change(vec![key])),
        planned(
            "systemd.service ssh",
            Outcome::Ensure {
                changes: vec![unit],
                since: vec![OperationId("web / t/t / apt.packages x".to_owned())],
            },
        ),
        planned("server.shell make it", Outcome::Change(vec![command])),
        planned(
            "files.line /etc/x.conf",
            waits(
                "path `/etc/x.conf`: a package may bring it",
                vec![change(
                    file("/etc/x.conf"),
                    &[("content", "a\n")],
                    &[("content", "a\nb\n")],
                )],
            ),
        ),
        planned(
            "files.file /etc/old",
            Outcome::Change(vec![change(file("/etc/old"), &[("content", "bye\n")], &[])]),
        ),
        planned("files.directory /etc", Outcome::Unchanged),
        planned(
            "verify.http",
            Outcome::Check {
                what: "GET https://example.org/".to_owned(),
                state: CheckState::Fails("status 500".to_owned()),
                within: Duration::from_secs(1),
            },
        ),
    ]
}

pub(super) fn rich() -> (Selection, Plan, Vec<HostResult>) {
    let small = || {
        vec![planned(
            "files.put /etc/motd",
            Outcome::Change(vec![change(
                id(ResourceKind::File, "/etc/motd"),
                &[],
                &[("content", "hello\n")],
            )]),
        )]
    };
    let mut first = host("web", web());
    first.notices.push("a restart is due".to_owned());
    let plan = Plan {
        hosts: vec![
            first,
            host("dns-1", small()),
            host("dns-2", small()),
            host("idle", vec![planned("files.directory /etc", Outcome::Unchanged)]),
        ],
    };
    (selection(), plan, vec![unread("far")])
}

#[test]
fn hosts_with_the_same_changes_are_shown_once_whatever_else_there_is_to_know() {
    let (selection, mut plan, unread) = rich();
    plan.hosts[1].notices.push("a reboot is required".to_owned());
    plan.hosts[3].notices.push("idle, but to be known".to_owned());
    let review = Review::planned(&selection, &plan, &unread, true, false);
    let shown = plain(&text(&review, &TextOptions::default()));
    let both =
        "the same on dns-1, dns-2\n  t/t\n    + file /etc/motd\n        + hello\n  ! dns-1: a reboot is required\n";
    assert!(shown.contains(both), "{shown}");
    assert!(
        shown.contains("\nidle\n  ! idle, but to be known\n  1 operation unchanged\n"),
        "{shown}"
    );
    let comment = markdown(&review);
    assert!(comment.contains("- **!** `dns-1: a reboot is required`\n"), "{comment}");
    assert!(comment.contains("- **!** `idle, but to be known`\n"), "{comment}");
    let page = html(&review);
    assert!(
        page.contains("<p class=\"notice\">dns-1: a reboot is required</p>"),
        "{page}"
    );
}

#[test]
fn one_review_in_every_format() {
    let (selection, plan, unread) = rich();
    let review = Review::planned(&selection, &plan, &unread, true, false);
    let plain_text = plain(&(text(&review, &TextOptions::default()) + &not_read(&review)));
    assert_snapshot!("rich_text", plain_text);
    assert_snapshot!("rich_json", json(&review));
    assert_snapshot!("rich_markdown", markdown(&review));
    assert_snapshot!("rich_html", html(&review));
}

#[test]
fn a_deploy_that_ran_shows_how_it_ended() {
    let (selection, plan, _) = rich();
    let failure = Failure {
        attempted: "write `/etc/motd`".to_owned(),
        cause: Some("no space left on device".to_owned()),
        outcome: None,
        place: None,
        exit_code: Some(1),
        output: "```\nfull\n".to_owned(),
        hint: None,
    };
    let ended = |name: &str, end, operations| HostResult {
        end,
        operations,
        failure: None,
        ..unread(name)
    };
    let motd = |end, failure| {
        result(
            "files.put /etc/motd",
            &[(ResourceKind::File, "/etc/motd", end)],
            failure,
        )
    };
    let results = [
        ended("dns-1", HostEnd::Converged, vec![motd(ResourceEnd::Applied, None)]),
        ended("dns-2", HostEnd::Failed, vec![motd(ResourceEnd::Failed, Some(failure))]),
        ended("idle", HostEnd::Converged, Vec::new()),
    ];
    let review = Review::applied(&selection, &plan, &results, false);
    assert_snapshot!("ended_markdown", markdown(&review));
    assert_snapshot!("ended_html", html(&review));
}

/// JSON of a review and of a result, with every kind of operation.
pub(super) fn documents_of_all_kinds() -> [String; 2] {
    let (selection, mut plan, unread) = rich();
    let mut handler = planned("systemd.service x", Outcome::Unchanged);
    handler.trigger = Trigger::NotifiedBy(vec![OperationId("web / t/t / files.put /etc/motd".to_owned())]);
    let mut unknown = change(id(ResourceKind::File, "/etc/y"), &[], &[("mode", "0644")]);
    unknown.before = Before::Unknown("not readable".to_owned());
    let check = |state| Outcome::Check {
        what: "tcp".to_owned(),
        state,
        within: Duration::from_secs(1),
    };
    plan.hosts[0].operations.extend([
        handler,
        planned("files.put /etc/y", Outcome::Change(vec![unknown])),
        planned("verify.tcp", check(CheckState::Later)),
        planned("verify.tcp 2", check(CheckState::Holds)),
    ]);
    let failure = unread[0].failure.clone();
    let mut ended = unread[0].clone();
    ended.host = "web".to_owned();
    ended.operations = vec![result(
        "x",
        &[(ResourceKind::File, "/etc/x", ResourceEnd::Failed)],
        failure,
    )];
    let results = [ended];
    [
        json(&Review::planned(&selection, &plan, &unread, true, true)),
        json(&Review::applied(&selection, &plan, &results, true)),
    ]
}

#[test]
fn the_same_review_gives_the_same_bytes() {
    let documents = || {
        let (selection, plan, unread) = rich();
        let review = Review::planned(&selection, &plan, &unread, true, false);
        [json(&review), markdown(&review), html(&review)]
    };
    assert_eq!(documents(), documents());
}

/// Is in all hostile text, so that each place can be found.
pub(super) const MARK: &str = "zqx";

/// Text of hosts and projects that tries to leave its place.
pub(super) const HOSTILE: &[&str] = &[
    "``` zqx ````` zqx",
    "`zqx`",
    "zqx\n```\n</details>\n# zqx\n```diff\n+ zqx",
    "</code></summary></details><script>alert('zqx')</script>",
    "</pre></style><img src=x onerror=alert(`zqx`)>",
    "@everyone @zqx/team zqx#1 GH-1 https://zqx.example www.zqx.example zqx@zqx.example",
    "[zqx](https://zqx.example) ![zqx](x.png) <https://zqx.example> [zqx]: /url",
    "\u{1b}[2Jzqx\u{202e}zqx\u{2028}zqx\0\r\n\tzqx\u{feff}",
    "zqx\\",
    "\\`zqx\\``",
    " zqx ",
    "    zqx\n\n- zqx\n\n1. zqx\n\n> zqx\n\n| zqx |\n|---|\n",
    "&lt;zqx&gt; &#96; <!-- zqx --> <![CDATA[zqx",
    "--> zqx --!> ]]> </summary></details></details></section></main></body> zqx",
    "\u{9b}2Jzqx \u{1b}]8;;https://zqx.example\u{7}zqx\u{1b}]8;;\u{7} \u{2066}zqx\u{2069} \u{ad}\u{200b}zqx",
    "::error file=zqx::zqx\n::set-output name=zqx::zqx",
    "~~~\nzqx\n~~~ $$zqx$$ :zqx: **zqx** __zqx__ ~~zqx~~",
];

/// A review with `bad` wherever foreign text can stand.
fn hostile(bad: &str) -> (Selection, Plan, Vec<HostResult>) {
    let file = |name: &str| id(ResourceKind::File, name);
    let attributes = [("content", bad), ("mode", bad), ("owner", bad), ("group", bad)];
    let with_steps = |mut change: ResourceChange| {
        change.before = match change.before {
            Before::Present(mut before) => {
                before.insert("why", Attribute::Unknown(bad.to_owned()));
                before.insert("binary", Attribute::Described(bad.to_owned()));
                Before::Present(before)
            }
            other => other,
        };
        change
    };
    let changes = || {
        vec![
            change(file(bad), &[], &attributes),
            change(file(bad), &attributes, &[]),
            with_steps(change(
                file(bad),
                &[("content", bad), ("list", bad), ("x", "1")],
                &[("content", &format!("{bad}{bad}\n{bad}")), ("list", "a\nb"), ("x", bad)],
            )),
            change(
                file(&format!("/{}.yaml", bad.replace('\n', ""))),
                &[("content", "b: 1\n")],
                &[("content", &format!("b: 2\na: {}\n", serde_json::Value::from(bad)))],
            ),
            change(id(ResourceKind::Package, bad), &[], &[("version", bad)]),
            change(
                id(ResourceKind::PackagesAlong, bad),
                &[],
                &[("installs", bad), ("upgrades", bad), ("removes", bad)],
            ),
        ]
    };
    let operation = |outcome| {
        let mut operation = planned(bad, outcome);
        operation.task = bad.to_owned();
        operation.id = OperationId(format!("{bad} / {bad} / {bad}"));
        operation
    };
    let since = || vec![OperationId(bad.to_owned()), OperationId(format!("{bad}2"))];
    let check = |state| Outcome::Check {
        what: bad.to_owned(),
        state,
        within: Duration::from_secs(1),
    };
    let operations = vec![
        operation(Outcome::Change(changes())),
        operation(Outcome::Ensure {
            changes: changes(),
            since: since(),
        }),
        operation(Outcome::Deferred {
            waits_for: since(),
            why: bad.to_owned(),
            touches: vec![FactScope::Tree(bad.to_owned())],
            preview: changes(),
        }),
        operation(Outcome::Unchanged),
        operation(check(CheckState::Holds)),
        operation(check(CheckState::Fails(bad.to_owned()))),
    ];
    let mut first = host(bad, operations);
    first.notices.push(bad.to_owned());
    let mut selection = selection();
    selection.inventory = bad.to_owned();
    selection.deploy = bad.to_owned();
    selection.hosts_left_out = vec![bad.to_owned(), bad.to_owned()];
    selection.tasks_left_out = vec![bad.to_owned()];
    selection.items_left_out_of = vec![bad.to_owned()];
    selection.tags = vec![bad.to_owned()];
    let plan = Plan {
        hosts: vec![first, host(&format!("{bad}2"), vec![operation(Outcome::Unchanged)])],
    };
    let mut far = unread(&format!("{bad}3"));
    if let Some(failure) = &mut far.failure {
        failure.output = bad.to_owned();
        failure.cause = Some(bad.to_owned());
    }
    (selection, plan, vec![far])
}

/// The review, and one of the same plan after it ran.
pub(super) fn documents(bad: &str, render: fn(&Review<'_>) -> String) -> [String; 2] {
    let (selection, plan, unread) = hostile(bad);
    let failure = unread[0].failure.clone();
    let mut ended = unread[0].clone();
    bad.clone_into(&mut ended.host);
    ended.operations = vec![result(bad, &[(ResourceKind::File, bad, ResourceEnd::Failed)], failure)];
    let results = [ended];
    [
        render(&Review::planned(&selection, &plan, &unread, true, true)),
        render(&Review::applied(&selection, &plan, &results, true)),
    ]
}

/// Checks that foreign text is code, that there are no links, and that every tag is closed.
pub(super) fn check_markdown(document: &str) {
    let own_html = Regex::new("^(<details( open)?>|</details>|<summary>.*</summary>|\\s)*$").expect("a pattern");
    let quoted = Regex::new("<code>[^<>]*</code>").expect("a pattern");
    let mut in_block = false;
    let mut depth = 0;
    for event in Parser::new_ext(document, Options::all()) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => in_block = true,
            Event::End(TagEnd::CodeBlock) => in_block = false,
            Event::Text(text) => assert!(
                in_block || !text.contains(['@', '<']) && !text.contains(MARK),
                "{text}\n{document}"
            ),
            Event::Html(markup) => {
                let own = quoted.replace_all(&markup, "");
                assert!(own_html.is_match(&own) && !own.contains(MARK), "{markup}\n{document}");
                depth += own.matches("<details").count();
                depth -= own.matches("</details>").count();
            }
            Event::Start(
                Tag::Link { .. } | Tag::Image { .. } | Tag::Table(_) | Tag::BlockQuote(_) | Tag::HtmlBlock,
            ) if !matches!(event, Event::Start(Tag::HtmlBlock)) => {
                panic!("{event:?}\n{document}")
            }
            Event::InlineHtml(_) | Event::FootnoteReference(_) | Event::InlineMath(_) | Event::DisplayMath(_) => {
                panic!("{event:?}\n{document}")
            }
            _ => {}
        }
    }
    assert_eq!(depth, 0, "{document}");
}

pub(super) fn check_html(document: &str) {
    let own = Regex::new(concat!(
        "^</?(html|head|meta|title|style|body|div|header|main|details|summary|section|article|h1|h2|h3|p|pre|code|b|span|ul|li|br|mark|",
        "form|fieldset|legend|label|input|button)",
        "( (class|lang|charset|name|content|http-equiv|id|type|role|aria-label|autocomplete)=\"[^\"<>]*\"| open)*>$"
    ))
    .expect("a pattern");
    let tag = Regex::new("<[^>]*>?").expect("a pattern");
    let attribute = Regex::new(" (?:class|id)=\"([^\"]*)\"").expect("a pattern");
    for found in tag.find_iter(&document["<!doctype html>".len()..]) {
        assert!(
            own.is_match(found.as_str()) && !found.as_str().contains(MARK),
            "{}",
            found.as_str()
        );
    }
    for name in attribute.captures_iter(document) {
        assert!(
            name[1]
                .chars()
                .all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || " -".contains(one)),
            "{}",
            &name[1]
        );
    }
    for (open, close) in [
        ("<details", "</details>"),
        ("<pre", "</pre>"),
        ("<span", "</span>"),
        ("<code>", "</code>"),
    ] {
        assert_eq!(
            document.matches(open).count(),
            document.matches(close).count(),
            "{open}"
        );
    }
}

#[test]
fn hostile_text_stays_where_it_is_put() {
    for bad in HOSTILE {
        for document in documents(bad, markdown) {
            assert!(document.contains(MARK) && document.len() <= 65_000, "{bad:?}");
            assert!(
                !document
                    .chars()
                    .any(|one| one != '\n' && one != '\t' && one.is_control())
            );
            check_markdown(&document);
        }
        for document in documents(bad, html) {
            assert!(document.contains(MARK), "{bad:?}");
            check_html(&document);
        }
    }
}

#[test]
fn a_line_of_a_megabyte_is_no_trouble() {
    let bad = format!("zqx{}zqx", "`@<".repeat(350_000));
    let new = format!("{bad}\n{bad}");
    let file = change(
        id(ResourceKind::File, "/etc/x"),
        &[("content", &bad), ("list", "1")],
        &[("content", &new), ("list", &bad)],
    );
    let package = change(id(ResourceKind::Package, &bad), &[], &[("version", "1")]);
    let plan = Plan {
        hosts: vec![host("web", vec![planned(&bad, Outcome::Change(vec![file, package]))])],
    };
    let selection = selection();
    let review = Review::planned(&selection, &plan, &[], true, false);
    let document = markdown(&review);
    assert!(document.len() <= 65_000, "{}", document.len());
    check_markdown(&document);
    check_html(&html(&review));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        failure_persistence: None,
        ..proptest::prelude::ProptestConfig::with_cases(24)
    })]
    #[test]
    fn any_text_stays_where_it_is_put(
        bad in "([`~<>&@#|*_\\[\\]()!\\\\ \n\t\"'/-]|zqx|details|script|\\PC|\u{202e}|http://){0,24}"
    ) {
        for document in documents(&format!("zqx{bad}"), markdown) {
            check_markdown(&document);
        }
        for document in documents(&format!("zqx{bad}"), html) {
            check_html(&document);
        }
    }
}

/// So many hosts, each with so many files of so many lines; every second host equals the one before.
fn large(hosts: usize, files: usize, lines: usize) -> Plan {
    let operations = |host: usize| {
        (0..files).map(move |file| {
            let lines: Vec<String> = (0..lines)
                .map(|line| format!("line {line} → of host {}\n", host / 2))
                .collect();
            let content = lines.concat();
            let path = format!("/etc/{file}");
            let change = change(id(ResourceKind::File, &path), &[], &[("content", &content)]);
            planned(&format!("files.put {path}"), Outcome::Change(vec![change]))
        })
    };
    Plan {
        hosts: (0..hosts)
            .map(|number| host(&format!("host-{number}"), operations(number).collect()))
            .collect(),
    }
}

#[test]
fn what_does_not_fit_is_counted_truly() {
    let selection = selection();
    let cut =
        Regex::new("\\*\\*Cut to fit a comment:\\*\\* ([0-9,]+) of ([0-9,]+) changes are shown").expect("a pattern");
    let without = Regex::new("; ([0-9,]+) without (its|their) details").expect("a pattern");
    let number = |text: &str| text.replace(',', "").parse::<usize>().expect("a number");
    for (hosts, files, lines) in [
        (2, 80, 40),
        (3, 400, 3),
        (60, 30, 30),
        (600, 3, 2),
        (1, 2500, 1),
        (3, 1, 9_000),
    ] {
        let plan = large(hosts, files, lines);
        let review = Review::planned(&selection, &plan, &[], true, true);
        let document = markdown(&review);
        let case = format!("{hosts} hosts, {files} files, {lines} lines");
        assert!(document.len() <= 65_000, "{case}: {}", document.len());
        assert!(document.len() > 40_000 || lines == 9_000, "{case}: {}", document.len());
        check_markdown(&document);
        let found = cut.captures(&document).unwrap_or_else(|| panic!("{case}: {document}"));
        // The visible changes, host by host.
        let mut seen = 0;
        let mut short = 0;
        for section in document.split("<summary>").skip(1) {
            let hosts = if section.starts_with("the same on 2 hosts") {
                2
            } else {
                1
            };
            seen += hosts * section.matches("\n- `+ file").count();
            short += hosts * section.matches("*(details left out)*").count();
        }
        assert_eq!(number(&found[1]), seen, "{case}");
        assert_eq!(number(&found[2]), hosts * files, "{case}");
        let counted = without.captures(&document).map_or(0, |found| number(&found[1]));
        assert_eq!(counted, short, "{case}");
        assert!(document.contains(&format!("{} to create", crate::report::style::grouped(hosts * files))));
    }
    let whole = markdown(&Review::planned(&selection, &large(2, 4, 3), &[], true, true));
    assert!(!whole.contains("Cut to fit"), "{whole}");
}
