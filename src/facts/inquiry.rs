//! Questions to programs of a host that only read: what they say is kept as it is, and the operation that asked reads it.

use serde::{Deserialize, Serialize};

use super::archive::Archive;
use super::deb::RemoteDeb;
use super::git::WorkingTree;
use super::http::Request;
use super::kind::{DependsOn, Key, Subject};
use super::kubernetes::Objects;
use super::path::parent;
use super::unit::template_of;

/// What a host's program says to this.
#[derive(Clone, Copy)]
pub struct InquiryKey<'a>(pub &'a Inquiry);

impl<'a> Key<'a> for InquiryKey<'a> {
    type Fact = InquiryFact;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        match self.0 {
            Inquiry::Download(request) => format!("what `{}` has", request.url),
            Inquiry::Sshd { .. } => "the settings of sshd".to_owned(),
            Inquiry::HostKeys { host, port } => format!("the keys of `{host}`, port {port}"),
            Inquiry::Nftables { file, .. } => format!("the rules that `{file}` gives"),
            Inquiry::Archive(archive) => format!("what the archive `{}` has", archive.src),
            Inquiry::Extracted { dest } => format!("what `{dest}` has from an archive"),
            Inquiry::WorkingTree(tree) => format!("the repository in `{}` and its source", tree.dest),
            Inquiry::Deb(deb) => format!("what the package at `{}` says", deb.url),
            Inquiry::OwedFor { unit, .. } => format!("whether unit `{unit}` was started since"),
            Inquiry::Instances { template } => format!("which instances `{template}` has"),
            Inquiry::Explanation(objects) => format!("what there is to say of {objects}"),
        }
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<InquiryFact> {
        None
    }

    fn may_come_with_packages(self) -> bool {
        false
    }

    /// A package may have the program that is missing. What keeps a host from the source of a repository may be anything.
    fn is_outdated_by(self, known: &InquiryFact, changed: Subject<'_>) -> bool {
        let by_packages = changed == Subject::Packages;
        let InquiryFact::Said(text) = known else {
            return by_packages;
        };
        match self.0 {
            Inquiry::Archive(_) => text.starts_with(b"needs ") && by_packages,
            Inquiry::Nftables { .. } => text.starts_with(b"missing") && by_packages,
            Inquiry::WorkingTree(tree) => {
                let text = String::from_utf8_lossy(text);
                let has = |word: &str| text.lines().any(|line| line.starts_with(word));
                changed == Subject::Path(&tree.dest) || !(has("remote ") || has("missing") && !by_packages)
            }
            Inquiry::OwedFor { unit, .. } => changed == Subject::Unit(unit),
            Inquiry::Instances { template } => {
                matches!(changed, Subject::Unit(unit) if template_of(unit).is_some_and(|of| of == *template))
            }
            _ => false,
        }
    }
}

/// A question to a program of a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inquiry {
    /// The file at a URL.
    Download(Box<Request>),
    /// What `sshd -T` says, and what it would say if `file` had `text`: see [`Sshd`](crate::facts::sshd::Sshd).
    Sshd { file: String, text: String },
    /// The keys of an SSH server, as `ssh-keyscan` prints them.
    HostKeys { host: String, port: u16 },
    /// The rules of the kernel, those that `text` gives, and those that `file` gives now if it has another text: see
    /// [`Nftables`](crate::facts::nftables::Nftables).
    Nftables { file: String, text: Option<String> },
    /// What extracting an archive would do.
    Archive(Box<Archive>),
    /// What was extracted to `dest`, and whether it is still there.
    Extracted { dest: String },
    /// A repository that is checked out, and what its source has now.
    WorkingTree(Box<WorkingTree>),
    /// What a package that the host downloads says of itself.
    Deb(Box<RemoteDeb>),
    /// What the `record` of an owed handler says of its unit, and what the unit is now: see
    /// [`owed`](crate::facts::owed::was_started_since).
    OwedFor { unit: String, record: String },
    /// The instances that a template of units has: see [`instances`](crate::facts::unit::instances).
    Instances { template: String },
    /// Why objects of a cluster are not as they should be.
    Explanation(Box<Objects>),
}

impl Inquiry {
    /// The folder that the asking operation has files of its own in.
    pub fn tree(&self) -> Option<&str> {
        match self {
            Self::Archive(archive) => Some(&archive.dest),
            Self::Extracted { dest } => Some(dest),
            Self::WorkingTree(tree) => Some(&tree.dest),
            _ => None,
        }
    }

    /// The folder whose files decide about the answer.
    pub(super) fn folder(&self) -> Option<&str> {
        match self {
            Self::Sshd { .. } => Some("/etc/ssh"),
            Self::Nftables { text, .. } => included(text.as_deref()?),
            Self::Archive(archive) => Some(&archive.dest),
            Self::Extracted { dest } => Some(dest),
            Self::WorkingTree(tree) => Some(&tree.dest),
            Self::Download(_)
            | Self::HostKeys { .. }
            | Self::Deb(_)
            | Self::OwedFor { .. }
            | Self::Instances { .. }
            | Self::Explanation(_) => None,
        }
    }
}

/// The folder of the first file that rules of nft include.
fn included(text: &str) -> Option<&str> {
    let names = text.lines().filter_map(|line| line.trim().strip_prefix("include "));
    let mut absolute = names
        .map(|name| name.trim_matches([' ', '"', '\'', ';']))
        .filter(|name| name.starts_with('/'));
    absolute.next().map(parent)
}

/// What a host's program said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InquiryFact {
    Said(#[serde(with = "crate::value::bytes")] Vec<u8>),
    /// It failed, for this reason.
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_was_missing_is_asked_for_again_after_a_change_of_packages() {
        let nftables = Inquiry::Nftables {
            file: "/etc/nftables.conf".to_owned(),
            text: None,
        };
        let keys = Inquiry::HostKeys {
            host: "nas".to_owned(),
            port: 22,
        };
        let said = |text: &str| InquiryFact::Said(text.as_bytes().to_vec());
        let cases = [
            (&nftables, said("missing\0"), true),
            (&nftables, said("rules\0"), false),
            (&keys, InquiryFact::Failed("`ssh-keyscan` is missing".to_owned()), true),
            (&keys, said("nas ssh-ed25519 AAAA"), false),
        ];
        for (inquiry, known, is_outdated) in &cases {
            let by = |changed| InquiryKey(inquiry).is_outdated_by(known, changed);
            assert_eq!(by(Subject::Packages), *is_outdated, "{inquiry:?}");
            assert!(!by(Subject::Unit("x.service")), "{inquiry:?}");
        }
    }
}
