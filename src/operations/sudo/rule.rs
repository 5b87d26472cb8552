//! `sudo.rule`: what users may run as others, in a file of `/etc/sudoers.d`.
//!
//! ```toml
//! [[operation]]
//! op = "sudo.rule"
//! rule = "deploy"
//! users = ["deploy"]
//! commands = ["/usr/bin/systemctl restart web"]
//! nopasswd = true
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use crate::change::{NotKnown, Outcome, Stop};
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::facts::path::PathFact;
use crate::operations::files::edited_file::{EditedFile, Shown};
use crate::operations::files::parameters::path_and_ancestors;
use crate::operations::ownership::{check_group, check_user};
use crate::operations::parameters::check_account_name;
use crate::operations::{Define, Operation, PlanContext};

/// Parameters of `sudo.rule`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Rule {
    /// Name of the rule, which is that of its file in `/etc/sudoers.d`.
    rule: String,
    /// Users that the rule is for. Give `users`, `groups` or both.
    #[serde(default)]
    users: Vec<String>,
    /// Groups that the rule is for.
    #[serde(default)]
    groups: Vec<String>,
    /// What they may run: `"ALL"`, or absolute paths with their arguments, as in sudoers(5).
    #[serde(default = "all_commands")]
    commands: Vec<String>,
    /// The user that the commands run as, such as `"postgres"`; `"ALL"` is any.
    #[serde(default = "all")]
    run_as: String,
    /// `true` asks for no password.
    #[serde(default)]
    nopasswd: bool,
    /// `false` removes the file.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

const ALL: &str = "ALL";

fn all() -> String {
    ALL.to_owned()
}

fn all_commands() -> Vec<String> {
    vec![all()]
}

const FOLDER: &str = "/etc/sudoers.d";
/// What sudo asks for.
const MODE: u32 = 0o440;

/// Reads all of the rules that there are, and then the new file: what does not go together is found too.
const VALIDATE: &str = "file=$(mktemp) || exit; printf '@include /etc/sudoers\\n@include %s\\n' \"$1\" >\"$file\"; \
     said=$(visudo -c -f \"$file\" 2>&1); code=$?; rm -f \"$file\"; [ $code = 0 ] || printf '%s\\n' \"$said\"; exit $code";

impl Define for Rule {
    const NAME: &'static str = "sudo.rule";
    const SUMMARY: &'static str = "Set what users may run as others, with sudo";
    const MAIN_ARGUMENT: &'static str = "rule";
    const INSTEAD_OF_SECRETS: Option<&'static str> = Some(
        "reviews show the rule: write the file with `files.put`, which hides secrets, with `mode = \"0440\"` and `validate = \
         [\"visudo\", \"-cf\", \"{path}\"]`",
    );
    const EXAMPLE: &'static str = r#"[[operation]]
op = "sudo.rule"
rule = "backup"
users = ["backup"]
commands = ["/usr/bin/rsync"]
nopasswd = true
"#;
}

impl Operation for Rule {
    fn needs(&self) -> Vec<FactKey> {
        let mut needs = path_and_ancestors(&self.path());
        needs.push(FactKey::Content(self.path()));
        let [users, groups] = self.run_as();
        let people = self.people().map(String::as_str).chain(users);
        needs.extend(people.map(|user| FactKey::User(user.to_owned())));
        let groups = self.groups.iter().map(String::as_str).chain(groups);
        needs.extend(groups.map(|group| FactKey::Group(group.to_owned())));
        needs
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(FactKey::Path(self.path()))]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        if self.present {
            check_sudo(context)?;
            self.people().try_for_each(|user| check_user(context, "users", user))?;
            let mut groups = self.groups.iter();
            groups.try_for_each(|group| check_group(context, "groups", group))?;
            let [users, groups] = self.run_as();
            users.iter().try_for_each(|user| check_user(context, "run_as", user))?;
            groups
                .iter()
                .try_for_each(|group| check_group(context, "run_as", group))?;
        }
        let path = self.path();
        let words = ["sh", "-c", VALIDATE, "visudo", "{path}"];
        let file = EditedFile {
            owner: self.present.then_some("root"),
            group: self.present.then_some("root"),
            mode: self.present.then_some(MODE),
            validate: Some(words.map(str::to_owned).to_vec()),
            shown: Shown::As {
                name: "rule",
                of: &str::to_owned,
            },
            comes_with_no_package: true,
            goes_when_empty: true,
            ..EditedFile::new(&path, "rule")
        };
        file.plan(context, |_| if self.present { self.text() } else { String::new() })
    }
}

impl Rule {
    fn path(&self) -> String {
        format!("{FOLDER}/{}", self.rule)
    }

    fn people(&self) -> impl Iterator<Item = &String> {
        self.users.iter().filter(|user| *user != ALL)
    }

    /// The users and the groups that commands run as, without `ALL`, and without `root`, who is always there.
    fn run_as(&self) -> [Vec<&str>; 2] {
        let (users, groups) = self.run_as.split_once(':').unwrap_or((&self.run_as, ALL));
        [users, groups].map(|names| names.split(',').filter(|name| ![ALL, "root"].contains(name)).collect())
    }

    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let plain = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
        if self.rule.is_empty() || !self.rule.chars().all(plain) {
            let title = format!("`{}` is not a valid name of a rule", self.rule);
            return Err(context
                .refuse("rule", title, "use letters, digits, `_` and `-`")
                .hint("choose another name: sudo ignores files whose names have a `.` or end in `~`"));
        }
        if !self.present {
            return Ok(());
        }
        if self.users.is_empty() && self.groups.is_empty() {
            return Err(context
                .refuse("rule", "missing `users` or `groups`", "this rule is for no user")
                .hint("write `users = [\"…\"]` or `groups = [\"…\"]`"));
        }
        for user in self.people() {
            check_account_name(context, "users", user)?;
        }
        for group in &self.groups {
            check_account_name(context, "groups", group)?;
        }
        for part in self.run_as.split([':', ',']).filter(|part| *part != ALL) {
            check_account_name(context, "run_as", part)?;
        }
        if self.commands.is_empty() {
            return Err(context
                .refuse("commands", "`commands` is empty", "this rule allows nothing")
                .hint("write what they may run, or `present = false` to remove the rule"));
        }
        self.commands
            .iter()
            .try_for_each(|command| check_command(context, command))
    }

    fn text(&self) -> String {
        let groups = self.groups.iter().map(|group| format!("%{group}"));
        let who: Vec<String> = self.users.iter().cloned().chain(groups).collect();
        let commands: Vec<String> = self.commands.iter().map(|command| escaped(command)).collect();
        let tag = if self.nopasswd { "NOPASSWD: " } else { "" };
        format!(
            "{} ALL=({}) {tag}{}\n",
            who.join(", "),
            self.run_as,
            commands.join(", ")
        )
    }
}

/// Refuses a host without sudo, unless an earlier operation may install it.
fn check_sudo(context: &PlanContext<'_>) -> Result<(), Stop> {
    match context.path(FOLDER) {
        Ok(PathFact::Absent) => Err(context
            .refuse(
                "rule",
                "sudo is not installed",
                format!("`{FOLDER}` is not on the host"),
            )
            .hint("install the package `sudo` first, with `apt.packages`")),
        Ok(PathFact::Present(_))
        | Err(Stop::NotKnown {
            cause: NotKnown::Since(..),
            ..
        }) => Ok(()),
        Err(stop) => Err(stop),
    }
}

fn check_command(context: &PlanContext<'_>, command: &str) -> Result<(), Stop> {
    let path = command.trim_start_matches(['!', ' ']);
    let is_path = path.starts_with('/') || path == ALL || path.starts_with("sudoedit ") || path.starts_with("list");
    let label = if command.contains(['\n', '\r', '\0']) {
        "must be one line"
    } else if !is_path || command.ends_with('\\') {
        "must begin with an absolute path, or be `ALL`"
    } else {
        return Ok(());
    };
    let title = format!("`{}` is not a valid command of a rule", command.escape_debug());
    Err(context
        .refuse_item("commands", command, title, label)
        .hint("write the path that `command -v` shows on the host, such as \"/usr/bin/systemctl restart web\""))
}

/// A command as sudoers(5) wants it: what would end it there is escaped, unless it is already.
fn escaped(command: &str) -> String {
    let mut escaped = String::with_capacity(command.len());
    let mut is_escaped = false;
    for character in command.chars() {
        if ",:=#".contains(character) && !is_escaped {
            escaped.push('\\');
        }
        escaped.push(character);
        is_escaped = character == '\\' && !is_escaped;
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_command_is_escaped_once() {
        for (command, expected) in [
            ("/usr/bin/rsync --server -a . /srv", "/usr/bin/rsync --server -a . /srv"),
            ("/usr/bin/mount -o a=b,c /x:y", "/usr/bin/mount -o a\\=b\\,c /x\\:y"),
            ("/usr/bin/x a\\,b \\\\,", "/usr/bin/x a\\,b \\\\\\,"),
        ] {
            assert_eq!(escaped(command), expected);
        }
    }
}
