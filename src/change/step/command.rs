//! The step that runs a command.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::joint::Joint;
use super::kind::{Claim, Script, ScriptOptions, StepKind};
use crate::content::{Content, Input};
use crate::facts::system::JOBS;
use crate::facts::{Environment, Identity};
use crate::quote::{delimiter, quote};

/// How long a command may take by default.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

/// The exit code of a supervised command that found, before it changed anything, that it would do something that was not reviewed.
pub const NOT_REVIEWED: i32 = 114;

/// The exit code of a command that does what several do, if each of them alone would not have begun either: another process holds a
/// lock.
pub const NOT_BEGUN: i32 = 115;

/// The exit code of a step that was not begun, since homelab could not write on the host what it has to note before. It says so.
pub const NOT_NOTED: i32 = 116;

/// The exit code of a command that failed and then put back what its operation had changed before: see [`Command::puts_back`].
pub const PUT_BACK: i32 = 117;

/// The same, but something else that is new stays, or does not run as before: the command says what.
pub const PUT_BACK_PARTLY: i32 = 118;

/// Seconds until a command that ignores SIGTERM is killed.
const KILL_AFTER: u32 = 5;

/// A command to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The command as it is shown.
    pub summary: String,
    /// The parameter of its operation that asks for it, if it is one of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<String>,
    pub script: String,
    /// Shell text that watches for a moment what the script did; what that printed is its standard input. See
    /// [`Script::settle`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle: Option<String>,
    /// Its standard input; `None` is empty.
    pub input: Option<Input>,
    /// How long it may take, once it has its locks.
    pub timeout: Duration,
    /// How long it may wait for locks before that.
    #[serde(default, skip_serializing_if = "Duration::is_zero")]
    pub lock_wait: Duration,
    #[serde(default, skip_serializing_if = "Environment::is_empty")]
    pub env: Environment,
    /// Whether the script hands `env` on by itself, and what it runs on the host does not have these variables. See
    /// [`Environment::apart`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub env_is_apart: bool,
    /// Whether it runs as a job of the host, as root, which survives a lost connection.
    pub supervised: bool,
    /// The user that it runs as.
    pub by: Identity,
    /// Shell text that exits 0 if there is nothing to run it for; it may use what a handler's record says.
    #[serde(default)]
    pub already: Option<String>,
    /// Shell text that runs instead after files that it was notified by were put back, if that differs.
    #[serde(default)]
    pub recovery: Option<String>,
    /// Set if neighbors of its kind can run with it as one command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joint: Option<Joint>,
    /// The paths that the script puts back if it ends with [`PUT_BACK`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub puts_back: Vec<String>,
    /// Those of them that it puts back if it ends with [`PUT_BACK_PARTLY`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub puts_back_surely: Vec<String>,
    /// Set if all it does is to set attributes of this path, which needs only its owner's rights.
    pub sets_attributes_of: Option<String>,
    /// Whether all it does is to look at new files, so that the steps after it are not done if it does not accept them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_validator: bool,
}

impl Command {
    /// A command that runs as root without input and ends with the connection.
    pub fn new(summary: impl Into<String>, script: impl Into<String>) -> Self {
        Self {
            summary: summary.into(),
            asked_by: None,
            script: script.into(),
            settle: None,
            input: None,
            timeout: DEFAULT_TIMEOUT,
            lock_wait: Duration::ZERO,
            env: Environment::default(),
            env_is_apart: false,
            supervised: false,
            by: Identity::Root,
            already: None,
            recovery: None,
            joint: None,
            puts_back: Vec::new(),
            puts_back_surely: Vec::new(),
            sets_attributes_of: None,
            is_validator: false,
        }
    }

    /// The same, asked for by this parameter.
    #[must_use]
    pub fn asked_by(mut self, parameter: &str) -> Self {
        self.asked_by = Some(parameter.to_owned());
        self
    }

    /// How long it may take in all.
    pub fn limit(&self) -> Duration {
        self.timeout + self.lock_wait
    }

    /// The script with its variables and parameters set.
    pub fn text(&self) -> String {
        let own = self.joint.as_ref().map(Joint::text).unwrap_or_default();
        format!("{}{own}{}", self.variables(), self.script)
    }

    /// Shell text that sets its variables.
    fn variables(&self) -> String {
        if self.env_is_apart {
            self.env.apart()
        } else {
            self.env.exports()
        }
    }

    /// Whether one command can do what this and `other` do.
    pub fn joins(&self, other: &Self) -> bool {
        self.joint.is_some() && other.joint.is_some() && self.shared() == other.shared()
    }

    /// The command that does what all of `commands` do, which join each other; `None` if there are fewer than two.
    pub fn joined(commands: &[&Self]) -> Option<Self> {
        let [first, _, ..] = commands else { return None };
        let mut all = (*first).clone();
        let own = all.joint.as_mut()?;
        for joint in commands[1..].iter().filter_map(|command| command.joint.as_ref()) {
            all.summary = format!("{} {}", all.summary, joint.words.join(" "));
            own.words.extend(joint.words.iter().cloned());
            own.reviewed.extend(joint.reviewed.iter().cloned());
        }
        all.timeout = commands.iter().map(|command| command.timeout).sum();
        all.script = format!("export homelab_exactly=1\n{}", all.script);
        Some(all)
    }

    /// It without what is its own.
    fn shared(&self) -> Self {
        Self {
            summary: String::new(),
            joint: None,
            ..self.clone()
        }
    }

    /// Shell text that has it work with files that were put back.
    pub fn recovery(&self) -> String {
        let timeout = format!("timeout -k {KILL_AFTER} {}", seconds(self.timeout));
        let script = self.recovery.as_deref().unwrap_or(&self.script);
        self.by.run(&timeout, &format!("{}{script}", self.variables()))
    }

    /// The input, unless it is secret: secrets are never stored.
    pub(super) fn stored_input(&mut self) -> Option<&mut Content> {
        match &mut self.input {
            Some(Input::Open(content)) => Some(content),
            Some(Input::Secret(_)) | None => None,
        }
    }
}

impl StepKind for Command {
    fn attempt(&self) -> String {
        format!("run `{}`", self.summary)
    }

    fn script(&self, options: &ScriptOptions<'_>) -> Script {
        let body = if self.supervised {
            supervised_body(self, options)
        } else {
            let timeout = timeout(self.limit());
            match &self.input {
                None => self.by.run(&timeout, &self.text()),
                Some(_) => reading(&self.by, &timeout, &self.text()),
            }
        };
        let settle = self.settle.as_ref().map(|settle| {
            let text = format!("{}{settle}", self.variables());
            reading(&self.by, &timeout(self.limit()), &text)
        });
        Script {
            body,
            settle,
            content: self.input.as_ref().map(Input::content),
            stage: None,
        }
    }

    fn claims(&self) -> Vec<Claim<'_>> {
        let attributes = self
            .sets_attributes_of
            .as_deref()
            .map(|path| Claim::Attributes { path, owner: None });
        let run = Claim::Run {
            by: &self.by,
            is_known: self.supervised,
        };
        [run].into_iter().chain(attributes).collect()
    }
}

/// Runs `text` with the standard input of this shell. The shell of `by` reads the text from its own, so it is on another descriptor.
fn reading(by: &Identity, timeout: &str, text: &str) -> String {
    format!("{{\n{}\n}} 3<&0", by.run_reading(timeout, text, "<&3 3<&-"))
}

/// Reports which process apt waits for, once per process. It ends by itself with the job, since its parent may be killed.
const WATCH: &str = r#"(
reported=
while sleep 1 >/dev/null 2>&1; [ -d "$folder" ] && ! [ -f "$folder/status" ]; do
now=$(sed -n 's/^.*Could not get lock \(.*\)\. It is held by \(process [0-9]* (.*)\).*$/\1 is held by \2/p' "$folder/output" 2>/dev/null | tail -n 1)
[ "$now" = "$reported" ] || hl_note "$now"; reported=$now
done
) 2>/dev/null"#;

/// The job is a systemd unit of its own, so it survives the end of the connection and of sshd's session. It leaves its output
/// and exit code in a folder. The waiting script removes the folder if homelab still listens; otherwise the next run finds
/// the folder.
/// apt repeats its messages while it waits, so repeated lines are dropped.
fn supervised_body(run: &Command, options: &ScriptOptions<'_>) -> String {
    let job = options.random;
    let (save_input, input) = match run.input {
        None => ("", "</dev/null"),
        // A file, since the connection may end before the job does. The job deletes it as soon as it is open.
        Some(_) => ("cat >\"$folder/input\" || exit\n", "<&3 3<&-"),
    };
    let open_input = run
        .input
        .as_ref()
        .map_or("", |_| "exec 3<\"$1/input\"; rm -f \"$1/input\"; ");
    let script = run.text();
    let await_job = if options.live {
        await_job_live(run)
    } else {
        await_job(run)
    };
    format!(
        "job={job:016x}; folder={JOBS}/$job\n\
         mkdir -p {JOBS} && chmod 0700 /var/lib/homelab {JOBS} && mkdir \"$folder\" || exit\n\
         {save_input}\
         cat >\"$folder/script\" <<'{delimiter}'\n{script}\n{delimiter}\n\
         printf '%s\\n' {summary} >\"$folder/summary\"\n\
         cat >\"$folder/run\" <<'{runner}'\n\
         echo $$ >\"$1/pid\"; {open_input}sh \"$1/script\" >\"$1/output\" 2>&1 {input}; echo $? >\"$1/end\" && mv \"$1/end\" \"$1/status\"\n\
         {runner}\n\
         : >\"$folder/output\"\n\
         {await_job}\
         if [ -f \"$folder/status\" ]; then status=$(cat \"$folder/status\"); else echo 'the command was ended before it finished'; status=124; fi\n\
         hl_alive || exit\n\
         rm -rf -- \"$folder\"\n\
         exit \"$status\"",
        delimiter = delimiter(&script),
        summary = quote(&run.summary.replace('\n', " ")),
        runner = delimiter("run"),
    )
}

/// Starts the job and waits for its end.
fn run_job(run: &Command) -> String {
    format!(
        "if [ -d /run/systemd/system ]; then\n\
         systemd-run --quiet --wait --collect --unit=\"homelab-job-$job\" --property=RuntimeMaxSec={deadline} \
         sh \"$folder/run\" \"$folder\" </dev/null 4>&-\n\
         else\n\
         setsid timeout -k {KILL_AFTER} {deadline} sh \"$folder/run\" \"$folder\" </dev/null >/dev/null 2>&1 4>&- & wait $!\n\
         fi\n",
        deadline = seconds(run.limit()),
    )
}

fn await_job(run: &Command) -> String {
    format!(
        "{WATCH} & watch=$!\n\
         {}\
         kill $watch; wait $watch 2>/dev/null\n\
         uniq \"$folder/output\" || exit\n",
        run_job(run),
    )
}

/// Like [`await_job`], but prints output as it arrives. Only GNU's tail(1) can end together with the job.
fn await_job_live(run: &Command) -> String {
    format!(
        "if tail --pid=$$ -n 0 /dev/null >/dev/null 2>&1; then\n\
         {{ {run_job}}} & waiter=$!\n\
         tail -n +1 -f -s 0.3 --pid=$waiter -- \"$folder/output\" || exit\n\
         wait $waiter\n\
         else\n\
         {await_job}\
         fi\n",
        run_job = run_job(run),
        await_job = await_job(run),
    )
}

/// The command line of timeout(1) before a command.
pub(super) fn timeout(limit: Duration) -> String {
    format!("timeout -k {KILL_AFTER} {}", seconds(limit))
}

fn seconds(duration: Duration) -> u64 {
    duration.as_secs().max(1)
}
