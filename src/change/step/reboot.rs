//! The step that boots the host anew.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::kind::{Claim, Script, ScriptOptions, StepKind};
use crate::facts::Identity;
use crate::quote::quote;

/// Boots the host anew. The step ends before the host goes down: `apply` waits until it is back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reboot {
    /// The boot id that the host has now: another one proves that it has booted.
    pub boot_id: String,
    /// How long it may take to come back.
    pub within: Duration,
}

impl StepKind for Reboot {
    fn attempt(&self) -> String {
        "restart the host".to_owned()
    }

    /// A moment later, so that the answer of the step still arrives.
    fn script(&self, _options: &ScriptOptions<'_>) -> Script {
        Script::of(format!(
            "[ \"$(cat /proc/sys/kernel/random/boot_id)\" = {} ] || exit 0\n\
             if [ -d /run/systemd/system ]; then\n\
             systemd-run --quiet --collect --on-active=1 --timer-property=AccuracySec=100ms systemctl reboot\n\
             else (sleep 1; reboot) </dev/null >/dev/null 2>&1 & fi",
            quote(&self.boot_id)
        ))
    }

    fn claims(&self) -> Vec<Claim<'_>> {
        vec![Claim::Run {
            by: &Identity::Root,
            is_known: true,
        }]
    }
}
