//! Why a value is not known.

use std::fmt;

/// Why a value is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is known only later, for this reason in words.
    Later(String),
    /// It is known after an operation.
    After(Box<After>),
    /// It is encrypted, and no private key is there to decrypt it.
    NeedsKey,
}

/// What makes a value, which is not known before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// The id of the operation.
    pub operation: String,
    /// The reason in words.
    pub why: String,
}

impl Why {
    /// The reason in words.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Later(why) => why,
            Self::After(after) => &after.why,
            Self::NeedsKey => "needs a key",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl From<String> for Why {
    fn from(why: String) -> Self {
        Self::Later(why)
    }
}

impl From<&str> for Why {
    fn from(why: &str) -> Self {
        Self::Later(why.to_owned())
    }
}

impl From<&String> for Why {
    fn from(why: &String) -> Self {
        Self::Later(why.clone())
    }
}
