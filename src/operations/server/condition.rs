//! When commands of the user run: one condition, which the host's state decides.

use std::sync::Arc;

use crate::change::{Action, DEFAULT_TIMEOUT, Stop};
use crate::facts::check::{CheckFact, CheckKey};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::path::PathFact;
use crate::facts::{Check, Environment, FactKey, Identity, Shown};
use crate::operations::parameters::Span;
use crate::operations::{PlanContext, Role};

/// How long what runs may take, unless the task says otherwise.
pub(in crate::operations) fn default_within() -> Span {
    Span(DEFAULT_TIMEOUT)
}

/// What to do about a condition that was stopped.
const TO_END: &str =
    "write a condition that ends sooner; with `timeout 5 …` before it, a command that hangs is an answer";

/// Refuses lists of words that run nothing, which are `command`, `unless` and `only_if`, and paths of `touches` that are none.
pub(in crate::operations) fn check_lists(
    context: &PlanContext<'_>,
    [command, unless, only_if]: [Option<&Vec<String>>; 3],
    touches: &[String],
) -> Result<(), Stop> {
    let lists = [("command", command), ("unless", unless), ("only_if", only_if)];
    let is_empty = |words: &Vec<String>| words.first().is_none_or(|word| word.trim().is_empty());
    if let Some((name, _)) = lists.iter().find(|(_, words)| words.is_some_and(is_empty)) {
        return Err(context
            .refuse(name, format!("`{name}` is empty"), "nothing to run")
            .hint(format!("write `{name} = [\"PROGRAM\", \"ARGUMENT\"]`")));
    }
    if let Some(path) = touches.iter().find(|path| !path.starts_with('/')) {
        let title = format!("`{path}` in `touches` is not a valid path");
        return Err(context
            .refuse_item("touches", path, title, "must start with `/`")
            .hint("write an absolute path of the host"));
    }
    Ok(())
}

/// The parameters of a condition.
pub(in crate::operations) struct Condition<'a> {
    pub(in crate::operations) creates: Option<&'a str>,
    pub(in crate::operations) removes: Option<&'a str>,
    pub(in crate::operations) unless: Option<&'a str>,
    pub(in crate::operations) only_if: Option<&'a str>,
    pub(in crate::operations) always: bool,
    /// The parameter that says what runs.
    pub(in crate::operations) of: &'static str,
    /// What runs, in words: `the commands`.
    pub(in crate::operations) what: &'static str,
    /// What it would be without a condition.
    pub(in crate::operations) without: &'static str,
    /// The parameters that `unless` and `only_if` come from.
    pub(in crate::operations) written: [&'static str; 2],
    /// The commands of `unless` and `only_if` as people know them, where the scripts are more than these.
    pub(in crate::operations) shown: [Option<&'a str>; 2],
    /// What to do about a command of a condition that cannot run, unless a shell of the host runs it.
    pub(in crate::operations) to_run: Option<&'static str>,
    /// Whether its commands have the variables of what runs.
    pub(in crate::operations) has_env: bool,
}

impl Condition<'_> {
    /// The facts that decide.
    pub(in crate::operations) fn needs(&self) -> Vec<FactKey> {
        let paths = [self.creates, self.removes].into_iter().flatten();
        let paths = paths.map(|path| FactKey::Path(path.to_owned()));
        let commands = self.commands();
        let commands = commands.map(|(script, shown)| {
            FactKey::Check(Check::Command {
                script: script.into(),
                by: Identity::Own,
                env: Environment::default(),
                shown,
            })
        });
        paths.chain(commands).collect()
    }

    /// What may change, if `touches` are the paths that the user listed.
    pub(in crate::operations) fn touches(&self, touches: Option<&[String]>) -> Vec<FactScope> {
        let Some(paths) = touches else {
            return vec![FactScope::Everything];
        };
        let given = [self.creates, self.removes].into_iter().flatten();
        let all = paths.iter().map(String::as_str).chain(given);
        let trees = all.map(|path| FactScope::Tree(path.to_owned()));
        trees.chain([FactScope::Containers]).collect()
    }

    /// The same as effects. The condition is tested again also if no path may change.
    pub(in crate::operations) fn effects(&self, context: &PlanContext<'_>, touches: Option<&[String]>) -> Vec<Effect> {
        let mut scopes = self.touches(touches);
        if scopes == [FactScope::Containers] {
            scopes.extend(self.scopes(context));
        }
        let scopes = scopes.into_iter();
        scopes
            .map(|scope| Effect::Forget(scope, "the command may change it".to_owned()))
            .collect()
    }

    /// What its commands say.
    pub(in crate::operations) fn scopes(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        self.commands()
            .map(|command| FactScope::Key(FactKey::Check(self.fact(context, command))))
            .collect()
    }

    /// Its scripts, and how they are shown.
    fn commands(&self) -> impl Iterator<Item = (&str, Shown)> {
        let commands = [self.unless, self.only_if].into_iter().zip(self.shown);
        commands.filter_map(|(script, shown)| Some((script?, Shown(shown.map(|words| Arc::new(words.to_owned()))))))
    }

    /// Whether it is time to run.
    pub(in crate::operations) fn is_due(&self, context: &PlanContext<'_>) -> Result<bool, Stop> {
        Ok(if let Some(path) = self.creates {
            context.path(path)? == PathFact::Absent
        } else if let Some(path) = self.removes {
            context.path(path)? != PathFact::Absent
        } else if let Some(script) = self.unless {
            !self.succeeds(context, 0, script)?
        } else if let Some(script) = self.only_if {
            self.succeeds(context, 1, script)?
        } else {
            // A handler has run, and there is nothing that it is measured by.
            context.role() != Role::HandlerThatRan
        })
    }

    /// Errors: it cannot run, which is not an answer.
    fn succeeds(&self, context: &PlanContext<'_>, which: usize, script: &str) -> Result<bool, Stop> {
        let argument = self.written[which];
        let shown = Shown(self.shown[which].map(|words| Arc::new(words.to_owned())));
        match context.get(CheckKey(&self.fact(context, (script, shown))))? {
            CheckFact::Holds => Ok(true),
            CheckFact::Fails(_) => Ok(false),
            CheckFact::Impossible(why) => {
                // What was stopped could run.
                let hint = if why.starts_with("it did not end") {
                    TO_END.to_owned()
                } else {
                    self.to_run.map_or_else(|| to_run(script, &why), str::to_owned)
                };
                let why = if ends_early(script, &why) {
                    "the shell misses the end of what it begins".to_owned()
                } else {
                    why
                };
                Err(context
                    .refuse(argument, format!("`{argument}` cannot run"), why)
                    .hint(hint))
            }
        }
    }

    fn fact(&self, context: &PlanContext<'_>, (script, shown): (&str, Shown)) -> Check {
        Check::Command {
            script: script.into(),
            by: context.identity(),
            env: if self.has_env {
                context.environment()
            } else {
                Environment::default()
            },
            shown,
        }
    }

    /// What running is to the host.
    pub(in crate::operations) fn action(&self, context: &PlanContext<'_>) -> Action {
        match context.role() {
            // Being notified is a change that is pending.
            Role::Handler if !self.is_of_the_host() => Action::Update,
            Role::Operation if self.always => Action::RunEachTime,
            _ => Action::Create,
        }
    }

    /// Refuses more than one condition, and none where one is needed.
    pub(in crate::operations) fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        self.check_number(context)?;
        for (argument, path) in [("creates", self.creates), ("removes", self.removes)] {
            if path.is_some_and(|path| !path.starts_with('/')) {
                return Err(context
                    .refuse(
                        argument,
                        format!("`{argument}` is not an absolute path"),
                        "must start with `/`",
                    )
                    .hint("write an absolute path; commands start in the user's home directory"));
            }
        }
        Ok(())
    }

    fn check_number(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let conditions = [
            ("creates", self.creates.is_some()),
            ("removes", self.removes.is_some()),
            ("unless", self.unless.is_some()),
            ("only_if", self.only_if.is_some()),
            ("always", self.always),
        ];
        let mut given = conditions
            .iter()
            .filter(|(_, is_given)| *is_given)
            .map(|(name, _)| name);
        let mistake = match (given.next(), given.next()) {
            (Some(_), None) => return Ok(()),
            (Some(first), Some(second)) => context.mistake(
                second,
                format!("`{first}` and `{second}` cannot be used together"),
                "one condition is enough",
            ),
            (None, _) if context.role() != Role::Operation => return Ok(()),
            (None, _) => context.mistake(self.of, format!("missing condition for {}", self.what), self.without),
        };
        let hint = "use exactly one of `creates`, `removes`, `unless`, `only_if` and `always = true`";
        Err(Stop::Refused(Box::new(mistake.hint(hint))))
    }

    /// Whether the host decides.
    fn is_of_the_host(&self) -> bool {
        [self.creates, self.removes, self.unless, self.only_if]
            .iter()
            .any(Option::is_some)
    }
}

/// What to do about a condition of which the shell said `why`.
fn to_run(script: &str, why: &str) -> String {
    if ends_early(script, why) {
        return "end it: `fi` after `if`, `done` after `while` and `for`, `esac` after `case`, and a second quote"
            .to_owned();
    }
    let is_missing = |program: &&str| why.starts_with(&format!("{program}: "));
    match script.split_whitespace().find(is_missing) {
        Some(path) if why.ends_with("Permission denied") => {
            format!("it is no program that can be run; `test -e {path}` looks whether it is there")
        }
        Some("[[") => "conditions run in `sh`: write `[ … ]`, or `bash -c '…'`".to_owned(),
        Some(program) => {
            format!("correct it; if `{program}` may be missing, write `command -v {program} >/dev/null && …` before it")
        }
        None => "correct it: the commands of a condition run in `sh`".to_owned(),
    }
}

/// Whether a shell read on beyond the end of `script`, into what is around it.
fn ends_early(script: &str, why: &str) -> bool {
    let around = ['}', ')']
        .iter()
        .any(|sign| !script.contains(*sign) && why.contains(&format!("\"{sign}\" unexpected")));
    let lower = why.to_lowercase();
    around
        || lower.contains("syntax error") && lower.contains("end of file")
        || lower.contains("unterminated quoted string")
}

/// The user that commands run as, unless it is root.
pub(in crate::operations) fn run_as(context: &PlanContext<'_>) -> Option<String> {
    let session = context.session();
    match context.identity() {
        Identity::Root => None,
        Identity::Own => session.and_then(|session| Some(session.unprivileged?.account.user)),
        Identity::LoginUser => session.map(|session| session.login.user),
        Identity::User(user) => Some(user),
    }
}
