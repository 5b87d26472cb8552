//! The keys of facts, one line per kind. Everything else about a kind is in its own file, in its [`Key`].

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

/// `Variant(name: Name) => Key, Fact` for each kind: generates the two enums and forwards to the kind's own key.
macro_rules! kinds {
    ($(
        $(#[$doc:meta])*
        $variant:ident $(($name:ident: $of:ty))? => $key:ident $(<$life:lifetime>)?, $(#[$stored:meta])* $fact:ty;
    )*) => {
        /// The name of one fact of a host. Families are read in the order of the variants.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FactKey {
            $($(#[$doc])* $variant $(($of))?,)*
        }

        /// The value of a [`FactKey`].
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Fact {
            $(
                #[doc = concat!("For [`FactKey::", stringify!($variant), "`].")]
                $variant($(#[$stored])* $fact),
            )*
            /// For any key: the fact cannot be read, for this reason.
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

            /// The changes that make it out of date.
            pub fn depends_on(&self) -> DependsOn {
                match self {
                    $(Self::$variant { .. } => $key::DEPENDS_ON,)*
                }
            }

            /// The part of a host that it is about.
            pub fn subject(&self) -> Subject<'_> {
                match self {
                    $(Self::$variant $(($name))? => $key $(($name))?.subject(),)*
                }
            }

            /// The fact for something absent; `None` if it always exists.
            pub fn absent(&self) -> Option<Fact> {
                match self {
                    $(Self::$variant { .. } => $key::absent().map(Fact::$variant),)*
                }
            }

            /// Whether installing a package may create it.
            pub fn may_come_with_packages(&self) -> bool {
                match self {
                    $(Self::$variant $(($name))? => $key $(($name))?.may_come_with_packages(),)*
                }
            }

            /// The key of the fact that shows whether it exists, if that is another one.
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
    /// The file system of a path. It is read along with the path itself.
    DiskLocation(path: String) => DiskLocationKey<'a>, #[serde(with = "presence")] Option<DiskLocation>;
    /// The content of a file.
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
    /// The user with this uid.
    UserNumber(number: u32) => UserNumberKey<'a>, #[serde(with = "presence")] Option<String>;
    /// The group with this gid.
    GroupNumber(number: u32) => GroupNumberKey<'a>, #[serde(with = "presence")] Option<String>;
    /// The defaults for a new user.
    AccountDefaults => AccountDefaultsKey, Box<AccountDefaults>;
    /// What apt would do.
    Installation(wish: Installation) => InstallationKey<'a>, InstallationFact;
    /// Whether a check passes now.
    Check(check: Check) => CheckKey<'a>, CheckFact;
}

impl FactKey {
    /// The path that the fact is about.
    pub fn path(&self) -> Option<&str> {
        match self.subject() {
            Subject::Path(path) => Some(path),
            _ => None,
        }
    }

    /// Whether `fact` means that the thing does not exist.
    pub fn is_absent(&self, fact: &Fact) -> bool {
        self.absent().as_ref() == Some(fact)
    }
}
