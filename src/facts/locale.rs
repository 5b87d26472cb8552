//! Locales: the languages and character sets that programs can use.

use std::collections::BTreeSet;

use super::kind::{DependsOn, Key, Subject};

/// The locales of a host, as `locale -a` lists them.
#[derive(Clone, Copy)]
pub struct LocalesKey;

impl<'a> Key<'a> for LocalesKey {
    type Fact = BTreeSet<String>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        "the locales".to_owned()
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<BTreeSet<String>> {
        None
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}
