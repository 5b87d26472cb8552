//! Passwords of users.

use super::kind::{DependsOn, Key, Subject};

/// The password of this user.
#[derive(Clone, Copy)]
pub struct PasswordKey<'a>(pub &'a str);

impl<'a> Key<'a> for PasswordKey<'a> {
    /// The SHA-256 of the hash in `/etc/shadow`, in lower-case hex, which no more than tells it from another one.
    type Fact = Option<String>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("password of user `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<Self::Fact> {
        Some(None)
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}
