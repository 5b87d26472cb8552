//! The grammar of facts: a host's own text is held to what the fact is, so that a name is a name.
//!
//! | Fact | What it may be | In a shell without `quote` |
//! |---|---|---|
//! | `os.id`, `os.version`, `os.codename`, `os.family` | letters, digits and `._+~-`, or nothing; begins with a letter or digit | yes |
//! | `architecture.dpkg`, `architecture.uname` | the same | yes |
//! | `os.name` | text without control characters | no |
//! | `hostname`, `kernel`, `init`, disks' `name` | letters, digits and `._+~:@!-`; begins with a letter, a digit or `_` | no |
//! | `addresses` | IP addresses | no |
//! | `reboot_required` | names of packages | no |
//! | `packages.*.version` | letters, digits and `.+:~-`; begins with a letter or digit | no |
//! | names of users and groups | no white space, control characters, or signs of a shell | no |
//! | `users.*.home`, `users.*.shell` | absolute paths without control characters; the shell may be empty | no |
//! | `users.*.comment` | text without control characters | no |
//!
//! Numbers and truth values need no `quote`.

use std::net::IpAddr;

/// Texts of `facts` that are harmless in a shell, because of their grammar.
const HARMLESS: &[&str] = &[
    "os.id",
    "os.version",
    "os.codename",
    "os.family",
    "architecture.dpkg",
    "architecture.uname",
];

/// Whether a shell cannot misread `facts.PATH`, whatever the host says.
pub fn is_harmless(path: &str) -> bool {
    HARMLESS.contains(&path)
}

/// What a fact is, and so what it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grammar {
    /// A word such as `debian`, `13`, `x86_64`; may be empty.
    Word,
    /// A name such as that of a host, a kernel or a disk; may be empty.
    Name,
    Address,
    Package,
    Version,
    /// The name of a user or a group.
    Account,
    /// An absolute path.
    Path,
    /// An absolute path, or nothing.
    Shell,
    /// Free text.
    Text,
}

impl Grammar {
    /// What it is called in a message.
    fn words(self) -> &'static str {
        match self {
            Self::Word => "a word of letters, digits and `._+~-`",
            Self::Name => "a name of letters, digits and `._-`",
            Self::Address => "an IP address",
            Self::Package => "the name of a package",
            Self::Version => "the version of a package",
            Self::Account => "the name of a user or a group",
            Self::Path | Self::Shell => "an absolute path",
            Self::Text => "text without control characters",
        }
    }

    fn fits(self, text: &str) -> bool {
        let begins = |also: &str| text.starts_with(|first: char| first.is_ascii_alphanumeric() || also.contains(first));
        let holds = |also: &str| {
            text.chars()
                .all(|character| character.is_ascii_alphanumeric() || also.contains(character))
        };
        match self {
            Self::Word => text.is_empty() || begins("") && holds("._+~-"),
            Self::Name => text.is_empty() || begins("_") && holds("._+~:@!-"),
            Self::Address => text.parse::<IpAddr>().is_ok(),
            Self::Package => begins("") && holds(".+:-"),
            Self::Version => begins("") && holds(".+:~-"),
            Self::Account => {
                !text.is_empty()
                    && !text.starts_with('-')
                    && !text.chars().any(|character| {
                        character.is_whitespace() || character.is_control() || SIGNS.contains(character)
                    })
                    && !text.trim_end_matches('$').contains('$')
            }
            Self::Path => text.starts_with('/') && !text.chars().any(char::is_control),
            Self::Shell => text.is_empty() || Self::Path.fits(text),
            Self::Text => !text.chars().any(char::is_control),
        }
    }

    /// Checks `text`, which the host gave, against the grammar.
    ///
    /// Errors: why it is not such a thing, with the text made readable.
    pub(super) fn check(self, text: &str) -> Result<(), String> {
        if self.fits(text) {
            return Ok(());
        }
        let shown: String = text.chars().take(LONGEST).collect();
        Err(format!("the host says {shown:?}, which is not {}", self.words()))
    }
}

/// The most characters of a host's answer in a message.
const LONGEST: usize = 80;

/// Signs that no name of a user or group has. `$` may end one.
const SIGNS: &str = "\"'`;&|<>(){}[]*?!#~:,/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hosts_say_is_accepted() {
        for (grammar, texts) in [
            (
                Grammar::Word,
                &["debian", "13", "24.04", "", "opensuse-leap", "x86_64"][..],
            ),
            (
                Grammar::Name,
                &[
                    "web-1",
                    "my_host",
                    "6.12.0-18-amd64",
                    "6.8.12-4-pve",
                    "nvme0n1",
                    "cciss!c0d0",
                ],
            ),
            (Grammar::Address, &["192.0.2.1", "fe80::1", "::1"]),
            (
                Grammar::Package,
                &["libc6", "linux-image-6.12.0-18-amd64", "g++", "libc6:i386"],
            ),
            (Grammar::Version, &["1:2.3~rc1-4+deb13u1", "5.2.37-2+b7"]),
            (
                Grammar::Account,
                &[
                    "root",
                    "_apt",
                    "systemd-network",
                    "DOMAIN\\anna",
                    "pc$",
                    "anna.müller",
                    "a@b",
                ],
            ),
            (Grammar::Path, &["/home/anna", "/srv/with space", "/"]),
            (Grammar::Shell, &["", "/bin/sh"]),
            (Grammar::Text, &["Anna Müller,,,", "", "Debian GNU/Linux 13 (trixie)"]),
        ] {
            for text in texts {
                assert_eq!(grammar.check(text), Ok(()), "{grammar:?} {text}");
            }
        }
    }

    #[test]
    fn what_is_something_else_is_refused() {
        for (grammar, texts) in [
            (Grammar::Word, &["$(id)", "a b", "-n", "~", "a;b", "a\n"][..]),
            (
                Grammar::Name,
                &["$(id)", "a b", "-rf", "`id`", "a'b", "a\u{1b}[2J", "ä", "a/b"],
            ),
            (Grammar::Address, &["", "$(id)", "1.2.3", "192.0.2.1;id", "fe80::1/64"]),
            (Grammar::Package, &["", "-y", "a b", "a;b", "a$b"]),
            (Grammar::Version, &["", "1 2", "$(id)", "-1"]),
            (
                Grammar::Account,
                &["", "a b", "$(id)", "a$b", "-a", "a;b", "a/b", "a\tb", "a'"],
            ),
            (Grammar::Path, &["", "home", "/a\nb", "$(id)"]),
            (Grammar::Shell, &["sh", "/bin/sh\u{7}"]),
            (Grammar::Text, &["a\u{1b}b", "a\nb", "\0"]),
        ] {
            for text in texts {
                assert!(grammar.check(text).is_err(), "{grammar:?} {text:?}");
            }
        }
        assert_eq!(
            Grammar::Name.check("$(id)\n").unwrap_err(),
            "the host says \"$(id)\\n\", which is not a name of letters, digits and `._-`"
        );
    }
}
