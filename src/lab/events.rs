//! What the lab says while it works; how it is shown is the caller's.

use std::cell::RefCell;
use std::time::Duration;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LabEvent {
    /// Another run holds the project's lab; this one waits for it.
    Waiting,
    /// An image is being made.
    Image {
        /// The image.
        image: String,
        /// How far it is.
        step: ImageStep,
    },
    /// Hosts get their packages from the mirror, since the apt cache that they share could not be had.
    NoAptCache {
        /// Why.
        reason: String,
    },
    /// Something happened to a host.
    Host {
        /// The host.
        host: String,
        /// What happened.
        step: HostStep,
    },
}

/// A step on the way to an image.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageStep {
    /// A registry is asked for the base.
    Pulling {
        /// The base image.
        base: String,
    },
    /// The registry did not give it.
    PullFailed {
        /// The base image.
        base: String,
        /// Why.
        reason: String,
    },
    /// The base is built here.
    Bootstrapping {
        /// The Debian archive that it comes from.
        archive: String,
    },
    /// The base is made into a server.
    Provisioning,
    /// The image is there.
    Made {
        /// How long all of it took.
        took: Duration,
    },
}

/// What happened to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostStep {
    /// It was made, and boots.
    Created,
    /// It was stopped or paused, and goes on.
    Started,
    /// It runs already and is left alone.
    AlreadyRunning,
    /// Its keys did not let anyone in; they were put there again.
    AccessRenewed,
    /// It has booted and lets the lab log in.
    Ready {
        /// Where it is.
        address: String,
        /// How long that took.
        took: Duration,
    },
    /// It has booted, but some units failed.
    Degraded {
        /// The units.
        units: Vec<String>,
    },
    /// It was made from an image that the lab would no longer make.
    Outdated,
    /// It is up, but its inventory no longer has it.
    NotInInventory,
    /// It was removed, with its volumes.
    Removed,
}

/// Lets hosts that come up side by side report to one listener.
pub(super) struct Events<'a>(RefCell<&'a mut dyn FnMut(LabEvent)>);

impl<'a> Events<'a> {
    pub(super) fn to(listener: &'a mut dyn FnMut(LabEvent)) -> Self {
        Self(RefCell::new(listener))
    }

    pub(super) fn say(&self, event: LabEvent) {
        (self.0.borrow_mut())(event);
    }

    pub(super) fn host(&self, host: &str, step: HostStep) {
        self.say(LabEvent::Host {
            host: host.to_owned(),
            step,
        });
    }
}
