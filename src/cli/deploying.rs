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
use super::format::Format;
use super::interruption::Interruption;
use super::output::{print, tell, tell_line};
use super::reading::{self, Hosts, ReadOptions};
use super::telling::Lines;
use super::{errors, prompt, terminal};

/// What a deploy goes by.
pub(super) struct Deploying<'a> {
    pub(super) arguments: &'a DeployArguments,
    pub(super) run: &'a Selection,
    pub(super) digests: Arc<DigestKey>,
}

impl Deploying<'_> {
    pub(super) async fn deploy(&self, targets: Vec<Target>) -> anyhow::Result<ExitCode> {
        let mut interruption = Interruption::listen()?;
        let options = ReadOptions {
            parallel: self.arguments.parallel(),
            verbose: self.arguments.verbose,
        };
        let reading = reading::read(options, self.run, targets, &self.digests);
        let Some(hosts) = interruption.or(reading).await else {
            return Ok(interrupted());
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
        if !read.is_empty() || self.is_json() {
            self.show_review(&plan, &unread, changes_nothing)?;
        }
        if changes_nothing {
            reading::close(read).await;
            return Ok(ExitCode::from(exit_code(self.ends_unchanged(&plan, &unread))));
        }
        if !self.has_consent(&plan, &mut interruption).await? {
            reading::close(read).await;
            return Ok(interrupted());
        }
        self.apply(&plan, read, unread, &mut interruption).await
    }

    /// A program gets one document, at the end; who is asked for consent sees all the same what to.
    fn show_review(&self, plan: &Plan, unread: &[HostResult], is_end: bool) -> std::io::Result<()> {
        if self.is_json() && is_end {
            return print(&report::json(&self.planned(plan, unread)));
        }
        let review = self.planned(plan, unread);
        let review = report::text(&review, &self.text()) + &report::not_read(&review);
        if !self.is_json() {
            return print(&review);
        }
        if !self.arguments.yes {
            tell(&review);
        }
        Ok(())
    }

    fn planned<'b>(&'b self, plan: &'b Plan, unread: &'b [HostResult]) -> Review<'b> {
        Review::planned(self.run, plan, unread, self.arguments.dry_run, self.arguments.verbose)
    }

    fn is_json(&self) -> bool {
        self.arguments.format == Format::Json
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
        let answer = interruption.or(prompt::confirm(&question(plan))).await;
        if answer.is_none() {
            // The question's line is still open.
            tell("\n");
        }
        Ok(answer.transpose()?.unwrap_or(false))
    }

    async fn apply(
        &self,
        plan: &Plan,
        read: Vec<ReadHost>,
        unread: Vec<HostResult>,
        interruption: &mut Interruption,
    ) -> anyhow::Result<ExitCode> {
        let applying = Applying {
            run: self.run,
            plan,
            unread: &unread,
            lock_wait: self.arguments.lock_wait,
            parallel: self.arguments.parallel(),
            text: self.text(),
            lines: if self.is_json() { Lines::Aside } else { Lines::Report },
        };
        let mut results = applying.apply(read, &self.digests, interruption).await?;
        results.extend(unread);
        print(&if self.is_json() {
            report::json(&Review::applied(self.run, plan, &results, self.arguments.verbose))
        } else {
            report::summary(&results, &self.text())
        })?;
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

fn interrupted() -> ExitCode {
    tell_line("nothing was changed");
    ExitCode::from(exit_code([HostEnd::Interrupted]))
}

fn question(plan: &Plan) -> String {
    let pending = plan.hosts.iter().filter(|host| !host.is_idle());
    let names: Vec<&str> = pending.map(|host| host.host.as_str()).collect();
    format!("Apply this to {}?", names.join(", "))
}
