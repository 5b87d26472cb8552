//! One pass of a deploy: read, review, ask, apply, sum up.

use std::process::ExitCode;

use homelab::apply::{HostEnd, exit_code};
use homelab::error::Diagnostic;
use homelab::plan::{Mistake, Plan};
use homelab::project::Selection;
use homelab::report;
use homelab::report::review::Review;
use homelab::rounds::LateHosts;

use super::deploying::{Deploying, Saved};
use super::documents::Documents;
use super::earlier::Earlier;
use super::interruption::Interruption;
use super::output::eprint;
use super::reading::{self, Hosts, ToRead};
use super::showing;

/// How a pass ended.
pub(super) enum PassEnd {
    Over(ExitCode),
    /// Some hosts have to be looked at again.
    Again(Earlier),
    /// Some hosts were not waited for.
    Late(Earlier, LateHosts),
}

impl Deploying<'_> {
    /// Reads hosts, shows the review, asks, and applies.
    pub(super) async fn pass(
        &self,
        run: &Selection,
        to_read: ToRead,
        earlier: Earlier,
        documents: &mut Documents,
        interruption: &mut Interruption,
    ) -> anyhow::Result<PassEnd> {
        let over = |end: HostEnd| {
            let ends = earlier.results.iter().map(|result| result.end);
            PassEnd::Over(ExitCode::from(exit_code(ends.chain([end]))))
        };
        let reading = reading::read(self.reading(), run, to_read, &self.digests);
        let Some(hosts) = interruption.or(reading).await else {
            showing::interrupted(earlier.is_empty());
            return Ok(over(HostEnd::Interrupted));
        };
        let Hosts { read, unread, late } = hosts?;
        let mistakes: Vec<Mistake> = read.iter().flat_map(|host| host.build.mistakes.clone()).collect();
        if !mistakes.is_empty() {
            eprint(&report::mistakes(&mistakes));
            reading::close(read).await;
            return Ok(over(HostEnd::Invalid));
        }
        let (read, unread) = match self.saved {
            Saved::Holds(holding) => match holding.hold(read, unread, (&self.text(), !earlier.is_empty())).await? {
                Ok(held) => held,
                Err(refused) => return self.refuse(run, &refused, documents),
            },
            Saved::No | Saved::Writes(_) => (read, unread),
        };
        let hosts = read.iter().flat_map(|host| host.build.plan.hosts.clone()).collect();
        let plan = Plan { hosts };
        let is_idle = plan.is_idle() && !plan.has_leftovers() && earlier.is_empty() && late.is_none();
        let changes_nothing = self.arguments.dry_run || is_idle;
        let mut review = Review::planned(run, &plan, &unread, self.arguments.dry_run, self.arguments.verbose);
        let saved = match self.saved {
            Saved::Writes(saving) => Some((saving, saving.save(run, &plan, &unread))),
            Saved::No | Saved::Holds(_) => None,
        };
        // On a terminal, the digest is told below the review.
        let document_of = saved.as_ref().and_then(|(_, saved)| saved.as_ref().ok()?.clone());
        review.saved = document_of.clone().filter(|_| self.document().is_some());
        if !read.is_empty() || self.document().is_some() {
            showing::show(
                &review,
                self.document(),
                &self.text(),
                changes_nothing,
                !self.arguments.yes,
            )?;
        }
        if changes_nothing {
            reading::close(read).await;
            review.saved = document_of;
            std::mem::take(documents).write(&review)?;
            if let Some((saving, saved)) = saved {
                saving.tell(saved?.as_ref(), &unread);
            }
            let code = exit_code(self.ends_unchanged(&plan, &unread));
            return Ok(PassEnd::Over(ExitCode::from(code)));
        }
        drop(review);
        if plan.lacks_secrets() {
            reading::close(read).await;
            return Err(Diagnostic::new("a plan that lacks secrets cannot be applied")
                .hint("deploy with your private key, without `--without-secrets`")
                .into());
        }
        if !self.has_consent(&plan, interruption).await? {
            reading::close(read).await;
            showing::interrupted(earlier.is_empty());
            return Ok(over(HostEnd::Interrupted));
        }
        let hosts = Hosts { read, unread, late };
        self.apply(run, &plan, hosts, earlier, documents, interruption).await
    }
}
