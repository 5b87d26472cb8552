//! Datasets of ZFS.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::{DependsOn, Key, Subject};

/// The dataset of this name: `tank/media`.
#[derive(Clone, Copy)]
pub struct DatasetKey<'a>(pub &'a str);

impl<'a> Key<'a> for DatasetKey<'a> {
    type Fact = DatasetFact;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("ZFS dataset `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<DatasetFact> {
        Some(DatasetFact::NoProgram)
    }

    fn may_come_with_packages(self) -> bool {
        true
    }
}

/// What `zfs` says of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatasetFact {
    /// The host has no program `zfs`.
    NoProgram,
    /// `zfs` fails for another reason than that there is no such dataset, such as a missing module of the kernel.
    Fails(String),
    Absent,
    Present(Box<Dataset>),
}

/// A dataset as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// All that `zfs get -p all` lists, sizes in bytes.
    pub properties: BTreeMap<String, Property>,
    /// The full names of its snapshots and of the datasets right below it.
    #[serde(default)]
    pub below: Vec<String>,
}

impl Dataset {
    /// The value of a property.
    pub fn value(&self, property: &str) -> Option<&str> {
        self.properties.get(property).map(|property| property.value.as_str())
    }
}

/// A property of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    pub value: String,
    /// Where it comes from, as zfs(8) says: `local`, `default`, `inherited from tank`, or `-` for what cannot be set any more.
    pub source: String,
}
