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

/// What stands before the path of a file that is no journal.
pub(super) const ODD: &str = "odd ";

/// The files that are read, the latest first: what is no file, or larger than all journals may be, could take forever. Others that look
/// like a journal are named.
const FILES: &str = r#"find . -maxdepth 1 -name '*.jsonl' ! \( -type f -size -65537 -name '[0-9]*T[0-9]*Z-*' \) | head -n 20 | while IFS= read -r r; do printf 'odd %s\n' "$PWD/${r#./}"; done
find . -maxdepth 1 -name '[0-9]*T[0-9]*Z-*.jsonl' -type f -size -65537 | sed 's/^[.].//; s/[.]jsonl$//' | sort -r | while read -r r; do
"#;

/// Sets the first line. One that was cut off in it is none.
const FIRST_LINE: &str = r#"l=; read -r l <"$r.jsonl" || continue
case $l in '{"run":"'*'"plan":"'*) ;; *) printf 'odd %s\n' "$PWD/$r.jsonl"; continue ;; esac
"#;

const PRINT: &str = r#"k=; [ ! -f "$r.key" ] || read -r k <"$r.key"; echo "journal $k"; cat -- "$r.jsonl"; echo
done"#;

/// Prints journals: for each a line `journal KEY`, and its lines. Between them are lines with [`ODD`].
pub fn probe(wanted: Wanted<'_>) -> Probe {
    let (before, after) = match wanted {
        Wanted::Last(runs) => (
            String::new(),
            format!("[ ${{n:-0}} -lt {runs} ] || break; n=$((${{n:-0}} + 1))\n"),
        ),
        Wanted::LastOfEach => (
            String::new(),
            "d=${l#*\\\"inventory\\\":}\n\
             for k in rollback_of plan; do d=${d%%,\\\"$k\\\":*}; done\n\
             case $seen in *\"<${d%%,\\\"filters\\\":*}>\"*|*\"<$d>\"*) continue ;; esac\n\
             seen=\"$seen<$d>\"\n"
                .to_owned(),
        ),
        Wanted::Run(run) => (
            format!("case $r in {}*) ;; *) continue ;; esac\n", quote(run)),
            String::new(),
        ),
    };
    Probe::new(
        "the journal",
        format!("{STATE}n= seen=\n{FILES}{before}{FIRST_LINE}{after}{PRINT}"),
    )
}
