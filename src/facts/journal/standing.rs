//! Which runs of a host say how it stands: those that no later run has done again.

use super::{Run, RunRecord};
use crate::facts::mark::part;

impl RunRecord {
    /// Whether it did all that `earlier` had to do, so that how that one ended does not matter any more. A whole run of the deploy
    /// does; one of a part, of other data or of what is owed does only for the same.
    fn supersedes(&self, earlier: &Self) -> bool {
        let own = part(&self.filters);
        (&self.inventory, &self.deploy) == (&earlier.inventory, &earlier.deploy)
            && (own.is_empty() || own == part(&earlier.filters))
    }
}

/// The runs whose end still counts, in the order of `runs`, which begins with the latest one. A run that changed nothing is in no
/// journal: those that it made up for say so themselves.
pub fn standing<'r>(runs: impl IntoIterator<Item = &'r Run>) -> Vec<&'r Run> {
    let mut standing: Vec<&Run> = Vec::new();
    for run in runs {
        if !standing.iter().any(|later| later.record.supersedes(&run.record)) {
            standing.push(run);
        }
    }
    standing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::journal::parse;

    /// The runs of `history`, the latest first: each has a deploy, filters and its end.
    fn unfinished(history: &[(&str, &[&str], &str)]) -> Vec<usize> {
        let journals: Vec<String> = history
            .iter()
            .enumerate()
            .map(|(number, (deploy, filters, end))| {
                format!(
                    "journal \n{{\"run\":\"{number}\",\"at\":\"\",\"who\":\"\",\"inventory\":\"dev\",\"deploy\":\"{deploy}\",\"filters\":{},\"plan\":\"\",\"version\":\"\"}}\n{{\"ended\":\"{end}\"}}\n",
                    serde_json::to_string(filters).expect("JSON")
                )
            })
            .collect();
        let runs: Vec<Run> = parse(&journals.concat()).into_iter().map(|(run, _)| run).collect();
        let bad = standing(&runs).into_iter().filter(|run| run.is_unfinished());
        bad.map(|run| run.record.run.parse().expect("a number")).collect()
    }

    #[test]
    fn a_failure_counts_until_a_run_has_done_the_same_again() {
        const GOOD: &str = "converged";
        const BAD: &str = "failed";
        const ALL: &[&str] = &[];
        for (history, expected) in [
            // A whole run supersedes all of its deploy, whichever hosts it had besides.
            (&[("site", ALL, GOOD), ("site", ALL, BAD)][..], &[][..]),
            (&[("site", &["--limit a"], GOOD), ("site", ALL, BAD)], &[]),
            (&[("site", &["--only-failed"], GOOD), ("site", ALL, BAD)], &[]),
            (
                &[
                    ("site", &["--limit a", "--only-failed"], GOOD),
                    ("site", &["--limit b"], BAD),
                ],
                &[],
            ),
            (&[("site", ALL, GOOD), ("site", &["--only x"], BAD)], &[]),
            (&[("site", ALL, GOOD), ("site", &["--owed"], BAD)], &[]),
            (&[("site", ALL, GOOD), ("site", &["--data a=\u{2026}"], BAD)], &[]),
            // A part of it supersedes the same part.
            (&[("site", &["--owed"], GOOD), ("site", ALL, BAD)], &[1]),
            (&[("site", &["--only x"], GOOD), ("site", ALL, BAD)], &[1]),
            (&[("site", &["--tags x"], GOOD), ("site", ALL, BAD)], &[1]),
            (&[("site", &["--data a=\u{2026}"], GOOD), ("site", ALL, BAD)], &[1]),
            (&[("site", &["--only x"], GOOD), ("site", &["--only x"], BAD)], &[]),
            (
                &[("site", &["--limit a", "--only x"], GOOD), ("site", &["--only x"], BAD)],
                &[],
            ),
            (&[("site", &["--only x"], GOOD), ("site", &["--only y"], BAD)], &[1]),
            (
                &[("site", &["--only x"], GOOD), ("site", &["--only x", "--tags t"], BAD)],
                &[1],
            ),
            (
                &[("site", &["--only-failed", "--owed"], GOOD), ("site", &["--owed"], BAD)],
                &[],
            ),
            // Each failure counts for itself, until something is about it.
            (&[("site", &["--owed"], BAD), ("site", ALL, BAD)], &[0, 1]),
            (
                &[("site", ALL, BAD), ("site", &["--owed"], BAD), ("site", ALL, GOOD)],
                &[0],
            ),
            (
                &[
                    ("site", &["--only x"], GOOD),
                    ("site", &["--only y"], BAD),
                    ("site", &["--only x"], BAD),
                ],
                &[1],
            ),
            (
                &[("site", &["--owed"], GOOD), ("site", ALL, GOOD), ("site", ALL, BAD)],
                &[],
            ),
            // Another deploy is another one.
            (&[("all", ALL, GOOD), ("site", ALL, BAD)], &[1]),
            (&[("rollback", ALL, GOOD), ("site", ALL, BAD)], &[1]),
        ] {
            assert_eq!(unfinished(history), expected, "{history:?}");
        }
    }
}
