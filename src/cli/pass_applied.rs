//! The part of a pass that changes hosts.

use std::process::ExitCode;

use homelab::apply::{HostEnd, HostResult, exit_code};
use homelab::plan::Plan;
use homelab::project::Selection;
use homelab::report;
use homelab::report::review::Review;

use super::applying::Applying;
use super::deploying::Deploying;
use super::documents::Documents;
use super::earlier::Earlier;
use super::interruption::Interruption;
use super::output::print;
use super::pass::PassEnd;
use super::progress::Lines;
use super::reading::Hosts;

impl Deploying<'_> {
    /// Ends a run that changes nothing, because hosts are not as their saved plan says.
    pub(super) fn refuse(
        &self,
        run: &Selection,
        refused: &[HostResult],
        documents: &mut Documents,
    ) -> anyhow::Result<PassEnd> {
        let plan = Plan::default();
        let review = Review::applied(run, &plan, refused, self.arguments.verbose);
        if let Some(format) = self.document() {
            print(&format.render(&review))?;
        }
        std::mem::take(documents).write(&review)?;
        let code = exit_code(refused.iter().map(|result| result.end));
        Ok(PassEnd::Over(ExitCode::from(code)))
    }

    /// Applies the plan that was agreed to, and sums up.
    pub(super) async fn apply(
        &self,
        run: &Selection,
        plan: &Plan,
        Hosts { read, unread, late }: Hosts,
        mut earlier: Earlier,
        documents: &mut Documents,
        interruption: &mut Interruption,
    ) -> anyhow::Result<PassEnd> {
        let applying = Applying {
            run,
            plan,
            unread: &unread,
            rollback_of: self.rollback_of.clone(),
            lock_wait: self.arguments.lock_wait,
            guard_within: self.arguments.guard_within,
            parallel: self.arguments.parallel(),
            text: self.text(),
            lines: match self.document() {
                Some(_) => Lines::Aside,
                None => Lines::Report,
            },
        };
        let mut results = applying.apply(read, &self.digests, interruption).await?;
        results.extend(unread);
        let is_interrupted = results.iter().any(|result| result.end == HostEnd::Interrupted);
        let late = late.filter(|_| !is_interrupted);
        // After late hosts, the last summary covers all hosts.
        let is_of_all = self.arguments.yes && late.is_none();
        earlier.update(plan, results.clone());
        if self.document().is_none() {
            let results = if is_of_all { &earlier.results } else { &results };
            print(&report::summary(results, &self.text()))?;
        }
        if let Some(late) = late {
            return Ok(PassEnd::Late(earlier, late));
        }
        if !self.arguments.yes && !earlier.to_do_again().is_empty() {
            return Ok(PassEnd::Again(earlier));
        }
        let Earlier { plan, results } = earlier;
        if self.document().is_some() || !documents.is_empty() {
            let review = Review::applied(self.run, &plan, &results, self.arguments.verbose);
            if let Some(format) = self.document() {
                print(&format.render(&review))?;
            }
            std::mem::take(documents).write(&review)?;
        }
        let code = exit_code(results.iter().map(|result| result.end));
        Ok(PassEnd::Over(ExitCode::from(code)))
    }
}
