//! Options for connections.

use std::time::Duration;

use clap::Args;
use homelab::remote::{Privilege, Target};
use homelab::secret::{PASSWORD_VARIABLE, Secret};

use super::duration::duration;
use super::password;

/// Default number of hosts at a time: more than most home labs have.
pub(super) const PARALLEL: u16 = 20;
/// The heading above these options in help texts.
const HEADING: &str = "Connection";

/// How to connect.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConnectionArguments {
    /// Ask once for the sudo password of hosts with `become = "sudo"`; otherwise `HOMELAB_BECOME_PASSWORD` is used if set
    #[arg(help_heading = HEADING, long)]
    ask_become_password: bool,
    /// Keep SSH connections open for this long, such as `5m`, so that the next run starts faster
    #[arg(help_heading = HEADING, long, value_name = "DURATION", value_parser = duration)]
    keep_connections: Option<Duration>,
    /// Give up on a host that is silent for this long while it is read; `0s` waits forever
    #[arg(help_heading = HEADING, long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    read_timeout: Duration,
}

impl ConnectionArguments {
    /// Applies the options to the targets, and asks for the password if any of them can use one.
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
