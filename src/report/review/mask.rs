//! The one place that every text of a host or a project passes on its way into a review.

use std::borrow::Cow;

/// `text` with all secret values replaced by `[secret]`. There are no secret values yet: this is where they will go.
pub(super) fn masked(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}
