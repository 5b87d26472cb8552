//! The shell functions that frames call.
//!
//! A channel sends each set before the first frame that needs it: most runs only read. `NONCE` is replaced by the nonce.
//!
//! Descriptors: 3 takes what a step prints; 4 and 5 are the standard output and standard error that the shell was started with,
//! for answers and for the errors of a user's command; 6, 7 and 8 are a staged content's (to count, to read, to write); 9 is the
//! lock's. Nothing that runs on behalf of an operation inherits them: a daemon would keep the lock forever, and could answer in
//! the shell's place.

/// Sent as soon as the connection is made: what every run needs.
///
/// Answers have a descriptor of their own. Only the commands of a probe inherit it; they are homelab's own, and a condition of
/// the user inside a probe writes to `/dev/null`.
pub(super) const READING: &str = r#"{
exec 4>&1 5>&2 >/dev/null 2>&1
umask 077
LC_ALL=C
PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
export LC_ALL PATH
hl_tag() { printf '\n%s %s %s %s\n' NONCE "$1" "$2" "$3" >&4; }
hl_eval() { hl_text=$1; set --; eval "$hl_text"; }
hl_probe() {
hl_told=$( { hl_eval "$2"; } </dev/null 2>&1 >&4 4>&- 5>&- 6<&- 7<&- 8>&- 9>&- )
hl_tag "$1" answer $?
printf %s "$hl_told" >&4
hl_tag "$(($1 + 1))" errors 0
}
hl_tag 0 ready $$
}
"#;

/// Runs a command of the user. Its two streams are forwarded unchanged, so its tags begin with a byte of their own
/// ([`LEAD`](super::script::LEAD)): a line break may be output. The connection is not used afterwards, since a process that
/// the command leaves behind keeps the streams.
pub(super) const EXEC: &str = r#"hl_mark() { printf '\036%s %s %s %s\n' NONCE "$1" "$2" "$3"; }
hl_run() {
hl_mark "$1" begun 0 >&5
( hl_eval "$2" ) </dev/null >&4 2>&5 4>&- 5>&- 6<&- 7<&- 8>&- 9>&-
hl_status=$?
hl_mark "$1" ended 0 >&5
hl_mark "$1" ended "$hl_status" >&4
}
"#;

/// Changes the host.
///
/// What a step prints goes into a file without a name (descriptor 3), and from there to homelab when the step has ended
/// (`hl_pass`), or as the file grows (`hl_watch`). A process that the step leaves behind can write into that file only, and
/// it cannot be read afterwards. Its name is random and new (`set -C`), and it needs a folder with a little room. Of longer
/// output the last part is sent, after the number of bytes that are left out; the room that they take is given back where the file system
/// can do that.
///
/// `hl_alive` fails, or ends its shell, if homelab does not listen any more. `hl_note` sends a note from the body of a step that is homelab's own, while the body goes on.
///
/// If content arrives short, a further block shows why the host takes no more, such as a full disk.
///
/// `hl_record` writes lines to the journal before a step, `hl_answer` adds the step's end, and `hl_close` the end of the run, whose mark it removes. If there is
/// no room for the first lines of a run, all steps fail: what a run changes must be known, and kept in the same place. If there is none
/// for later ones (`hl_short`), the steps after that are not begun.
///
/// `hl_mind` looks whether the link is lost: homelab sends line breaks now and then (`beat`), so a shell that has no child at work
/// and has not run at all for several looks has lost its link. It is killed, since `dash` looks at no trap while it reads.
/// `hl_unmind` kills that process too. `dash` loses a caught signal that comes between a fork and the reset of traps in the child, so
/// `hl_watch` forks while `TERM` is not caught.
///
/// Steps that run together: `hl_early` keeps how each one ended, `hl_late` watches and answers. What it prints is kept as text.
///
/// The scripts of a step run outside of `if` and `&&`, where `set -e` would have no effect.
///
/// An answer that is not read any more ends the shell by a signal, and `EXIT` is only called after one that is caught.
pub(super) const CHANGING: &str = r#"hl_halt=
hl_later=
hl_file=
hl_journal=
hl_entry=
hl_minder=
hl_full=
hl_short=
hl_record() {
hl_journal=$1
hl_df="free space there: \`df ${1%/*}\` and \`df -i ${1%/*}\` show how much is left"
if hl_said=$( { hl_begun=0; [ -z "$2" ] || ( hl_eval "$2" ) || hl_begun=1; cat >>"$1" && [ "$hl_begun" = 0 ]; } 2>&1 >/dev/null 4>&- 9>&- ); then hl_full=no; return 0; fi
case $hl_full$hl_said in
no*) hl_lack ;;
*'No space'*|*'quota exceeded'*) [ ! -f "$1" ] || rm -f -- "$1" "${1%.jsonl}.key"
hl_journal= hl_full="there is no room in ${1%/*}, where homelab notes what it changes, so nothing was changed
$hl_df" ;;
*) if [ -s "$1" ]; then hl_full=no; else hl_journal=; fi ;;
esac
}
hl_lack() {
hl_short="homelab could not write to ${hl_journal%/*}, where it notes what it changes, so this was not begun
$hl_df"
}
hl_add() { { printf '%s\n' "$1" >>"$hl_journal"; } 2>/dev/null || hl_lack; }
hl_close() { [ -z "$hl_journal" ] || [ -n "$hl_halt" ] || { hl_add "$1"; [ -n "$hl_short" ] || rm -f -- "$2"; }; }
trap 'hl_unmind; hl_unstage' EXIT
trap 'exit 1' HUP INT TERM PIPE
hl_alive() { hl_tag "$hl_number" alive 0; }
hl_note() { printf %s "$1" >&4; hl_tag "$hl_number" note 0; }
hl_open() {
set -C
for hl_folder in "${TMPDIR:-/tmp}" /dev/shm /run "$HOME"; do
if command exec 3>"$hl_folder/.homelab-$1"; then
rm -f -- "$hl_folder/.homelab-$1"
if printf %65536s x >&3 && : >|"/proc/$$/fd/3" && command exec 3>>"/proc/$$/fd/3"; then set +C; return 0; fi
fi
done
set +C
exec 3>/dev/null
hl_lost=1
}
hl_send() {
if [ "$1" -gt 0 ]; then tail -c "+$((hl_sent + 1))" "/proc/$$/fd/3" | head -c "$1" >&4; fi
hl_sent=$((hl_sent + $1))
}
hl_pass() {
[ -s "/proc/$$/fd/3" ] || return 0
hl_size=$(stat -Lc %s "/proc/$$/fd/3")
hl_new=$((${hl_size:-0} - hl_sent))
[ "$hl_new" -gt 0 ] || return 0
hl_first=$hl_new
[ "$hl_first" -le "$hl_room" ] || hl_first=$hl_room
hl_send "$hl_first"
hl_room=$((hl_room - hl_first))
if [ -n "$1" ]; then
hl_new=$((hl_new - hl_first))
if [ "$hl_new" -gt 65536 ]; then
hl_tag "$hl_number" gap "$((hl_new - 65536))"
hl_sent=$((hl_size - 65536)) hl_new=65536
fi
hl_send "$hl_new"
elif [ "$((hl_size - hl_freed))" -gt 8388608 ]; then
hl_freed=$((hl_size - 1048576))
fallocate -p -o 0 -l "$hl_freed" "/proc/$$/fd/3"
fi
}
hl_watch() {
case $1 in
*l*) hl_room=4194304 hl_pause=0.3 ;;
*w*) hl_pause=1 ;;
*) return 0 ;;
esac
trap - TERM
(
hl_over=
trap hl_over=1 TERM
while [ -z "$hl_over" ] && kill -0 $$; do
sleep "$hl_pause" </dev/null 3>&- 4>&- &
wait $!
hl_pass ''
done
hl_pass end
) 5>&- 9>&- &
hl_watcher=$!
trap 'exit 1' TERM
}
hl_first() { hl_go= hl_number=$1 hl_sent=0 hl_room=0 hl_freed=0 hl_watcher= hl_lost=; }
hl_body() { ( hl_eval "$1" ) >&3 2>&1 3>&- 4>&- 5>&- 6<&- 7<&- 8>&- 9>&-; }
hl_noting() { ( hl_eval "$1" ) >&3 2>&1 3>&- 5>&- 6<&- 7<&- 8>&- 9>&-; }
hl_answer() {
if [ -n "$hl_later" ]; then
hl_said=$(tail -c 65536 "/proc/$$/fd/3")
exec 3>&-
eval "hl_end_$hl_number=\$1 hl_status_$hl_number=\$2 hl_said_$hl_number=\$hl_said"
case $1 in failed|stale) hl_failed="$hl_failed $hl_part" ;; esac
return 0
fi
case $1 in failed|stale) hl_halt=1 ;; esac
if [ -n "$hl_watcher" ]; then
kill "$hl_watcher"
wait "$hl_watcher" || hl_watcher=
fi
[ -n "$hl_watcher" ] || hl_pass end
exec 3>&-
[ -z "$hl_journal" ] || [ -z "$hl_entry" ] || hl_add "{\"step\":$hl_entry,\"end\":\"$1\",\"status\":$2}"
hl_entry=
[ -z "$hl_lost" ] || echo 'what it printed was not kept: no folder for temporary files has room' >&4
hl_tag "$hl_number" "$1" "$2"
}
hl_begin() {
hl_first "$1"
if [ -n "$hl_halt" ]; then hl_entry=; hl_tag "$1" skipped 0; return 0; fi
hl_open "$2"
if [ "${hl_full:-no}" != no ]; then hl_unstage; printf '%s\n' "$hl_full" >&3; hl_answer failed 116; return 0; fi
if [ -n "$hl_short" ] && [ -n "$hl_entry$hl_later" ]; then hl_unstage; printf '%s\n' "$hl_short" >&3; hl_answer failed 116; return 0; fi
if [ -n "$3" ]; then
hl_body "$3" </dev/null
if [ $? = 0 ]; then hl_unstage; hl_answer already 0; return 0; fi
fi
if [ -n "$4" ]; then
hl_body "$4" </dev/null
hl_status=$?
if [ "$hl_status" != 0 ]; then hl_unstage; hl_answer stale "$hl_status"; return 0; fi
fi
hl_go=1
}
hl_step() {
hl_begin "$1" "$2" "$4" "$5"
[ -n "$hl_go" ] || return 0
hl_do=hl_body
case $3 in *n*) hl_do=hl_noting ;; esac
hl_watch "$3"
staged=
case $7 in
nothing) $hl_do "$6" </dev/null; hl_status=$? ;;
inline) hl_unstage
if command -v base64; then base64 -d | $hl_do "$6"; hl_status=$?
else echo 'base64: not found' >&3; hl_status=127; fi ;;
staged) if [ -n "$hl_file" ]; then hl_size=$(wc -c <"$hl_file"); hl_folder=${hl_file%/*}/
else hl_size=$(wc -c <&6); hl_folder='the folder for temporary files'; fi
exec 6<&-
[ "${hl_size:-0}" -eq "$8" ] || dd if=/dev/zero bs=65536 count=1 2>&1 >>"/proc/$$/fd/8" 7<&- 8>&- 9>&- | sed -n 's/^dd: //p' >&3
exec 8>&-
if [ "${hl_size:-0}" -ne "$8" ]; then echo "only ${hl_size:-0} of $8 bytes arrived in $hl_folder" >&3; hl_status=1
elif [ -n "$hl_file" ]; then staged=$hl_file; $hl_do "$6" </dev/null; hl_status=$?
else $hl_do "$6" <&7; hl_status=$?; fi
hl_unstage ;;
esac
if [ "$hl_status" = 0 ]; then hl_answer done 0; else hl_answer failed "$hl_status"; fi
}
hl_early() {
hl_part=$3
case " $hl_failed " in *" $3 "*) eval "hl_end_$1=skipped"; return 0 ;; esac
hl_later=1
hl_step "$1" "$2" '' "$4" "$5" "$6" nothing
hl_later=
}
hl_late() {
eval "hl_end=\$hl_end_$1 hl_status=\$hl_status_$1 hl_said=\$hl_said_$1; unset hl_end_$1 hl_status_$1 hl_said_$1"
case $hl_end in
'') return 0 ;;
skipped) hl_tag "$1" skipped 0; return 0 ;;
esac
hl_first "$1"
hl_entry=$4
hl_open "$2"
if [ "$hl_end" = done ] && [ -n "$5" ]; then
hl_watch "$3"
printf '%s\n' "$hl_said" | hl_body "watched=$hl_watched; export watched
$5"
hl_status=$?
if [ "$hl_status" = 0 ]; then hl_watched=1; else hl_end=failed; fi
elif [ -n "$hl_said" ]; then printf '%s\n' "$hl_said" >&3
fi
hl_answer "$hl_end" "$hl_status"
}
hl_stage() {
hl_begin "$1" "$2" "$3" "$4"
[ -n "$hl_go" ] || return 0
if [ -z "$5" ]; then
exec 3>&-
if hl_new=$(mktemp); then exec 8>"$hl_new" 7<"$hl_new" 6<"$hl_new"; rm -f "$hl_new"; hl_tag "$1" staged 0
else hl_tag "$1" unstaged 1; fi
return 0
fi
find "${5%/*}/" -maxdepth 1 -type f -name '.homelab-????????????????' -mmin +60 -exec rm -f -- {} +
set -C
if { command exec 8>"$5"; } 2>&3; then hl_file=$5; set +C; exec 3>&-; hl_tag "$1" staged 0
else set +C; hl_answer failed 1; fi
}
hl_append() {
if [ -z "$hl_halt" ]; then base64 -d >&8 4>&- 5>&- 6<&- 7<&- 9>&-; fi
hl_tag "$1" appended $?
}
hl_unstage() {
exec 6<&- 7<&- 8>&-
[ -z "$hl_file" ] || [ ! -e "$hl_file" ] || rm -f -- "$hl_file"
hl_file=
}
hl_lock() {
[ -d "${2%/*}" ] || [ "$(id -u)" = 0 ] || mkdir -p -- "${2%/*}" 2>&4
if ( exec 9>>"$2" ) 2>&4; then exec 9>>"$2"; else hl_tag "$1" unavailable 1; return 0; fi
flock -n 9 2>&4
hl_status=$?
case $hl_status in
0) hl_mind "$4" "$2"; : >"$2"; printf '%s\n%s\n%s\n' "$3" "$(date -u +%Y-%m-%dT%H:%M:%SZ 9>&-)" $$ >&9; hl_tag "$1" locked 0 ;;
1) cat "$2" >&4; exec 9>&-; hl_tag "$1" held 1 ;;
*) exec 9>&-; hl_tag "$1" unavailable "$hl_status" ;;
esac
}
hl_mind() {
(
hl_still=0
while :; do
sleep "$1"
[ "/proc/$$/fd/9" -ef "$2" ] || exit
hl_new= hl_children=
while read -r hl_key hl_value; do case $hl_key in *ctxt*) hl_new="$hl_new $hl_value" ;; esac; done <"/proc/$$/status"
read -r hl_children <"/proc/$$/task/$$/children"
[ ! -e "/proc/$$/fd/8" ] || hl_new="$hl_new $(stat -Lc %s "/proc/$$/fd/8")"
case $hl_children in
*' '*[0-9]*|'') hl_still=0 ;;
*) if [ "$hl_new" = "$hl_old" ]; then hl_still=$((hl_still + 1)); else hl_still=0; fi ;;
esac
hl_old=$hl_new
[ "$hl_still" -ge 3 ] || continue
hl_file=$(readlink "/proc/$$/fd/8")
kill -KILL $$
case $hl_file in */.homelab-*) rm -f -- "$hl_file" ;; esac
exit
done
) </dev/null 4>&- 5>&- 6<&- 7<&- 8>&- 9>&- &
hl_minder=$!
}
hl_unmind() {
[ -n "$hl_minder" ] || return 0
hl_sleep=
kill -STOP "$hl_minder"
read -r hl_sleep <"/proc/$hl_minder/task/$hl_minder/children"
kill -KILL "$hl_minder" $hl_sleep
wait "$hl_minder"
hl_minder=
}
hl_unlock() { hl_unmind; exec 9>&-; hl_tag "$1" unlocked 0; }
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
