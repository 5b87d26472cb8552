//! Steps as shell text: the only code that alters a host, in one exhaustive match.

use std::time::Duration;

use crate::change::{Attributes, Command, Expect, ResourceChange, Step};
use crate::facts::apt::{line_filter, simulation_command};
use crate::facts::path::parent;
use crate::facts::system::JOBS;
use crate::quote::{delimiter, quote, quote_all};
use crate::remote::StepScript;
use crate::secret::sha256_hex;

/// After this long a command that ignores SIGTERM is killed, in seconds.
const KILL_AFTER: u32 = 5;

/// How steps are carried out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StepOptions {
    /// Whether a step may find that it is so already.
    pub(super) ensure: bool,
    /// Whether output is wanted as it comes.
    pub(super) live: bool,
}

/// The scripts of a change, in order.
///
/// With `ensure`, each step first looks whether the host is so already; otherwise the first step checks that the host is
/// still as it was reviewed.
pub(super) fn scripts(change: &ResourceChange, manner: StepOptions) -> Vec<StepScript> {
    let mut scripts: Vec<StepScript> = change.steps.iter().map(|step| script(step, manner.live)).collect();
    if manner.ensure {
        for (step, script) in change.steps.iter().zip(&mut scripts) {
            script.already = already(step);
        }
    }
    if let Some(first) = scripts.first_mut() {
        first.guard = guard(&change.expect);
    }
    scripts
}

/// What a step attempts, for errors: "write `/etc/motd`".
pub(super) fn attempt(step: &Step) -> String {
    match step {
        Step::WriteFile { path, .. } => format!("write `{path}`"),
        Step::MakeDirectory { path, .. } => format!("make directory `{path}`"),
        Step::SetAttributes { path, .. } => format!("set owner and mode of `{path}`"),
        Step::Link { path, .. } => format!("make link `{path}`"),
        Step::Remove { path } => format!("remove `{path}`"),
        Step::Run(run) => format!("run `{}`", run.summary),
    }
}

/// Whether the host itself can tell if the step is still needed.
pub(super) fn decides_on_host(step: &Step) -> bool {
    match step {
        Step::WriteFile { .. } | Step::MakeDirectory { .. } | Step::SetAttributes { .. } | Step::Link { .. } => true,
        Step::Remove { .. } | Step::Run(_) => false,
    }
}

fn script(step: &Step, live: bool) -> StepScript {
    match step {
        Step::WriteFile {
            path,
            content,
            attributes,
            validate,
        } => StepScript {
            body: write_body(path, content, attributes, validate.as_deref()),
            content: Some(content.to_vec()),
            ..StepScript::default()
        },
        Step::MakeDirectory { path, attributes } => {
            let path = quote(path);
            body(format!(
                "[ -d {path} ] || mkdir -- {path} || exit\n{}",
                set_attributes(&path, attributes)
            ))
        }
        Step::SetAttributes { path, attributes } => body(set_attributes(&quote(path), attributes)),
        Step::Link { path, target, owner } => {
            let (temporary, path) = (quote(&temporary_name(path)), quote(path));
            let owner = quote(&format!("{}:{}", owner.owner, owner.group));
            body(format!(
                "ln -s -- {} {temporary} && chown -h -- {owner} {temporary} && mv -f -T -- {temporary} {path} || {{ rm -f -- {temporary}; exit 1; }}",
                quote(target)
            ))
        }
        Step::Remove { path } => body(format!("rm -rf -- {}", quote(path))),
        Step::Run(run) if run.supervised => body(supervised_body(run, live)),
        Step::Run(run) => {
            let timeout = format!("timeout -k {KILL_AFTER} {}", seconds(run.timeout));
            body(run.by.run(&timeout, &run.script))
        }
    }
}

fn body(body: String) -> StepScript {
    StepScript {
        body,
        ..StepScript::default()
    }
}

/// A file comes beside its place under another name and is whole, owned and accepted before it takes the place.
fn write_body(path: &str, content: &[u8], attributes: &Attributes, validate: Option<&[String]>) -> String {
    let accepted = validate.map_or_else(String::new, |command| {
        let words: Vec<String> = command
            .iter()
            .map(|word| {
                // `"$t"` must stay outside the quoted parts.
                word.split("{path}").map(quote_part).collect::<Vec<_>>().join("\"$t\"")
            })
            .collect();
        format!("{} </dev/null || exit\n", words.join(" "))
    });
    format!(
        "p={path}\n\
         if [ -d \"$p\" ]; then echo \"$p is a directory\"; exit 1; fi\n\
         t={temporary}\n\
         trap 'rm -f -- \"$t\"' EXIT; trap 'exit 1' HUP INT TERM PIPE\n\
         set -C; cat >\"$t\" || exit; set +C\n\
         [ \"$(sha256sum <\"$t\")\" = '{digest}  -' ] || {{ echo 'the content did not arrive whole'; exit 1; }}\n\
         {attributes} || exit\n\
         {accepted}\
         sync -- \"$t\" && mv -f -- \"$t\" \"$p\"",
        path = quote(path),
        temporary = quote(&temporary_name(path)),
        digest = sha256_hex(content),
        attributes = set_attributes("\"$t\"", attributes),
    )
}

fn quote_part(part: &str) -> String {
    if part.is_empty() { String::new() } else { quote(part) }
}

/// Beside the target, since a rename does not cross file systems; random, since others may write there.
fn temporary_name(path: &str) -> String {
    let random: u64 = rand::random();
    format!("{}/.homelab-{random:016x}", parent(path).trim_end_matches('/'))
}

/// The owner first: a change of owner clears set-id bits.
fn set_attributes(quoted_path: &str, attributes: &Attributes) -> String {
    let owner = quote(&format!("{}:{}", attributes.owner, attributes.group));
    format!(
        "chown -- {owner} {quoted_path} && chmod -- {:04o} {quoted_path}",
        attributes.mode
    )
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
fn supervised_body(run: &Command, live: bool) -> String {
    let job: u64 = rand::random();
    let await_job = if live { await_job_live(run) } else { await_job(run) };
    format!(
        "job={job:016x}; folder={JOBS}/$job\n\
         mkdir -p {JOBS} && chmod 0700 /var/lib/homelab {JOBS} && mkdir \"$folder\" || exit\n\
         cat >\"$folder/script\" <<'{delimiter}'\n{script}\n{delimiter}\n\
         printf '%s\\n' {summary} >\"$folder/summary\"\n\
         cat >\"$folder/run\" <<'{runner}'\n\
         echo $$ >\"$1/pid\"; sh \"$1/script\" >\"$1/output\" 2>&1 </dev/null; echo $? >\"$1/end\" && mv \"$1/end\" \"$1/status\"\n\
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

/// Takes away the folders of jobs by their ids, which are hex digits.
pub(super) fn take_away(jobs: &[&str]) -> StepScript {
    let folders: Vec<String> = jobs.iter().map(|job| format!("{JOBS}/{job}")).collect();
    body(format!("rm -rf -- {}", quote_all(folders.iter().map(String::as_str))))
}

fn seconds(duration: Duration) -> u64 {
    duration.as_secs().max(1)
}

/// Tests that hold when a step has nothing left to do.
fn already(step: &Step) -> Option<String> {
    match step {
        Step::WriteFile {
            path,
            content,
            attributes,
            ..
        } => Some(file_is(path, Some(&sha256_hex(content)), attributes)),
        Step::MakeDirectory { path, attributes } => Some(directory_is(path, attributes)),
        Step::SetAttributes { path, attributes } => Some(attributes_are(path, attributes)),
        Step::Link { path, target, .. } => Some(link_is(path, target)),
        Step::Remove { .. } | Step::Run(_) => None,
    }
}

fn guard(expect: &[Expect]) -> Option<String> {
    let checks: Vec<String> = expect
        .iter()
        .map(|expect| {
            let (check, says) = match expect {
                Expect::Absent { path } => (
                    format!("[ ! -e {path} ] && [ ! -L {path} ]", path = quote(path)),
                    format!("{path} is there now"),
                ),
                Expect::File {
                    path,
                    digest,
                    attributes,
                } => (
                    file_is(path, digest.as_deref(), attributes),
                    format!("{path} is not what it was"),
                ),
                Expect::Directory { path, attributes } => {
                    (directory_is(path, attributes), format!("{path} is not what it was"))
                }
                Expect::Link { path, target } => (link_is(path, target), format!("{path} is not what it was")),
                Expect::AbsentOrLink { path } => (
                    format!("[ -L {path} ] || [ ! -e {path} ]", path = quote(path)),
                    format!("{path} is there now, and is no link"),
                ),
                Expect::Installation { wish, reviewed } => (
                    format!(
                        "! {} 2>/dev/null </dev/null | sed -n {} | grep -v -x -F -e {}",
                        simulation_command(wish),
                        quote(line_filter()),
                        quote(&reviewed.join("\n"))
                    ),
                    "apt would do this now, which was not reviewed".to_owned(),
                ),
            };
            format!("{{ {check}; }} || {{ printf '%s\\n' {}; exit 1; }}", quote(&says))
        })
        .collect();
    (!checks.is_empty()).then(|| checks.join("\n"))
}

fn file_is(path: &str, digest: Option<&str>, attributes: &Attributes) -> String {
    let content = digest.map_or_else(String::new, |digest| {
        format!(" && [ \"$(sha256sum <{})\" = '{digest}  -' ]", quote(path))
    });
    format!(
        "[ -f {path} ] && [ ! -L {path} ] && {}{content}",
        attributes_are(path, attributes),
        path = quote(path)
    )
}

fn link_is(path: &str, target: &str) -> String {
    format!(
        "[ -L {path} ] && [ \"$(readlink -- {path})\" = {} ]",
        quote(target),
        path = quote(path)
    )
}

fn directory_is(path: &str, attributes: &Attributes) -> String {
    format!(
        "[ -d {path} ] && [ ! -L {path} ] && {}",
        attributes_are(path, attributes),
        path = quote(path)
    )
}

/// Owners are compared by name, and by number where a number stands for them.
fn attributes_are(path: &str, attributes: &Attributes) -> String {
    let is_number = |name: &str| name.chars().all(|character| character.is_ascii_digit());
    let owner = if is_number(&attributes.owner) { "%u" } else { "%U" };
    let group = if is_number(&attributes.group) { "%g" } else { "%G" };
    let expected = format!("{:o} {} {}", attributes.mode, attributes.owner, attributes.group);
    format!(
        "[ \"$(stat -c '%a {owner} {group}' -- {})\" = {} ]",
        quote(path),
        quote_all([expected.as_str()])
    )
}

#[cfg(test)]
mod tests;
