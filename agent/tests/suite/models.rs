//! The mode `models` against the table of the services before it.

use std::sync::Arc;
use std::time::Duration;

use homelab_agent::bus::{Fault, FaultKind, Job};
use homelab_agent::clock;
use homelab_agent::models::{Folder, Models, Monitoring, Reports, router, stop_idle};
use serde_json::{Value, json};

use super::hosts::{Agent, FakeUnits, OPERATE, details};

const MINUTE: u64 = 60_000_000;

struct Host {
    units: Arc<FakeUnits>,
    models: Arc<Models>,
    agent: Agent,
    folder: tempfile::TempDir,
}

fn host() -> Host {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [
        ("tiny", "PORT=8198\n"),
        ("big-2", "PORT=\"8199\"\n"),
        ("odd", "PORT=8199 # c\n"),
        ("none", ""),
    ] {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let units = Arc::new(FakeUnits::default());
    let models = Arc::new(Models {
        folder: Folder::new(folder.path().to_owned()),
        units: units.clone(),
        reports: Reports::load(None).expect("empty"),
        monitoring: Monitoring::default(),
        wait: Duration::from_millis(600),
    });
    let agent = Agent::start(router(Arc::clone(&models)));
    Host {
        units,
        models,
        agent,
        folder,
    }
}

#[tokio::test]
async fn models_are_listed_with_their_ports() {
    let host = host();
    let (code, body) = host.agent.json("GET", "/models", "").await;
    let path = |name: &str| host.folder.path().join(name).to_string_lossy().into_owned();
    let error = "`PORT=` must be a number from 1 to 65535";
    let expected = json!({"status": "success", "models": [
        {"model_name": "big-2", "port": "8199", "file_path": path("big-2")},
        {"model_name": "none", "port": null, "file_path": path("none")},
        {"model_name": "odd", "port": null, "file_path": path("odd"), "error": error},
        {"model_name": "tiny", "port": "8198", "file_path": path("tiny")},
    ]});
    assert_eq!((code, body), (200, expected));
    std::fs::remove_dir_all(host.folder.path()).expect("removed");
    let (code, body) = host.agent.json("GET", "/models", "").await;
    assert_eq!((code, body), (200, json!({"status": "success", "models": []})));
}

#[tokio::test]
async fn running_models_come_from_one_question() {
    let host = host();
    host.units.change(|state| {
        for (unit, activity) in [
            ("model@tiny.service", "active"),
            ("model@big\\x2d2.service", "active"),
            ("model@odd.service", "failed"),
            ("model@none.service", "activating"),
            ("model@gone.service", "active"),
            ("model@A.service", "active"),
        ] {
            state.units.insert(unit.to_owned(), details(activity, 1));
        }
    });
    let (code, body) = host.agent.json("GET", "/models/running", "").await;
    assert_eq!(
        (code, body),
        (200, json!({"status": "success", "running_models": ["big-2", "tiny"]}))
    );
    assert_eq!(host.units.change(|state| state.lists), 1);
}

#[tokio::test]
async fn models_are_started_stopped_and_restarted() {
    let host = host();
    for (verb, message) in [
        ("start", "Successfully started model big-2"),
        ("stop", "Successfully stopped model big-2"),
        ("restart", "Successfully restarted model big-2"),
        ("start?wait=true", "Successfully started model big-2"),
    ] {
        let (code, body) = host.agent.json("POST", &format!("/models/big-2/{verb}"), "").await;
        assert_eq!(
            (code, &body["status"], &body["message"]),
            (200, &json!("success"), &json!(message))
        );
    }
    let unit = "model@big\\x2d2.service";
    let acts = host.units.change(|state| state.acts.clone());
    assert_eq!(
        acts,
        ["Start", "Stop", "Restart", "Start"].map(|verb| format!("{verb} {unit}"))
    );
}

#[tokio::test]
async fn hostile_names_reach_no_unit() {
    let host = host();
    std::fs::write(host.folder.path().join("x.socket"), "").expect("written");
    let long = "x".repeat(300);
    for (name, code) in [
        ("*", 400),
        ("%2a", 400),
        ("?x", 404),
        ("%3f", 400),
        ("[a]", 400),
        ("%5ba%5d", 400),
        ("-x", 400),
        ("x.socket", 400),
        ("tiny.service", 400),
        ("%2f", 400),
        ("..", 400),
        ("%2e%2e", 400),
        ("..%2ftiny", 400),
        ("tiny%00", 400),
        ("tiny%0a", 400),
        ("%ff%fe", 400),
        ("%c3%a9", 400),
        ("TINY", 400),
        ("tiny%20", 400),
        ("tiny;reboot", 400),
        ("model@tiny", 400),
        ("unknown", 404),
        ("a/b", 404),
        (&*long, 400),
    ] {
        for verb in ["start", "stop", "restart", "report"] {
            let path = format!("/models/{name}/{verb}");
            let token = format!("Bearer {OPERATE}");
            let answer = host.agent.ask("POST", &path, &[("authorization", &*token)], b"").await;
            assert_eq!(answer.code, code, "{path}");
            let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
            assert_eq!(body["status"], "error", "{path}");
        }
    }
    assert_eq!(host.units.change(|state| state.acts.clone()), [""; 0]);
    let (_, body) = host.agent.json("GET", "/models/activity", "").await;
    assert_eq!(body["activity_status"].as_object().expect("an object").len(), 4);
}

#[tokio::test]
async fn failures_are_told_by_code() {
    let host = host();
    let denied = || Fault::new(FaultKind::Denied, "secret detail");
    let conflict = || Fault::new(FaultKind::Conflict, "secret detail");
    let missing = || Fault::new(FaultKind::NoSuchUnit, "secret detail");
    for (fault, code) in [(denied(), 503), (conflict(), 409), (missing(), 502)] {
        host.units.change(|state| state.fault = Some(fault));
        let (found, body) = host.agent.json("POST", "/models/tiny/start", "").await;
        assert_eq!((found, &body["status"]), (code, &json!("error")));
        assert!(!body.to_string().contains("secret"), "{body}");
    }
    host.units.change(|state| state.fault = None);
    for (query, job, after, code) in [
        ("", Job::Ended("failed".to_owned()), "failed", 502),
        ("", Job::Ended("timeout".to_owned()), "failed", 502),
        ("", Job::Ended("done".to_owned()), "failed", 502),
        ("?wait=true", Job::Ended("done".to_owned()), "inactive", 502),
        ("?wait=true", Job::Running, "activating", 504),
        ("?wait=yes", Job::Running, "activating", 400),
        ("?wait=true&x=1", Job::Running, "activating", 400),
    ] {
        host.units.change(|state| {
            state.job = Some(job.clone());
            state.after = Some(after);
        });
        let (found, body) = host.agent.json("POST", &format!("/models/tiny/start{query}"), "").await;
        assert_eq!(found, code, "{query} {job:?} {after}: {body}");
        assert_eq!(body.get("unit_state").is_some(), code != 400, "{body}");
    }
    let (code, body) = host.agent.json("GET", "/health", "").await;
    assert_eq!((code, &body["status"]), (200, &json!("healthy")));
    host.units.change(|state| state.fault = Some(denied()));
    let (code, body) = host.agent.json("GET", "/health", "").await;
    assert_eq!(
        (code, &body["status"], &body["dbus"]),
        (503, &json!("unhealthy"), &json!(false))
    );
}

#[tokio::test]
async fn a_start_that_takes_long_is_accepted() {
    let host = host();
    host.units.change(|state| {
        state.job = Some(Job::Running);
        state.after = Some("activating");
    });
    let (code, body) = host.agent.json("POST", "/models/tiny/start", "").await;
    assert_eq!(
        (code, &body["message"], &body["unit_state"]),
        (202, &json!("Starting model tiny"), &json!("activating"))
    );
}

#[tokio::test]
async fn reports_make_a_model_active() {
    let host = host();
    let (code, body) = host.agent.json("POST", "/models/tiny/report", "").await;
    assert_eq!((code, &body["status"]), (200, &json!("success")));
    let (_, body) = host.agent.json("GET", "/models/active", "").await;
    assert_eq!(body["active_models"], json!(["tiny"]));
    assert!(body["timestamp"].is_string());
    let (_, body) = host.agent.json("GET", "/models/idle", "").await;
    assert_eq!(body["idle_models"], json!(["big-2", "none", "odd"]));
    let (_, body) = host.agent.json("GET", "/models/activity", "").await;
    let status = &body["activity_status"];
    assert_eq!(
        (&status["tiny"]["is_active"], &status["tiny"]["is_idle"]),
        (&json!(true), &json!(false))
    );
    assert!(status["tiny"]["last_activity"].is_string());
    assert_eq!(
        status["odd"],
        json!({"last_activity": null, "is_active": false, "is_idle": true})
    );
}

#[tokio::test]
async fn only_models_that_were_idle_for_long_are_stopped() {
    let host = host();
    let now = clock::now();
    let start = |state: &mut super::hosts::UnitsState, unit: &str, minutes: u64| {
        state
            .units
            .insert(unit.to_owned(), details("active", now - minutes * MINUTE));
    };
    host.units.change(|state| {
        // Just started, and never reported.
        start(state, "model@tiny.service", 1);
        // Started long ago, never reported.
        start(state, "model@odd.service", 31);
        // Started long ago, and used.
        start(state, "model@none.service", 90);
        // Not in the folder.
        start(state, "model@stranger.service", 90);
    });
    host.models.reports.report(
        &homelab_agent::names::ModelName::parse("none").expect("a name"),
        now - 5 * MINUTE,
    );
    assert_eq!(stop_idle(&host.models, now).await, 1);
    assert_eq!(
        host.units.change(|state| state.acts.clone()),
        ["Stop model@odd.service"]
    );
    assert_eq!(stop_idle(&host.models, now + 26 * MINUTE).await, 1);
    assert_eq!(host.units.change(|state| state.acts.len()), 2);
    assert_eq!(stop_idle(&host.models, now + 40 * MINUTE).await, 1);
}
