//! Bytes as people can read them in a stored file: text where they are text, else base64.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Known;

/// For `#[serde(with = "crate::value::bytes")]` on a `Vec<u8>`.
pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    Stored::of(bytes).serialize(serializer)
}

/// The other way round.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    Stored::deserialize(deserializer)?.bytes()
}

/// The same for bytes that may be not known.
pub mod known {
    use super::{Deserialize, Deserializer, Known, Serialize, Serializer, Stored};

    /// For `#[serde(with = "crate::value::bytes::known")]` on a `Known<Vec<u8>>`.
    pub fn serialize<S: Serializer>(bytes: &Known<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        match bytes {
            Known::Yes(bytes) => Known::Yes(Stored::of(bytes)),
            Known::No(why) => Known::No(why.clone()),
        }
        .serialize(serializer)
    }

    /// The other way round.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Known<Vec<u8>>, D::Error> {
        Ok(match Known::<Stored>::deserialize(deserializer)? {
            Known::Yes(stored) => Known::Yes(stored.bytes()?),
            Known::No(why) => Known::No(why),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored<'a> {
    Text(Cow<'a, str>),
    Encoded { base64: String },
}

impl<'a> Stored<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.into()),
            Err(_) => Self::Encoded {
                base64: STANDARD.encode(bytes),
            },
        }
    }

    fn bytes<E: de::Error>(self) -> Result<Vec<u8>, E> {
        match self {
            Self::Text(text) => Ok(text.into_owned().into_bytes()),
            Self::Encoded { base64 } => STANDARD.decode(base64).map_err(E::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Held {
        #[serde(with = "super")]
        bytes: Vec<u8>,
        #[serde(with = "super::known")]
        known: Known<Vec<u8>>,
        number: Known<u32>,
    }

    fn stored(held: &Held) -> String {
        let text = serde_json::to_string(held).expect("can be stored");
        assert_eq!(serde_json::from_str::<Held>(&text).expect("can be read"), *held);
        let toml = toml::to_string(held).expect("can be stored");
        assert_eq!(toml::from_str::<Held>(&toml).expect("can be read"), *held);
        text
    }

    #[test]
    fn text_is_readable_and_nothing_is_lost() {
        let text = Held {
            bytes: b"a \"b\"\n".to_vec(),
            known: Known::Yes(vec![0xff, 0]),
            number: Known::Yes(7),
        };
        assert_eq!(
            stored(&text),
            r#"{"bytes":"a \"b\"\n","known":{"base64":"/wA="},"number":7}"#
        );
        let unknown = Held {
            bytes: vec![0x80],
            known: Known::No("why".to_owned()),
            number: Known::No("not yet".to_owned()),
        };
        assert_eq!(
            stored(&unknown),
            r#"{"bytes":{"base64":"gA=="},"known":{"unknown":"why"},"number":{"unknown":"not yet"}}"#
        );
    }
}
