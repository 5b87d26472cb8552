//! Commands that change a unit, and that fail if it does not become what was asked for.

use super::states::Verb;
use crate::change::{Command, Step, has_stopped};
use crate::quote::quote;

/// How often a unit is looked at after its start, twice a second.
const LOOKS: u32 = 4;

/// Looks at the unit `$u` now, and `$n` times more: it must be active, and systemd must not have restarted it more often than the
/// `$r` times before.
const LOOK: &str = r#"while :; do
s=$(systemctl show -p ActiveState,SubState,NRestarts -- "$u")
case $s in *ActiveState=active*|*ActiveState=reloading*|*ActiveState=refreshing*) ;; *) failed "$u is not active after its $a" ;; esac
case "$s " in *NRestarts="$r"[!0-9]*) ;; *NRestarts=*) failed "$u ended and was restarted right after its $a" ;; esac
[ $n -gt 0 ] || exit 0
n=$((n-1)); sleep 0.5
done"#;

/// How much of a unit's log a failed start shows.
const LOG_LINES: u32 = 12;

/// systemd reads all unit files again.
pub(super) fn daemon_reload() -> Step {
    let command = "systemctl daemon-reload";
    Step::Run(Command::new(command, command))
}

/// systemd forgets that a unit failed of which the file is gone: it would list it as failed for ever.
pub(super) fn forget_failure(unit: &str) -> Step {
    let summary = format!("systemctl reset-failed {unit}");
    Step::Run(Command::new(summary, forgotten(&quote(unit))))
}

/// Does nothing to what has not failed, or is not there any more.
fn forgotten(unit: &str) -> String {
    format!("! systemctl is-failed --quiet -- {unit} || systemctl reset-failed -- {unit}")
}

/// Shell text that changes a unit, and what watches the unit for a moment afterwards.
pub(super) struct Text {
    pub(super) script: String,
    pub(super) settle: Option<String>,
}

impl Text {
    /// Of a change after which nothing may end.
    fn of(script: String) -> Self {
        Self { script, settle: None }
    }

    /// The same after `first`, which sets what the unit's word needs.
    fn after(self, first: &str) -> Self {
        Self {
            script: format!("{first}{}", self.script),
            settle: self.settle.map(|settle| format!("{first}{settle}")),
        }
    }
}

/// The step for `verb`; `settles` watches the unit for a moment after it was started.
pub(super) fn step(verb: Verb, unit: &str, settles: bool) -> Step {
    let Text { script, settle } = text(verb, &quote(unit), settles);
    Step::Run(Command {
        settle,
        recovery: verb.starts().then(|| again_after(Again::TryRestart, unit, settles)),
        ..Command::new(summary(verb, unit), script).asked_by(verb.parameter())
    })
}

/// The step for a unit of which nothing is known yet: its name may be an alias, and it may not exist, so that it is stopped.
pub(super) fn step_for_unknown(verb: Verb, unit: &str, settles: bool) -> Step {
    let quoted = quote(unit);
    let name = "\"$unit\"";
    let mut text = text(verb, name, settles);
    if verb == Verb::Stop {
        let is_gone = has_no_file(name);
        text.script = format!(
            "{} || {is_gone} || exit\n! {is_gone} || {}",
            text.script,
            forgotten(name)
        );
    }
    let named = text.after(&format!("unit=$(systemctl show -p Id --value -- {quoted}) || exit\n"));
    Step::Run(Command {
        settle: named.settle,
        ..Command::new(
            summary(verb, unit),
            format!("{}{}", read_changed(&quoted), named.script),
        )
        .asked_by(verb.parameter())
    })
}

fn summary(verb: Verb, unit: &str) -> String {
    let word = match verb {
        Verb::Enable => "enable",
        Verb::Disable => "disable",
        Verb::Start | Verb::StartAfresh => "start",
        Verb::Restart | Verb::Renew => "restart",
        Verb::Stop => "stop",
        Verb::Mask => "mask",
        Verb::Unmask => "unmask",
    };
    format!("systemctl {word} {unit}")
}

/// `unit` is a word of the shell.
fn text(verb: Verb, unit: &str, settles: bool) -> Text {
    let started = |first: &str, verb: &str| watched(&format!("{first}v={verb} a=start r=0"), unit, settles);
    match verb {
        Verb::Enable => Text::of(format!("systemctl enable -- {unit}")),
        Verb::Disable => Text::of(disable(unit)),
        Verb::Start => started("", "start"),
        Verb::StartAfresh => started(&format!("{}\n", reset(unit)), "start"),
        Verb::Restart | Verb::Renew => started("", "restart"),
        Verb::Stop => Text::of(format!("systemctl stop -- {unit}")),
        Verb::Mask => Text::of(format!("systemctl mask -- {unit}")),
        // A unit may be masked until the next boot and for good at once.
        Verb::Unmask => Text::of(format!(
            "systemctl unmask -- {unit} && systemctl unmask --runtime -- {unit}"
        )),
    }
}

/// A unit may be enabled until the next boot and for good at once. `disable` also removes a link that makes the unit known:
/// it is made again. A unit whose file is gone may have no link left.
fn disable(unit: &str) -> String {
    format!(
        "f=$(systemctl show -p FragmentPath --value -- {unit})\n\
         if [ -L \"$f\" ]; then l=$(readlink -f -- \"$f\"); else l=; fi\n\
         keep() {{ [ -z \"$l\" ] || [ -e \"$f\" ] || systemctl \"$@\" -- \"$l\"; }}\n\
         gone() {{ {}; }}\n\
         {{ systemctl disable --runtime -- {unit} || gone; }} && keep link --runtime || exit\n\
         {{ systemctl disable -- {unit} || gone; }} && keep link",
        has_no_file(unit)
    )
}

fn has_no_file(unit: &str) -> String {
    format!("[ \"$(systemctl show -p LoadState --value -- {unit})\" = not-found ]")
}

/// What a handler does to a unit that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    TryRestart,
    Reload,
}

/// The text of a handler for a unit that runs: systemd reads a changed unit file first. With `$starts`, it starts a unit that
/// does not run.
pub(super) fn again(verb: Again, unit: &str, settles: bool) -> Text {
    let name = quote(unit);
    let usual = match verb {
        Again::TryRestart => "v=try-restart a=start r=0".to_owned(),
        Again::Reload => format!("{}\n{}", reload(&name), can_reload(unit)),
    };
    let first = format!(
        "{}{usual}\n\
         [ -n \"$starts\" ] && {} && {{ {} v=start a=start r=0; }}",
        read_changed(&name),
        has_stopped(&name),
        reset(&name),
    );
    watched(&first, &name, settles)
}

/// The script that has a unit work with the files that were put back. What runs and was only reloaded is not stopped; a unit
/// may have failed too often for systemd.
pub(super) fn again_after(verb: Again, unit: &str, settles: bool) -> String {
    let name = quote(unit);
    let restart = format!("{} v=restart a=start r=0", reset(&name));
    let usual = match verb {
        Again::TryRestart => restart,
        Again::Reload => format!(
            "case $({}) in active|reloading|refreshing) {}\n{} || exit 0 ;; *) {restart} ;; esac",
            activity(&name),
            reload(&name),
            // It never read them, so there is nothing to go back to.
            has_reload(&name)
        ),
    };
    let looks = if settles { LOOKS } else { 0 };
    format!(
        "{}{}{START_WITH}{}",
        read_changed(&name),
        changed(&usual, &name, ""),
        watch(looks)
    )
}

/// It may have been restarted by itself at any time before.
fn reload(unit: &str) -> String {
    format!("v=reload a=reload r=$(systemctl show -p NRestarts --value -- {unit})")
}

/// Refuses to reload a unit that cannot. One that has to be started may not be loaded yet.
fn can_reload(unit: &str) -> String {
    let text = format!(
        "{unit} cannot be reloaded: it has no `ExecReload=`\nwrite `state = \"restarted\"` in the handler, or add `ExecReload=` to the unit file"
    );
    format!(
        "[ -n \"$starts\" ] || {} || {{ printf '%s\\n' {}; exit 1; }}",
        has_reload(&quote(unit)),
        quote(&text)
    )
}

fn has_reload(unit: &str) -> String {
    format!("[ \"$(systemctl show -p CanReload --value -- {unit})\" != no ]")
}

fn reset(unit: &str) -> String {
    format!("systemctl reset-failed -- {unit} 2>/dev/null;")
}

fn activity(unit: &str) -> String {
    format!("systemctl show -p ActiveState --value -- {unit}")
}

fn read_changed(unit: &str) -> String {
    format!("[ \"$(systemctl show -p NeedDaemonReload --value -- {unit})\" != yes ] || systemctl daemon-reload\n")
}

/// `first` sets `$v`, what systemctl does to the unit, `$a`, what that is called, and `$r`, how often systemd restarted it before.
///
/// systemd reports a start as soon as the process exists. So the unit must stay active for a moment.
fn watched(first: &str, unit: &str, settles: bool) -> Text {
    let script = changed(first, unit, NOTE_WITH);
    if !settles {
        return Text::of(format!("{script}{}", watch(0)));
    }
    Text {
        script: format!("{script}echo \"settles $a $r $t\""),
        settle: Some(format!(
            "u={unit}\n\
             while IFS= read -r l; do case $l in 'settles '*) set -- $l; a=$2 r=$3 t=$4 ;; *) printf '%s\\n' \"$l\" ;; esac; done\n\
             {}n={LOOKS}; [ -z \"$watched\" ] || n=0\n{LOOK}",
            failed()
        )),
    }
}

/// Defines `failed`, which ends the script: why the unit `$u` does not run, with its log since `$t`.
fn failed() -> String {
    format!(
        "failed() {{\n\
         echo \"$1: $(systemctl show -p ActiveState --value -- \"$u\") ($(systemctl show -p SubState --value -- \"$u\"))\"\n\
         timeout 5 journalctl --sync; journalctl --quiet --no-pager --since \"@$t\" --lines {LOG_LINES} --unit \"$u\"; exit 1\n\
         }}\n"
    )
}

/// systemd goes on counting the restarts of a unit that is about to be started again by itself; of others it begins anew.
const COUNT_ANEW: &str = r#"q=; [ "$r" != 0 ] || [ "$(systemctl show -p SubState --value -- "$u")" != auto-restart ] || { systemctl reset-failed -- "$u"; q=1; }
"#;

/// The start of such a unit counts as a restart, too.
const COUNTED: &str = r#"[ -z "$q" ] || r=$(systemctl show -p NRestarts --value -- "$u")
"#;

/// Notes which units run that a restart of `$u` stops too, since they require it: if it does not start, they stay stopped. It is
/// noted anew before each restart, so what is there afterwards is of that one.
const NOTE_WITH: &str = r#"w=/run/homelab-stopped-with-$u d=
case $v in *restart) for x in $(systemctl show -p RequiredBy,BoundBy,ConsistsOf --value -- "$u"); do ! systemctl is-active --quiet -- "$x" || d="$d $x"; done ;; esac
if [ -n "$d" ]; then printf '%s\n' $d >"$w"; else [ ! -e "$w" ] || rm -f -- "$w"; fi 2>/dev/null
"#;

/// Starts them again, once `$u` runs.
const START_WITH: &str = r#"w=/run/homelab-stopped-with-$u
if [ -f "$w" ]; then while IFS= read -r x; do systemctl start -- "$x" </dev/null || failed "$x did not start again with $u"; done <"$w"; rm -f -- "$w"; fi
"#;

/// `before` comes right before the change.
fn changed(first: &str, unit: &str, before: &str) -> String {
    format!(
        "{first}\n\
         u={unit} t=$(date +%s.%N)\n\
         {COUNT_ANEW}{}{before}\
         systemctl $v -- \"$u\" || failed \"$u did not $a\"\n{COUNTED}",
        failed()
    )
}

fn watch(looks: u32) -> String {
    format!("n={looks}\n{LOOK}")
}

#[cfg(test)]
mod tests {
    use std::process::Command as Process;

    use super::*;

    /// What a host does: `a` dies of its restart, systemd restarts `b` by itself, all others run. Looks and pauses are counted.
    const HOST: &str = r#"count() { echo "$1" >>"$log"; }
sleep() { count sleep; }
journalctl() { :; }
timeout() { :; }
systemctl() {
case $* in
*NeedDaemonReload*) echo no ;;
*ActiveState,*) count look
case $* in *"-- dies") s=failed r=0 ;; *"-- again") s=active r=1 ;; *"-- waits") s=active; grep -q "^reset waits" "$log" && r=0 || r=4 ;; *) s=active r=0 ;; esac
echo "ActiveState=$s"; echo "SubState=x"; echo "NRestarts=$r" ;;
*NRestarts*) echo 0 ;;
*ActiveState*) echo active ;;
*"SubState --value -- waits") echo auto-restart ;;
reset-failed*) count "reset $3" ;;
restart*|try-restart*|reload*) count "$1 $3" ;;
esac
}
"#;

    /// Runs the texts as the host does with steps that run together: the exit codes, and what happened.
    fn together(texts: &[Text]) -> (Vec<i32>, Vec<String>) {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        let run = |text: &str, input: &str| {
            let text = format!("{HOST}{text}");
            let mut process = Process::new("sh");
            process
                .arg("-c")
                .arg(&text)
                .env("log", &log)
                .stdin(std::process::Stdio::piped());
            let mut child = process.stdout(std::process::Stdio::piped()).spawn().expect("sh runs");
            std::io::Write::write_all(&mut child.stdin.take().expect("input"), input.as_bytes()).expect("written");
            child.wait_with_output().expect("an end")
        };
        let said: Vec<_> = texts.iter().map(|text| run(&text.script, "")).collect();
        let mut watched = "";
        let mut codes = Vec::new();
        for (text, said) in texts.iter().zip(said) {
            let mut end = said.status.code().unwrap_or(-1);
            if let Some(settle) = text.settle.as_ref().filter(|_| end == 0) {
                let input = String::from_utf8_lossy(&said.stdout).into_owned();
                let ended = run(&format!("watched={watched}\n{settle}"), &input);
                end = ended.status.code().unwrap_or(-1);
                watched = if end == 0 { "1" } else { watched };
            }
            codes.push(end);
        }
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        (codes, log.lines().map(str::to_owned).collect())
    }

    #[test]
    fn any_number_of_units_takes_the_time_of_one() {
        for (units, codes, pauses, looks) in [
            (&["one"][..], &[0][..], 4, 5),
            (&["one", "two"], &[0, 0], 4, 6),
            (&["one", "two", "three", "four"], &[0; 4], 4, 8),
            // What dies at once is not watched, so the next one has all of its time.
            (&["dies", "two", "three"], &[1, 0, 0], 4, 7),
            (&["one", "dies", "again", "four"], &[0, 1, 1, 0], 4, 8),
            (&["dies", "again"], &[1, 1], 0, 2),
        ] {
            for (verb, word) in [(Again::TryRestart, "try-restart"), (Again::Reload, "reload")] {
                let texts: Vec<Text> = units.iter().map(|unit| again(verb, unit, true)).collect();
                let (ended, log) = together(&texts);
                assert_eq!(ended, codes, "{units:?} {log:?}");
                let count = |what: &str| log.iter().filter(|line| *line == what).count();
                assert_eq!((count("sleep"), count("look")), (pauses, looks), "{units:?} {log:?}");
                let restarts: Vec<String> = units.iter().map(|unit| format!("{word} {unit}")).collect();
                assert_eq!(log[..units.len()], restarts, "first all of them");
            }
        }
    }

    #[test]
    fn restarts_of_before_do_not_count_for_a_unit_that_waits_for_the_next_one() {
        let (ended, log) = together(&[text(Verb::Restart, "waits", false), text(Verb::Restart, "one", false)]);
        assert_eq!(ended, [0, 0]);
        assert_eq!(log, ["reset waits", "restart waits", "look", "restart one", "look"]);
    }

    /// A host on which `a.service` requires `a.socket`, `idle.service` too, and `a.socket` starts only without `$broken`.
    const DEPENDENT: &str = r#"
journalctl() { :; }
timeout() { :; }
sleep() { :; }
systemctl() {
case $* in
*NeedDaemonReload*) echo no ;;
*RequiredBy*) printf '%s\n' 'a.service idle.service' '' '' ;;
*ActiveState,*) echo ActiveState=active; echo SubState=x; echo NRestarts=0 ;;
*ActiveState*) echo active ;;
is-active*) [ "$4" = a.service ] && [ ! -e "$log.down" ] ;;
*restart*a.socket) echo "$*" >>"$log"; >"$log.down"; [ -z "$broken" ] ;;
start*) echo "$*" >>"$log" ;;
esac
}
"#;

    #[test]
    fn what_a_failed_restart_stopped_runs_again_with_the_unit() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        let run = |text: &str, broken: &str| {
            let text = format!("{DEPENDENT}{text}").replace("/run/", &format!("{}/", folder.path().display()));
            let mut process = Process::new("sh");
            process.arg("-c").arg(&text).env("log", &log).env("broken", broken);
            let code = process.output().expect("sh runs").status.code();
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            let _ = std::fs::remove_file(&log);
            (code, said.lines().map(str::to_owned).collect::<Vec<_>>())
        };
        let again = again(Again::TryRestart, "a.socket", false).script;
        let back = again_after(Again::TryRestart, "a.socket", false);
        assert_eq!(run(&again, "1"), (Some(1), vec!["try-restart -- a.socket".to_owned()]));
        // What did not run before stays as it is.
        let all = ["restart -- a.socket", "start -- a.service"].map(str::to_owned);
        assert_eq!(run(&back, ""), (Some(0), all.to_vec()));
        assert_eq!(run(&back, ""), (Some(0), all[..1].to_vec()), "only once");
        // A restart after which nothing ran says so, whatever one before it noted.
        std::fs::write(folder.path().join("homelab-stopped-with-a.socket"), "old.service\n").expect("written");
        assert_eq!(run(&again, "1").0, Some(1));
        assert_eq!(run(&back, ""), (Some(0), all[..1].to_vec()));
    }

    #[test]
    fn a_unit_that_needs_no_watching_is_looked_at_once() {
        let texts = [
            again(Again::TryRestart, "a.timer", false),
            again(Again::TryRestart, "dies", false),
        ];
        assert!(texts.iter().all(|text| text.settle.is_none()));
        let (ended, log) = together(&texts);
        assert_eq!(ended, [0, 1]);
        assert_eq!(log, ["try-restart a.timer", "look", "try-restart dies", "look"]);
    }
}
