//! How a host gets the content of a file by itself.

use serde::{Deserialize, Serialize};

use crate::content::{Content, Input};
use crate::facts::download::Download;
use crate::quote::quote;

/// Where a host gets the content of a file from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fetch {
    /// Another file of the host.
    Copy { path: String },
    /// A URL.
    Download {
        url: String,
        /// A line for each header of the request.
        headers: Option<Input>,
    },
}

/// What limits a copy by default: a step that takes longer is given up anyway.
const COPY_LIMIT: &str = "timeout -k 5 120";

/// How long a download may take by default, in seconds.
const LONGEST: u64 = 25 * 60;

impl Fetch {
    /// What its shell text reads on its standard input.
    pub(super) fn input(&self) -> Option<Content> {
        match self {
            Self::Copy { .. } | Self::Download { headers: None, .. } => None,
            Self::Download {
                headers: Some(headers), ..
            } => Some(headers.content()),
        }
    }

    /// Shell text that prints the content, in at most `limit`.
    pub(super) fn script(&self, limit: Option<&str>) -> String {
        match self {
            // A pipe in its place could keep the host waiting, and a device has no end: only a file is read.
            Self::Copy { path } => format!(
                "{} sh -c '[ -f \"$1\" ] && [ ! -L \"$1\" ] && exec <\"$1\" && [ -f /proc/self/fd/0 ] && cat' sh {} || {{ printf '%s\\n' {} >&2; exit 1; }}",
                limit.unwrap_or(COPY_LIMIT),
                quote(path),
                quote(&self.other_digest()),
            ),
            Self::Download { url, headers } => {
                let default = format!("timeout -k 5 {LONGEST}");
                let download = Download {
                    url,
                    has_headers: headers.is_some(),
                    limit: limit.unwrap_or(&default),
                };
                download.script()
            }
        }
    }

    /// What a content with another digest means.
    pub(super) fn other_digest(&self) -> String {
        match self {
            Self::Copy { path } => format!("{path} changed since the review; nothing was replaced"),
            Self::Download { url, .. } => format!("what {url} gave has another sha256; nothing was replaced"),
        }
    }
}
