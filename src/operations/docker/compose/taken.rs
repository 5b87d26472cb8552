//! What services need for themselves on a host: ports, and names of containers. Who else has them is found before anything changes.

use super::decision::{Decision, Situation, What};
use crate::change::{ResourceKind, Stop};
use crate::facts::compose::Config;
use crate::facts::port::{Holder, Ports};
use crate::operations::{Demand, PlanContext};

/// Refuses ports and names that others have, unless an earlier operation may change that.
pub(super) fn check(
    context: &PlanContext<'_>,
    argument: &str,
    situation: &Situation<'_>,
    decisions: &[Decision],
) -> Result<(), Stop> {
    for decision in decisions {
        let Some(service) = situation.config.services.get(&decision.service) else {
            continue;
        };
        if matches!(
            decision.what,
            What::Nothing | What::Reload { .. } | What::Restart(_) | What::Remove
        ) {
            continue;
        }
        let name = &decision.service;
        let mut others = situation
            .now
            .others
            .iter()
            .filter(|other| !context.may_change_container(other.project.as_deref(), &other.container));
        if let Some(holder) = others
            .clone()
            .find(|other| service.container_name.as_ref() == Some(&other.container))
        {
            let title = format!(
                "the name `{}` for the container of service `{name}` is taken",
                holder.container
            );
            let label = match &holder.project {
                Some(project) => format!("a container of compose project `{project}` has it"),
                None => "a container of no compose project has it".to_owned(),
            };
            return Err(context.refuse(argument, title, label).hint(format!(
                "give the service another `container_name`, or remove that container (`docker rm -f {}`)",
                holder.container
            )));
        }
        let wanted: Vec<Ports> = service.ports.iter().filter_map(|port| Ports::published(port)).collect();
        let has = |holder: &&Holder| {
            holder
                .ports
                .iter()
                .any(|port| wanted.iter().any(|one| one.overlap(port)))
        };
        if let Some(holder) = others.find(has) {
            let title = format!("port {} of service `{name}` is taken", shared(&wanted, &holder.ports));
            let label = match &holder.project {
                Some(project) => format!(
                    "container `{}` of compose project `{project}` publishes it",
                    holder.container
                ),
                None => format!("container `{}` publishes it", holder.container),
            };
            return Err(context
                .refuse(argument, title, label)
                .hint("publish another port, or stop that container first"));
        }
        let listener = situation
            .now
            .listeners
            .iter()
            .find(|listener| wanted.iter().any(|one| one.overlap(&listener.port)));
        if let Some(listener) = listener.filter(|_| !context.may_change_programs()) {
            let title = format!(
                "port {} of service `{name}` is taken",
                shared(&wanted, std::slice::from_ref(&listener.port))
            );
            let label = match &listener.program {
                Some(program) => format!("`{program}` listens on it"),
                None => "a program of the host listens on it".to_owned(),
            };
            return Err(context
                .refuse(argument, title, label)
                .hint("publish another port, or stop that program first, in an earlier operation"));
        }
    }
    Ok(())
}

/// The first of these ports that the others have too.
fn shared(wanted: &[Ports], others: &[Ports]) -> String {
    let is_shared = |one: &&Ports| others.iter().any(|other| one.overlap(other));
    wanted
        .iter()
        .find(is_shared)
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// What two projects of one deploy cannot both have.
pub(super) fn demands(project: &str, config: &Config) -> Vec<Demand> {
    let mut demands = Vec::new();
    for (name, service) in &config.services {
        let whose = format!("{project}/{name}");
        let mut add = |kind, what: &str| {
            demands.push(Demand::new(kind, what, "container", whose.clone()));
        };
        for port in service.ports.iter().filter_map(|port| Ports::published(port)) {
            add(ResourceKind::Port, &port.to_string());
        }
        if let Some(container) = &service.container_name {
            add(ResourceKind::ContainerName, container);
        }
    }
    demands
}
