//! `inventories/<name>.toml`: hosts, their addresses and groups.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;

use super::fields::{Fields, refuse_not_yet};
use super::group::check_reserved;
use super::host::{Become, ConnectionSettings, Host, Inventory, LAB_IMAGES, LabSettings};
use super::jumps::{check_jumps, wrong_connections};
use super::reader::{Source, read_struct, take_table};
use crate::error::{Diagnostic, Origin};
use crate::quote::{UnsafeName, check_address, check_label};
use crate::secret::World;
use crate::template::{Bindings, TemplateData, Variables, is_template};
use crate::value::{Entry, Kind, Table};

/// Where the connection settings of a host are written: in the host, or for all hosts.
struct Written {
    own: Table,
    defaults: Table,
}

impl Written {
    fn entry(&self, key: &str) -> Option<&Entry> {
        self.own.get(key).or_else(|| self.defaults.get(key))
    }

    fn value(&self, key: &str) -> Option<&Origin> {
        self.entry(key)?.value.origin.as_ref()
    }

    fn first_jump(&self) -> Option<Origin> {
        let value = &self.entry("jump")?.value;
        match &value.kind {
            Kind::List(items) => items.first()?.origin.clone(),
            _ => value.origin.clone(),
        }
    }
}

/// Reads the connection settings in `table`.
fn written(table: &Table) -> Table {
    let settings = table.get("connection").and_then(|entry| entry.value.as_table());
    settings.cloned().unwrap_or_default()
}

/// The port of ssh, unless one is set.
const SSH: u16 = 22;

const KEYS: &[&str] = &["groups", "connection", "lab", "hosts"];
const HOST_KEYS: &[&str] = &["address", "groups", "data", "connection", "lab"];
const CONNECTION_NOT_YET: &[&str] = &["keep", "known_hosts"];

pub(super) fn read(source: Source, variables: &Arc<Variables>, mistakes: &mut Vec<Diagnostic>) -> Option<Inventory> {
    let start = source.start();
    let before = mistakes.len();
    let mut table = source.table;
    let secret_addresses = render_given(&mut table, variables, mistakes);
    let default_settings = written(&table);
    let defaults = connection(&mut table, &ConnectionSettings::default(), None, mistakes);
    let lab = lab_defaults(&mut table, mistakes);
    let hosts = collect(take_table(&mut table, "hosts"), mistakes).flatten();
    let mut fields = Fields::new(table, &start, mistakes);
    let groups = fields.names("groups");
    fields.end("an inventory", KEYS);
    let mut inventory = Inventory {
        groups,
        hosts: IndexMap::new(),
        origin: start.clone(),
    };
    for (name, entry) in hosts.map(|(hosts, _)| hosts).unwrap_or_default() {
        if let Some(host) = collect(
            read_host(
                (&source.name, &name),
                &entry,
                (&defaults, &default_settings),
                &lab,
                &start,
                mistakes,
            ),
            mistakes,
        ) {
            let hides_address = secret_addresses.contains(&name);
            inventory.hosts.insert(name, Host { hides_address, ..host });
        }
    }
    if inventory.hosts.is_empty() && mistakes.len() == before {
        mistakes.push(
            Diagnostic::new("inventory has no hosts")
                .at(&start, "no `[hosts.NAME]` in this file")
                .hint("add a host: `[hosts.NAME]`"),
        );
    }
    if mistakes.len() == before {
        mistakes.extend(check_jumps(&inventory));
        mistakes.extend(one_machine_twice(&inventory));
    }
    // With a host left out, much would seem to be missing.
    (mistakes.len() == before).then_some(inventory)
}

/// Hosts that are one machine: two plans of it would undo each other. Behind other jump hosts, an address is another machine.
fn one_machine_twice(inventory: &Inventory) -> Vec<Diagnostic> {
    let mut known: BTreeMap<Place, &Host> = BTreeMap::new();
    let mut mistakes = Vec::new();
    for host in inventory.hosts.values().filter(|host| host.lab.is_none()) {
        let Some(first) = known.insert(Place::of(host), host) else {
            continue;
        };
        known.insert(Place::of(first), first);
        let title = format!("hosts `{}` and `{}` are one machine", first.name, host.name);
        let how = if host.connection.is_local() {
            "this machine too"
        } else {
            "the same address and port"
        };
        mistakes.push(
            Diagnostic::new(title)
                .at_maybe(host.origin.as_ref(), how)
                .at_maybe(first.origin.as_ref(), "the first one")
                .hint(
                    "correct the `address` or `port` of one of them, or write both as one host with the groups of both",
                ),
        );
    }
    mistakes
}

/// Where a connection ends.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Here,
    Address {
        address: String,
        port: Option<u16>,
        jump: Vec<String>,
    },
}

impl Place {
    fn of(host: &Host) -> Self {
        if host.connection.is_local() {
            return Self::Here;
        }
        let jump = host.connection.jump.clone().unwrap_or_default();
        let address = host.address.as_ref().unwrap_or(&host.name);
        // What is no address may be a name of `~/.ssh/config` with a port of its own.
        let is_address = address.parse::<std::net::IpAddr>().is_ok();
        let port = host.connection.port.or(is_address.then_some(SSH));
        Self::Address {
            address: address.to_ascii_lowercase(),
            port,
            jump,
        }
    }
}

/// Replaces `env('NAME')` in addresses and users, and returns the hosts whose address is secret.
fn render_given(table: &mut Table, variables: &Arc<Variables>, mistakes: &mut Vec<Diagnostic>) -> BTreeSet<String> {
    let mut secret = BTreeSet::new();
    let mut render = |table: &mut Table, key: &str| {
        let Some(entry) = table
            .get_mut(key)
            .filter(|entry| entry.value.as_str().is_some_and(is_template))
        else {
            return false;
        };
        let bindings = Bindings::new(TemplateData {
            variables: Arc::clone(variables),
            ..TemplateData::new(Table::new(), Err("an inventory has no facts".to_owned()))
        });
        match bindings.render(&entry.value) {
            Ok(value) if matches!(value.kind, Kind::Unknown(_)) => {
                table.shift_remove(key);
                true
            }
            Ok(value) => {
                let is_secret = value.holds_secret();
                entry.value = value.in_world(World::Real);
                is_secret
            }
            Err(mistake) => {
                mistakes.push(mistake);
                table.shift_remove(key);
                false
            }
        }
    };
    if let Some(connection) = table.get_mut("connection").and_then(Entry::table_mut) {
        render(connection, "user");
    }
    for (name, host) in table.get_mut("hosts").and_then(Entry::table_mut).into_iter().flatten() {
        let Some(host) = host.table_mut() else { continue };
        if render(host, "address") {
            secret.insert(name.clone());
        }
        if let Some(connection) = host.get_mut("connection").and_then(Entry::table_mut) {
            render(connection, "user");
        }
    }
    secret
}

fn collect<T>(result: Result<T, Diagnostic>, mistakes: &mut Vec<Diagnostic>) -> Option<T> {
    result.map_err(|mistake| mistakes.push(mistake)).ok()
}

fn connection(
    table: &mut Table,
    defaults: &ConnectionSettings,
    name: Option<&str>,
    mistakes: &mut Vec<Diagnostic>,
) -> ConnectionSettings {
    let inherited = || ConnectionSettings::default().or(defaults, name);
    let Some(Some((inner, entry))) = collect(take_table(table, "connection"), mistakes) else {
        return inherited();
    };
    let before = mistakes.len();
    refuse_not_yet(&inner, CONNECTION_NOT_YET, mistakes);
    if mistakes.len() > before {
        return inherited();
    }
    mistakes.extend(wrong_connections(&inner));
    let own: ConnectionSettings = read_struct(inner, entry.key.as_ref(), "`connection`", mistakes);
    own.or(defaults, name)
}

fn lab_defaults(table: &mut Table, mistakes: &mut Vec<Diagnostic>) -> LabSettings {
    let Some(Some((inner, entry))) = collect(take_table(table, "lab"), mistakes) else {
        return LabSettings::default();
    };
    let image = check_image(&inner);
    let settings = read_struct(inner, entry.key.as_ref(), "`lab`", mistakes);
    collect(image, mistakes);
    settings
}

/// Refuses an image that the lab cannot build.
fn check_image(lab: &Table) -> Result<(), Diagnostic> {
    let image = lab.get("image").map(|entry| &entry.value);
    let Some((value, image)) = image.and_then(|value| Some((value, value.as_str()?))) else {
        return Ok(());
    };
    if LAB_IMAGES.contains(&image) {
        return Ok(());
    }
    Err(Diagnostic::new(format!("unknown lab image `{image}`"))
        .at_maybe(value.origin.as_ref(), "no such image")
        .hint(format!("use one of `{}`", LAB_IMAGES.join("`, `"))))
}

fn read_host(
    (inventory, name): (&str, &str),
    entry: &Entry,
    (defaults, default_settings): (&ConnectionSettings, &Table),
    lab_defaults: &LabSettings,
    start: &Origin,
    mistakes: &mut Vec<Diagnostic>,
) -> Result<Host, Diagnostic> {
    let origin = entry.key.as_ref();
    check_name("host name", name, origin)?;
    let mut table = match &entry.value.kind {
        Kind::Table(table) => table.clone(),
        _ => {
            return Err(Diagnostic::new(format!("host `{name}` must be a table"))
                .at_maybe(entry.value.origin.as_ref(), format!("this is {}", entry.value.shown()))
                .hint(match entry.value.as_str() {
                    Some(text) => format!("write `{name} = {{ address = \"{text}\" }}`"),
                    None => format!("write `[hosts.{name}]` with its keys below"),
                }));
        }
    };
    let data = take_table(&mut table, "data")?
        .map(|(data, _)| data)
        .unwrap_or_default();
    check_reserved(&data, mistakes);
    let written = Written {
        own: written(&table),
        defaults: default_settings.clone(),
    };
    let connection = connection(&mut table, defaults, Some(name), mistakes);
    let lab_key = table.get("lab").and_then(|entry| entry.key.clone());
    let lab = lab(&mut table, lab_defaults, mistakes)?;
    if lab.is_some() && connection.is_local() {
        let title = format!("host `{name}` cannot use `lab` and `local` together");
        let local_key = written.entry("local").and_then(|entry| entry.key.as_ref());
        return Err(Diagnostic::new(title)
            .at_maybe(local_key, "deploys to this machine")
            .at_maybe(lab_key.as_ref(), "creates a lab host")
            .hint("remove one of them"));
    }
    check_become_user(&connection, written.value("become_user").or(origin))?;
    if lab.is_some() {
        check_lab_names(inventory, name, origin)?;
    }
    let place = origin.or(entry.value.origin.as_ref()).unwrap_or(start);
    let mut fields = Fields::new(table, place, mistakes);
    let address = fields.text("address");
    let groups = fields.names("groups");
    for (key, name) in fields.tables_except(HOST_KEYS, name) {
        fields.mistake(
            Diagnostic::new(format!("unknown key `{}` in a host", key.name))
                .at_maybe(key.origin.as_ref(), "the dot begins a table in the host")
                .hint(format!("write the name in quotes: `[hosts.\"{name}\"]`")),
        );
    }
    fields.end("a host", HOST_KEYS);
    if let Some(written) = &address {
        check_name("address", &written.name, written.origin.as_ref())?;
    }
    Ok(Host {
        name: name.to_owned(),
        address: address.map(|address| address.name),
        hides_address: false,
        groups,
        data,
        connection,
        lab,
        origin: origin.cloned(),
        jump_place: written.first_jump(),
        key_place: written.value("identity_file").cloned(),
    })
}

fn lab(
    table: &mut Table,
    defaults: &LabSettings,
    mistakes: &mut Vec<Diagnostic>,
) -> Result<Option<LabSettings>, Diagnostic> {
    let Some(entry) = table.shift_remove("lab") else {
        return Ok(None);
    };
    match &entry.value.kind {
        Kind::Bool(wanted) => Ok(wanted.then(|| defaults.clone())),
        Kind::Table(inner) => {
            let named_image = inner.contains_key("image");
            let mut settings: LabSettings = read_struct(inner.clone(), entry.key.as_ref(), "`lab`", mistakes);
            check_image(inner)?;
            if !named_image {
                settings.image.clone_from(&defaults.image);
            }
            settings.memory = settings.memory.or(defaults.memory);
            settings.registry = settings.registry.or(defaults.registry);
            settings.kubernetes = settings.kubernetes.or(defaults.kubernetes);
            settings.models = settings.models.or(defaults.models);
            settings.helm = settings.helm.or(defaults.helm);
            Ok(Some(settings))
        }
        _ => Err(Diagnostic::new("`lab` must be `true` or a table")
            .at_maybe(entry.value.origin.as_ref(), format!("this is {}", entry.value.shown()))
            .hint("write `lab = true`, or `lab = { image = \"debian:12\" }`")),
    }
}

/// The user has no effect without `sudo` or `doas`.
fn check_become_user(connection: &ConnectionSettings, origin: Option<&Origin>) -> Result<(), Diagnostic> {
    if connection.become_user.is_none() || connection.privilege.unwrap_or_default() != Become::None {
        return Ok(());
    }
    Err(Diagnostic::new("`become_user` needs `become`")
        .at_maybe(origin, "`become` is not set")
        .hint("add `become = \"sudo\"` or `become = \"doas\"`"))
}

/// The name of a lab host is also that of a container, and the inventory's name is part of it.
fn check_lab_names(inventory: &str, host: &str, origin: Option<&Origin>) -> Result<(), Diagnostic> {
    for (what, name) in [("host", host), ("inventory", inventory)] {
        check_label(name).map_err(|wrong| {
            Diagnostic::new(format!("{what} name `{name}` cannot be used for the lab"))
                .at_maybe(origin, wrong.to_string())
                .hint("use letters, digits and `-` in the names of lab hosts and their inventory")
        })?;
    }
    Ok(())
}

/// Names and addresses go on ssh's command line. Text that ssh could read as something else is refused.
fn check_name(what: &str, name: &str, origin: Option<&Origin>) -> Result<(), Diagnostic> {
    if what == "address"
        && let Some((_, rest)) = name.split_once("://")
    {
        let host = rest.split('/').next().unwrap_or_default();
        let host = host.rsplit('@').next().unwrap_or_default();
        let host = match host.rsplit_once(':') {
            Some((host, _)) if !host.contains(':') => host,
            _ => host,
        };
        return Err(Diagnostic::new(format!("`{name}` is not a valid {what}"))
            .at_maybe(origin, "this is a URL")
            .hint(format!(
                "write only the host, `address = \"{host}\"`; set `user` and `port` in `connection`"
            )));
    }
    check_address(name).map_err(|wrong| {
        Diagnostic::new(format!("`{name}` is not a valid {what}"))
            .at_maybe(origin, wrong.to_string())
            .hint(match (what, wrong) {
                ("host name", _) => "choose another name, and set `address` to where the host is".to_owned(),
                (_, UnsafeName::Port) => match name.rsplit_once(':') {
                    Some((host, port)) => {
                        let host = host.trim_matches(['[', ']']);
                        format!(
                            "write the port in `port`: `address = \"{host}\"` and `connection = {{ port = {port} }}`"
                        )
                    }
                    None => "write the port in `port` of `connection`".to_owned(),
                },
                (_, UnsafeName::Character('[' | ']')) => "write the IPv6 address without brackets".to_owned(),
                _ => "write only a host name or an IP address; set `user` and `port` in `connection`".to_owned(),
            })
    })
}
