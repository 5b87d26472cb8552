//! Tests that are files: a case each, run and named one by one.
//!
//! `cargo test --test cases become` runs those with `become` in their names.
#![expect(
    clippy::unwrap_used,
    reason = "a test may end at the first thing that is not as it should be"
)]

mod operations;
mod wrong_projects;

fn main() -> std::process::ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    let trials = operations::trials().into_iter().chain(wrong_projects::trials());
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
