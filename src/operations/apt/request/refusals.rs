//! Why packages cannot be installed or removed, and what to do about it.

use std::collections::BTreeMap;

use super::super::from_file::FromFile;
use super::super::name::Name;
use crate::change::Stop;
use crate::facts::apt::{ListsFact, PackageListsKey, Simulation};
use crate::operations::PlanContext;
use crate::operations::parameters::readable;

/// Names that are spelled almost like those that apt does not know.
type Near = BTreeMap<String, Vec<String>>;

const PACKAGES: &str = "packages";

/// The parameter that names the packages.
pub(super) fn parameter(context: &PlanContext<'_>) -> &'static str {
    if context.arguments.contains_key(PACKAGES) {
        PACKAGES
    } else {
        "package"
    }
}

/// A package is held.
pub(super) fn held(context: &PlanContext<'_>, name: &Name) -> Stop {
    let title = format!("package `{}` is held", name.key());
    context
        .refuse_item(
            parameter(context),
            &name.argument(),
            title,
            "apt does not change a held package",
        )
        .hint(format!(
            "run `apt-mark unhold {}` on the host, or remove it from the list",
            name.key()
        ))
}

/// Refuses what would change held packages. apt simulated the host with the holds that it has now.
pub(in crate::operations::apt) fn check_held(
    context: &PlanContext<'_>,
    argument: &str,
    held: &[String],
) -> Result<(), Stop> {
    let still_held = held.iter().filter(|name| !context.is_released_before(name));
    let still_held: Vec<String> = still_held.cloned().collect();
    if still_held.is_empty() {
        return Ok(());
    }
    Err(others_held(context, argument, &still_held))
}

/// apt would have to change further packages that are held.
fn others_held(context: &PlanContext<'_>, argument: &str, held: &[String]) -> Stop {
    let listed = held.join("`, `");
    let noun = if held.len() == 1 { "package" } else { "packages" };
    let title = format!("apt would have to change held {noun}: `{listed}`");
    context
        .refuse(argument, title, "apt does not change a held package")
        .hint(format!(
            "run `apt-mark unhold {}` on the host, or remove the operation",
            held.join(" ")
        ))
}

/// dpkg refuses to remove a package.
pub(super) fn needs_reinstallation(context: &PlanContext<'_>, name: &Name) -> Stop {
    let key = name.key();
    let title = format!("package `{key}` is damaged: dpkg cannot remove it");
    context
        .refuse_item(
            parameter(context),
            &name.argument(),
            title,
            "dpkg wants it to be installed again first",
        )
        .hint(format!(
            "run `apt-get install --reinstall {key}` on the host, or `dpkg --remove --force-remove-reinstreq {key}`"
        ))
}

/// A name of which nothing is installed, but other packages provide it.
pub(super) fn only_provided<'a>(context: &PlanContext<'_>, name: &Name, by: impl Iterator<Item = &'a String>) -> Stop {
    let providers: Vec<&str> = by.map(String::as_str).collect();
    let title = format!("`{}` is a virtual package", name.key());
    let label = format!("provided by `{}`", providers.join("`, `"));
    context
        .refuse_item(parameter(context), &name.argument(), title, label)
        .hint("name the packages to remove")
}

/// dpkg was interrupted: apt does nothing before that is repaired.
pub(in crate::operations::apt) fn interrupted(context: &PlanContext<'_>, argument: &str) -> Stop {
    context
        .refuse(
            argument,
            "dpkg was interrupted on this host",
            "apt does nothing before that is repaired",
        )
        .hint("run `dpkg --configure -a` on the host")
}

/// apt would succeed without doing what the name asks for.
pub(super) fn not_done(context: &PlanContext<'_>, name: &Name, present: bool, simulation: &Simulation) -> Stop {
    let argument = name.argument();
    if !present {
        let title = format!("apt would not remove package `{}`", name.key());
        let label = "apt does not find it by this name";
        return context
            .refuse_item(parameter(context), &argument, title, label)
            .hint("write the name as `dpkg -l` shows it, with its architecture");
    }
    let providers = simulation
        .providers
        .get(&name.key())
        .filter(|providers| !providers.is_empty());
    if let Some(providers) = providers {
        return virtual_package(context, &argument, providers);
    }
    if name.misread_as().is_some() {
        return unknown(context, name, &Near::new());
    }
    let title = format!("apt cannot install package `{}`", name.key());
    let label = "apt would leave it as it is";
    context
        .refuse_item(parameter(context), &argument, title, label)
        .hint(format!("run `apt-get install {argument}` on the host to see why"))
}

fn virtual_package(context: &PlanContext<'_>, argument: &str, providers: &[String]) -> Stop {
    let title = format!("`{argument}` is a virtual package");
    let label = format!("provided by `{}`", providers.join("`, `"));
    context
        .refuse_item(parameter(context), argument, title, label)
        .hint("name one of them")
}

/// apt would install an older version that nothing asked for.
pub(super) fn downgrade(context: &PlanContext<'_>, shown: &str, deb: Option<&FromFile>) -> Stop {
    let title = format!("apt would downgrade package `{shown}`");
    if let Some(deb) = deb.filter(|deb| deb.control.package() == shown) {
        let label = format!("the file has {}, the host a newer version", deb.control.version());
        return context
            .refuse(parameter(context), title, label)
            .hint("take a newer file, or add `allow_downgrade = true`");
    }
    context
        .refuse(
            parameter(context),
            title,
            "apt does not downgrade a package unless its version is given",
        )
        .hint(format!("to downgrade it, write `{shown}=VERSION`"))
}

/// What apt says of a name that is not in its lists.
const UNKNOWN: &str = "E: Unable to locate package ";

/// Whether apt would fail because it does not know a package.
pub(super) fn is_unknown(output: &str) -> bool {
    output.lines().any(|line| line.starts_with(UNKNOWN))
}

/// apt would fail.
pub(super) fn impossible(
    context: &PlanContext<'_>,
    present: bool,
    deb: Option<&FromFile>,
    names: &[&Name],
    output: &str,
    near: &Near,
) -> Stop {
    let find = |start: &str| output.lines().find_map(|line| line.strip_prefix(start));
    let stop = if let Some((name, providers)) = virtual_in(output) {
        return virtual_package(context, &name, &providers);
    } else if let Some(name) = find(UNKNOWN) {
        if let Some(wanted) = names.iter().find(|wanted| wanted.key() == name) {
            let stop = unknown(context, wanted, near);
            if wanted.misread_as().is_some() {
                // apt has not seen the name.
                return stop;
            }
            stop
        } else {
            let title = format!("unknown package `{name}`");
            context.refuse(parameter(context), title, "not in the host's package lists")
        }
    } else if let Some((version, name)) = find("E: Version '")
        .and_then(|rest| rest.strip_suffix("' was not found"))
        .and_then(|rest| rest.split_once("' for '"))
    {
        let title = format!("unknown version `{version}` of package `{name}`");
        context
            .refuse_item(
                parameter(context),
                &format!("{name}={version}"),
                title,
                "not in the host's package lists",
            )
            .hint(format!("run `apt-cache policy {name}` on the host to see its versions"))
    } else if let Some(deb) = deb {
        let title = format!("apt cannot install package `{}` from this file", deb.control.package());
        context.refuse(parameter(context), title, "fails with the host's package lists")
    } else {
        let verb = if present { "install" } else { "remove" };
        let title = format!("apt cannot {verb} these packages");
        context.refuse(parameter(context), title, "fails with the host's package lists")
    };
    stop.because(errors_of(output))
}

/// No package has this name, which may end in an architecture.
fn unknown(context: &PlanContext<'_>, name: &Name, near: &Near) -> Stop {
    let title = format!("unknown package `{}`", name.key());
    let label = match name.misread_as() {
        Some(misread) => misread,
        None => "not in the host's package lists".to_owned(),
    };
    let hint = match &name.architecture {
        _ if !near.is_empty() => meant(name, near),
        Some(architecture) => {
            format!("check the name, and that the host has the architecture: `dpkg --add-architecture {architecture}`")
        }
        None => match old_lists(context) {
            Some(age) => format!(
                "check the name; the lists are {age} old: if the package is newer, put `op = \"apt.update\"` before this operation"
            ),
            None => "check the name, and that the host has the repository that contains it".to_owned(),
        },
    };
    context
        .refuse_item(parameter(context), &name.argument(), title, label)
        .hint(hint)
}

/// What `name` may have meant, and each other unknown name.
fn meant(name: &Name, near: &Near) -> String {
    if let (1, Some(candidates)) = (near.len(), near.get(&name.key())) {
        return format!("did you mean {}?", quoted(candidates));
    }
    let each = near
        .iter()
        .map(|(unknown, candidates)| format!("for `{unknown}` {}", quoted(candidates)));
    format!("did you mean, {}?", each.collect::<Vec<_>>().join(", "))
}

/// What is said of a name to be removed that is no package, such as a typo in a list.
pub(super) fn perhaps_meant(name: &Name, near: &[String]) -> String {
    format!(
        "nothing to remove: no package is called `{}`; did you mean {}?",
        name.name,
        quoted(near)
    )
}

fn quoted(names: &[String]) -> String {
    format!("`{}`", names.join("` or `"))
}

/// How old the host's lists are, if they are so old that packages are missing in them.
fn old_lists(context: &PlanContext<'_>) -> Option<String> {
    const OLD: u64 = 7 * 86_400;
    match context.get(PackageListsKey) {
        Ok(ListsFact {
            age: Some(age),
            refreshed: false,
            ..
        }) if age >= OLD => Some(readable(age)),
        _ => None,
    }
}

/// The virtual package that apt names, and what provides it.
fn virtual_in(output: &str) -> Option<(String, Vec<String>)> {
    let mut lines = output.lines();
    let name = lines.find_map(|line| {
        let rest = line.strip_prefix("Package ")?;
        rest.strip_suffix(" is a virtual package provided by:")
    })?;
    let providers = lines
        .map_while(|line| line.strip_prefix("  "))
        .filter_map(|line| line.split(' ').next());
    Some((name.to_owned(), providers.map(str::to_owned).collect()))
}

/// The errors in the output of apt, with the dependencies that are unmet, or all of it if none is marked.
fn errors_of(output: &str) -> String {
    let is_unmet = output.starts_with("The following packages have unmet dependencies:");
    let is_error = |line: &&str| line.starts_with("E: ") || is_unmet && line.starts_with(' ');
    let errors: Vec<&str> = output.lines().filter(is_error).map(str::trim).collect();
    if errors.is_empty() {
        return output.to_owned();
    }
    errors.join("\n")
}
