//! Asks systemd for the units whose files are in `/etc/systemd/system`.

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::key::{Fact, FactKey};
use crate::facts::own_units::{OwnUnit, OwnUnitsKey};

static OWN_UNITS: Family = Family {
    subject: "own units",
    probe,
    allowance: no_allowance,
    parse,
};

impl Readable<'_> for OwnUnitsKey {
    const FAMILY: &'static Family = &OWN_UNITS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// A line for each unit: its name, its states, and whether it starts at boot. A link there belongs to a package; of a template its
/// instances are asked for.
fn probe(_keys: &[FactKey]) -> String {
    r#"(cd /etc/systemd/system 2>/dev/null || exit 0
set --
for f in *.service *.socket *.timer; do
[ -f "$f" ] && [ ! -L "$f" ] || continue
case "$f" in *@.*) f="${f%@.*}@*.${f##*.}" ;; esac
set -- "$@" "$f"
done
[ $# -gt 0 ] || exit 0
set -- $(systemctl list-units --all --full --plain --no-legend --no-pager -- "$@" 2>/dev/null | cut -d ' ' -f 1)
[ $# -gt 0 ] || exit 0
systemctl show --no-pager -p Id -p ActiveState -p SubState -p UnitFileState -- "$@" 2>/dev/null)
"#
    .to_owned()
}

/// Blocks of `NAME=VALUE`, with an empty line between them.
fn parse(_keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let lines = lines(answer);
    if let Some(line) = lines.iter().find(|line| !line.is_empty() && !line.contains('=')) {
        return Err(UnreadableAnswer::new(format!("own units: `{line}`")));
    }
    let units = lines.split(String::is_empty).filter_map(|block| {
        let value = |name: &str| {
            let found = block.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            found.unwrap_or_default().to_owned()
        };
        let unit = OwnUnit {
            name: value("Id"),
            active: value("ActiveState"),
            sub: value("SubState"),
        };
        // What a timer or another unit starts is at rest most of the time.
        let is_told = !unit.name.is_empty() && (unit.active != "inactive" || value("UnitFileState") == "enabled");
        is_told.then_some(unit)
    });
    Ok(vec![(FactKey::OwnUnits, Fact::OwnUnits(units.collect()))])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &str) -> Vec<OwnUnit> {
        match parse(&[FactKey::OwnUnits], 0, answer.as_bytes())
            .expect("readable")
            .remove(0)
        {
            (_, Fact::OwnUnits(units)) => units,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn units_at_rest_are_left_out_unless_they_start_at_boot() {
        let block = |name: &str, active: &str, sub: &str, file: &str| {
            format!("Id={name}\nActiveState={active}\nSubState={sub}\nUnitFileState={file}\n")
        };
        let answer = [
            block("home-lab-power.socket", "active", "running", "enabled"),
            block("home-lab-power.service", "inactive", "dead", "enabled"),
            block("backup-web.service", "inactive", "dead", "static"),
            block("model@tiny.service", "failed", "failed", "static"),
        ]
        .join("\n");
        let told: Vec<(String, String)> = read(&answer)
            .into_iter()
            .map(|unit| (unit.name.clone(), unit.state()))
            .collect();
        let expected = [
            ("home-lab-power.socket", "active (running)"),
            ("home-lab-power.service", "inactive (dead)"),
            ("model@tiny.service", "failed (failed)"),
        ];
        assert_eq!(told, expected.map(|(name, state)| (name.to_owned(), state.to_owned())));
        assert!(read("").is_empty());
    }

    #[test]
    fn a_machine_without_systemd_has_none() {
        let output = std::process::Command::new("/bin/sh")
            .args(["-c", &probe(&[FactKey::OwnUnits])])
            .env("PATH", "/nowhere")
            .output()
            .expect("sh runs");
        assert!(output.status.success(), "{output:?}");
        assert!(read(&String::from_utf8_lossy(&output.stdout)).is_empty());
    }
}
