//! The user's editor

use std::io::IsTerminal as _;
use std::path::Path;

use anyhow::Context as _;
use homelab::error::Diagnostic;
use homelab::secret::WithoutSecrets as _;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use super::private_folder::PrivateFolder;

/// The exit code of a command that a signal ended.
pub(super) const INTERRUPTED: u8 = 130;

/// The user's editor, if a variable names one.
fn named_editor() -> Option<String> {
    let set = |name: &str| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
    set("VISUAL").or_else(|| set("EDITOR"))
}

/// Errors: there is no terminal for the editor that is used without a variable.
pub(super) fn check_editor() -> anyhow::Result<()> {
    if named_editor().is_some() || std::io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Diagnostic::new("no terminal for an editor")
        .hint("set one value with `homelab secrets set`, or set `EDITOR` to a command that needs no terminal")
        .into())
}

/// Opens the user's editor; false if a signal ended the wait.
pub(super) async fn edit(path: &Path, folder: &PrivateFolder) -> anyhow::Result<bool> {
    let editor = named_editor().unwrap_or_else(|| "vi".to_owned());
    // Ctrl-C is for the editor.
    let _interrupt = signal(SignalKind::interrupt())?;
    let (mut terminate, mut hangup) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    let mut command = Command::new("sh");
    // The variable may have arguments, as in `code --wait`.
    command.args(["-c", &format!("exec {editor} \"$1\""), "sh"]).arg(path);
    command.env("TMPDIR", folder.path()).kill_on_drop(true);
    command.without_secrets();
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run the editor `{editor}`"))?;
    let ended = tokio::select! {
        ended = child.wait() => ended?,
        _ = terminate.recv() => return Ok(false),
        _ = hangup.recv() => return Ok(false),
    };
    if ended.success() {
        return Ok(true);
    }
    Err(
        Diagnostic::new(format!("the editor `{editor}` failed ({ended}); nothing was changed"))
            .hint("set `EDITOR` to another one, such as `EDITOR=nano`")
            .into(),
    )
}
