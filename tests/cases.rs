//! Tests that are files: a case each, run and named one by one.
//!
//! `cargo test --test cases become` runs those with `become` in their names.
#![expect(
    clippy::unwrap_used,
    reason = "a test may end at the first thing that is not as it should be"
)]

mod wrong_projects;

fn main() -> std::process::ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    libtest_mimic::run(&arguments, wrong_projects::trials()).exit_code()
}
