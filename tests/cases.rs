//! Tests that are files: a case each, run and named one by one.
//!
//! `cargo test --test cases become` runs those with `become` in their names.
#![expect(
    clippy::unwrap_used,
    reason = "a test may end at the first thing that is not as it should be"
)]

mod lints;
mod operations;
#[expect(dead_code, reason = "tests of hosts use the rest")]
mod support;
mod wrong_projects;

fn main() -> std::process::ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    let mut trials = operations::trials();
    trials.extend(wrong_projects::trials());
    trials.extend(lints::trials());
    trials.extend(operations::trials_on_hosts(&arguments));
    libtest_mimic::run(&arguments, trials).exit_code()
}
