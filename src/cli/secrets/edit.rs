//! `homelab secrets edit`

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use homelab::error::{Diagnostic, Diagnostics};
use homelab::report;
use homelab::secret::Secret;
use homelab::secrets::{Edited, Editing, SecretFile};

use super::edit_file;
use super::editor::{INTERRUPTED, check_editor, edit};
use super::outsider::warn_outsider;
use super::private_folder::{PrivateFolder, kept};
use crate::cli::output::{eprint, print};
use crate::cli::{completion, prompt, runtime};

/// Arguments of `homelab secrets edit`.
#[derive(Debug, Args)]
pub(crate) struct EditArguments {
    /// File with data, such as `group_data/services.toml`; or an encrypted file, such as `templates/app.env.j2.age`
    #[arg(add = completion::data_files())]
    file: PathBuf,
}

pub(super) fn run(root: &Path, arguments: &EditArguments) -> anyhow::Result<ExitCode> {
    let here = std::env::current_dir()?;
    let given = arguments.file.to_string_lossy();
    if let Some(file) = SecretFile::find(root, &here, &given)? {
        return edit_file::run(root, &file);
    }
    let editing = Editing::begin(root, &here, &given)?;
    let name = Path::new(editing.shown())
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    check_editor()?;
    let folder = PrivateFolder::create().context("cannot make a private folder for the clear text")?;
    let path = folder.write(&name, editing.clear());
    let path = path.context("cannot write the clear text to a private folder")?;
    let ended: anyhow::Result<Ended> = runtime::one_thread()?.block_on(async {
        loop {
            if !edit(&path, &folder).await? {
                return Ok(Ended::Interrupted);
            }
            let text = std::fs::read_to_string(&path).context("cannot read what the editor saved")?;
            let text = Secret::new(text);
            if text.expose() == editing.clear() {
                return Ok(Ended::Unchanged);
            }
            match editing.finish(text.expose()) {
                Ok(edited) => return Ok(Ended::Written(edited)),
                Err(mistakes) if !std::io::stdin().is_terminal() => return Ok(Ended::Refused(mistakes)),
                Err(mistakes) => ask_again(&mistakes).await?,
            }
        }
    });
    match ended? {
        Ended::Interrupted => return Ok(ExitCode::from(INTERRUPTED)),
        Ended::Unchanged => print("nothing was changed\n")?,
        Ended::Written(edited) => {
            print(&told(editing.shown(), &edited))?;
            if !edited.encrypted.is_empty() {
                warn_outsider(root);
            }
        }
        Ended::Refused(Diagnostics(mistakes)) => {
            return Err(kept(folder, &path, editing.shown(), &mistakes)?.into());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// How editing ended.
enum Ended {
    Interrupted,
    Unchanged,
    Written(Edited),
    /// There is no terminal to ask whether to edit again.
    Refused(Diagnostics),
}

/// Shows what is wrong with the text and asks whether to edit it again.
///
/// Errors: the answer is no.
async fn ask_again(mistakes: &Diagnostics) -> anyhow::Result<()> {
    eprint(&report::diagnostics(&mistakes.0));
    if prompt::confirm("edit again? otherwise your changes are lost").await? {
        return Ok(());
    }
    Err(Diagnostic::new("nothing was changed").into())
}

fn told(shown: &str, edited: &Edited) -> String {
    match (edited.is_changed, edited.encrypted.as_slice()) {
        (false, _) => "nothing was changed\n".to_owned(),
        (true, []) => format!("wrote {shown}; no secret was changed\n"),
        (true, names) => format!("wrote {shown}; encrypted {}\n", names.join(", ")),
    }
}
