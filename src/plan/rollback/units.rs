//! What becomes of units in a rollback: some go with a package, and some lack what they need to run.

use std::collections::{BTreeMap, BTreeSet};

use super::things::{Thing, earlier_version};
use crate::facts::account::{GroupFact, UserFact};
use crate::facts::journal::Was;
use crate::facts::path::{ContentFact, PathFact};
use crate::facts::unit::{UnitFact, UnitFilePath, settings_of, template_of};
use crate::facts::{Fact, FactKey, Facts};
use crate::operations::UnitNeeds;

/// What is known of the units of a rollback.
#[derive(Default)]
pub(super) struct Units {
    /// Units and templates of which the file goes with a package.
    leaving: BTreeSet<String>,
    /// Units and templates of which a file goes back to what it was.
    returning: BTreeSet<String>,
    /// Whether a package comes back, and with it perhaps units, accounts and programs.
    has_packages: bool,
    /// Why units and templates cannot run as they were.
    lacking: BTreeMap<String, String>,
    /// The names that units have besides those that they are called by here.
    other_names: BTreeMap<String, String>,
    /// Units that the host does not have now.
    absent: BTreeSet<String>,
}

impl Units {
    pub(super) fn of(things: &[Thing<'_>], facts: &Facts) -> Self {
        let mut units = Self {
            has_packages: things.iter().any(comes_back),
            ..Self::default()
        };
        for package in things.iter().filter(|thing| goes(thing)) {
            let list = text(&list_of(&package.first.name), facts).unwrap_or_default();
            units.leaving.extend(units_in(list));
        }
        for name in things.iter().flat_map(|thing| &thing.units) {
            match facts.get(&FactKey::Unit((*name).to_owned())) {
                Some(Fact::Unit(UnitFact::Present(state))) if state.id != *name => {
                    units.other_names.insert((*name).to_owned(), state.id.clone());
                }
                Some(Fact::Unit(UnitFact::Absent)) => {
                    units.absent.insert((*name).to_owned());
                }
                _ => {}
            }
        }
        let texts: Vec<(UnitFilePath<'_>, &str)> = things.iter().filter_map(|thing| returning(thing, facts)).collect();
        units.returning.extend(
            texts
                .iter()
                .filter(|(file, _)| file.drop_in.is_none())
                .map(|(file, _)| file.unit.to_owned()),
        );
        if !units.has_packages {
            for (unit, needs) in texts.iter().flat_map(|(file, text)| needs(file.unit, text, things)) {
                if let Some(why) = lack(&needs, things, facts) {
                    units.lacking.insert(unit, why);
                }
            }
        }
        for (file, text) in &texts {
            let started = started_by(file.unit, text);
            if let Some(started) = started.filter(|started| units.lacking.contains_key(started)) {
                let why = format!("it starts `{started}`, which does not go back either");
                units.lacking.entry(file.unit.to_owned()).or_insert(why);
            }
        }
        units
    }

    /// Whether a unit goes with a package.
    pub(super) fn leaves(&self, unit: &str) -> bool {
        let names = [Some(unit), self.other_names.get(unit).map(String::as_str)];
        names.into_iter().flatten().any(|name| {
            self.leaving.contains(name) || template_of(name).is_some_and(|template| self.leaving.contains(&template))
        })
    }

    /// Whether a unit is there when all else went back.
    pub(super) fn is_there(&self, unit: &str) -> bool {
        let returns = |name: &str| self.returning.contains(name) && !self.lacking.contains_key(name);
        let returns =
            returns(unit) || template_of(unit).is_some_and(|template| returns(&template)) || self.has_packages;
        !self.leaves(unit) && (returns || !self.absent.contains(unit))
    }

    /// Why a unit cannot run as it was.
    pub(super) fn lack(&self, unit: &str) -> Option<&str> {
        let of_template = || self.lacking.get(&template_of(unit)?);
        self.lacking.get(unit).or_else(of_template).map(String::as_str)
    }
}

/// The facts that say what units need: those of `facts` decide which further ones are needed.
pub(super) fn keys(things: &[Thing<'_>], facts: &Facts) -> BTreeSet<FactKey> {
    let mut keys = BTreeSet::new();
    keys.extend(
        things
            .iter()
            .filter(|thing| goes(thing))
            .map(|thing| list_of(&thing.first.name)),
    );
    keys.extend(
        things
            .iter()
            .flat_map(|thing| &thing.units)
            .filter_map(|unit| FactKey::of_unit(unit)),
    );
    for thing in things {
        keys.extend(
            unit_file(thing)
                .and(thing.kept)
                .map(|kept| FactKey::Content(kept.to_owned())),
        );
        let Some((file, text)) = returning(thing, facts) else {
            continue;
        };
        for (_, needs) in needs(file.unit, text, things) {
            keys.extend(needs.user().map(|user| FactKey::User(user.to_owned())));
            keys.extend(needs.group().map(|group| FactKey::Group(group.to_owned())));
            keys.extend(
                needs
                    .program()
                    .into_iter()
                    .flat_map(|(_, places)| places)
                    .map(FactKey::Path),
            );
        }
    }
    keys
}

/// What the unit of a file with this text needs; of a template, also what each instance needs that the run started or stopped, or that
/// it notified.
fn needs(unit: &str, text: &str, things: &[Thing<'_>]) -> Vec<(String, UnitNeeds)> {
    let states = things.iter().filter(|thing| thing.first.kind == "unit");
    let states = states.map(|thing| thing.first.name.as_str());
    let notified = things.iter().flat_map(|thing| thing.units.iter().copied());
    let instances: BTreeSet<&str> = states
        .chain(notified)
        .filter(|name| template_of(name).as_deref() == Some(unit))
        .collect();
    let own = (unit.to_owned(), UnitNeeds::of_unit_that_ran(text, None));
    let of_instances = instances.into_iter().map(|name| {
        let (_, rest) = name.split_once('@').unwrap_or_default();
        let instance = rest.rsplit_once('.').map_or(rest, |(instance, _)| instance);
        (name.to_owned(), UnitNeeds::of_unit_that_ran(text, Some(instance)))
    });
    std::iter::once(own).chain(of_instances).collect()
}

/// Whether it is a package that goes.
fn goes(thing: &Thing<'_>) -> bool {
    thing.first.kind == "package" && thing.was == Was::Absent && earlier_version(thing).is_none()
}

/// Whether it is a package that may come back, or in another version.
fn comes_back(thing: &Thing<'_>) -> bool {
    thing.first.kind == "package" && earlier_version(thing).is_some()
}

/// dpkg's list of the files of a package.
fn list_of(package: &str) -> FactKey {
    FactKey::Content(format!("/var/lib/dpkg/info/{package}.list"))
}

/// The units and templates of which the file is in such a list.
fn units_in(list: &str) -> impl Iterator<Item = String> {
    list.lines().filter_map(|path| match path.strip_prefix("/etc/init.d/") {
        Some(script) => Some(format!("{script}.service")),
        None => UnitFilePath::of(path)
            .filter(|file| file.drop_in.is_none())
            .map(|file| file.unit.to_owned()),
    })
}

fn unit_file<'a>(thing: &Thing<'a>) -> Option<UnitFilePath<'a>> {
    let path = thing.first.name.as_str();
    UnitFilePath::of(path).filter(|_| thing.first.kind == "file")
}

/// The file of a unit, with the text that goes back into it.
fn returning<'a, 'f>(thing: &Thing<'a>, facts: &'f Facts) -> Option<(UnitFilePath<'a>, &'f str)> {
    let kept = FactKey::Content(thing.kept?.to_owned());
    Some((unit_file(thing)?, text(&kept, facts)?))
}

fn text<'f>(key: &FactKey, facts: &'f Facts) -> Option<&'f str> {
    match facts.get(key)? {
        Fact::Content(ContentFact::Bytes(bytes)) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

/// What the host lacks of what a unit needs.
fn lack(needs: &UnitNeeds, things: &[Thing<'_>], facts: &Facts) -> Option<String> {
    let lacks = |what: &str, name: &str| {
        Some(format!(
            "its {what} `{name}` is not on the host; create it, then roll back again"
        ))
    };
    if let Some(user) = needs.user()
        && matches!(
            facts.get(&FactKey::User(user.to_owned())),
            Some(Fact::User(UserFact::Absent))
        )
    {
        return lacks("user", user);
    }
    if let Some(group) = needs.group()
        && matches!(
            facts.get(&FactKey::Group(group.to_owned())),
            Some(Fact::Group(GroupFact::Absent))
        )
    {
        return lacks("group", group);
    }
    let (program, places) = needs.program()?;
    let goes_back = |path: &String| {
        things
            .iter()
            .any(|thing| thing.first.name == *path && thing.kept.is_some())
    };
    let is_absent = |path: &String| {
        let fact = facts.get(&FactKey::Path(path.clone()));
        matches!(fact, Some(Fact::Path(PathFact::Absent))) && !goes_back(path)
    };
    places.iter().all(is_absent).then(|| lacks("program", program))?
}

/// The unit that a timer or the like starts.
fn started_by(unit: &str, text: &str) -> Option<String> {
    let (stem, suffix) = unit.rsplit_once('.')?;
    let (section, key) = match suffix {
        "timer" => ("Timer", "Unit"),
        "path" => ("Path", "Unit"),
        "socket" => ("Socket", "Service"),
        _ => return None,
    };
    let mut named = settings_of(text)
        .into_iter()
        .filter(|(own, name, _)| own == section && name == key);
    Some(
        named
            .next_back()
            .map_or_else(|| format!("{stem}.service"), |(.., value)| value),
    )
}
