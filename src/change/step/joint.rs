//! Commands of which neighbors can run as one: they differ only in their words, such as the packages that apt is to install.
//!
//! One that runs for several may do exactly what all of them may do, and nothing less: otherwise it fails before it changes anything, and
//! they run one by one.

use serde::{Deserialize, Serialize};

use crate::quote::{delimiter, quote_all};

/// What a command has of its own, if others have all the rest of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Joint {
    /// The positional parameters of its script.
    pub words: Vec<String>,
    /// What it may do, in lines: the file `$homelab_reviewed` for its script. With `$homelab_exactly` it has to do all of that.
    pub reviewed: Vec<String>,
    /// Shell text that exits 0 if it was done.
    pub done: String,
}

impl Joint {
    /// Shell text that hands this to a script.
    pub(super) fn text(&self) -> String {
        let words = quote_all(self.words.iter().map(String::as_str));
        format!("set -- {words}\n{}", reviewed_file(&self.reviewed))
    }
}

/// Shell text that writes the file `$homelab_reviewed`, in the folder of the script, which is that of the job.
pub fn reviewed_file(lines: &[String]) -> String {
    let lines = lines.join("\n");
    format!(
        "export homelab_reviewed=\"${{0%/*}}/reviewed\"\ncat >\"$homelab_reviewed\" <<'{end}'\n{lines}\n{end}\n",
        end = delimiter(&lines),
    )
}
