//! What of a JSON text would not be written again as it is: long numbers, and a key that stands twice in a table.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// No number of this many digits loses any.
const DIGITS: usize = 17;

/// Errors: the first number that has more digits than a number of the library.
pub(super) fn check(text: &str) -> Result<(), &str> {
    let mut rest = text;
    while let Some(at) = rest.find(|character: char| character == '"' || character.is_ascii_digit()) {
        rest = &rest[at..];
        if let Some(inner) = rest.strip_prefix('"') {
            rest = &inner[string_end(inner)..];
            continue;
        }
        let is_part = |character: char| character.is_ascii_digit() || "+-.eE".contains(character);
        let length = rest.find(|character| !is_part(character)).unwrap_or(rest.len());
        let number = &rest[..length];
        let digits = number.chars().filter(char::is_ascii_digit).count();
        let is_whole = number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok();
        if digits > DIGITS && !is_whole {
            return Err(number);
        }
        rest = &rest[length..];
    }
    Ok(())
}

/// Errors: the first key that stands twice in a table, and where.
pub(super) fn check_keys(text: &str) -> Result<(), serde_json::Error> {
    serde_json::from_str::<UniqueKeys>(text).map(drop)
}

/// A value in which no table has a key twice.
struct UniqueKeys;

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueKeysVisitor)
    }
}

struct UniqueKeysVisitor;

impl<'de> Visitor<'de> for UniqueKeysVisitor {
    type Value = UniqueKeys;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_unit<E: Error>(self) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<UniqueKeys, A::Error> {
        while items.next_element::<UniqueKeys>()?.is_some() {}
        Ok(UniqueKeys)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<UniqueKeys, A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(A::Error::custom(format!("the key `{key}` is in its table twice")));
            }
            keys.insert(key);
            entries.next_value::<UniqueKeys>()?;
        }
        Ok(UniqueKeys)
    }
}

/// Where a string ends, after its first quote.
fn string_end(inner: &str) -> usize {
    let mut is_escaped = false;
    for (at, character) in inner.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    inner.len()
}

#[cfg(test)]
mod tests {
    use super::{check, check_keys};

    #[test]
    fn a_key_that_stands_twice_is_found() {
        for text in [
            "{\"a\": {\"a\": [1, null, true, 1.5]}, \"b\": {\"a\": \"\"}}",
            "[]",
            "-1",
        ] {
            assert!(check_keys(text).is_ok(), "{text}");
        }
        let found = check_keys("{\"x\": [{\"a\": 1,\n\"b\": 2, \"a\": 3}]}").map_err(|error| error.to_string());
        assert_eq!(
            found,
            Err("the key `a` is in its table twice at line 2 column 11".to_owned())
        );
    }

    #[test]
    fn long_numbers_are_found_outside_of_strings() {
        for text in [
            "{\"a\": 1, \"b\": \"123456789012345678901\\\"123456789012345678901\"}",
            "18446744073709551615",
            "[-9223372036854775808, 0.1, 1e300]",
            "\"",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        assert_eq!(check("[1, 123456789012345678901]"), Err("123456789012345678901"));
        assert_eq!(check("{\"x\": 0.1000000000000000055}"), Err("0.1000000000000000055"));
    }
}
