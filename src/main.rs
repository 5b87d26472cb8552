//! The command line.

mod cli {
    pub(crate) mod lab;
}

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use homelab::lab::{self, LabError, LabHost, LabSpec};

#[derive(Debug, Parser)]
enum Command {
    /// Throw-away hosts to try deploys on
    #[command(subcommand)]
    Lab(cli::lab::LabCommand),
}

#[derive(serde::Deserialize)]
struct Inventory {
    #[serde(default)]
    lab: LabTable,
    #[serde(default)]
    hosts: BTreeMap<String, Host>,
}

#[derive(Default, serde::Deserialize)]
struct LabTable {
    image: Option<String>,
}

#[derive(serde::Deserialize)]
struct Host {
    #[serde(default)]
    lab: Option<toml::Value>,
}

fn main() -> ExitCode {
    let Command::Lab(command) = Command::parse();
    match run(&command) {
        Ok(code) => code,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            if let Some(hint) = error.downcast_ref::<LabError>().and_then(LabError::hint) {
                anstream::eprintln!("  hint: {hint}");
            }
            ExitCode::from(3)
        }
    }
}

fn run(command: &cli::lab::LabCommand) -> anyhow::Result<ExitCode> {
    let root = find_root()?;
    cli::lab::run(command, &root, |name| load(&root, name))
}

fn find_root() -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir()?;
    let root = here.ancestors().find(|folder| folder.join("inventories").is_dir());
    root.map(Path::to_path_buf)
        .context("no folder above this one holds inventories/")
}

fn load(root: &Path, name: &str) -> anyhow::Result<LabSpec> {
    let path = root.join("inventories").join(format!("{name}.toml"));
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let inventory: Inventory = toml::from_str(&text)?;
    let default_image = inventory.lab.image.unwrap_or_else(|| "debian:13".to_owned());
    let hosts = inventory.hosts.into_iter().filter_map(|(name, host)| {
        let wish = host.lab?;
        let image = wish
            .get("image")
            .and_then(toml::Value::as_str)
            .unwrap_or(&default_image)
            .to_owned();
        Some(LabHost {
            name,
            image,
            memory: None,
        })
    });
    Ok(LabSpec {
        project: lab::project_id(root),
        inventory: name.to_owned(),
        hosts: hosts.collect(),
    })
}
