//! Public keys as OpenSSH writes them, with their options in `authorized_keys` (sshd(8)).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};

/// A public key on a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PublicKey {
    /// What the key may be used for; empty is everything.
    pub(super) options: String,
    /// `ssh-ed25519` and the like.
    pub(super) kind: String,
    /// The key itself, in base64.
    pub(super) body: String,
    pub(super) comment: String,
}

/// Why a text is no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    Private,
    SeveralLines,
    NoKey,
    /// What follows the kind is not a key of that kind.
    Damaged,
}

impl PublicKey {
    /// The key on a line; `None` for a comment, an empty line, or what sshd ignores.
    pub(super) fn on_line(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (options, rest) = match word(line) {
            (first, rest) if is_kind(first) => ("", format!("{first} {rest}")),
            (options, rest) => (options, rest.to_owned()),
        };
        let mut words = rest.splitn(3, [' ', '\t']).map(str::trim);
        let kind = words.next().filter(|kind| is_kind(kind))?.to_owned();
        let rest = words.collect::<Vec<_>>().join(" ");
        let (body, comment) = rest.trim_start().split_once([' ', '\t']).unwrap_or((rest.trim(), ""));
        (!body.is_empty()).then(|| Self {
            options: options.to_owned(),
            kind,
            body: body.to_owned(),
            comment: comment.trim().to_owned(),
        })
    }

    /// The key that a user wrote.
    pub(super) fn written(text: &str) -> Result<Self, Wrong> {
        if text.contains("PRIVATE KEY") {
            return Err(Wrong::Private);
        }
        let text = text.trim();
        if text.contains(['\n', '\r', '\0']) {
            return Err(Wrong::SeveralLines);
        }
        let key = Self::on_line(text).ok_or(Wrong::NoKey)?;
        if key.is_whole() { Ok(key) } else { Err(Wrong::Damaged) }
    }

    /// Whether the body is a row of fields, each after its length, of which the first names the same kind.
    fn is_whole(&self) -> bool {
        let Ok(bytes) = STANDARD.decode(&self.body) else {
            return false;
        };
        let mut rest = bytes.as_slice();
        let mut fields = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            let Some((field, after)) = after.split_at_checked(length) else {
                return false;
            };
            fields.push(field);
            rest = after;
        }
        rest.is_empty() && fields.len() > 1 && fields[0] == self.kind.as_bytes()
    }

    /// Whether it is the same key, whatever its options and comment are.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.kind == other.kind && self.body == other.body
    }

    /// `SHA256:…`, as `ssh-keygen -l` shows it.
    pub(super) fn fingerprint(&self) -> String {
        let bytes = STANDARD.decode(&self.body).unwrap_or_default();
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(bytes)))
    }

    /// The key as a line of `authorized_keys`.
    pub(super) fn line(&self) -> String {
        let words = [&self.options, &self.kind, &self.body, &self.comment];
        let given: Vec<&str> = words
            .into_iter()
            .map(String::as_str)
            .filter(|word| !word.is_empty())
            .collect();
        given.join(" ")
    }

    /// The key as a review shows it.
    pub(super) fn shown(&self) -> String {
        let words = [self.options.clone(), self.fingerprint(), self.comment.clone()];
        let given: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
        given.join(" ")
    }
}

fn is_kind(word: &str) -> bool {
    const KINDS: [&str; 3] = ["ssh-", "ecdsa-sha2-", "sk-"];
    KINDS.iter().any(|start| word.starts_with(start))
        && word
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || "-@.".contains(character))
}

/// The first word, and what follows it. Blanks between quotes are a part of the word.
fn word(line: &str) -> (&str, &str) {
    let mut in_quotes = false;
    let mut is_escaped = false;
    for (at, character) in line.char_indices() {
        match character {
            '"' if !is_escaped => in_quotes = !in_quotes,
            ' ' | '\t' if !in_quotes => return (&line[..at], line[at..].trim_start()),
            _ => {}
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    (line, "")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINKdxsdmDzyUn1m/0g+ARM90Kw6fOq5mpRfzU/IpgOqU anna@laptop";

    #[test]
    fn a_line_is_read_and_written_as_it_is() {
        for line in [
            KEY.to_owned(),
            format!("from=\"10.0.0.0/8\",command=\"echo \\\"a b\\\"\" {KEY}"),
            format!("no-pty {KEY} and more"),
        ] {
            let key = PublicKey::on_line(&line).expect("a key");
            assert_eq!(key.line(), line);
            assert!(key.is_whole());
            assert!(key.is_same(&PublicKey::on_line(KEY).expect("a key")));
        }
        for line in ["", "# a comment", "what is this", "ssh-ed25519", "no-pty"] {
            assert_eq!(PublicKey::on_line(line), None, "{line}");
        }
        let blanks = PublicKey::on_line(&KEY.replace(' ', "\t ")).expect("a key");
        assert_eq!(blanks.line(), KEY);
    }

    #[test]
    fn what_is_no_public_key_is_told_apart() {
        for (text, wrong) in [
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nx\n", Wrong::Private),
            ("~/.ssh/id_ed25519.pub", Wrong::NoKey),
            ("", Wrong::NoKey),
            ("ssh-ed25519 AAAA", Wrong::Damaged),
            ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA anna@laptop", Wrong::Damaged),
            ("ssh-ed25519 not-base64!", Wrong::Damaged),
        ] {
            assert_eq!(PublicKey::written(text), Err(wrong), "{text}");
        }
        assert_eq!(PublicKey::written(&format!("{KEY}\n{KEY}")), Err(Wrong::SeveralLines));
        assert_eq!(
            PublicKey::written(&KEY.replace("ssh-ed25519 ", "ssh-rsa ")),
            Err(Wrong::Damaged)
        );
        assert!(PublicKey::written(&format!("{KEY}\n")).is_ok());
    }
}
