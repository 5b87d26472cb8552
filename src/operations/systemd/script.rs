//! Commands that change a unit, and that fail if it does not become what was asked for.

use super::states::Verb;
use crate::change::{Command, Step, has_stopped};
use crate::quote::quote;

/// How often a unit is looked at after its start, twice a second.
const LOOKS: u32 = 4;

/// How much of a unit's log a failed start shows.
const LOG_LINES: u32 = 12;

/// systemd reads all unit files again.
pub(super) fn daemon_reload() -> Step {
    let command = "systemctl daemon-reload";
    Step::Run(Command::new(command, command))
}

/// Stops and disables whatever runs of a template.
pub(super) fn stop_instances(template: &str) -> Step {
    let pattern = template.replacen('@', "@*", 1);
    let summary = format!("stop and disable all instances of {template}");
    let script = format!(
        "systemctl stop -- {} && {{ systemctl disable --runtime -- {template}; systemctl disable -- {template}; }}",
        quote(&pattern),
        template = quote(template)
    );
    Step::Run(Command::new(summary, script))
}

/// The step for `verb`; `settles` watches the unit for a moment after it was started.
pub(super) fn step(verb: Verb, unit: &str, settles: bool) -> Step {
    Step::Run(Command {
        recovery: verb.starts().then(|| again_after(Again::TryRestart, unit, settles)),
        ..Command::new(summary(verb, unit), script(verb, &quote(unit), settles)).asked_by(verb.parameter())
    })
}

/// The step for a unit of which nothing is known yet: its name may be an alias, and it may not exist, so that it is stopped.
pub(super) fn step_for_unknown(verb: Verb, unit: &str, settles: bool) -> Step {
    let quoted = quote(unit);
    let name = "\"$unit\"";
    let text = match verb {
        Verb::Stop => format!("{} || {}", script(verb, name, settles), has_no_file(name)),
        _ => script(verb, name, settles),
    };
    let text = format!(
        "[ \"$(systemctl show -p NeedDaemonReload --value -- {quoted})\" != yes ] || systemctl daemon-reload\n\
         unit=$(systemctl show -p Id --value -- {quoted}) || exit\n{text}"
    );
    Step::Run(Command::new(summary(verb, unit), text).asked_by(verb.parameter()))
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
fn script(verb: Verb, unit: &str, settles: bool) -> String {
    match verb {
        Verb::Enable => format!("systemctl enable -- {unit}"),
        Verb::Disable => disable(unit),
        Verb::Start => started("start", unit, settles),
        Verb::StartAfresh => format!(
            "systemctl reset-failed -- {unit} 2>/dev/null\n{}",
            started("start", unit, settles)
        ),
        Verb::Restart | Verb::Renew => started("restart", unit, settles),
        Verb::Stop => format!("systemctl stop -- {unit}"),
        Verb::Mask => format!("systemctl mask -- {unit}"),
        // A unit may be masked until the next boot and for good at once.
        Verb::Unmask => format!("systemctl unmask -- {unit} && systemctl unmask --runtime -- {unit}"),
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

/// The script of a handler for a unit that runs: systemd reads a changed unit file first. With `$starts`, it starts a unit that
/// does not run.
pub(super) fn again(verb: Again, unit: &str, settles: bool) -> String {
    let name = quote(unit);
    let usual = match verb {
        Again::TryRestart => "v=try-restart a=start r=0".to_owned(),
        Again::Reload => format!("{}\n{}", reload(&name), can_reload(unit)),
    };
    format!(
        "{}{usual}\n\
         [ -n \"$starts\" ] && {} && {{ {} v=start a=start r=0; }}\n{}",
        read_changed(&name),
        has_stopped(&name),
        reset(&name),
        watched("$v", "$a", &name, settles),
    )
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
    format!(
        "{}{usual}\n{}",
        read_changed(&name),
        watched("$v", "$a", &name, settles)
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

fn started(verb: &str, unit: &str, settles: bool) -> String {
    format!("r=0\n{}", watched(verb, "start", unit, settles))
}

/// systemd reports a start as soon as the process exists. So the unit must stay active for a moment, in which systemd restarts
/// it no more often than the `$r` times before.
fn watched(verb: &str, after: &str, unit: &str, settles: bool) -> String {
    let looks = if settles { LOOKS } else { 0 };
    format!(
        "u={unit} t=$(date +%s.%N)\n\
         failed() {{\n\
         echo \"$1: $(systemctl show -p ActiveState --value -- \"$u\") ($(systemctl show -p SubState --value -- \"$u\"))\"\n\
         timeout 5 journalctl --sync; journalctl --quiet --no-pager --since \"@$t\" --lines {LOG_LINES} --unit \"$u\"; exit 1\n\
         }}\n\
         systemctl {verb} -- \"$u\" || failed \"$u did not {after}\"\n\
         n={looks}; while :; do\n\
         s=$(systemctl show -p ActiveState,SubState,NRestarts -- \"$u\")\n\
         case $s in *ActiveState=active*|*ActiveState=reloading*|*ActiveState=refreshing*) ;; \
         *) failed \"$u is not active after its {after}\";; esac\n\
         case \"$s \" in *NRestarts=\"$r\"[!0-9]*) ;; *NRestarts=*) failed \"$u ended and was restarted right after its {after}\";; esac\n\
         [ $n -gt 0 ] || exit 0; n=$((n-1)); sleep 0.5\n\
         done"
    )
}
