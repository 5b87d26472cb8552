//! dpkg's status of a package: what is wanted, whether it needs to be reinstalled, and its state (dpkg(1)).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// dpkg's status of a package, written as dpkg does: `install ok installed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Status {
    pub want: Want,
    pub error: ErrorFlag,
    pub state: State,
}

impl Status {
    /// An installed package.
    pub const INSTALLED: Self = Self {
        want: Want::Install,
        error: ErrorFlag::Ok,
        state: State::Installed,
    };
}

/// An enum whose values have words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$about])* $variant,)*
        }

        impl $name {
            /// All values, in dpkg's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// dpkg's word.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            fn of(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.word() == word)
            }
        }
    };
}

words! {
    /// What was asked of dpkg.
    Want {
        Unknown = "unknown",
        Install = "install",
        /// It must not be changed.
        Hold = "hold",
        Deinstall = "deinstall",
        Purge = "purge",
    }
}

words! {
    /// Whether the package is damaged.
    ErrorFlag {
        Ok = "ok",
        /// dpkg refuses to remove it until it is installed again.
        Reinstreq = "reinstreq",
    }
}

words! {
    /// How much of the package is there.
    State {
        NotInstalled = "not-installed",
        /// Removed, but for its configuration.
        ConfigFiles = "config-files",
        HalfInstalled = "half-installed",
        Unpacked = "unpacked",
        HalfConfigured = "half-configured",
        TriggersAwaited = "triggers-awaited",
        TriggersPending = "triggers-pending",
        Installed = "installed",
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { want, error, state } = self;
        write!(formatter, "{} {} {}", want.word(), error.word(), state.word())
    }
}

/// No status of dpkg.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a status of dpkg")]
pub struct NoStatus(String);

impl FromStr for Status {
    type Err = NoStatus;

    fn from_str(text: &str) -> Result<Self, NoStatus> {
        let words: Vec<&str> = text.split(' ').collect();
        let status = || {
            let [want, error, state] = words[..] else { return None };
            Some(Self {
                want: Want::of(want)?,
                error: ErrorFlag::of(error)?,
                state: State::of(state)?,
            })
        };
        status().ok_or_else(|| NoStatus(text.to_owned()))
    }
}

impl From<Status> for String {
    fn from(status: Status) -> Self {
        status.to_string()
    }
}

impl TryFrom<String> for Status {
    type Error = NoStatus;

    fn try_from(text: String) -> Result<Self, NoStatus> {
        text.parse()
    }
}
