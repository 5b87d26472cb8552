//! What earlier operations do to apt's sources, preferences and settings, and what is known about packages then.

use super::log::Entry;
use super::{Lookup, View};
use crate::facts::apt::ListsFact;
use crate::facts::apt::files::{Part, are_below, is_harmless, part};
use crate::facts::path::{ContentFact, InodeKind, PathFact};
use crate::facts::scope::{Effect, FactScope, OperationId};
use crate::facts::{Fact, FactKey};

/// What operations do to the files that apt chooses packages by.
struct Change<'a> {
    /// The latest operation that changes them, or may change them.
    operation: &'a OperationId,
    part: Part,
    lists: Lists,
}

/// The package lists after changes to apt's sources.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lists {
    /// They are fetched after the change, or it needs none.
    Fit,
    /// They are older than the sources.
    Outdated,
    /// They may be older than the sources.
    Unknown,
}

impl View<'_> {
    /// What apt would do, `known` without the changes of sources: a simulation would use the files that the host has now.
    pub(super) fn after_sources(&self, known: Lookup) -> Lookup {
        match (known, self.sources_change()) {
            (known @ Lookup::Since(..), _) | (known, None) => known,
            (_, Some(change)) => {
                let why = match (change.lists, change.part) {
                    (Lists::Unknown, _) => "apt's sources may change",
                    (_, Part::Source) => "apt's sources change",
                    (_, Part::Preferences) => "apt's preferences change",
                    (_, Part::Settings) => "apt's settings change",
                };
                Lookup::Since(change.operation.clone(), why.to_owned())
            }
        }
    }

    pub(super) fn awaits_lists(&self) -> bool {
        matches!(
            self.sources_change(),
            Some(Change {
                lists: Lists::Outdated,
                ..
            })
        )
    }

    /// The package lists, `known` without the changes of sources.
    pub(super) fn lists_after_sources(&self, known: Lookup) -> Lookup {
        let Lookup::Known(Fact::PackageLists(lists)) = known else {
            return known;
        };
        match self.sources_change() {
            Some(change) if change.lists == Lists::Unknown => {
                Lookup::Since(change.operation.clone(), "apt's sources may change".to_owned())
            }
            Some(change) if change.lists == Lists::Outdated => Lookup::Known(Fact::PackageLists(ListsFact {
                outdated: true,
                ..lists
            })),
            _ => Lookup::Known(Fact::PackageLists(lists)),
        }
    }

    fn sources_change(&self) -> Option<Change<'_>> {
        let mut change: Option<Change<'_>> = None;
        let entries = self.log.entries(self.seen).iter();
        for entry in entries.chain(self.own.entries(usize::MAX)) {
            if let Some((part, lists)) = self.lists_after(entry) {
                let before = change.map_or(Lists::Fit, |change| change.lists);
                change = Some(Change {
                    operation: &entry.operation,
                    part,
                    lists: match (lists, before) {
                        (Lists::Fit, before) | (Lists::Unknown, before @ Lists::Outdated) => before,
                        (lists, _) => lists,
                    },
                });
            } else if let Some(change) = &mut change
                && fetches_lists(&entry.effect)
            {
                change.lists = Lists::Fit;
            }
        }
        change
    }

    /// What an entry changes, and what that means for the package lists; `None` if it leaves what apt reads as it is.
    fn lists_after(&self, entry: &Entry) -> Option<(Part, Lists)> {
        match &entry.effect {
            Effect::Set(FactKey::Path(path), Fact::Path(fact)) => match (part(path)?, fact) {
                _ if self.is_as_read(path, fact) => None,
                (Part::Source, PathFact::Present(_)) => Some((Part::Source, Lists::Outdated)),
                (Part::Settings, _) if self.are_harmless(path, fact) => None,
                (part, _) => Some((part, Lists::Fit)),
            },
            Effect::Forget(FactScope::Key(FactKey::Path(path)), _) => match part(path)? {
                Part::Source => Some((Part::Source, Lists::Unknown)),
                part => Some((part, Lists::Fit)),
            },
            Effect::Forget(FactScope::Tree(top), _) => are_below(top).then_some((Part::Source, Lists::Unknown)),
            _ => None,
        }
    }

    /// Whether a change leaves what apt reads there: it is a directory, or has the content that it had.
    fn is_as_read(&self, path: &str, fact: &PathFact) -> bool {
        let before = match self.facts.get(&FactKey::Path(path.to_owned())) {
            Some(Fact::Path(PathFact::Present(inode))) => Some(&inode.kind),
            _ => None,
        };
        match fact {
            PathFact::Absent => false,
            PathFact::Present(inode) => inode.kind == InodeKind::Directory || before == Some(&inode.kind),
        }
    }

    /// Whether a file of settings has only harmless ones, before and after a change to `fact`.
    fn are_harmless(&self, path: &str, fact: &PathFact) -> bool {
        let (path_key, content_key) = (FactKey::Path(path.to_owned()), FactKey::Content(path.to_owned()));
        let is_absent = |fact: &PathFact| *fact == PathFact::Absent;
        let was_absent = matches!(self.facts.get(&path_key), Some(Fact::Path(before)) if is_absent(before));
        let is_text_harmless = |content: Option<&Fact>| match content {
            Some(Fact::Content(ContentFact::Bytes(bytes))) => std::str::from_utf8(bytes).is_ok_and(is_harmless),
            _ => false,
        };
        let is_harmless_now = || match self.get_before(&content_key, self.end()) {
            Lookup::Known(content) => is_text_harmless(Some(&content)),
            _ => false,
        };
        (was_absent || is_text_harmless(self.facts.get(&content_key))) && (is_absent(fact) || is_harmless_now())
    }
}

fn fetches_lists(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Set(
            FactKey::PackageLists,
            Fact::PackageLists(ListsFact { refreshed: true, .. })
        )
    )
}

#[cfg(test)]
mod tests {
    use crate::facts::apt::{AptVerb, Installation, InstallationFact, ListsFact, Simulation};
    use crate::facts::overlay::{Effect, FactScope, Lookup, OperationId, Overlay};
    use crate::facts::path::{ContentFact, Inode, InodeKind, PathFact};
    use crate::facts::{Fact, FactKey, Facts};
    use crate::secret::sha256_hex;
    use crate::value::Known;

    const SOURCE: &str = "/etc/apt/sources.list.d/a.list";
    const SETTINGS: &str = "/etc/apt/apt.conf.d/a";

    fn file(path: &str, content: &str) -> Vec<Effect> {
        let inode = Inode {
            owner_id: None,
            group_id: None,
            kind: InodeKind::File {
                digest: Known::Yes(sha256_hex(content.as_bytes())),
            },
            owner: "root".to_owned(),
            group: "root".to_owned(),
            mode: 0o644,
        };
        let content = ContentFact::Bytes(content.as_bytes().to_vec());
        vec![
            Effect::Set(FactKey::Path(path.to_owned()), Fact::Path(PathFact::Present(inode))),
            Effect::Set(FactKey::Content(path.to_owned()), Fact::Content(content)),
        ]
    }

    fn removed(path: &str) -> Vec<Effect> {
        vec![Effect::Set(
            FactKey::Path(path.to_owned()),
            Fact::Path(PathFact::Absent),
        )]
    }

    fn may_change(scope: FactScope) -> Vec<Effect> {
        vec![Effect::Forget(scope, "why".to_owned())]
    }

    fn refresh() -> Vec<Effect> {
        let lists = ListsFact {
            age: Some(0),
            refreshed: true,
            outdated: false,
        };
        vec![Effect::Set(FactKey::PackageLists, Fact::PackageLists(lists))]
    }

    fn wish(verb: AptVerb) -> FactKey {
        FactKey::Installation(Installation::new(verb, &["jq"]))
    }

    /// What is known of the lists, of an installation and of a removal after operations.
    fn known_after(operations: &[Vec<Effect>]) -> [&'static str; 3] {
        let mut facts = Facts::default();
        let lists = ListsFact {
            age: Some(9),
            refreshed: false,
            outdated: false,
        };
        facts.insert(FactKey::PackageLists, Fact::PackageLists(lists));
        for verb in [AptVerb::Install, AptVerb::Remove] {
            let possible = InstallationFact::Possible(Simulation::default());
            facts.insert(wish(verb), Fact::Installation(possible));
        }
        for path in [SOURCE, SETTINGS] {
            facts.insert(FactKey::Path(path.to_owned()), Fact::Path(PathFact::Absent));
        }
        for effect in file("/etc/apt/sources.list", "deb x")
            .into_iter()
            .chain(file("/etc/apt/apt.conf", "Dir \"/\";"))
        {
            if let Effect::Set(key, fact) = effect {
                facts.insert(key, fact);
            }
        }
        let mut overlay = Overlay::new(&facts);
        for (number, effects) in operations.iter().enumerate() {
            overlay.commit(&OperationId(number.to_string()), effects.clone());
        }
        [FactKey::PackageLists, wish(AptVerb::Install), wish(AptVerb::Remove)].map(|key| match overlay.get(&key) {
            Lookup::Known(Fact::PackageLists(ListsFact { outdated: true, .. })) => "outdated",
            Lookup::Known(_) => "known",
            Lookup::Since(..) => "later",
            Lookup::NotGathered => "unread",
        })
    }

    #[test]
    fn changed_sources_make_lists_and_installations_out_of_date() {
        let key = |path: &str| FactScope::Key(FactKey::Path(path.to_owned()));
        let tree = |path: &str| FactScope::Tree(path.to_owned());
        let source = || file(SOURCE, "deb y");
        for (operations, expected) in [
            (vec![], ["known", "known", "known"]),
            (vec![source()], ["outdated", "later", "known"]),
            (vec![source(), refresh()], ["known", "later", "known"]),
            (vec![refresh(), source()], ["outdated", "later", "known"]),
            (
                vec![source(), file("/etc/apt/preferences", "x")],
                ["outdated", "later", "known"],
            ),
            (vec![removed("/etc/apt/sources.list")], ["known", "later", "known"]),
            // The content stays, the mode may differ.
            (
                vec![file("/etc/apt/sources.list", "deb x")],
                ["known", "known", "known"],
            ),
            (
                vec![file("/etc/apt/sources.list", "deb z")],
                ["outdated", "later", "known"],
            ),
            (vec![file("/etc/apt/preferences.d/a", "x")], ["known", "later", "known"]),
            (
                vec![file(SETTINGS, "Acquire::Retries 3;\n")],
                ["known", "known", "known"],
            ),
            (
                vec![file(SETTINGS, "APT::Default-Release \"x\";\n")],
                ["known", "later", "known"],
            ),
            // What was set there was not harmless.
            (
                vec![file("/etc/apt/apt.conf", "Acquire::Retries 3;\n")],
                ["known", "later", "known"],
            ),
            (vec![removed("/etc/apt/apt.conf")], ["known", "later", "known"]),
            (vec![file("/etc/apt/keyrings/a.gpg", "x")], ["known", "known", "known"]),
            (vec![may_change(key(SOURCE))], ["later", "later", "known"]),
            (vec![may_change(key(SETTINGS))], ["known", "later", "known"]),
            (vec![may_change(tree("/etc"))], ["later", "later", "known"]),
            (vec![may_change(tree("/srv"))], ["known", "known", "known"]),
            (vec![may_change(key(SOURCE)), refresh()], ["known", "later", "known"]),
            (vec![may_change(key(SOURCE)), source()], ["outdated", "later", "known"]),
            (vec![source(), may_change(key(SOURCE))], ["outdated", "later", "known"]),
        ] {
            assert_eq!(known_after(&operations), expected, "{operations:?}");
        }
    }
}
