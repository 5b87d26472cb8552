//! Events that the lab reports while it works. The caller decides how to show them.

use std::cell::RefCell;
use std::time::Duration;

/// Something that happened in the lab.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LabEvent {
    /// Another run holds the lab's lock; this one waits for it.
    Waiting,
    /// An image is being built.
    Image {
        image: String,
        step: ImageStep,
    },
    /// The apt cache could not be started, so hosts get their packages from the mirror.
    NoAptCache {
        reason: String,
    },
    Host {
        host: String,
        step: HostStep,
    },
}

/// A step of building an image.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageStep {
    /// The base image is pulled from a registry.
    Pulling {
        base: String,
    },
    PullFailed {
        base: String,
        reason: String,
    },
    /// The base image is built on this machine.
    Bootstrapping {
        /// The Debian archive with its packages.
        archive: String,
    },
    /// Kubernetes is compiled on this machine.
    Compiling {
        what: &'static str,
        /// How long, in words.
        takes: &'static str,
    },
    /// The packages of a server are installed in the base image.
    Provisioning,
    /// The image is finished.
    Made {
        took: Duration,
    },
}

/// What happened to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostStep {
    /// It was created, and boots.
    Created,
    /// It was stopped or paused, and runs again.
    Started,
    AlreadyRunning,
    /// The lab's key was not accepted, so the keys were copied again.
    AccessRenewed,
    /// It has booted and accepts logins.
    Ready {
        address: String,
        took: Duration,
    },
    /// It has booted, but some units failed.
    Degraded {
        units: Vec<String>,
    },
    /// It was created from an older image than the lab would use now.
    Outdated,
    /// It still has a container, but is no longer in the inventory.
    NotInInventory,
    /// It is ready for Kubernetes; these parts of that are not the real ones.
    StandIns {
        names: &'static str,
    },
    /// It was removed, with its volumes.
    Removed,
}

/// Lets hosts that start concurrently report to one listener.
pub(super) struct Events<'a>(RefCell<&'a mut dyn FnMut(LabEvent)>);

impl<'a> Events<'a> {
    pub(super) fn to(listener: &'a mut dyn FnMut(LabEvent)) -> Self {
        Self(RefCell::new(listener))
    }

    pub(super) fn report(&self, event: LabEvent) {
        (self.0.borrow_mut())(event);
    }

    pub(super) fn host(&self, host: &str, step: HostStep) {
        self.report(LabEvent::Host {
            host: host.to_owned(),
            step,
        });
    }
}
