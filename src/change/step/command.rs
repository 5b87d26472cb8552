//! A command runs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::kind::{Claim, Script, ScriptOptions, StepKind};
use crate::content::{Content, Input};
use crate::facts::Identity;
use crate::facts::system::JOBS;
use crate::quote::{delimiter, quote};

/// The longest that a command may take unless its operation says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

/// After this long a command that ignores SIGTERM is killed, in seconds.
const KILL_AFTER: u32 = 5;

/// A command to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The command as people read it.
    pub summary: String,
    /// Shell text.
    pub script: String,
    /// What it reads on its standard input; nothing without it.
    pub input: Option<Input>,
    /// After this long the command is ended.
    pub timeout: Duration,
    /// Whether it outlives the connection, as a job of the host that runs as root.
    pub supervised: bool,
    /// As whom it runs.
    pub by: Identity,
    /// The path whose attributes it sets, which its owner may do, where that is all it does.
    pub sets_attributes_of: Option<String>,
}

impl Command {
    /// A command that runs as root, reads nothing and ends with the connection.
    pub fn new(summary: impl Into<String>, script: impl Into<String>) -> Self {
        Self {
            summary: summary.into(),
            script: script.into(),
            input: None,
            timeout: DEFAULT_TIMEOUT,
            supervised: false,
            by: Identity::Root,
            sets_attributes_of: None,
        }
    }

    /// The input that is stored beside a plan: what is secret is not.
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

    fn script(&self, options: &ScriptOptions) -> Script {
        let body = if self.supervised {
            supervised_body(self, options)
        } else {
            let timeout = format!("timeout -k {KILL_AFTER} {}", seconds(self.timeout));
            match &self.input {
                None => self.by.run(&timeout, &self.script),
                // The script itself comes on the shell's standard input, so the command's is kept aside.
                Some(_) => format!(
                    "{{\n{}\n}} 3<&0",
                    self.by.run_reading(&timeout, &self.script, "<&3 3<&-")
                ),
            }
        };
        Script {
            body,
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

/// Tells while apt waits, for whom; once for each holder, who may not be the first. It ends by itself with the work, since
/// its parent may be killed.
const WATCH: &str = r#"(
told=
while sleep 1 >/dev/null 2>&1; [ -d "$folder" ] && ! [ -f "$folder/status" ]; do
now=$(sed -n 's/^.*Could not get lock \(.*\)\. It is held by \(process [0-9]* (.*)\).*$/\1 is held by \2/p' "$folder/output" 2>/dev/null | tail -n 1)
[ "$now" = "$told" ] || hl_note "$now"; told=$now
done
) 2>/dev/null"#;

/// The work is a unit of its own: neither the end of the connection nor that of sshd's session ends it. It leaves its
/// output and its exit code in a folder, which whoever waited for it takes away; if nobody did, the next run finds it.
/// What apt says while it waits it says again and again: once is enough.
fn supervised_body(run: &Command, options: &ScriptOptions) -> String {
    let job = options.random;
    let (save_input, input) = match run.input {
        None => ("", "</dev/null"),
        // The connection may end before the job does. The file has no name any more once the job runs.
        Some(_) => ("cat >\"$folder/input\" || exit\n", "<&3 3<&-"),
    };
    let open_input = run
        .input
        .as_ref()
        .map_or("", |_| "exec 3<\"$1/input\"; rm -f \"$1/input\"; ");
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
         if [ -f \"$folder/status\" ]; then status=$(cat \"$folder/status\"); else echo 'ended before it was through'; status=124; fi\n\
         rm -rf -- \"$folder\"\n\
         exit \"$status\"",
        delimiter = delimiter(&run.script),
        script = run.script,
        summary = quote(&run.summary.replace('\n', " ")),
        runner = delimiter("run"),
    )
}

/// Starts the job and waits for its end.
fn run_job(run: &Command) -> String {
    format!(
        "if [ -d /run/systemd/system ]; then\n\
         systemd-run --quiet --wait --collect --unit=\"homelab-job-$job\" --property=RuntimeMaxSec={deadline} \
         sh \"$folder/run\" \"$folder\" </dev/null\n\
         else\n\
         setsid timeout -k {KILL_AFTER} {deadline} sh \"$folder/run\" \"$folder\" </dev/null >/dev/null 2>&1 & wait $!\n\
         fi\n",
        deadline = seconds(run.timeout),
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

/// As [`await_job`], the output being printed as it comes, by a tail(1) that ends with the job; another than GNU's cannot.
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

fn seconds(duration: Duration) -> u64 {
    duration.as_secs().max(1)
}
