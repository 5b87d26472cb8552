//! `homelab pki list`

use std::path::Path;

use clap::Args;
use clap_complete::ArgValueCandidates;
use clap_complete::engine::CompletionCandidate as Candidate;
use homelab::error::Diagnostics;
use homelab::pki::Pki;
use homelab::report;
use jiff::Timestamp;

use crate::cli::format::Format;
use crate::cli::output::print;
use crate::cli::project;

/// Arguments of `homelab pki list`.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Output format; docs/pki.md describes `json`
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(root: &Path, arguments: &ListArguments) -> anyhow::Result<()> {
    let read = Pki::read(root);
    if !read.mistakes.is_empty() {
        return Err(Diagnostics(read.mistakes).into());
    }
    let now = Timestamp::now();
    Ok(print(&match arguments.format {
        Format::Text => report::certificates(&read.pki, now),
        Format::Json => report::certificates_json(&read.pki, now),
    })?)
}

/// Names of certificates, for completion.
pub(super) fn names() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let pki = project::root().map(|root| Pki::read(&root).pki).unwrap_or_default();
        let names = pki.entries().filter(|entry| !entry.is_authority());
        names.map(|entry| Candidate::new(&entry.name)).collect::<Vec<_>>()
    })
}
