//! A random word that distinguishes the answers of one connection from all other output.

/// A random word that marks the answers of one connection.
#[derive(Clone, Debug)]
pub(super) struct Nonce(String);

impl Nonce {
    /// How many hex digits it has.
    pub(super) const LENGTH: usize = 32;

    pub(super) fn random() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}
