//! What a host is in a cluster.

use crate::facts::k3s::{AGENT_UNIT, SERVER_UNIT};

/// A server, which has the control plane and runs pods too, or an agent, which only runs pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Server,
    Agent,
}

impl Role {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Agent => "agent",
        }
    }

    pub(super) fn unit(self) -> &'static str {
        match self {
            Self::Server => SERVER_UNIT,
            Self::Agent => AGENT_UNIT,
        }
    }

    pub(super) fn unit_path(self) -> String {
        format!("/etc/systemd/system/{}", self.unit())
    }

    /// The file of variables that the install script of k3s writes.
    pub(super) fn variables_path(self) -> String {
        format!("{}.env", self.unit_path())
    }

    /// The text of the unit. k3s tells systemd when a server is up, and starts pods again by itself: they outlive a restart.
    pub(super) fn unit_text(self) -> String {
        let service_type = match self {
            Self::Server => "notify",
            Self::Agent => "exec",
        };
        format!(
            "[Unit]\nDescription=k3s {role}\nDocumentation=https://docs.k3s.io\nWants=network-online.target\nAfter=network-online.target\n\n\
             [Service]\nType={service_type}\nEnvironmentFile=-/etc/default/%N\nExecStartPre=-/sbin/modprobe br_netfilter\n\
             ExecStartPre=-/sbin/modprobe overlay\nExecStart=/usr/local/bin/k3s {role}\nKillMode=process\nDelegate=yes\n\
             LimitNOFILE=1048576\nLimitNPROC=infinity\nLimitCORE=infinity\nTasksMax=infinity\nTimeoutStartSec=0\nRestart=always\n\
             RestartSec=5s\n\n[Install]\nWantedBy=multi-user.target\n",
            role = self.word(),
        )
    }
}
