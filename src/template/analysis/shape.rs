//! What is known of a value of a template.

use minijinja::value::ValueKind;

use super::super::sorts::Sort;

/// What is known of a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Its type; `None` if it is not known.
    pub sort: Option<Sort>,
    /// The types of its items, if it is a list.
    pub items: Option<Sort>,
    /// The name of the fact that it comes from, if it contains text of a host that a shell could interpret.
    pub foreign: Option<String>,
    /// Whether it is a fact that is `none` where nothing of its name exists.
    pub is_never_undefined: bool,
    /// Whether its text of a host is one fact as it is, which has no line break.
    pub is_line: bool,
    /// Its text, if it is written in the template.
    pub(super) text: Option<String>,
    /// Its dotted name.
    pub(super) path: Option<String>,
    /// For how many shells it was quoted, and what was.
    pub(super) quoting: Quoting,
    pub(super) quoted: Option<String>,
}

/// For how many shells a value was quoted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Quoting {
    #[default]
    None,
    Once,
    /// For a shell that hands it to another one.
    Twice,
}

impl Shape {
    /// A value of this type, from the project itself.
    pub fn of(sort: Option<Sort>) -> Self {
        Self {
            sort,
            ..Self::default()
        }
    }

    /// Text of a host, called `name`.
    pub fn foreign(name: &str) -> Self {
        Self {
            foreign: Some(name.to_owned()),
            ..Self::default()
        }
    }

    pub(super) fn is_quoted(&self) -> bool {
        self.quoting != Quoting::None
    }

    /// The same, without a line break in it.
    #[must_use]
    pub fn in_one_line(self) -> Self {
        Self { is_line: true, ..self }
    }

    /// What is known of a value that is one of the two.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let is_line = |one: &Self| one.is_line || (one.foreign.is_none() && one.quoted.is_none());
        let quoting = match [&self, &other].map(|one| (one.quoting, one.quoted.is_some())) {
            // What comes from the project itself does not count.
            [(own, true), (_, false)] | [(_, false), (own, true)] => own,
            [(one, _), (two, _)] if one != Quoting::None && two != Quoting::None => one.min(two),
            [(one, _), (two, _)] => one.max(two),
        };
        Self {
            is_line: is_line(&self) && is_line(&other),
            quoting,
            sort: self.sort.filter(|sort| other.sort == Some(*sort)),
            items: self.items.filter(|items| other.items == Some(*items)),
            foreign: self.foreign.or(other.foreign),
            quoted: self.quoted.or(other.quoted),
            ..Self::default()
        }
    }

    pub(super) fn number() -> Self {
        Self::of(Some(Sort::Number))
    }

    pub(super) fn truth() -> Self {
        Self::of(Some(Sort::Truth))
    }

    /// A value made of others; of quoted ones, the quotes may be lost.
    pub(super) fn made(sort: Option<Sort>, parts: &[&Shape]) -> Self {
        let foreign = |part: &&Shape| part.foreign.clone().or_else(|| part.quoted.clone());
        Self {
            sort,
            foreign: parts.iter().find_map(foreign),
            ..Self::default()
        }
    }

    /// Values next to one another, each as it is.
    pub(super) fn joined(sort: Sort, parts: &[&Shape]) -> Self {
        Self {
            sort: Some(sort),
            foreign: parts.iter().find_map(|part| part.foreign.clone()),
            quoted: parts.iter().find_map(|part| part.quoted.clone()),
            quoting: if parts.iter().any(|part| part.is_quoted()) {
                Quoting::Once
            } else {
                Quoting::None
            },
            ..Self::default()
        }
    }

    /// The same value, of an unknown type.
    #[must_use]
    pub fn of_any_type(self) -> Self {
        Self {
            sort: None,
            items: None,
            text: None,
            ..self
        }
    }

    /// A list of such items.
    #[must_use]
    pub fn listed(self) -> Self {
        Self {
            items: self.sort,
            sort: Some(Sort::List),
            text: None,
            path: None,
            ..self
        }
    }

    /// A table of such values.
    #[must_use]
    pub fn tabled(self) -> Self {
        Self {
            sort: Some(Sort::Table),
            ..self.of_any_type()
        }
    }

    /// Text of a host, called `name`, of this type.
    #[must_use]
    pub fn with_sort(self, sort: Option<Sort>) -> Self {
        Self { sort, ..self }
    }

    /// An item of the list, or a key of the table.
    #[must_use]
    pub fn item(&self, world: &dyn World) -> Self {
        item_of(self, world)
    }

    /// Its dotted name, if it has one.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }
}

/// The names that templates see.
pub trait World {
    /// What is known of a dotted name; a part that is not known before is `*`.
    fn shape(&self, path: &str) -> Shape;
}

/// The items of a list, or the keys of a table.
pub(super) fn item_of(list: &Shape, world: &dyn World) -> Shape {
    match (list.sort, &list.path) {
        (Some(Sort::Table), Some(_)) => Shape::of(Some(Sort::Text)),
        (Some(Sort::List), Some(path)) => {
            let path = format!("{path}.*");
            let shape = world.shape(&path);
            Shape {
                sort: shape.sort.or(list.items),
                foreign: shape.foreign.or(list.foreign.clone()),
                path: Some(path),
                ..shape
            }
        }
        _ => Shape::made(list.items, &[list]),
    }
}

pub(super) fn constant(value: &minijinja::Value) -> Shape {
    let sort = match value.kind() {
        ValueKind::String => Some(Sort::Text),
        ValueKind::Number => Some(Sort::Number),
        ValueKind::Bool => Some(Sort::Truth),
        ValueKind::None => Some(Sort::None),
        _ => None,
    };
    Shape {
        text: value.as_str().map(str::to_owned),
        ..Shape::of(sort)
    }
}
