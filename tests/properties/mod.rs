//! What holds whatever people write: nothing panics, every mistake points into its file, and data merge by their rules.

mod loading;
mod merging;
