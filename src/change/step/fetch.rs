//! How a host gets the content of a file by itself.

use serde::{Deserialize, Serialize};

use crate::content::{Content, Input};
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
            Self::Copy { path } => format!("cat <{}", quote(path)),
            Self::Download { url, headers } => download(url, headers.is_some(), limit),
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

/// Headers are read from standard input: an argument could be seen by every user of the host. `apt-helper`, which every Debian has,
/// knows no headers; it writes a file.
fn download(url: &str, has_headers: bool, limit: Option<&str>) -> String {
    let url = quote(url);
    let default = format!("timeout -k 5 {LONGEST}");
    let limit = limit.unwrap_or(&default);
    let (curl, wget) = if has_headers {
        ("-H @- ", "sed 's/^/header = /' | ")
    } else {
        ("", "")
    };
    let config = if has_headers { "--config=/dev/stdin " } else { "" };
    let helper = if has_headers {
        "echo 'a download with headers needs curl or wget on the host' >&2; exit 1".to_owned()
    } else {
        format!(
            "f=$(mktemp -d) && chmod 0755 \"$f\" && {{ chown _apt \"$f\" 2>/dev/null; {limit} /usr/lib/apt/apt-helper download-file {url} \"$f/file\" >&2 && cat <\"$f/file\"; }}\n\
             code=$?; rm -rf -- \"$f\"; exit $code"
        )
    };
    format!(
        "if command -v curl >/dev/null; then\n\
         {limit} curl -fsSL --proto '=http,https' --proto-redir '=http,https' --connect-timeout 30 {curl}--url {url}\n\
         elif command -v wget >/dev/null; then\n\
         {wget}{limit} wget -nv {config}-O - {url}\n\
         elif [ -x /usr/lib/apt/apt-helper ]; then\n\
         {helper}\n\
         else echo 'a download needs curl or wget on the host' >&2; exit 1; fi"
    )
}
