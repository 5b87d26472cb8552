//! The step that moves a path.

use serde::{Deserialize, Serialize};

use super::kind::{Claim, Script, ScriptOptions, StepKind};
use super::remove::is_gone;
use crate::facts::path::{MountPoints, for_each_mount};
use crate::quote::quote;

/// Moves what is at a path to another one, where nothing is. It is not used where other users could change either of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MovePath {
    pub from: String,
    pub path: String,
    pub owner: String,
    pub group: String,
}

const MOUNTED: &str =
    "printf '%s\\n' \"something is mounted at $p, and it would have to be copied to another file system\"; exit 1";

impl StepKind for MovePath {
    fn attempt(&self) -> String {
        format!("move `{}` to `{}`", self.from, self.path)
    }

    /// With `-n`, what came there meanwhile stays; then the proof fails.
    ///
    /// To another file system it is copied beside its new place, so that no part of it is seen there, and what is mounted there is
    /// not taken for its own.
    fn script(&self, options: &ScriptOptions<'_>) -> Script {
        Script::of(format!(
            "from={from} to={to}\n\
             if [ \"$(stat -c %d -- \"$from\")\" = \"$(stat -L -c %d -- \"${{to%/*}}/\")\" ]; then mv -n -T -- \"$from\" \"$to\"; exit; fi\n\
             {refused}\n\
             new=${{to%/*}}/.homelab-{random:016x} old=${{from%/*}}/.homelab-{random:016x}\n\
             trap 'rm -rf -- \"$new\"' EXIT; trap 'exit 1' HUP INT TERM PIPE\n\
             cp -a -T -- \"$from\" \"$new\" || exit\n\
             mv -n -T -- \"$new\" \"$to\" && [ ! -e \"$new\" ] && [ ! -L \"$new\" ] || exit\n\
             mv -n -T -- \"$from\" \"$old\" && rm -rf -- \"$old\"",
            from = quote(&self.from),
            to = quote(&self.path),
            refused = for_each_mount(&self.from, MountPoints::AtOrBelow, MOUNTED),
            random = options.random,
        ))
    }

    fn proof(&self) -> Option<String> {
        let path = quote(&self.path);
        Some(format!(
            "{} && {{ [ -e {path} ] || [ -L {path} ]; }}",
            is_gone(&self.from)
        ))
    }

    fn path(&self) -> Option<&str> {
        Some(&self.path)
    }

    fn claims(&self) -> Vec<Claim<'_>> {
        vec![
            Claim::Place {
                path: &self.path,
                owner: &self.owner,
                group: &self.group,
                size: 0,
                copies: None,
            },
            Claim::Remove { path: &self.from },
        ]
    }
}
