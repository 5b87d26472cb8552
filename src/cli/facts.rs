//! `homelab facts`

use std::process::ExitCode;

use clap::Args;
use homelab::error::{Diagnostic, suggestion};
use homelab::facts::InTemplates;
use homelab::gather::read_facts;
use homelab::plan::visible_tree;
use homelab::report;

use super::connection_arguments::ConnectionArguments;
use super::format::Format;
use super::interruption::waited_for_host;
use super::output::print;
use super::{completion, errors, project, targets};

/// Arguments of `homelab facts`.
#[derive(Debug, Args)]
pub(crate) struct FactsArguments {
    /// Name of an inventory, such as `prod` for `inventories/prod.toml`
    #[arg(add = completion::inventories())]
    inventory: String,
    /// Name of a host of the inventory
    #[arg(add = completion::hosts())]
    host: String,
    /// Fact or group of facts to show, such as `os`, `os.codename`, `users.root` or `packages.openssh-server.version`; all
    /// system facts if omitted
    #[arg(add = completion::facts())]
    name: Option<String>,
    #[command(flatten)]
    connection: ConnectionArguments,
    /// Output format; docs/format.md describes `json`
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &FactsArguments) -> anyhow::Result<ExitCode> {
    let project = project::with_inventory(Some(&arguments.inventory))?;
    let hosts = &project.inventory(&arguments.inventory)?.hosts;
    if !hosts.contains_key(&arguments.host) {
        let (host, inventory) = (&arguments.host, &arguments.inventory);
        let mistake = Diagnostic::new(format!("unknown host `{host}` in inventory `{inventory}`"));
        let names = hosts.keys().map(String::as_str);
        return Err(mistake.hint_maybe(suggestion(host, names)).into());
    }
    let targets = targets::of_hosts(&project, &arguments.inventory, std::iter::once(arguments.host.as_str()))?;
    let targets = arguments.connection.complete(targets)?;
    let path = path(arguments.name.as_deref().unwrap_or_default());
    let named = match path.as_slice() {
        [family, name, ..] => InTemplates::find(family).map(|family| (family, *name)),
        _ => None,
    };
    let Some(target) = targets.first() else {
        anyhow::bail!("no host given");
    };
    let key = named.map(|(family, name)| (family.key)(name));
    let facts = match waited_for_host(read_facts(target, key), "interrupted", errors::show_reading)? {
        Ok(facts) => visible_tree(&facts, named),
        Err(code) => return Ok(code),
    };
    let Some(text) = (match arguments.format {
        Format::Text => report::facts(&facts, &path),
        Format::Json => report::facts_json(&facts, &path),
    }) else {
        let name = arguments.name.as_deref().unwrap_or_default();
        let known = report::fact_names(&facts);
        let mistake = Diagnostic::new(format!("unknown fact `{name}`"));
        return Err(mistake
            .hint_maybe(family(name).or_else(|| suggestion(name, known.iter().map(String::as_str))))
            .into());
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// What to write in place of `user.anna`: families of facts are in the plural.
fn family(name: &str) -> Option<String> {
    let (family, rest) = name.split_once('.')?;
    let plural = format!("{family}s");
    InTemplates::find(&plural).map(|_| format!("did you mean `{plural}.{rest}`?"))
}

/// The parts of a fact's name. The name of a package, for example, may have dots in it.
fn path(name: &str) -> Vec<&str> {
    let named = name
        .split_once('.')
        .and_then(|(family, rest)| Some((InTemplates::find(family)?, rest)));
    let Some((family, rest)) = named else {
        return name.split('.').filter(|part| !part.is_empty()).collect();
    };
    match rest.rsplit_once('.') {
        Some((name, attribute)) if family.attributes.contains(&attribute) => vec![family.family, name, attribute],
        _ => vec![family.family, rest],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_in_the_singular_is_answered_with_its_plural() {
        assert_eq!(family("user.anna").as_deref(), Some("did you mean `users.anna`?"));
        assert_eq!(family("os.id"), None);
        assert_eq!(family("user"), None);
    }
}
