//! What services need on a host: ports and names of containers for themselves, and the files of their secrets and configs. That others
//! have these, or that a file is missing, is found before anything changes.

use super::decision::{Decision, Situation, What};
use crate::change::{NotKnown, ResourceKind, Stop};
use crate::facts::compose::{Config, Container, Service};
use crate::facts::docker::Reference;
use crate::facts::path::PathFact;
use crate::facts::port::{Holder, Ports};
use crate::operations::{Demand, PlanContext};

/// Refuses ports and names that others have, and files that are not there, unless an earlier operation may change that.
pub(super) fn check(
    context: &PlanContext<'_>,
    argument: &str,
    situation: &Situation<'_>,
    decisions: &[Decision],
) -> Result<(), Stop> {
    if let Some(name) = situation.config.services.keys().find(|name| name.starts_with('-')) {
        let title = format!("`{name}` is not a valid name for a service");
        return Err(context
            .refuse(argument, title, "`docker compose` takes it as an option")
            .hint("write a name that begins with a letter or digit"));
    }
    check_directory(context, argument, situation, decisions)?;
    for decision in decisions {
        let Some(service) = situation.config.services.get(&decision.service) else {
            continue;
        };
        let one = Needing {
            context,
            argument,
            situation,
            name: &decision.service,
            service,
        };
        one.check_image()?;
        one.check_source()?;
        match decision.what {
            What::Nothing | What::Reload { .. } | What::Remove => continue,
            What::Restart(_) => {}
            What::Create | What::Recreate(_) | What::Scale { .. } | What::Start => {
                one.check_name()?;
                one.check_ports()?;
            }
        }
        one.check_files()?;
    }
    Ok(())
}

/// Refuses to remove services of another directory whose project has the same name.
fn check_directory(
    context: &PlanContext<'_>,
    argument: &str,
    situation: &Situation<'_>,
    decisions: &[Decision],
) -> Result<(), Stop> {
    let is_removed = |service: &str| {
        let of_service = decisions.iter().find(|one| one.service == service);
        of_service.is_some_and(|one| one.what == What::Remove)
    };
    let is_foreign = |container: &&Container| {
        let is_elsewhere = !container.directory.is_empty() && container.directory != situation.directory;
        is_elsewhere && is_removed(&container.service)
    };
    let Some(foreign) = situation.now.containers.iter().find(is_foreign) else {
        return Ok(());
    };
    let (project, other) = (situation.project, &foreign.directory);
    let title = format!("the name of compose project `{project}` is taken");
    let label = format!("service `{}` of the project in `{other}` has it", foreign.service);
    Err(context.refuse(argument, title, label).hint(format!(
        "give this one another `project_name`; if it has moved here from there, remove the old one first: `docker compose -p {project} down`"
    )))
}

/// A service whose containers are started.
struct Needing<'a, 'c> {
    context: &'a PlanContext<'c>,
    argument: &'a str,
    situation: &'a Situation<'a>,
    name: &'a str,
    service: &'a Service,
}

impl Needing<'_, '_> {
    fn refuse(&self, title: String, label: String) -> Stop {
        self.context.refuse(self.argument, title, label)
    }

    fn check_image(&self) -> Result<(), Stop> {
        let Some(image) = self.service.image.as_ref().filter(|_| self.service.build.is_none()) else {
            return Ok(());
        };
        let Err(label) = Reference::parse(image) else {
            return Ok(());
        };
        let title = format!(
            "`{image}` of service `{}` is not a valid name for a Docker image",
            self.name
        );
        let refused = self.context.refuse(self.argument, title, label);
        Err(if image.contains("{{") {
            refused.hint("rename the compose file so that it ends in `.j2`: only then it is rendered")
        } else {
            refused.hint("write the name as for `docker pull`")
        })
    }

    /// compose says nothing of the value, so that a change of it would never reach the container.
    fn check_source(&self) -> Result<(), Stop> {
        let Some(source) = &self.service.from_environment else {
            return Ok(());
        };
        let title = format!("`{source}` of service `{}` comes from a variable", self.name);
        let label = "a secret or config with `environment` is not supported";
        Err(self
            .refuse(title, label.to_owned())
            .hint("put it into a file of the stack, and name that with `file`"))
    }

    /// The containers of others that stay as they are until then.
    fn others(&self) -> impl Iterator<Item = &Holder> {
        let others = self.situation.now.others.iter();
        others.filter(|other| {
            let project = other.project.as_deref();
            !self.context.may_change_container(project, &other.container)
        })
    }

    fn check_name(&self) -> Result<(), Stop> {
        let wanted = self.service.container_name.as_ref();
        let Some(holder) = self.others().find(|other| wanted == Some(&other.container)) else {
            return Ok(());
        };
        let (name, taken) = (self.name, &holder.container);
        let title = format!("the name `{taken}` for the container of service `{name}` is taken");
        let label = match &holder.project {
            Some(project) => format!("a container of compose project `{project}` has it"),
            None => "a container of no compose project has it".to_owned(),
        };
        Err(self.refuse(title, label).hint(format!(
            "give the service another `container_name`, or remove that container (`docker rm -f {taken}`)"
        )))
    }

    fn check_ports(&self) -> Result<(), Stop> {
        let published = self.service.ports.iter();
        let wanted: Vec<Ports> = published.filter_map(|port| Ports::published(port)).collect();
        let is_wanted = |port: &Ports| wanted.iter().any(|one| one.overlap(port));
        let is_taken = |others: &[Ports]| {
            let port = wanted.iter().find(|one| others.iter().any(|other| one.overlap(other)));
            let port = port.map(ToString::to_string).unwrap_or_default();
            format!("port {port} of service `{}` is taken", self.name)
        };
        if let Some(holder) = self.others().find(|other| other.ports.iter().any(is_wanted)) {
            let container = &holder.container;
            let label = match &holder.project {
                Some(project) => format!("container `{container}` of compose project `{project}` publishes it"),
                None => format!("container `{container}` publishes it"),
            };
            return Err(self
                .refuse(is_taken(&holder.ports), label)
                .hint("publish another port, or stop that container first"));
        }
        let mut listeners = self.situation.now.listeners.iter();
        let listener = listeners.find(|listener| is_wanted(&listener.port));
        let Some(listener) = listener.filter(|_| !self.context.may_change_programs()) else {
            return Ok(());
        };
        let label = match &listener.program {
            Some(program) => format!("`{program}` listens on it"),
            None => "a program of the host listens on it".to_owned(),
        };
        Err(self
            .refuse(is_taken(std::slice::from_ref(&listener.port)), label)
            .hint("publish another port, or stop that program first, in an earlier operation"))
    }

    /// compose itself only warns of a secret whose file is missing.
    fn check_files(&self) -> Result<(), Stop> {
        for path in &self.service.files {
            if self.situation.files.contains_key(path) {
                continue;
            }
            match self.context.path(path) {
                Ok(PathFact::Absent) => {
                    let title = format!("`{path}` is missing");
                    let label = format!("service `{}` has it as a secret or config", self.name);
                    return Err(self
                        .refuse(title, label)
                        .hint("add it to the stack, or create it in an earlier operation"));
                }
                Err(
                    stop @ Stop::NotKnown {
                        cause: NotKnown::NotGathered,
                        ..
                    },
                ) => return Err(stop),
                _ => {}
            }
        }
        Ok(())
    }
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
