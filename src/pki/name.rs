//! Names of certificates, which are names of files too.

use crate::error::Diagnostic;

/// What the file of the authority is called.
pub(super) const AUTHORITY: &str = "ca";
/// Longer names do not fit into a certificate, in characters.
const LONGEST: usize = 64;

/// Errors: `name` is not the name of a certificate.
pub(super) fn check(name: &str) -> Result<(), Diagnostic> {
    let wrong = |why: &str| {
        Err(Diagnostic::new(format!(
            "`{}` is not a valid name for a certificate",
            name.escape_debug()
        ))
        .because(why)
        .hint("use letters, digits, `.`, `_` and `-`, such as `anna-phone`"))
    };
    let is_plain = |one: char| one.is_ascii_alphanumeric() || "._-".contains(one);
    if name.is_empty() {
        return wrong("it is empty");
    }
    if !name.chars().all(is_plain) {
        return wrong("its file is called the same");
    }
    if !name.starts_with(|one: char| one.is_ascii_alphanumeric()) {
        return wrong("it must begin with a letter or a digit");
    }
    if name.len() > LONGEST {
        return wrong("it is longer than 64 characters");
    }
    if name.eq_ignore_ascii_case(AUTHORITY) {
        return wrong("`ca` is the certificate authority");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names_of_files() {
        for name in ["laptop", "anna-phone", "nas.lan", "7", "a_b", &"a".repeat(64)] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a b",
            "ä",
            "-x",
            ".x",
            "_x",
            "a\n",
            "ca",
            "CA",
            &"a".repeat(65),
        ] {
            check(name).expect_err(name);
        }
    }
}
