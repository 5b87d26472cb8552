//! `homelab schema`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;
use homelab::error::Diagnostic;
use homelab::schema::FileKind;
use homelab::starter::{write_project_schemas, write_schemas};

use super::output::{eprint_line, print};
use super::project;

/// Arguments of `homelab schema`.
#[derive(Debug, Args)]
pub(crate) struct SchemaArguments {
    /// Print the schema of this kind of file instead of writing all of them
    #[arg(value_parser = PossibleValuesParser::new(FileKind::ALL.iter().map(|kind| kind.name())), conflicts_with = "directory")]
    kind: Option<String>,
    /// Folder for the schemas; default: `.homelab/schema` of the project
    #[arg(long, value_hint = clap::ValueHint::DirPath)]
    directory: Option<PathBuf>,
}

pub(super) fn run(arguments: &SchemaArguments) -> anyhow::Result<ExitCode> {
    if let Some(name) = &arguments.kind {
        let kind = FileKind::named(name).ok_or_else(|| Diagnostic::new(format!("unknown schema `{name}`")))?;
        print(&kind.document())?;
        return Ok(ExitCode::SUCCESS);
    }
    let folder = match &arguments.directory {
        Some(folder) => {
            write_schemas(folder)?;
            folder.clone()
        }
        None => write_project_schemas(&project::root()?)?,
    };
    eprint_line(format_args!(
        "{} schemas written to {}",
        FileKind::ALL.len(),
        folder.display()
    ));
    Ok(ExitCode::SUCCESS)
}
