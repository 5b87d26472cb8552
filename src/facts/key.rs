//! The keys under which facts are asked for and kept, one line a kind. All else about a kind stands in its own file, in its
//! [`Key`].

use std::fmt;

use serde::{Deserialize, Serialize};

use super::account::{
    AccountDefaults, AccountDefaultsKey, GroupFact, GroupKey, GroupNumberKey, UserFact, UserKey, UserNumberKey,
};
use super::apt::{Installation, InstallationFact, InstallationKey, ListsFact, PackageListsKey};
use super::check::{Check, CheckFact, CheckKey};
use super::family::{DependsOn, Family, InTemplates, Key, Stored, Subject};
use super::package::{PackageFact, PackageKey};
use super::path::{ContentFact, ContentKey, PathFact, PathKey};
use super::place::{DiskLocation, DiskLocationKey};
use super::presence;
use super::system::{SystemFacts, SystemKey};
use super::unit::{UnitFact, UnitKey};

/// `Variant(name: Name) => Key, Fact` for each kind: makes the two enums, and asks the kind's own key.
macro_rules! kinds {
    ($(
        $(#[$doc:meta])*
        $variant:ident $(($name:ident: $of:ty))? => $key:ident $(<$life:lifetime>)?, $(#[$stored:meta])* $fact:ty;
    )*) => {
        /// The name of one fact of a host. Families are asked in the order of the variants.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FactKey {
            $($(#[$doc])* $variant $(($of))?,)*
        }

        /// What is known under a [`FactKey`].
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Fact {
            $(
                #[doc = concat!("For [`FactKey::", stringify!($variant), "`].")]
                $variant($(#[$stored])* $fact),
            )*
            /// For any key: the host does not tell, for this reason.
            Denied(String),
        }

        impl FactKey {
            /// The names of all kinds.
            #[cfg(test)]
            pub(super) const KINDS: &'static [&'static str] = &[$(stringify!($variant)),*];

            /// How templates see each kind.
            pub(super) const IN_TEMPLATES: &'static [Option<&'static InTemplates>] = &[$($key::IN_TEMPLATES),*];

            /// The family that reads it.
            pub fn family(&self) -> &'static Family {
                match self {
                    $(Self::$variant { .. } => $key::FAMILY,)*
                }
            }

            /// What makes it out of date.
            pub fn depends_on(&self) -> DependsOn {
                match self {
                    $(Self::$variant { .. } => $key::DEPENDS_ON,)*
                }
            }

            /// What it is about.
            pub fn subject(&self) -> Subject<'_> {
                match self {
                    $(Self::$variant $(($name))? => $key $(($name))?.subject(),)*
                }
            }

            /// What is known of something that is not there; `None` for what is always there.
            pub fn absent(&self) -> Option<Fact> {
                match self {
                    $(Self::$variant { .. } => $key::absent().map(Fact::$variant),)*
                }
            }

            /// Whether installing a package may create it where it is absent.
            pub fn may_come_with_packages(&self) -> bool {
                match self {
                    $(Self::$variant $(($name))? => $key $(($name))?.may_come_with_packages(),)*
                }
            }

            /// The key that tells whether it is there, if that is another one.
            pub fn presence(&self) -> Option<FactKey> {
                match self {
                    $(Self::$variant $(($name))? => $key $(($name))?.presence(),)*
                }
            }
        }

        impl fmt::Display for FactKey {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&match self {
                    $(Self::$variant $(($name))? => $key $(($name))?.describe(),)*
                })
            }
        }

        $(
            impl<'a> Stored<'a> for $key $(<$life>)? {
                type Fact = $fact;

                fn stored(self) -> FactKey {
                    FactKey::$variant $(({
                        let $name = self.0;
                        ToOwned::to_owned($name)
                    }))?
                }

                fn of(key: &'a FactKey) -> Option<Self> {
                    match key {
                        FactKey::$variant $(($name))? => Some($key $(($name))?),
                        _ => None,
                    }
                }

                fn fact(fact: Fact) -> Option<Self::Fact> {
                    match fact {
                        Fact::$variant(fact) => Some(fact),
                        _ => None,
                    }
                }
            }
        )*
    };
}

kinds! {
    /// The operating system and the machine.
    System => SystemKey, Box<SystemFacts>;
    /// What is at a path, without following a last link.
    Path(path: String) => PathKey<'a>, PathFact;
    /// Where on disks a path lies. It is read along with the path itself.
    DiskLocation(path: String) => DiskLocationKey<'a>, #[serde(with = "presence")] Option<DiskLocation>;
    /// What a file holds.
    Content(path: String) => ContentKey<'a>, ContentFact;
    /// A Debian package.
    Package(name: String) => PackageKey<'a>, PackageFact;
    /// A systemd unit, with its suffix.
    Unit(name: String) => UnitKey<'a>, UnitFact;
    /// The package lists of apt.
    PackageLists => PackageListsKey, ListsFact;
    /// A user.
    User(name: String) => UserKey<'a>, UserFact;
    /// A group.
    Group(name: String) => GroupKey<'a>, GroupFact;
    /// The user that has a number.
    UserNumber(number: u32) => UserNumberKey<'a>, #[serde(with = "presence")] Option<String>;
    /// The group that has a number.
    GroupNumber(number: u32) => GroupNumberKey<'a>, #[serde(with = "presence")] Option<String>;
    /// What the host does for a new user.
    AccountDefaults => AccountDefaultsKey, Box<AccountDefaults>;
    /// What apt would do.
    Installation(wish: Installation) => InstallationKey<'a>, InstallationFact;
    /// Whether something holds now.
    Check(check: Check) => CheckKey<'a>, CheckFact;
}

impl FactKey {
    /// The path that it is about.
    pub fn path(&self) -> Option<&str> {
        match self.subject() {
            Subject::Path(path) => Some(path),
            _ => None,
        }
    }

    /// Whether `fact` says that nothing is there.
    pub fn is_absent(&self, fact: &Fact) -> bool {
        self.absent().as_ref() == Some(fact)
    }
}
