//! The scripts that run on the host.

/// What every script of a guard begins with.
pub(super) const BEGIN: &str = "umask 077
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
";

/// Shell functions about units: `record` keeps the state of one, unless it was kept before.
pub(super) const UNITS: &str = r#"state() { systemctl show -p Id,ActiveState,UnitFileState,InvocationID,StateChangeTimestampMonotonic -- "$1" 2>/dev/null </dev/null; }
value() { printf '%s\n' "$1" | sed -n "s/^$2=//p"; }
record() {
s=$(state "$1") || return 0
i=$(value "$s" Id)
[ -z "$i" ] || [ -e "$g/units/$i" ] || printf '%s\n' "$s" >"$g/units/$i"
}
"#;

/// Keeps the rules of the firewall that are in force, also that there are none. Counters do not belong to them.
pub(super) const RULES: &str = r#"if [ ! -e "$g/rules" ]; then
nft -s list ruleset >"$g/nft" 2>/dev/null </dev/null || rm -f -- "$g/nft"
for c in iptables ip6tables; do
! s=$($c-save 2>/dev/null </dev/null) || printf '%s\n' "$s" | sed '/^#/d; s/\[[0-9]*:[0-9]*\]/[0:0]/' >"$g/$c"
done
: >"$g/rules"
fi
"#;

/// Puts back the rules of the firewall. `nft` cannot read all that `iptables` writes (`xt match`): such tables are left to
/// `iptables`. A table that is new becomes empty.
pub(super) const RULES_BACK: &str = r#"if [ -f "$g/nft" ] && [ "$(nft -s list ruleset)" != "$(cat -- "$g/nft")" ]; then
if { echo 'flush ruleset'; awk '/^table /{t=x=""}{t=t $0 "\n"}/xt (match|target) /{x=1}/^}/{if(!x)printf "%s",t}' "$g/nft"; } | nft -f -
then say 'put back the rules of nft'; else wrong 'could not put back the rules of nft'; fi
fi
for c in iptables ip6tables; do
[ -f "$g/$c" ] || continue
s=$($c-save | sed '/^#/d; s/\[[0-9]*:[0-9]*\]/[0:0]/')
[ "$s" != "$(cat -- "$g/$c")" ] || continue
new=$(for t in $(printf '%s\n' "$s" | sed -n 's/^\*//p'); do
grep -q -x "[*]$t" "$g/$c" || printf '%s\n' "$s" | sed -n "/^[*]$t\$/p; /^[*]$t\$/,/^COMMIT/s/^:\([A-Z]*\) [A-Z]* .*/:\1 ACCEPT [0:0]/p; /^[*]$t\$/,/^COMMIT/{/^COMMIT/p}"
done)
if printf '%s\n' "$(cat -- "$g/$c")" "$new" | $c-restore; then say "put back the rules of $c"; else wrong "could not put back the rules of $c"; fi
done
"#;

/// Exits with 1 unless all that was kept is as it was, and no guarded command has begun.
pub(super) const UNCHANGED: &str = r#"[ -d "$g" ] && [ -z "$(ls "$g/commands")" ] || exit 1
for f in "$g"/units/*; do
[ ! -f "$f" ] || [ "$(state "${f##*/}")" = "$(cat -- "$f")" ] || exit 1
done
shown() { stat -c '%u:%g 0%a %F' -- "$1"; }
same() {
[ "$(shown "$1")" = "$(shown "$2")" ] || return
if [ -L "$1" ]; then [ "$(readlink -- "$1")" = "$(readlink -- "$2")" ]
else [ -f "$1" ] && cmp -s -- "$1" "$2"; fi
}
while IFS= read -r e; do
p=$(cat -- "$e/path")
case $(cat -- "$e/was") in
absent) [ ! -e "$p" ] && [ ! -L "$p" ] ;;
kept) same "$e/old" "$p" ;;
value) cmp -s -- "$e/old" "$p" ;;
linked) [ "$e/old" -ef "$p" ] && [ ! -L "$p" ] ;;
attributes) [ "$(stat -c '%u:%g 0%a' -- "$p")" = "$(cat -- "$e/old")" ] ;;
*) false ;;
esac || exit 1
done <"$g/entries"
"#;

/// Ends the shell `$s` if it holds the lock: after a moment by force, since `dash` looks at no trap while it reads. A file that it was
/// being sent goes with it.
pub(super) const END_SHELL: &str = r#"case $(readlink "/proc/$s/fd/9") in */homelab.lock|*/lock)
kill "$s"
n=0
while [ -e "/proc/$s/fd/9" ] && [ $n -lt 10 ]; do n=$((n + 1)); sleep 0.1; done
o=$(readlink "/proc/$s/fd/8")
kill -KILL "$s"
case $o in */.homelab-*) rm -f -- "$o" ;; esac ;;
esac 2>/dev/null
"#;

/// Waits for its time, which steps put off, and goes back. It ends by itself when the guard is confirmed.
///
/// If the shell that armed it has ended, so has the run: nothing is changed or read any more, and `$w`, the time for a new connection,
/// counts from then on, however long it was put off.
pub(super) const WATCH: &str = r#"echo $$ >"$g/pid"
s= last=
read -r s <"$g/shell"
while [ -e "$g/armed" ]; do
until=
read -r until <"$g/until"
read -r up _ </proc/uptime
up=${up%%.*}
[ -n "$last" ] || [ -e "/proc/$s" ] || last=$((up + w))
[ -z "$until" ] || [ "$up" -lt "$until" ] || exec sh "$g/back"
[ -z "$last" ] || [ "$up" -lt "$last" ] || exec sh "$g/back"
sleep 1
done
"#;

/// Goes back: files first, the latest first, then commands, then units and the rules of the firewall, which commands may change.
/// What commands wrote when they ran again goes back once more: `ufw enable` loads its files, and writes that it is enabled.
///
/// With `boot`, before the services of a boot start: files, and what was enabled or disabled. The boot starts the rest, and loads
/// the rules. Then, with `booted`, the commands.
pub(super) const BACK: &str = r#"case ${1-} in
boot)
[ -e "$g/armed" ] || exit 0
mkdir -- "$g/decided" 2>/dev/null
: >"$g/output" ;;
booted) ;;
# One that was killed on the way goes on.
*) ln -s -T back "$g/decided" 2>/dev/null || [ "$(readlink -- "$g/decided")" = back ] || exit 0 ;;
esac
exec >>"$g/output" 2>/dev/null </dev/null
end=0
say() { printf '%s\n' "$*"; }
wrong() { say "$@"; end=1; }
n='
'
IFS=$n
files() {
network=
for e in $(sort -r -u -- "$g/entries"); do
p=$(cat -- "$e/path") w=$(cat -- "$e/was")
if o=$(sh "$e/back" 2>&1); then say "put back $p"; else wrong "could not put back $p: $o"; fi
case $w in absent|kept|value) printf '%s\n' "$w" >"$e/again" ;; esac
case $p in /etc/netplan|/etc/netplan/*) network=1 ;; esac
done
[ -n "$network" ] && command -v netplan >/dev/null || return 0
if netplan "$1"; then say "netplan $1"; else wrong "could not run netplan $1"; fi
}
commands() {
for f in "$g"/commands/*; do
[ -f "$f" ] || continue
c=$(sed -n '1s/^# //p' "$f")
if o=$(sh "$f" 2>&1); then say "ran again: $c"; else wrong "could not run again: $c: $o"; fi
again=1
done
[ -n "${again-}" ] || return 0
for e in $(sort -r -u -- "$g/entries"); do
[ -f "$e/again" ] && cp -- "$e/again" "$e/was" && { o=$(sh "$e/back" 2>&1) || wrong "could not put back $(cat -- "$e/path") again: $o"; }
done
}
units() {
for f in "$g"/units/*; do
[ -f "$f" ] || continue
u=${f##*/} old=$(cat -- "$f") new=$(state "${f##*/}")
was=$(value "$old" UnitFileState) is=$(value "$new" UnitFileState)
if [ "$was" != "$is" ]; then
case $is in masked*) systemctl unmask -- "$u" ;; esac
case $was in
enabled) systemctl enable -- "$u" && say "enabled $u" ;;
disabled) systemctl disable -- "$u" && say "disabled $u" ;;
masked) systemctl mask -- "$u" && say "masked $u" ;;
esac
fi
case $1 in boot)
[ "$was" != "$is" ] || continue
case $(value "$old" ActiveState) in
active|reloading|activating) systemctl start --no-block -- "$u" ;;
*) systemctl stop --no-block -- "$u" ;;
esac
continue ;;
esac
[ "$(value "$old" InvocationID) $(value "$old" StateChangeTimestampMonotonic)" != "$(value "$new" InvocationID) $(value "$new" StateChangeTimestampMonotonic)" ] || continue
case $(value "$old" ActiveState) in
active|reloading|activating)
systemctl reset-failed -- "$u"
if systemctl restart -- "$u"; then say "restarted $u"; else wrong "could not restart $u"; fi ;;
*) case $(value "$new" ActiveState) in
active|reloading|activating) systemctl stop -- "$u" && say "stopped $u"
[ "$(value "$(systemctl show -p LoadState -- "$u")" LoadState)" != not-found ] || systemctl reset-failed -- "$u" ;;
esac ;;
esac
done
}
# homelab may not be there any more to do it. The last line may be torn.
noted() {
[ $end = 0 ] && [ -f "$g/changes" ] || return 0
sort -u -- "$g/changes" | while IFS=' ' read -r c j; do
[ ! -f "$j" ] || printf '\n{"put_back":%s}\n' "$c" >>"$j"
done
rm -f -- "$g/changes"
}
ended() {
noted
echo $end >"$g/end" && mv -f -- "$g/end" "$g/status"
rm -f -- "$g/armed"
}
case ${1-} in
boot)
files generate
units boot
[ -n "$(ls "$g/commands")" ] || say 'when the host booted'
[ $end = 0 ] || echo $end >"$g/bad"
[ -n "$(ls "$g/commands")" ] || ended
exec systemd-run --no-block --quiet --collect --property=After=network.target --unit="homelab-guard-${g##*/}" sh "$g/back" booted ;;
booted)
echo $$ >"$g/pid"
[ ! -e "$g/bad" ] || end=1
[ -z "$(ls "$g/commands")" ] || { commands; say 'when the host booted'; } ;;
*)
files apply
[ ! -d /run/systemd/system ] || systemctl daemon-reload
commands
units now
rules ;;
esac
unboot
ended
"#;
