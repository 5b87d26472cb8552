//! Calendar events of timers (systemd.time(7)), as a host's systemd reads them.

use serde::{Deserialize, Serialize};

use super::kind::{DependsOn, Key, Subject};

/// What a host makes of this calendar event, such as `Mon *-*-* 01:30`.
#[derive(Clone, Copy)]
pub struct CalendarKey<'a>(pub &'a str);

impl<'a> Key<'a> for CalendarKey<'a> {
    type Fact = CalendarFact;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("calendar event `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<CalendarFact> {
        None
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}

/// A calendar event on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalendarFact {
    /// When it comes next, by the host's clock and in its time zone; `never` if it is past.
    Next(String),
    /// systemd does not understand it, for this reason.
    Wrong(String),
}
