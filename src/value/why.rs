//! Why a value is not known.

use std::fmt;

/// Why a value is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is known only later, for this reason in words.
    Later(String),
    /// It is known after an operation.
    After(Box<After>),
    /// It is a secret that is not there.
    Withheld(Withheld),
}

/// What a secret lacks to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// A private key that decrypts it.
    Key,
    /// The environment variable of this name.
    Variable(String),
}

/// What makes a value, which is not known before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// The id of the operation.
    pub operation: String,
    /// The reason in words.
    pub why: String,
    /// Whether the value is a secret.
    pub is_secret: bool,
}

impl Why {
    /// Whether it is known later for the reason `words`.
    pub fn is_later(&self, words: &str) -> bool {
        matches!(self, Self::Later(why) if why == words)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Later(why) => formatter.write_str(why),
            Self::After(after) => formatter.write_str(&after.why),
            Self::Withheld(withheld) => write!(formatter, "{withheld}"),
        }
    }
}

impl fmt::Display for Withheld {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => formatter.write_str("needs a key"),
            Self::Variable(name) => write!(formatter, "needs the variable `{name}`"),
        }
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
