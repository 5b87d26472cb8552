//! What a run changed: each resource with its first and last change.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use crate::facts::apt::{AptVerb, Installation};
use crate::facts::journal::{CONTENT, ChangeEnd, ChangeRecord, Run, SECRET, Was};
use crate::facts::path::{ContentFact, parent};
use crate::facts::{Fact, FactKey, Facts};

/// A resource that the run changed, and its first and last change.
pub(super) struct Thing<'a> {
    pub(super) first: &'a ChangeRecord,
    pub(super) last: &'a ChangeRecord,
    /// What was there before the first change.
    pub(super) was: Was,
    /// The digest of the content that the run left.
    pub(super) digest: Option<&'a str>,
    /// Its attributes before its first change, and after its last one.
    pub(super) before: BTreeMap<&'a str, &'a str>,
    pub(super) after: BTreeMap<&'a str, &'a str>,
    /// Where its previous version is kept.
    pub(super) kept: Option<&'a str>,
    /// The units of handlers that were notified.
    pub(super) units: BTreeSet<&'a str>,
}

impl Thing<'_> {
    /// Whether the run's review did not show its text, or that before.
    pub(super) fn is_secret(&self) -> bool {
        [&self.before, &self.after]
            .iter()
            .any(|attributes| attributes.get(CONTENT) == Some(&SECRET))
    }
}

/// The same, with what the host noted where it alone knew what was there.
pub(super) fn things_on<'a>(run: &'a Run, facts: &Facts) -> Vec<Thing<'a>> {
    let mut things = things(run);
    for thing in &mut things {
        let noted = noted(thing).and_then(|key| facts.get(&key));
        if matches!(noted, Some(Fact::Content(ContentFact::Bytes(bytes))) if bytes == b"absent\n") {
            thing.was = Was::Absent;
        }
    }
    things
}

/// Where the host noted what was there, if it alone knew that: beside the previous version.
pub(super) fn noted(thing: &Thing<'_>) -> Option<FactKey> {
    let kept = thing.kept.filter(|_| thing.was == Was::Unknown)?;
    Some(FactKey::Content(format!("{}/was", parent(kept))))
}

/// The resources that the run changed, in the order of their first change.
pub(super) fn things(run: &Run) -> Vec<Thing<'_>> {
    let mut things: IndexMap<(&str, &str), Thing<'_>> = IndexMap::new();
    let made = run.changes.iter().filter(|change| {
        matches!(change.end, ChangeEnd::Applied | ChangeEnd::Unknown)
            && matches!(change.record.action.as_str(), "create" | "update" | "remove")
    });
    for change in made {
        let record = &change.record;
        let thing = things.entry((&record.kind, &record.name)).or_insert_with(|| Thing {
            first: record,
            last: record,
            was: record.was,
            digest: None,
            before: BTreeMap::new(),
            after: BTreeMap::new(),
            kept: record.kept.as_deref(),
            units: BTreeSet::new(),
        });
        thing.last = record;
        for (name, value) in &record.before {
            thing.before.entry(name).or_insert(value);
        }
        thing
            .after
            .extend(record.after.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        if record.digest.is_some() || record.action == "remove" {
            thing.digest = record.digest.as_deref();
        }
        thing
            .units
            .extend(record.notifies.iter().filter_map(|handler| handler.unit.as_deref()));
    }
    things.into_values().collect()
}

/// What apt is asked to install for a package to become what it was, if it was installed.
pub(super) fn earlier_version(thing: &Thing<'_>) -> Option<Installation> {
    let version = thing.before.get("version")?;
    let package = format!("{}={version}", thing.first.name);
    Some(Installation::new(AptVerb::Install, &[&package]))
}
