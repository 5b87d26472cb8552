//! Units whose files changed while they ran, and that were not restarted since: a record on the host says what was kept of the files.
//!
//! Nothing owes such a restart: the next run finds that the process is older than its files, and by the record that it is older than
//! a change that left no file. But if that run restarts the unit and it does not stay active, the old files may be those of this
//! run, which was killed in between.
//!
//! The first line of a record is the invocation of the unit before its files changed. Each line `kept FOLDER` after it is as in
//! the record of a handler. A unit that runs with another invocation was started since, and is satisfied with its files: then the
//! record is out of date.

use crate::change::has_stopped;
use crate::facts::owed::CHANGED_UNITS;
use crate::quote::{quote, quote_all};
use crate::remote::StepScript;

/// The file with the record of a unit; `state_folder` is that of a user without root.
pub(super) fn record(unit: &str, state_folder: Option<&str>) -> String {
    let folder = state_folder.map_or_else(|| CHANGED_UNITS.to_owned(), |folder| format!("{folder}/units"));
    format!("{folder}/{unit}")
}

/// Shell functions: `settle` removes a record that is out of date and sets `$i` to the unit's invocation if it runs; `note` adds
/// to a record what is kept, if the unit runs or did so before.
///
/// What systemd started again by itself says nothing: it may end again and again because of the change.
const FUNCTIONS: &str = r#"settle() {
s=$(systemctl show -p ActiveState,InvocationID,NRestarts -- "$2" 2>/dev/null </dev/null)
i=
case $s in *ActiveState=active*|*ActiveState=reloading*|*ActiveState=refreshing*) ;; *) return 0 ;; esac
i=${s#*InvocationID=} i=${i%%[!0-9a-f]*}
[ -f "$1" ] || return 0
case $s in *NRestarts=[1-9]*) return 0 ;; esac
IFS= read -r was <"$1" && [ "$was" = "$i" ] || rm -f -- "$1"
}
made=
note() {
settle "$1" "$2"
o=$1; shift 2
[ -f "$o" ] || { [ -n "$i" ] || return 0; made="$made $o"; }
f=${o%/*}
n=$f/.${o##*/}
{ { [ -d "$f" ] || mkdir -p -- "$f"; } && { if [ -f "$o" ]; then cat -- "$o"; else printf '%s\n' "$i"; fi && printf 'kept %s\n' "$@"; } >"$n" && sync -- "$n" && mv -f -- "$n" "$o"; } 2>/dev/null || {
rm -f -- "$n"
echo "homelab could not write to $f, where it notes what units ran with, so this was not begun"
echo "free space there: \`df $f\` and \`df -i $f\` show how much is left"
exit 116; }
}
"#;

/// `body`, which changes files of `units`; `kept` are the folders of what is kept before it. If it fails, it changed nothing.
pub(super) fn with_record(units: &[String], kept: &[String], state_folder: Option<&str>, body: &str) -> String {
    let kept = quote_all(kept.iter().map(String::as_str));
    let notes = units.iter().map(|unit| {
        let record = record(unit, state_folder);
        format!("note {} {} {kept}\n", quote(&record), quote(unit))
    });
    format!(
        "{FUNCTIONS}{}(\n{body}\n) || {{ code=$?; [ $code = 113 ] || for o in $made; do rm -f -- \"$o\"; done; exit $code; }}",
        notes.collect::<String>()
    )
}

/// Has a step that starts or restarts `unit` remove the record once it has ended well. One that is out of date goes before it.
pub(super) fn until_it_runs(unit: &str, state_folder: Option<&str>, script: &mut StepScript) {
    let record = record(unit, state_folder);
    let (record, unit) = (quote(&record), quote(unit));
    script.body = format!("{FUNCTIONS}settle {record} {unit}\n{}", script.body);
    let ended = script.ending();
    *ended = format!("(\n{ended}\n) || exit\nrm -f -- {record}");
}

/// Has the last step that removes the file of `unit` remove the record too: if the unit has ended, nothing goes back for it.
pub(super) fn unless_it_runs(unit: &str, state_folder: Option<&str>, script: &mut StepScript) {
    let record = quote(&record(unit, state_folder));
    let ended = script.ending();
    *ended = format!(
        "(\n{ended}\n) || exit\n{} && rm -f -- {record}\n:",
        has_stopped(&quote(unit))
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Runs `body` where systemd says this of the unit; its exit code, and the record afterwards.
    fn run(folder: &std::path::Path, said: &str, body: &str) -> (Option<i32>, String) {
        let body = format!("systemctl() {{ printf '%s\\n' {said}; }}\n{body}");
        let end = Command::new("sh").args(["-c", &body]).status().expect("sh runs");
        let record = std::fs::read_to_string(folder.join("units/a.service"));
        (end.code(), record.unwrap_or_default())
    }

    const OLD: &str = "NRestarts=0 InvocationID=aa ActiveState=active";
    const NEW: &str = "NRestarts=0 InvocationID=bb ActiveState=active";
    const AGAIN: &str = "NRestarts=2 InvocationID=bb ActiveState=active";
    const CRASHES: &str = "NRestarts=2 InvocationID=bb ActiveState=activating";
    const FAILED: &str = "NRestarts=0 InvocationID=aa ActiveState=failed";

    #[test]
    fn the_record_of_a_unit_goes_with_its_file_once_it_has_ended() {
        for (said, body, code, is_left) in [
            ("inactive", ":", Some(0), false),
            ("failed", ":", Some(0), false),
            ("active", ":", Some(0), true),
            ("inactive", "exit 3", Some(3), true),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            let record = folder.path().join("units/a.service");
            std::fs::create_dir(folder.path().join("units")).expect("made");
            std::fs::write(&record, "aa\nkept /k/1\n").expect("written");
            let mut script = StepScript {
                body: body.to_owned(),
                ..StepScript::default()
            };
            unless_it_runs("a.service", folder.path().to_str(), &mut script);
            let end = run(folder.path(), said, &script.body);
            assert_eq!((end.0, record.exists()), (code, is_left), "{said}, {body}");
        }
    }

    #[test]
    fn what_a_unit_ran_with_is_known_until_it_runs_with_something_else() {
        let (one, both) = ("aa\nkept /k/1\n", "aa\nkept /k/1\nkept /k/2\n");
        for (first, second, after_first, after_second) in [
            (OLD, OLD, one, both),
            // A user restarted it, and it runs.
            (OLD, NEW, one, "bb\nkept /k/2\n"),
            // It ended, and systemd started it again.
            (OLD, AGAIN, one, both),
            (OLD, CRASHES, one, both),
            (OLD, FAILED, one, both),
            // It did not run before.
            (FAILED, FAILED, "", ""),
            (CRASHES, CRASHES, "", ""),
            (FAILED, NEW, "", "bb\nkept /k/2\n"),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            let state_folder = folder.path().to_str();
            let change =
                |kept: &str, body: &str| with_record(&["a.service".to_owned()], &[kept.to_owned()], state_folder, body);
            let told = format!("{first}, then {second}");
            let expected = (Some(0), after_first.to_owned());
            assert_eq!(run(folder.path(), first, &change("/k/1", "exit 0")), expected, "{told}");
            let expected = (Some(0), after_second.to_owned());
            assert_eq!(run(folder.path(), second, &change("/k/2", ":")), expected, "{told}");
            // A restart that fails leaves it, one that succeeds does not.
            let restart = |body: &str| {
                let mut script = StepScript {
                    body: body.to_owned(),
                    ..StepScript::default()
                };
                until_it_runs("a.service", state_folder, &mut script);
                script.body
            };
            let expected = (Some(4), after_second.to_owned());
            assert_eq!(run(folder.path(), second, &restart("exit 4")), expected, "{told}");
            let expected = (Some(0), String::new());
            assert_eq!(run(folder.path(), second, &restart("exit 0")), expected, "{told}");
        }
    }

    #[test]
    fn a_file_that_was_refused_leaves_no_record_unless_it_may_be_there() {
        for (code, record) in [(1, ""), (113, "aa\nkept /k/1\n")] {
            let folder = tempfile::tempdir().expect("a folder");
            let body = format!("exit {code}");
            let change = |body| {
                let units = ["a.service".to_owned()];
                with_record(&units, &["/k/1".to_owned()], folder.path().to_str(), body)
            };
            assert_eq!(run(folder.path(), OLD, &change(&body)), (Some(code), record.to_owned()));
            // What an earlier run recorded stays.
            run(folder.path(), OLD, &change(":"));
            assert!(
                run(folder.path(), OLD, &change("exit 1"))
                    .1
                    .starts_with("aa\nkept /k/1\n")
            );
        }
    }
}
