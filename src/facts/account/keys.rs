//! The keys of users and groups, which are all read together.

use super::super::Fact;
use super::super::family::{DependsOn, Family, InTemplates, Key, Stored as _, Subject, known, listed, no_allowance};
use super::{AccountDefaults, GroupFact, UserFact, parse, probe};
use crate::template::NamedFact;

static ACCOUNTS: Family = Family {
    subject: "users and groups",
    probe,
    allowance: no_allowance,
    parse,
};

/// The user of this name.
#[derive(Clone, Copy)]
pub struct UserKey<'a>(pub &'a str);

impl<'a> Key<'a> for UserKey<'a> {
    const FAMILY: &'static Family = &ACCOUNTS;
    const IN_TEMPLATES: Option<&'static InTemplates> = Some(&USERS);
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
    const FAMILY: &'static Family = &ACCOUNTS;
    const IN_TEMPLATES: Option<&'static InTemplates> = Some(&GROUPS);
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
    const FAMILY: &'static Family = &ACCOUNTS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
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
    const FAMILY: &'static Family = &ACCOUNTS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
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
    const FAMILY: &'static Family = &ACCOUNTS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
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

static USERS: InTemplates = InTemplates {
    family: "users",
    attributes: &["uid", "group", "home", "shell", "comment", "groups"],
    key: |name| UserKey(name).stored(),
    attributes_of: |fact| match fact {
        Fact::User(UserFact::Present(user)) => NamedFact::present([
            ("uid", known(&user.uid)),
            ("group", known(&user.group)),
            ("home", known(&user.home)),
            ("shell", known(&user.shell)),
            ("comment", known(&user.comment)),
            ("groups", Ok(listed(&user.groups))),
        ]),
        _ => NamedFact::Absent,
    },
};

static GROUPS: InTemplates = InTemplates {
    family: "groups",
    attributes: &["gid", "members"],
    key: |name| GroupKey(name).stored(),
    attributes_of: |fact| match fact {
        Fact::Group(GroupFact::Present(group)) => {
            NamedFact::present([("gid", known(&group.gid)), ("members", Ok(listed(&group.members)))])
        }
        _ => NamedFact::Absent,
    },
};
