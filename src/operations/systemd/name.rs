//! Names of units, as in systemd.unit(5).

use crate::change::Stop;
use crate::facts::unit::{SUFFIXES, is_unit_name, template};
use crate::operations::PlanContext;

/// The name with its suffix; without one, `.service` is added.
pub(in crate::operations) fn full(name: &str) -> String {
    if SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
        name.to_owned()
    } else {
        format!("{name}.service")
    }
}

/// Refuses what is not the name of a unit, and a template without its instance. A unit whose name looks like an option may be there: it
/// is known by its suffix.
pub(in crate::operations) fn check(context: &PlanContext<'_>, argument: &str, written: &str) -> Result<(), Stop> {
    let unit = full(written);
    if written.starts_with('-') && unit != written && is_unit_name(&unit) {
        let title = format!("`{written}` is not a valid unit name");
        return Err(context
            .refuse(argument, title, "looks like an option")
            .hint(format!("write it with its suffix: `\"{unit}\"`")));
    }
    check_name(context, argument, written)?;
    let suffix = unit.rsplit_once('.').map_or("service", |(_, suffix)| suffix);
    if let Some(template) = template(&unit) {
        let instance = if template.ends_with("getty") { "tty1" } else { "main" };
        let title = format!("`{unit}` is a template: name an instance, such as `{template}@{instance}.{suffix}`");
        return Err(context
            .refuse(argument, title, "the part after the `@` is missing")
            .hint("write what the unit is for after the `@`"));
    }
    Ok(())
}

/// Refuses what is not the name of a unit or of a template, or looks like an option.
pub(super) fn check_file(context: &PlanContext<'_>, argument: &str, written: &str) -> Result<(), Stop> {
    let unit = full(written);
    // The one name with a leading `-` that is not taken for an option: the root file system, and its slice.
    if unit.starts_with('-') && !matches!(unit.as_str(), "-.mount" | "-.slice") {
        let title = format!("`{written}` is not a valid unit name");
        return Err(context
            .refuse(argument, title, "programs would take it for an option")
            .hint("begin the name with a letter"));
    }
    check_name(context, argument, written)
}

/// Refuses what cannot be the name of a unit or of a template.
pub(super) fn check_name(context: &PlanContext<'_>, argument: &str, written: &str) -> Result<(), Stop> {
    if !is_unit_name(&full(written)) {
        let title = format!("`{written}` is not a valid unit name");
        return Err(context
            .refuse(argument, title, "use letters, digits and `:-_.\\@`")
            .hint("write a name such as \"ssh\", or with a suffix such as \"fstrim.timer\""));
    }
    Ok(())
}

/// Refuses what cannot be the name of a file in a folder of systemd; `.conf` is added to it.
pub(super) fn check_conf(context: &PlanContext<'_>, argument: &str, name: &str) -> Result<(), Stop> {
    let plain = |character: char| character.is_ascii_alphanumeric() || "_.-@".contains(character);
    let label = if matches!(name.rsplit_once('.'), Some((_, "conf"))) {
        "`.conf` is added"
    } else if name.is_empty() || name.starts_with(['.', '-']) || !name.chars().all(plain) {
        "use letters, digits, `_`, `.`, `-` and `@`"
    } else {
        return Ok(());
    };
    Err(context
        .refuse(argument, format!("`{name}` is not a valid name"), label)
        .hint("write a name such as \"limits\""))
}
