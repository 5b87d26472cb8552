//! Shell text that prints journals.

use crate::facts::Probe;
use crate::quote::quote;

/// The journals to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// Those of the last runs, the latest first, each with the key of its digests. One that was cut off in its first line is none.
    Last(u32),
    /// Those whose end may still count ([`standing`](super::standing)), the latest first, in the same form: the last one of each
    /// deploy, and of each part of it since the last whole run.
    LastOfEach,
    /// The same of the runs with this name, or the beginning of it.
    Run(&'a str),
}

/// What is printed first if the run that holds the lock has its connection: a login, or homelab itself on this machine, is above its
/// shell.
pub const CONNECTED: &str = "connected";

/// Where homelab keeps its state as the user that the shell runs as: `$state`.
const STATE: &str = r#"if [ "$(id -u)" = 0 ]; then state=/var/lib/homelab lock=/run/homelab.lock
else case ${XDG_STATE_HOME-} in /*) state=$XDG_STATE_HOME/homelab ;; *) state=$HOME/.local/state/homelab ;; esac; lock=$state/lock; fi
k=$(sed -n 3p "$lock" 2>/dev/null)
[ ! "/proc/${k:-0}/fd/9" -ef "$lock" ] || while [ "${k:-0}" -gt 1 ]; do
read -r c <"/proc/$k/comm" || break
case $c in sshd*|dropbear|homelab) echo connected; break ;; esac
k=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$k/status")
done 2>/dev/null
cd -- "$state/journal" 2>/dev/null || exit 0
"#;

/// Prints journals: for each a line `journal KEY`, and its lines.
pub fn probe(wanted: Wanted<'_>) -> Probe {
    let text = match wanted {
        Wanted::Last(runs) => format!(
            "{STATE}ls -r | sed -n 's/[.]jsonl$//p' | while read -r r; do read -r l <\"$r.jsonl\" && echo \"$r\"; done | head -n {runs} | while read -r r; do k=; read -r k <\"$r.key\"; echo \"journal $k\"; cat -- \"$r.jsonl\"; echo; done"
        ),
        Wanted::LastOfEach => format!(
            "{STATE}seen=\nls -r | sed -n 's/[.]jsonl$//p' | while read -r r; do\n\
             l=; read -r l <\"$r.jsonl\"; d=${{l#*\\\"inventory\\\":}}; [ \"$d\" != \"$l\" ] || continue\n\
             for k in rollback_of plan; do d=${{d%%,\\\"$k\\\":*}}; done\n\
             case $seen in *\"<${{d%%,\\\"filters\\\":*}}>\"*|*\"<$d>\"*) continue ;; esac\n\
             seen=\"$seen<$d>\" k=; read -r k <\"$r.key\"; echo \"journal $k\"; cat -- \"$r.jsonl\"; echo\n\
             done"
        ),
        Wanted::Run(run) => format!(
            "{STATE}ls -r | sed -n 's/[.]jsonl$//p' | while read -r r; do case $r in {run}*)\n\
             k=; read -r k <\"$r.key\"; echo \"journal $k\"; cat -- \"$r.jsonl\"; echo ;;\n\
             esac; done",
            run = quote(run),
        ),
    };
    Probe::new("the journal", text)
}
