//! `homelab secrets set`, `get` and `generate`

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use homelab::error::Diagnostic;
use homelab::secret::Secret;
use homelab::secrets::{Place, SecretFile, generate as random_text};

use super::whole_file::{secret_file, set_file};
use crate::cli::output::{print, print_bytes, print_exactly};
use crate::cli::{completion, password};

/// A value of a file.
#[derive(Debug, Args)]
pub(crate) struct ValueArguments {
    /// File with data, such as `group_data/services.toml`; or an encrypted file, such as `templates/tls/server.key.age`
    #[arg(add = completion::data_files())]
    file: PathBuf,
    /// Dotted name of the value, such as `grafana.admin_password`; in an inventory, `hosts.NAME.data.…`; an encrypted file has none
    key: Option<String>,
}

/// Arguments of `homelab secrets generate`.
#[derive(Debug, Args)]
pub(crate) struct GenerateArguments {
    #[command(flatten)]
    value: ValueArguments,
    /// Number of letters and digits
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u16).range(8..=4096))]
    length: u16,
    /// Replace a value that is there already
    #[arg(long)]
    replace: bool,
}

impl ValueArguments {
    fn secret_file(&self, root: &Path) -> anyhow::Result<Option<SecretFile>> {
        secret_file(root, &self.file, self.key.as_deref())
    }
}

pub(super) fn set(root: &Path, arguments: &ValueArguments) -> anyhow::Result<()> {
    if let Some(file) = arguments.secret_file(root)? {
        return set_file(&file);
    }
    let place = find(root, arguments)?;
    place.check_name()?;
    let told = told(&place);
    let text = if std::io::stdin().is_terminal() {
        typed(arguments.key.as_deref().unwrap_or_default())?
    } else {
        piped()?
    };
    place.set(&text)?;
    Ok(print(&format!("encrypted {told}\n"))?)
}

pub(super) fn get(root: &Path, arguments: &ValueArguments) -> anyhow::Result<()> {
    if let Some(file) = arguments.secret_file(root)? {
        return Ok(print_bytes(&file.get()?)?);
    }
    let secret = find(root, arguments)?.get()?;
    print_exactly(secret.expose())?;
    if std::io::stdout().is_terminal() {
        print("\n")?;
    }
    Ok(())
}

pub(super) fn generate(root: &Path, arguments: &GenerateArguments) -> anyhow::Result<()> {
    if let Some(file) = arguments.value.secret_file(root)? {
        if file.is_there() && !arguments.replace {
            return Err(there_already(&format!("`{}` exists already", file.shown)));
        }
        file.set(random_text(usize::from(arguments.length)).expose().as_bytes())?;
        return Ok(print(&format!("encrypted a random value as {}\n", file.shown))?);
    }
    let place = find(root, &arguments.value)?;
    let (file, name) = place.shown();
    if place.is_there() && !arguments.replace {
        return Err(there_already(&format!("`{file}` has a value for `{name}` already")));
    }
    place.check_name()?;
    let told = told(&place);
    place.set(&random_text(usize::from(arguments.length)))?;
    Ok(print(&format!("encrypted a random value as {told}\n"))?)
}

fn there_already(title: &str) -> anyhow::Error {
    Diagnostic::new(title)
        .hint("use `--replace` to make a new one; what uses the old one needs the new one then")
        .into()
}

fn find(root: &Path, arguments: &ValueArguments) -> anyhow::Result<Place> {
    let here = std::env::current_dir()?;
    let file = arguments.file.to_string_lossy();
    let Some(key) = &arguments.key else {
        return Err(Diagnostic::new(format!("which value of `{file}`?"))
            .hint("add its dotted name, such as `grafana.admin_password`")
            .into());
    };
    Ok(Place::find(root, &here, &file, key)?)
}

fn told(place: &Place) -> String {
    let (file, name) = place.shown();
    format!("{name} in {file}")
}

/// A value that is typed twice, unseen.
fn typed(key: &str) -> anyhow::Result<Secret> {
    let none = || Diagnostic::new("no value given; nothing was changed");
    let first = password::ask_unseen(&format!("Value of {key}: "))?.filter(|text| !text.expose().is_empty());
    let first = first.ok_or_else(none)?;
    let again = password::ask_unseen("The same again: ")?.ok_or_else(none)?;
    if first != again {
        return Err(Diagnostic::new("the two values differ; nothing was changed").into());
    }
    Ok(first)
}

/// What is on standard input, without one line break at its end.
fn piped() -> anyhow::Result<Secret> {
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    read.context("cannot read the value from standard input")?;
    let text = Secret::new(text);
    let value = text.expose();
    let value = value
        .strip_suffix('\n')
        .map_or(value, |value| value.strip_suffix('\r').unwrap_or(value));
    if value.is_empty() {
        return Err(Diagnostic::new("standard input is empty; nothing was changed")
            .hint("pipe the value in, such as `pass show lab/grafana | homelab secrets set FILE KEY`")
            .into());
    }
    Ok(Secret::new(value))
}
