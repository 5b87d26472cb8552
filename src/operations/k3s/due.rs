//! What is due on a node.

/// What has to happen to a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is done or not, by itself")]
pub(super) struct Due {
    pub(super) enable: bool,
    pub(super) restart: bool,
    /// Pods are moved away before the restart.
    pub(super) drain: bool,
    /// The database is copied before the restart.
    pub(super) snapshot: bool,
    /// The node does not say that it is ready.
    pub(super) wait: bool,
    /// A run of homelab moved pods away and ended before it let them come back.
    pub(super) uncordon: bool,
}

impl Due {
    pub(super) fn is_any(self) -> bool {
        self != Self::default()
    }
}
