//! Names of models, and of the units that run them.

use std::fmt;

/// A name that is safe in a path, in a unit's name and in nginx's configuration: `[a-z0-9][a-z0-9._-]{0,62}`, without `..`,
/// and not ending like a type of unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelName(String);

/// A name that is not one of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Invalid model name")]
pub struct InvalidName;

const LONGEST: usize = 63;

/// What systemd would take for the type of a unit.
const UNIT_TYPES: &[&str] = &[
    ".service",
    ".socket",
    ".device",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".timer",
    ".slice",
    ".scope",
    ".snapshot",
];

impl ModelName {
    /// Takes `text` if it is a name.
    ///
    /// Errors: it is not.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_name = text.len() <= LONGEST
            && text.bytes().next().is_some_and(is_letter)
            && text.bytes().all(|byte| is_letter(byte) || b"._-".contains(&byte))
            && !text.contains("..")
            && !UNIT_TYPES.iter().any(|kind| text.ends_with(kind));
        if is_name {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName)
        }
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The unit that runs this model: `model@NAME.service`, with the name escaped as `systemd-escape` does.
    pub fn unit(&self) -> String {
        // Of what a name may hold, only the hyphen means something to systemd: a slash.
        format!("model@{}.service", self.0.replace('-', "\\x2d"))
    }

    /// The model that a unit runs; `None` for any unit that is none of a model.
    pub fn of_unit(unit: &str) -> Option<Self> {
        let instance = unit.strip_prefix("model@")?.strip_suffix(".service")?;
        if instance.contains('-') {
            return None;
        }
        Self::parse(&instance.replace("\\x2d", "-")).ok()
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LONGEST, ModelName};

    #[test]
    fn names_of_models() {
        for name in [
            "a",
            "0",
            "tiny",
            "llama3.1-8b",
            "qwen2.5_coder",
            "a.b",
            "a-",
            &"x".repeat(LONGEST),
        ] {
            let parsed = ModelName::parse(name).expect(name);
            assert_eq!(ModelName::of_unit(&parsed.unit()), Some(parsed));
        }
    }

    #[test]
    fn what_is_no_name() {
        let long = "x".repeat(LONGEST + 1);
        let longer = "x".repeat(300);
        for name in [
            "",
            "*",
            "?",
            "[a]",
            "a*",
            "-x",
            ".x",
            "_x",
            "a..b",
            "..",
            ".",
            "a/b",
            "/",
            "%2f",
            "A",
            "é",
            "aé",
            "a b",
            "a\n",
            "a\0",
            "\n",
            "a.socket",
            "a.service",
            "x.target",
            "x.timer",
            "a@b",
            "a\\x2d",
            "a;b",
            "a'",
            "a\"",
            "$a",
            "{a}",
            "~",
            "a:b",
            "model@a.service",
            "../../etc/passwd",
            &long,
            &longer,
        ] {
            assert!(ModelName::parse(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn units_are_escaped_as_systemd_does() {
        for (name, unit) in [
            ("tiny", "model@tiny.service"),
            ("llama3.1-8b", "model@llama3.1\\x2d8b.service"),
            ("a_b", "model@a_b.service"),
        ] {
            assert_eq!(ModelName::parse(name).expect(name).unit(), unit);
        }
        for unit in [
            "ssh.service",
            "model@.service",
            "model@a-b.service",
            "model@a.socket",
            "xmodel@a.service",
            "model@*.service",
        ] {
            assert_eq!(ModelName::of_unit(unit), None, "{unit}");
        }
    }

    proptest! {
        #[test]
        fn no_text_becomes_a_pattern_a_path_or_another_unit(text in "\\PC{0,70}") {
            if let Ok(name) = ModelName::parse(&text) {
                let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
                prop_assert!(name.as_str().bytes().all(is_plain));
                prop_assert!(name.unit().starts_with("model@"));
                prop_assert_eq!(ModelName::of_unit(&name.unit()), Some(name));
            }
        }

        #[test]
        fn names_of_the_grammar_are_taken(name in "[a-z0-9][a-z0-9_-]{0,62}") {
            prop_assert!(ModelName::parse(&name).is_ok());
        }
    }
}
