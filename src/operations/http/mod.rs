//! What web APIs hold.

mod place;
pub(super) mod resource;
mod values;
