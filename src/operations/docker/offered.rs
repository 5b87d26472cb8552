//! Whether the engine can give a network or a volume what is asked for: a driver that it has, and addresses that are left.

use ipnet::IpNet;

use super::resource::{named, unless_they_change};
use crate::change::{NotKnown, ResourceChange, Stop};
use crate::facts::docker::{DriversKey, INTERFACE, NetworkKey, SubnetsKey};
use crate::facts::overlay::Effect;
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;

/// What drivers are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DriverOf {
    Networks,
    Volumes,
}

impl DriverOf {
    /// Those that every engine has.
    fn built_in(self) -> &'static [&'static str] {
        match self {
            Self::Networks => &["bridge", "host", "ipvlan", "macvlan", "none", "null", "overlay"],
            Self::Volumes => &["local"],
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Networks => "networks",
            Self::Volumes => "volumes",
        }
    }
}

/// `found`, or nothing where it is known only later, or to others.
///
/// Errors: it was not read yet.
fn if_known<T>(found: Result<T, Stop>) -> Result<Option<T>, Stop> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Stop::NotKnown {
            cause: NotKnown::Since(..) | NotKnown::Denied(_),
            ..
        }) => Ok(None),
        Err(stop) => Err(stop),
    }
}

/// Refuses a driver that the engine does not have, unless an earlier command may install it.
pub(super) fn check_driver(context: &PlanContext<'_>, of: DriverOf, driver: &str) -> Result<(), Stop> {
    if of.built_in().contains(&driver) {
        return Ok(());
    }
    let Some(drivers) = if_known(context.get(DriversKey))? else {
        return Ok(());
    };
    let has = match of {
        DriverOf::Networks => drivers.networks,
        DriverOf::Volumes => drivers.volumes,
    };
    // Plugins have a tag, which need not be written.
    let is_it = |name: &String| name == driver || name.strip_suffix(":latest") == Some(driver);
    if has.is_empty() || has.iter().any(is_it) {
        return Ok(());
    }
    let title = format!("the Docker engine has no driver `{driver}` for {}", of.word());
    let refusal = context
        .refuse("driver", title, format!("it has {}", named(&has)))
        .hint("correct the name, or install the plugin first: `docker plugin install`");
    Err(unless_they_change(context, FactKey::DockerDrivers, refusal))
}

/// Refuses addresses that another network has: Docker would.
pub(super) fn check_overlap(context: &PlanContext<'_>, network: &str, subnet: &str) -> Result<(), Stop> {
    let Some(all) = if_known(context.get(SubnetsKey))? else {
        return Ok(());
    };
    let Ok(own) = subnet.parse::<IpNet>() else {
        return Ok(());
    };
    let overlaps = |other: &&String| {
        let other = other.parse::<IpNet>();
        other.is_ok_and(|other| own.contains(&other) || other.contains(&own))
    };
    for (name, subnets) in all.iter().filter(|(name, _)| *name != network) {
        let Some(other) = subnets.iter().find(overlaps) else {
            continue;
        };
        if let Some(interface) = name.strip_prefix(INTERFACE) {
            // A network that Docker has with a bridge of this name.
            let is_dockers = |(name, subnets): (&String, &Vec<String>)| {
                !name.starts_with(INTERFACE) && subnets.iter().any(|subnet| is_in(other, subnet))
            };
            if all.iter().any(is_dockers) {
                continue;
            }
            let title = format!("`{subnet}` is in the way of the host's own addresses");
            let label = format!("interface `{interface}` has `{other}`");
            let hint = "choose addresses that the host does not use: others could not reach it any more";
            return Err(context.refuse("subnet", title, label).hint(hint));
        }
        // An earlier operation may remove it.
        if context.predicted_by(&FactKey::DockerNetwork(name.clone())).is_some()
            && context.get(NetworkKey(name)).is_ok_and(|left| left.is_empty())
        {
            continue;
        }
        let title = format!("`{subnet}` overlaps with the Docker network `{name}`");
        let refusal = context
            .refuse("subnet", title, format!("`{name}` has `{other}`"))
            .hint("choose addresses that no network of the host has; `docker network inspect` shows them");
        return Err(unless_they_change(context, FactKey::DockerSubnets, refusal));
    }
    Ok(())
}

/// Whether an address is one of a network.
fn is_in(address: &str, subnet: &str) -> bool {
    let (Ok(address), Ok(subnet)) = (address.parse::<IpNet>(), subnet.parse::<IpNet>()) else {
        return false;
    };
    subnet.contains(&address.addr())
}

/// Adds what a change leaves of addresses, for the networks after it.
pub(super) fn note_subnet(
    context: &PlanContext<'_>,
    network: &str,
    subnet: Option<&String>,
    change: &mut ResourceChange,
) {
    let known = context.known_fact(&FactKey::DockerSubnets);
    if let (Some(subnet), Some(Fact::DockerSubnets(mut all))) = (subnet, known) {
        all.insert(network.to_owned(), vec![subnet.clone()]);
        change
            .effects
            .push(Effect::Set(FactKey::DockerSubnets, Fact::DockerSubnets(all)));
    }
}
