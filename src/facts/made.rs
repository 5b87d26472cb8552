//! What runs created on a host, so that what left the configuration since is found again.
//!
//! Each deploy of a host has a file there, in the folder `made`. Its first line holds a short digest of each name, which every run
//! reads: while operations are about all of them, nothing further is read. A line with the details follows for each: the digest
//! again, the key of the next digest, the kind, a keyed digest of what was written, and the name.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::secret::sha256_hex;

/// What the names of its files begin with.
pub(super) const PREFIX: &str = "made-";
/// How much of a digest is enough for a name, in characters. If two names have the same one, an orphan may stay unseen.
pub(super) const LENGTH: usize = 5;
/// The same for the name of a file, in hexadecimal digits.
const DIGITS: usize = 12;

/// The digests of what a deploy created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// The file's name, which stands for the deploy.
    pub file: String,
    pub digests: BTreeSet<String>,
}

/// What can be created.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Path(String),
    Package(String),
    User(String),
    Group(String),
    /// A user, and the name of an entry in the user's table of cron.
    CronEntry(String, String),
    /// A compose project.
    Project(String),
}

/// The kinds of what is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Kind {
    /// Its services end while its files are there.
    Project,
    Cron,
    Link,
    File,
    Directory,
    Package,
    User,
    Group,
}

/// Something that a deploy created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Creation {
    pub kind: Kind,
    /// Its name; of an entry of cron the user's, a space and its own.
    pub name: String,
    /// The keyed digest of what was written, if it was a text or the target of a link.
    pub digest: Option<String>,
    /// Whether reviews do not show what was written.
    pub is_secret: bool,
}

impl Creation {
    /// What is remembered of `subject`; `None` if the line of it could not be read again.
    pub fn new(kind: Kind, name: &str, digest: Option<String>) -> Option<Self> {
        let is_one_word = |word: &str| !word.contains(char::is_whitespace);
        let is_readable = !name.is_empty() && !name.chars().any(char::is_control) && name.trim() == name;
        let digest = digest.filter(|digest| is_one_word(digest));
        is_readable.then(|| Self {
            kind,
            name: name.to_owned(),
            digest,
            is_secret: false,
        })
    }

    /// What it is.
    pub fn subject(&self) -> Subject {
        let name = self.name.clone();
        match self.kind {
            Kind::File | Kind::Link | Kind::Directory => Subject::Path(name),
            Kind::Package => Subject::Package(name),
            Kind::User => Subject::User(name),
            Kind::Group => Subject::Group(name),
            Kind::Project => Subject::Project(name),
            Kind::Cron => {
                let (user, entry) = name.split_once(' ').unwrap_or((&name, ""));
                Subject::CronEntry(user.to_owned(), entry.to_owned())
            }
        }
    }

    /// Its path, if it is at one.
    pub fn path(&self) -> Option<&str> {
        matches!(self.kind, Kind::File | Kind::Link | Kind::Directory).then_some(&self.name)
    }
}

/// The short digest of a name.
pub fn digest(subject: &Subject) -> String {
    let named = match subject {
        Subject::Path(name) => format!("path {name}"),
        Subject::Package(name) => format!("package {name}"),
        Subject::User(name) => format!("user {name}"),
        Subject::Group(name) => format!("group {name}"),
        Subject::CronEntry(user, name) => format!("cron {user} {name}"),
        Subject::Project(name) => format!("project {name}"),
    };
    let mut digest = URL_SAFE_NO_PAD.encode(Sha256::digest(named));
    digest.truncate(LENGTH);
    digest
}

/// The name of the file of a deploy on a host: the first part is the same for all of a project's inventory.
pub fn file_of((project, inventory): (&str, &str), deploy: &str, host: &str) -> String {
    let own = &sha256_hex(format!("{deploy}\n{host}").as_bytes())[..DIGITS];
    format!("{}{own}", prefix_of(project, inventory))
}

/// How the names of all files of a project's inventory begin.
pub fn prefix_of(project: &str, inventory: &str) -> String {
    let all = &sha256_hex(format!("{project}\n{inventory}").as_bytes())[..DIGITS];
    format!("{PREFIX}{all}-")
}

impl Made {
    /// Reads what the host says: a file's name, and its first line. `None` if it is no such file.
    pub fn read(said: &str) -> Option<Self> {
        let (file, line) = said.split_once(' ').unwrap_or((said, ""));
        let (project, deploy) = file.strip_prefix(PREFIX)?.split_once('-')?;
        let is_name = |digits: &str| digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_name(project) || !is_name(deploy) {
            return None;
        }
        let digests = line.as_bytes().chunks_exact(LENGTH);
        let digests = digests.filter_map(|digest| std::str::from_utf8(digest).ok().map(str::to_owned));
        Some(Self {
            file: file.to_owned(),
            digests: digests.collect(),
        })
    }
}
