//! What is refused: parameters that k3s would not take, and hosts on which it would lose something.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;

use serde_json::Value;

use super::configuration::{KEPT, TAKEN};
use super::role::Role;
use super::source;
use super::version::{Step, Version};
use super::wish::Wish;
use crate::change::Stop;
use crate::facts::k3s::{DATA, K3s, Node};
use crate::operations::PlanContext;
use crate::secret::sha256_hex;
use crate::value::{Text, Varied};

/// The effects of taints.
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Refuses parameters that are not valid.
pub(super) fn parameters(context: &PlanContext<'_>, wish: &Wish<'_>, name: &str) -> Result<(), Stop> {
    let image = |image: &String| source::check_download(context, "images", image);
    let checks = [
        version(context, wish.version),
        source::check(context, wish),
        token(context, "token", wish.token),
        wish.agent_token
            .map_or(Ok(()), |text| token(context, "agent_token", text)),
        node_name(context, name),
        server(context, wish.server),
        config(context, wish),
        labels(context, wish.labels),
    ];
    let taints = wish.taints.iter().map(|one| taint(context, one));
    let images = wish.images.iter().map(image);
    Stop::unless_all(checks.into_iter().chain(taints).chain(images))
}

fn version(context: &PlanContext<'_>, version: &str) -> Result<(), Stop> {
    if Version::from_str(version).is_ok() {
        return Ok(());
    }
    let title = format!("`{version}` is not a version of k3s");
    Err(context
        .refuse("version", title, "must be the name of a release")
        .hint("write a version such as `\"v1.34.4+k3s1\"`"))
}

fn token(context: &PlanContext<'_>, argument: &str, text: &Text) -> Result<(), Stop> {
    let value = text.expose();
    let password = password(value);
    if !password.is_empty()
        && !value.chars().any(|one| one.is_whitespace() || one.is_control())
        && !password.contains(':')
    {
        return Ok(());
    }
    let title = format!("`{argument}` is not a valid token");
    Err(context
        .refuse(
            argument,
            title,
            "must be a password without blanks and colons, or `K10…::server:PASSWORD`",
        )
        .hint("have it made with `generate`, as in docs/secrets.md"))
}

/// The password in a token.
pub(super) fn password(token: &str) -> &str {
    let full = token.strip_prefix("K10").and_then(|rest| rest.split_once("::"));
    let user = full.and_then(|(_, rest)| rest.split_once(':'));
    user.map_or(token, |(_, password)| password)
}

fn node_name(context: &PlanContext<'_>, name: &str) -> Result<(), Stop> {
    let is_plain = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-' || one == '.';
    let ends_well = !name.starts_with(['-', '.']) && !name.ends_with(['-', '.']);
    if name.is_empty() || name.chars().all(is_plain) && ends_well && name.len() <= 253 {
        return Ok(());
    }
    let title = format!("`{name}` is not a valid name of a node");
    Err(context
        .refuse("node_name", title, "use lower-case letters, digits, `-` and `.`")
        .hint("set `node_name`, which is the name of the host by default"))
}

fn server(context: &PlanContext<'_>, url: Option<&str>) -> Result<(), Stop> {
    let Some(url) = url else { return Ok(()) };
    let rest = url.strip_prefix("https://").unwrap_or_default();
    let (host, port) = rest.rsplit_once(':').unwrap_or_default();
    if !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok() {
        return Ok(());
    }
    let title = format!("`{url}` is not the URL of a server");
    Err(context
        .refuse("server", title, "must be `https://`, a host and a port")
        .hint("write a URL such as `\"https://k3s.home.example:6443\"`"))
}

fn config(context: &PlanContext<'_>, wish: &Wish<'_>) -> Result<(), Stop> {
    let Some(config) = wish.config else { return Ok(()) };
    let names = config.expose().keys();
    let wrong = names.map(|name| {
        let plain = name.trim_end_matches('+');
        let Some((_, parameter)) = TAKEN.iter().find(|(taken, _)| *taken == plain) else {
            return Ok(());
        };
        let title = format!("`{name}` cannot be set in `config`");
        Err(if parameter.is_empty() {
            context
                .refuse_entry("config", name, title, "homelab needs the default")
                .hint("remove it")
        } else {
            let hint = format!("use the parameter `{parameter}`");
            context
                .refuse_entry("config", name, title, "has a parameter of its own")
                .hint(hint)
        })
    });
    Stop::unless_all(wrong)
}

fn labels(context: &PlanContext<'_>, labels: &BTreeMap<String, String>) -> Result<(), Stop> {
    // A kubelet may not give itself what decides where control planes run.
    match labels.keys().find(|name| name.starts_with("node-role.kubernetes.io/")) {
        Some(name) => {
            let title = format!("a node cannot give itself the label `{name}`");
            Err(context
                .refuse_entry("labels", name, title, "the API server refuses it")
                .hint("set it from the server with `k8s.node`"))
        }
        None => Ok(()),
    }
}

fn taint(context: &PlanContext<'_>, taint: &str) -> Result<(), Stop> {
    let effect = taint.rsplit_once(':').map(|(_, effect)| effect);
    if effect.is_some_and(|effect| EFFECTS.contains(&effect)) && !taint.starts_with(':') {
        return Ok(());
    }
    let title = format!("`{taint}` is not a taint");
    Err(context
        .refuse_item("taints", taint, title, "must be `KEY=VALUE:EFFECT`")
        .hint("the effect is `NoSchedule`, `PreferNoSchedule` or `NoExecute`"))
}

/// Refuses what the host's own k3s would not survive.
pub(super) fn host(context: &PlanContext<'_>, wish: &Wish<'_>, name: &str, found: &K3s) -> Result<(), Stop> {
    let is_other = match wish.role {
        Role::Server => found.is_agent,
        Role::Agent => found.is_server,
    };
    if is_other {
        let (own, other) = match wish.role {
            Role::Server => ("a server", "an agent"),
            Role::Agent => ("an agent", "a server"),
        };
        return Err(context
            .refuse(
                "version",
                format!("this host is {other} of k3s"),
                format!("{own} is wanted"),
            )
            .hint("remove that first, with `present = false`"));
    }
    if let (Some(digest), Role::Server) = (&found.token, wish.role)
        && *digest != sha256_hex(password(wish.token.expose()).as_bytes())
    {
        return Err(context
            .refuse(
                "token",
                "the cluster on the host has another token",
                "k3s would not start with this one",
            )
            .hint(format!(
                "write the one of `{DATA}/server/token`; `k3s token rotate` changes it"
            )));
    }
    if let Node::Known(node) = &found.node
        && node.name != name
        && !name.is_empty()
    {
        let title = format!("the node of this host is called `{}`", node.name);
        return Err(context
            .refuse("node_name", title, format!("`{name}` would be another node"))
            .hint(format!(
                "write `node_name = \"{}\"`: a node cannot be renamed",
                node.name
            )));
    }
    follows(context, wish, found)
}

/// Says where labels and taints are changed that k3s does not change: they count when a node joins.
pub(super) fn notice_labels(context: &PlanContext<'_>, wish: &Wish<'_>, found: &K3s, old: &BTreeMap<String, Value>) {
    let Node::Known(_) = &found.node else { return };
    for (name, parameter, new) in [
        ("node-label", "labels", super::configuration::labels(wish)),
        ("node-taint", "taints", wish.taints.to_vec()),
    ] {
        let had = old.get(name).cloned().unwrap_or_else(|| Value::Array(Vec::new()));
        if had != Value::from(new) {
            let text = format!("`{parameter}` count when a node joins: k8s.node changes those of a node that is there");
            context.notice_of(parameter, &text);
        }
    }
}

/// Refuses a version that cannot follow what runs, or else what is installed.
fn follows(context: &PlanContext<'_>, wish: &Wish<'_>, found: &K3s) -> Result<(), Stop> {
    let running = match &found.node {
        Node::Known(node) => Some(node.version.as_str()),
        Node::Unasked | Node::Silent(_) => found.program.as_deref(),
    };
    let Some((old, running)) = running.and_then(|text| Some((text.parse::<Version>().ok()?, text))) else {
        return Ok(());
    };
    let Ok(new) = wish.version.parse::<Version>() else {
        return Ok(());
    };
    let label = format!("the host has `{running}`");
    match new.after(old) {
        Step::Fine => Ok(()),
        Step::Back => Err(context
            .refuse(
                "version",
                format!("`{}` is older than what the host has", wish.version),
                label,
            )
            .hint("Kubernetes cannot go back: write the version that the host has, or a newer one")),
        Step::TooFar => {
            let title = format!("`{}` leaves out a minor version", wish.version);
            let hint = format!("upgrade to a version `v{}.{}.…` first", old.major, old.minor + 1);
            Err(context.refuse("version", title, label).hint(hint))
        }
    }
}

/// Refuses a unit with settings that homelab did not write.
pub(super) fn flags(context: &PlanContext<'_>, role: Role, given: &BTreeSet<String>) -> Result<(), Stop> {
    if given.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = given.iter().map(|name| format!("`{name}`")).collect();
    let title = format!("the unit `{}` on the host has settings of its own", role.unit());
    let label = format!("it sets {}", names.join(", "));
    Err(context.refuse("version", title, label).hint(format!(
        "write them as parameters or keys of `config`, and remove them from `{}` and `{}`",
        role.unit_path(),
        role.variables_path()
    )))
}

/// Refuses other settings than those with which a cluster was made, where it keeps them.
pub(super) fn kept_settings(
    context: &PlanContext<'_>,
    wish: &Wish<'_>,
    found: &K3s,
    old: &BTreeMap<String, Value>,
) -> Result<(), Stop> {
    if wish.role == Role::Agent || !(found.has_data || found.is_server) {
        return Ok(());
    }
    let wanted = wish.config.map(Varied::expose);
    for name in KEPT {
        let usual = match name {
            "cluster-cidr" => Value::from("10.42.0.0/16"),
            "service-cidr" => Value::from("10.43.0.0/16"),
            "cluster-init" => Value::Bool(false),
            _ => Value::Null,
        };
        let new = wanted.and_then(|wanted| wanted.get(name)).unwrap_or(&usual);
        if old.get(name).unwrap_or(&usual) == new {
            continue;
        }
        let title = format!("`{name}` of a cluster cannot be changed");
        let label = "the cluster on the host was made with another one";
        let refused = if wanted.is_some_and(|wanted| wanted.contains_key(name)) {
            context.refuse_entry("config", name, title, label)
        } else {
            context.refuse("version", title, label)
        };
        return Err(refused.hint(format!(
            "write the one in `{}` of the host",
            super::configuration::path()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::password;

    #[test]
    fn a_token_holds_a_password() {
        for (token, expected) in [
            ("abc", "abc"),
            ("K10ab::server:abc", "abc"),
            ("K10ab::node:abc", "abc"),
            ("K10abc", "K10abc"),
        ] {
            assert_eq!(password(token), expected);
        }
    }
}
