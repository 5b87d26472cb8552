//! What is known of a host: one family a file, each with the probe that asks and the parser that reads the answer.

pub mod probe;
