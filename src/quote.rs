//! The one place where a word becomes shell text.

/// `word` as one shell word for any POSIX `sh`.
///
/// A NUL byte cannot be in a shell word; words that people write are refused before this if they hold one, so what
/// remains of it here is dropped.
pub fn quote(word: &str) -> String {
    match shlex::try_quote(word) {
        Ok(quoted) => quoted.into_owned(),
        Err(_) => quote(&word.replace('\0', "")),
    }
}

/// `words` quoted and joined by blanks.
pub fn quote_all<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        for word in [
            "plain",
            "",
            "a b",
            "it's",
            "$HOME `id` \\ \"",
            "-n",
            "ä\tö",
            "a\nb",
            "*",
            "~",
            "!x",
        ] {
            let output = std::process::Command::new("sh")
                .arg("-c")
                .arg(format!("printf %s {}", quote(word)))
                .output()
                .expect("sh runs");
            assert_eq!(String::from_utf8_lossy(&output.stdout), word);
        }
    }
}
