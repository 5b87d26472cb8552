use super::*;
use crate::facts::Facts;
use crate::facts::journal::parse;
use crate::report::schemas;

const JOURNAL: &str = r#"journal 
{"run":"20260102T000000Z-1","at":"2026-01-02T00:00:00Z","who":"anna@desk","inventory":"dev","deploy":"site","filters":["--tags web"],"plan":"x","version":"0"}
{"change":0,"operation":"web / files.put /etc/motd","kind":"file","name":"/etc/motd","action":"update","steps":1,"was":"present","before":{"content":"[text]","mode":"0600"},"after":{"content":"[text]","mode":"0644"}}
{"change":1,"operation":"web / files.put /etc/new","kind":"file","name":"/etc/new","action":"create","steps":1,"was":"absent","after":{"mode":"0644"}}
{"change":2,"operation":"web / reload","kind":"unit","name":"web.service","action":"update","steps":1,"was":"present","before":{"active":"active"},"after":{"active":"reloaded"}}
{"step":0,"end":"done","status":0}
{"step":2,"end":"done","status":0}
{"step":1,"end":"failed","status":1}
{"ended":"failed","owed":["web / restart"]}

journal 
{"run":"20260101T000000Z-0","at":"2026-01-01T00:00:00Z","who":"anna@desk","inventory":"dev","deploy":"all","plan":"x","version":"0"}
{"change":0,"operation":"a / b","kind":"link","name":"/a","action":"remove","steps":1,"was":"present"}
"#;

fn host() -> HostJournal {
    let mut facts = Facts::default();
    let unit = OwnUnit {
        name: "home-lab-power.service".to_owned(),
        active: "active".to_owned(),
        sub: "running".to_owned(),
    };
    facts.insert(FactKey::OwnUnits, Fact::OwnUnits(vec![unit]));
    HostJournal {
        host: "alpha".to_owned(),
        facts,
        runs: parse(JOURNAL),
        orphans: vec!["orphan: file /etc/old is no longer in the configuration".to_owned()],
        odd: vec!["/var/lib/homelab/journal/a b.jsonl".to_owned()],
    }
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn runs_are_told_in_lines_and_one_with_its_changes() {
    let host = host();
    assert_eq!(
        plain(&history(std::slice::from_ref(&host))),
        "alpha (2 runs)\n  \
         20260102T000000Z-1  dev site --tags web  2 applied, 1 failed  failed       anna@desk\n  \
         20260101T000000Z-0  dev all              1 not known          interrupted  anna@desk\n  \
         notice  `/var/lib/homelab/journal/a b.jsonl` is no journal of a run, so it is not read; \
         `rm -r '/var/lib/homelab/journal/a b.jsonl'` on the host removes it\n"
    );
    assert_eq!(
        plain(&run("alpha", &host.runs[0].0)),
        "20260102T000000Z-1 on alpha\n  dev site --tags web by anna@desk\n  \
         began 2026-01-02T00:00:00Z, ended failed: 2 applied, 1 failed\n  \
         web / files.put /etc/motd\n    ~ file /etc/motd   mode 0600 → 0644\n  \
         web / files.put /etc/new\n    + file /etc/new   mode 0644   failed\n  \
         web / reload\n    ~ unit web.service   active → reloaded\n  owes `web / restart`\n"
    );
}

#[test]
fn a_change_is_told_as_its_review_told_it() {
    let record = |kind: &str, before: &str, after: &str| {
        let change = format!(
            r#"{{"change":0,"operation":"a / b","kind":"{kind}","name":"x","action":"update","steps":1,"was":"present","before":{{{before}}},"after":{{{after}}}}}"#
        );
        let head = JOURNAL.lines().take(2).collect::<Vec<_>>().join("\n");
        let journal =
            format!("{head}\n{change}\n{{\"step\":0,\"end\":\"done\",\"status\":0}}\n{{\"ended\":\"converged\"}}\n");
        let told = plain(&run("alpha", &parse(&journal)[0].0));
        told.lines().last().unwrap_or_default().trim().to_owned()
    };
    assert_eq!(
        record("unit", "", r#""active":"active","enabled":"enabled""#),
        "~ unit x   active, enabled"
    );
    assert_eq!(
        record("user", "", r#""comment":"","group":"x","groups":"""#),
        "~ user x   group x"
    );
    assert_eq!(
        record("user", r#""comment":"","groups":"a""#, r#""comment":"","groups":"""#),
        "~ user x   groups a → none"
    );
    assert_eq!(
        record("package", r#""version":"1""#, r#""version":"2""#),
        "~ package x   1 → 2"
    );
}

#[test]
fn packages_that_come_along_are_counted_as_in_a_summary() {
    let change = |number: u32, kind: &str, name: &str| {
        format!(
            r#"{{"change":{number},"operation":"a / apt.packages","kind":"{kind}","name":"{name}","action":"create","steps":{},"was":"absent"}}"#,
            u8::from(number == 0)
        )
    };
    let along = ResourceKind::PackagesAlong.as_str();
    let journal = format!(
        "{}\n{}\n{}\n{{\"step\":0,\"end\":\"done\",\"status\":0}}\n{{\"ended\":\"converged\"}}\n",
        JOURNAL.lines().take(2).collect::<Vec<_>>().join("\n"),
        change(0, "package", "nginx"),
        change(1, along, "nginx"),
    );
    let runs = parse(&journal);
    assert_eq!(counts(&runs[0].0), "1 applied");
    // Nothing represents them where only they have to be installed.
    let alone = journal.replace(r#""kind":"package""#, &format!(r#""kind":"{along}""#));
    assert_eq!(counts(&parse(&alone)[0].0), "2 applied");
}

#[test]
fn status_says_what_is_left_of_earlier_runs() {
    let now = "2026-01-02T00:03:10Z".parse().expect("a time");
    assert_eq!(
        plain(&status(&[host()], "lab", now)),
        "alpha\n  last run     dev site --tags web, 3 minutes ago, failed\n  interrupted  20260101T000000Z-0 (dev all)\n  \
         unit         home-lab-power.service active (running)\n  \
         notice       `/var/lib/homelab/journal/a b.jsonl` is no journal of a run, so it is not read; \
         `rm -r '/var/lib/homelab/journal/a b.jsonl'` on the host removes it\n  \
         notice       orphan: file /etc/old is no longer in the configuration\n"
    );
}

#[test]
fn status_says_which_project_owes_a_handler() {
    let owed = |project: Option<&str>, unit: Option<&str>| Owed {
        project: project.map(str::to_owned),
        handler: "t/t / restart".to_owned(),
        unit: unit.map(str::to_owned),
        ..Owed::default()
    };
    for (project, unit, expected) in [
        (Some("lab"), Some("a.service"), "t/t / restart (a.service)"),
        (Some("other"), None, "t/t / restart, of project `other`"),
        (None, None, "t/t / restart"),
    ] {
        assert_eq!(told_owed(&owed(project, unit), "lab"), expected);
    }
}

#[test]
fn json_has_counts_and_no_key() {
    for with_changes in [true, false] {
        schemas::check("history", &history_json(&[host()], with_changes));
    }
    let json: Json = serde_json::from_str(&history_json(&[host()], true)).expect("JSON");
    let run = &json["hosts"][0]["runs"][0];
    assert_eq!((&run["counts"]["applied"], &run["end"]), (&json!(2), &json!("failed")));
    assert_eq!(run["changes"][1]["end"], "failed");
    let expiring = [Expiring {
        name: "phone".to_owned(),
        kind: crate::pki::Kind::Client,
        not_after: "2026-01-31T00:00:00Z".parse().expect("a time"),
        days: 9,
    }];
    let text = status_json(&[host()], &expiring);
    schemas::check("status", &text);
    let json: Json = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json["hosts"][0]["interrupted"], json!(["20260101T000000Z-0"]));
    let units = json!([{"name": "home-lab-power.service", "active": "active", "sub": "running"}]);
    assert_eq!(json["hosts"][0]["units"], units);
    let expected = json!([{"name": "phone", "kind": "client", "not_after": "2026-01-31T00:00:00Z", "days_left": 9}]);
    assert_eq!(json["expiring"], expected);
}
