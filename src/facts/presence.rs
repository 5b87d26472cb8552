//! Stores an `Option` as `"absent"` or `{ present = … }`, since TOML has no null.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Presence<T> {
    Absent,
    Present(T),
}

/// For `#[serde(with = "presence")]` on an `Option`.
#[expect(clippy::ref_option, reason = "serde hands over the field as it is")]
pub(super) fn serialize<T: Serialize, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    let stored = value.as_ref().map_or(Presence::Absent, Presence::Present);
    stored.serialize(serializer)
}

/// The reverse of [`serialize`].
pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(match Presence::deserialize(deserializer)? {
        Presence::Absent => None,
        Presence::Present(value) => Some(value),
    })
}
