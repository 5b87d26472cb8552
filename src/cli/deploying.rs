//! The input of a deploy, and what follows from it.

use std::process::ExitCode;
use std::sync::Arc;

use homelab::apply::{HostEnd, HostResult};
use homelab::plan::Plan;
use homelab::project::Selection;
use homelab::remote::Target;
use homelab::report::TextOptions;
use homelab::rounds::ReadOptions;
use homelab::secret::DigestKey;

use super::documents::Documents;
use super::format::DocumentFormat;
use super::holding::Holding;
use super::interruption::Interruption;
use super::output::eprint;
use super::reading::Reading;
use super::run_arguments::RunArguments;
use super::saving::Saving;
use super::{prompt, runtime, showing, terminal};

/// The input of a deploy.
pub(super) struct Deploying<'a> {
    pub(super) arguments: &'a RunArguments,
    pub(super) run: &'a Selection,
    pub(super) digests: Arc<DigestKey>,
    /// Whether any host uses facts of another, as far as that is known before they are read.
    pub(super) uses_peers: bool,
    /// The run that this one takes back.
    pub(super) rollback_of: Option<String>,
    /// Whether hosts are read by a user who can change nothing.
    pub(super) reads_only: bool,
    pub(super) saved: Saved<'a>,
}

/// What a run has to do with a saved plan.
#[derive(Clone, Copy)]
pub(super) enum Saved<'a> {
    No,
    /// It saves its plan.
    Writes(&'a Saving<'a>),
    /// It applies a saved plan and nothing else.
    Holds(&'a Holding<'a>),
}

impl Deploying<'_> {
    /// Reads the hosts, shows the review, asks, applies, and sums up.
    pub(super) fn carry_out(&self, targets: impl FnOnce() -> anyhow::Result<Vec<Target>>) -> anyhow::Result<ExitCode> {
        if !self.arguments.dry_run && !self.arguments.yes {
            prompt::check_terminal()?;
        }
        let targets = self.arguments.connection.complete(targets()?)?;
        let documents = Documents::create(&self.arguments.format_into)?;
        let runtime = runtime::all_threads()?;
        let ended = runtime.block_on(self.deploy(targets, documents));
        // Reading a file that hangs, as on a network mount, does not keep an interrupted run from ending.
        runtime.shutdown_background();
        ended
    }

    /// How hosts are read: without `--yes`, the user has not agreed to the project's conditions yet.
    pub(super) fn reading(&self) -> Reading {
        Reading {
            options: ReadOptions {
                parallel: self.arguments.parallel(),
                // They would run as another user than in a deploy, and tell something else.
                skips_conditions: self.arguments.no_conditions || self.reads_only,
                waits_for_all: self.waits_for_all(),
                lock_wait: self.arguments.lock_wait,
            },
            verbose: self.arguments.verbose,
            names_conditions: self.arguments.dry_run || !self.arguments.yes,
        }
    }

    /// Whether no host is changed before all were read: the question to the user is about all of them, and stages have an order.
    fn waits_for_all(&self) -> bool {
        let has_stages = self.run.stages.iter().any(|stage| stage.name.is_some());
        let is_held = matches!(self.saved, Saved::Holds(_));
        self.arguments.dry_run || !self.arguments.yes || has_stages || self.uses_peers || is_held
    }

    pub(super) fn document(&self) -> Option<DocumentFormat> {
        self.arguments.format.document()
    }

    pub(super) fn ends_unchanged(&self, plan: &Plan, unread: &[HostResult]) -> Vec<HostEnd> {
        let mut ends: Vec<HostEnd> = unread.iter().map(|host| host.end).collect();
        if self.arguments.detailed_exitcode && plan.is_pending() {
            ends.push(HostEnd::Pending);
        }
        ends
    }

    pub(super) async fn has_consent(&self, plan: &Plan, interruption: &mut Interruption) -> anyhow::Result<bool> {
        if self.arguments.yes || plan.is_idle() {
            return Ok(true);
        }
        let answer = interruption.or(prompt::confirm(&showing::question(plan))).await;
        if answer.is_none() {
            // The line of the question has no line break yet.
            eprint("\n");
        }
        Ok(answer.transpose()?.unwrap_or(false))
    }

    pub(super) fn text(&self) -> TextOptions {
        TextOptions {
            verbose: self.arguments.verbose,
            full_diff: self.arguments.verbose,
            width: terminal::columns(),
        }
    }
}
