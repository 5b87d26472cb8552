//! Lints: what is allowed in a project, and probably not meant. They see the project as it is planned from its own files.
//!
//! A lint is a file below `lints` and a line of [`LINTS`]. It never sees a secret: texts are those that reviews show.

mod allowed;
mod assignment;
mod certificates;
mod comment;
mod container;
mod covered;
mod finding;
mod judge;
mod lint;
mod lints;
mod planned;
mod pods;
mod scene;
mod table;

pub use judge::{Allowed, Judged, Verdict, judge};
pub use lint::{Level, Lint};
pub use table::LINTS;

#[cfg(test)]
mod tests;
