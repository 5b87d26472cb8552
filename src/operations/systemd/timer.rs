//! `systemd.timer`: run a command or a service at given times.
//!
//! ```toml
//! [[operation]]
//! op = "systemd.timer"
//! unit = "backup"                              # backup.timer, and backup.service for the command
//! on_calendar = "*-*-* 01:30"
//! command = "restic backup /srv"
//! ```

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::files::UnitFile;
use super::name;
use super::needs::Needs;
use super::service::Service;
use crate::change::{Attribute, NotKnown, Outcome, Stop};
use crate::content::Content;
use crate::error::Diagnostic;
use crate::facts::FactKey;
use crate::facts::calendar::{CalendarFact, CalendarKey};
use crate::facts::overlay::FactScope;
use crate::facts::path::{ContentFact, ContentKey, InodeKind, PathFact};
use crate::facts::unit::{UnitFact, UnitKey};
use crate::operations::files::whole_file::WishedContent;
use crate::operations::parameters::{Span, check_account_name};
use crate::operations::work::Work;
use crate::operations::{Define, Operation, PlanContext};
use crate::quote::systemd_word;

/// Parameters of `systemd.timer`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Timer {
    /// Name of the timer, with or without `.timer`. It starts the service of the same name.
    unit: String,
    /// When it runs, as in systemd.time(7), such as `"daily"` or `"Mon *-*-* 01:30"`; several as a list.
    on_calendar: Option<Times>,
    /// Command line for `sh`: a service of the same name is written that runs it. By default the service has to exist.
    command: Option<String>,
    /// User who runs the command; default: `root`.
    user: Option<String>,
    /// `false` does not make up for a run that was missed while the host was off.
    #[serde(default = "crate::operations::parameters::yes")]
    persistent: bool,
    /// Delays each run by a random time up to this, such as `"10m"`.
    randomized_delay: Option<Span>,
    /// How late a run may be, so that the host wakes up less often, such as `"1s"`; default: `1min`.
    accuracy: Option<Span>,
    /// `false` writes the timer, and keeps it stopped and disabled.
    #[serde(default = "crate::operations::parameters::yes")]
    enabled: bool,
    /// `false` removes the timer, and the service that it was written with. Both are stopped first. A service that runs something
    /// else than a `command` stays, unless `command` is given.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

/// One time or several.
#[derive(Debug)]
struct Times(Vec<String>);

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TimesVisitor;
        impl<'de> de::Visitor<'de> for TimesVisitor {
            type Value = Times;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a time such as \"daily\", or a list of times")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Times, E> {
                Ok(Times(vec![text.to_owned()]))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, sequence: A) -> Result<Times, A::Error> {
                Deserialize::deserialize(de::value::SeqAccessDeserializer::new(sequence)).map(Times)
            }
        }
        deserializer.deserialize_any(TimesVisitor)
    }
}

impl JsonSchema for Times {
    fn schema_name() -> Cow<'static, str> {
        "Times".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "array"],
            "items": { "type": "string" },
            "title": "a time such as \"daily\", or a list of times",
        })
    }
}

impl Define for Timer {
    const NAME: &'static str = "systemd.timer";
    const SUMMARY: &'static str = "Run a command or a service at given times";
    const MAIN_ARGUMENT: &'static str = "unit";
    const SHELL_TEXT: &'static [&'static str] = &["command"];
    const INSTEAD_OF_SECRETS: Option<&'static str> = Some(
        "every user of the host can read this unit: write the secret to a file that only `user` can read, with `files.put`, and \
         have `command` read it there",
    );
    const EXAMPLE: &'static str = r#"[[operation]]
op = "systemd.timer"
unit = "tidy"
on_calendar = "Sun *-*-* 03:00"
command = "find /srv/scans -mtime +30 -delete"
"#;
}

impl Operation for Timer {
    fn needs(&self) -> Vec<FactKey> {
        let names = self.names();
        // Of a timer that goes, the service is looked at in any case.
        let files = self.files(&names, !self.present);
        files.iter().flat_map(|file| file.needs(self.present)).collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        let names = self.names();
        let files = self.files(&names, !self.present);
        let keys = files
            .iter()
            .flat_map(|file| [FactKey::Path(file.path())].into_iter().chain(file.key()));
        keys.map(FactScope::Key).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        context.on_scratch(|scratch| {
            let mut work = Work::default();
            if self.present {
                self.write(scratch, &mut work)?;
            } else {
                let names = self.names();
                for file in self.files(&names, is_of_a_timer(scratch, &names.service)?) {
                    file.remove(scratch, &mut work)?;
                }
            }
            Ok(work.outcome())
        })
    }
}

/// The names of the units.
struct Names {
    timer: String,
    service: String,
}

impl Timer {
    fn names(&self) -> Names {
        let stem = self.unit.strip_suffix(".timer").unwrap_or(&self.unit);
        Names {
            timer: format!("{stem}.timer"),
            service: format!("{stem}.service"),
        }
    }

    /// The files that it owns, the timer first; without `command`, the service is one of them if `owns_service`.
    fn files<'a>(&self, names: &'a Names, owns_service: bool) -> Vec<UnitFile<'a>> {
        let timer = [names.timer.as_str()].into_iter();
        let owns_service = owns_service || self.command.is_some();
        let units = timer.chain(owns_service.then_some(names.service.as_str()));
        let files = units.map(|unit| UnitFile {
            unit,
            drop_in: None,
            argument: "unit",
        });
        files.collect()
    }

    fn times(&self) -> &[String] {
        self.on_calendar.as_ref().map_or(&[], |times| &times.0)
    }

    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let full = name::full(&self.unit);
        if full != self.names().timer && full != self.names().service || self.unit.ends_with(".service") {
            let title = format!("`{}` is not the name of a timer", self.unit);
            return Err(context
                .refuse("unit", title, "ends with another suffix")
                .hint("write a name such as \"backup\" or \"backup.timer\""));
        }
        name::check_file(context, "unit", &self.names().timer)?;
        name::check(context, "unit", &self.names().timer)?;
        if self.times().is_empty() && self.present {
            return Err(context
                .refuse("unit", "missing `on_calendar`", "this timer would never run")
                .hint("add `on_calendar = \"daily\"`, or another time of systemd.time(7)"));
        }
        if let Some(time) = self.times().iter().find(|time| time.chars().any(char::is_control)) {
            let title = format!("`{}` is not a valid time", time.escape_default());
            return Err(context.refuse_item("on_calendar", time, title, "must not contain a line break"));
        }
        if let Some(user) = &self.user {
            check_account_name(context, "user", user)?;
            if self.command.is_none() {
                return Err(context
                    .refuse("user", "`user` needs `command`", "would have no effect")
                    .hint("set `User=` in the unit file of the service instead"));
            }
        }
        Ok(())
    }

    fn write(&self, context: &PlanContext<'_>, work: &mut Work) -> Result<(), Stop> {
        let names = self.names();
        let files = self.files(&names, false);
        let command = self.command.as_deref();
        let needs = command.map(|command| Needs::of_command(self.user.as_deref(), command));
        // The service first: a timer does not start without it.
        for file in files.iter().rev() {
            let text = if file.unit == names.timer {
                self.timer_text()
            } else {
                self.service_text()
            };
            let content = WishedContent::Ready(Content::new(text.into_bytes()));
            let needs = needs.as_ref().filter(|_| file.unit == names.service);
            let needs = needs.map(|needs| (needs, ["user", "command"]));
            file.write(context, content, true, needs, work)?;
        }
        if self.command.is_none() && self.enabled {
            check_service(context, &names.service)?;
        }
        let state = Service::of_timer(&names.timer, self.enabled).plan(context)?;
        work.add(context, state);
        if work.changes.is_empty() {
            return Ok(());
        }
        let next = self.next_run(context)?;
        let last = work.changes.last_mut();
        if self.enabled
            && let Some(after) = last.and_then(|change| change.after.as_mut())
        {
            after.insert("next run", Attribute::known(next));
        }
        Ok(())
    }

    /// When the timer elapses next.
    ///
    /// Errors: a time that systemd does not understand, or that is past.
    fn next_run(&self, context: &PlanContext<'_>) -> Result<String, Stop> {
        let mut next = Vec::new();
        // All of them are asked for in one round.
        let facts: Vec<_> = self
            .times()
            .iter()
            .map(|time| (time, context.get(CalendarKey(time))))
            .collect();
        let mut wrong: Option<Diagnostic> = None;
        for (time, fact) in facts {
            let refusal = match fact? {
                CalendarFact::Next(when) if when != "never" => {
                    next.push(when);
                    continue;
                }
                CalendarFact::Next(_) => context
                    .refuse_item(
                        "on_calendar",
                        time,
                        format!("`{time}` is past"),
                        "the timer would never run again",
                    )
                    .hint("write a time that comes again, such as \"daily\""),
                CalendarFact::Wrong(why) => context
                    .refuse_item(
                        "on_calendar",
                        time,
                        format!("`{time}` is not a valid time"),
                        "systemd does not understand it",
                    )
                    .because(why)
                    .hint("write a time as in systemd.time(7), such as \"daily\" or \"Mon *-*-* 01:30\""),
            };
            let Stop::Refused(mistake) = refusal else {
                return Err(refusal);
            };
            wrong = Some(match (wrong, mistake.origin()) {
                (Some(first), Some(place)) => first.at(place, mistake.title.clone()),
                _ => *mistake,
            });
        }
        if let Some(wrong) = wrong {
            return Err(Stop::Refused(Box::new(wrong)));
        }
        // After the day of the week, times are in order of their text.
        let when = |next: &String| next.split_once(' ').map(|(_, when)| when.to_owned());
        Ok(next.into_iter().min_by_key(when).unwrap_or_default())
    }

    fn timer_text(&self) -> String {
        let mut text = String::from("[Timer]\n");
        for time in self.times() {
            let _ = writeln!(text, "OnCalendar={}", time.replace('%', "%%"));
        }
        let _ = writeln!(text, "Persistent={}", self.persistent);
        for (key, span) in [
            ("RandomizedDelaySec", self.randomized_delay),
            ("AccuracySec", self.accuracy),
        ] {
            if let Some(span) = span {
                let _ = writeln!(text, "{key}={}", seconds(span));
            }
        }
        text.push_str("\n[Install]\nWantedBy=timers.target\n");
        text
    }

    fn service_text(&self) -> String {
        let command = self.command.as_deref().unwrap_or_default();
        let user = self
            .user
            .as_ref()
            .map_or_else(String::new, |user| format!("User={user}\n"));
        format!("{SERVICE}{user}{COMMAND}{}\n", systemd_word(command))
    }
}

/// How the file of a service with a command begins, before its user.
const SERVICE: &str = "[Service]\nType=oneshot\n";
/// The start of the line with its command, which is the last one.
const COMMAND: &str = "ExecStart=/bin/sh -c ";

/// Whether the file of a service is one that a timer was written with.
fn is_of_a_timer(context: &PlanContext<'_>, service: &str) -> Result<bool, Stop> {
    let file = UnitFile {
        unit: service,
        drop_in: None,
        argument: "unit",
    };
    let path = file.path();
    let is_file =
        matches!(context.path(&path)?, PathFact::Present(inode) if matches!(inode.kind, InodeKind::File { .. }));
    if !is_file {
        return Ok(false);
    }
    let ContentFact::Bytes(bytes) = context.get(ContentKey(&path))? else {
        return Ok(false);
    };
    let text = String::from_utf8_lossy(&bytes);
    let command = text.strip_prefix(SERVICE).and_then(|rest| {
        let user = rest.strip_prefix("User=").and_then(|rest| rest.split_once('\n'));
        let rest = user.map_or(rest, |(_, rest)| rest);
        rest.strip_prefix(COMMAND)?.strip_suffix('\n')
    });
    Ok(command.is_some_and(|command| command.starts_with('"') && !command.contains('\n')))
}

/// Refuses a timer without the service that it starts.
fn check_service(context: &PlanContext<'_>, service: &str) -> Result<(), Stop> {
    match context.get(UnitKey(service)) {
        Ok(UnitFact::Absent) => Err(context
            .refuse("unit", format!("unknown unit `{service}`"), "the timer would start it")
            .hint("add `command`, or write that service first with `systemd.unit`")),
        Ok(_)
        | Err(Stop::NotKnown {
            cause: NotKnown::Since(..),
            ..
        }) => Ok(()),
        Err(stop) => Err(stop),
    }
}

/// As systemd reads it.
fn seconds(span: Span) -> String {
    match span.0.subsec_millis() {
        0 => format!("{}s", span.0.as_secs()),
        _ => format!("{}ms", span.0.as_millis()),
    }
}
