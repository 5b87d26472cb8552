//! `homelab backup restore`

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Args;
use homelab::apply::{HostEnd, exit_code};
use homelab::error::{Diagnostic, suggestion};
use homelab::gather::{Backup, BackupEnd, BackupSettings, BackupWork};
use homelab::report;

use super::super::connection_arguments::ConnectionArguments;
use super::asked::{Asked, Place};
use crate::cli::output::eprint_line;
use crate::cli::{prompt, runtime};

/// Arguments of `homelab backup restore`.
#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    #[command(flatten)]
    place: Place,
    /// Name of a stack, such as `paperless`
    stack: String,
    /// Name of the backup, as `homelab backup list` shows it; default: the newest
    #[arg(long, value_name = "NAME")]
    from: Option<String>,
    /// Restore without asking
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    connection: ConnectionArguments,
}

pub(super) fn run(arguments: &RestoreArguments) -> anyhow::Result<ExitCode> {
    let RestoreArguments { place, stack, .. } = arguments;
    let asked = match place.ask(&arguments.connection)? {
        Ok(asked) => asked,
        Err(code) => return Ok(code),
    };
    let settings = asked.settings(place, stack)?;
    if !settings.is_restorable {
        let mistake = Diagnostic::new(format!("`[backup]` of the stack `{stack}` has no `restore`"));
        return Err(mistake
            .hint("add the command that reads a backup from its standard input, and deploy; or unpack the file on the host")
            .into());
    }
    let chosen = chosen(&asked, arguments)?;
    if !arguments.yes && !consent(arguments, settings, chosen)? {
        eprint_line("nothing was restored");
        return Ok(ExitCode::from(exit_code([HostEnd::Interrupted])));
    }
    let name = chosen.name.as_str();
    let work = BackupWork::Restore { stack, name };
    asked.carry_out(
        &place.host,
        work,
        "interrupted: the restore goes on on the host",
        |end| {
            Diagnostic::new(format!("{}: `{stack}` was not restored", place.host)).hint(match end {
                BackupEnd::Locked => "wait until the other run has ended, then rerun",
                BackupEnd::Done | BackupEnd::Failed => {
                    "fix the cause and rerun, or restore another backup with `--from`"
                }
            })
        },
    )
}

/// The backup that is meant.
///
/// Errors: there is none of that name, or none at all.
fn chosen<'a>(asked: &'a Asked, arguments: &RestoreArguments) -> Result<&'a Backup, Diagnostic> {
    let RestoreArguments { place, stack, from, .. } = arguments;
    let all = &asked.backups(place)?.backups;
    let of_stack: Vec<&Backup> = all.iter().filter(|of| of.stack == *stack).collect();
    let Some(from) = from.as_deref() else {
        return of_stack.into_iter().max_by_key(|of| &of.name).ok_or_else(|| {
            let make = format!(
                "make one with `homelab backup run {} {} {stack}`",
                place.inventory, place.host
            );
            Diagnostic::new(format!("{}: there is no backup of `{stack}`", place.host)).hint(make)
        });
    };
    let from = from.trim_end_matches(".gz");
    let names = of_stack.iter().map(|of| of.name.as_str());
    let hint = suggestion(from, names).unwrap_or_else(|| {
        format!(
            "see them with `homelab backup list {} {} {stack}`",
            place.inventory, place.host
        )
    });
    let found = of_stack.into_iter().find(|of| of.name == from);
    found.ok_or_else(|| Diagnostic::new(format!("{}: unknown backup `{from}` of `{stack}`", place.host)).hint(hint))
}

fn consent(arguments: &RestoreArguments, settings: &BackupSettings, chosen: &Backup) -> anyhow::Result<bool> {
    let RestoreArguments { place, stack, .. } = arguments;
    if !std::io::stdin().is_terminal() {
        return Err(
            Diagnostic::new("cannot ask whether to restore: standard input is not a terminal")
                .hint("use `--yes` to restore without asking")
                .into(),
        );
    }
    let chosen = report::backup(chosen, jiff::Timestamp::now());
    eprint_line(format_args!("{}: `{stack}` goes back to {chosen}", place.host));
    eprint_line("  what changed since then is lost, unless you make another backup first");
    eprint_line(match settings.restarts.as_slice() {
        [] => "  its services keep running".to_owned(),
        restarts => format!("  restarted afterwards: {}", restarts.join(", ")),
    });
    Ok(runtime::one_thread()?.block_on(prompt::confirm(&format!("Restore `{stack}` on {}?", place.host)))?)
}
