//! `crontab.crontab`: run a command of a user at given times, with cron.
//!
//! ```toml
//! [[operation]]
//! op = "crontab.crontab"
//! cron_name = "tidy"
//! command = "find /srv/scans -mtime +30 -delete"
//! hour = 3
//! minute = 0
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use super::field::{FIELDS, Field, SPECIAL_TIMES};
use crate::change::{NotKnown, Outcome, Stop};
use crate::facts::FactKey;
use crate::facts::account::UserFact;
use crate::facts::overlay::FactScope;
use crate::facts::path::PathFact;
use crate::operations::files::edited_file::{EditedFile, Shown};
use crate::operations::files::parameters::path_and_ancestors;
use crate::operations::files::text::append_line;
use crate::operations::parameters::{NumberOrText, check_account_name};
use crate::operations::{CronEntry, Define, Operation, PlanContext};

/// Parameters of `crontab.crontab`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Crontab {
    /// Name of the entry, in a comment above its line: by it the line is found again.
    cron_name: String,
    /// Command line for `sh`. Each `%` is escaped for cron.
    command: Option<String>,
    /// User whose table it is in.
    #[serde(default = "root")]
    user: String,
    /// Minutes, from 0 to 59, such as `30` or `"*/15"`.
    #[serde(default = "each")]
    minute: NumberOrText,
    /// Hours, from 0 to 23.
    #[serde(default = "each")]
    hour: NumberOrText,
    /// Days of the month, from 1 to 31. With `day_of_week` too, cron runs the command on days that match one of them.
    #[serde(default = "each")]
    day_of_month: NumberOrText,
    /// Months, from 1 to 12 or `"jan"` to `"dec"`.
    #[serde(default = "each")]
    month: NumberOrText,
    /// Days of the week, from 0 (Sunday) to 7 (Sunday) or `"sun"` to `"sat"`.
    #[serde(default = "each")]
    day_of_week: NumberOrText,
    /// In place of the five times: `"reboot"`, `"hourly"`, `"daily"`, `"weekly"`, `"monthly"` or `"yearly"`.
    special_time: Option<String>,
    /// `false` removes the entry with this name.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

fn root() -> String {
    "root".to_owned()
}

fn each() -> NumberOrText {
    NumberOrText("*".to_owned())
}

const FOLDER: &str = "/var/spool/cron/crontabs";
/// The group that `crontab` runs as.
const GROUP: &str = "crontab";
/// Other users may not read what a command says.
const MODE: u32 = 0o600;
/// The comment above a line.
const MARK: &str = "# homelab: ";
/// How many comments at the start of a table `crontab -l` of Debian leaves out, as if it had written them. Writing its output
/// back loses them.
const HEADER_LINES: usize = 3;
/// In bytes, by crontab(5) of Debian.
const LONGEST_COMMAND: usize = 998;

impl Define for Crontab {
    const NAME: &'static str = "crontab.crontab";
    const SUMMARY: &'static str = "Run a command of a user at given times, with cron";
    const MAIN_ARGUMENT: &'static str = "cron_name";
    const SHELL_TEXT: &'static [&'static str] = &["command"];
    const EXAMPLE: &'static str = r#"[[operation]]
op = "crontab.crontab"
cron_name = "tidy"
command = "find /srv/scans -mtime +30 -delete"
hour = 3
minute = 0
"#;
}

impl Operation for Crontab {
    fn needs(&self) -> Vec<FactKey> {
        let mut needs = path_and_ancestors(&self.path());
        needs.push(FactKey::Content(self.path()));
        needs.push(FactKey::User(self.user.clone()));
        needs
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(FactKey::Path(self.path()))]
    }

    fn cron_entry(&self) -> Option<CronEntry> {
        Some(CronEntry {
            user: self.user.clone(),
            name: self.cron_name.trim().to_owned(),
        })
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let line = self.checked(context)?;
        if self.present {
            self.check_host(context)?;
        }
        let path = self.path();
        let file = EditedFile {
            owner: Some(&self.user),
            group: Some(GROUP),
            mode: Some(MODE),
            shown: Shown::As {
                name: "line",
                of: &|text| self.shown(text),
            },
            comes_with_no_package: true,
            goes_when_empty: !self.present,
            ..EditedFile::new(&path, "user")
        };
        if !self.present && file.text(context)?.is_none_or(|text| self.entry(&text).is_none()) {
            return Ok(Outcome::Unchanged);
        }
        let outcome = file.plan(context, |text| self.edited(text, &line))?;
        let has_time = |field: &Field| context.arguments.contains_key(field.name);
        if self.present && self.special_time.is_none() && !FIELDS.iter().any(has_time) && outcome != Outcome::Unchanged
        {
            context.notice_of("cron_name", "runs every minute, as no time is set");
        }
        Ok(outcome)
    }
}

impl CronEntry {
    /// The table that it is in.
    pub fn table(&self) -> String {
        format!("{FOLDER}/{}", self.user)
    }

    /// Its line in the text of the table; `None` if the table has no such entry.
    pub fn line<'t>(&self, text: &'t str) -> Option<&'t str> {
        let lines = text.lines();
        let mut rest = lines.skip_while(|line| line.strip_prefix(MARK).map(str::trim_end) != Some(&self.name));
        rest.next()?;
        Some(rest.next().unwrap_or_default())
    }
}

impl Crontab {
    fn path(&self) -> String {
        format!("{FOLDER}/{}", self.user)
    }

    fn times(&self) -> [&str; 5] {
        let times = [
            &self.minute,
            &self.hour,
            &self.day_of_month,
            &self.month,
            &self.day_of_week,
        ];
        times.map(|time| time.0.as_str())
    }

    /// The line of the table; empty if it is to be removed.
    fn checked(&self, context: &PlanContext<'_>) -> Result<String, Stop> {
        check_account_name(context, "user", &self.user)?;
        if self.cron_name.trim().is_empty() || self.cron_name.contains(['\n', '\r', '\0']) {
            return Err(context
                .refuse(
                    "cron_name",
                    "`cron_name` is not valid",
                    "must be one line that is not empty",
                )
                .hint("write a name such as \"backup\""));
        }
        if !self.present {
            return Ok(String::new());
        }
        let Some(command) = &self.command else {
            return Err(context
                .refuse("cron_name", "missing `command`", "this entry runs nothing")
                .hint("write `command = \"…\"`, or `present = false` to remove the entry"));
        };
        if command.trim().is_empty() || command.contains(['\n', '\r', '\0']) {
            return Err(context
                .refuse(
                    "command",
                    "`command` must be one line that is not empty",
                    "cron cannot store this",
                )
                .hint("put the lines into a script with `files.put`, and run that"));
        }
        if command.contains("\\%") {
            let title = "`command` has `\\%`";
            return Err(context
                .refuse("command", title, "the `%` would be escaped twice")
                .hint("write `%` alone: it is escaped for cron"));
        }
        let command = command.trim().replace('%', "\\%");
        if command.len() > LONGEST_COMMAND {
            let title = format!("`command` is longer than {LONGEST_COMMAND} bytes");
            return Err(context
                .refuse("command", title, "cron would ignore the whole table of the user")
                .hint("put it into a script with `files.put`, and run that"));
        }
        Ok(format!("{} {command}", self.time(context)?))
    }

    /// When the command runs, as the line says it.
    fn time(&self, context: &PlanContext<'_>) -> Result<String, Stop> {
        let times = self.times();
        let Some(special) = &self.special_time else {
            let checked = FIELDS.iter().zip(times).map(|(field, time)| {
                if field.takes(time) {
                    return Ok(());
                }
                let title = format!("`{time}` is not valid as `{}`", field.name);
                Err(context
                    .refuse(field.name, title, format!("takes {}", field.describe()))
                    .hint(field.hint(time)))
            });
            Stop::unless_all(checked)?;
            return Ok(times.join(" "));
        };
        if let Some((field, _)) = FIELDS.iter().zip(times).find(|(_, time)| *time != "*") {
            let title = format!("`{}` and `special_time` cannot be used together", field.name);
            return Err(context
                .refuse(field.name, title, "`special_time` replaces all times")
                .hint("remove one of the two"));
        }
        let word = special.strip_prefix('@').unwrap_or(special);
        if SPECIAL_TIMES.contains(&word) {
            return Ok(format!("@{word}"));
        }
        let names: Vec<String> = SPECIAL_TIMES.iter().map(|name| format!("`{name}`")).collect();
        Err(context
            .refuse(
                "special_time",
                format!("unknown time `{special}`"),
                "cron has no such time",
            )
            .hint(format!("use one of {}", names.join(", "))))
    }

    /// Refuses a host without cron or without the user.
    fn check_host(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        match context.user(&self.user) {
            Ok(UserFact::Absent) => {
                let title = format!("unknown user `{}`", self.user);
                return Err(context
                    .refuse("user", title, "not on the host, and no earlier operation creates it")
                    .hint(format!(
                        "create it first: `op = \"server.user\"`, `user = \"{}\"`",
                        self.user
                    )));
            }
            Ok(UserFact::Present(_))
            | Err(Stop::NotKnown {
                cause: NotKnown::Since(..),
                ..
            }) => {}
            Err(stop) => return Err(stop),
        }
        match context.path(FOLDER) {
            Ok(PathFact::Absent) => Err(context
                .refuse(
                    "cron_name",
                    "cron is not installed",
                    format!("`{FOLDER}` is not on the host"),
                )
                .hint(
                    "install the package `cron` first, with `apt.packages`; or use `systemd.timer`, which needs none",
                )),
            Ok(PathFact::Present(_))
            | Err(Stop::NotKnown {
                cause: NotKnown::Since(..),
                ..
            }) => Ok(()),
            Err(stop) => Err(stop),
        }
    }

    /// The number of the line with the mark of this entry.
    fn entry(&self, text: &str) -> Option<usize> {
        text.lines()
            .position(|line| line.strip_prefix(MARK).map(str::trim_end) == Some(self.cron_name.trim()))
    }

    fn edited(&self, text: &str, line: &str) -> String {
        let mark = format!("{MARK}{}", self.cron_name.trim());
        let mut lines: Vec<&str> = text.lines().collect();
        match (self.entry(text), self.present) {
            (Some(at), true) => {
                // Two marks in a row: the line between them was removed.
                let has_line = lines.get(at + 1).is_some_and(|next| !next.starts_with(MARK));
                if has_line {
                    lines[at + 1] = line;
                } else {
                    lines.insert(at + 1, line);
                }
            }
            (Some(at), false) => {
                let has_line = lines.get(at + 1).is_some_and(|next| !next.starts_with(MARK));
                lines.drain(at..=at + usize::from(has_line));
            }
            (None, true) => {
                let mut at = unmarked(&lines, line).unwrap_or_else(|| {
                    lines.push(line);
                    lines.len() - 1
                });
                if at < HEADER_LINES && lines[..at].iter().all(|line| line.starts_with('#')) {
                    lines.insert(at, "");
                    at += 1;
                }
                lines.insert(at, &mark);
            }
            (None, false) => {}
        }
        let mut edited = String::with_capacity(text.len() + line.len());
        for line in lines {
            append_line(&mut edited, line);
        }
        edited
    }

    /// The line of this entry, without those of others, which may be private.
    fn shown(&self, text: &str) -> String {
        let line = self.entry(text).and_then(|at| text.lines().nth(at + 1));
        line.unwrap_or_default().to_owned()
    }
}

/// Where `line` stands already without a mark: a user wrote it, or the mark was lost.
fn unmarked(lines: &[&str], line: &str) -> Option<usize> {
    (0..lines.len())
        .find(|at| lines[*at] == line && !at.checked_sub(1).is_some_and(|above| lines[above].starts_with(MARK)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{Bench, refusal};

    #[test]
    fn a_new_entry_without_a_time_is_told_to_run_every_minute() {
        let notices = |time: &str, text: &str| {
            let bench = Bench::new::<Crontab>(&format!("cron_name = 'a'\ncommand = 'b'\n{time}"))
                .user("root", 0, "root", &[])
                .group("crontab", 101, &[], &[]);
            let bench = ["/", "/var", "/var/spool", "/var/spool/cron", FOLDER]
                .into_iter()
                .fold(bench, Bench::directory);
            bench.file_with_content("/var/spool/cron/crontabs/root", text).notices()
        };
        let told = ["runs every minute, as no time is set (t.toml:1:13)"];
        assert_eq!(notices("", ""), told);
        assert_eq!(notices("minute = '*'", ""), [""; 0]);
        assert_eq!(notices("special_time = '@daily'", ""), [""; 0]);
    }

    #[test]
    fn an_entry_is_found_by_its_name() {
        let crontab = |present| Crontab {
            cron_name: "tidy".to_owned(),
            command: None,
            user: root(),
            minute: each(),
            hour: each(),
            day_of_month: each(),
            month: each(),
            day_of_week: each(),
            special_time: None,
            present,
        };
        for (text, expected, removed) in [
            ("", "\n# homelab: tidy\n@daily x\n", ""),
            ("# mine\n", "# mine\n\n# homelab: tidy\n@daily x\n", "# mine\n"),
            ("#\n#\n#\n", "#\n#\n#\n# homelab: tidy\n@daily x\n", "#\n#\n#\n"),
            ("A=b\n@daily x\n", "A=b\n# homelab: tidy\n@daily x\n", "A=b\n@daily x\n"),
            (
                "@daily x\n1 * * * * z\n",
                "\n# homelab: tidy\n@daily x\n1 * * * * z\n",
                "@daily x\n1 * * * * z\n",
            ),
            (
                "# homelab: b\n@daily x\n",
                "# homelab: b\n@daily x\n# homelab: tidy\n@daily x\n",
                "# homelab: b\n@daily x\n",
            ),
            ("MAILTO=x", "MAILTO=x\n# homelab: tidy\n@daily x\n", "MAILTO=x\n"),
            (
                "# homelab: tidy\n0 * * * * y\n1 * * * * z\n",
                "# homelab: tidy\n@daily x\n1 * * * * z\n",
                "1 * * * * z\n",
            ),
            (
                "# homelab: tidy\n# homelab: b\nz\n",
                "# homelab: tidy\n@daily x\n# homelab: b\nz\n",
                "# homelab: b\nz\n",
            ),
            ("# homelab: tidy", "# homelab: tidy\n@daily x\n", ""),
            (
                "# homelab: tidy up\nz\n",
                "# homelab: tidy up\nz\n# homelab: tidy\n@daily x\n",
                "# homelab: tidy up\nz\n",
            ),
        ] {
            assert_eq!(crontab(true).edited(text, "@daily x"), expected);
            assert_eq!(crontab(true).edited(expected, "@daily x"), expected);
            assert_eq!(crontab(false).edited(text, ""), removed);
            assert_eq!(crontab(true).shown(expected), "@daily x");
        }
    }

    #[test]
    fn wrong_times_are_refused_by_name() {
        for (parameters, title) in [
            ("hour = 24", "`24` is not valid as `hour`"),
            ("day_of_week = 'monday'", "`monday` is not valid as `day_of_week`"),
            ("special_time = 'fortnightly'", "unknown time `fortnightly`"),
            (
                "special_time = '@daily'\nhour = 3",
                "`hour` and `special_time` cannot be used together",
            ),
        ] {
            let bench = Bench::new::<Crontab>(&format!("cron_name = 'a'\ncommand = 'b'\n{parameters}"));
            assert!(refusal(bench.plan()).to_string().ends_with(title), "{parameters}");
        }
    }
}
