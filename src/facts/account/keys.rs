//! The keys of users and groups.

use super::super::kind::{DependsOn, Key, Subject};
use super::{AccountDefaults, GroupFact, UserFact};

/// Declares the key of a user or group: packages may create either, and one that no source lists does not exist.
macro_rules! account_key {
    ($documentation:literal, $name:ident($given:ty), $fact:ty, $absent:expr, $words:literal) => {
        #[doc = $documentation]
        #[derive(Clone, Copy)]
        pub struct $name<'a>(pub &'a $given);

        impl<'a> Key<'a> for $name<'a> {
            type Fact = $fact;

            const DEPENDS_ON: DependsOn = DependsOn::Itself;

            fn describe(self) -> String {
                format!($words, self.0)
            }

            fn subject(self) -> Subject<'a> {
                Subject::Accounts
            }

            fn absent() -> Option<$fact> {
                Some($absent)
            }

            fn may_come_with_packages(self) -> bool {
                true
            }
        }
    };
}

account_key!(
    "The user of this name.",
    UserKey(str),
    UserFact,
    UserFact::Absent,
    "user `{}`"
);
account_key!(
    "The group of this name.",
    GroupKey(str),
    GroupFact,
    GroupFact::Absent,
    "group `{}`"
);
account_key!(
    "The name of the user with this uid.",
    UserNumberKey(u32),
    Option<String>,
    None,
    "the user with uid {}"
);
account_key!(
    "The name of the group with this gid.",
    GroupNumberKey(u32),
    Option<String>,
    None,
    "the group with gid {}"
);

/// The defaults for a new user.
#[derive(Clone, Copy)]
pub struct AccountDefaultsKey;

impl<'a> Key<'a> for AccountDefaultsKey {
    type Fact = Box<AccountDefaults>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        "the defaults for new users".to_owned()
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<Box<AccountDefaults>> {
        None
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}
