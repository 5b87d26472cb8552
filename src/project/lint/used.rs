//! What the templates and expressions of a project use.

use std::collections::BTreeSet;

use crate::template::Names;

/// Collected over all of them.
#[derive(Default)]
pub(super) struct Used {
    /// The dotted names of data.
    pub(super) names: BTreeSet<String>,
    /// Those of the data of hosts that are looked up, such as `mac` in `hosts[name].data.mac`.
    pub(super) of_any_host: BTreeSet<String>,
    /// The templates that operations run as scripts, by their paths below `templates/`.
    pub(super) scripts: BTreeSet<String>,
    /// Every word.
    pub(super) words: BTreeSet<String>,
}

impl Used {
    pub(super) fn add(&mut self, names: &Names) {
        self.names.extend(names.used.iter().cloned());
        self.of_any_host.extend(names.of_any_host());
        self.words.extend(names.words().map(str::to_owned));
    }
}
