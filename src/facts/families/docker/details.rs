//! Reads containers as they were created, and who has ports.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

use crate::facts::docker::{Details, Published, WISHES, set_aside};
use crate::facts::key::Fact;
use crate::facts::port::{Holder, Listener};
use crate::quote::{quote, quote_all};

/// Prints `holder` and, as a list in JSON, names, project and ports of each container that runs; and `listens` for each program.
pub(super) const PUBLISHED: &str = "d ps --format \"holder [{{json .Names}},{{json (.Label \\\"com.docker.compose.project\\\")}},{{json .Ports}}]\"\n\
    ss -Hlntup 2>/dev/null | sed \"s/^/listens /\"\n";

/// Shell text that prints the containers of these names that are there: `made` and, as a list in JSON, what is read of each; and `wish`,
/// name, id and digest for those that an operation created.
pub(super) fn probe(names: &[&str]) -> String {
    // No other is the name of a container, and this one is part of a path.
    let names: Vec<&str> = names.iter().copied().filter(|name| !name.contains('/')).collect();
    if names.is_empty() {
        return String::new();
    }
    let fields = [
        ".Name",
        ".Id",
        ".State.Status",
        ".State.ExitCode",
        ".Config.Image",
        ".Image",
        ".Config.Cmd",
        ".Config.User",
        ".HostConfig.PortBindings",
        ".NetworkSettings.Networks",
        ".HostConfig.Binds",
        ".HostConfig.Dns",
        ".HostConfig.RestartPolicy",
        "(index .Config.Labels \\\"com.docker.compose.project\\\")",
    ];
    let fields: Vec<String> = fields.iter().map(|field| format!("{{{{json {field}}}}}")).collect();
    let with_old = names.iter().flat_map(|name| [(*name).to_owned(), set_aside(name)]);
    let with_old: Vec<String> = with_old.collect();
    // Those that are not there are an error of the command, and no line.
    let mut text = format!(
        "d inspect --type container --format \"made [{}]\" {}\n",
        fields.join(","),
        quote_all(with_old.iter().map(String::as_str))
    );
    let _ = writeln!(
        text,
        "[ ! -d {folder} ] || [ -x {folder} ] || echo unwished\nfor n in {names}; do [ ! -r \"{WISHES}/$n\" ] || {{ read -r i w <\"{WISHES}/$n\"; echo \"wish $n $i $w\"; }}; [ ! -r \"{WISHES}/.previous/$n\" ] || echo \"previous $n $(cat \"{WISHES}/.previous/$n\")\"; done",
        folder = quote("/var/lib/homelab"),
        names = quote_all(names.iter().copied())
    );
    text
}

/// What is read of a container, in the order of the fields.
type Made = (
    String,
    String,
    String,
    i32,
    String,
    String,
    Option<Vec<String>>,
    String,
    Option<BTreeMap<String, Option<Vec<Binding>>>>,
    Option<serde_json::Map<String, serde_json::Value>>,
    Option<Vec<String>>,
    Option<Vec<String>>,
    Policy,
    Option<String>,
);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Binding {
    #[serde(rename = "HostIp", default)]
    address: String,
    #[serde(default)]
    host_port: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    name: String,
    #[serde(default)]
    maximum_retry_count: u32,
}

/// What the lines say of containers and ports.
#[derive(Default)]
pub(super) struct Reading {
    made: BTreeMap<String, Details>,
    /// Id and digest, by name.
    wishes: BTreeMap<String, (String, String)>,
    /// The ids of containers that were set aside, by name. Others may have containers that are called so.
    previous: BTreeMap<String, String>,
    /// Whether the user may not read what was asked for.
    is_unread: bool,
    published: Published,
}

impl Reading {
    /// Reads a line; `None` if it is about something else.
    pub(super) fn line(&mut self, word: &str, rest: &str) -> Option<Result<(), serde_json::Error>> {
        match word {
            "made" => match made(rest) {
                Ok(made) => self.made.extend([made]),
                Err(error) => return Some(Err(error)),
            },
            "wish" => {
                let mut words = rest.split(' ').map(str::to_owned);
                if let (Some(name), Some(id), Some(wish)) = (words.next(), words.next(), words.next()) {
                    self.wishes.insert(name, (id, wish));
                }
            }
            "previous" => {
                if let Some((name, id)) = rest.split_once(' ') {
                    self.previous.insert(name.to_owned(), id.to_owned());
                }
            }
            "unwished" => self.is_unread = true,
            "holder" => match Holder::read(rest) {
                Ok(holder) => self.published.containers.push(holder),
                Err(error) => return Some(Err(error)),
            },
            "listens" => self.published.listeners.extend(Listener::read(rest)),
            _ => return None,
        }
        Some(Ok(()))
    }

    pub(super) fn details(&self, name: &str) -> Fact {
        let old = self.made.get(&set_aside(name));
        let old = old.filter(|old| self.previous.get(name) == Some(&old.id));
        let Some(found) = self.made.get(name).or(old) else {
            return Fact::DockerDetails(None);
        };
        if self.is_unread {
            return Fact::Denied("what was asked for can be read only by root".to_owned());
        }
        let wish = self.wishes.get(name).filter(|(id, _)| *id == found.id);
        Fact::DockerDetails(Some(Box::new(Details {
            wish: wish.map(|(_, wish)| wish.clone()),
            is_unfinished: old.is_some(),
            ..found.clone()
        })))
    }

    pub(super) fn published(&self) -> Fact {
        Fact::DockerPublished(self.published.clone())
    }
}

/// Whether something is the name of an anonymous volume.
fn is_anonymous(volume: &str) -> bool {
    let name = volume.split(':').next().unwrap_or_default();
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The name of a container, and what is known of it.
fn made(text: &str) -> Result<(String, Details), serde_json::Error> {
    let made: Made = serde_json::from_str(text)?;
    let (name, id, state, exit_code, image, image_id, command, user, ports, networks, volumes, dns, policy, project) =
        made;
    let ports = ports.into_iter().flatten().flat_map(|(port, bindings)| {
        let each = bindings.into_iter().flatten();
        each.map(move |binding| {
            let address = match binding.address.as_str() {
                "" | "0.0.0.0" => String::new(),
                address if address.contains(':') => format!("[{address}]:"),
                address => format!("{address}:"),
            };
            format!("{address}{}:{port}", binding.host_port)
        })
    });
    let mut ports: Vec<String> = ports.collect();
    ports.sort();
    let mut networks: Vec<String> = networks.into_iter().flatten().map(|(name, _)| name).collect();
    networks.sort();
    let volumes = volumes.into_iter().flatten().filter(|volume| !is_anonymous(volume));
    let restart = match policy.maximum_retry_count {
        0 if policy.name.is_empty() => "no".to_owned(),
        0 => policy.name,
        count => format!("{}:{count}", policy.name),
    };
    let details = Details {
        id,
        state,
        exit_code,
        image,
        image_id,
        command: command.unwrap_or_default(),
        user,
        ports,
        networks,
        volumes: volumes.collect(),
        dns: dns.unwrap_or_default(),
        restart,
        project: project.filter(|project| !project.is_empty()),
        wish: None,
        is_unfinished: false,
    };
    Ok((name.trim_start_matches('/').to_owned(), details))
}
