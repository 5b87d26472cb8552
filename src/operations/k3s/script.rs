//! Shell text that restarts a node and waits until it is ready.

use std::fmt::Write as _;
use std::time::Duration;

use super::due::Due;
use super::wish::Wish;
use crate::facts::k3s::{DATA, DRAINED, PROGRAM};
use crate::quote::quote;

/// How long the database may take to be copied, and what is between the parts.
const MORE: Duration = Duration::from_secs(300);

/// How many lines of the log a failure shows.
const LOG_LINES: u32 = 20;

/// Where the database is copied to before this version uses it.
pub(super) fn snapshot(version: &str) -> String {
    format!("{DATA}/server/db-before-{version}")
}

/// How long all of it may take.
pub(super) fn limit(wish: &Wish<'_>, due: Due) -> Duration {
    let drain = wish.drain.filter(|_| due.drain).unwrap_or_default();
    wish.within + drain + MORE
}

/// What is due, in order.
pub(super) fn text(wish: &Wish<'_>, name: &str, due: Due) -> String {
    let mut text = format!(
        "u={unit} n={node} v={version} w={within} d={DATA}\n{COMMON}",
        unit = quote(wish.role.unit()),
        node = quote(name),
        version = quote(wish.version),
        within = wish.within.as_secs().max(1),
    );
    let functions = FUNCTIONS
        .replace("PROGRAM", PROGRAM)
        .replace("DRAINED", DRAINED)
        .replace("LOG_LINES", &LOG_LINES.to_string());
    text.push_str(&functions);
    if due.enable {
        text.push_str("systemctl enable --quiet -- $u || exit\n");
    }
    if due.drain {
        let limit = wish.drain.unwrap_or_default().as_secs().max(1);
        let _ = write!(text, "l={limit}\n{}", DRAIN.replace("DRAINED", DRAINED));
    }
    if due.restart {
        text.push_str("systemctl stop -- $u || fail \"$u does not stop\"\n");
        if due.snapshot {
            text.push_str(&COPY.replace("TARGET", &quote(&snapshot(wish.version))));
        }
        text.push_str("b=$(date +%s)\nsystemctl reset-failed -- $u 2>/dev/null\nsystemctl start --no-block -- $u || fail \"$u does not start\"\n");
    }
    if due.wait {
        text.push_str(WAIT);
    }
    if due.drain || due.uncordon {
        text.push_str("uncordon || fail \"pods may not come back to $n\"\n");
    }
    text.push_str("exit 0");
    text
}

/// `$b` is when it began.
const COMMON: &str = "b=$(date +%s)\n";

/// `k` asks the API server by the node's own credential. `fail` ends with why, with what the unit says.
const FUNCTIONS: &str = r#"k() { timeout 30 PROGRAM kubectl --kubeconfig=$d/agent/kubelet.kubeconfig --cache-dir=/dev/null/none --request-timeout=20s "$@"; }
uncordon() { k patch node "$n" --type=merge -p '{"spec":{"unschedulable":null},"metadata":{"annotations":{"DRAINED":null}}}' >/dev/null; }
fail() {
printf '%s\n' "$1"; printf '%s\n' "$u is $(systemctl show -p ActiveState --value -- $u) ($(systemctl show -p SubState --value -- $u))"
timeout 5 journalctl --sync; journalctl --quiet --no-pager --output=cat --since "@$b" --lines LOG_LINES --unit $u; exit 1
}
"#;

/// Pods of a `DaemonSet` stay, as do those that a kubelet makes by itself, and those that have ended. One that nothing makes again ends
/// it before any pod is moved. `$l` is the limit in seconds.
const DRAIN: &str = r#"k patch node "$n" --type=merge -p '{"spec":{"unschedulable":true},"metadata":{"annotations":{"DRAINED":"true"}}}' >/dev/null || fail "cannot keep new pods away from $n"
t=$(($(date +%s)+l)) y=
while :; do
o=$(k get pods --all-namespaces --field-selector "spec.nodeName=$n" -o go-template='{{range .items}}{{$s := false}}{{range .metadata.ownerReferences}}{{if eq .kind "DaemonSet" "Node"}}{{$s = true}}{{end}}{{end}}{{if or (eq .status.phase "Succeeded") (eq .status.phase "Failed")}}{{$s = true}}{{end}}{{if not $s}}pod {{.metadata.namespace}} {{.metadata.name}} {{if .metadata.deletionTimestamp}}ends{{else if .metadata.ownerReferences}}runs{{else}}alone{{end}}
{{end}}{{end}}' 2>&1) || { uncordon; fail "cannot read the pods of $n: $o"; }
o=$(printf '%s\n' "$o" | sed -n 's/^pod //p')
[ -n "$o" ] || break
a=$(printf '%s\n' "$o" | awk '$3 == "alone" { print $1 "/" $2 }')
if [ -n "$a" ]; then
uncordon
printf 'nothing makes these pods of %s again, so they stay:\n%s\n' "$n" "$a"
echo "nothing was restarted; delete them, give them a Deployment, or leave out drain"; exit 1
fi
y=$(printf '%s\n' "$o" | while read -r s p r; do
[ "$r" = runs ] || continue
printf '{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"namespace":"%s","name":"%s"}}' "$s" "$p" | k create --raw "/api/v1/namespaces/$s/pods/$p/eviction" -f - 2>&1 >/dev/null | sed "s|^|$s/$p: |"
done)
if [ "$(date +%s)" -ge $t ]; then
uncordon
printf 'pods did not leave %s within %s s:\n%s\n' "$n" "$l" "$(printf '%s\n' "$o" | awk '{ print $1 "/" $2 }')"
[ -z "$y" ] || printf '%s\n' "$y"
echo "nothing was restarted, and pods may come to the node again"; exit 1
fi
sleep 1
done
"#;

/// While nothing writes to it. The one before the last stays too.
const COPY: &str = r#"for w in $(ls -1dt $d/server/db-before-* 2>/dev/null | tail -n +2); do rm -rf -- "$w"; done
rm -rf -- TARGET $d/server/db-copy && cp -a -- $d/server/db $d/server/db-copy && mv -- $d/server/db-copy TARGET || { systemctl start --no-block -- $u; fail "cannot copy the database to "TARGET; }
"#;

/// A node goes on saying that it is ready for a while after its end: only what it said since the start counts.
const WAIT: &str = r#"e=$(($(date +%s)+w)) o=
while :; do
case $(systemctl show -p ActiveState --value -- $u) in
active)
o=$(k get node "$n" -o go-template='{{.status.nodeInfo.kubeletVersion}}{{range .status.conditions}}{{if eq .type "Ready"}} {{.status}} {{.lastHeartbeatTime}} {{.reason}}: {{.message}}{{end}}{{end}}' 2>&1) && {
set -f; set -- $o; set +f
[ "$1 $2" = "$v True" ] && [ "$(date -d "$3" +%s)" -ge "$(date -d "$(TZ=UTC systemctl show -p ExecMainStartTimestamp --value -- $u)" +%s)" ] && break
} ;;
failed) fail "$u failed" ;;
esac
[ "$(systemctl show -p NRestarts --value -- $u)" -lt 3 ] || fail "$u ends right after each start"
[ "$(date +%s)" -lt $e ] || { [ -z "$o" ] || printf '%s\n' "$o"; fail "node $n is not ready within $w s"; }
sleep 0.5
done
"#;
