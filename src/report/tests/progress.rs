//! Progress as a window and as periodic lines.

use std::time::{Duration, Instant};

use crate::apply;
use crate::facts::overlay::OperationId;
use crate::report::Progress;
use crate::rounds::ReadingEvent;

fn after(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds)
}

fn started(host: &str, doing: &str) -> apply::ApplyEvent {
    apply::ApplyEvent::Started {
        host: host.to_owned(),
        operation: OperationId(format!("{host} / task / x")),
        doing: doing.to_owned(),
    }
}

#[test]
fn the_window_never_outgrows_the_terminal() {
    let mut progress = Progress::of_reading(30);
    let start = Instant::now();
    for number in 0..30 {
        let host = format!("host-{number}");
        progress.on_reading(&ReadingEvent::Started { host }, start);
    }
    let frame = progress.frame(12, after(start, 3));
    assert_eq!(frame.hosts.len(), 8);
    assert_eq!(frame.hosts[0], "host-0  connecting  3 s");
    assert_eq!(frame.summary, "reading 0 of 30 hosts, 3 s, 22 hosts not shown");
    assert_eq!((frame.position, frame.length), (0, 30));
    assert_eq!(progress.frame(2, start).hosts.len(), 1);
}

#[test]
fn a_finished_host_leaves_the_window() {
    let mut progress = Progress::of_reading(2);
    let start = Instant::now();
    for host in ["a", "b"].map(str::to_owned) {
        progress.on_reading(&ReadingEvent::Started { host }, start);
    }
    progress.on_reading(&ReadingEvent::Finished { host: "a".to_owned() }, start);
    let frame = progress.frame(24, start);
    assert_eq!(frame.hosts, ["b  connecting  0 s"]);
    assert_eq!((frame.position, frame.length), (1, 2));
    let late = progress.heartbeats(after(start, 30));
    assert_eq!(late, ["b: still connecting after 30 s (1 of 2 hosts read)"]);
    progress.on_reading(&ReadingEvent::Connected { host: "b".to_owned() }, after(start, 40));
    assert_eq!(progress.frame(24, after(start, 42)).hosts, ["b  reading  2 s"]);
}

#[test]
fn a_log_says_every_half_minute_what_takes_so_long() {
    let mut progress = Progress::of_running(2);
    let start = Instant::now();
    progress.on_applying(&started("services-dev", "apt-get\nupgrade"), start);
    progress.on_applying(&started("other", "x"), after(start, 20));
    let mut beats = |seconds| progress.heartbeats(after(start, seconds));
    assert!(beats(29).is_empty());
    assert_eq!(beats(30), [r"services-dev: still running after 30 s: apt-get\nupgrade"]);
    assert!(beats(49).is_empty());
    assert_eq!(beats(50), ["other: still running after 30 s: x"]);
    // Late, but printed only once.
    let late = beats(90);
    assert_eq!(
        late,
        [
            r"services-dev: still running after 1 min 30 s: apt-get\nupgrade",
            "other: still running after 1 min 10 s: x"
        ]
    );
    assert!(beats(91).is_empty());
    progress.on_applying(&started("services-dev", "next"), after(start, 92));
    let beat = progress.heartbeats(after(start, 121));
    assert_eq!(beat, ["other: still running after 1 min 41 s: x"]);
}
