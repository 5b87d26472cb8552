//! What apt prints of a simulation.

use crate::facts::apt::{SimulatedInstall, SimulatedRemoval, Simulation};

/// The simulation in what apt printed.
pub(super) fn simulation(lines: &[String]) -> Simulation {
    let mut simulation = Simulation::default();
    for line in lines {
        if let Some(rest) = line.strip_prefix("Inst ") {
            simulation.installs.extend(simulated_install(rest));
        } else if let Some(rest) = line.strip_prefix("Remv ") {
            simulation.removals.extend(simulated_removal(rest));
        } else if let Some((name, _)) = line.strip_prefix("Conf ").and_then(|rest| rest.split_once(' ')) {
            simulation.configures.push(name.to_owned());
        }
    }
    let Simulation {
        installs, configures, ..
    } = &mut simulation;
    configures.retain(|name| !installs.iter().any(|install| install.name == *name));
    simulation.held = listed_below(lines, "The following held packages will be changed:");
    simulation.downgrades = listed_below(lines, "The following packages will be DOWNGRADED:");
    simulation
}

/// The names that apt lists below a heading.
fn listed_below(lines: &[String], heading: &str) -> Vec<String> {
    let below = lines.iter().skip_while(|line| *line != heading).skip(1);
    let names = below.map_while(|line| line.strip_prefix("  "));
    names.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

/// `name [old]`, followed by the packages that need it.
fn simulated_removal(line: &str) -> Option<SimulatedRemoval> {
    let (name, rest) = line.split_once(' ')?;
    let old = rest.strip_prefix('[')?.split(']').next()?;
    Some(SimulatedRemoval {
        name: name.to_owned(),
        old: old.to_owned(),
    })
}

/// `name [old] (new origin [arch]) []`, the old version only for an upgrade.
fn simulated_install(line: &str) -> Option<SimulatedInstall> {
    let (name, rest) = line.split_once(' ')?;
    let (before, after) = rest.split_once('(')?;
    Some(SimulatedInstall {
        name: name.to_owned(),
        old: before
            .trim()
            .strip_prefix('[')
            .and_then(|old| old.strip_suffix(']'))
            .map(str::to_owned),
        automatic: false,
        new: after.split(' ').next()?.to_owned(),
    })
}
