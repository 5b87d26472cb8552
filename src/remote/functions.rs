//! The shell functions that frames call.
//!
//! A channel sends each set before the first frame that needs it: most runs only read. `NONCE` is replaced by the nonce.
//!
//! Descriptors: 5 is the standard error that the shell was started with; 6, 7 and 8 are a staged content's (to count, to read,
//! to write), 9 is the lock's. Nothing that runs on behalf of an operation inherits them: a daemon would keep the lock forever.

/// Sent as soon as the connection is made: what every run needs.
pub(super) const READING: &str = r#"{
exec 5>&2 2>&1
umask 077
LC_ALL=C
PATH=${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
export LC_ALL PATH
hl_tag() { printf '\n%s %s %s %s\n' NONCE "$1" "$2" "$3"; }
hl_eval() { hl_text=$1; set --; eval "$hl_text"; }
hl_probe() {
{ hl_errors=$( { hl_eval "$2"; } </dev/null 2>&1 >&3 3>&- 5>&- 6<&- 7<&- 8>&- 9>&- ); hl_status=$?; } 3>&1
hl_tag "$1" answer "$hl_status"
printf %s "$hl_errors"
hl_tag "$(($1 + 1))" errors 0
}
hl_tag 0 ready $$
}
"#;

/// Runs a command of the user. Its two streams are forwarded unchanged, so its tags begin with a byte of their own
/// ([`LEAD`](super::script::LEAD)): a line break may be output.
pub(super) const EXEC: &str = r#"hl_mark() { printf '\036%s %s %s %s\n' NONCE "$1" "$2" "$3"; }
hl_run() {
hl_mark "$1" begun 0 >&5
( hl_eval "$2" ) </dev/null 2>&5 5>&- 6<&- 7<&- 8>&- 9>&-
hl_status=$?
hl_mark "$1" ended 0 >&5
hl_mark "$1" ended "$hl_status"
}
"#;

/// Changes the host.
///
/// `hl_note` sends a note from the body of a step that has printed nothing yet, while the body goes on.
///
/// If content arrives short, a further block shows why the host takes no more, such as a full disk.
pub(super) const CHANGING: &str = r#"hl_halt=
hl_file=
trap hl_unstage EXIT
hl_note() { printf %s "$1"; hl_tag "$hl_number" note 0; }
hl_step() {
hl_number=$1
if [ -n "$hl_halt" ]; then hl_tag "$1" skipped 0; return 0; fi
if [ -n "$2" ]; then
( hl_eval "$2" ) </dev/null 5>&- 6<&- 7<&- 8>&- 9>&-
if [ $? = 0 ]; then hl_unstage; hl_tag "$1" already 0; return 0; fi
fi
if [ -n "$3" ]; then
( hl_eval "$3" ) </dev/null 5>&- 6<&- 7<&- 8>&- 9>&-
hl_status=$?
if [ "$hl_status" != 0 ]; then hl_unstage; hl_halt=1; hl_tag "$1" stale "$hl_status"; return 0; fi
fi
staged=
case $5 in
nothing) ( hl_eval "$4" ) </dev/null 5>&- 9>&-; hl_status=$? ;;
inline) hl_unstage
if command -v base64 >/dev/null; then base64 -d | ( hl_eval "$4" ) 5>&- 9>&-; hl_status=$?
else echo 'base64: not found'; hl_status=127; fi ;;
staged) if [ -n "$hl_file" ]; then hl_size=$(wc -c <"$hl_file"); hl_folder=${hl_file%/*}/
else hl_size=$(wc -c <&6); hl_folder='the folder for temporary files'; fi
exec 6<&-
[ "${hl_size:-0}" -eq "$6" ] || dd if=/dev/zero bs=65536 count=1 2>&1 >>"/proc/$$/fd/8" 5>&- 7<&- 8>&- 9>&- | sed -n 's/^dd: //p'
exec 8>&-
if [ "${hl_size:-0}" -ne "$6" ]; then echo "only ${hl_size:-0} of $6 bytes arrived in $hl_folder"; hl_status=1
elif [ -n "$hl_file" ]; then staged=$hl_file; ( hl_eval "$4" ) </dev/null 5>&- 9>&-; hl_status=$?
else ( hl_eval "$4" ) <&7 5>&- 7<&- 9>&-; hl_status=$?; fi
hl_unstage ;;
esac
if [ "$hl_status" = 0 ]; then hl_tag "$1" done 0; else hl_halt=1; hl_tag "$1" failed "$hl_status"; fi
}
hl_stage() {
if [ -n "$hl_halt" ]; then hl_tag "$1" skipped 0; return 0; fi
hl_number=$1
if [ -n "$2" ]; then
( hl_eval "$2" ) </dev/null 5>&- 9>&-
if [ $? = 0 ]; then hl_tag "$1" already 0; return 0; fi
fi
if [ -n "$3" ]; then
( hl_eval "$3" ) </dev/null 5>&- 9>&-
hl_status=$?
if [ "$hl_status" != 0 ]; then hl_halt=1; hl_tag "$1" stale "$hl_status"; return 0; fi
fi
if [ -z "$4" ]; then
if hl_new=$(mktemp); then exec 8>"$hl_new" 7<"$hl_new" 6<"$hl_new"; rm -f "$hl_new"; hl_tag "$1" staged 0
else hl_tag "$1" unstaged 1; fi
return 0
fi
find "${4%/*}/" -maxdepth 1 -type f -name '.homelab-????????????????' -mmin +60 -exec rm -f -- {} + 2>/dev/null 5>&- 9>&-
set -C
if command exec 8>"$4"; then hl_file=$4; set +C; hl_tag "$1" staged 0
else set +C; hl_halt=1; hl_tag "$1" failed 1; fi
}
hl_append() {
if [ -z "$hl_halt" ]; then base64 -d >&8 5>&- 6<&- 7<&- 9>&-; fi
hl_tag "$1" appended $?
}
hl_unstage() {
exec 6<&- 7<&- 8>&-
[ -z "$hl_file" ] || [ ! -e "$hl_file" ] || rm -f -- "$hl_file"
hl_file=
}
hl_lock() {
[ -d "${2%/*}" ] || [ "$(id -u)" = 0 ] || mkdir -p -- "${2%/*}"
if ( exec 9>>"$2" ); then exec 9>>"$2"; else hl_tag "$1" unavailable 1; return 0; fi
flock -n 9
hl_status=$?
case $hl_status in
0) : >"$2"; printf '%s\n%s\n' "$3" "$(date -u +%Y-%m-%dT%H:%M:%SZ 9>&-)" >&9; hl_tag "$1" locked 0 ;;
1) cat "$2"; exec 9>&-; hl_tag "$1" held 1 ;;
*) exec 9>&-; hl_tag "$1" unavailable "$hl_status" ;;
esac
}
hl_unlock() { exec 9>&-; hl_tag "$1" unlocked 0; }
hl_resume() { hl_halt=; hl_tag "$1" resumed 0; }
"#;

/// Sets of functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Functions {
    pub(super) exec: bool,
    pub(super) changing: bool,
}

impl Functions {
    /// The text of those in `self` that are not in `defined`.
    pub(super) fn missing_from(self, defined: Self) -> impl Iterator<Item = &'static str> {
        let exec = (self.exec && !defined.exec).then_some(EXEC);
        let changing = (self.changing && !defined.changing).then_some(CHANGING);
        exec.into_iter().chain(changing)
    }

    pub(super) fn and(self, others: Self) -> Self {
        Self {
            exec: self.exec || others.exec,
            changing: self.changing || others.changing,
        }
    }
}
