//! `homelab images`

mod asking;
mod wanted;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use homelab::apply::{HostEnd, exit_code};
use homelab::project::{lock_file, write_lock};
use homelab::report::{self, ImageState};

use self::asking::{Answers, ask};
use self::wanted::{ImagesArguments, Wanted};
use super::output::{eprint_line, print};

/// Subcommands of `homelab images`.
#[derive(Debug, Subcommand)]
pub(crate) enum ImagesCommand {
    /// Write the digests that image tags have now to `inventories/NAME.images.lock`; no host is changed
    Pin {
        #[command(flatten)]
        arguments: ImagesArguments,
        /// Show what would change in the lock file, and write nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Show pinned images of which the registry has another one now
    Outdated {
        #[command(flatten)]
        arguments: ImagesArguments,
    },
}

pub(super) fn run(command: &ImagesCommand) -> anyhow::Result<ExitCode> {
    let (ImagesCommand::Pin { arguments, .. } | ImagesCommand::Outdated { arguments }) = command;
    let wanted = Wanted::read(arguments)?;
    for words in &wanted.unknown {
        eprint_line(format_args!(
            "not known without a host: {words}; name the images to pin them"
        ));
    }
    let images: Vec<_> = wanted.images.values().collect();
    let asked = ask(&wanted.project, &arguments.inventory, &images, &arguments.connection)?;
    let answers = match asked {
        Ok(answers) => answers,
        Err(code) => return Ok(code),
    };
    let differs = match command {
        ImagesCommand::Pin { dry_run, .. } => pin(arguments, &wanted, &answers, *dry_run)?,
        ImagesCommand::Outdated { .. } => outdated(&wanted, &answers)?,
    };
    let pending = (differs && arguments.detailed_exitcode).then_some(HostEnd::Pending);
    Ok(ExitCode::from(exit_code(answers.ends.into_iter().chain(pending))))
}

/// Whether the lock file differs.
fn pin(arguments: &ImagesArguments, wanted: &Wanted, answers: &Answers, is_dry: bool) -> anyhow::Result<bool> {
    let mut pins: BTreeMap<String, String> = wanted.pins.clone();
    pins.retain(|name, _| !wanted.unused.contains(name));
    pins.extend(answers.digests.clone());
    let path = lock_file(&arguments.inventory);
    let diff = report::lock_diff(&path, &wanted.pins, &pins);
    if diff.is_empty() {
        print(&format!("{path} is up to date\n"))?;
        return Ok(false);
    }
    print(&diff)?;
    if is_dry {
        print("dry run: nothing was written\n")?;
        return Ok(true);
    }
    write_lock(&wanted.project.root, &arguments.inventory, &pins).with_context(|| format!("cannot write `{path}`"))?;
    print(&format!("{path} was written; the next deploy pulls what differs\n"))?;
    Ok(true)
}

/// Whether any image is outdated.
fn outdated(wanted: &Wanted, answers: &Answers) -> anyhow::Result<bool> {
    let states = wanted.images.iter().map(|(name, used)| ImageState {
        name: name.clone(),
        pin: wanted.pins.get(name).cloned(),
        now: answers.digests.get(name).cloned(),
        used_by: used.used_by.iter().cloned().collect(),
    });
    let states: Vec<ImageState> = states.collect();
    print(&report::outdated(&states))?;
    Ok(states.iter().any(ImageState::is_outdated))
}
