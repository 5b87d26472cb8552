//! The overlay against the plainest one there is: a list that is searched from its end.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Effect, FactScope, Lookup, OperationId, Overlay};
use crate::facts::path::{ContentFact, Inode, InodeKind, PathFact};
use crate::facts::unit::{UnitFact, UnitState};
use crate::facts::{Fact, FactKey, Facts};
use crate::value::Known;

const PATHS: [&str; 8] = [
    "/",
    "/etc",
    "/etc/a",
    "/etc/a/b",
    "/etcetera",
    "/srv/a",
    "/etc/systemd/system/a.service",
    "/etc/systemd/system/a.service.d/x.conf",
];

fn keys() -> Vec<FactKey> {
    let names = |key: fn(String) -> FactKey, names: &[&str]| -> Vec<FactKey> {
        names.iter().map(|name| key((*name).to_owned())).collect()
    };
    [
        names(FactKey::Path, &PATHS),
        names(FactKey::Content, &PATHS),
        names(FactKey::Unit, &["a.service", "b.service"]),
        names(FactKey::User, &["anna"]),
        names(FactKey::Package, &["jq"]),
        vec![FactKey::PackageLists, FactKey::UserNumber(7)],
    ]
    .concat()
}

/// Something that is there, under a key of this kind.
fn present(key: &FactKey, number: u32) -> Fact {
    match key {
        FactKey::Path(_) => Fact::Path(PathFact::Present(Inode {
            owner_id: None,
            group_id: None,
            kind: match number {
                2 => InodeKind::Directory,
                _ => InodeKind::File {
                    digest: Known::Yes("00ff".to_owned()),
                },
            },
            owner: "root".to_owned(),
            group: "root".to_owned(),
            mode: number,
        })),
        FactKey::Content(_) if number == 2 => Fact::Content(ContentFact::TooLarge),
        FactKey::Content(_) => Fact::Content(ContentFact::Bytes(b"[Install]\nWantedBy=x.target\n".to_vec())),
        FactKey::Unit(_) => Fact::Unit(UnitFact::Present(UnitState::default())),
        _ => Fact::Denied(number.to_string()),
    }
}

fn fact() -> impl Strategy<Value = (FactKey, Fact)> {
    (prop::sample::select(keys()), 0..4_u32).prop_map(|(key, number)| {
        let fact = key.absent().filter(|_| number < 2);
        let fact = fact.unwrap_or_else(|| present(&key, number));
        (key, fact)
    })
}

fn scope() -> impl Strategy<Value = FactScope> {
    let path = || prop::sample::select(PATHS.to_vec()).prop_map(str::to_owned);
    let owned: BTreeSet<String> = ["/etc/a", "/etc/systemd/system/a.service"].map(str::to_owned).into();
    prop_oneof![
        prop::sample::select(keys()).prop_map(FactScope::Key),
        path().prop_map(FactScope::Tree),
        path().prop_map(|path| FactScope::Tree(format!("{path}/"))),
        Just(FactScope::MayComeWithPackages),
        Just(FactScope::MayComeWithPackages),
        Just(FactScope::Packages),
        Just(FactScope::Owned(Arc::new(owned))),
        Just(FactScope::Units),
        Just(FactScope::Accounts),
        Just(FactScope::Everything),
    ]
}

fn effect() -> impl Strategy<Value = Effect> {
    prop_oneof![
        fact().prop_map(|(key, fact)| Effect::Set(key, fact)),
        scope().prop_map(|scope| Effect::Forget(scope, "why".to_owned())),
    ]
}

/// What a change to a file of a unit makes of it, as `files` of the unit's module says.
fn with_file(facts: &Facts, log: &[(OperationId, Effect)], at: usize, unit: &str) -> Option<Lookup> {
    let (operation, effect) = &log[at];
    let change = effect.file_change(unit)?;
    let before = match reference(facts, &log[..at], &FactKey::Unit(unit.to_owned())) {
        Lookup::Known(Fact::Unit(before)) => before,
        other => return Some(other),
    };
    let text = change
        .path()
        .map(|path| reference(facts, log, &FactKey::Content(path.to_owned())));
    let text = match text {
        Some(Lookup::Known(Fact::Content(ContentFact::Bytes(bytes)))) => String::from_utf8(bytes).ok(),
        _ => None,
    };
    let why = match effect {
        Effect::Forget(_, why) => why,
        Effect::Set(..) => "its unit file changes",
    };
    Some(match change.applied(unit, before, text.as_deref()) {
        Some(after) => Lookup::Known(Fact::Unit(after)),
        None => Lookup::Since(operation.clone(), why.to_owned()),
    })
}

fn reference(facts: &Facts, log: &[(OperationId, Effect)], key: &FactKey) -> Lookup {
    for (at, (operation, effect)) in log.iter().enumerate().rev() {
        match effect {
            Effect::Set(set, fact) if set == key => return Lookup::Known(fact.clone()),
            Effect::Forget(scope, why) if scope.covers(key) => {
                let since = Lookup::Since(operation.clone(), why.clone());
                if *scope != FactScope::MayComeWithPackages {
                    return since;
                }
                let asked = match key {
                    FactKey::Content(path) => FactKey::Path(path.clone()),
                    other => other.clone(),
                };
                match reference(facts, &log[..at], &asked) {
                    Lookup::NotGathered => return Lookup::NotGathered,
                    Lookup::Since(..) | Lookup::Known(Fact::Denied(_)) => return since,
                    Lookup::Known(fact) if Some(&fact) == asked.absent().as_ref() => return since,
                    Lookup::Known(_) => {}
                }
            }
            _ => {
                if let FactKey::Unit(unit) = key
                    && let Some(found) = with_file(facts, log, at, unit)
                {
                    return found;
                }
            }
        }
    }
    facts
        .get(key)
        .map_or(Lookup::NotGathered, |fact| Lookup::Known(fact.clone()))
}

proptest! {
    #[test]
    fn finds_what_the_plainest_overlay_finds(
        read in prop::collection::vec(fact(), 0..8),
        effects in prop::collection::vec(effect(), 0..8),
        later in prop::collection::vec(effect(), 0..3),
    ) {
        let mut facts = Facts::default();
        for (key, fact) in read {
            facts.insert(key, fact);
        }
        let mut overlay = Overlay::new(&facts);
        let mut log = Vec::new();
        let commit = |overlay: &mut Overlay, log: &mut Vec<(OperationId, Effect)>, effect: Effect| {
            let id = OperationId(log.len().to_string());
            overlay.commit(&id, [effect.clone()]);
            log.push((id, effect));
        };
        for effect in effects {
            commit(&mut overlay, &mut log, effect);
        }
        // A clone goes on by itself, and sees nothing of what comes after it.
        let mut clone = overlay.clone();
        let mut log_of_clone = log.clone();
        for effect in later {
            commit(&mut clone, &mut log_of_clone, effect.clone());
            commit(&mut overlay, &mut log, Effect::Forget(FactScope::Everything, "later".to_owned()));
        }
        for key in keys() {
            prop_assert_eq!(clone.get(&key), reference(&facts, &log_of_clone, &key), "{}", &key);
            prop_assert_eq!(overlay.get(&key), reference(&facts, &log, &key), "{}", &key);
        }
    }
}
