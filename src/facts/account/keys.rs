//! The keys of users and groups.

use super::super::kind::{DependsOn, Key, Subject};
use super::{AccountDefaults, GroupFact, UserFact};

/// The user of this name.
#[derive(Clone, Copy)]
pub struct UserKey<'a>(pub &'a str);

impl<'a> Key<'a> for UserKey<'a> {
    type Fact = UserFact;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("user `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Accounts
    }

    fn absent() -> Option<UserFact> {
        Some(UserFact::Absent)
    }

    fn may_come_with_packages(self) -> bool {
        true
    }
}

/// The group of this name.
#[derive(Clone, Copy)]
pub struct GroupKey<'a>(pub &'a str);

impl<'a> Key<'a> for GroupKey<'a> {
    type Fact = GroupFact;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("group `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Accounts
    }

    fn absent() -> Option<GroupFact> {
        Some(GroupFact::Absent)
    }

    fn may_come_with_packages(self) -> bool {
        true
    }
}

/// The name of the user with this uid.
#[derive(Clone, Copy)]
pub struct UserNumberKey<'a>(pub &'a u32);

impl<'a> Key<'a> for UserNumberKey<'a> {
    type Fact = Option<String>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("the user with uid {}", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Accounts
    }

    fn absent() -> Option<Option<String>> {
        Some(None)
    }

    fn may_come_with_packages(self) -> bool {
        true
    }
}

/// The name of the group with this gid.
#[derive(Clone, Copy)]
pub struct GroupNumberKey<'a>(pub &'a u32);

impl<'a> Key<'a> for GroupNumberKey<'a> {
    type Fact = Option<String>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("the group with gid {}", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Accounts
    }

    fn absent() -> Option<Option<String>> {
        Some(None)
    }

    fn may_come_with_packages(self) -> bool {
        true
    }
}

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
