//! From [`Value`] to the parameter structs of operations, with the position of whatever does not fit.

use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::worlds::VARIED;
use super::{Entry, Kind, Table, Value, Why, advice};
use crate::error::{Diagnostic, Origin, suggestion};
use crate::secret::World;

/// The name under which [`Known`] asks the deserializer whether a value is known.
const KNOWN: &str = "$homelab::value::Known";

/// Reads `value` as a `T`.
///
/// Errors: [`ValueError`] with the position of the key or value that does not fit.
pub fn deserialize<T: DeserializeOwned>(value: &Value) -> Result<T, ValueError> {
    T::deserialize(ValueDeserializer { value })
}

/// A value that may not be known yet: `value`, or `{ unknown = "why" }` where it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known<T> {
    /// It is known.
    Yes(T),
    /// It is not, for this reason.
    No(String),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Known<T> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KnownVisitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for KnownVisitor<T> {
            type Value = Known<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a value")
            }

            fn visit_str<E: de::Error>(self, why: &str) -> Result<Self::Value, E> {
                Ok(Known::No(why.to_owned()))
            }

            /// From the deserializer of this module, which knows what is unknown.
            fn visit_some<D: de::Deserializer<'de>>(self, inner: D) -> Result<Self::Value, D::Error> {
                T::deserialize(inner).map(Known::Yes)
            }

            /// From a stored file.
            fn visit_newtype_struct<D: de::Deserializer<'de>>(self, inner: D) -> Result<Self::Value, D::Error> {
                Stored::deserialize(inner).map(|stored| match stored {
                    Stored::Unknown { unknown } => Known::No(unknown),
                    Stored::Known(value) => Known::Yes(value),
                })
            }
        }
        deserializer.deserialize_newtype_struct(KNOWN, KnownVisitor(std::marker::PhantomData))
    }
}

impl<T: Serialize> Serialize for Known<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Yes(value) => Stored::Known(value),
            Self::No(why) => Stored::Unknown { unknown: why.clone() },
        }
        .serialize(serializer)
    }
}

/// How a [`Known`] is stored.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored<T> {
    Unknown { unknown: String },
    Known(T),
}

/// Why a value does not fit the type it is read as.
#[derive(Clone, Debug)]
pub struct ValueError {
    message: String,
    origin: Option<Origin>,
    hint: Option<String>,
    misfit: Box<Misfit>,
    /// Set when the only trouble is that the value is not known yet.
    pub unknown: Option<Why>,
    /// Whether a secret stands where none may.
    pub is_secret: bool,
}

/// What is known of a value that does not fit.
#[derive(Clone, Debug, Default)]
struct Misfit {
    found: Option<Value>,
    /// The way to it, from the outermost table.
    path: Vec<Part>,
    /// Whether a key is not there, rather than wrong.
    is_missing: bool,
}

/// A step of the way to a value within another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Below this key of a table.
    Key(String),
    /// In a list, at this place, counted from 0.
    Item(usize),
}

impl ValueError {
    fn at(mut self, origin: Option<&Origin>) -> Self {
        if self.origin.is_none() {
            self.origin = origin.cloned();
        }
        self
    }

    fn of(mut self, value: &Value) -> Self {
        if self.origin.is_none() {
            self.misfit.found = Some(value.clone());
        }
        self.at(value.origin.as_ref())
    }

    fn within(mut self, part: Part) -> Self {
        self.misfit.path.insert(0, part);
        self
    }

    /// The way to what does not fit, from the outermost table.
    pub fn path(&self) -> &[Part] {
        &self.misfit.path
    }

    /// The key of the outermost table that does not fit.
    pub fn key(&self) -> Option<&str> {
        match self.misfit.path.first()? {
            Part::Key(key) => Some(key),
            Part::Item(_) => None,
        }
    }

    /// Whether a key is not there that has to be.
    pub fn is_missing(&self) -> bool {
        self.misfit.is_missing
    }

    /// The value that does not fit, unless it is about a key.
    pub fn found(&self) -> Option<&Value> {
        self.misfit.found.as_ref()
    }

    /// Where the misfit is written.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Whether it is known where the misfit is written.
    pub fn has_place(&self) -> bool {
        self.origin.is_some()
    }

    /// The error as a mistake with a position; `used` is where the value is used, if it was written elsewhere.
    pub fn into_diagnostic(self, title: impl Into<String>, used: Option<&Origin>) -> Diagnostic {
        let place = self.origin.as_ref().or(used).cloned();
        let diagnostic = Diagnostic::new(title).at_maybe(place.as_ref(), self.message);
        let elsewhere = used.filter(|used| place.as_ref().is_some_and(|place| place.file != used.file));
        diagnostic.at_maybe(elsewhere, "used here").hint_maybe(self.hint)
    }

    /// The error as a mistake in the value that `title` names and that must be `expected`, in words; `used` is where it is used, if
    /// it is written elsewhere. `None` where it is not about a value.
    pub fn misfit(&self, title: &str, expected: &str, used: Option<&Origin>) -> Option<Diagnostic> {
        let found = self.misfit.found.as_ref()?;
        let mut keys = self.misfit.path.iter().rev();
        let key = keys.find_map(|part| match part {
            Part::Key(key) => Some(key),
            Part::Item(_) => None,
        })?;
        let title = format!("{title} must be {expected}");
        let elsewhere = used.filter(|used| self.origin.as_ref() != Some(*used));
        // The kind lists what there is already.
        let hint = self.hint.clone().filter(|hint| hint.starts_with("did you mean"));
        Some(
            Diagnostic::new(title)
                .at_maybe(self.origin.as_ref(), format!("this is {}", found.shown()))
                .at_maybe(elsewhere, "used here")
                .hint(hint.unwrap_or_else(|| advice(key, expected, found))),
        )
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ValueError {}

impl de::Error for ValueError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            message: message.to_string(),
            origin: None,
            hint: None,
            misfit: Box::default(),
            unknown: None,
            is_secret: false,
        }
    }

    fn invalid_type(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("expected {expected}, found {}", describe(unexpected)))
    }

    fn invalid_value(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn missing_field(field: &'static str) -> Self {
        let mut error = Self::custom(format_args!("missing `{field}`"));
        error.misfit.is_missing = true;
        error
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let mut error = Self::custom(format_args!("unknown value `{variant}`"));
        error.hint = suggestion(variant, expected.iter().copied());
        error
    }
}

fn describe(unexpected: de::Unexpected<'_>) -> String {
    match unexpected {
        de::Unexpected::Bool(truth) => format!("the boolean `{truth}`"),
        de::Unexpected::Signed(number) => format!("the integer `{number}`"),
        de::Unexpected::Unsigned(number) => format!("the integer `{number}`"),
        de::Unexpected::Float(number) => format!("the float `{number}`"),
        de::Unexpected::Str(text) => format!("the string `{text}`"),
        de::Unexpected::Seq => "a list".to_owned(),
        de::Unexpected::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

#[derive(Clone, Copy)]
struct ValueDeserializer<'a> {
    value: &'a Value,
}

impl ValueDeserializer<'_> {
    /// A plain field met a value that is not known, or one that is secret: neither may be read as if it were plain.
    fn refuse_unreadable(self) -> Result<(), ValueError> {
        let mut error = match &self.value.kind {
            Kind::Unknown(why) => {
                let mut error: ValueError = de::Error::custom("this value is not known yet");
                error.unknown = Some(why.clone());
                error
            }
            Kind::Secret(_) => {
                let mut error: ValueError = de::Error::custom("this is a secret");
                error.is_secret = true;
                error
            }
            _ => return Ok(()),
        };
        error.origin.clone_from(&self.value.origin);
        Err(error)
    }
}

impl<'de> de::Deserializer<'de> for ValueDeserializer<'_> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.refuse_unreadable()?;
        let result = match &self.value.kind {
            Kind::Bool(truth) => visitor.visit_bool(*truth),
            Kind::Integer(number) => visitor.visit_i64(*number),
            Kind::Float(number) => visitor.visit_f64(*number),
            Kind::String(text) => visitor.visit_str(text),
            Kind::List(items) => visitor.visit_seq(Items {
                items: items.iter().enumerate(),
            }),
            Kind::Table(table) => visitor.visit_map(Entries {
                entries: table.iter(),
                value: None,
                key: None,
            }),
            Kind::Secret(_) | Kind::Unknown(_) => unreachable!("refused above"),
        };
        result.map_err(|error| error.of(self.value))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match &self.value.kind {
            Kind::Unknown(why) if name == KNOWN => visitor.visit_str(&why.to_string()),
            _ if name == KNOWN => visitor.visit_some(self),
            _ if name == VARIED && self.value.holds_secret() => visitor.visit_seq(Worlds::of(self.value)),
            _ if name == VARIED => visitor.visit_some(self),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.refuse_unreadable()?;
        let Kind::String(text) = &self.value.kind else {
            let error: ValueError =
                de::Error::custom(format_args!("expected a string, found {}", self.value.describe()));
            return Err(error.of(self.value));
        };
        visitor
            .visit_enum(text.as_str().into_deserializer())
            .map_err(|error: ValueError| error.of(self.value))
    }

    /// Unknown keys are reported before any value is read, so that a misspelled key is not reported as missing.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match &self.value.kind {
            Kind::Table(table) => refuse_unknown_keys(table, fields)?,
            Kind::Secret(_) | Kind::Unknown(_) => {}
            // Without this, a list would be read as the values of the fields.
            _ => {
                let found = self.value.describe();
                let error: ValueError = de::Error::custom(format_args!("expected a table, found {found}"));
                return Err(error.of(self.value));
            }
        }
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

fn refuse_unknown_keys(table: &Table, fields: &'static [&'static str]) -> Result<(), ValueError> {
    let Some((key, entry)) = table.iter().find(|(key, _)| !fields.contains(&key.as_str())) else {
        return Ok(());
    };
    let mut error: ValueError = de::Error::custom(format_args!("unknown key `{key}`"));
    error.hint = suggestion(key, fields.iter().copied());
    Err(error.at(entry.key.as_ref()))
}

/// A value in each world, and what the worlds stand for.
struct Worlds<'a> {
    value: &'a Value,
    rest: std::array::IntoIter<Value, 4>,
}

impl<'a> Worlds<'a> {
    fn of(value: &'a Value) -> Self {
        let [real, first, second] = World::ALL.map(|world| value.in_world(world));
        let cover: &str = value.cover().unwrap_or_default().into();
        Self {
            value,
            rest: [real, first, second, Value::string(cover)].into_iter(),
        }
    }
}

impl<'de> de::SeqAccess<'de> for Worlds<'_> {
    type Error = ValueError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ValueError> {
        let Some(value) = self.rest.next() else {
            return Ok(None);
        };
        // The error would show what was found.
        let read = seed.deserialize(ValueDeserializer { value: &value });
        read.map(Some).map_err(|error| Self::misfit(&error, self.value))
    }
}

impl Worlds<'_> {
    fn misfit(error: &ValueError, value: &Value) -> ValueError {
        let mut misfit: ValueError = de::Error::custom("this secret is of another type");
        misfit.unknown.clone_from(&error.unknown);
        misfit.at(value.origin.as_ref())
    }
}

struct Items<'a> {
    items: std::iter::Enumerate<std::slice::Iter<'a, Value>>,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = ValueError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ValueError> {
        self.items
            .next()
            .map(|(index, value)| {
                seed.deserialize(ValueDeserializer { value })
                    .map_err(|error| error.of(value).within(Part::Item(index)))
            })
            .transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'a> {
    entries: indexmap::map::Iter<'a, String, Entry>,
    value: Option<&'a Value>,
    key: Option<&'a str>,
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = ValueError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ValueError> {
        let Some((key, entry)) = self.entries.next() else {
            return Ok(None);
        };
        self.value = Some(&entry.value);
        self.key = Some(key);
        seed.deserialize(key.as_str().into_deserializer())
            .map(Some)
            .map_err(|error: ValueError| error.at(entry.key.as_ref()))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ValueError> {
        let value = self
            .value
            .take()
            .ok_or_else(|| <ValueError as de::Error>::custom("a value was asked for before its key"))?;
        seed.deserialize(ValueDeserializer { value }).map_err(|error| {
            let error = error.of(value);
            match self.key {
                Some(key) => error.within(Part::Key(key.to_owned())),
                None => error,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SourceFile;
    use crate::value::parse_toml;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Parameters {
        path: String,
        #[serde(default)]
        mode: Option<u16>,
        #[serde(default)]
        names: Vec<String>,
        #[serde(default)]
        state: Option<State>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum State {
        Started,
        Stopped,
    }

    fn read(text: &str) -> Result<Parameters, ValueError> {
        let table = parse_toml(&SourceFile::new("t.toml", text)).expect("valid TOML");
        deserialize(&Value::new(Kind::Table(table)))
    }

    fn error(text: &str) -> (String, Option<String>) {
        let diagnostic = read(text).expect_err("must not fit").into_diagnostic("x", None);
        let place = diagnostic.origin().map(ToString::to_string).unwrap_or_default();
        (
            format!("{place}: {}", diagnostic.labels.first().map_or("", |label| &label.text)),
            diagnostic.hint,
        )
    }

    #[test]
    fn reads_what_fits() {
        let parameters = read("path = 'a'\nmode = 8\nnames = ['x']\nstate = 'stopped'").expect("fits");
        assert_eq!(parameters.path, "a");
        assert_eq!(parameters.mode, Some(8));
        assert_eq!(parameters.names, ["x"]);
        assert_eq!(parameters.state, Some(State::Stopped));
    }

    #[test]
    fn points_at_what_does_not_fit() {
        assert_eq!(
            error("path = 'a'\nnames = ['x', 3]").0,
            "t.toml:2:15: expected a string, found the integer `3`"
        );
        assert_eq!(
            error("path = 'a'\nmode = 'x'").0,
            "t.toml:2:8: expected u16, found the string `x`"
        );
        assert_eq!(
            error("state = 'starte'\npath = ''"),
            (
                "t.toml:1:9: unknown value `starte`".to_owned(),
                Some("did you mean `started`?".to_owned())
            )
        );
    }

    #[test]
    fn unknown_keys_come_before_missing_ones() {
        assert_eq!(
            error("pth = 'a'"),
            (
                "t.toml:1:1: unknown key `pth`".to_owned(),
                Some("did you mean `path`?".to_owned())
            )
        );
    }

    #[test]
    fn what_is_not_known_is_told_apart() {
        #[derive(Debug, Deserialize)]
        struct Half {
            content: Known<String>,
        }
        let mut table = Table::new();
        table.insert(
            "content".to_owned(),
            Entry {
                key: None,
                value: Value::new(Kind::Unknown("made by `x`".into())),
            },
        );
        let half: Half = deserialize(&Value::new(Kind::Table(table.clone()))).expect("fits");
        assert_eq!(half.content, Known::No("made by `x`".to_owned()));

        table.insert("path".to_owned(), table.get("content").expect("there").clone());
        table.shift_remove("content");
        let error = deserialize::<Parameters>(&Value::new(Kind::Table(table))).expect_err("not known");
        assert_eq!(error.unknown, Some("made by `x`".into()));
    }
}
