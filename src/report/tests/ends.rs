//! Events and summaries.

use insta::assert_snapshot;

use super::*;
use crate::apply::{ApplyEvent, HostEnd, HostResult};
use crate::plan::Plan;
use crate::report::review::Review;
use crate::report::{self, event, summary};

fn apt_failure() -> Failure {
    Failure {
        attempted: "run `apt-get install x`".to_owned(),
        cause: None,
        outcome: None,
        place: None,
        exit_code: Some(100),
        output: "Reading package lists...\nE: \x1b[31mUnable to fetch\r\n10%\r99%".to_owned(),
        hint: None,
    }
}

fn printed(event: &ApplyEvent) -> Option<String> {
    super::super::event(event, &TextOptions::default(), false).map(|text| plain(&text))
}

fn finished(result: OperationResult) -> String {
    let host = "services-dev".to_owned();
    printed(&ApplyEvent::Finished { host, result }).expect("a line")
}

fn host(name: &str, end: HostEnd, operations: Vec<OperationResult>, failure: Option<Failure>) -> HostResult {
    HostResult {
        host: name.to_owned(),
        end,
        operations,
        failure,
        notices: Vec::new(),
        round_trips: 3,
        took: Duration::ZERO,
    }
}

#[test]
fn one_line_a_finished_operation() {
    use ResourceEnd::{AlreadySo, Applied, NotReached};
    let along = (ResourceKind::PackagesAlong, "x", Applied);
    assert_snapshot!(finished(result("p", &[(ResourceKind::Package, "x", Applied), along], None)), @"services-dev  applied      package x (12.3 s)");
    assert_snapshot!(finished(result("f", &[(ResourceKind::File, "/etc/x", AlreadySo)], None)), @"services-dev  unchanged    file /etc/x");
    assert_snapshot!(finished(result("d", &[(ResourceKind::Directory, "/a", AlreadySo), (ResourceKind::Directory, "/a/b", Applied)], None)), @"
    services-dev  applied      directory /a/b (12.3 s)
    services-dev  unchanged    directory /a
    ");
    let many: Vec<_> = ["a", "b", "c", "d", "e"]
        .map(|name| (ResourceKind::Package, name, Applied))
        .to_vec();
    assert_snapshot!(finished(result("many", &many, None)), @"services-dev  applied      package a, package b, package c, 2 more (12.3 s)");
    assert_snapshot!(finished(result("r", &[(ResourceKind::Unit, "x.timer", NotReached)], None)), @"services-dev  not reached  unit x.timer");
    let waits = ApplyEvent::Waits {
        host: "web".to_owned(),
        attempt: "run `apt-get upgrade`".to_owned(),
        words: "/var/lib/dpkg/lock-frontend is held by process 136 (apt\x1b-get)\n".to_owned(),
    };
    assert_snapshot!(printed(&waits).expect("a line"), @r"web  waiting      run `apt-get upgrade`: /var/lib/dpkg/lock-frontend is held by process 136 (apt\x1b-get)\n");
    let started = ApplyEvent::Started {
        host: "web".to_owned(),
        operation: OperationId("web / t / x".to_owned()),
        doing: "x".to_owned(),
    };
    assert_eq!(printed(&started), None);
}

#[test]
fn a_failure_is_printed_in_full() {
    let failed = result(
        "p",
        &[(ResourceKind::Package, "x", ResourceEnd::Failed)],
        Some(apt_failure()),
    );
    assert_snapshot!(finished(failed), @r"
    services-dev  failed       package x (12.3 s)
    services-dev: failed to run `apt-get install x`
      exit code 100
      | Reading package lists...
      | E: \x1b[31mUnable to fetch
      | 99%
    ");
}

#[test]
fn what_the_summary_prints_at_once_is_not_printed_before() {
    let failed = result(
        "p",
        &[(ResourceKind::Package, "x", ResourceEnd::Failed)],
        Some(apt_failure()),
    );
    let end = host("web", HostEnd::Failed, vec![failed.clone()], None);
    let events = [
        ApplyEvent::Finished {
            host: "web".to_owned(),
            result: failed,
        },
        ApplyEvent::Finished {
            host: "web".to_owned(),
            result: result("r", &[(ResourceKind::Unit, "x.timer", ResourceEnd::NotReached)], None),
        },
        ApplyEvent::HostFinished { result: end.clone() },
    ];
    let options = TextOptions::default();
    let lines: String = events.iter().filter_map(|one| event(one, &options, true)).collect();
    assert_eq!(plain(&lines), "web  failed       package x (12.3 s)\n");
    let all = plain(&(lines + &summary(&[end], &options)));
    assert_eq!(all.matches("failed to run").count(), 1, "{all}");
    assert_eq!(all.matches("exit code 100").count(), 1, "{all}");
}

#[test]
fn only_the_last_lines_of_much_output() {
    let mut failure = apt_failure();
    failure.output = numbered(100);
    let text = finished(result(
        "p",
        &[(ResourceKind::Package, "x", ResourceEnd::Failed)],
        Some(failure),
    ));
    assert!(text.contains("  | … 60 lines before\n  | line 61\n"), "{text}");
    assert!(text.ends_with("  | line 100\n"), "{text}");
}

#[test]
fn what_was_deferred_is_shown_when_it_is_known() {
    let now = planned(
        "files.line /etc/x",
        Outcome::Change(vec![change(
            id(ResourceKind::File, "/etc/x"),
            &[("content", "a\n")],
            &[("content", "a\nb\n")],
        )]),
    );
    let resolved = |operation: PlannedOperation| ApplyEvent::Resolved {
        host: "web".to_owned(),
        operation: Box::new(operation),
    };
    assert_snapshot!(printed(&resolved(now)).expect("a block"), @"
    web  now known    files.line /etc/x
        ~ file /etc/x
            @@ -1 +1,2 @@
              a
            + b
    ");
    let settled = planned("files.line /etc/x", Outcome::Unchanged);
    assert_snapshot!(printed(&resolved(settled)).expect("a line"), @"web  unchanged    files.line /etc/x");
}

#[test]
fn a_summary_has_failures_what_is_left_and_the_totals_last() {
    use ResourceEnd::{Applied, Failed, NotReached};
    let web = host(
        "web",
        HostEnd::Failed,
        vec![
            result("a", &[(ResourceKind::File, "/etc/a", Applied)], None),
            result("p", &[(ResourceKind::Package, "x", Failed)], Some(apt_failure())),
            result("u", &[(ResourceKind::Unit, "x.timer", NotReached)], None),
            result(
                "files.line /etc/b",
                &[(ResourceKind::Operation, "files.line /etc/b", NotReached)],
                None,
            ),
        ],
        None,
    );
    let nas = host(
        "nas",
        HostEnd::Converged,
        vec![result("a", &[(ResourceKind::File, "/etc/a", Applied)], None)],
        None,
    );
    let idle = ["dns", "dhcp"].map(|name| host(name, HostEnd::Converged, Vec::new(), None));
    let far = host(
        "far",
        HostEnd::Unreachable,
        vec![result("a", &[(ResourceKind::File, "/etc/a", NotReached)], None)],
        Some(Failure {
            attempted: "far: cannot reach 192.0.2.1 port 22: no route".to_owned(),
            cause: Some("No route to host".to_owned()),
            outcome: None,
            place: None,
            exit_code: None,
            output: String::new(),
            hint: Some("is it on?".to_owned()),
        }),
    );
    let [dns, dhcp] = idle;
    assert_snapshot!(plain(&summary(&[web, nas, dns, dhcp, far], &TextOptions::default())), @r"
    web: failed to run `apt-get install x`
      exit code 100
      | Reading package lists...
      | E: \x1b[31mUnable to fetch
      | 99%
      not reached:
        unit x.timer
        files.line /etc/b
      next: fix the cause and rerun; changes already applied are kept

    far: cannot reach 192.0.2.1 port 22: no route
      caused by: No route to host
      hint: is it on?
      not reached:
        file /etc/a

    web  failed       1 applied, 1 failed, 2 not reached
    nas  converged    1 applied
    far  unreachable  1 not reached
    nothing to do on dns, dhcp
    5 hosts: 3 converged, 1 failed, 1 unreachable; 2 applied, 1 failed, 3 not reached
    ");
}

#[test]
fn a_host_that_went_on_after_a_failure_has_not_converged() {
    use ResourceEnd::{Applied, Ignored};
    let of = |slug: &str, end| result(slug, &[(ResourceKind::File, slug, end)], None);
    let web = host(
        "web",
        HostEnd::Converged,
        vec![of("/etc/a", Applied), of("/etc/b", Ignored)],
        None,
    );
    let nas = host("nas", HostEnd::Converged, vec![of("/etc/a", Applied)], None);
    assert_snapshot!(plain(&summary(&[web, nas], &TextOptions::default())), @r"
    web  finished     1 applied, 1 failed (ignored)
    nas  converged    1 applied
    2 hosts: 1 converged, 1 finished; 2 applied, 1 failed (ignored)
    ");
}

#[test]
fn hosts_that_fail_in_the_same_way_have_one_report() {
    use ResourceEnd::{Failed, NotReached};
    let failed = |name: &str| {
        let operations = vec![
            result("p", &[(ResourceKind::Package, "x", Failed)], Some(apt_failure())),
            result("u", &[(ResourceKind::Unit, "x.timer", NotReached)], None),
        ];
        host(name, HostEnd::Failed, operations, None)
    };
    let gone = |name: &str| {
        let failure = Failure {
            attempted: format!("{name}: cannot connect"),
            cause: Some("no route".to_owned()),
            outcome: Some("nothing was done".to_owned()),
            place: None,
            exit_code: None,
            output: String::new(),
            hint: None,
        };
        host(name, HostEnd::Unreachable, Vec::new(), Some(failure))
    };
    let mut other = failed("other");
    other.notices.push("a reboot is required".to_owned());
    let results = [failed("a"), gone("far-1"), failed("b"), other, gone("far-2")];
    let text = plain(&summary(&results, &TextOptions::default()));
    let (reports, _) = text.split_once("\na      failed").expect("the hosts come last");
    assert_snapshot!(reports, @r"
    a, b: failed to run `apt-get install x`
      exit code 100
      | Reading package lists...
      | E: \x1b[31mUnable to fetch
      | 99%
      not reached:
        unit x.timer
      next: fix the cause and rerun; changes already applied are kept

    far-1, far-2: cannot connect
      caused by: no route
      outcome: nothing was done
      next: rerun the deploy when the host is reachable

    other: failed to run `apt-get install x`
      exit code 100
      | Reading package lists...
      | E: \x1b[31mUnable to fetch
      | 99%
    other: a reboot is required
      not reached:
        unit x.timer
      next: fix the cause and rerun; changes already applied are kept
    ");
}

#[test]
fn each_end_says_how_to_go_on() {
    for end in [
        HostEnd::Failed,
        HostEnd::Unreachable,
        HostEnd::Locked,
        HostEnd::Stale,
        HostEnd::Invalid,
        HostEnd::Interrupted,
    ] {
        let text = plain(&summary(&[host("web", end, Vec::new(), None)], &TextOptions::default()));
        assert!(text.contains("next: "), "{end:?}: {text}");
    }
    let fine = plain(&summary(
        &[host("web", HostEnd::Converged, Vec::new(), None)],
        &TextOptions::default(),
    ));
    assert_eq!(fine, "nothing to do on web\n");
}

#[test]
fn times_are_printed_by_host_and_on_request_by_operation() {
    let mut slow = result(
        "apt.upgrade",
        &[(ResourceKind::Package, "x", ResourceEnd::Applied)],
        None,
    );
    slow.took = Duration::from_secs(95);
    let mut quick = result(
        "files.put /etc/x",
        &[(ResourceKind::File, "/etc/x", ResourceEnd::Applied)],
        None,
    );
    quick.took = Duration::from_millis(700);
    let mut web = host("web", HostEnd::Converged, vec![quick, slow], None);
    web.took = Duration::from_millis(96_040);
    let results = [web];
    assert_snapshot!(plain(&summary(&results, &TextOptions::default())), @"web  converged    2 applied in 1 min 36 s");
    let text = plain(&summary(&results, &verbose()));
    let times: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(
        times,
        [
            "  1 min 35 s  apt.upgrade",
            "       0.7 s  files.put /etc/x",
            "           3  round trips"
        ]
    );
}

#[test]
fn a_review_says_which_hosts_it_says_nothing_of() {
    let selection = selection();
    let plan = Plan::default();
    let not_read = |unread: &[HostResult]| report::not_read(&Review::planned(&selection, &plan, unread, true, false));
    assert_eq!(not_read(&[]), "");
    let far = host("far", HostEnd::Unreachable, Vec::new(), None);
    let odd = host("odd", HostEnd::Failed, Vec::new(), None);
    assert_eq!(
        plain(&not_read(&[far, odd])),
        "not read: far (unreachable), odd (failed)\n"
    );
    let moved = host("moved", HostEnd::Stale, Vec::new(), None);
    let far = host("far", HostEnd::Unreachable, Vec::new(), None);
    assert_eq!(
        plain(&not_read(&[moved, far])),
        "not read: far (unreachable)\nnot applied: moved (not as it was when the plan was saved)\n"
    );
}
