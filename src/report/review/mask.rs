//! Every text of a host or a project in a review goes through this one place.

use std::borrow::Cow;

use crate::secret::redacted;

/// `text` with `[secret]` in place of all secret values that it was not meant to hold.
pub(super) fn masked(text: &str) -> Cow<'_, str> {
    redacted(text)
}
