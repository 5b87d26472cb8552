//! Events of the lab as lines.

use homelab::lab::{HostStep, ImageStep, LabEvent};

use crate::cli::output::eprint_line;

/// Shows an event as a line on stderr.
pub(super) fn show(event: &LabEvent) {
    eprint_line(line(event));
}

fn line(event: &LabEvent) -> String {
    match event {
        LabEvent::Waiting => "lab: waiting for another run on this lab".to_owned(),
        LabEvent::Image { image, step } => format!("{image}: {}", image_line(step)),
        LabEvent::Host { host, step } => format!("{host}: {}", host_line(step)),
        LabEvent::NoAptCache { reason } => format!("lab: warning: no apt cache, hosts use the mirror: {reason}"),
        _ => String::new(),
    }
}

fn image_line(step: &ImageStep) -> String {
    match step {
        ImageStep::Pulling { base } => format!("pulling {base}"),
        ImageStep::PullFailed { base, reason } => format!("{base} cannot be pulled here ({reason})"),
        ImageStep::Bootstrapping { archive } => format!("building a bare Debian from {archive}"),
        ImageStep::Provisioning => "installing systemd, sshd and the packages of a plain server".to_owned(),
        ImageStep::Compiling { what, takes } => format!("compiling {what}, once; this takes {takes}"),
        ImageStep::Made { took } => format!("built in {:.1} s", took.as_secs_f64()),
        _ => String::new(),
    }
}

fn host_line(step: &HostStep) -> String {
    match step {
        HostStep::Created => "created, booting".to_owned(),
        HostStep::Started => "started, booting".to_owned(),
        HostStep::AlreadyRunning => "already running".to_owned(),
        HostStep::AccessRenewed => "SSH keys renewed, they were not those of this lab".to_owned(),
        HostStep::Ready { address, took } => format!("ready at {address} after {:.1} s", took.as_secs_f64()),
        HostStep::Degraded { units } => format!("warning: failed units: {}", units.join(", ")),
        HostStep::Outdated => "warning: uses an older image; `homelab lab reset` recreates it".to_owned(),
        HostStep::NotInInventory => "warning: no longer in the inventory; `homelab lab down` removes it".to_owned(),
        HostStep::StandIns { names } => format!("ready for Kubernetes; stand-in: {names}"),
        HostStep::Removed => "removed".to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn events_are_short_lines_that_name_what_they_are_about() {
        let step = HostStep::Ready {
            address: "172.17.0.2".into(),
            took: Duration::from_millis(2540),
        };
        let event = LabEvent::Host {
            host: "alpha".into(),
            step,
        };
        assert_eq!(line(&event), "alpha: ready at 172.17.0.2 after 2.5 s");
        let step = ImageStep::PullFailed {
            base: "debian:13".into(),
            reason: "no answer for 10 s".into(),
        };
        let event = LabEvent::Image {
            image: "homelab-lab/debian:13-x".into(),
            step,
        };
        assert_eq!(
            line(&event),
            "homelab-lab/debian:13-x: debian:13 cannot be pulled here (no answer for 10 s)"
        );
    }
}
