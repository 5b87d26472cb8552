//! How `systemd-analyze verify` looks at a unit file that has another name until it is in place.

use crate::facts::unit::UnitFilePath;
use crate::quote::quote;

/// What makes systemd refuse a new unit file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitValidator {
    /// A mistake in the unit, such as a command that does not exist.
    Unit,
    /// A line that systemd would ignore: the rest may come with later files.
    Lines,
}

const UNIT: [&str; 3] = ["systemd-analyze", "verify", "{path}"];
const LINES: [&str; 4] = ["systemd-analyze", "verify", "--recursive-errors=no", "{path}"];

impl UnitValidator {
    /// The command that stands for it.
    pub fn command(self) -> Vec<String> {
        let words: &[&str] = match self {
            Self::Unit => &UNIT,
            Self::Lines => &LINES,
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// The validator that a command stands for.
    pub(super) fn of(command: &[String]) -> Option<Self> {
        [Self::Unit, Self::Lines]
            .into_iter()
            .find(|validator| validator.command() == command)
    }

    /// Shell text that fails if systemd does not accept the file `$v` as the one at `path`, and prints why.
    ///
    /// What systemd says about other units, and that another unit is not there yet, does not count.
    pub(super) fn script(self, path: &UnitFilePath<'_>) -> String {
        let unit = quote(path.unit);
        let (file, folder, stand_in) = match path.drop_in {
            None => (unit.clone(), String::new(), String::new()),
            Some(name) => (
                quote(&format!("{}.d/{name}", path.unit)),
                format!("mkdir -- \"$s\"/{} || exit\n", quote(&format!("{}.d", path.unit))),
                // A drop-in may come before its unit.
                "case $said in \"Unit $u not found.\"*)\n\
                 printf '[Service]\\nExecStart=/bin/true\\n' >\"$s/$u\"; said=$(verify); code=$?;;\n\
                 esac\n"
                    .to_owned(),
            ),
        };
        let stand_in = if path.unit.ends_with(".service") {
            stand_in
        } else {
            String::new()
        };
        let (of_unit, missing) = match self {
            Self::Unit => ("[ $code = 0 ] || bad=1", "exit 127"),
            Self::Lines => ("continue", "exit 0"),
        };
        format!(
            "(\n\
             command -v systemd-analyze >/dev/null || {{ echo 'systemd-analyze is not on the host'; {missing}; }}\n\
             s=$(mktemp -d) || exit; trap 'rm -rf -- \"$s\"' EXIT\n\
             u={unit} f={file}\n\
             {folder}cp -- \"$v\" \"$s/$f\" || exit\n\
             verify() {{ SYSTEMD_UNIT_PATH=\"$s:\" systemd-analyze verify --man=no -- \"$s/$u\" 2>&1; }}\n\
             said=$(verify); code=$?\n\
             {stand_in}\
             bad=0\n\
             while IFS= read -r line; do\n\
             case $line in\n\
             \"$s\"/*[Ii]gnoring*) bad=1; line=${{line#\"$s\"/}};;\n\
             \"$s\"/*) [ $code != 0 ] || continue; line=${{line#\"$s\"/}};;\n\
             {own}:*'not loaded, socket cannot be started'*|{own}:*'Failed to create '*) continue;;\n\
             {own}:*|\"Unit \"{own}\" \"*) {of_unit};;\n\
             *) continue;;\n\
             esac\n\
             printf '%s\\n' \"$line\"\n\
             done <<said\n\
             $said\n\
             said\n\
             exit $bad\n\
             )",
            own = pattern(path.unit),
        )
    }
}

/// A pattern of the shell for the unit, or for any instance of the template.
fn pattern(unit: &str) -> String {
    match unit.split_once('@') {
        Some((template, rest)) if rest.starts_with('.') => {
            format!("{}*{}", quote(&format!("{template}@")), quote(rest))
        }
        _ => quote(unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_stands_for_its_validator() {
        for validator in [UnitValidator::Unit, UnitValidator::Lines] {
            assert_eq!(UnitValidator::of(&validator.command()), Some(validator));
        }
        let other = ["systemd-analyze", "verify", "/etc/x"].map(str::to_owned);
        assert_eq!(UnitValidator::of(&other), None);
    }

    #[test]
    fn a_template_stands_for_all_its_instances() {
        assert_eq!(pattern("a@.service"), "a@*.service");
        assert_eq!(pattern("a@b.service"), "a@b.service");
        assert_eq!(pattern("a b.service"), "'a b.service'");
    }
}
