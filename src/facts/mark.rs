//! The marks of runs that are not done yet: each run has one from its first change until it converges. The first line is the run's name.
//!
//! Every run reads the names of marks, and no journal: a run that finds nothing to do makes up for an earlier one by that.

use crate::quote::quote;
use crate::secret::sha256_hex;

/// The folder of marks, below homelab's own. The system's facts read what begins like this.
pub const MARKS: &str = "open";
/// How much of a digest is enough for a name, in hexadecimal digits.
const DIGITS: usize = 12;
/// What stands for no part of a deploy, but all of it.
const WHOLE: &str = "whole";

/// What a run is of: a deploy, or a part of it. Of each, the host has at most one mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    deploy: String,
    part: String,
}

/// The options among `filters` that make a run less than the whole deploy on a host, or another one. Which other hosts it has does not
/// matter.
pub fn part(filters: &[String]) -> Vec<&str> {
    let is_of_hosts = |filter: &&str| *filter == "--only-failed" || filter.starts_with("--limit ");
    let filters = filters.iter().map(String::as_str);
    filters.filter(|filter| !is_of_hosts(filter)).collect()
}

impl Mark {
    /// That of a run of `deploy` with `filters`.
    pub fn new(inventory: &str, deploy: &str, filters: &[String]) -> Self {
        let digest = |text: &str| sha256_hex(text.as_bytes())[..DIGITS].to_owned();
        let part = part(filters);
        Self {
            deploy: digest(&format!("{inventory}\n{deploy}")),
            part: if part.is_empty() {
                WHOLE.to_owned()
            } else {
                digest(&part.join("\n"))
            },
        }
    }

    /// Its path below `state_folder`.
    pub fn path(&self, state_folder: &str) -> String {
        format!("{state_folder}/{MARKS}/{}-{}", self.deploy, self.part)
    }

    /// Whether a run of this converges only if one with the mark at `path` has nothing left to do.
    pub fn makes_up_for(&self, state_folder: &str, path: &str) -> bool {
        let of_deploy = format!("{state_folder}/{MARKS}/{}-", self.deploy);
        path == self.path(state_folder) || (self.part == WHOLE && path.starts_with(&of_deploy))
    }

    /// The words of a shell for the marks that a run of this makes up for.
    fn words(&self, state_folder: &str) -> String {
        if self.part == WHOLE {
            format!("{}*", quote(&format!("{state_folder}/{MARKS}/{}-", self.deploy)))
        } else {
            quote(&self.path(state_folder))
        }
    }

    /// Shell text that sets the mark of `run`, in place of those that it makes up for. The folder is there.
    pub fn set(&self, state_folder: &str, run: &str) -> String {
        format!(
            "set -- {}\n[ ! -e \"$1\" ] || rm -rf -- \"$@\"\nprintf '%s\\n' {} >{} || exit\n",
            self.words(state_folder),
            quote(run),
            quote(&self.path(state_folder))
        )
    }

    /// Shell text that notes `line` in those of the `journals`, a folder, that are of the runs that it makes up for, and removes their marks.
    pub fn settle(&self, state_folder: &str, journals: &str, line: &str) -> String {
        format!(
            "for f in {}; do\n\
             [ -f \"$f\" ] || {{ rm -rf -- \"$f\"; continue; }}\n\
             r=; read -r r <\"$f\"\n\
             case $r in *[!0-9A-Za-z-]*) r= ;; esac\n\
             r={}/$r.jsonl\n\
             [ ! -f \"$r\" ] || printf '\\n%s\\n' {} >>\"$r\" || exit\n\
             rm -f -- \"$f\" || exit\n\
             done",
            self.words(state_folder),
            quote(journals),
            quote(line)
        )
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    fn of(filters: &[&str]) -> Mark {
        let filters: Vec<String> = filters.iter().map(|one| (*one).to_owned()).collect();
        Mark::new("dev", "site", &filters)
    }

    fn sh(text: &str) {
        let ran = Command::new("sh").args(["-c", text]).output().expect("sh runs");
        assert!(ran.status.success() && ran.stderr.is_empty(), "{text}: {ran:?}");
    }

    fn marks(state: &Path) -> usize {
        std::fs::read_dir(state.join(MARKS)).expect("there").count()
    }

    #[test]
    fn a_whole_run_makes_up_for_each_part_and_a_part_for_itself() {
        let whole = of(&["--limit a", "--only-failed"]);
        for (now, earlier, expected) in [
            (&whole, of(&[]), true),
            (&whole, of(&["--only x"]), true),
            (&of(&["--only x"]), of(&["--limit b", "--only x"]), true),
            (&of(&["--only x"]), of(&[]), false),
            (&of(&["--only x"]), of(&["--only y"]), false),
            (&whole, Mark::new("dev", "all", &[]), false),
            (&whole, Mark::new("prod", "site", &[]), false),
        ] {
            let path = earlier.path("/s");
            assert_eq!(now.makes_up_for("/s", &path), expected, "{now:?} {earlier:?}");
            assert!(!now.makes_up_for("/home/a/s", &path), "of another folder");
        }
    }

    #[test]
    fn a_run_that_makes_up_for_others_notes_that_in_their_journals() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().join("a b");
        let at = state.to_str().expect("text");
        let journals = &format!("{at}/journal");
        for made in ["journal", MARKS] {
            std::fs::create_dir_all(state.join(made)).expect("made");
        }
        let journal = |run: &str| state.join("journal").join(format!("{run}.jsonl"));
        for run in ["1-a", "2-b", "3-c"] {
            std::fs::write(journal(run), "torn").expect("written");
        }
        sh(&of(&["--only x"]).set(at, "1-a"));
        sh(&of(&[]).set(at, "2-b"));
        assert_eq!(marks(&state), 1, "the whole run is about all that the part was about");
        sh(&of(&["--only x"]).set(at, "3-c"));
        assert_eq!(marks(&state), 2);
        sh(&of(&["--only y"]).settle(at, journals, "no"));
        assert_eq!(marks(&state), 2);
        // A mark that homelab did not write.
        std::fs::write(of(&["--only z"]).path(at), "../../x\n").expect("written");
        std::fs::create_dir(of(&["--only y"]).path(at)).expect("made");
        sh(&of(&[]).settle(at, journals, "{\"x\":'1'}"));
        assert_eq!(marks(&state), 0);
        let read = |run| std::fs::read_to_string(journal(run)).expect("there");
        assert_eq!(read("1-a"), "torn");
        assert_eq!(read("2-b"), "torn\n{\"x\":'1'}\n");
        assert_eq!(read("3-c"), "torn\n{\"x\":'1'}\n");
        assert_eq!(std::fs::read_dir(state.join("journal")).expect("there").count(), 3);
    }
}
