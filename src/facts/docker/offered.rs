//! What an engine gives new networks and volumes: addresses that are left, and drivers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::is_about_engine;
use crate::facts::kind::{DependsOn, Key, Subject};

/// The addresses that networks have.
#[derive(Clone, Copy)]
pub struct SubnetsKey;

/// How the name of what is no Docker network but an interface of the host begins.
pub const INTERFACE: &str = "interface ";

impl Key<'_> for SubnetsKey {
    /// Ranges of addresses, by the name of the network.
    type Fact = BTreeMap<String, Vec<String>>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        "the addresses of Docker networks".to_owned()
    }

    fn subject(self) -> Subject<'static> {
        Subject::Other
    }

    fn absent() -> Option<BTreeMap<String, Vec<String>>> {
        Some(BTreeMap::new())
    }

    fn may_come_with_packages(self) -> bool {
        false
    }

    fn is_outdated_by(self, _known: &BTreeMap<String, Vec<String>>, changed: Subject<'_>) -> bool {
        is_about_engine(changed)
    }
}

/// The drivers that the engine has.
#[derive(Clone, Copy)]
pub struct DriversKey;

/// Drivers by name, with those of plugins. None where no engine runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drivers {
    #[serde(default)]
    pub networks: Vec<String>,
    #[serde(default)]
    pub volumes: Vec<String>,
}

impl Key<'_> for DriversKey {
    type Fact = Drivers;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        "the drivers of the Docker engine".to_owned()
    }

    fn subject(self) -> Subject<'static> {
        Subject::Other
    }

    fn absent() -> Option<Drivers> {
        Some(Drivers::default())
    }

    fn may_come_with_packages(self) -> bool {
        false
    }

    fn is_outdated_by(self, _known: &Drivers, changed: Subject<'_>) -> bool {
        is_about_engine(changed)
    }
}
