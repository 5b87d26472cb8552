//! What each operation does: a case file for each behaviour, `tests/operations/<operation>/<behaviour>.toml`.
//!
//! docs/adding-an-operation.md describes the files. Each case is a test. From facts alone it compares the review, the
//! commands or the error with what the file expects; `HOMELAB_WRITE_TEXTS=1 cargo test --test cases files.put` writes them
//! there: read what was written before you commit it.

mod case;
mod docker_image;
mod facts;
mod hostile;
mod hosts;
mod planned;
mod probes;
mod table;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use case::Case;
use libtest_mimic::{Arguments, Failed, Trial};

/// A test for each case, planned from facts alone.
pub(crate) fn trials() -> Vec<Trial> {
    let paths = case_files();
    let complete = Trial::test("operations::every_operation_has_its_cases", {
        let paths = paths.clone();
        move || every_operation_has_its_cases(&paths)
    });
    let counted = Trial::test("operations::tested_operations", {
        let paths = paths.clone();
        move || table::is_current(&paths)
    });
    let small = Trial::test("operations::probes_stay_small", {
        let paths = paths.clone();
        move || probes::probes_stay_small(&paths)
    });
    let cases = paths
        .into_iter()
        .map(|path| Trial::test(case::name_of(&path), move || planned::check(&Case::read(&path)?)));
    [complete, counted, small].into_iter().chain(cases).collect()
}

/// A test for each case and Debian release on lab hosts, which run only when ignored tests are asked for.
pub(crate) fn trials_on_hosts(arguments: &Arguments) -> Vec<Trial> {
    // A case that cannot be read fails in its test from facts.
    let cases = case_files().into_iter().filter_map(|path| Case::read(&path).ok());
    let mut trials = hosts::trials(cases.filter(|case| case.host.is_some()).collect(), arguments);
    trials.extend(hostile::trials(case_files()));
    trials
}

/// The case files, in the order of their names.
fn case_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in fs::read_dir(case::root()).unwrap().flatten() {
        if folder.path().is_dir() {
            files.extend(fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()));
        }
    }
    files.sort();
    files
}

fn every_operation_has_its_cases(files: &[PathBuf]) -> Result<(), Failed> {
    let folders: BTreeSet<String> = files.iter().map(|file| case::operation_of(file)).collect();
    let all = homelab::operations::OPERATIONS
        .iter()
        .chain([&homelab::operations::CAPTURE]);
    let operations: BTreeSet<String> = all.map(|definition| definition.name.to_owned()).collect();
    if let Some(name) = operations.difference(&folders).next() {
        let hint = "write its first case: docs/adding-an-operation.md says how";
        return Err(format!("`{name}` has no cases in tests/operations/{name}/\n  = hint: {hint}").into());
    }
    match folders.difference(&operations).next() {
        Some(name) => Err(format!("tests/operations/{name}/ is for no operation of the table").into()),
        None => Ok(()),
    }
}
