//! The command that must accept a new file.

use std::time::Duration;

use super::command::timeout;
use super::state::Attributes;
use super::unit_validator::UnitValidator;
use crate::facts::Environment;
use crate::facts::layers::{NO_MOUNTS, NO_PROGRAM, NO_ROOT, in_layers};
use crate::facts::unit::UnitFilePath;
use crate::quote::quote;

/// The word that stands for the path of the new file.
const PATH: &str = "{path}";
/// How long the view of a host may last where the command has no limit.
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// The exit code in a view of the host if the command wrote to the new file.
const CHANGED: i32 = 114;

/// What people call a command that must accept a new file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorName {
    /// As words of a sentence.
    pub words: String,
    /// The program that must be on the host.
    pub program: Option<String>,
    /// Whether it is the `validate` of the project.
    pub is_of_project: bool,
    /// Whether it names the file.
    pub names_path: bool,
}

impl ValidatorName {
    pub(super) fn of(validator: &Validator<'_>) -> Self {
        let written = validator.written();
        Self {
            is_of_project: written.is_some(),
            words: written.map_or_else(|| validator.name().to_owned(), |command| format!("`{command}`")),
            program: validator.program().map(str::to_owned),
            names_path: names_path(validator.command),
        }
    }
}

/// A word of a command as a shell reads it; the place of the file stays as it is written.
fn shown_word(word: &str) -> String {
    let plain = word.replace(PATH, "path");
    if quote(&plain) == plain {
        word.to_owned()
    } else {
        quote(word)
    }
}

/// The command that must accept a new file.
pub(super) struct Validator<'a> {
    path: &'a str,
    attributes: &'a Attributes,
    command: &'a [String],
    by_systemd: Option<UnitValidator>,
    within: Option<Duration>,
    env: &'a Environment,
}

impl<'a> Validator<'a> {
    /// `command` for the new file at `path`, which has these attributes.
    pub(super) fn new(path: &'a str, attributes: &'a Attributes, command: &'a [String], env: &'a Environment) -> Self {
        Self {
            path,
            attributes,
            command,
            by_systemd: UnitFilePath::of(path).and_then(|_| UnitValidator::of(command)),
            within: None,
            env,
        }
    }

    /// The same, at most for this long.
    pub(super) fn within(self, within: Option<Duration>) -> Self {
        Self { within, ..self }
    }

    /// What people call it: the user's own command is `validate`.
    pub(super) fn name(&self) -> &'static str {
        match self.by_systemd {
            Some(_) => "`systemd-analyze verify`",
            None => own_name(self.command).unwrap_or("`validate`"),
        }
    }

    /// The command as people wrote it, if they did.
    pub(super) fn written(&self) -> Option<String> {
        let is_own = self.by_systemd.is_some() || own_name(self.command).is_some();
        let words = || self.command.iter().map(|word| shown_word(word));
        (!is_own).then(|| one_line(&words().collect::<Vec<_>>().join(" ")))
    }

    /// The program that must be on the host.
    pub(super) fn program(&self) -> Option<&'a str> {
        match self.by_systemd {
            Some(UnitValidator::Unit) => Some("systemd-analyze"),
            // It does not matter there.
            Some(UnitValidator::Lines) => None,
            None => self.command.first().map(String::as_str),
        }
    }

    /// Shell text that runs it where `$v` is the file.
    fn run(&self, limit: Option<Duration>) -> String {
        if let (Some(validator), Some(unit)) = (self.by_systemd, UnitFilePath::of(self.path)) {
            // It starts nothing that could take long.
            return validator.script(&unit);
        }
        let words: Vec<String> = self
            .command
            .iter()
            .map(|word| {
                // `"$v"` must stay outside the quoted parts.
                word.split(PATH).map(quote_part).collect::<Vec<_>>().join("\"$v\"")
            })
            .collect();
        let words = words.join(" ");
        let limited = match limit {
            None => words,
            Some(limit) => format!("{} {words}", timeout(limit)),
        };
        if self.env.is_empty() {
            limited
        } else {
            format!("( {}{limited} )", self.env.exports())
        }
    }

    /// Shell text that runs it in a view of the host where the file is in place, at most for `limit`.
    pub(super) fn in_place(&self, limit: Duration) -> String {
        self.run(Some(limit))
    }

    /// Shell text that fails unless it accepts the new file `$t` for its place, and sets `$code`.
    ///
    /// The file may have any name until it has its place, and a command may look at its name, or at other files that include it.
    /// So the command runs where the file is in place already, in a view of the host that is thrown away. A host that allows none
    /// has it look at `$v`, the new file where it is; a command that does not name the file sees it in place for a moment: `swap`
    /// says how that is done.
    pub(super) fn script(&self, swap: Option<&Swap>) -> String {
        if self.by_systemd.is_some() {
            return format!("( {}\n) </dev/null; code=$?\n", self.run(None));
        }
        let within = self.within;
        let run = self.run(within);
        let otherwise = if names_path(self.command) {
            run.clone()
        } else {
            match swap {
                Some(swap) => swap.script(&run),
                None => "echo 'without `{path}` it cannot be tried there'; false".to_owned(),
            }
        };
        let view = in_layers(&self.view(&run), within.map_or(LONGEST, |limit| limit * 2));
        format!(
            "{view} 8<\"$t\" </dev/null; code=$?\n\
             case $code in {NO_ROOT}|{NO_PROGRAM}|{NO_MOUNTS}) {{ {otherwise}\n}} </dev/null; code=$?;; esac\n"
        )
    }

    /// The new file comes by descriptor 8: its folder may be one that only this shell finds. Where a part of the host is hidden, neither
    /// an answer counts nor what is printed, as it may be another one with that part; only that it wrote to the file does.
    fn view(&self, run: &str) -> String {
        let Attributes { owner, group, mode } = self.attributes;
        format!(
            "v={path}\n\
             state() {{ stat -c '%d:%i %u:%g %a' -- \"$v\"; sha256sum <\"$v\"; }}\n\
             {{ t=$(mktemp -- \"${{v%/*}}/.homelab-XXXXXXXXXX\") && cat <&8 >\"$t\" && chown -h -- {owner} \"$t\" && chmod -- {mode:05o} \"$t\" && mv -f -T -- \"$t\" \"$v\"; }} 2>/dev/null || exit {NO_MOUNTS}\n\
             exec 8<&-\n\
             [ -z \"$hidden\" ] || exec >/dev/null 2>&1\n\
             s=$(state)\n\
             {{ {run}\n}} </dev/null; code=$?\n\
             case $code in\n\
             0) [ \"$s\" = \"$(state)\" ] || code={CHANGED} ;;\n\
             {NO_ROOT}|{NO_PROGRAM}|{NO_MOUNTS}|{CHANGED}) code=1 ;;\n\
             esac\n\
             [ -z \"$hidden\" ] || [ $code = {CHANGED} ] || code={NO_MOUNTS}\n\
             exit $code\n",
            path = quote(self.path),
            owner = quote(&format!("{owner}:{group}")),
        )
    }

    /// The exit code that says that it wrote to the new file.
    pub(super) const CHANGED: i32 = CHANGED;
}

/// How a new file takes its place for a moment, as shell words.
pub(super) struct Swap {
    /// The path of the file in place.
    pub(super) place: &'static str,
    /// Where the old file is kept in that time.
    pub(super) kept: &'static str,
}

impl Swap {
    /// Shell text that runs `run` with `$t` in place. A killed run leaves the new file there, and the old one beside it.
    fn script(&self, run: &str) -> String {
        let Self { place, kept } = self;
        format!(
            "(\n\
             b=\n\
             if [ -e {place} ] || [ -L {place} ]; then mv -T -- {place} {kept} || exit 1; b=1; fi\n\
             back() {{ if [ -n \"$b\" ]; then mv -f -T -- {kept} {place}; else rm -f -- {place}; fi; }}\n\
             trap back EXIT; trap 'exit 1' HUP INT TERM PIPE\n\
             {{ ln -T -- \"$t\" {place} || cp -p -T -- \"$t\" {place}; }} 2>/dev/null || exit 1\n\
             {run}\n\
             )"
        )
    }
}

/// Whether a command names the new file.
fn names_path(command: &[String]) -> bool {
    command.iter().any(|word| word.contains(PATH))
}

/// The name of a validator that an operation chose by itself: its words say nothing to people who did not write them.
fn own_name(command: &[String]) -> Option<&'static str> {
    match command.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["systemd-tmpfiles", "--create", "--prefix=/homelab/none", ..] => Some("`systemd-tmpfiles`"),
        ["sh", "-c", _, "visudo", "{path}"] => Some("`visudo`"),
        ["sh", "-c", _, "sshd", "{path}"] => Some("`sshd -t`"),
        _ => None,
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

fn quote_part(part: &str) -> String {
    if part.is_empty() { String::new() } else { quote(part) }
}
