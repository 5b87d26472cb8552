//! The budget of probes: how many bytes of shell text an operation sends to read its facts.
//!
//! A run with nothing to do sends hardly anything else, so a probe that grows makes every run slower. `tests/operations/probes.toml`
//! has the ceilings; `HOMELAB_WRITE_TEXTS=1 cargo test --test cases probes_stay_small` writes them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use homelab::facts::{FactKey, Probe};
use homelab::gather::FactProbes;
use libtest_mimic::Failed;

use super::case::{self, Case};
use super::planned;

/// What every run reads first, whatever its operations: it is counted once, and not for each of them.
const EVERY_RUN: &str = "every run";
const HEAD: &str = "# The most bytes of shell text that one case of an operation may send to read its facts.\n\
                    # `HOMELAB_WRITE_TEXTS=1 cargo test --test cases probes_stay_small` writes them: a fifth above what is sent now.\n";
/// A ceiling is a multiple of this, so that small changes leave the file alone.
const STEP: usize = 100;

/// No operation sends more than its ceiling, and no ceiling is twice what is sent: it would let a probe double.
pub(super) fn probes_stay_small(files: &[PathBuf]) -> Result<(), Failed> {
    let sent = sent(files)?;
    let path = case::root().join("probes.toml");
    if std::env::var_os("HOMELAB_WRITE_TEXTS").is_some() {
        let mut text = HEAD.to_owned();
        for (operation, bytes) in &sent {
            let _ = writeln!(text, "\"{operation}\" = {}", ceiling(*bytes));
        }
        return Ok(fs::write(path, text)?);
    }
    let ceilings: BTreeMap<String, usize> = toml::from_str(&fs::read_to_string(&path)?)?;
    let without_cases = ceilings.keys().filter(|operation| !sent.contains_key(*operation));
    let wrong: Vec<String> = sent
        .iter()
        .filter_map(|(operation, bytes)| {
            let ceiling = ceilings.get(operation).copied();
            let is_good = ceiling.is_some_and(|ceiling| *bytes <= ceiling && ceiling < 2 * bytes + 2 * STEP);
            (!is_good).then(|| format!("`{operation}` sends {bytes} bytes, its ceiling is {ceiling:?}"))
        })
        .chain(without_cases.map(|operation| format!("`{operation}` has a ceiling and no cases")))
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let hint = "make the probe smaller, or write tests/operations/probes.toml anew and say why in the commit";
    Err(format!("{}\n  = hint: {hint}", wrong.join("\n")).into())
}

fn ceiling(bytes: usize) -> usize {
    (bytes + bytes / 5).div_ceil(STEP) * STEP
}

/// The most that a case of each operation sends.
fn sent(files: &[PathBuf]) -> Result<BTreeMap<String, usize>, Failed> {
    let mut sent: BTreeMap<String, usize> = BTreeMap::new();
    let system = BTreeSet::from([FactKey::System]);
    sent.insert(EVERY_RUN.to_owned(), bytes(&system));
    for file in files {
        let case = Case::read(file)?;
        let most = sent.entry(case::operation_of(file)).or_default();
        // What is refused reads no more than what is planned.
        if case.expect.error.is_some() {
            continue;
        }
        let own = planned::rounds_of(&case)?
            .iter()
            .map(|keys| bytes(&(keys - &system)))
            .sum();
        *most = (*most).max(own);
    }
    Ok(sent)
}

/// The size of the script that reads `keys`, with the functions that its probes share.
fn bytes(keys: &BTreeSet<FactKey>) -> usize {
    let probes = FactProbes::of(keys).probes;
    let functions: BTreeSet<&str> = probes.iter().flat_map(Probe::functions).collect();
    let texts = probes.iter().map(Probe::text).chain(functions);
    texts.map(str::len).sum()
}
