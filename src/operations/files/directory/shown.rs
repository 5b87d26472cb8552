//! A directory as a review shows it.

use crate::change::{Attribute, Attributed, Attributes, ResourceId, ResourceKind};
use crate::operations::files::parameters::octal;

/// The resource of a directory.
pub(super) fn directory_id(path: &str) -> ResourceId {
    ResourceId::new(ResourceKind::Directory, path)
}

/// The attributes of a directory, in the order shown.
pub(super) fn attributed(attributes: &Attributes) -> Attributed {
    [
        ("mode", Attribute::known(octal(attributes.mode))),
        ("owner", Attribute::known(&attributes.owner)),
        ("group", Attribute::known(&attributes.group)),
    ]
    .into_iter()
    .collect()
}
