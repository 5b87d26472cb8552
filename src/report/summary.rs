//! stub
use crate::apply::HostResult;
/// How the run ended.
pub fn summary(results: &[HostResult]) -> String {
    results
        .iter()
        .map(|one| format!("{}: {:?}\n", one.host, one.end))
        .collect()
}
