//! `homelab lab status`

use std::path::Path;
use std::process::ExitCode;

use homelab::lab::{Lab, LabSpec, LabState, LabStatus};

use crate::cli::output::print;

pub(super) fn run(root: &Path, spec: &LabSpec) -> anyhow::Result<ExitCode> {
    let hosts = super::runtime()?.block_on(async { Lab::connect(root).await?.status(spec).await })?;
    print(&table(&hosts))?;
    Ok(ExitCode::SUCCESS)
}

fn table(hosts: &[LabStatus]) -> String {
    let mut rows = vec![["HOST", "STATE", "ADDRESS", "IMAGE", "SINCE"].map(str::to_owned)];
    rows.extend(hosts.iter().map(row));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3].map(width);
    let mut text = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(widths) {
            text.push_str(cell);
            text.push_str(&" ".repeat(width - cell.chars().count() + 2));
        }
        text.push_str(&row[4]);
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

fn row(status: &LabStatus) -> [String; 5] {
    let state = match status.state {
        LabState::Absent => "absent",
        LabState::Stopped => "stopped",
        LabState::Booting => "booting",
        LabState::Running => "running",
    };
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
        state.to_owned(),
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
        assert_eq!(table(&[up, gone]), expected);
    }
}
