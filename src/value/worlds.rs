//! Values that were evaluated with secrets and with decoys of them: what differs came from a secret.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{self, Visitor};

use super::{Entry, Kind, Table, Value};
use crate::secret::{Cover, Secret, Sort, World};

/// The name under which [`Varied`] asks the deserializer for all worlds of a value.
pub(super) const VARIED: &str = "$homelab::value::Varied";

impl Value {
    /// Whether it or a part of it came from a secret.
    pub fn holds_secret(&self) -> bool {
        match &self.kind {
            Kind::Secret(_) => true,
            Kind::List(items) => items.iter().any(Self::holds_secret),
            Kind::Table(table) => table.values().any(|entry| entry.value.holds_secret()),
            _ => false,
        }
    }

    /// What the worlds of it stand for, if it has any: a secret, wherever there is one.
    pub fn cover(&self) -> Option<Cover> {
        match &self.kind {
            Kind::Secret(secret) => Some(secret.cover()),
            Kind::List(items) => items.iter().filter_map(Self::cover).max(),
            Kind::Table(table) => table.values().filter_map(|entry| entry.value.cover()).max(),
            _ => None,
        }
    }

    /// The value in one world, without secrets in it.
    #[must_use]
    pub fn in_world(&self, world: World) -> Self {
        let kind = match &self.kind {
            Kind::Secret(secret) => plain(secret, world),
            Kind::List(items) => Kind::List(items.iter().map(|item| item.in_world(world)).collect()),
            Kind::Table(table) => Kind::Table(
                table
                    .iter()
                    .map(|(key, entry)| {
                        let entry = Entry {
                            key: entry.key.clone(),
                            value: entry.value.in_world(world),
                        };
                        (key.clone(), entry)
                    })
                    .collect(),
            ),
            other => other.clone(),
        };
        Self {
            kind,
            origin: self.origin.clone(),
        }
    }

    /// The value whose kinds in each world are given, `None` where it has none. What differs came from what `cover` says.
    ///
    /// Errors: the keys of a table differ, which cannot be hidden.
    pub fn of_worlds(real: Self, decoys: [Option<&Self>; 2], cover: Cover) -> Result<Self, DecidedKeys> {
        let origin = real.origin;
        let kind = kind_of_worlds(real.kind, decoys.map(|decoy| decoy.map(|decoy| &decoy.kind)), cover)?;
        Ok(Self { kind, origin })
    }
}

/// A secret decides which keys a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecidedKeys;

/// The kind that a secret's text stands for in one world.
fn plain(secret: &Secret, world: World) -> Kind {
    let text = secret.in_world(world);
    let read = match secret.sort() {
        Sort::Text => None,
        Sort::Integer => text.parse().ok().map(Kind::Integer),
        Sort::Float => text.parse().ok().map(Kind::Float),
        Sort::Bool => text.parse().ok().map(Kind::Bool),
    };
    read.unwrap_or_else(|| Kind::String(text.to_owned()))
}

/// The text of a value that is no list and no table.
fn text_of(kind: &Kind) -> Option<(String, Sort)> {
    match kind {
        Kind::Bool(truth) => Some((truth.to_string(), Sort::Bool)),
        Kind::Integer(number) => Some((number.to_string(), Sort::Integer)),
        Kind::Float(number) => Some((number.to_string(), Sort::Float)),
        Kind::String(text) => Some((text.clone(), Sort::Text)),
        _ => None,
    }
}

fn kind_of_worlds(real: Kind, decoys: [Option<&Kind>; 2], cover: Cover) -> Result<Kind, DecidedKeys> {
    if decoys == [Some(&real), Some(&real)] {
        return Ok(real);
    }
    match real {
        Kind::List(items) => {
            let others = decoys.map(|decoy| match decoy {
                Some(Kind::List(others)) if others.len() == items.len() => Some(others),
                _ => None,
            });
            let items = items.into_iter().enumerate().map(|(at, item)| {
                let decoys = others.map(|others| others.and_then(|others| others.get(at)));
                Value::of_worlds(item, decoys, cover)
            });
            Ok(Kind::List(items.collect::<Result<_, _>>()?))
        }
        Kind::Table(table) => {
            let mut decided = Table::new();
            for (key, entry) in table {
                let mut others = [None, None];
                for (other, decoy) in others.iter_mut().zip(decoys) {
                    let Some(Kind::Table(decoy)) = decoy else {
                        return Err(DecidedKeys);
                    };
                    *other = Some(&decoy.get(&key).ok_or(DecidedKeys)?.value);
                }
                let value = Value::of_worlds(entry.value, others, cover)?;
                decided.insert(key, Entry { key: entry.key, value });
            }
            Ok(Kind::Table(decided))
        }
        Kind::Secret(_) | Kind::Unknown(_) => Ok(real),
        real => {
            let Some((text, sort)) = text_of(&real) else {
                return Ok(real);
            };
            let others = decoys.map(|decoy| decoy.and_then(text_of));
            let secret = match others {
                [Some((first, one)), Some((second, other))] if one == sort && other == sort => {
                    Secret::of_worlds([text, first, second], sort)
                }
                _ => Secret::whole(text, sort),
            };
            Ok(Kind::Secret(secret.covered_by(cover)))
        }
    }
}

/// A value in all worlds: parameters of this type may come from secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Varied<T> {
    real: T,
    /// `None` if nothing in it came from a secret, or is known only later.
    decoys: Option<Box<[T; 2]>>,
    cover: Cover,
}

/// Text that may come from secrets, whole or in part.
pub type Text = Varied<String>;

impl<T> Varied<T> {
    /// A value without secrets.
    pub fn open(real: T) -> Self {
        Self {
            real,
            decoys: None,
            cover: Cover::default(),
        }
    }

    /// The value itself.
    pub fn expose(&self) -> &T {
        &self.real
    }

    /// The value in a world.
    pub fn in_world(&self, world: World) -> &T {
        match (&self.decoys, world) {
            (None, _) | (_, World::Real) => &self.real,
            (Some(decoys), World::First) => &decoys[0],
            (Some(decoys), World::Second) => &decoys[1],
        }
    }

    /// Whether anything in it came from a secret.
    pub fn is_secret(&self) -> bool {
        self.is_covered() && self.cover != Cover::Later
    }

    /// Whether anything in it is known only later.
    pub fn is_later(&self) -> bool {
        self.is_covered() && self.cover.is_later()
    }

    /// Whether anything in it is not shown: it came from a secret, or is known only later.
    pub fn is_covered(&self) -> bool {
        self.decoys.is_some()
    }

    /// The text that `made` makes of it.
    pub fn text(&self, made: impl Fn(&T) -> String) -> Text {
        self.try_text(|value| Ok::<_, std::convert::Infallible>(made(value)))
            .unwrap_or_else(|never| match never {})
    }

    /// The same if that may fail: in the real world only, a failure is one. If it fails for a decoy, the text is hidden whole.
    pub fn try_text<E>(&self, made: impl Fn(&T) -> Result<String, E>) -> Result<Text, E> {
        let real = made(&self.real)?;
        let Some(decoys) = &self.decoys else {
            return Ok(Text::open(real));
        };
        Ok(match (made(&decoys[0]), made(&decoys[1])) {
            (Ok(first), Ok(second)) => Secret::of_worlds([real, first, second], Sort::Text)
                .covered_by(self.cover)
                .into(),
            _ => Secret::new(real).covered_by(self.cover).into(),
        })
    }
}

impl Text {
    /// The text with `[secret]` in place of what came from a secret, or `(known after apply)`.
    pub fn masked(&self) -> Cow<'_, str> {
        match self.secret() {
            Some(secret) => Cow::Owned(secret.masked()),
            None => Cow::Borrowed(&self.real),
        }
    }

    /// The text as a secret, if any of it is not shown.
    pub fn secret(&self) -> Option<Secret> {
        let [first, second] = &**self.decoys.as_ref()?;
        let texts = [self.real.clone(), first.clone(), second.clone()];
        Some(Secret::of_worlds(texts, Sort::Text).covered_by(self.cover))
    }
}

impl From<Secret> for Text {
    fn from(secret: Secret) -> Self {
        let [real, first, second] = World::ALL.map(|world| secret.in_world(world).to_owned());
        Self {
            real,
            decoys: Some(Box::new([first, second])),
            cover: secret.cover(),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Varied<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_covered() {
            return formatter.write_str(crate::secret::MASK);
        }
        self.real.fmt(formatter)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Varied<T> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct VariedVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for VariedVisitor<T> {
            type Value = Varied<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a value")
            }

            /// A value without secrets.
            fn visit_some<D: de::Deserializer<'de>>(self, inner: D) -> Result<Self::Value, D::Error> {
                T::deserialize(inner).map(Varied::open)
            }

            fn visit_newtype_struct<D: de::Deserializer<'de>>(self, inner: D) -> Result<Self::Value, D::Error> {
                T::deserialize(inner).map(Varied::open)
            }

            /// The value in each world.
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut worlds: A) -> Result<Self::Value, A::Error> {
                let missing = || de::Error::custom("a world is missing");
                let real: T = worlds.next_element()?.ok_or_else(missing)?;
                let first = worlds.next_element()?.ok_or_else(missing)?;
                let second = worlds.next_element()?.ok_or_else(missing)?;
                let cover: Cover = worlds.next_element()?.ok_or_else(missing)?;
                Ok(Varied {
                    real,
                    decoys: Some(Box::new([first, second])),
                    cover,
                })
            }
        }
        deserializer.deserialize_newtype_struct(VARIED, VariedVisitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Varied<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::deserialize;

    fn secret(text: &str) -> Value {
        Value::new(Kind::Secret(Secret::new(text)))
    }

    #[test]
    fn what_differs_between_worlds_is_secret() {
        let list = |items: &[&str]| Value::new(Kind::List(items.iter().map(|item| Value::string(*item)).collect()));
        let value = Value::of_worlds(
            list(&["a", "x1"]),
            [Some(&list(&["a", "y1"])), Some(&list(&["a", "z1"]))],
            Cover::Secret,
        );
        let Kind::List(items) = value.expect("no keys").kind else {
            panic!("a list")
        };
        assert_eq!(items[0].kind, Kind::String("a".to_owned()));
        assert!(matches!(&items[1].kind, Kind::Secret(secret) if secret.expose() == "x1"));
        // Another number of items hides them all.
        let value = Value::of_worlds(list(&["a", "b"]), [Some(&list(&["a"])), None], Cover::Secret).expect("no keys");
        assert!(matches!(&value.kind, Kind::List(items) if items.iter().all(Value::holds_secret)));
    }

    #[test]
    fn a_parameter_has_its_text_in_every_world() {
        let text: Text = deserialize(&secret("hunter2")).expect("a text");
        assert_eq!(
            (text.expose().as_str(), &*text.masked(), text.is_secret()),
            ("hunter2", "[secret]", true)
        );
        let line = text.text(|text| format!("pw = {text}"));
        assert_eq!(line.masked(), "pw = [secret]");
        let open: Text = deserialize(&Value::string("x")).expect("a text");
        assert_eq!((&*open.masked(), open.is_secret()), ("x", false));
        let error = deserialize::<String>(&secret("hunter2")).expect_err("no plain text");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn secrets_inside_a_value_are_read_too() {
        let table: Table = [("a", secret("hunter2")), ("b", Value::string("c"))]
            .map(|(key, value)| (key.to_owned(), Entry { key: None, value }))
            .into();
        let read: Varied<serde_json::Value> = deserialize(&Value::new(Kind::Table(table))).expect("JSON");
        assert_eq!(read.expose()["a"], "hunter2");
        assert_eq!(read.text(ToString::to_string).masked(), r#"{"a":"[secret]","b":"c"}"#);
    }
}
