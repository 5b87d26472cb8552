//! Pages in a real browser: Chromium, headless, at the widths of a phone and of a desk. It says itself what it shows.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::documents::{documents, rich};
use super::*;
use crate::report::html;
use crate::report::review::Review;

/// Asks the page what it shows after clicks, and writes that into its own document.
const HARNESS: &str = include_str!("browser.html");
const PHONE: u32 = 390;
const DESK: u32 = 1280;

/// What the browser shows.
#[derive(Debug, Deserialize)]
struct Look {
    width: u32,
    /// Whether the page scrolls sideways, and what reaches beyond its edge.
    scrolls: bool,
    wide: Vec<String>,
    /// Text of which the contrast is below 4.5.
    low: Vec<String>,
    hosts: Vec<String>,
    tasks: Vec<String>,
    changes: Vec<String>,
    failures: usize,
    controls: Vec<String>,
    /// Controls and signs without a name.
    unnamed: usize,
    background: String,
}

/// A screen of this width, and the elements that are clicked.
type Step<'a> = (u32, &'a [&'a str]);

fn look(page: &str, is_dark: bool, steps: &[Step<'_>]) -> Vec<Look> {
    let folder = tempfile::tempdir().expect("a folder");
    let steps: Vec<_> = steps
        .iter()
        .map(|(width, click)| json!({ "width": width, "click": click }))
        .collect();
    let harness = folder.path().join("harness.html");
    std::fs::write(folder.path().join("page.html"), page).expect("the page is written");
    std::fs::write(&harness, HARNESS.replacen("STEPS", &json!(steps).to_string(), 1)).expect("the harness is written");
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        // The page and the harness may look at each other.
        .arg("--allow-file-access-from-files")
        .arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!is_dark)))
        .arg(format!("--user-data-dir={}", folder.path().join("data").display()))
        .args(["--window-size=1400,900", "--dump-dom"])
        .arg(format!("file://{}", harness.display()))
        .env("HOME", folder.path())
        .output()
        .expect("Chromium is here: scripts/install-test-packages installs it");
    let dom = String::from_utf8_lossy(&output.stdout);
    let found = dom
        .split_once("<pre id=\"found\">")
        .and_then(|(_, rest)| rest.split_once('<'));
    let found = found.map(|(found, _)| STANDARD.decode(found).expect("base64"));
    let found = found.unwrap_or_else(|| panic!("{dom}\n{}", String::from_utf8_lossy(&output.stderr)));
    serde_json::from_slice(&found).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&found)))
}

fn is_readable(look: &Look) {
    assert!(
        !look.scrolls && look.wide.is_empty(),
        "at {}: {:#?}",
        look.width,
        look.wide
    );
    assert!(look.low.is_empty(), "{:#?}", look.low);
    assert_eq!(look.unnamed, 0, "{look:?}");
}

#[test]
fn a_page_is_readable_and_its_filters_work() {
    let (selection, plan, unread) = rich();
    let page = html(&Review::planned(&selection, &plan, &unread, true, false));
    let steps: [Step<'_>; 7] = [
        (PHONE, &[]),
        (DESK, &[]),
        (PHONE, &["#kind-create"]),
        (PHONE, &["#kind-remove", "#kind-later"]),
        (DESK, &["#kind-fail"]),
        (DESK, &[".hosts > summary", "#host-2"]),
        (PHONE, &["#host-0", "#kind-each"]),
    ];
    for is_dark in [false, true] {
        let looks = look(&page, is_dark, &steps);
        looks.iter().for_each(is_readable);
        let [phone, desk, create, gone, fail, one_of_two, each] = looks.try_into().expect("a look for each step");
        assert_eq!((phone.width, desk.width), (PHONE, DESK));
        let background = if is_dark {
            "rgb(13, 17, 23)"
        } else {
            "rgb(255, 255, 255)"
        };
        assert_eq!(phone.background, background);
        let dns = "the same on 2 hosts: dns-1, dns-2 on each:";
        assert_eq!(phone.hosts, ["far", "web", dns]);
        assert_eq!(phone.changes.len(), 11, "{phone:?}");
        assert_eq!(phone.changes, desk.changes);
        assert_eq!(phone.controls.len(), 7, "{phone:?}");
        // A preview may create something too; it is known later.
        assert_eq!(create.hosts, ["web", dns]);
        assert_eq!(create.changes, ["x", "/srv/page.md", "/etc/motd"]);
        assert_eq!(create.tasks, ["t/t", "t/t"]);
        assert_eq!(gone.hosts, ["web"]);
        assert_eq!(gone.changes, ["files.line /etc/x.conf", "/etc/old"]);
        assert_eq!(
            (fail.hosts, fail.failures),
            (vec!["far".to_owned(), "web".to_owned()], 1)
        );
        assert_eq!(fail.changes, ["GET https://example.org/"]);
        assert_eq!((one_of_two.hosts, one_of_two.failures), (vec![dns.to_owned()], 0));
        assert_eq!(one_of_two.controls.len(), 11);
        assert_eq!(
            (each.hosts, each.changes),
            (vec!["web".to_owned()], vec!["make it".to_owned()])
        );
    }
}

#[test]
fn many_hosts_are_folded_and_can_be_unfolded_and_chosen() {
    let (selection, mut plan, unread) = rich();
    let first = plan.hosts[0].clone();
    plan.hosts = (0..100)
        .map(|number| {
            let mut host = first.clone();
            host.host = format!("host-{number}");
            // No two of them are the same.
            host.operations.push(planned(
                "files.directory /srv",
                Outcome::Change(vec![change(
                    id(ResourceKind::Directory, &format!("/srv/{number}")),
                    &[],
                    &[("mode", "0755")],
                )]),
            ));
            host
        })
        .collect();
    // What fails is unfolded.
    for host in &mut plan.hosts[1..] {
        host.operations
            .retain(|one| !matches!(one.outcome, Outcome::Check { .. }));
    }
    let page = html(&Review::planned(&selection, &plan, &unread, true, false));
    let steps: [Step<'_>; 3] = [
        (PHONE, &[]),
        (PHONE, &["#unfold", "#kind-remove"]),
        (DESK, &[".hosts > summary", "#host-99", "#section-100 > summary"]),
    ];
    let looks = look(&page, false, &steps);
    looks.iter().for_each(is_readable);
    let [folded, removed, last] = looks.try_into().expect("a look for each step");
    assert_eq!((folded.hosts.len(), folded.failures), (101, 1));
    assert!(folded.changes.len() < 20, "{}", folded.changes.len());
    assert_eq!((removed.hosts.len(), removed.changes.len()), (100, 100));
    assert_eq!(last.hosts, ["host-99"]);
    assert!(last.changes.contains(&"/srv/99".to_owned()), "{last:?}");
}

#[test]
fn hostile_and_long_text_stays_within_the_page() {
    let bad = format!(
        "</details></style><script>document.body.innerHTML='zqx'</script>{}",
        "zqx".repeat(3_000)
    );
    for page in documents(&bad, html) {
        for look in look(&page, false, &[(PHONE, &[]), (DESK, &[])]) {
            is_readable(&look);
            assert!(!look.hosts.is_empty(), "{look:?}");
        }
    }
}
