//! The stack that a command line names.

use homelab::error::{Diagnostic, suggestion};
use homelab::gather::{BackupSettings, BackupsFound, HostBackups};

use super::asked::{Asked, Place};

impl Asked {
    /// What the host says of its backups.
    ///
    /// Errors: it makes none, or does not show them.
    pub(super) fn backups(&self, place: &Place) -> Result<&HostBackups, Diagnostic> {
        let mistake = |what| Diagnostic::new(format!("{}: {what}", place.host));
        match &self.found {
            BackupsFound::Here(found) => Ok(found),
            BackupsFound::Denied => Err(mistake("backups need root, and the login user is not root")
                .hint("set `become = \"sudo\"` in the `connection` of the host")),
            BackupsFound::Nothing => Err(mistake("no backups are set up on this host").hint(
                "deploy a stack that has `[backup]` in its `stack.toml`, with the tasks `docker/backups` and `docker/backup`",
            )),
        }
    }

    /// The settings of a stack that the host backs up.
    ///
    /// Errors: it does not, with what to do about that.
    pub(super) fn settings(&self, place: &Place, stack: &str) -> Result<&BackupSettings, Diagnostic> {
        let catalogue = &self.project.catalogue;
        let here = match &self.found {
            BackupsFound::Here(found) => Some(found),
            BackupsFound::Denied => Some(self.backups(place)?),
            BackupsFound::Nothing => None,
        };
        if let Some(settings) = here.and_then(|found| found.stacks.get(stack)) {
            return Ok(settings);
        }
        let Place { inventory, host } = place;
        Err(match catalogue.get(stack) {
            Some(of) if of.settings.contains_key("backup") => {
                self.backups(place)?;
                Diagnostic::new(format!("{host}: the stack `{stack}` is not backed up on this host")).hint(format!(
                    "add it to `stacks` in the data of the host, then deploy it with `homelab deploy {inventory} DEPLOY`"
                ))
            }
            Some(_) => Diagnostic::new(format!("the stack `{stack}` has no `[backup]`")).hint(format!(
                "add it to `templates/services/{stack}/stack.toml`: `command` is a list of words that prints the backup, \
                 `restore` one that reads it"
            )),
            None => {
                let known = here.into_iter().flat_map(|found| found.stacks.keys());
                let known = known.chain(catalogue.keys()).map(String::as_str);
                let known: std::collections::BTreeSet<&str> = known.collect();
                Diagnostic::new(format!("unknown stack `{stack}`")).hint_maybe(suggestion(stack, known))
            }
        })
    }
}
