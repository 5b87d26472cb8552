//! Readable durations.

use std::time::Duration;

/// `12.3 s`, `3 min 12 s`; `None` for very short durations.
pub(super) fn taken(took: Duration) -> Option<String> {
    let tenths = (took.as_millis() + 50) / 100;
    match tenths {
        0 => None,
        1..600 => Some(format!("{}.{} s", tenths / 10, tenths % 10)),
        _ => Some(format!("{} min {} s", tenths / 600, tenths % 600 / 10)),
    }
}

/// `12 s`, `3 min 12 s`: of something still running.
pub(super) fn so_far(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let read = |milliseconds| taken(Duration::from_millis(milliseconds)).unwrap_or_default();
        assert_eq!(read(0), "");
        assert_eq!(read(49), "");
        assert_eq!(read(50), "0.1 s");
        assert_eq!(read(12_345), "12.3 s");
        assert_eq!(read(59_960), "1 min 0 s");
        assert_eq!(read(192_000), "3 min 12 s");
        assert_eq!(so_far(Duration::from_millis(59_999)), "59 s");
        assert_eq!(so_far(Duration::from_secs(90)), "1 min 30 s");
    }
}
