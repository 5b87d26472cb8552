//! Stores an `Arc` as its content.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// For `#[serde(with = "shared")]` on an `Arc`.
pub(super) fn serialize<T: Serialize, S: Serializer>(value: &Arc<T>, serializer: S) -> Result<S::Ok, S::Error> {
    T::serialize(value, serializer)
}

/// The reverse of [`serialize`].
pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<T>, D::Error> {
    T::deserialize(deserializer).map(Arc::new)
}
