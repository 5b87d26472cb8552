//! What Docker would not take, or others have: found before anything changes.

use std::net::IpAddr;

use super::Container;
use crate::change::Stop;
use crate::facts::FactKey;
use crate::facts::docker::{Details, NetworkKey, PublishedKey, Reference, set_aside};
use crate::facts::port::{Holder, Listener, Ports};
use crate::operations::PlanContext;
use crate::operations::docker::resource::{check_labels, check_name, check_pairs, unless_they_change};
use crate::value::Text;

/// Networks beside which a container has no other.
const ONLY: [&str; 2] = ["host", "none"];

impl Container {
    /// Refuses parameters that no host takes.
    pub(super) fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        check_name(context, "container", &self.container, 2)?;
        if !self.present {
            return Ok(());
        }
        self.reference(context)?;
        check_pairs(context, "labels", self.labels.as_ref())?;
        check_labels(context, self.labels.as_ref())?;
        self.check_policy(context)?;
        self.check_variables(context)?;
        let refuse = |argument, item: &String, title: String, label: &str| {
            Err(context.refuse_item(argument, item, title, label))
        };
        if let Some(port) = self.ports.iter().find(|port| !is_port(port)) {
            let title = format!("`{port}` is not a valid port");
            return refuse("ports", port, title, "Docker does not take it").map_err(|stop| {
                stop.hint("write `HOST:CONTAINER`, such as `8080:80`, `127.0.0.1:8080:80` or `53:53/udp`")
            });
        }
        if let Some(server) = self.dns.iter().find(|server| server.parse::<IpAddr>().is_err()) {
            let title = format!("`{server}` is not an IP address");
            return refuse("dns", server, title, "Docker takes only addresses")
                .map_err(|stop| stop.hint("write the address of a name server, such as `192.0.2.53`"));
        }
        if let Some(volume) = self.volumes.iter().find(|volume| !is_volume(volume)) {
            let title = format!("`{volume}` is not a valid volume");
            return refuse("volumes", volume, title, "needs absolute paths").map_err(|stop| {
                stop.hint("write `/PATH:/TARGET`, `NAME:/TARGET` or `/TARGET`, with options such as `:ro` at the end")
            });
        }
        let is_only = |network: &&String| ONLY.contains(&network.as_str());
        if let Some(network) = self.networks.iter().find(is_only).filter(|_| self.networks.len() > 1) {
            let title = format!("a container in network `{network}` cannot be in others");
            return refuse("networks", network, title, "must be the only one")
                .map_err(|stop| stop.hint(format!("remove `{network}`, or all others")));
        }
        match self.env_files.iter().find(|path| !path.starts_with('/')) {
            None => Ok(()),
            Some(path) => {
                let title = format!("`{path}` is not an absolute path");
                refuse("env_files", path, title, "must start with `/`")
                    .map_err(|stop| stop.hint("write an absolute path of the host"))
            }
        }
    }

    fn check_policy(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let policy = self.restart_policy.as_str();
        // As Docker shows it, which writes no zero before a number.
        let is_count = |count: &str| {
            count
                .parse()
                .is_ok_and(|number: u32| number > 0 && number.to_string() == count)
        };
        let is_policy = matches!(policy, "no" | "always" | "on-failure" | "unless-stopped")
            || policy.strip_prefix("on-failure:").is_some_and(is_count);
        if is_policy {
            return Ok(());
        }
        let title = format!("`{policy}` is not a restart policy");
        Err(context
            .refuse("restart_policy", title, "Docker knows no such policy")
            .hint("write `no`, `always`, `on-failure`, `on-failure:3` or `unless-stopped`"))
    }

    /// `docker` reads them as lines, and leaves out those that begin with `#`.
    fn check_variables(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let is_wrong = |(name, value): &(&String, &Text)| {
            name.is_empty()
                || name.starts_with('#')
                || name.contains(|one: char| one == '=' || one == '\0' || one.is_whitespace())
                || value.expose().contains(['\n', '\r', '\0'])
        };
        let Some((name, _)) = self.env_vars.iter().find(is_wrong) else {
            return Ok(());
        };
        let title = format!(
            "`{}` in `env_vars` must be one line, and its name a word",
            name.escape_debug()
        );
        Err(context
            .refuse_entry("env_vars", name, title, "Docker takes no other")
            .hint("put the text into a file, and mount that with `volumes`"))
    }

    pub(super) fn reference(&self, context: &PlanContext<'_>) -> Result<Reference, Stop> {
        let Some(image) = &self.image else {
            return Err(context
                .refuse("container", "missing `image`", "nothing to run")
                .hint("write `image = \"caddy:2.10\"`"));
        };
        Reference::parse(image).map_err(|label| {
            let title = format!("`{image}` is not a valid name for a Docker image");
            context
                .refuse("image", title, label)
                .hint("write the name as for `docker pull`")
        })
    }

    /// Refuses networks that are not there, unless an earlier operation may create them.
    pub(super) fn check_networks(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        for network in self.made_networks() {
            if context.get(NetworkKey(network))?.is_empty() {
                let title = format!("there is no Docker network `{network}`");
                let refusal = context
                    .refuse_item("networks", network, title, "not on the host")
                    .hint("create it first: `op = \"docker.network\"`");
                return Err(unless_they_change(
                    context,
                    FactKey::DockerNetwork(network.clone()),
                    refusal,
                ));
            }
        }
        Ok(())
    }

    /// Refuses a container of a compose project: `docker compose` would create it again.
    pub(super) fn check_owner(&self, context: &PlanContext<'_>, found: &Details) -> Result<(), Stop> {
        let Some(project) = &found.project else {
            return Ok(());
        };
        let title = format!("container `{}` belongs to compose project `{project}`", self.container);
        Err(context
            .refuse("container", title, "it is a service of that project")
            .hint("choose another name, or change the service with `docker.compose`"))
    }

    /// Refuses ports that other containers or programs of the host have, unless an earlier operation may change that.
    pub(super) fn check_ports(&self, context: &PlanContext<'_>, found: Option<&Details>) -> Result<(), Stop> {
        let Some(published) = context.now(PublishedKey) else {
            return Ok(());
        };
        let wanted = self
            .ports
            .iter()
            .filter_map(|port| Some((port, Ports::published(port)?)));
        let wanted: Vec<(&String, Ports)> = wanted.collect();
        // Docker listens for its containers, which only root sees.
        let own: Vec<Ports> = found.map_or_else(Vec::new, |found| {
            found.ports.iter().filter_map(|port| Ports::published(port)).collect()
        });
        // What a run that was cut off set aside is replaced too.
        let aside = found
            .filter(|found| found.is_unfinished)
            .map(|_| set_aside(&self.container));
        let stays = |other: &&Holder| {
            other.container != self.container
                && aside.as_ref() != Some(&other.container)
                && !context.may_change_container(other.project.as_deref(), &other.container)
        };
        for (text, port) in wanted {
            let is_taken = |others: &[Ports]| others.iter().any(|other| other.overlap(&port));
            let title = format!("port {port} is taken");
            let refuse = |label: String| context.refuse_item("ports", text, title.clone(), label);
            let mut holders = published.containers.iter().filter(stays);
            if let Some(holder) = holders.find(|other| is_taken(&other.ports)) {
                let container = &holder.container;
                let label = match &holder.project {
                    Some(project) => format!("container `{container}` of compose project `{project}` publishes it"),
                    None => format!("container `{container}` publishes it"),
                };
                return Err(refuse(label).hint("publish another port, or stop that container first"));
            }
            let is_docker = |listener: &&Listener| {
                let of_others = published.containers.iter().flat_map(|other| &other.ports);
                of_others.chain(&own).any(|other| other.overlap(&listener.port))
            };
            let mut listeners = published.listeners.iter().filter(|one| !is_docker(one));
            let listener = listeners.find(|listener| listener.port.overlap(&port));
            if let Some(listener) = listener.filter(|_| !context.may_change_programs()) {
                let label = match &listener.program {
                    Some(program) => format!("`{program}` listens on it"),
                    None => "a program of the host listens on it".to_owned(),
                };
                return Err(
                    refuse(label).hint("publish another port, or stop that program first, in an earlier operation")
                );
            }
        }
        Ok(())
    }
}

/// Whether it means the same wherever `docker` runs: `[SOURCE:]TARGET[:OPTIONS]`, where a source is a volume or an absolute path.
fn is_volume(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
    let is_name =
        |source: &str| source.starts_with(|first: char| first.is_ascii_alphanumeric()) && source.chars().all(is_plain);
    match parts.as_slice() {
        [target] => target.starts_with('/'),
        [source, target] | [source, target, _] => {
            target.starts_with('/') && (source.starts_with('/') || is_name(source))
        }
        _ => false,
    }
}

/// Whether `docker` takes it: `[[ADDRESS:]HOST:]CONTAINER[/PROTOCOL]`, each port a number or a range.
fn is_port(text: &str) -> bool {
    let (ports, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
    let is_number = |number: &str| number.parse::<u16>().is_ok_and(|number| number > 0);
    let is_range = |range: &str| match range.split_once('-') {
        Some((first, last)) => is_number(first) && is_number(last),
        None => is_number(range),
    };
    let is_address = |address: &str| {
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        bare.unwrap_or(address).parse::<IpAddr>().is_ok()
    };
    let (rest, container) = match ports.rsplit_once(':') {
        Some((rest, container)) => (Some(rest), container),
        None => (None, ports),
    };
    let is_of_host = |rest: &str| match rest.rsplit_once(':') {
        // Without a number, Docker chooses one.
        Some((address, port)) => is_address(address) && (port.is_empty() || is_range(port)),
        None => is_range(rest),
    };
    matches!(protocol, "tcp" | "udp" | "sctp") && is_range(container) && rest.is_none_or(is_of_host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_have_absolute_paths() {
        for volume in ["/data", "data:/data", "/srv/a:/a:ro", "a.b-c_d:/a"] {
            assert!(is_volume(volume), "{volume}");
        }
        for volume in [
            "",
            "--help",
            "data",
            "./conf:/conf",
            "conf/a:/a",
            "data:conf",
            "-x:/a",
            "a:/b:ro:z",
        ] {
            assert!(!is_volume(volume), "{volume}");
        }
    }

    #[test]
    fn ports_are_those_that_docker_takes() {
        for port in [
            "80",
            "8080:80",
            "127.0.0.1:53:53/udp",
            "[::1]:80:80",
            "8000-8010:8000-8010",
            "127.0.0.1::80",
        ] {
            assert!(is_port(port), "{port}");
        }
        for port in [
            "",
            "http",
            "80:",
            ":80",
            "0:80",
            "80:80/icmp",
            "x:80:80",
            "99999:80",
            "--help",
            "80:80:80:80",
        ] {
            assert!(!is_port(port), "{port}");
        }
    }
}
