//! `homelab lab status`

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use homelab::lab::{AptCacheStatus, Lab, LabSpec, LabState, LabStatus};
use homelab::report;
use serde_json::{Value, json};

use crate::cli::completion;
use crate::cli::format::Format;
use crate::cli::output::print;
use crate::cli::runtime;
use crate::cli::table::table;

/// Rises when a change could mislead programs that read the format.
const FORMAT_VERSION: u32 = 1;

/// Arguments of `homelab lab status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// Name of an inventory with lab hosts, such as `dev`
    #[arg(add = completion::labs())]
    pub(super) inventory: String,
    /// Output format; docs/format.md describes `json`
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(root: &Path, spec: &LabSpec, arguments: &StatusArguments) -> anyhow::Result<ExitCode> {
    let (hosts, cache) = runtime::one_thread()?.block_on(async {
        let lab = Lab::connect(root).await?;
        Ok::<_, anyhow::Error>((lab.status(spec).await?, lab.apt_cache().await?))
    })?;
    print(&match arguments.format {
        Format::Text => listed(&hosts) + &cache_line(cache.as_ref()),
        Format::Json => document(&spec.inventory, &hosts, cache.as_ref()),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn cache_line(cache: Option<&AptCacheStatus>) -> String {
    let Some(cache) = cache else {
        return "apt cache: none\n".to_owned();
    };
    let address = cache.address.iter().map(|address| format!(" at {address}"));
    let address: String = address.collect();
    format!("apt cache: {} is {}{address}\n", cache.name, word(cache.state))
}

fn document(inventory: &str, hosts: &[LabStatus], cache: Option<&AptCacheStatus>) -> String {
    let hosts: Vec<Value> = hosts
        .iter()
        .map(|host| {
            json!({
                "host": host.host,
                "state": word(host.state),
                "address": host.address,
                "image": host.image,
                "since": host.since.map(|since| since.to_string()),
                "in_inventory": host.in_inventory,
            })
        })
        .collect();
    let cache = cache.map(|cache| json!({"name": cache.name, "state": word(cache.state), "address": cache.address}));
    let document = json!({
        "format_version": FORMAT_VERSION,
        "inventory": inventory,
        "hosts": hosts,
        "apt_cache": cache,
    });
    report::document(&document)
}

fn word(state: LabState) -> &'static str {
    match state {
        LabState::Absent => "absent",
        LabState::Stopped => "stopped",
        LabState::Booting => "booting",
        LabState::Running => "running",
    }
}

fn listed(hosts: &[LabStatus]) -> String {
    let mut rows = vec![["HOST", "STATE", "ADDRESS", "IMAGE", "SINCE"].map(str::to_owned)];
    rows.extend(hosts.iter().map(row));
    table(&rows)
}

fn row(status: &LabStatus) -> [String; 5] {
    let note = if status.in_inventory {
        ""
    } else {
        " (not in the inventory)"
    };
    let since = status
        .since
        .map(|since| since.strftime("%Y-%m-%d %H:%M:%SZ").to_string());
    let absent = || "-".to_owned();
    [
        format!("{}{note}", status.host),
        word(status.state).to_owned(),
        status.address.clone().unwrap_or_else(absent),
        status.image.clone(),
        since.unwrap_or_else(absent),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_trailing_blanks() {
        let up = LabStatus {
            host: "services-dev".into(),
            state: LabState::Running,
            address: Some("172.17.0.2".into()),
            image: "debian:13".into(),
            since: Some("2026-11-21T10:00:00.5Z".parse().unwrap()),
            in_inventory: true,
        };
        let gone = LabStatus {
            host: "old".into(),
            state: LabState::Stopped,
            address: None,
            since: None,
            in_inventory: false,
            ..up.clone()
        };
        let expected = "\
HOST                        STATE    ADDRESS     IMAGE      SINCE
services-dev                running  172.17.0.2  debian:13  2026-11-21 10:00:00Z
old (not in the inventory)  stopped  -           debian:13  -
";
        assert_eq!(listed(&[up, gone]), expected);
    }
}
