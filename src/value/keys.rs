//! The keys that a struct is read from.

use serde::de::value::Error;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};

/// The names of the fields of `T` as they are written; none where it is no struct.
pub fn keys_of<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut keys: &'static [&'static str] = &[];
    // It gives nothing to read: what comes back is always an error.
    let _ = T::deserialize(Listener { keys: &mut keys });
    keys
}

/// Hears what a struct asks for.
struct Listener<'a> {
    keys: &'a mut &'static [&'static str],
}

impl<'de> Deserializer<'de> for Listener<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::custom("there is nothing to read"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        *self.keys = fields;
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_that_are_written() {
        #[derive(serde::Deserialize)]
        #[expect(dead_code, reason = "only its shape counts")]
        struct Parameters {
            path: String,
            #[serde(rename = "when")]
            condition: Option<bool>,
        }
        assert_eq!(keys_of::<Parameters>(), ["path", "when"]);
        assert!(keys_of::<String>().is_empty());
    }
}
