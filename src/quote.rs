//! Quotes words for a shell, and checks names for the command line of `ssh`. Nothing else in homelab does either.
//!
//! Each kind of word has a grammar of allowed characters: `ssh` expands some of its words, hands others to a shell, and reads
//! lists and patterns from others, so a list of forbidden characters would always lack one.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use thiserror::Error;

/// Text that cannot be quoted for a shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the text contains a NUL byte")]
pub struct Unquotable;

/// `word` as one literal word of a POSIX shell.
pub fn try_quote(word: &str) -> Result<Cow<'_, str>, Unquotable> {
    shlex::try_quote(word).map_err(|_| Unquotable)
}

/// `script` as one literal word of a POSIX shell. For long text with quotes and `$` this is shorter than [`try_quote`]. A single
/// quote takes four bytes of what is sent, so probes have double quotes wherever these mean the same.
pub fn quoted_script(script: &str) -> Result<Cow<'_, str>, Unquotable> {
    if script.contains('\0') {
        return Err(Unquotable);
    }
    Ok(Cow::Owned(format!("'{}'", script.replace('\'', "'\\''"))))
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

/// A word of a command line in a unit file (systemd.service(5)) that stands for exactly `text`.
pub fn systemd_word(text: &str) -> String {
    let mut word = String::from("\"");
    for character in text.chars() {
        match character {
            '\\' => word.push_str("\\\\"),
            '"' => word.push_str("\\\""),
            '%' => word.push_str("%%"),
            '$' => word.push_str("$$"),
            '\n' => word.push_str("\\n"),
            '\t' => word.push_str("\\t"),
            other => word.push(other),
        }
    }
    word.push('"');
    word
}

/// Why a word for `ssh` is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UnsafeName {
    #[error("is empty")]
    Empty,
    #[error("it starts with `-`")]
    LooksLikeAnOption,
    /// A character that is not in the grammar of the word. `ssh` hands many of its words to a shell.
    #[error("it contains {0:?}")]
    Character(char),
    /// A character that is allowed, but not first.
    #[error("it starts with {0:?}")]
    Start(char),
    /// A character that is allowed, but not last.
    #[error("it ends with {0:?}")]
    End(char),
    #[error("it contains a port")]
    Port,
    #[error("this is not a valid IP address")]
    NotAnAddress,
    #[error("it is longer than {0} characters")]
    TooLong(usize),
}

/// Fails for an address that is not a host name, an alias of `ssh`'s configuration, or an IP address without brackets. An
/// IPv6 address may have a zone.
pub fn check_address(address: &str) -> Result<(), UnsafeName> {
    match address.split_once('%') {
        Some((ip, zone)) if ip.contains(':') => {
            check_ipv6(ip)?;
            check_word(zone, "._-")
        }
        _ => check_jump_address(address),
    }
}

/// Fails for a jump host that is not a host name, an alias of `ssh`'s configuration, or an IP address.
pub fn check_jump_address(address: &str) -> Result<(), UnsafeName> {
    if let Some((host, port)) = address.rsplit_once(':')
        && (host.ends_with(']') || !host.contains(':'))
        && !port.is_empty()
        && port.chars().all(|digit| digit.is_ascii_digit())
    {
        return Err(UnsafeName::Port);
    }
    if address.contains(':') {
        return check_ipv6(address);
    }
    check_word(address, "._-+")?;
    let is_ipv4_like = address.split('.').count() == 4
        && address
            .split('.')
            .all(|part| !part.is_empty() && part.chars().all(|one| one.is_ascii_digit()));
    if is_ipv4_like && address.parse::<Ipv4Addr>().is_err() {
        return Err(UnsafeName::NotAnAddress);
    }
    Ok(())
}

fn check_ipv6(address: &str) -> Result<(), UnsafeName> {
    let is_other = |one: &char| !one.is_ascii_hexdigit() && !":.".contains(*one);
    if let Some(other) = address.chars().find(is_other) {
        return Err(UnsafeName::Character(other));
    }
    match address.parse::<Ipv6Addr>() {
        Ok(_) => Ok(()),
        Err(_) => Err(UnsafeName::NotAnAddress),
    }
}

/// Fails for text that is not the name of a user: letters, digits and `._-+`, with `@` or `\` before or after a domain, and
/// perhaps `$` at the end.
pub fn check_user(user: &str) -> Result<(), UnsafeName> {
    let name = user.strip_suffix('$').unwrap_or(user);
    check_word(name, "._-+@\\")?;
    match name.chars().last().filter(|last| "@\\".contains(*last)) {
        Some(last) => Err(UnsafeName::End(last)),
        None => Ok(()),
    }
}

/// Fails for text that is not the name of a user of a jump host, which `ssh` passes through a shell: letters, digits and
/// `._-+`.
pub fn check_jump_user(user: &str) -> Result<(), UnsafeName> {
    check_word(user, "._-+")
}

/// Fails for a path of a key that has other characters than letters, digits, blanks and `/._-+@,=:~%`.
pub fn check_key_path(path: &str) -> Result<(), UnsafeName> {
    if path.is_empty() {
        return Err(UnsafeName::Empty);
    }
    // The home directory is not replaced: the path would be one in the project.
    if let Some(first) = path.chars().next().filter(|first| "~ ".contains(*first)) {
        return Err(UnsafeName::Start(first));
    }
    if path.ends_with(' ') {
        return Err(UnsafeName::End(' '));
    }
    check_characters(path, "/._-+@,=:~% ")
}

/// Fails for a name that cannot be a part of the names of a host, a container and a folder: letters, digits and `-`.
pub fn check_label(name: &str) -> Result<(), UnsafeName> {
    const LONGEST: usize = 63;
    check_word(name, "-")?;
    if let Some(other) = name.chars().find(|one| !one.is_ascii()) {
        return Err(UnsafeName::Character(other));
    }
    if name.ends_with('-') {
        return Err(UnsafeName::End('-'));
    }
    if name.len() > LONGEST {
        return Err(UnsafeName::TooLong(LONGEST));
    }
    Ok(())
}

/// Fails for a word that has other characters than letters, digits, `_` and those in `further`, or does not start with one
/// of the first three.
fn check_word(word: &str, further: &str) -> Result<(), UnsafeName> {
    let is_start = |one: char| one.is_alphanumeric() || (one == '_' && further.contains('_'));
    match word.chars().next() {
        None => return Err(UnsafeName::Empty),
        Some('-') => return Err(UnsafeName::LooksLikeAnOption),
        Some(first) if !is_start(first) && further.contains(first) => return Err(UnsafeName::Start(first)),
        Some(_) => {}
    }
    check_characters(word, further)
}

fn check_characters(text: &str, further: &str) -> Result<(), UnsafeName> {
    let is_other = |one: &char| !one.is_alphanumeric() && !further.contains(*one);
    match text.chars().find(is_other) {
        Some(other) => Err(UnsafeName::Character(other)),
        None => Ok(()),
    }
}

/// The delimiter of a here-document with `text`: `end`, or with a number where a line of the text is that.
pub(crate) fn delimiter(text: &str) -> String {
    let numbered = (1..).map(|number: usize| format!("end{number}"));
    std::iter::once("end".to_owned())
        .chain(numbered)
        .find(|word| text.split('\n').all(|line| line != word))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn echoed_by(shell: &str, quoted: &str) -> Vec<u8> {
        let script = format!("printf %s {quoted}");
        Command::new(shell).arg("-c").arg(script).output().unwrap().stdout
    }

    #[test]
    fn a_delimiter_is_no_line_of_its_text() {
        for (text, word) in [
            ("", "end"),
            ("endless\n end\nend \n#end", "end"),
            ("a\nend", "end1"),
            ("end\nend1\nb", "end2"),
        ] {
            assert_eq!(delimiter(text), word, "{text:?}");
        }
    }

    #[test]
    fn refuses_nul() {
        assert_eq!(try_quote("a\0b"), Err(Unquotable));
        assert_eq!(quoted_script("a\0b"), Err(Unquotable));
    }

    #[test]
    fn a_word_of_a_unit_file_is_not_read_as_anything_else() {
        for (text, expected) in [
            ("restic backup /srv", "\"restic backup /srv\""),
            (
                "date +%F \"$HOME\"\necho \\",
                "\"date +%%F \\\"$$HOME\\\"\\necho \\\\\"",
            ),
        ] {
            assert_eq!(systemd_word(text), expected);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn shells_see_the_word_unchanged(word in "[a-z'\"\\\\$`!^*?~#\\-\n\r\t ;&|<>(){}ä\u{7}=%]{0,24}") {
            for quoted in [quote(&word), quoted_script(&word).unwrap().into_owned()] {
                prop_assert_eq!(echoed_by("dash", &quoted), word.as_bytes());
                prop_assert_eq!(echoed_by("bash", &quoted), word.as_bytes());
            }
        }
    }

    #[test]
    fn refuses_names_that_ssh_would_misread() {
        use UnsafeName::{Character, Empty, End, LooksLikeAnOption, NotAnAddress, Port, Start};
        for (address, why) in [
            ("", Empty),
            ("-oProxyCommand=x", LooksLikeAnOption),
            ("a b", Character(' ')),
            ("a\nb", Character('\n')),
            ("root@a", Character('@')),
            ("ssh://a", Character('/')),
            ("$(id)", Character('$')),
            ("a`id`", Character('`')),
            ("*", Character('*')),
            ("a?", Character('?')),
            ("a,b", Character(',')),
            ("a%h", Character('%')),
            ("%h", Character('%')),
            ("a#b", Character('#')),
            ("~root", Character('~')),
            ("!a", Character('!')),
            ("[fd00::1]", Character('[')),
            (".", Start('.')),
            ("192.0.2.1:22", Port),
            ("pi.lan:2222", Port),
            ("[fd00::1]:22", Port),
            ("fd00::g", Character('g')),
            ("fd00::1%a;b", Character(';')),
            ("fd00::1%", Empty),
            ("1:2:3", NotAnAddress),
            ("192.0.2.300", NotAnAddress),
            ("a:x", Character('x')),
        ] {
            let found = check_address(address).map_err(|found| match (found, why) {
                // Of several wrong characters either will do.
                (Character(_), Character(_)) => why,
                _ => found,
            });
            assert_eq!(found, Err(why), "{address}");
            assert!(check_jump_address(address).is_err(), "{address}");
        }
        assert_eq!(check_jump_address("fe80::1%eth0"), Err(Character('%')));
        for (user, why) in [
            ("", Empty),
            ("-l", LooksLikeAnOption),
            ("a`id`", Character('`')),
            ("*", Character('*')),
            ("a b", Character(' ')),
            ("$HOME", Character('$')),
            ("a$b", Character('$')),
            ("DOMAIN\\", End('\\')),
            ("%r", Character('%')),
            ("~", Character('~')),
            ("a[b]", Character('[')),
            ("a\0", Character('\0')),
        ] {
            assert_eq!(check_user(user), Err(why), "{user}");
            assert!(check_jump_user(user).is_err(), "{user}");
        }
        for user in ["DOMAIN\\admin", "me@example.org", "machine$", "a,b", "a:b", "a/b"] {
            assert!(check_jump_user(user).is_err(), "{user}");
        }
    }

    #[test]
    fn accepts_names_in_use() {
        for address in [
            "pi4.lan",
            "10.0.0.7",
            "fe80::1%eth0",
            "::1",
            "my_host",
            "_alias",
            "bücher.example",
            "10.0.7",
        ] {
            assert_eq!(check_address(address), Ok(()), "{address}");
        }
        for user in [
            "root",
            "DOMAIN\\admin",
            "me@example.org",
            "machine$",
            "_apt",
            "jane.doe",
        ] {
            assert_eq!(check_user(user), Ok(()), "{user}");
        }
        for path in ["keys/id_ed25519", "/home/me/my keys/id", "../keys/100%.key"] {
            assert_eq!(check_key_path(path), Ok(()), "{path}");
        }
        for path in [
            "",
            "~/.ssh/id",
            "a\"b",
            "a\\b",
            "a\nb",
            "${HOME}/id",
            "$(id)",
            "a`id`",
            "a;b",
        ] {
            assert!(check_key_path(path).is_err(), "{path}");
        }
    }

    #[test]
    fn labels_fit_into_the_names_of_hosts_containers_and_folders() {
        for bad in ["", "../x", "a b", "-a", "a-", "a.b", "a_b", "ä", &"x".repeat(64)] {
            assert!(check_label(bad).is_err(), "{bad}");
        }
        assert_eq!(check_label("k3s-cp-1"), Ok(()));
    }
}
