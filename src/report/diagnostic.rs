//! stub
use crate::error::Diagnostic;
use crate::plan::Mistake;
/// One mistake.
pub fn diagnostic(diagnostic: &Diagnostic) -> String {
    format!("error: {diagnostic}\n")
}
/// Several mistakes.
pub fn diagnostics(all: &[Diagnostic]) -> String {
    all.iter().map(diagnostic).collect()
}
/// Mistakes found on hosts; the same mistake on several hosts is told once.
pub fn mistakes(all: &[Mistake]) -> String {
    all.iter().map(|one| diagnostic(&one.diagnostic)).collect()
}
