//! `docker.volume`: a volume of the Docker engine.
//!
//! ```toml
//! [[operation]]
//! op = "docker.volume"
//! volume = "media"
//! ```

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::command::Docker;
use super::engine;
use super::offered::{DriverOf, check_driver};
use super::resource::{
    Pairs, check_labels, check_name, check_pairs, differences, merged, named, remaining, show_pairs, tell_hidden,
    unless_they_change,
};
use crate::change::{
    Action, Attribute, Attributed, Before, Command, NotKnown, Outcome, ResourceChange, ResourceId, ResourceKind, Risk,
    Step, Stop,
};
use crate::facts::docker::{self, VolumeKey};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::{Fact, FactKey};
use crate::operations::operation::Demand;
use crate::operations::server::names::since;
use crate::operations::{Define, Operation, PlanContext};

/// What Docker takes without being told.
const DRIVER: &str = "local";

/// Parameters of `docker.volume`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Volume {
    /// Name of the volume, such as `"media"`.
    volume: String,
    /// Its driver; a new volume is `"local"`.
    driver: Option<String>,
    /// Options of the driver, such as `{ type = "nfs", o = "addr=nas,rw", device = ":/media" }`. Others stay.
    opts: Option<Pairs>,
    /// Labels. Others stay.
    labels: Option<Pairs>,
    /// `true` removes a volume that differs, and creates it again. Data in it is lost, unless it is on a server or in a
    /// directory that the options name.
    #[serde(default)]
    recreate: bool,
    /// `true` lets `present = false` remove a volume with its data.
    #[serde(default)]
    delete_data: bool,
    /// `false` removes the volume; needs `delete_data = true`.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

impl Define for Volume {
    const NAME: &'static str = "docker.volume";
    const SUMMARY: &'static str = "Create or remove a volume of the Docker engine";
    const MAIN_ARGUMENT: &'static str = "volume";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "docker.volume"
volume = "media"
opts = { type = "nfs", o = "addr=nas.lan,rw", device = ":/media" }
"#;
}

impl Operation for Volume {
    fn needs(&self) -> Vec<FactKey> {
        vec![FactKey::DockerEngine, self.key()]
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(self.key())]
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        let kind = ResourceKind::DockerVolume;
        let driver = self.driver.as_ref();
        let driver = driver.map(|driver| Demand::new(kind, &self.volume, "driver", driver));
        let presence = Demand::presence(kind, &self.volume, self.present);
        [presence].into_iter().chain(driver).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_name(context, "volume", &self.volume, 2)?;
        check_pairs(context, "opts", self.opts.as_ref())?;
        check_labels(context, self.labels.as_ref())?;
        if !engine::runs(context, "volume", self.present)? {
            return Ok(Outcome::Unchanged);
        }
        match (since(context.get(VolumeKey(&self.volume)))?, self.present) {
            (Ok(None), false) => Ok(Outcome::Unchanged),
            (Ok(None), true) => {
                self.check_driver(context)?;
                Ok(Outcome::Change(vec![self.create(Before::Absent)]))
            }
            (Ok(Some(found)), false) => self.remove(context, &found),
            (Ok(Some(found)), true) => self.update(context, &found),
            (Err((operation, why)), true) => Ok(Outcome::Ensure {
                changes: vec![self.create(Before::Unknown(why))],
                since: vec![operation],
            }),
            (Err((operation, why)), false) => Err(Stop::NotKnown {
                key: self.key(),
                cause: NotKnown::Since(operation, why),
            }),
        }
    }
}

impl Volume {
    fn key(&self) -> FactKey {
        FactKey::DockerVolume(self.volume.clone())
    }

    /// The volume as it has to be, where `found` is what is there.
    fn wished(&self, found: &docker::Volume) -> docker::Volume {
        docker::Volume {
            driver: self.driver.clone().unwrap_or_else(|| found.driver.clone()),
            options: merged(&found.options, self.opts.as_ref()),
            labels: merged(&found.labels, self.labels.as_ref()),
            containers: found.containers.clone(),
        }
    }

    fn change(&self, action: Action, before: Before, after: Option<&docker::Volume>) -> ResourceChange {
        let id = ResourceId::new(ResourceKind::DockerVolume, &self.volume);
        let mut change = ResourceChange::new(id, action, before, after.map(attributed));
        change.effects = vec![Effect::Set(self.key(), Fact::DockerVolume(after.cloned()))];
        change
    }

    fn step(&self, verb: &str, script: String) -> Vec<Step> {
        let summary = format!("docker volume {verb} {}", self.volume);
        vec![Step::Run(Command::new(summary, script))]
    }

    fn create(&self, before: Before) -> ResourceChange {
        let volume = self.wished(&docker::Volume {
            driver: DRIVER.to_owned(),
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
            containers: Vec::new(),
        });
        let mut change = self.change(Action::Create, before, Some(&volume));
        change.steps = self.step("create", creation(&self.volume, &volume));
        change
    }

    /// Refuses a driver that the engine does not have.
    fn check_driver(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let driver = self.driver.as_deref();
        driver.map_or(Ok(()), |driver| check_driver(context, DriverOf::Volumes, driver))
    }

    fn check_unused(&self, context: &PlanContext<'_>, found: &docker::Volume, hint: &str) -> Result<(), Stop> {
        let users = remaining(context, &found.containers);
        if users.is_empty() {
            return Ok(());
        }
        let title = format!("Docker volume `{}` is in use", self.volume);
        let label = format!("containers: {}", named(&users));
        let refusal = context.refuse("volume", title, label).hint(hint);
        Err(unless_they_change(context, self.key(), refusal))
    }

    fn remove(&self, context: &PlanContext<'_>, found: &docker::Volume) -> Result<Outcome, Stop> {
        self.check_unused(context, found, "remove these containers first")?;
        if !self.delete_data {
            let title = format!("Docker volume `{}` may have data", self.volume);
            let label = format!("its data {}", data(found));
            return Err(context
                .refuse("volume", title, label)
                .hint("write `delete_data = true` to have it removed"));
        }
        let mut before = attributed(found);
        before.insert("data", Attribute::known(data(found)));
        let mut change = self.change(Action::Remove, Before::Present(before), None);
        change.risk = Risk::Removal;
        change.steps = self.step("rm", removal(&self.volume));
        Ok(Outcome::Change(vec![change]))
    }

    fn update(&self, context: &PlanContext<'_>, found: &docker::Volume) -> Result<Outcome, Stop> {
        let wished = self.wished(found);
        if wished == *found {
            return Ok(Outcome::Unchanged);
        }
        let (before, mut after) = (attributed(found), attributed(&wished));
        tell_hidden(&before, &mut after);
        let differences = differences(&before, &after);
        let cannot =
            format!("it differs ({differences}), and Docker cannot change a volume: remove these containers first");
        self.check_unused(context, found, &cannot)?;
        if !self.recreate {
            let title = format!("Docker volume `{}` differs, and Docker cannot change it", self.volume);
            return Err(context.refuse("volume", title, differences).hint(format!(
                "write `recreate = true` to have it removed and created again: its data {}",
                data(found)
            )));
        }
        self.check_driver(context)?;
        after.insert("data", Attribute::known(data(found)));
        let mut change = self.change(Action::Update, Before::Present(before), Some(&wished));
        change.after = Some(after);
        change.risk = if is_elsewhere(found) { Risk::None } else { Risk::Removal };
        change.steps = self.step(
            "create",
            format!(
                "{}{} && {{ {} || {{ s=$?; {}; exit $s; }}; }}",
                trial(&wished),
                removal(&self.volume),
                creation(&self.volume, &wished),
                creation(&self.volume, found)
            ),
        );
        Ok(Outcome::Change(vec![change]))
    }
}

fn removal(name: &str) -> String {
    Docker::new(&["volume", "rm"]).on(name)
}

fn creation(name: &str, volume: &docker::Volume) -> String {
    definition(volume).on(name)
}

/// The command without the name: Docker chooses one.
fn definition(volume: &docker::Volume) -> Docker {
    Docker::new(&["volume", "create"])
        .option("--driver", Some(&volume.driver))
        .pairs("--opt", &volume.options)
        .pairs("--label", &volume.labels)
}

/// Shell text that ends if the driver refuses such a volume. Only `local` makes one that is nowhere else.
fn trial(volume: &docker::Volume) -> String {
    if volume.driver != DRIVER {
        return String::new();
    }
    let create = definition(volume).text();
    let remove = Docker::new(&["volume", "rm"]).text();
    format!("trial=$({create}) || exit\n{remove} \"$trial\" >/dev/null || exit\n")
}

/// Whether its data is on a server, or in a directory of its own, which Docker does not remove.
pub(super) fn is_elsewhere(volume: &docker::Volume) -> bool {
    let option = |name: &str| volume.options.get(name).map_or("", String::as_str);
    volume.driver == DRIVER
        && (matches!(option("type"), "nfs" | "nfs4" | "cifs") || option("o").split(',').any(|word| word == "bind"))
}

/// What becomes of its data if it is removed.
pub(super) fn data(volume: &docker::Volume) -> &'static str {
    if is_elsewhere(volume) {
        "stays where it is"
    } else {
        "is lost"
    }
}

fn attributed(volume: &docker::Volume) -> Attributed {
    let mut attributed = Attributed::new();
    attributed.insert("driver", Attribute::known(&volume.driver));
    show_pairs(&mut attributed, "options", &volume.options);
    show_pairs(&mut attributed, "labels", &volume.labels);
    attributed
}
