//! `homelab trust`

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use futures_util::future::join_all;
use homelab::apply::{HostEnd, exit_code};
use homelab::error::Diagnostic;
use homelab::project::{Host, Project, hosts};
use homelab::remote::{HostKey, OfferedKey, RemoteError, Target, host_key, remember};
use homelab::report;

use super::output::{eprint, eprint_line, print};
use super::table::table;
use super::{completion, errors, project, prompt, runtime, targets};

/// Arguments of `homelab trust`.
#[derive(Debug, Args)]
pub(crate) struct TrustArguments {
    /// Name of an inventory, such as `prod` for `inventories/prod.toml`
    #[arg(add = completion::inventories())]
    inventory: String,
    /// Select hosts by name, group or glob, such as `web*`; `!web*` excludes them
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', add = completion::host_patterns())]
    limit: Vec<String>,
    /// Trust all unknown keys without asking
    #[arg(long, short)]
    yes: bool,
}

/// An unknown host key, and its host.
struct UnknownKey {
    host: String,
    key: OfferedKey,
}

pub(super) fn run(arguments: &TrustArguments) -> anyhow::Result<ExitCode> {
    let project = project::with_inventory(Some(&arguments.inventory))?;
    let selected = hosts(&project, &arguments.inventory, &arguments.limit)?;
    let (mut ends, mut known) = (Vec::new(), 0);
    // A host behind a jump host can be scanned only after the key of the jump host is trusted.
    let levels = levels(&project, &arguments.inventory, &selected)?;
    if levels.is_empty() {
        print("nothing to trust: lab hosts and this machine need no `homelab trust`\n")?;
    }
    for level in levels.into_values() {
        let targets = targets::of_hosts(&project, &arguments.inventory, level.into_iter())?;
        let (unknown, failures, already_known) = scan(&targets)?;
        known += already_known;
        ends.extend(std::iter::repeat_n(HostEnd::Unreachable, failures));
        if unknown.is_empty() {
            continue;
        }
        print(&listed(&unknown))?;
        if !arguments.yes && !consent(unknown.len())? {
            eprint_line("no key was added");
            return Ok(ExitCode::from(exit_code([HostEnd::Interrupted])));
        }
        let (file, _) = project.known_hosts()?;
        remember(&file, unknown.iter().map(|one| &one.key))
            .with_context(|| format!("cannot write {}", file.display()))?;
        let shown = file.strip_prefix(&project.root).unwrap_or(&file);
        print(&format!("{} added to {}\n", count(unknown.len()), shown.display()))?;
    }
    if known > 0 {
        print(&format!("already known: {}\n", count(known)))?;
    }
    Ok(ExitCode::from(exit_code(ends)))
}

/// The hosts to scan, by their number of jump hosts. Keys of lab hosts were pinned when the hosts were created.
fn levels<'a>(
    project: &Project,
    inventory: &str,
    selected: &[&'a Host],
) -> anyhow::Result<BTreeMap<usize, Vec<&'a str>>> {
    let inventory = project.inventory(inventory)?;
    let mut levels: BTreeMap<usize, Vec<&'a str>> = BTreeMap::new();
    for host in selected {
        if host.lab.is_none() && !host.connection.is_local() {
            let before = inventory.jumps(host)?.len();
            levels.entry(before).or_default().push(&host.name);
        }
    }
    Ok(levels)
}

/// Scans all hosts at once and reports errors. Returns unknown keys, failures and the number of known keys.
fn scan(targets: &[Target]) -> anyhow::Result<(Vec<UnknownKey>, usize, usize)> {
    let keys = runtime::all_threads()?.block_on(join_all(targets.iter().map(host_key)));
    let (mut unknown, mut failures, mut known) = (Vec::new(), 0, 0);
    for (target, key) in targets.iter().zip(keys) {
        let host = target.name.clone();
        match key {
            Ok(HostKey::Known) => known += 1,
            Ok(HostKey::Unknown(key)) => unknown.push(UnknownKey { host, key }),
            Ok(HostKey::Changed { error, known, offered }) => {
                eprint_changed_key(&error, known, offered);
                failures += 1;
            }
            Err(error) => {
                errors::show_plain(&error);
                failures += 1;
            }
        }
    }
    Ok((unknown, failures, known))
}

fn eprint_changed_key(error: &RemoteError, known: Option<String>, offered: Option<String>) {
    let shown = |print: Option<String>| print.unwrap_or_else(|| "unreadable".to_owned());
    let (known, offered) = (shown(known), shown(offered));
    let mistake = Diagnostic::new(error.to_string())
        .because(format!("known:   {known}"))
        .because(format!("offered: {offered}"))
        .hint_maybe(error.hint());
    eprint(&report::diagnostic(&mistake));
}

fn listed(unknown: &[UnknownKey]) -> String {
    let mut rows = vec![["HOST", "ADDRESS", "KEY", "FINGERPRINT"]];
    rows.extend(
        unknown
            .iter()
            .map(|UnknownKey { host, key }| [host, &key.address, &key.kind, &key.fingerprint].map(String::as_str)),
    );
    table(&rows)
}

fn consent(number: usize) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(
            Diagnostic::new("cannot ask whether to trust these keys: standard input is not a terminal")
                .hint("compare the fingerprints above with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on each host's console, then \
                     use `--yes`")
                .into(),
        );
    }
    eprint_line(
        "compare each with the output of `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the host's own console",
    );
    Ok(runtime::one_thread()?.block_on(prompt::confirm(&format!("Trust {}?", count(number))))?)
}

fn count(number: usize) -> String {
    format!("{number} key{}", if number == 1 { "" } else { "s" })
}
