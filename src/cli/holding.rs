//! Holds a run to a saved plan: hosts that are not as they were are left alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use homelab::apply::{HostEnd, HostResult, not_as_saved};
use homelab::change::Outcome;
use homelab::error::Diagnostic;
use homelab::plan::HostPlan;
use homelab::report::{self, TextOptions};
use homelab::rounds::ReadHost;
use homelab::saved::{SavedPlan, Standing, standing, to_be_shown};
use homelab::secret::DigestKey;

use super::output::{eprint, eprint_line};
use super::reading;

/// What to do about a host that is not as it was.
const PLAN_AGAIN: &str = "save a new plan and review it; `--continue` applies this one to the other hosts";
/// The same if nothing but that some cannot be reached keeps the others from going on.
const TRY_AGAIN: &str = "try again when it can be read; `--continue` applies the plan to the other hosts";

/// A saved plan that is applied.
pub(super) struct Holding<'a> {
    pub(super) saved: &'a SavedPlan,
    pub(super) digests: Arc<DigestKey>,
    /// Hosts that are not even read: their keys are others, or they could not be reached.
    pub(super) refused: Vec<HostResult>,
    pub(super) continues: bool,
    /// Whether operations that are planned in their turn are run.
    pub(super) allows_deferred: bool,
    pub(super) file: String,
}

/// Hosts that go on, and the results of those that do not.
type Held = (Vec<ReadHost>, Vec<HostResult>);

impl Holding<'_> {
    /// Leaves out the hosts that are not as they were. `is_begun`: hosts were changed before, and these are looked at again.
    ///
    /// Errors: the results of hosts that cannot go on, if no host may.
    pub(super) async fn hold(
        &self,
        read: Vec<ReadHost>,
        mut unread: Vec<HostResult>,
        (options, is_begun): (&TextOptions, bool),
    ) -> anyhow::Result<Result<Held, Vec<HostResult>>> {
        for refused in &self.refused {
            if unread.iter().all(|result| result.host != refused.host) {
                unread.push(refused.clone());
            }
        }
        let mut held = Vec::new();
        for mut host in read {
            match self.refusal(&mut host, options)? {
                None => held.push(host),
                Some(refused) => {
                    host.connection.close().await;
                    unread.push(refused);
                }
            }
        }
        if unread.is_empty() || self.continues || is_begun {
            if let Some(mistake) = self.not_allowed(&held) {
                reading::close(held).await;
                return Err(mistake.into());
            }
            return Ok(Ok((held, unread)));
        }
        reading::close(held).await;
        let mut ends: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for result in &unread {
            let word = match result.end {
                HostEnd::Stale => "not as they were when the plan was saved",
                _ => "not read",
            };
            ends.entry(word).or_default().push(&result.host);
        }
        let ends: Vec<String> = ends
            .iter()
            .map(|(word, hosts)| format!("{} ({word})", hosts.join(", ")))
            .collect();
        eprint_line(format_args!("nothing was changed on any host: {}", ends.join("; ")));
        let has_moved = unread.iter().any(|result| result.end == HostEnd::Stale);
        let versions = (self.saved.meta.version.as_str(), env!("CARGO_PKG_VERSION"));
        if has_moved && versions.0 != versions.1 {
            eprint_line(format_args!(
                "the plan was saved by homelab {}, and this is {}, which may plan in another way",
                versions.0, versions.1
            ));
        }
        let hint = if has_moved { PLAN_AGAIN } else { TRY_AGAIN };
        eprint_line(format_args!("hint: {hint}"));
        Ok(Err(unread))
    }

    /// What the hosts that go on have left of the plan, and was not asked for.
    fn not_allowed(&self, held: &[ReadHost]) -> Option<Diagnostic> {
        let names = deferred(held.iter().flat_map(|host| &host.build.plan.hosts));
        if names.is_empty() || self.allows_deferred {
            return None;
        }
        let title = format!("`{}` has operations that are planned only in their turn", self.file);
        let mistake = names.iter().fold(Diagnostic::new(title), Diagnostic::because);
        Some(mistake.hint("`--allow-deferred` applies them too: what they may change is in the plan, marked `?`"))
    }

    /// The result of a host that is not as it was. Of one on which all is done already, nothing is left in its plan.
    fn refusal(&self, host: &mut ReadHost, options: &TextOptions) -> anyhow::Result<Option<HostResult>> {
        let shown = to_be_shown(&host.build.plan, &self.digests)?;
        let Some(plan) = host.build.plan.hosts.first_mut() else {
            return Ok(None);
        };
        let name = plan.host.clone();
        let record = self.saved.meta.hosts.iter().find(|record| record.host == name);
        let (Some(record), Some(old), Some(new)) = (record, self.saved.plan.host(&name), shown.host(&name)) else {
            return Ok(Some(not_as_saved(&name, "the host is not in the plan", PLAN_AGAIN)));
        };
        match standing((record, old), (&*plan, new), &self.digests) {
            Standing::Same => Ok(None),
            Standing::Applied => {
                eprint_line(format_args!("{name}: the plan is applied already"));
                plan.operations
                    .retain(|operation| operation.outcome == Outcome::Unchanged);
                Ok(None)
            }
            Standing::Moved(moves) => {
                eprint(&report::moved(&name, &moves, options));
                let slugs: Vec<String> = moves.iter().map(|one| format!("`{}` {}", one.slug, one.why)).collect();
                Ok(Some(not_as_saved(&name, &slugs.join("; "), PLAN_AGAIN)))
            }
        }
    }
}

/// The names of the operations that are planned only when their turn comes, each with its host.
fn deferred<'p>(hosts: impl Iterator<Item = &'p HostPlan>) -> Vec<String> {
    let mut names = Vec::new();
    for host in hosts {
        for operation in host.operations.iter().filter(|operation| !operation.is_covered()) {
            if let Outcome::Deferred { .. } = operation.outcome {
                names.push(format!("{}: `{}`", host.host, operation.id.slug()));
            }
        }
    }
    names
}
