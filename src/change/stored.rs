//! Attributes in stored plans.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Names that were read. Operations have only a few, so each is leaked once.
static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

fn static_name(name: String) -> &'static str {
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name.as_str()) {
        return known;
    }
    let name: &'static str = Box::leak(name.into_boxed_str());
    names.insert(name);
    name
}

pub(super) fn serialize<T: Serialize, S: Serializer>(
    attributes: &IndexMap<&'static str, T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    attributes.serialize(serializer)
}

pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<IndexMap<&'static str, T>, D::Error> {
    let read = IndexMap::<String, T>::deserialize(deserializer)?;
    Ok(read
        .into_iter()
        .map(|(name, value)| (static_name(name), value))
        .collect())
}

/// The same for optional attributes.
pub(super) mod maybe {
    use super::{Deserialize, Deserializer, IndexMap, Serialize, Serializer, static_name};

    #[expect(clippy::ref_option, reason = "serde calls it with this type")]
    pub(in crate::change) fn serialize<T: Serialize, S: Serializer>(
        attributes: &Option<IndexMap<&'static str, T>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        attributes.serialize(serializer)
    }

    pub(in crate::change) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<IndexMap<&'static str, T>>, D::Error> {
        let read = Option::<IndexMap<String, T>>::deserialize(deserializer)?;
        Ok(read.map(|read| {
            read.into_iter()
                .map(|(name, value)| (static_name(name), value))
                .collect()
        }))
    }
}
