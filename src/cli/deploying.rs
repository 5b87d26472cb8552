//! A deploy from the first connection to the last line: read, review, ask, apply, sum up.

use std::process::ExitCode;
use std::sync::Arc;

use homelab::apply::{HostEnd, HostResult, exit_code};
use homelab::plan::{Mistake, Plan};
use homelab::project::Selection;
use homelab::remote::Target;
use homelab::report::review::Review;
use homelab::report::{self, TextOptions};
use homelab::rounds::ReadHost;
use homelab::secret::DigestKey;

use super::applying::Applying;
use super::deploy_arguments::DeployArguments;
use super::documents::Documents;
use super::format::DocumentFormat;
use super::interruption::Interruption;
use super::output::{print, tell};
use super::progress::Lines;
use super::reading::{self, Hosts, ReadOptions};
use super::{errors, prompt, showing, terminal};

/// The input of a deploy.
pub(super) struct Deploying<'a> {
    pub(super) arguments: &'a DeployArguments,
    pub(super) run: &'a Selection,
    pub(super) digests: Arc<DigestKey>,
}

impl Deploying<'_> {
    pub(super) async fn deploy(&self, targets: Vec<Target>, documents: Documents) -> anyhow::Result<ExitCode> {
        let mut interruption = Interruption::listen()?;
        let options = ReadOptions {
            parallel: self.arguments.parallel(),
            verbose: self.arguments.verbose,
        };
        let reading = reading::read(options, self.run, targets, &self.digests);
        let Some(hosts) = interruption.or(reading).await else {
            return Ok(showing::interrupted());
        };
        let Hosts { read, unread } = hosts?;
        let mistakes: Vec<Mistake> = read.iter().flat_map(|host| host.build.mistakes.clone()).collect();
        if !mistakes.is_empty() {
            tell(&report::mistakes(&mistakes));
            reading::close(read).await;
            return Ok(ExitCode::from(errors::INVALID));
        }
        let hosts = read.iter().flat_map(|host| host.build.plan.hosts.clone()).collect();
        let plan = Plan { hosts };
        let changes_nothing = self.arguments.dry_run || (plan.is_idle() && !plan.has_leftovers());
        let review = Review::planned(self.run, &plan, &unread, self.arguments.dry_run, self.arguments.verbose);
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
            documents.write(&review)?;
            return Ok(ExitCode::from(exit_code(self.ends_unchanged(&plan, &unread))));
        }
        drop(review);
        if !self.has_consent(&plan, &mut interruption).await? {
            reading::close(read).await;
            return Ok(showing::interrupted());
        }
        self.apply(&plan, read, unread, documents, &mut interruption).await
    }

    fn document(&self) -> Option<DocumentFormat> {
        self.arguments.format.document()
    }

    fn ends_unchanged(&self, plan: &Plan, unread: &[HostResult]) -> Vec<HostEnd> {
        let mut ends: Vec<HostEnd> = unread.iter().map(|host| host.end).collect();
        if self.arguments.detailed_exitcode && plan.is_pending() {
            ends.push(HostEnd::Pending);
        }
        ends
    }

    async fn has_consent(&self, plan: &Plan, interruption: &mut Interruption) -> anyhow::Result<bool> {
        if self.arguments.yes || plan.is_idle() {
            return Ok(true);
        }
        let answer = interruption.or(prompt::confirm(&showing::question(plan))).await;
        if answer.is_none() {
            // The line of the question has no line break yet.
            tell("\n");
        }
        Ok(answer.transpose()?.unwrap_or(false))
    }

    async fn apply(
        &self,
        plan: &Plan,
        read: Vec<ReadHost>,
        unread: Vec<HostResult>,
        documents: Documents,
        interruption: &mut Interruption,
    ) -> anyhow::Result<ExitCode> {
        let applying = Applying {
            run: self.run,
            plan,
            unread: &unread,
            lock_wait: self.arguments.lock_wait,
            parallel: self.arguments.parallel(),
            text: self.text(),
            lines: match self.document() {
                Some(_) => Lines::Aside,
                None => Lines::Report,
            },
        };
        let mut results = applying.apply(read, &self.digests, interruption).await?;
        results.extend(unread);
        if self.document().is_none() {
            print(&report::summary(&results, &self.text()))?;
        }
        if self.document().is_some() || !documents.is_empty() {
            let review = Review::applied(self.run, plan, &results, self.arguments.verbose);
            if let Some(format) = self.document() {
                print(&format.render(&review))?;
            }
            documents.write(&review)?;
        }
        Ok(ExitCode::from(exit_code(results.iter().map(|result| result.end))))
    }

    fn text(&self) -> TextOptions {
        TextOptions {
            verbose: self.arguments.verbose,
            full_diff: self.arguments.verbose,
            width: terminal::columns(),
        }
    }
}
