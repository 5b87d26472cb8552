//! Saves a plan that was reviewed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use homelab::apply::HostResult;
use homelab::error::Diagnostic;
use homelab::plan::Plan;
use homelab::project::{Project, Selection};
use homelab::saved::{Bundle, HostRecord, Meta, SavedPlan, fingerprints, hides_anything, to_be_shown};
use homelab::secret::{DigestKey, redacted};
use homelab::secrets::{Identities, Recipients};

use super::host_keys::HostKeys;
use super::output::{eprint_line, write_document};

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
}

impl Saving<'_> {
    /// Writes the file.
    ///
    /// Errors: not all hosts were read; there is something to encrypt and no recipient; the file cannot be written.
    pub(super) fn save(&self, run: &Selection, plan: &Plan, unread: &[HostResult]) -> anyhow::Result<()> {
        let shown = self.file.0.display();
        if let Some(first) = unread.first() {
            eprint_line(format_args!(
                "`{shown}` was not written: {} could not be read; `--limit '!{}'` leaves it out",
                first.host, first.host
            ));
            return Ok(());
        }
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
        let meta = self.meta(run, plan)?;
        let is_applicable = meta.not_applicable.clone();
        let sealing = recipients.as_ref().map(|recipients| (recipients, &identities));
        let (text, digest) = SavedPlan::text(meta, to_be_shown(plan, self.digests)?, &bundle, sealing)?;
        if redacted(&text) != text {
            return Err(Diagnostic::new("the plan was not saved: a secret would be in it in clear").into());
        }
        write(&self.file.1, &text).with_context(|| format!("cannot write `{shown}`"))?;
        eprint_line(format_args!("saved `{shown}`, digest {digest}"));
        if let Some(why) = is_applicable {
            eprint_line(format_args!("it can be shown but not applied: {why}"));
        }
        Ok(())
    }

    fn meta(&self, run: &Selection, plan: &Plan) -> anyhow::Result<Meta> {
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

/// Replaces the file as a whole.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .prefix(".homelab-")
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    write_document(&mut file, text)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
