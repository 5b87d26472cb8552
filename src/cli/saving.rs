//! Saves a plan that was reviewed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use homelab::apply::HostResult;
use homelab::error::Diagnostic;
use homelab::plan::Plan;
use homelab::project::{Project, Selection};
use homelab::report::review::SavedAs;
use homelab::saved::{Bundle, HostRecord, Meta, SavedPlan, fingerprints, hides_anything, to_be_shown};
use homelab::secret::{DigestKey, redacted};
use homelab::secrets::{Identities, Recipients};

use super::host_keys::HostKeys;
use super::output::eprint_line;
use super::plan_file::write;

/// What a saved plan needs besides the plan.
pub(super) struct Saving<'a> {
    /// As people call it, and where it is.
    pub(super) file: (PathBuf, PathBuf),
    pub(super) bundle: Bundle,
    pub(super) project: &'a Project,
    pub(super) digests: &'a DigestKey,
    pub(super) keys: HostKeys,
    /// Why the plan can only be shown; `None` if it can be applied.
    pub(super) not_applicable: Option<String>,
    /// Whether the plan of the others is saved if some hosts cannot be read.
    pub(super) continues: bool,
}

impl Saving<'_> {
    /// Writes the file, unless some hosts were not read and the others do not go on; `None` then.
    ///
    /// Errors: there is something to encrypt and no recipient; the file cannot be written.
    pub(super) fn save(&self, run: &Selection, plan: &Plan, unread: &[HostResult]) -> anyhow::Result<Option<SavedAs>> {
        if !unread.is_empty() && (!self.continues || plan.hosts.is_empty()) {
            return Ok(None);
        }
        let shown = self.file.0.display();
        let identities = Identities::find(&self.project.home)?;
        let recipients = Recipients::find(&self.project.root)?;
        let variables = self.project.variables.used();
        let mut bundle = self.bundle.clone();
        bundle.key = self.digests.hex();
        bundle.variables = variables;
        bundle.note_used(&self.project.assets);
        if recipients.is_none() {
            refuse_secrets(plan, &bundle)?;
        }
        let meta = self.meta(run, plan, unread)?;
        let sealing = recipients.as_ref().map(|recipients| (recipients, &identities));
        let (text, digest) = SavedPlan::text(meta, to_be_shown(plan, self.digests)?, &bundle, sealing)?;
        if redacted(&text) != text {
            return Err(Diagnostic::new("the plan was not saved: a secret would be in it in clear").into());
        }
        write(&self.file.1, &text).with_context(|| format!("cannot write `{shown}`"))?;
        Ok(Some(SavedAs {
            digest,
            not_applicable: self.not_applicable.clone(),
        }))
    }

    /// Says what was saved, or why nothing was.
    pub(super) fn tell(&self, saved: Option<&SavedAs>, unread: &[HostResult]) {
        let shown = self.file.0.display();
        let names: Vec<&str> = unread.iter().map(|result| result.host.as_str()).collect();
        let names = names.join(", ");
        let Some(SavedAs { digest, not_applicable }) = saved else {
            return eprint_line(format_args!(
                "`{shown}` was not written: {names} could not be read; `--continue` saves the plan of the others"
            ));
        };
        eprint_line(format_args!("saved `{shown}`, digest {digest}"));
        if !unread.is_empty() {
            eprint_line(format_args!("{names} could not be read: not in the plan"));
        }
        if let Some(why) = not_applicable {
            eprint_line(format_args!("it can be shown but not applied: {why}"));
        }
    }

    fn meta(&self, run: &Selection, plan: &Plan, unread: &[HostResult]) -> anyhow::Result<Meta> {
        let record = |host: &homelab::plan::HostPlan| -> anyhow::Result<HostRecord> {
            let host_key = match self.keys.get(&host.host) {
                Some(Ok(key)) => key.clone(),
                Some(Err(error)) => anyhow::bail!("the host key of {} is not known: {error}", host.host),
                None => anyhow::bail!("the host key of {} is not known", host.host),
            };
            Ok(HostRecord {
                host: host.host.clone(),
                host_key,
                operations: fingerprints(host, self.digests),
            })
        };
        Ok(Meta {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            inventory: run.inventory.clone(),
            deploy: run.deploy.clone(),
            filters: run.filters.clone(),
            left_out: run.left_out(),
            not_applicable: self.not_applicable.clone(),
            not_read: unread.iter().map(|result| result.host.clone()).collect(),
            hosts: plan.hosts.iter().map(record).collect::<anyhow::Result<_>>()?,
        })
    }
}

/// Refuses, before anything connects, what surely cannot be saved.
///
/// Errors: the project uses variables, and has no recipient for them.
pub(super) fn check(project: &Project) -> anyhow::Result<()> {
    if Recipients::find(&project.root)?.is_none() {
        refuse_variables(&project.variables.used())?;
    }
    Ok(())
}

/// Without recipients, nothing can be encrypted: not even the key of digests, without which they would help to guess.
fn refuse_secrets(plan: &Plan, bundle: &Bundle) -> Result<(), Diagnostic> {
    refuse_variables(&bundle.variables)?;
    match hides_anything(plan).first() {
        Some(operation) => Err(nobody_to_encrypt_for(&format!(
            "`{}` has content that reviews do not show",
            operation.slug()
        ))),
        None => Ok(()),
    }
}

fn refuse_variables(used: &BTreeMap<String, String>) -> Result<(), Diagnostic> {
    match used.keys().next() {
        Some(name) => Err(nobody_to_encrypt_for(&format!("it uses the variable `{name}`"))),
        None => Ok(()),
    }
}

fn nobody_to_encrypt_for(why: &str) -> Diagnostic {
    Diagnostic::new("the plan cannot be saved: it has secrets, and no recipients to encrypt them for")
        .because(why)
        .hint("run `homelab secrets init`, and commit `.age-recipients`")
}
