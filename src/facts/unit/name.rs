//! Names of units, as in systemd.unit(5).

use super::SUFFIXES;

/// In bytes.
const LONGEST: usize = 255;

/// Whether systemd loads a unit, or a template, of this name; it ignores files with other names.
pub fn is_unit_name(name: &str) -> bool {
    let plain = |character: char| character.is_ascii_alphanumeric() || ":-_.\\@".contains(character);
    // The one name with a leading `-`: the root file system, and its slice.
    let is_root = matches!(name, "-.mount" | "-.slice");
    let stem = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
    let has_stem = stem.is_some_and(|stem| !stem.is_empty() && !stem.starts_with(['-', '@']));
    is_root || has_stem && name.len() <= LONGEST && name.chars().all(plain)
}

/// The template that a name is, without its instance: `a` of `a@.service`.
pub fn template(unit: &str) -> Option<&str> {
    unit.rsplit_once('.')?.0.strip_suffix('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_systemd_loads_is_a_unit_name() {
        let long = |length: usize| format!("{}.service", "a".repeat(length - ".service".len()));
        for (name, expected) in [
            ("a.service", true),
            ("a@.timer", true),
            ("a@b.c.timer", true),
            ("dev-disk-by\\x2dlabel-x.swap", true),
            ("-.mount", true),
            ("-.service", false),
            ("-a.service", false),
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
