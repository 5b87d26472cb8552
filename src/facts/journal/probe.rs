//! Shell text that prints journals.

use crate::facts::Probe;
use crate::quote::quote;

/// The journals to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// Those of the last runs, the latest first, each with the key of its digests. One that was cut off in its first line is none.
    Last(u32),
    /// The last one of each deploy, the latest first, in the same form.
    LastOfEach,
    /// The same of the runs with this name, or the beginning of it.
    Run(&'a str),
}

/// Where homelab keeps its state as the user that the shell runs as: `$state`.
const STATE: &str = r#"if [ "$(id -u)" = 0 ]; then state=/var/lib/homelab
else case ${XDG_STATE_HOME-} in /*) state=$XDG_STATE_HOME/homelab ;; *) state=$HOME/.local/state/homelab ;; esac; fi
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
             for k in filters rollback_of plan; do d=${{d%%,\\\"$k\\\":*}}; done\n\
             case $seen in *\"<$d>\"*) continue ;; esac\n\
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
