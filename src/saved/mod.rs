//! Saved plans: a reviewed plan in a file, to be applied later exactly as it was reviewed.
//!
//! The file begins with a line of JSON: its format, the digest of all that follows, and who sealed that. The rest is JSON too: what was
//! planned, the review without what must not be seen, a keyed digest of each operation, and the files that the plan was made from.
//! Those are encrypted for the recipients of the project, if it has any. Applying makes the plan again from these files alone and
//! compares it, so nothing that was changed in the project since counts, and nothing on a host that moved is changed.

mod bundle;
mod file;
mod folder;
mod gathered;
mod large;
mod moved;
mod shown;
#[cfg(test)]
mod tests;

pub use bundle::{Asked, Bundle, Unpacked};
pub use file::{Closed, FORMAT, HostRecord, Meta, SavedPlan, Unusable};
pub use gathered::gather_files;
pub use moved::{Move, Standing, standing};
pub use shown::{Fingerprints, fingerprints, hides_anything, to_be_shown};
