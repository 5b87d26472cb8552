//! All that the Docker engine has, and which container uses what.

use serde::{Deserialize, Serialize};

use super::is_about_engine;
use crate::facts::kind::{DependsOn, Key, Subject};

/// What the engine has: containers, images, networks and volumes.
#[derive(Clone, Copy)]
pub struct UsageKey;

/// All that an engine has but its build cache. What it made by itself, such as the network `bridge`, is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    #[serde(default)]
    pub containers: Vec<UsingContainer>,
    #[serde(default)]
    pub images: Vec<HeldImage>,
    #[serde(default)]
    pub networks: Vec<HeldNetwork>,
    /// Those that a container got without a name. The others may have data that is still needed.
    #[serde(default)]
    pub volumes: Vec<HeldVolume>,
}

/// A container, and what it uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsingContainer {
    pub name: String,
    #[serde(default)]
    pub is_running: bool,
    /// Whether it is of a service of a compose project, which makes it again.
    #[serde(default)]
    pub is_service: bool,
    /// Seconds since it ended, or since it was created if it never ran.
    #[serde(default)]
    pub age: u64,
    /// Bytes of its own, if it does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The id of its image.
    #[serde(default)]
    pub image: String,
    /// Names of networks.
    #[serde(default)]
    pub networks: Vec<String>,
    /// Names of volumes.
    #[serde(default)]
    pub volumes: Vec<String>,
}

/// An image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldImage {
    pub id: String,
    /// Its names with tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Its names with digests, under which registries have it.
    #[serde(default)]
    pub digests: Vec<String>,
    /// Seconds since it was built or last got a tag on the host, whichever is later.
    #[serde(default)]
    pub age: u64,
    /// Bytes, with the layers that it shares with others.
    #[serde(default)]
    pub size: u64,
}

/// A network that a user made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldNetwork {
    pub name: String,
    pub id: String,
    /// Seconds since it was created.
    #[serde(default)]
    pub age: u64,
}

/// A volume without a name of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldVolume {
    pub name: String,
    /// Seconds since it was created.
    #[serde(default)]
    pub age: u64,
    /// Bytes, if no container uses it and it could be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

impl Key<'_> for UsageKey {
    type Fact = Usage;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        "what is in Docker".to_owned()
    }

    fn subject(self) -> Subject<'static> {
        Subject::Other
    }

    fn absent() -> Option<Usage> {
        Some(Usage::default())
    }

    fn may_come_with_packages(self) -> bool {
        false
    }

    fn is_outdated_by(self, _known: &Usage, changed: Subject<'_>) -> bool {
        is_about_engine(changed)
    }
}

/// The cache of the engine's builder.
#[derive(Clone, Copy)]
pub struct BuildCacheKey;

/// What of the build cache no build uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildCache {
    #[serde(default)]
    pub entries: u64,
    /// As Docker writes it: `1.2GB`.
    #[serde(default)]
    pub size: String,
}

impl Key<'_> for BuildCacheKey {
    type Fact = BuildCache;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        "Docker's build cache".to_owned()
    }

    fn subject(self) -> Subject<'static> {
        Subject::Other
    }

    fn absent() -> Option<BuildCache> {
        Some(BuildCache::default())
    }

    fn may_come_with_packages(self) -> bool {
        false
    }

    fn is_outdated_by(self, _known: &BuildCache, changed: Subject<'_>) -> bool {
        is_about_engine(changed)
    }
}

/// The containers that end when the engine is stopped or restarted.
#[derive(Clone, Copy)]
pub struct StopsKey;

/// What a stop of the engine does to containers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stops {
    /// Names of those that run.
    #[serde(default)]
    pub running: Vec<String>,
    /// Whether the engine that runs leaves them alone when it ends (`live-restore`). So must the one that starts then.
    #[serde(default)]
    pub is_live: bool,
}

impl Key<'_> for StopsKey {
    type Fact = Stops;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        "containers that end with the Docker engine".to_owned()
    }

    fn subject(self) -> Subject<'static> {
        Subject::Other
    }

    fn absent() -> Option<Stops> {
        Some(Stops::default())
    }

    fn may_come_with_packages(self) -> bool {
        false
    }

    fn is_outdated_by(self, _known: &Stops, changed: Subject<'_>) -> bool {
        is_about_engine(changed)
    }
}
