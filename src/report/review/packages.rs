//! Additional packages that the requested ones bring.

use std::borrow::Cow;

use super::mask::masked;
use crate::change::{Attribute, ResourceChange, ResourceId, ResourceKind};

/// Whether `id` represents additional packages.
pub(in super::super) fn come_along(id: &ResourceId) -> bool {
    id.kind == ResourceKind::PackagesAlong
}

/// The numbers of additional packages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Along {
    pub installs: usize,
    pub upgrades: usize,
    pub removes: usize,
    /// Whether there may be more that the host does not know yet.
    pub is_unknown: bool,
}

/// Additional packages with their versions.
#[derive(Clone, Debug, Default)]
pub struct AlongNames<'a> {
    pub installs: Vec<Cow<'a, str>>,
    pub upgrades: Vec<Cow<'a, str>>,
    pub removes: Vec<Cow<'a, str>>,
    /// Why more is not known.
    pub unknown: Option<Cow<'a, str>>,
}

impl<'a> AlongNames<'a> {
    /// The additional packages of `change`.
    pub(super) fn of(change: &'a ResourceChange) -> Self {
        Self {
            installs: names(change, "installs"),
            upgrades: names(change, "upgrades"),
            removes: names(change, "removes"),
            unknown: unknown(change),
        }
    }
}

impl Along {
    /// Counts the additional packages of `change`.
    pub(super) fn add(&mut self, change: &ResourceChange) {
        let names = AlongNames::of(change);
        self.installs += names.installs.len();
        self.upgrades += names.upgrades.len();
        self.removes += names.removes.len();
        self.is_unknown |= names.unknown.is_some();
    }

    /// Adds other counts.
    pub(super) fn merge(&mut self, other: Self) {
        self.installs += other.installs;
        self.upgrades += other.upgrades;
        self.removes += other.removes;
        self.is_unknown |= other.is_unknown;
    }
}

fn names<'a>(change: &'a ResourceChange, attribute: &str) -> Vec<Cow<'a, str>> {
    match change.after.as_ref().and_then(|after| after.get(attribute)) {
        Some(Attribute::Known(text)) => text.lines().map(masked).collect(),
        _ => Vec::new(),
    }
}

fn unknown(change: &ResourceChange) -> Option<Cow<'_, str>> {
    let mut attributes = change.after.iter().flat_map(|after| after.values());
    attributes.find_map(|attribute| match attribute {
        Attribute::Unknown(why) => Some(masked(why)),
        _ => None,
    })
}
