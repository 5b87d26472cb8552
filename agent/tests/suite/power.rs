//! The mode `power` against the table of the service before it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use homelab_agent::bus::{Activity, Fault, FaultKind, Scheduled, UnitState};
use homelab_agent::clock;
use homelab_agent::power::{Idle, OffWhenIdle, Reason, Refused, Shown, ShutdownSettings, Shutdowns, router};
use homelab_agent::state::StateFile;
use serde_json::{Value, json};

use super::hosts::{Agent, FakeLogin, OPERATE};

const MINUTE: u64 = 60_000_000;

struct Host {
    login: Arc<FakeLogin>,
    shutdowns: Arc<Shutdowns>,
    folder: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let login = Arc::new(FakeLogin::default());
        let shutdowns = Self::load(&login, &folder);
        Self {
            login,
            shutdowns,
            folder,
        }
    }

    fn load(login: &Arc<FakeLogin>, folder: &tempfile::TempDir) -> Arc<Shutdowns> {
        let file = StateFile::new(folder.path(), "queue.json");
        let settings = ShutdownSettings {
            wall_message: "The host goes off".to_owned(),
            give_up_minutes: 3,
            ..ShutdownSettings::default()
        };
        Arc::new(Shutdowns::load(login.clone(), settings, file).expect("loaded"))
    }

    /// As after `kill -9`, or a start of the host.
    fn restarted(self) -> Self {
        let shutdowns = Self::load(&self.login, &self.folder);
        Self { shutdowns, ..self }
    }

    fn agent(&self) -> Agent {
        Agent::start(router(
            Arc::clone(&self.shutdowns),
            self.login.clone(),
            ShutdownSettings::default(),
        ))
    }

    async fn schedule(&self, minutes: u64, now: u64) -> u64 {
        let at = now + minutes * MINUTE;
        self.shutdowns
            .schedule(at, "test", Reason::Request, now)
            .await
            .expect("scheduled")
            .id
    }

    async fn next(&self, now: u64) -> Option<Shown> {
        self.shutdowns.next(now).await.expect("known")
    }
}

fn own(shown: Option<Shown>) -> u64 {
    match shown {
        Some(Shown::Own(entry)) => entry.id,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn routes_answer_as_the_service_before() {
    let host = Host::new();
    let agent = host.agent();
    let (code, body) = agent.json("GET", "/shutdown/next", "").await;
    assert_eq!(
        (code, body),
        (200, json!({"status": "success", "message": "No shutdown scheduled"}))
    );
    let (code, body) = agent.json("POST", "/shutdown/cancel", "").await;
    assert_eq!(
        (code, body),
        (404, json!({"status": "error", "message": "No shutdown to cancel"}))
    );
    let (code, body) = agent.json("GET", "/shutdown/status", "").await;
    assert_eq!(
        (code, body),
        (
            200,
            json!({"status": "success", "has_shutdown": false, "next_shutdown": null})
        )
    );

    let (code, body) = agent.json("POST", "/shutdown/schedule", "{\"minutes\": 30}").await;
    assert_eq!((code, &body["status"]), (200, &json!("success")));
    let message = body["message"].as_str().expect("text");
    assert!(message.starts_with("Shutdown scheduled for 20"), "{message}");
    let first = body["shutdown"].clone();
    for key in ["id", "scheduled_time", "minutes_from_now", "created_at"] {
        assert!(!first[key].is_null(), "{key}: {first}");
    }
    assert!(
        first["scheduled_time"]
            .as_str()
            .expect("text")
            .parse::<jiff::Timestamp>()
            .is_ok(),
        "{first}"
    );
    assert_eq!(first["armed"], true);
    assert!(host.login.armed().is_some());

    // Without a body the default of a minute counts, and it is the next one, then.
    let (code, body) = agent.json("POST", "/shutdown/schedule", "").await;
    assert_eq!(code, 200);
    let second = body["shutdown"]["id"].clone();
    let (_, body) = agent.json("GET", "/shutdown/next", "").await;
    assert_eq!(body["shutdown"]["id"], second);
    let (_, body) = agent.json("GET", "/shutdown/status", "").await;
    assert_eq!(
        (&body["has_shutdown"], &body["next_shutdown"]["id"]),
        (&json!(true), &second)
    );
    let (code, body) = agent.json("POST", "/shutdown/cancel", "").await;
    assert_eq!((code, &body["cancelled_shutdown"]["id"]), (200, &second));
    let (_, body) = agent.json("GET", "/shutdown/next", "").await;
    assert_eq!(
        (&body["shutdown"]["id"], &body["shutdown"]["armed"]),
        (&first["id"], &json!(true))
    );

    let (code, body) = agent.json("GET", "/shutdown/system", "").await;
    assert_eq!(code, 200);
    let uptime = &body["uptime"];
    let part = |key: &str| uptime[key].as_u64().expect(key);
    let sum = part("days") * 86_400 + part("hours") * 3_600 + part("minutes") * 60 + part("seconds");
    assert_eq!(sum, part("total_seconds"));
    assert!(body.get("service_config").is_some());
    let (code, body) = agent.json("GET", "/", "").await;
    assert_eq!((code, &body["service"]), (200, &json!("shutdown-service")));
    assert!(body["endpoints"].is_object() && body["version"].is_string(), "{body}");
    let (code, body) = agent.json("GET", "/health", "").await;
    assert_eq!((code, &body["status"]), (200, &json!("healthy")));
}

#[tokio::test]
async fn wrong_requests_are_refused() {
    let host = Host::new();
    let agent = host.agent();
    let token = format!("Bearer {OPERATE}");
    for (method, path, kind, body, code) in [
        (
            "POST",
            "/shutdown/schedule",
            "application/json",
            "{\"minutes\": -1}".to_owned(),
            400,
        ),
        (
            "POST",
            "/shutdown/schedule",
            "application/json",
            "{\"minutes\": \"5\"}".to_owned(),
            400,
        ),
        (
            "POST",
            "/shutdown/schedule",
            "application/json",
            "{\"minutes\": 1e300}".to_owned(),
            400,
        ),
        (
            "POST",
            "/shutdown/schedule",
            "application/json",
            "{\"minutes\": 10, \"minutes\": 5}".to_owned(),
            400,
        ),
        ("POST", "/shutdown/schedule", "application/json", "[]".to_owned(), 400),
        ("POST", "/shutdown/schedule", "application/json", "{".to_owned(), 400),
        (
            "POST",
            "/shutdown/schedule",
            "text/plain",
            "{\"minutes\": 1}".to_owned(),
            415,
        ),
        ("POST", "/shutdown/schedule", "application/json", " ".repeat(4097), 413),
        ("GET", "/shutdown/schedule", "application/json", String::new(), 405),
        ("DELETE", "/shutdown/next", "application/json", String::new(), 405),
        ("GET", "/shutdown", "application/json", String::new(), 404),
        ("GET", "/shutdown/next/", "application/json", String::new(), 404),
    ] {
        let headers = [("authorization", &*token), ("content-type", kind)];
        let answer = agent.ask(method, path, &headers, body.as_bytes()).await;
        assert_eq!(answer.code, code, "{method} {path} {body:.30}");
        let text: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(text["status"], "error");
        assert_eq!(answer.headers.contains_key("allow"), code == 405, "{method} {path}");
    }
    assert_eq!(host.login.armed(), None);
}

#[tokio::test]
async fn faults_of_the_host_are_told_with_a_hint() {
    let host = Host::new();
    let agent = host.agent();
    for (kind, hint) in [
        (FaultKind::LoginAbsent, "unmask"),
        (FaultKind::PolicyAbsent, "polkitd"),
        (FaultKind::Denied, "rules.d"),
        (FaultKind::Unreachable, "dbus.service"),
    ] {
        host.login
            .change(|state| state.fault = Some(Fault::new(kind, "secret detail of the host")));
        for (method, path) in [
            ("POST", "/shutdown/schedule"),
            ("GET", "/shutdown/next"),
            ("POST", "/shutdown/cancel"),
        ] {
            let (code, body) = agent.json(method, path, "").await;
            assert_eq!(code, 503, "{path}: {body}");
            assert!(body["hint"].as_str().expect("a hint").contains(hint), "{body}");
            assert!(!body.to_string().contains("secret detail"), "{body}");
        }
        assert_eq!(agent.json("GET", "/health", "").await.0, 503);
    }
    host.login.change(|state| {
        state.fault = None;
        state.permission = "challenge".to_owned();
    });
    let (code, body) = agent.json("POST", "/shutdown/schedule", "").await;
    assert_eq!(code, 503, "{body}");
    assert!(
        body["hint"]
            .as_str()
            .expect("a hint")
            .contains("49-homelab-power.rules"),
        "{body}"
    );
}

#[tokio::test]
async fn the_earliest_is_armed_and_cancel_takes_what_next_shows() {
    let host = Host::new();
    let now = clock::now();
    let later = host.schedule(60, now).await;
    let sooner = host.schedule(5, now).await;
    let middle = host.schedule(30, now).await;
    assert_eq!(host.login.armed(), Some(now + 5 * MINUTE));
    for expected in [sooner, middle, later] {
        assert_eq!(own(host.next(now).await), expected);
        assert_eq!(
            own(Some(host.shutdowns.cancel(now).await.expect("cancelled"))),
            expected
        );
    }
    assert_eq!(host.next(now).await, None);
    assert_eq!(host.login.armed(), None);
    assert_eq!(host.login.0.lock().expect("not poisoned").wall, "");
}

#[tokio::test]
async fn the_same_minute_is_one_shutdown_and_the_queue_has_an_end() {
    let host = Host::new();
    let agent = host.agent();
    let now = clock::now();
    let first = host.schedule(10, now).await;
    assert_eq!(host.schedule(10, now + 20_000_000).await, first);
    for minutes in 1..32 {
        host.schedule(100 + minutes, now).await;
    }
    let (code, body) = agent.json("POST", "/shutdown/schedule", "{\"minutes\": 5000}").await;
    assert_eq!((code, &body["status"]), (429, &json!("error")));
    // What is there already is still found.
    assert_eq!(host.schedule(10, now).await, first);
}

#[tokio::test]
async fn two_at_once_are_one_or_two_and_never_half() {
    let host = Host::new();
    let now = clock::now();
    let (one, other) = tokio::join!(host.schedule(10, now), host.schedule(10, now + 1_000));
    assert_eq!(one, other);
    let (one, other) = tokio::join!(host.schedule(20, now), host.schedule(40, now));
    assert_ne!(one, other);
    assert_eq!(host.shutdowns.all(now).await.expect("known").len(), 3);
    assert_eq!(host.login.armed(), Some(now + 10 * MINUTE));
}

#[tokio::test]
async fn shutdowns_of_others_are_shown_and_left_alone() {
    let host = Host::new();
    let now = clock::now();
    let reboot = Scheduled {
        kind: "reboot".to_owned(),
        at: now + 30 * MINUTE,
    };
    host.login.change(|state| state.scheduled = Some(reboot.clone()));
    assert_eq!(host.next(now).await, Some(Shown::Foreign(reboot.clone())));
    let early = host
        .shutdowns
        .schedule(now + MINUTE, "test", Reason::Request, now)
        .await;
    assert!(matches!(early, Err(Refused::Foreign(_))), "{early:?}");
    // After it there is nothing to lose.
    let late = host.schedule(60, now).await;
    assert_eq!(host.login.armed(), Some(reboot.at));
    assert_eq!(
        host.shutdowns.cancel(now).await.expect("cancelled"),
        Shown::Foreign(reboot)
    );
    assert_eq!(own(host.next(now).await), late);
    assert_eq!(host.login.armed(), Some(now + 60 * MINUTE));

    let (_, body) = host.agent().json("GET", "/shutdown/next", "").await;
    assert_eq!(body["shutdown"]["scheduled_by"], "test");
    // A user runs `shutdown +90`: logind has only that one from then on.
    let other = Scheduled {
        kind: "poweroff".to_owned(),
        at: now + 90 * MINUTE,
    };
    host.login.change(|state| state.scheduled = Some(other.clone()));
    let (_, body) = host.agent().json("GET", "/shutdown/next", "").await;
    assert_eq!(body["shutdown"]["scheduled_by"], "another program");
    assert_eq!(host.shutdowns.all(now).await.expect("known"), [Shown::Foreign(other)]);
    // A user runs `shutdown -c`.
    host.login.change(|state| state.scheduled = None);
    assert_eq!(host.next(now).await, None);
}

#[tokio::test]
async fn what_blocks_is_respected_before_and_after() {
    let host = Host::new();
    let now = clock::now();
    let blocked = || vec!["backup (writes to the disk)".to_owned()];
    host.login.change(|state| state.blockers = blocked());
    let (code, body) = host.agent().json("POST", "/shutdown/schedule", "").await;
    assert_eq!(
        (code, &body["blocked_by"][0]),
        (409, &json!("backup (writes to the disk)"))
    );
    assert_eq!(host.next(now).await, None);

    host.login.change(|state| state.blockers = Vec::new());
    let id = host.schedule(1, now).await;
    host.login.change(|state| state.blockers = blocked());
    // Long before its end nothing happens.
    host.shutdowns.look(now + 30_000_000).await.expect("looked");
    assert_eq!(host.login.armed(), Some(now + MINUTE));
    let mut time = now + 50_000_000;
    for minutes in 2..=4 {
        host.shutdowns.look(time).await.expect("looked");
        assert_eq!(host.login.armed(), None, "after {minutes} minutes");
        assert_eq!(own(host.next(time).await), id);
        time += MINUTE;
    }
    // Free again: armed, and at its time.
    host.login.change(|state| state.blockers = Vec::new());
    host.shutdowns.look(time - 30_000_000).await.expect("looked");
    assert_eq!(host.login.armed(), Some(now + 4 * MINUTE));
    // Blocked for too long: given up.
    host.login.change(|state| state.blockers = blocked());
    host.shutdowns.look(time).await.expect("looked");
    host.shutdowns.look(time + MINUTE).await.expect("looked");
    assert_eq!(host.next(time + MINUTE).await, None);
}

#[tokio::test]
async fn the_queue_survives_the_agent_and_the_host() {
    let host = Host::new();
    let now = clock::now();
    let first = host.schedule(5, now).await;
    let second = host.schedule(60, now).await;
    // The agent is killed: logind still has it.
    let host = host.restarted();
    assert_eq!(own(host.next(now).await), first);
    // The host was off: logind has forgotten it, and the agent arms it again.
    host.login.change(|state| {
        state.scheduled = None;
        state.boot = 2;
    });
    let host = host.restarted();
    assert_eq!(own(host.next(now).await), first);
    assert_eq!(host.login.armed(), Some(now + 5 * MINUTE));
    // It was off for longer than that: what is past is no more.
    host.login.change(|state| {
        state.scheduled = None;
        state.boot = 3;
    });
    let host = host.restarted();
    assert_eq!(own(host.next(now + 6 * MINUTE).await), second);
    // Cancelled by another program while the agent was away.
    host.login.change(|state| state.scheduled = None);
    let host = host.restarted();
    assert_eq!(host.next(now + 6 * MINUTE).await, None);
}

#[tokio::test]
async fn what_logind_refuses_is_not_in_the_queue() {
    let host = Host::new();
    let now = clock::now();
    host.login
        .change(|state| state.fault = Some(Fault::new(FaultKind::Denied, "no")));
    let refused = host
        .shutdowns
        .schedule(now + MINUTE, "test", Reason::Request, now)
        .await;
    assert!(matches!(refused, Err(Refused::Bus(_))), "{refused:?}");
    host.login.change(|state| state.fault = None);
    assert_eq!(host.next(now).await, None);
}

#[tokio::test]
async fn a_queue_that_cannot_be_understood_is_put_aside() {
    let host = Host::new();
    std::fs::write(host.folder.path().join("queue.json"), "{\"entries\": [").expect("written");
    let host = host.restarted();
    assert_eq!(host.next(clock::now()).await, None);
    assert!(host.folder.path().join("queue.json.unreadable").exists());
}

#[tokio::test]
async fn a_host_without_work_goes_off_after_a_warning() {
    let host = Host::new();
    let settings = OffWhenIdle {
        minutes: 30,
        warning_minutes: 5,
    };
    let (start, clock) = (Instant::now(), clock::now());
    let mut idle = Idle::new(settings, start);
    let at = |minutes: u64| (start + Duration::from_secs(minutes * 60), clock + minutes * MINUTE);
    let unit = |activity| UnitState {
        name: "model@tiny.service".to_owned(),
        activity,
    };
    let [busy, starts, failed] =
        [Activity::Active, Activity::Changing, Activity::Failed].map(|activity| vec![unit(activity)]);
    for (minute, models, armed) in [
        (0, &vec![], None),
        (29, &vec![], None),
        // A model ran until then.
        (29, &busy, None),
        (58, &failed, None),
        (59, &failed, Some(64)),
        // One starts in the time of the warning.
        (60, &starts, None),
        (89, &vec![], None),
        (90, &vec![], Some(95)),
    ] {
        let (now, clock) = at(minute);
        idle.look(models, &host.shutdowns, now, clock).await.expect("looked");
        assert_eq!(host.login.armed(), armed.map(|minute| at(minute).1), "minute {minute}");
    }
    // The closer the end, the more often it is looked at.
    for (before, pause) in [(41, 20), (40, 1), (1, 1)] {
        let seconds = Duration::from_secs(95 * 60 - before);
        let clock = at(95).1 - before * 1_000_000;
        let looked = idle.look(&[], &host.shutdowns, start + seconds, clock).await;
        assert_eq!(looked.expect("looked"), Duration::from_secs(pause), "{before} s before");
    }
    // The user who cancels it wants the host for a while.
    host.shutdowns.cancel(at(91).1).await.expect("cancelled");
    for (minute, armed) in [(92, None), (121, None), (122, Some(127))] {
        let (now, clock) = at(minute);
        idle.look(&[], &host.shutdowns, now, clock).await.expect("looked");
        assert_eq!(host.login.armed(), armed.map(|minute| at(minute).1), "minute {minute}");
    }
}

#[tokio::test]
async fn a_shutdown_that_is_far_away_does_not_keep_an_idle_host_on() {
    for (requested, armed) in [(600, 35), (36, 35), (35, 35), (34, 34), (20, 20)] {
        let host = Host::new();
        let (start, clock) = (Instant::now(), clock::now());
        let settings = OffWhenIdle {
            minutes: 30,
            warning_minutes: 5,
        };
        let mut idle = Idle::new(settings, start);
        let later = |minutes: u64| clock + minutes * MINUTE;
        let scheduled = host
            .shutdowns
            .schedule(later(requested), "me", Reason::Request, clock)
            .await;
        scheduled.expect("scheduled");
        let half_an_hour = Duration::from_secs(30 * 60);
        // The earlier ones are due by then.
        let now = later(30.min(requested - 1));
        idle.look(&[], &host.shutdowns, start + half_an_hour, now)
            .await
            .expect("looked");
        assert_eq!(
            host.login.armed(),
            Some(later(armed)),
            "asked for in {requested} minutes"
        );
    }
}
