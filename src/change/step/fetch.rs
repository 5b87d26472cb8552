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

/// The exit code of a step whose download has another digest.
pub(super) const OTHER_DIGEST: i32 = 121;

/// What limits a copy by default: a step that takes longer is given up anyway.
const COPY_LIMIT: &str = "timeout -k 5 120";

/// The exit code if the file is there and `cat` fails, such as for want of space: it has said why.
const NOT_COPIED: u8 = 4;

/// How long a download may take by default, in seconds.
const LONGEST: u64 = 25 * 60;

impl Fetch {
    /// The file of the host that is copied, if it is one.
    pub(super) fn copied(&self) -> Option<&str> {
        match self {
            Self::Copy { path } => Some(path),
            Self::Download { .. } => None,
        }
    }

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
                "{} sh -c '[ -f \"$1\" ] && [ ! -L \"$1\" ] && exec <\"$1\" && [ -f /proc/self/fd/0 ] || exit 1; cat || exit {NOT_COPIED}' sh {} || \
                 {{ case $? in {NOT_COPIED}) printf '%s\\n' {} ;; 124|137) printf '%s\\n' {} ;; *) printf '%s\\n' {} ;; esac >&2; exit 1; }}",
                limit.unwrap_or(COPY_LIMIT),
                quote(path),
                quote(&format!("{path} could not be copied; nothing was replaced")),
                quote(&format!("copying {path} took too long; nothing was replaced")),
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

    /// Shell text that says what the content of `$t` means, which has another digest, and ends the step.
    pub(super) fn refuse_digest(&self) -> String {
        match self {
            Self::Copy { .. } => format!("printf '%s\\n' {}; exit 1", quote(&self.other_digest())),
            Self::Download { url, .. } => format!(
                "s=$(sha256sum <\"$t\"); printf '%s has sha256 %s; nothing was replaced\\n' {} \"${{s%% *}}\"; exit {OTHER_DIGEST}",
                quote(&format!("what {url} gave")),
            ),
        }
    }

    /// What a content with another digest means.
    fn other_digest(&self) -> String {
        match self {
            Self::Copy { path } => format!("{path} changed since the review; nothing was replaced"),
            Self::Download { url, .. } => format!("what {url} gave has another sha256; nothing was replaced"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_copy_that_fails_says_why() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("kept");
        let copied = |to: Stdio| {
            let fetch = Fetch::Copy {
                path: path.to_string_lossy().into_owned(),
            };
            let mut command = Command::new("sh");
            command.args(["-c", &format!("( {} ) || exit", fetch.script(None))]);
            let ran = command.stdin(Stdio::null()).stdout(to).output().expect("sh runs");
            let said = String::from_utf8_lossy(&ran.stderr).into_owned();
            (
                ran.status.success(),
                String::from_utf8_lossy(&ran.stdout).into_owned(),
                said,
            )
        };
        let (is_copied, _, said) = copied(Stdio::piped());
        assert!(!is_copied && said.contains("changed since the review"), "{said}");
        std::fs::write(&path, "kept").expect("written");
        assert_eq!(copied(Stdio::piped()), (true, "kept".to_owned(), String::new()));
        let full = File::options().write(true).open("/dev/full").expect("a full disk");
        let (is_copied, _, said) = copied(full.into());
        assert!(
            !is_copied && said.contains("No space left on device") && said.contains("could not be copied"),
            "{said}"
        );
        assert!(!said.contains("changed"), "{said}");
    }

    #[test]
    fn a_download_with_another_digest_says_which_one_came() {
        let fetch = Fetch::Download {
            url: "http://a/b%20c".to_owned(),
            headers: None,
        };
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("new");
        std::fs::write(&file, "x").expect("written");
        let script = format!("t={}\n{}", quote(&file.to_string_lossy()), fetch.refuse_digest());
        let ran = Command::new("sh").args(["-c", &script]).output().expect("sh runs");
        assert_eq!(ran.status.code(), Some(OTHER_DIGEST));
        assert_eq!(
            String::from_utf8_lossy(&ran.stdout),
            "what http://a/b%20c gave has sha256 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881; nothing \
             was replaced\n"
        );
    }
}
