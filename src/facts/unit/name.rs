//! Names of units, as in systemd.unit(5).

use super::SUFFIXES;
use crate::quote::quote;

/// In bytes.
const LONGEST: usize = 255;

/// Whether systemd loads a unit, or a template, of this name; it ignores files with other names.
pub fn is_unit_name(name: &str) -> bool {
    let plain = |character: char| character.is_ascii_alphanumeric() || ":-_.\\@".contains(character);
    let stem = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
    let has_stem = stem.is_some_and(|stem| !stem.is_empty() && !stem.starts_with('@'));
    has_stem && name.len() <= LONGEST && name.chars().all(plain)
}

/// The template that a name is, without its instance: `a` of `a@.service`.
pub fn template(unit: &str) -> Option<&str> {
    unit.rsplit_once('.')?.0.strip_suffix('@')
}

/// The template that a unit is an instance of: `a@.service` of `a@b.service`.
pub fn template_of(unit: &str) -> Option<String> {
    let (stem, suffix) = unit.rsplit_once('.')?;
    let (template, _) = stem.split_once('@')?;
    Some(format!("{template}@.{suffix}"))
}

/// Shell text that prints the instances of a template that systemd has loaded or enabled, a line for each.
pub(in crate::facts) fn instances_probe(template: &str) -> String {
    let pattern = quote(&template.replacen("@.", "@*.", 1));
    let (before, after) = template.split_once("@.").unwrap_or((template, "service"));
    format!(
        "{{ systemctl list-units --all --plain --no-legend --no-pager -- {pattern} | while read -r u _; do printf \"%s\\n\" \"$u\"; done\n\
         for f in /etc/systemd/system/*.wants/{before}@*.{after} /etc/systemd/system/*.requires/{before}@*.{after}; do\n\
         [ ! -L \"$f\" ] || printf \"%s\\n\" \"${{f##*/}}\"; done; }} 2>/dev/null | sort -u",
        before = quote(before),
    )
}

/// The instances of `template` in what [`instances_probe`] prints.
pub fn instances(template: &str, said: &[u8]) -> Vec<String> {
    let said = String::from_utf8_lossy(said);
    let own = said
        .lines()
        .filter(|unit| is_unit_name(unit) && *unit != template && template_of(unit).is_some_and(|of| of == template));
    own.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instances_of_a_template_are_told_from_other_units() {
        let said = b"w@.service\nw@1.service\nw@a@b.service\nw@1.socket\nx@1.service\nw.service\nw@b c.service\n";
        assert_eq!(instances("w@.service", said), ["w@1.service", "w@a@b.service"]);
        assert_eq!(template_of("w@a@b.service").as_deref(), Some("w@.service"));
        assert_eq!(template_of("w.service"), None);
    }

    #[test]
    fn the_probe_asks_for_the_instances_alone() {
        let said = |template: &str| {
            let text = format!(
                "systemctl() {{ shift $(($# - 1)); echo \"$1 loaded active\"; }}\n{}",
                instances_probe(template)
            );
            let output = std::process::Command::new("sh").arg("-c").arg(text).output();
            String::from_utf8(output.expect("sh runs").stdout).expect("text")
        };
        assert_eq!(said("w@.service"), "w@*.service\n");
        assert_eq!(said("w\\x2d@.timer"), "w\\x2d@*.timer\n");
    }

    #[test]
    fn only_what_systemd_loads_is_a_unit_name() {
        let long = |length: usize| format!("{}.service", "a".repeat(length - ".service".len()));
        for (name, expected) in [
            ("a.service", true),
            ("a@.timer", true),
            ("a@b.c.timer", true),
            ("dev-disk-by\\x2dlabel-x.swap", true),
            ("-.mount", true),
            ("-a.service", true),
            ("@a.service", false),
            (".service", false),
            ("a", false),
            ("a.conf", false),
            ("a b.service", false),
            ("a\nb.service", false),
            ("ä.service", false),
            (&long(255), true),
            (&long(256), false),
        ] {
            assert_eq!(is_unit_name(name), expected, "{name}");
        }
    }
}
