//! What a service needs on the host before it can run: its user, its group and its program.

use crate::change::{NotKnown, Stop};
use crate::facts::FactKey;
use crate::facts::account::{GroupFact, UserFact};
use crate::facts::path::{PathFact, parent};
use crate::facts::unit::settings_of;
use crate::operations::ownership::unknown;
use crate::operations::{PlanContext, WrittenText};

/// Where systemd looks for a program without a path.
const FOLDERS: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// Folders of which the host has only links to those below `/usr`.
const MERGED: [&str; 2] = ["/bin/", "/sbin/"];

/// Words of a shell that are no programs.
const BUILTINS: &[&str] = &[
    ".", ":", "[", "alias", "bg", "break", "case", "cd", "command", "continue", "echo", "eval", "exec", "exit",
    "export", "false", "fg", "for", "getopts", "hash", "if", "jobs", "kill", "local", "printf", "pwd", "read",
    "readonly", "return", "set", "shift", "test", "time", "times", "trap", "true", "type", "ulimit", "umask",
    "unalias", "unset", "until", "wait", "while",
];

/// What a service needs on the host before it can run. What is not known in advance, such as a name with specifiers, is left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Needs {
    user: Option<String>,
    group: Option<String>,
    program: Option<String>,
    /// Where the text is written that says so, with the text.
    written: Option<(WrittenText, String)>,
}

impl Needs {
    /// Those of a service with this text of a unit file. A program that may fail need not be there.
    pub fn of_unit(text: &str) -> Self {
        Self::of_text(text, false)
    }

    /// The same of a unit that ran, which it can only do with its program. `instance` is that of a template.
    pub fn of_unit_that_ran(text: &str, instance: Option<&str>) -> Self {
        match instance {
            // Others stand for a text that is escaped in the unit's name.
            Some(instance) if !instance.contains(['-', '\\']) => {
                Self::of_text(&text.replace("%i", instance).replace("%I", instance), true)
            }
            Some(instance) => Self::of_text(&text.replace("%i", instance), true),
            None => Self::of_text(text, true),
        }
    }

    fn of_text(text: &str, needs_any_program: bool) -> Self {
        let mut needs = Self::default();
        let (mut is_elsewhere, mut is_dynamic) = (false, false);
        for (section, key, value) in settings_of(text) {
            match (section.as_str(), key.as_str()) {
                ("Service", "User") => needs.user = account(&value),
                ("Service", "Group") => needs.group = account(&value),
                ("Service", "DynamicUser") => is_dynamic = !matches!(value.as_str(), "no" | "false" | "off" | "0"),
                ("Service", "RootDirectory" | "RootImage" | "BindPaths" | "BindReadOnlyPaths" | "ExtensionImages") => {
                    is_elsewhere = true;
                }
                ("Service", "ExecStart") if value.is_empty() => needs.program = None,
                ("Service", "ExecStart") if needs.program.is_none() => {
                    needs.program = program_of_unit(&value, needs_any_program);
                }
                _ => {}
            }
        }
        if is_dynamic {
            (needs.user, needs.group) = (None, None);
        }
        if is_elsewhere {
            needs.program = None;
        }
        needs
    }

    /// The same, of a `text` that is written there.
    pub(super) fn written(self, written: Option<WrittenText>, text: &str) -> Self {
        Self {
            written: written.map(|written| (written, text.to_owned())),
            ..self
        }
    }

    /// The refusal at the line with this setting.
    fn at_setting(&self, refusal: Stop, key: &str, value: &str) -> Stop {
        let place = self.written.as_ref().and_then(|(written, text)| {
            let is_it = |(name, said): (&str, &str)| name.trim() == key && said.contains(value);
            let index = text.lines().position(|line| line.split_once('=').is_some_and(is_it))?;
            Some((written.line(text, index + 1)?, written.used.as_ref()))
        });
        match (refusal, place) {
            (Stop::Refused(mistake), Some((place, used))) => {
                Stop::Refused(Box::new(mistake.placed(&place).at_maybe(used, "used here")))
            }
            (refusal, _) => refusal,
        }
    }

    /// Those of a command line for `sh`.
    pub(super) fn of_command(user: Option<&str>, command: &str) -> Self {
        let word = first_word(command, " \t\n;|&<>");
        Self {
            user: user.and_then(account),
            group: None,
            program: word.filter(|word| !BUILTINS.contains(&word.as_str())),
            written: None,
        }
    }

    /// A program that has to exist.
    pub fn of_program(path: &str) -> Self {
        Self {
            program: Some(path.to_owned()),
            ..Self::default()
        }
    }

    /// Its user, unless that is root.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Its group, if one is named that is not root's.
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// Its program, and the paths of which one must exist.
    pub fn program(&self) -> Option<(&str, Vec<String>)> {
        self.program.as_deref().map(|program| (program, places(program)))
    }

    /// Refuses what is not on the host and what no earlier operation brings. `user_argument` and `argument` are those that name
    /// the user and the program.
    pub(in crate::operations) fn check(
        &self,
        context: &PlanContext<'_>,
        user_argument: &str,
        argument: &str,
    ) -> Result<(), Stop> {
        // All of it is asked for in one round.
        let user = self.user.as_deref().map(|user| (user, context.user(user)));
        let group = self.group.as_deref().map(|group| (group, context.group(group)));
        let programs = self.program.as_deref().map_or_else(Vec::new, places);
        let programs: Vec<_> = programs
            .into_iter()
            .map(|path| {
                let fact = context.path(&path);
                (path, fact)
            })
            .collect();
        if let Some((user, fact)) = user
            && known(fact)? == Some(UserFact::Absent)
        {
            let refusal = unknown(context, user_argument, "user", user);
            return Err(self.at_setting(refusal, "User", user));
        }
        if let Some((group, fact)) = group
            && known(fact)? == Some(GroupFact::Absent)
        {
            let refusal = unknown(context, user_argument, "group", group);
            return Err(self.at_setting(refusal, "Group", group));
        }
        let Some(program) = &self.program else { return Ok(()) };
        for (path, fact) in programs {
            if known(fact)? != Some(PathFact::Absent) || is_changed_above(context, &path) {
                return Ok(());
            }
        }
        let title = format!("unknown program `{program}`");
        let label = "not on the host, and no earlier operation creates it";
        let refusal = context
            .refuse(argument, title, label)
            .hint("install its package or write it in an earlier operation, or correct its name");
        Err(self.at_setting(refusal, "ExecStart", program))
    }
}

/// The fact; `None` if an earlier operation may change it.
fn known<T>(found: Result<T, Stop>) -> Result<Option<T>, Stop> {
    match found {
        Ok(fact) => Ok(Some(fact)),
        Err(Stop::NotKnown {
            cause: NotKnown::Since(..) | NotKnown::Denied(_),
            ..
        }) => Ok(None),
        Err(stop) => Err(stop),
    }
}

/// Whether an earlier operation changes a directory or a link on the way to a path: what is below it then is not known.
fn is_changed_above(context: &PlanContext<'_>, path: &str) -> bool {
    let mut at = path;
    while at != "/" {
        at = parent(at);
        if context.predicted_by(&FactKey::Path(at.to_owned())).is_some() {
            return true;
        }
    }
    false
}

/// The paths that a program may have.
fn places(program: &str) -> Vec<String> {
    if !program.contains('/') {
        return FOLDERS.iter().map(|folder| format!("{folder}/{program}")).collect();
    }
    let merged = MERGED.iter().any(|folder| program.starts_with(folder));
    let merged = merged.then(|| format!("/usr{program}"));
    [program.to_owned()].into_iter().chain(merged).collect()
}

/// A user or group that has to exist: neither a number nor a name with specifiers.
fn account(name: &str) -> Option<String> {
    let plain = |character: char| character.is_ascii_alphanumeric() || "_-.".contains(character);
    let is_number = name.chars().all(|character| character.is_ascii_digit());
    (name.chars().all(plain) && !is_number && name != "root").then(|| name.to_owned())
}

/// The program of a command line (systemd.service(5)), if it has to exist.
fn program_of_unit(line: &str, may_fail_too: bool) -> Option<String> {
    let is_prefix = |character: char| "@:+!|".contains(character) || (may_fail_too && character == '-');
    let command = line.trim_start_matches(is_prefix);
    let quoted = command.strip_prefix('"').and_then(|rest| rest.split_once('"'));
    let quoted = quoted.or_else(|| command.strip_prefix('\'')?.split_once('\''));
    match quoted {
        Some((word, _)) if !word.contains([' ', '\t']) => first_word(word, " \t"),
        Some(_) => None,
        None => first_word(command, " \t"),
    }
}

/// The first word, if nothing in it stands for something else.
fn first_word(line: &str, ends: &str) -> Option<String> {
    let line = line.trim_start();
    let end = line.find(|character| ends.contains(character)).unwrap_or(line.len());
    let word = &line[..end];
    let plain = |character: char| character.is_ascii_alphanumeric() || "_-.+/[:".contains(character);
    let is_relative = word.contains('/') && !word.starts_with('/');
    let is_program = !word.is_empty() && !word.starts_with('-') && !is_relative && word.chars().all(plain);
    let is_normal = !word.contains("//") && !word.contains("/.") && !word.ends_with('/');
    (is_program && is_normal).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(user: &str, group: &str, program: &str) -> Needs {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Needs {
            user: given(user),
            group: given(group),
            program: given(program),
            written: None,
        }
    }

    #[test]
    fn a_unit_needs_what_is_named_without_doubt() {
        for (text, wanted) in [
            (
                "User=app\nGroup=web\nExecStart=/usr/bin/app --x",
                needs("app", "web", "/usr/bin/app"),
            ),
            ("ExecStart=sleep infinity", needs("", "", "sleep")),
            ("User=app\nUser=\nExecStart=@/bin/sh sh -c x", needs("", "", "/bin/sh")),
            ("User=app\nDynamicUser=yes\nExecStart=!!/bin/a", needs("", "", "/bin/a")),
            ("User=%i\nExecStart=/opt/%i/run", needs("", "", "")),
            ("User=1000\nExecStart=-/opt/may/fail", needs("", "", "")),
            ("User=root\nExecStart=\"/opt/a b\" c", needs("", "", "")),
            ("ExecStart=\"/opt/a\" \"b c\"", needs("", "", "/opt/a")),
            ("ExecStart=@'/opt/a' b", needs("", "", "/opt/a")),
            ("ExecStart=\"/opt/$A\"", needs("", "", "")),
            (
                "ExecStart=/bin/a\nExecStart=\nExecStart=/bin/b",
                needs("", "", "/bin/b"),
            ),
            ("RootDirectory=/srv/root\nExecStart=/bin/a", needs("", "", "")),
            ("ExecStart=$HOME/a", needs("", "", "")),
        ] {
            assert_eq!(Needs::of_unit(&format!("[Service]\n{text}\n")), wanted, "{text}");
        }
        assert_eq!(Needs::of_unit("[Unit]\nUser=app\n"), Needs::default());
    }

    #[test]
    fn a_unit_that_ran_needs_its_program_and_what_its_instance_names() {
        for (text, instance, wanted) in [
            ("ExecStart=-/opt/a", None, needs("", "", "/opt/a")),
            ("ExecStart=@-\"/opt/a\" a", None, needs("", "", "/opt/a")),
            ("User=%i\nExecStart=/opt/%i/a", None, needs("", "", "")),
            (
                "User=%i\nExecStart=/opt/%i/a",
                Some("svc"),
                needs("svc", "", "/opt/svc/a"),
            ),
            (
                "User=%I\nGroup=%i\nExecStart=/a",
                Some("one-two"),
                needs("", "one-two", "/a"),
            ),
        ] {
            let found = Needs::of_unit_that_ran(&format!("[Service]\n{text}\n"), instance);
            assert_eq!(found, wanted, "{text}");
        }
    }

    #[test]
    fn a_command_needs_its_first_word_if_that_is_a_program() {
        for (command, program) in [
            ("restic backup /srv", "restic"),
            ("/opt/tool/run", "/opt/tool/run"),
            ("find /srv|wc -l", "find"),
            ("cd /srv && make", ""),
            ("A=1 make", ""),
            ("\"$TOOL\" x", ""),
            ("( sleep 1 )", ""),
            ("./run", ""),
            ("echo", ""),
            ("", ""),
        ] {
            assert_eq!(Needs::of_command(None, command), needs("", "", program), "{command}");
        }
        assert_eq!(Needs::of_command(Some("app"), "true"), needs("app", "", ""));
    }

    #[test]
    fn a_program_is_where_systemd_looks_for_it() {
        assert_eq!(places("a").len(), FOLDERS.len());
        assert_eq!(places("/opt/a"), ["/opt/a"]);
        assert_eq!(places("/bin/a"), ["/bin/a", "/usr/bin/a"]);
    }
}
