//! What the command line has to say about the ways to hosts.

use std::time::Duration;

use clap::Args;
use homelab::remote::{Privilege, Target};
use homelab::secret::{PASSWORD_VARIABLE, Secret};

use super::deploy::duration;
use super::password;

/// How hosts are gone into.
#[derive(Debug, Args)]
pub(crate) struct WayArguments {
    /// Ask once for the password that sudo wants on hosts with `become = "sudo"`; without, `HOMELAB_BECOME_PASSWORD` counts
    #[arg(long)]
    ask_become_password: bool,
    /// Keep the connections for runs to come, for this long after the last one, as in `5m`
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    keep_connections: Option<Duration>,
    /// How long a host may say nothing while it is logged in to and read, as in `5m`; `0s` is for ever
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    read_timeout: Duration,
}

impl WayArguments {
    /// The targets with what was said, the password asked for where any of them can use one.
    pub(super) fn complete(&self, mut targets: Vec<Target>) -> anyhow::Result<Vec<Target>> {
        let wants = |target: &Target| matches!(target.privilege, Privilege::Sudo { .. });
        let given = if targets.iter().any(wants) {
            self.password()?
        } else {
            None
        };
        for target in &mut targets {
            target.silence = Some(self.read_timeout).filter(|timeout| !timeout.is_zero());
            target.keep = self.keep_connections.filter(|keep| !keep.is_zero());
            if let Privilege::Sudo { password, .. } = &mut target.privilege {
                password.clone_from(&given);
            }
        }
        Ok(targets)
    }

    fn password(&self) -> anyhow::Result<Option<Secret>> {
        if self.ask_become_password {
            return password::ask("Password for sudo: ").map(Some);
        }
        let Some(text) = std::env::var_os(PASSWORD_VARIABLE).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        password::check(&text.to_string_lossy()).map(Some)
    }
}
