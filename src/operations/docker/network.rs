//! `docker.network`: a network of the Docker engine.
//!
//! ```toml
//! [[operation]]
//! op = "docker.network"
//! network = "proxy"
//! subnet = "10.20.0.0/24"
//! ```

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use super::command::Docker;
use super::engine;
use super::offered::{DriverOf, check_driver, check_overlap, note_subnet};
use super::resource::{
    Pairs, check_labels, check_name, check_pairs, differences, merged, named, remaining, show_pairs, tell_hidden,
    unless_they_change,
};
use crate::change::{
    Action, Attribute, Attributed, Before, Command, NotKnown, Outcome, ResourceChange, ResourceId, ResourceKind, Risk,
    Step, Stop,
};
use crate::facts::docker::{self, BUILT_IN_NETWORKS, DOCKER, Endpoint, EndpointsKey, NetworkKey, Subnet};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::{Fact, FactKey};
use crate::operations::operation::Demand;
use crate::operations::server::names::since;
use crate::operations::{Define, Operation, PlanContext};
use crate::quote::quote;
use crate::value::Known;

/// What Docker takes without being told.
const DRIVER: &str = "bridge";

/// Parameters of `docker.network`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Network {
    /// Name of the network, such as `"proxy"`.
    network: String,
    /// Its driver, such as `"macvlan"`; a new network is `"bridge"`.
    driver: Option<String>,
    /// Its addresses, such as `"10.20.0.0/24"`; of a new network Docker chooses them.
    subnet: Option<String>,
    /// Address of the host in it, such as `"10.20.0.1"`; needs `subnet`.
    gateway: Option<String>,
    /// The part of `subnet` that containers get addresses from, such as `"10.20.0.128/25"`; needs `subnet`.
    ip_range: Option<String>,
    /// Addresses that no container gets, by name, such as `{ router = "10.20.0.2" }`; needs `subnet`.
    aux_addresses: Option<BTreeMap<String, String>>,
    /// Options of the driver, such as `{ "com.docker.network.bridge.name" = "proxy0" }`. Others stay.
    opts: Option<Pairs>,
    /// Labels. Others stay.
    labels: Option<Pairs>,
    /// `true` gives containers no way out of the network.
    internal: Option<bool>,
    /// `true` lets containers that are no services of a swarm join, which only overlay networks need.
    attachable: Option<bool>,
    /// `true` gives containers IPv6 addresses too.
    ipv6: Option<bool>,
    /// `true` removes a network that differs, and creates it again. Its containers leave it and join the new one.
    #[serde(default)]
    recreate: bool,
    /// `false` removes the network.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

impl Define for Network {
    const NAME: &'static str = "docker.network";
    const SUMMARY: &'static str = "Create or remove a network of the Docker engine";
    const MAIN_ARGUMENT: &'static str = "network";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "docker.network"
network = "proxy"
subnet = "10.20.0.0/24"
gateway = "10.20.0.1"
"#;
}

impl Operation for Network {
    fn needs(&self) -> Vec<FactKey> {
        vec![FactKey::DockerEngine, self.key()]
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        [self.key(), FactKey::DockerSubnets].map(FactScope::Key).to_vec()
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        let demand = |property: &'static str, value: String| {
            Demand::new(ResourceKind::DockerNetwork, &self.network, property, value)
        };
        let texts = [
            ("driver", &self.driver),
            ("subnet", &self.subnet),
            ("gateway", &self.gateway),
            ("ip_range", &self.ip_range),
        ];
        let texts = texts
            .into_iter()
            .filter_map(|(name, value)| Some(demand(name, value.clone()?)));
        let flags = [
            ("internal", self.internal),
            ("attachable", self.attachable),
            ("ipv6", self.ipv6),
        ];
        let flags = flags
            .into_iter()
            .filter_map(|(name, value)| Some(demand(name, value?.to_string())));
        let presence = Demand::presence(ResourceKind::DockerNetwork, &self.network, self.present);
        [presence].into_iter().chain(texts).chain(flags).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        if !engine::runs(context, "network", self.present)? {
            return Ok(Outcome::Unchanged);
        }
        let found = match since(context.get(NetworkKey(&self.network)))? {
            Ok(found) => found,
            Err((operation, why)) if self.present => {
                return Ok(Outcome::Ensure {
                    changes: vec![self.create(Before::Unknown(why))],
                    since: vec![operation],
                });
            }
            Err((operation, why)) => {
                return Err(Stop::NotKnown {
                    key: self.key(),
                    cause: NotKnown::Since(operation, why),
                });
            }
        };
        match (&found[..], self.present) {
            ([], false) => Ok(Outcome::Unchanged),
            ([], true) => {
                self.check_offered(context)?;
                let mut change = self.create(Before::Absent);
                note_subnet(context, &self.network, self.subnet.as_ref(), &mut change);
                Ok(Outcome::Change(vec![change]))
            }
            ([one], false) => self.remove(context, one),
            ([one], true) => self.update(context, one),
            (several, _) => Err(self.ambiguous(context, several)),
        }
    }
}

impl Network {
    fn key(&self) -> FactKey {
        FactKey::DockerNetwork(self.network.clone())
    }

    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        check_name(context, "network", &self.network, 1)?;
        if BUILT_IN_NETWORKS.contains(&self.network.as_str()) {
            let title = format!("`{}` is a network of Docker itself", self.network);
            return Err(context
                .refuse("network", title, "cannot be changed")
                .hint("choose another name"));
        }
        check_pairs(context, "opts", self.opts.as_ref())?;
        check_labels(context, self.labels.as_ref())?;
        let Some(subnet) = &self.subnet else {
            let needing = [
                ("gateway", self.gateway.is_some()),
                ("ip_range", self.ip_range.is_some()),
                ("aux_addresses", self.aux_addresses.is_some()),
            ];
            return match needing.into_iter().find(|(_, is_given)| *is_given) {
                None => Ok(()),
                Some((name, _)) => Err(context
                    .refuse_key(name, "missing `subnet`", format!("`{name}` is a part of a subnet"))
                    .hint("write `subnet = \"10.20.0.0/24\"`")),
            };
        };
        let whole = check_range(context, "subnet", subnet)?;
        if let Some(range) = &self.ip_range {
            let range = check_range(context, "ip_range", range)?;
            if !whole.contains(&range) {
                let title = format!("`{range}` is not in the subnet `{whole}`");
                return Err(context
                    .refuse("ip_range", title, "must be a part of `subnet`")
                    .hint(format!("write a part of `{whole}`")));
            }
        }
        let within = |address: &str| address.parse::<IpAddr>().is_ok_and(|address| whole.contains(&address));
        let outside = |address: &str| format!("`{address}` is not an address in the subnet `{whole}`");
        if let Some(gateway) = self.gateway.as_deref().filter(|gateway| !within(gateway)) {
            return Err(context
                .refuse("gateway", outside(gateway), "must be in `subnet`")
                .hint(format!("write an address of `{whole}`")));
        }
        let auxiliary = self.aux_addresses.iter().flatten();
        match auxiliary.into_iter().find(|(_, address)| !within(address)) {
            None => Ok(()),
            Some((name, address)) => Err(context
                .refuse_entry("aux_addresses", name, outside(address), "must be in `subnet`")
                .hint(format!("write an address of `{whole}`"))),
        }
    }

    /// Refuses what the engine would refuse.
    fn check_offered(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let driver = self.driver.as_deref();
        driver.map_or(Ok(()), |driver| check_driver(context, DriverOf::Networks, driver))?;
        match &self.subnet {
            // Some drivers use the addresses of the host's own network, as they should.
            Some(subnet) if driver.is_none_or(|driver| driver == "bridge") => {
                check_overlap(context, &self.network, subnet)
            }
            _ => Ok(()),
        }
    }

    fn ambiguous(&self, context: &PlanContext<'_>, several: &[docker::Network]) -> Stop {
        let ids: Vec<String> = several.iter().map(|network| short_id(&network.id)).collect();
        let title = format!(
            "the host has {} Docker networks named `{}`",
            several.len(),
            self.network
        );
        let label = format!("their ids are {}", ids.join(" and "));
        context
            .refuse("network", title, label)
            .hint("remove all but one: `docker network rm ID`")
    }

    /// The network as it has to be, where `found` is what is there.
    fn wished(&self, found: &docker::Network) -> docker::Network {
        docker::Network {
            driver: self.driver.clone().unwrap_or_else(|| found.driver.clone()),
            subnets: self.wished_subnets(&found.subnets),
            options: merged(&found.options, self.opts.as_ref()),
            labels: merged(&found.labels, self.labels.as_ref()),
            internal: self.internal.unwrap_or(found.internal),
            attachable: self.attachable.unwrap_or(found.attachable),
            ipv6: self.ipv6.unwrap_or(found.ipv6),
            ..found.clone()
        }
    }

    fn wished_subnets(&self, found: &Known<Vec<Subnet>>) -> Known<Vec<Subnet>> {
        let Some(subnet) = &self.subnet else {
            return found.clone();
        };
        let mut subnets = match found {
            Known::Yes(subnets) => subnets.clone(),
            Known::No(_) => Vec::new(),
        };
        let is_ipv6 = |subnet: &str| subnet.contains(':');
        let at = subnets.iter().position(|one| is_ipv6(&one.subnet) == is_ipv6(subnet));
        let at = at.unwrap_or_else(|| {
            subnets.push(Subnet::default());
            subnets.len() - 1
        });
        let one = &mut subnets[at];
        if !is_same_range(&one.subnet, subnet) {
            // What it had belongs to the other addresses.
            *one = Subnet {
                subnet: subnet.clone(),
                gateway: self.gateway.clone(),
                ..Subnet::default()
            };
        }
        if let Some(gateway) = self.gateway.as_ref().filter(|gateway| !is_gateway(one, gateway)) {
            one.gateway = Some(gateway.clone());
        }
        if let Some(range) = &self.ip_range
            && one.ip_range.as_ref().is_none_or(|found| !is_same_range(found, range))
        {
            one.ip_range = Some(range.clone());
        }
        let auxiliary = self.aux_addresses.clone().into_iter().flatten();
        one.aux_addresses.extend(auxiliary);
        Known::Yes(subnets)
    }

    fn new_network(&self) -> docker::Network {
        let blank = docker::Network {
            id: Known::No("Docker chooses it".to_owned()),
            driver: DRIVER.to_owned(),
            subnets: Known::No("Docker chooses it".to_owned()),
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
            internal: false,
            attachable: false,
            ipv6: false,
            containers: Vec::new(),
        };
        self.wished(&blank)
    }

    fn change(&self, action: Action, before: Before, after: Option<&docker::Network>) -> ResourceChange {
        let id = ResourceId::new(ResourceKind::DockerNetwork, &self.network);
        let mut change = ResourceChange::new(id, action, before, after.map(attributed));
        let left = after.map(|network| docker::Network {
            id: Known::No("Docker chooses it".to_owned()),
            ..network.clone()
        });
        change.effects = vec![Effect::Set(self.key(), Fact::DockerNetwork(left.into_iter().collect()))];
        change
    }

    fn step(&self, verb: &str, script: String) -> Vec<Step> {
        let summary = format!("docker network {verb} {}", self.network);
        vec![Step::Run(Command::new(summary, script))]
    }

    fn create(&self, before: Before) -> ResourceChange {
        let network = self.new_network();
        let mut change = self.change(Action::Create, before, Some(&network));
        change.steps = self.step("create", creation(&self.network, &network));
        change
    }

    fn remove(&self, context: &PlanContext<'_>, found: &docker::Network) -> Result<Outcome, Stop> {
        let users = remaining(context, &found.containers);
        if !users.is_empty() {
            let title = format!("Docker network `{}` is in use", self.network);
            let label = format!("containers: {}", named(&users));
            let refusal = context
                .refuse("network", title, label)
                .hint("remove these containers first, or disconnect them: `docker network disconnect`");
            return Err(unless_they_change(context, self.key(), refusal));
        }
        let before = Before::Present(attributed(found));
        let mut change = self.change(Action::Remove, before, None);
        change.risk = Risk::Removal;
        change.steps = self.step("rm", Docker::new(&["network", "rm"]).on(self.id_of(found)));
        Ok(Outcome::Change(vec![change]))
    }

    fn update(&self, context: &PlanContext<'_>, found: &docker::Network) -> Result<Outcome, Stop> {
        if let (Known::No(why), Some(_)) = (&found.subnets, &self.subnet)
            && let Some(operation) = context.predicted_by(&self.key())
        {
            return Err(Stop::NotKnown {
                key: self.key(),
                cause: NotKnown::Since(operation, why.clone()),
            });
        }
        let wished = self.wished(found);
        if wished == *found {
            return Ok(Outcome::Unchanged);
        }
        let (before, mut after) = (attributed(found), attributed(&wished));
        tell_hidden(&before, &mut after);
        if !self.recreate {
            return Err(self.refuse_recreation(context, found, &differences(&before, &after)));
        }
        self.check_offered(context)?;
        let endpoints = if found.containers.is_empty() {
            Vec::new()
        } else {
            context.get(EndpointsKey(&self.network))?
        };
        let dropped = dropped(&endpoints, &wished.subnets);
        if !found.containers.is_empty() {
            after.insert("reconnects", Attribute::known(found.containers.join(", ")));
            let lost = lost(&endpoints, &dropped);
            if !lost.is_empty() {
                after.insert("loses", Attribute::known(lost.join(", ")));
            }
        }
        let mut change = self.change(Action::Update, Before::Present(before), Some(&wished));
        change.after = Some(after);
        change.risk = if found.containers.is_empty() {
            Risk::None
        } else {
            Risk::Restart
        };
        change.steps = self.step("create", self.recreation(found, &wished, &dropped));
        note_subnet(context, &self.network, self.subnet.as_ref(), &mut change);
        Ok(Outcome::Change(vec![change]))
    }

    fn refuse_recreation(&self, context: &PlanContext<'_>, found: &docker::Network, differences: &str) -> Stop {
        let title = format!("Docker network `{}` differs, and Docker cannot change it", self.network);
        let stop = context.refuse("network", title, differences);
        if found.containers.is_empty() {
            return stop.hint("write `recreate = true` to have it removed and created again: no container uses it");
        }
        let users = named(&found.containers);
        stop.hint(format!(
            "write `recreate = true` to have it removed and created again: that interrupts {users}"
        ))
    }

    /// By its id, a network that someone made anew since the review is left alone.
    fn id_of<'a>(&'a self, found: &'a docker::Network) -> &'a str {
        match &found.id {
            Known::Yes(id) => id,
            Known::No(_) => &self.network,
        }
    }

    /// If the new network cannot be created, or a container cannot join it, the old one comes back with its containers.
    fn recreation(&self, found: &docker::Network, wished: &docker::Network, dropped: &[String]) -> String {
        let remove = Docker::new(&["network", "rm"]).on(self.id_of(found));
        let create = creation(&self.network, wished);
        let create_again = creation(&self.network, found);
        if found.containers.is_empty() {
            return format!("{remove} && {{ {create} || {{ s=$?; {create_again}; exit $s; }}; }}");
        }
        format!(
            "{ends}\n\
             leave {id}\n\
             {remove} || {{ s=$?; dropped=; join {id} || lost; exit $s; }}\n\
             {create} && join {name} && exit\n\
             s=$?; dropped=; leave {name}; {remove_new} 2>&1; {create_again}; join {name} || {{ echo {by_hand} >&2; lost; }}; exit $s",
            by_hand = quote(&definition(found).shown(&self.network)),
            ends = self.ends(found, dropped),
            id = quote(self.id_of(found)),
            name = quote(&self.network),
            remove_new = Docker::new(&["network", "rm"]).on(&self.network),
        )
    }

    /// Shell text that reads how containers are connected, and has them `leave` and `join` a network. Each joins with its aliases and
    /// its fixed addresses, but for `dropped`. Those with addresses of their own join first, before others get these. `lost` says how
    /// to connect them by hand.
    fn ends(&self, found: &docker::Network, dropped: &[String]) -> String {
        let addresses = "{{with .IPAMConfig}}{{with .IPv4Address}} --ip {{.}}{{end}}{{with .IPv6Address}} --ip6 {{.}}{{end}}{{end}}";
        let format = format!(
            "{{{{.ID}}}}{{{{with index .NetworkSettings.Networks \"{}\"}}}}{addresses}{{{{range .Aliases}}}} --alias {{{{.}}}}{{{{end}}}}{{{{end}}}}",
            self.network
        );
        let words = ["inspect", "--type", "container", "--format", &format];
        let inspect = Docker::new(&words).of(found.containers.iter().map(String::as_str));
        format!(
            "set -f\n\
             ends=$({inspect}) || exit\n\
             ends=$(printf '%s\\n' \"$ends\" | grep -e ' --ip'; printf '%s\\n' \"$ends\" | grep -v -e ' --ip')\n\
             dropped={dropped}\n\
             each() {{ printf '%s\\n' \"$ends\" | {{ s=0; while read -r container options; do \"$@\" </dev/null || s=1; done; exit $s; }}; }}\n\
             left() {{ {DOCKER} network disconnect -f \"$1\" \"$container\" >/dev/null 2>&1; }}\n\
             joined() {{ {DOCKER} network connect $(printf ' %s ' \"$options\" | sed \"$dropped\") \"$1\" \"$container\"; }}\n\
             by_hand() {{ echo \"docker network connect $options $1 $container\"; }}\n\
             leave() {{ each left \"$1\"; }}\n\
             join() {{ each joined \"$1\"; }}\n\
             lost() {{ {{ each by_hand {name}; echo {lost}; }} >&2; }}",
            dropped = quote(&without(dropped)),
            lost = quote(&format!(
                "{} may be disconnected: run these commands",
                named(&found.containers)
            )),
            name = quote(&self.network),
        )
    }
}

/// The fixed addresses that the new network does not have.
fn dropped(endpoints: &[Endpoint], subnets: &Known<Vec<Subnet>>) -> Vec<String> {
    let Known::Yes(subnets) = subnets else {
        return Vec::new();
    };
    let ranges: Vec<IpNet> = subnets.iter().filter_map(|one| one.subnet.parse().ok()).collect();
    let is_dropped = |address: &&String| {
        let address = address.parse::<IpAddr>();
        address.is_ok_and(|address| !ranges.iter().any(|range| range.contains(&address)))
    };
    let all = endpoints.iter().flat_map(|endpoint| &endpoint.addresses);
    all.filter(is_dropped).cloned().collect()
}

/// What containers have in a network and do not get in the new one, in words. `docker network connect` knows no MAC address.
fn lost(endpoints: &[Endpoint], dropped: &[String]) -> Vec<String> {
    let mut lost = Vec::new();
    for endpoint in endpoints {
        let addresses = endpoint.addresses.iter().filter(|address| dropped.contains(address));
        let addresses = addresses.map(|address| format!("address {address}"));
        let mac = endpoint.mac.iter().map(|mac| format!("MAC address {mac}"));
        lost.extend(
            addresses
                .chain(mac)
                .map(|what| format!("{what} of {}", endpoint.container)),
        );
    }
    lost
}

/// A script of sed that removes the options of these addresses.
fn without(addresses: &[String]) -> String {
    let patterns: Vec<String> = addresses
        .iter()
        .map(|address| format!("s/ --ip6* {} / /", address.replace('.', "[.]")))
        .collect();
    patterns.join("; ")
}

fn creation(name: &str, network: &docker::Network) -> String {
    definition(network).on(name)
}

/// The command without the name.
fn definition(network: &docker::Network) -> Docker {
    let subnets = match &network.subnets {
        Known::Yes(subnets) => &subnets[..],
        Known::No(_) => &[],
    };
    let mut command = Docker::new(&["network", "create"]).option("--driver", Some(&network.driver));
    for subnet in subnets {
        command = command
            .option("--subnet", Some(&subnet.subnet))
            .option("--gateway", subnet.gateway.as_deref())
            .option("--ip-range", subnet.ip_range.as_deref())
            .pairs("--aux-address", &subnet.aux_addresses);
    }
    command
        .flag("--internal", network.internal)
        .flag("--attachable", network.attachable)
        .flag("--ipv6", network.ipv6)
        .pairs("--opt", &network.options)
        .pairs("--label", &network.labels)
}

/// Refuses what is not a range of addresses in its shortest form, which Docker would take for another one.
fn check_range(context: &PlanContext<'_>, argument: &str, text: &str) -> Result<IpNet, Stop> {
    let refuse = |label: String| {
        let title = format!("`{text}` is not a valid range of addresses");
        context.refuse(argument, title, label)
    };
    let range: IpNet = text.parse().map_err(|_| {
        refuse("write an address, `/` and the number of its bits that all have in common".to_owned())
            .hint("write it like \"10.20.0.0/24\"")
    })?;
    let first = range.trunc();
    if first == range {
        Ok(range)
    } else {
        Err(refuse("this is not the first address of its range".to_owned()).hint(format!("write \"{first}\"")))
    }
}

fn is_same_range(one: &str, other: &str) -> bool {
    let range = |text: &str| text.parse::<IpNet>().ok().map(|range| range.trunc());
    one == other || range(one).is_some_and(|one| range(other) == Some(one))
}

/// Whether this is the gateway. Docker does not name the one that it chose itself: the first address, or that of the range that
/// containers get theirs from.
fn is_gateway(subnet: &Subnet, gateway: &str) -> bool {
    let Ok(gateway) = gateway.parse::<IpAddr>() else {
        return false;
    };
    match &subnet.gateway {
        Some(found) => found.split('/').next().and_then(|found| found.parse().ok()) == Some(gateway),
        None if subnet.ip_range.is_some() => false,
        None => subnet
            .subnet
            .parse::<IpNet>()
            .is_ok_and(|range| range.hosts().next() == Some(gateway)),
    }
}

fn short_id(id: &Known<String>) -> String {
    match id {
        Known::Yes(id) => quote(id.get(..12).unwrap_or(id)),
        Known::No(why) => why.clone(),
    }
}

fn attributed(network: &docker::Network) -> Attributed {
    let mut attributed = Attributed::new();
    attributed.insert("driver", Attribute::known(&network.driver));
    match &network.subnets {
        Known::No(why) => drop(attributed.insert("subnet", Attribute::Unknown(why.clone()))),
        Known::Yes(subnets) => show_subnets(&mut attributed, subnets),
    }
    let flags = [
        ("internal", network.internal),
        ("attachable", network.attachable),
        ("IPv6", network.ipv6),
    ];
    for (name, _) in flags.into_iter().filter(|(_, is_set)| *is_set) {
        attributed.insert(name, Attribute::known("yes"));
    }
    show_pairs(&mut attributed, "options", &network.options);
    show_pairs(&mut attributed, "labels", &network.labels);
    attributed
}

fn show_subnets(attributed: &mut Attributed, subnets: &[Subnet]) {
    let mut show = |name: &'static str, of: &dyn Fn(&Subnet) -> Option<String>| {
        let texts: Vec<String> = subnets.iter().filter_map(of).collect();
        if !texts.is_empty() {
            attributed.insert(name, Attribute::known(texts.join(", ")));
        }
    };
    show("subnet", &|subnet| Some(subnet.subnet.clone()));
    show("gateway", &|subnet| subnet.gateway.clone());
    show("ip range", &|subnet| subnet.ip_range.clone());
    let mut auxiliary = BTreeMap::new();
    for subnet in subnets {
        auxiliary.extend(subnet.aux_addresses.clone());
    }
    show_pairs(attributed, "reserved", &auxiliary);
}
