//! Questions to programs of a host that only read: what they say is kept as it is, and the operation that asked reads it.

use serde::{Deserialize, Serialize};

use super::http::Request;
use super::kind::{DependsOn, Key, Subject};

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
}

/// A question to a program of a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inquiry {
    /// The file at a URL.
    Download(Box<Request>),
    /// What `sshd -T` says, and after a line `then`, what it would say with `text` in front of its configuration.
    Sshd { text: String },
    /// The keys of an SSH server, as `ssh-keyscan` prints them.
    HostKeys { host: String, port: u16 },
}

impl Inquiry {
    /// The folder whose files decide about the answer.
    pub(super) fn folder(&self) -> Option<&'static str> {
        match self {
            Self::Sshd { .. } => Some("/etc/ssh"),
            Self::Download(_) | Self::HostKeys { .. } => None,
        }
    }
}

/// What a host's program said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InquiryFact {
    Said(#[serde(with = "crate::value::bytes")] Vec<u8>),
    /// It failed, for this reason.
    Failed(String),
}
