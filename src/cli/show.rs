//! `homelab show`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use homelab::apply::{HostEnd, HostResult, exit_code, not_in_plan};
use homelab::error::Diagnostic;
use homelab::project::Selection;
use homelab::report::TextOptions;
use homelab::report::review::{Review, SavedAs};
use homelab::saved::{SavedPlan, Unusable};

use super::document_path::DocumentPath;
use super::documents::Documents;
use super::errors;
use super::format::ReviewFormat;
use super::output::eprint_line;
use super::{showing, terminal};

/// Arguments of `homelab show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// File of a saved plan
    file: PathBuf,
    /// Output format; see docs/format.md
    #[arg(long, value_enum, default_value_t = ReviewFormat::Text)]
    format: ReviewFormat,
    /// Also write the review to FILE, in the format of its ending (.md, .html or .json); can be repeated
    #[arg(long, value_name = "FILE", value_parser = DocumentPath::parse)]
    format_into: Vec<DocumentPath>,
    /// Also show unchanged operations and all packages
    #[arg(long, short)]
    verbose: bool,
}

pub(super) fn run(arguments: &ShowArguments) -> anyhow::Result<ExitCode> {
    let saved = match read(&arguments.file)? {
        Ok(saved) => saved,
        Err(code) => return Ok(code),
    };
    let meta = &saved.meta;
    let selection = Selection::to_review(&meta.inventory, &meta.deploy, meta.left_out.clone());
    let documents = Documents::create(&arguments.format_into)?;
    let unread: Vec<HostResult> = meta.not_read.iter().map(|host| not_in_plan(host)).collect();
    let mut review = Review::planned(&selection, &saved.plan, &unread, true, arguments.verbose);
    review.saved = Some(SavedAs {
        digest: saved.digest.clone(),
        not_applicable: meta.not_applicable.clone(),
    });
    let options = TextOptions {
        verbose: arguments.verbose,
        full_diff: arguments.verbose,
        width: terminal::columns(),
    };
    showing::show(&review, arguments.format.document(), &options, true, false)?;
    documents.write(&review)?;
    let words = [meta.inventory.as_str(), meta.deploy.as_str()];
    let words: Vec<&str> = words
        .into_iter()
        .chain(meta.filters.iter().map(String::as_str))
        .collect();
    eprint_line(format_args!(
        "plan of `{}`, saved by homelab {}",
        words.join(" "),
        meta.version
    ));
    if let Some(by) = saved.sealed_by() {
        eprint_line(format_args!("with a seal of {by}, which `apply` checks"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The plan in a file; otherwise the exit code if it is no plan that can be used, which is told.
pub(super) fn read(file: &Path) -> anyhow::Result<Result<SavedPlan, ExitCode>> {
    let shown = file.display();
    let text = std::fs::read(file).with_context(|| format!("cannot read `{shown}`"))?;
    Ok(SavedPlan::parse(&text).map_err(|why| {
        let hint = match why {
            Unusable::Format(_) => "use the version of homelab that saved it, or save a new plan",
            Unusable::Other | Unusable::Broken(_) => "save a new plan with `homelab plan`",
        };
        let mistake = Diagnostic::new(format!("cannot use the plan `{shown}`")).because(why.to_string());
        unusable(mistake.hint(hint))
    }))
}

/// Tells why a plan cannot be used, and returns the exit code.
pub(super) fn unusable(mistake: Diagnostic) -> ExitCode {
    errors::show(&mistake.into());
    ExitCode::from(exit_code([HostEnd::Stale]))
}
