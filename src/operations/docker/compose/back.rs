//! The shell text that takes back what a failed change of a project left: files, directories, networks, services.
//!
//! Other users may change the directories that the files are in, so nothing there is removed by a path that could lead elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::change::{PUT_BACK, PUT_BACK_PARTLY};
use crate::facts::compose::CLEAN;
use crate::quote::{quote, quote_all};

/// The files and directories of a project that a plan changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ChangedPaths {
    /// Whether there was one before, by path.
    pub(super) files: BTreeMap<String, bool>,
    /// Directories that the plan makes, those above first.
    pub(super) directories: BTreeSet<String>,
}

/// Functions for going back. `hl_gone PATH` removes a file that is new, `hl_empty PATH` an empty directory; `hl_stays WORDS` notes what is
/// not as before; `hl_put_back PATH` puts back a file that the run keeps: under its own path, or, where other users can change its
/// directory, with a script that looks who did.
const FUNCTIONS: &str = r#"stays=
hl_stays() { stays="$stays${stays:+, }$1"; }
hl_in() ( f=$1 d=${1%/*}; shift; d=${d:-/}; cd -P -- "$d" 2>/dev/null && [ "$(pwd -P)" = "$d" ] && "$@" -- "./${f##*/}" 2>/dev/null )
hl_gone() { [ ! -e "$1" ] || hl_in "$1" rm -f || hl_stays "$1"; }
hl_empty() { [ ! -e "$1" ] || hl_in "$1" rmdir || hl_stays "$1, which is not empty"; }
hl_kept() {
k=$r/tree$1; if [ -e "$k" ] || [ -L "$k" ]; then return; fi
for k in "$r"/[0-9]*; do
if [ "$(cat "$k/path" 2>/dev/null)" = "$1" ]; then case $(cat "$k/was") in kept|linked) return ;; esac; fi
done
return 1
}
hl_put_back() {
hl_kept "$1" || return
if [ -f "$k/back" ]; then sh "$k/back"; else rm -rf -- "$1.homelab-back" && cp -a --remove-destination -T -- "$k" "$1.homelab-back" && mv -f -T -- "$1.homelab-back" "$1"; fi || hl_stays "the new $1"
}
"#;

impl ChangedPaths {
    /// All of them, as far as they go back.
    pub(super) fn all(&self) -> Vec<String> {
        self.files.keys().chain(&self.directories).cloned().collect()
    }

    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.directories.is_empty()
    }

    /// Shell text that puts back files, those that the run keeps for a rollback. `$lost` says which were not kept: then nothing is done.
    pub(super) fn files_back(&self) -> String {
        let mut text = format!("{FUNCTIONS}lost=\n");
        let of = |was_there: bool| {
            let files = self.files.iter().filter(move |(_, before)| **before == was_there);
            quote_all(files.map(|(path, _)| path.as_str()))
        };
        let (old, new) = (of(true), of(false));
        if !old.is_empty() {
            let _ = write!(
                text,
                "r=/var/lib/homelab/previous; r=$r/$(ls -1 \"$r\" 2>/dev/null | tail -n 1)\n\
                 for f in {old}; do hl_kept \"$f\" || lost=\"$lost $f\"; done\n\
                 if [ -n \"$lost\" ]; then echo \"did not go back, since these files were not kept:$lost\"; else\n\
                 for f in {old}; do hl_put_back \"$f\"; done\n"
            );
        }
        if !new.is_empty() {
            let _ = writeln!(text, "for f in {new}; do hl_gone \"$f\"; done");
        }
        if !old.is_empty() {
            text.push_str("fi\n");
        }
        text
    }

    /// Shell text that removes the directories that are new, once nothing needs them any more.
    pub(super) fn directories_back(&self) -> String {
        let deepest_first = quote_all(self.directories.iter().rev().map(String::as_str));
        if deepest_first.is_empty() {
            return String::new();
        }
        format!("for f in {deepest_first}; do hl_empty \"$f\"; done\n")
    }

    /// `command`, after which files are as before if it fails.
    pub(super) fn back_after(&self, command: &str) -> String {
        if self.is_empty() {
            return format!("{CLEAN}{command}");
        }
        format!(
            "{CLEAN}{command} && exit\ncode=$?\n{}if [ -z \"$lost\" ]; then\n{}{}fi\nexit $code",
            self.files_back(),
            self.directories_back(),
            ended("the files are as before"),
        )
    }
}

/// Shell text that says how going back ended, and sets the exit code.
pub(super) fn ended(as_before: &str) -> String {
    format!(
        "if [ -z \"$stays\" ]; then code={PUT_BACK}; echo {}; else code={PUT_BACK_PARTLY}; echo \"went back, but these stay: $stays\"; fi\n",
        quote(&format!("went back: {as_before}")),
    )
}
