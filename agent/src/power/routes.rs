//! The routes of the mode, as the shutdown service before it had them.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde_json::{Value, json};

use super::queue::{Entry, MINUTE, Reason};
use super::settings::ShutdownSettings;
use super::shutdowns::{Refused, Shown, Shutdowns};
use crate::bus::Login;
use crate::server::{Caller, Problem, Reply, Role, protect};
use crate::{clock, journal};

#[derive(Clone)]
struct Power {
    shutdowns: Arc<Shutdowns>,
    login: Arc<dyn Login>,
    settings: Arc<ShutdownSettings>,
}

const ENDPOINTS: &[(&str, &str)] = &[
    ("POST /shutdown/schedule", "Schedule a shutdown in {\"minutes\": n}"),
    ("GET /shutdown/next", "Show the next shutdown"),
    ("POST /shutdown/cancel", "Cancel the next shutdown"),
    ("GET /shutdown/status", "Show whether a shutdown is scheduled"),
    ("GET /shutdown/system", "Show how long the host has been up"),
    ("GET /health", "Show whether logind answers"),
    ("GET /metrics", "Numbers for Prometheus"),
];

/// The routes over a queue.
pub fn router(shutdowns: Arc<Shutdowns>, login: Arc<dyn Login>, settings: ShutdownSettings) -> Router {
    let read = Router::new()
        .route("/", get(overview))
        .route("/shutdown/next", get(next))
        .route("/shutdown/status", get(status))
        .route("/shutdown/system", get(system));
    let operate = Router::new()
        .route("/shutdown/schedule", post(schedule))
        .route("/shutdown/cancel", post(cancel));
    protect(read, Role::Read)
        .merge(protect(operate, Role::Operate))
        .route("/health", get(health))
        .with_state(Power {
            shutdowns,
            login,
            settings: Arc::new(settings),
        })
}

async fn overview() -> Reply {
    let endpoints: serde_json::Map<String, Value> = ENDPOINTS
        .iter()
        .map(|(route, what)| ((*route).to_owned(), (*what).into()))
        .collect();
    Reply::success(json!({
        "service": "shutdown-service",
        "version": env!("CARGO_PKG_VERSION"),
        "endpoints": endpoints,
    }))
}

async fn schedule(
    State(power): State<Power>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Reply, Problem> {
    let result = power.schedule(&caller, &headers, &body).await;
    let told = result
        .as_ref()
        .map_or_else(|problem| problem.message().to_owned(), |(told, _)| told.clone());
    journal::audit(&caller.name, &caller.peer, "schedule shutdown", &told);
    result.map(|(_, reply)| reply)
}

impl Power {
    async fn schedule(&self, caller: &Caller, headers: &HeaderMap, body: &Bytes) -> Result<(String, Reply), Problem> {
        let after = delay(headers, body, &self.settings)?;
        let now = clock::now();
        let by = format!("{} from {}", caller.name, caller.peer);
        let scheduled = self.shutdowns.schedule(now + after, &by, Reason::Request, now).await;
        let entry = scheduled.map_err(|refused| problem(&refused, "schedule a shutdown"))?;
        let message = format!("Shutdown scheduled for {}", clock::local(entry.at));
        let told = format!("shutdown {} at {}", entry.id, clock::rfc3339(entry.at));
        let reply = Reply::success(json!({ "message": message, "shutdown": own(&entry, now) }));
        Ok((told, reply))
    }
}

async fn cancel(State(power): State<Power>, Extension(caller): Extension<Caller>) -> Result<Reply, Problem> {
    let now = clock::now();
    let result = power.shutdowns.cancel(now).await;
    let told = match &result {
        Ok(Shown::Own(entry)) => format!("shutdown {} at {}", entry.id, clock::rfc3339(entry.at)),
        Ok(Shown::Foreign(scheduled)) => format!(
            "{} at {}, of another program",
            scheduled.kind,
            clock::rfc3339(scheduled.at)
        ),
        Err(refused) => refused.to_string(),
    };
    journal::audit(&caller.name, &caller.peer, "cancel shutdown", &told);
    let cancelled = result.map_err(|refused| problem(&refused, "cancel the shutdown"))?;
    Ok(Reply::success(
        json!({ "message": "Shutdown cancelled", "cancelled_shutdown": value(&cancelled, now) }),
    ))
}

async fn next(State(power): State<Power>) -> Result<Reply, Problem> {
    let now = clock::now();
    let next = power.next(now).await?;
    Ok(Reply::success(match next {
        Some(next) => json!({ "shutdown": value(&next, now) }),
        None => json!({ "message": "No shutdown scheduled" }),
    }))
}

async fn status(State(power): State<Power>) -> Result<Reply, Problem> {
    let now = clock::now();
    let next = power.next(now).await?.map(|next| value(&next, now));
    Ok(Reply::success(
        json!({ "has_shutdown": next.is_some(), "next_shutdown": next }),
    ))
}

impl Power {
    async fn next(&self, now: u64) -> Result<Option<Shown>, Problem> {
        let next = self.shutdowns.next(now).await;
        next.map_err(|refused| problem(&refused, "read what is scheduled"))
    }
}

async fn system(State(power): State<Power>) -> Reply {
    let total = clock::uptime();
    Reply::success(json!({
        "uptime": {
            "days": total / 86_400,
            "hours": total / 3_600 % 24,
            "minutes": total / 60 % 60,
            "seconds": total % 60,
            "total_seconds": total,
        },
        "service_config": {
            "default_minutes": power.settings.default_minutes,
            "maximum_minutes": power.settings.maximum_minutes,
        },
    }))
}

async fn health(State(power): State<Power>) -> Reply {
    let mut permission = power.login.can_power_off().await;
    // While something blocks, logind allows nothing, and that is as it should be.
    if power.login.blockers().await.is_ok_and(|blockers| !blockers.is_empty()) {
        permission = permission.map(|_| "yes".to_owned());
    }
    let (code, state, why) = match permission {
        Ok(permission) if permission == "yes" => (StatusCode::OK, "healthy", None),
        Ok(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "unhealthy",
            Some("the host does not let the agent power it off".to_owned()),
        ),
        Err(fault) => {
            journal::warning(&format!("logind: {fault}"));
            let problem = fault.problem("ask logind");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "unhealthy",
                Some(problem.message().to_owned()),
            )
        }
    };
    let body = json!({
        "service": "shutdown-service",
        "timestamp": clock::rfc3339(clock::now()),
        "dbus": why.is_none(),
        "message": why,
    });
    Reply::with_code(code, state, body)
}

fn value(shown: &Shown, now: u64) -> Value {
    match shown {
        Shown::Own(entry) => own(entry, now),
        Shown::Foreign(scheduled) => json!({
            "id": null,
            "scheduled_time": clock::rfc3339(scheduled.at),
            "minutes_from_now": minutes_until(scheduled.at, now),
            "created_at": null,
            "scheduled_by": "another program",
            "action": scheduled.kind,
            "armed": true,
        }),
    }
}

fn own(entry: &Entry, now: u64) -> Value {
    let mut value = json!({
        "id": entry.id,
        "scheduled_time": clock::rfc3339(entry.at),
        "minutes_from_now": minutes_until(entry.at, now),
        "created_at": clock::rfc3339(entry.created),
        "scheduled_by": entry.by,
        "armed": entry.armed,
    });
    if entry.at != entry.meant_for {
        value["put_off_from"] = clock::rfc3339(entry.meant_for).into();
    }
    value
}

/// In tenths.
fn minutes_until(at: u64, now: u64) -> f64 {
    let tenths = at.saturating_sub(now) / (MINUTE / 10);
    f64::from(u32::try_from(tenths).unwrap_or(u32::MAX)) / 10.0
}

/// The body of a request, which serde refuses with a key twice.
#[derive(serde::Deserialize)]
struct Asked {
    #[serde(rename = "minutes")]
    _minutes: Option<serde::de::IgnoredAny>,
}

/// How many microseconds from now a request means.
fn delay(headers: &HeaderMap, body: &Bytes, settings: &ShutdownSettings) -> Result<u64, Problem> {
    let wrong = |message: String| Problem::new(StatusCode::BAD_REQUEST, message);
    if body.is_empty() {
        return Ok(u64::from(settings.default_minutes) * MINUTE);
    }
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let message = "Send the body as `Content-Type: application/json`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let read: Value = serde_json::from_slice(body).map_err(|_| wrong("The body is not JSON".to_owned()))?;
    let Value::Object(members) = read else {
        return Err(wrong("The body is not a JSON object".to_owned()));
    };
    if let Some(key) = members.keys().find(|key| *key != "minutes") {
        // A key that is spelt wrong would be a shutdown at once.
        let key: String = key.chars().take(40).collect();
        return Err(wrong(format!("Unknown key `{key}`; only `minutes` is known")));
    }
    // Of a key that is there twice, another reader might take the other value.
    if serde_json::from_slice::<Asked>(body).is_err() {
        return Err(wrong("`minutes` is there twice".to_owned()));
    }
    let Some(minutes) = members.get("minutes") else {
        return Ok(u64::from(settings.default_minutes) * MINUTE);
    };
    let most = u64::from(settings.maximum_minutes);
    let whole = minutes.as_u64().filter(|minutes| (1..=most).contains(minutes));
    if let Some(whole) = whole {
        return Ok(whole * MINUTE);
    }
    let part = minutes
        .as_f64()
        .filter(|part| settings.fractions && *part > 0.0 && *part <= f64::from(settings.maximum_minutes));
    let Some(part) = part else {
        let kind = if settings.fractions {
            "a number"
        } else {
            "a whole number"
        };
        return Err(wrong(format!("`minutes` must be {kind} from 1 to {most}")));
    };
    // Past times fire at once in logind, so there is always a moment left.
    let micros = std::time::Duration::from_secs_f64(part * 60.0).as_micros();
    Ok(u64::try_from(micros).unwrap_or(MINUTE).max(1_000_000))
}

/// The answer to a request that is refused. What the agent knows inside goes to the journal.
fn problem(refused: &Refused, what: &str) -> Problem {
    match refused {
        Refused::Bus(fault) => {
            journal::warning(&format!("cannot {what}: {fault}"));
            fault.problem(what)
        }
        Refused::State(error) => {
            journal::error(&journal::causes(error));
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The queue cannot be written")
                .with_hint("The agent's journal says why")
        }
        Refused::NotAllowed(_) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("Cannot {what}: the host does not allow it"),
        )
        .with_hint(
            "Put 49-homelab-power.rules into /etc/polkit-1/rules.d, and run the agent as the user that it names",
        ),
        Refused::Blocked(by) => Problem::new(
            StatusCode::CONFLICT,
            format!("Cannot {what}: blocked by {}", by.join(", ")),
        )
        .with("blocked_by", by.clone()),
        Refused::Full => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "Too many shutdowns are scheduled; cancel some",
        ),
        Refused::Foreign(foreign) => {
            let message = format!(
                "Cannot {what}: another program scheduled a {} for {}; cancel it first",
                foreign.kind,
                clock::local(foreign.at)
            );
            Problem::new(StatusCode::CONFLICT, message)
        }
        Refused::NotOwn(foreign) => {
            let message = format!(
                "Cannot {what}: another program scheduled a {} for {}, which the host does not let the agent cancel",
                foreign.kind,
                clock::local(foreign.at)
            );
            Problem::new(StatusCode::CONFLICT, message).with_hint("Run `shutdown -c` on the host")
        }
        Refused::Nothing => Problem::new(StatusCode::NOT_FOUND, "No shutdown to cancel"),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::http::{HeaderMap, HeaderValue, header};
    use proptest::prelude::*;

    use super::delay;
    use crate::power::queue::MINUTE;
    use crate::power::settings::ShutdownSettings;

    fn asked(body: &[u8], kind: Option<&str>, fractions: bool) -> Result<u64, u16> {
        let mut headers = HeaderMap::new();
        if let Some(kind) = kind {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(kind).expect("a header"));
        }
        let settings = ShutdownSettings {
            fractions,
            ..ShutdownSettings::default()
        };
        delay(&headers, &Bytes::copy_from_slice(body), &settings).map_err(|problem| problem.code().as_u16())
    }

    const JSON: Option<&str> = Some("application/json");

    #[test]
    fn minutes_that_are_taken() {
        for (body, minutes) in [
            ("", 1),
            ("{}", 1),
            ("{\"minutes\": 1}", 1),
            ("{\"minutes\": 10080}", 10_080),
            (" {\"minutes\":5}\n", 5),
        ] {
            assert_eq!(asked(body.as_bytes(), JSON, false), Ok(minutes * MINUTE), "{body}");
        }
        assert_eq!(asked(b"{\"minutes\": 0.1}", JSON, true), Ok(MINUTE / 10));
        assert_eq!(asked(b"{\"minutes\": 1e-9}", JSON, true), Ok(1_000_000));
        assert_eq!(asked(b"{}", Some("Application/JSON; charset=utf-8"), false), Ok(MINUTE));
    }

    #[test]
    fn minutes_that_are_refused() {
        for minutes in [
            "0",
            "-1",
            "-0",
            "10081",
            "1.5",
            "0.1",
            "1e300",
            "-1e300",
            "1e2000",
            "NaN",
            "Infinity",
            "\"5\"",
            "\"\"",
            "null",
            "true",
            "[]",
            "[5]",
            "{}",
            "18446744073709551615",
            "18446744073709551616",
            "9007199254740993",
            "0x10",
            "05",
            "\"5; reboot\"",
        ] {
            assert_eq!(
                asked(format!("{{\"minutes\": {minutes}}}").as_bytes(), JSON, false),
                Err(400),
                "{minutes}"
            );
        }
        for body in [
            "[]",
            "5",
            "null",
            "\"\"",
            "{",
            "nonsense",
            "{\"minute\": 5}",
            "{\"minutes\": 5, \"x\": 1}",
            "\u{feff}{}",
        ] {
            assert_eq!(asked(body.as_bytes(), JSON, false), Err(400), "{body}");
        }
        for kind in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("application/jsonx"),
        ] {
            assert_eq!(asked(b"{\"minutes\": 5}", kind, false), Err(415), "{kind:?}");
        }
    }

    proptest! {
        #[test]
        fn no_number_is_in_the_past_or_beyond_the_limit(number in any::<f64>(), fractions: bool) {
            let body = format!("{{\"minutes\": {number:e}}}");
            if let Ok(after) = asked(body.as_bytes(), JSON, fractions) {
                prop_assert!((1_000_000..=10_080 * MINUTE).contains(&after));
                prop_assert!(number > 0.0 && number <= 10_080.0);
            }
        }

        #[test]
        fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = asked(&body, JSON, true);
        }

        #[test]
        fn whole_numbers_are_taken_within_the_limit(minutes in any::<i64>()) {
            let body = format!("{{\"minutes\": {minutes}}}");
            prop_assert_eq!(asked(body.as_bytes(), JSON, false).is_ok(), (1..=10_080).contains(&minutes));
        }
    }
}
