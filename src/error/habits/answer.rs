//! What is said about a word.

use Answer::{Do, If, Its, Own};

/// What to do about a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Write this word, where there is one.
    Own(&'static str),
    /// Do this.
    Do(&'static str),
    /// Do this where one of the first words is known.
    If(&'static str, &'static str),
    /// Write the second word where the first one is known.
    Its(&'static str, &'static str),
}

impl Answer {
    /// The words of a hint, if the answer fits where `known` are the valid words.
    pub(super) fn hint(self, known: &[&str]) -> Option<String> {
        match self {
            Own(own) => known.contains(&own).then(|| format!("did you mean `{own}`?")),
            Do(text) => Some(text.to_owned()),
            If(conditions, text) => {
                let is_known = conditions.split_whitespace().any(|word| known.contains(&word));
                is_known.then(|| text.to_owned())
            }
            Its(condition, own) => known.contains(&condition).then(|| Own(own).hint(known)).flatten(),
        }
    }
}

pub(super) const TO_INCLUDE: Answer = Do("write an entry with `include = \"folder/name\"`");
pub(super) const NO_RESULT: Answer = Do(
    "remove it: later operations do not see results; a value that a command makes on the host can be a capture: see docs/language.md",
);
pub(super) const ABOUT_FACTS: Answer =
    Do("use `facts.…`: `homelab facts` with the names of an inventory and a host lists them");
pub(super) const SECRET: Answer =
    Do("encrypt the value with `homelab secrets set FILE KEY`, and use it as any other data: see docs/secrets.md");
