//! Shell text that sets or tests the state of a path.

use serde::{Deserialize, Serialize};

use crate::quote::{quote, quote_all};

/// Owner, group and mode of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attributes {
    pub owner: String,
    pub group: String,
    /// Permission bits.
    pub mode: u32,
}

/// The user and group that own a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ownership {
    pub owner: String,
    pub group: String,
}

/// The owner first: a change of owner clears set-id bits.
pub(super) fn set_attributes(quoted_path: &str, attributes: &Attributes) -> String {
    format!(
        "{} && {}",
        set_owner(quoted_path, &attributes.owner, &attributes.group),
        set_mode(quoted_path, attributes.mode)
    )
}

/// Of a link itself, not of what it leads to.
pub(super) fn set_owner(quoted_path: &str, owner: &str, group: &str) -> String {
    format!("chown -h -- {} {quoted_path}", quote(&format!("{owner}:{group}")))
}

/// Five digits: with fewer, GNU's chmod(1) keeps the set-id bits of directories.
pub(super) fn set_mode(quoted_path: &str, mode: u32) -> String {
    format!("chmod -- {mode:05o} {quoted_path}")
}

/// Whether an owner is given by number.
pub(super) fn is_number(name: &str) -> bool {
    name.chars().all(|character| character.is_ascii_digit())
}

pub(super) fn file_is(path: &str, digest: Option<&str>, attributes: &Attributes) -> String {
    let content = digest.map_or_else(String::new, |digest| format!(" && {}", content_is(path, digest)));
    format!(
        "[ -f {path} ] && [ ! -L {path} ] && {}{content}",
        attributes_are(path, attributes),
        path = quote(path)
    )
}

/// A named pipe may take the place of the file at any time: there is no wait for a writer, and no more is read than the file had.
pub(super) fn content_is(path: &str, digest: &str) -> String {
    format!(
        "[ \"$(dd if={path} iflag=nonblock,nofollow,count_bytes bs=1M count=\"$(stat -c %s -- {path})\" 2>/dev/null | sha256sum)\" = '{digest}  -' ]",
        path = quote(path)
    )
}

pub(super) fn link_is(path: &str, target: &str) -> String {
    format!(
        "[ -L {path} ] && [ \"$(readlink -- {path})\" = {} ]",
        quote(target),
        path = quote(path)
    )
}

pub(super) fn directory_is(path: &str, attributes: &Attributes) -> String {
    format!(
        "[ -d {path} ] && [ ! -L {path} ] && {}",
        attributes_are(path, attributes),
        path = quote(path)
    )
}

/// Compares owners by name, or by number if a number is given.
pub(super) fn attributes_are(path: &str, attributes: &Attributes) -> String {
    let owner = if is_number(&attributes.owner) { "%u" } else { "%U" };
    let group = if is_number(&attributes.group) { "%g" } else { "%G" };
    let expected = format!("{:o} {} {}", attributes.mode, attributes.owner, attributes.group);
    format!(
        "[ \"$(stat -c '%a {owner} {group}' -- {})\" = {} ]",
        quote(path),
        quote_all([expected.as_str()])
    )
}
