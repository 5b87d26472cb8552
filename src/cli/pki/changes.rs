//! `homelab pki init`, `issue`, `renew`, `revoke` and `export`

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use homelab::pki::{self, Draft, Pki, Wish};
use homelab::project::name_of;
use homelab::report;
use homelab::secrets::is_recipient;
use jiff::Timestamp;

use super::device::DeviceArguments;
use super::list::names;
use crate::cli::duration::days;
use crate::cli::output::{eprint_line, print};

/// Arguments of `homelab pki init`.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// What devices call the certificate authority; by default the project's name with `CA`
    #[arg(long)]
    name: Option<String>,
    /// How many years it is valid
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=50))]
    years: u16,
}

/// Arguments of `homelab pki issue`.
#[derive(Debug, Args)]
pub(crate) struct IssueArguments {
    /// Name of the certificate, such as `anna-phone`
    name: String,
    /// How many days it is valid
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=18_250))]
    days: u32,
    /// Issue it for a server with this name or address instead of a client; repeat it for more
    #[arg(long, value_name = "HOST")]
    server: Vec<String>,
    /// Also write the certificate and its key to this new PKCS#12 file, for a browser or phone
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    p12: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArguments,
}

/// Arguments of `homelab pki renew`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["name", "within"])))]
pub(crate) struct RenewArguments {
    /// Name of the certificate
    #[arg(add = names())]
    name: Option<String>,
    /// Renew all certificates that expire within this time, such as `30d`
    #[arg(long, value_parser = days)]
    within: Option<i64>,
    /// How many days the new one is valid; by default as many as the old one
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=18_250))]
    days: Option<u32>,
    /// Also write the certificate and its key to this new PKCS#12 file, for a browser or phone
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with = "within")]
    p12: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArguments,
}

/// A certificate.
#[derive(Debug, Args)]
pub(crate) struct NameArguments {
    /// Name of the certificate
    #[arg(add = names())]
    name: String,
}

/// Arguments of `homelab pki export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// Name of the certificate
    #[arg(add = names())]
    name: String,
    /// The new PKCS#12 file
    #[arg(value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
    #[command(flatten)]
    device: DeviceArguments,
}

pub(super) fn init(root: &Path, arguments: &InitArguments) -> anyhow::Result<()> {
    let name = arguments.name.clone();
    let name = name.unwrap_or_else(|| format!("{} CA", name_of(root)));
    let authority = pki::begin(root, &name, arguments.years, Timestamp::now())?;
    print(&report::authority_made(&authority))?;
    if is_recipient(root).is_ok_and(|is_recipient| !is_recipient) {
        eprint_line(report::warning_of_outsider());
    }
    Ok(())
}

pub(super) fn issue(root: &Path, arguments: &IssueArguments) -> anyhow::Result<()> {
    let wish = Wish {
        name: arguments.name.clone(),
        days: arguments.days,
        hosts: arguments.server.clone(),
    };
    let draft = pki::issue(root, &wish, Timestamp::now())?;
    write(&draft, arguments.p12.as_deref(), &arguments.device)
}

pub(super) fn renew(root: &Path, arguments: &RenewArguments) -> anyhow::Result<()> {
    let now = Timestamp::now();
    if let Some(name) = &arguments.name {
        let draft = pki::renew(root, name, arguments.days, now)?;
        return write(&draft, arguments.p12.as_deref(), &arguments.device);
    }
    let expiring = Pki::read(root).pki.expiring(now, arguments.within.unwrap_or_default());
    let names = expiring.iter().filter(|one| one.kind != pki::Kind::Authority);
    // Nothing is written unless all can be renewed.
    let drafts: Result<Vec<Draft>, _> = names
        .map(|one| pki::renew(root, &one.name, arguments.days, now))
        .collect();
    let drafts = drafts?;
    if drafts.is_empty() {
        print("no certificate expires within that time\n")?;
    }
    for draft in &drafts {
        write(draft, None, &arguments.device)?;
    }
    Ok(())
}

pub(super) fn revoke(root: &Path, arguments: &NameArguments) -> anyhow::Result<()> {
    let revocation = pki::revoke(root, &arguments.name, Timestamp::now())?;
    Ok(print(&report::revoked(&revocation))?)
}

pub(super) fn export(root: &Path, arguments: &ExportArguments) -> anyhow::Result<()> {
    let draft = pki::export(root, &arguments.name)?;
    let file = arguments.device.file(&draft, &arguments.file)?;
    pki::write_new(&file.place, &file.bytes)?;
    file.tell()
}

fn write(draft: &Draft, p12: Option<&Path>, device: &DeviceArguments) -> anyhow::Result<()> {
    device.check(p12.is_some())?;
    let file = p12.map(|place| device.file(draft, place)).transpose()?;
    draft.write(file.as_ref().map(|file| (file.place.as_path(), file.bytes.as_slice())))?;
    print(&report::issued(&draft.shown(), draft.entry()))?;
    file.map_or(Ok(()), |file| file.tell())
}
