//! Quotes words for a shell, and checks names for the command line of `ssh`. Nothing else in homelab does either.

use std::borrow::Cow;

use thiserror::Error;

use crate::secret::sha256_hex;

/// Text that cannot be quoted for a shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the text contains a NUL byte")]
pub struct Unquotable;

/// `word` as one literal word of a POSIX shell.
pub fn try_quote(word: &str) -> Result<Cow<'_, str>, Unquotable> {
    shlex::try_quote(word).map_err(|_| Unquotable)
}

/// `word` as one literal word of a POSIX shell, for words that were checked before. A NUL byte, which no shell word can
/// contain, is dropped.
pub fn quote(word: &str) -> String {
    match try_quote(word) {
        Ok(quoted) => quoted.into_owned(),
        Err(Unquotable) => quote(&word.replace('\0', "")),
    }
}

/// `words` quoted and joined by blanks.
pub fn quote_all<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// Why a host or user name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UnsafeName {
    #[error("is empty")]
    Empty,
    #[error("it starts with `-`")]
    LooksLikeAnOption,
    /// A character that is special to `ssh`, or to a shell that `ssh` starts.
    #[error("it contains {0:?}")]
    Character(char),
}

/// Characters that are special in `ProxyCommand` and `Match exec`: `ssh` inserts names there and runs a shell.
const SHELL_CHARACTERS: &str = "'\"`;&<>|(){}";

/// Fails for an address that `ssh` could read as something other than a host.
pub fn check_address(address: &str) -> Result<(), UnsafeName> {
    check_name(address, "$\\@/")
}

/// Fails for a user that `ssh` could read as something other than a user.
pub fn check_user(user: &str) -> Result<(), UnsafeName> {
    check_name(user, "")
}

/// Fails for a jump host that `ssh` could read as something else: it is part of a list, and also a pattern.
pub fn check_jump_address(address: &str) -> Result<(), UnsafeName> {
    check_name(address, "$\\@/*?!,%")
}

/// Fails for a user of a jump host with a character such as a comma, which ends the name.
pub fn check_jump_user(user: &str) -> Result<(), UnsafeName> {
    check_name(user, "\\,%@")
}

fn check_name(name: &str, also_refused: &str) -> Result<(), UnsafeName> {
    if name.is_empty() {
        return Err(UnsafeName::Empty);
    }
    if name.starts_with('-') {
        return Err(UnsafeName::LooksLikeAnOption);
    }
    let refused = |character: &char| {
        character.is_whitespace()
            || character.is_control()
            || SHELL_CHARACTERS.contains(*character)
            || also_refused.contains(*character)
    };
    match name.chars().find(refused) {
        Some(character) => Err(UnsafeName::Character(character)),
        None => Ok(()),
    }
}

/// The delimiter of a here-document with `text`. It is made from a digest of the text, so no line of the text equals it.
pub(crate) fn delimiter(text: &str) -> String {
    format!("end-{}", &sha256_hex(text.as_bytes())[..32])
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn echoed_by(shell: &str, word: &str) -> Vec<u8> {
        let script = format!("printf %s {}", quote(word));
        Command::new(shell).arg("-c").arg(script).output().unwrap().stdout
    }

    #[test]
    fn refuses_nul() {
        assert_eq!(try_quote("a\0b"), Err(Unquotable));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn shells_see_the_word_unchanged(word in "[a-z'\"\\\\$`!^*?~#\\-\n\r\t ;&|<>(){}ä\u{7}=%]{0,24}") {
            prop_assert_eq!(echoed_by("dash", &word), word.as_bytes());
            prop_assert_eq!(echoed_by("bash", &word), word.as_bytes());
        }
    }

    #[test]
    fn refuses_names_that_ssh_would_misread() {
        assert_eq!(check_address("-oProxyCommand=x"), Err(UnsafeName::LooksLikeAnOption));
        assert_eq!(check_address("a b"), Err(UnsafeName::Character(' ')));
        assert_eq!(check_address("a\nb"), Err(UnsafeName::Character('\n')));
        assert_eq!(check_address("root@a"), Err(UnsafeName::Character('@')));
        assert_eq!(check_address("ssh://a"), Err(UnsafeName::Character('/')));
        assert_eq!(check_address("$(id)"), Err(UnsafeName::Character('$')));
        assert_eq!(check_address(""), Err(UnsafeName::Empty));
        assert_eq!(check_user("-l"), Err(UnsafeName::LooksLikeAnOption));
        assert_eq!(check_user("a`id`"), Err(UnsafeName::Character('`')));
    }

    #[test]
    fn accepts_names_in_use() {
        for address in ["pi4.lan", "10.0.0.7", "fe80::1%eth0", "my_host", "bücher.example"] {
            assert_eq!(check_address(address), Ok(()), "{address}");
        }
        for user in ["root", "DOMAIN\\admin", "me@example.org", "machine$"] {
            assert_eq!(check_user(user), Ok(()), "{user}");
        }
    }
}
