//! `docker.compose`: the services of a compose project.
//!
//! ```toml
//! [[operation]]
//! op = "docker.compose"
//! project_directory = "/opt/stacks/grafana"
//! stack = "grafana"                            # below templates/services/
//! ```
//!
//! What the files mean is said by the host's own compose, for those that are there and for those that the plan writes. What happens to
//! a service, and why, is decided here, and compose is told to do exactly that.

mod asked;
mod back;
mod build;
mod changes;
mod decision;
mod files;
mod folder;
mod made;
mod mistakes;
mod naming;
mod needed;
mod parameters;
mod parsed;
mod pins;
mod placed;
mod places;
mod planned;
mod preview;
mod script;
mod served;
mod service;
mod shapes;
mod stack;
mod validators;
mod values;
mod volumes;
mod yaml;

pub use values::signal_mistake;
pub use yaml::{Node as YamlNode, parse as parse_yaml};

pub(in crate::operations) use self::parameters::Compose;

use self::parameters::Pull;
use self::placed::Placed;
use crate::change::{Outcome, ResourceKind, Stop};
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::operations::{Define, Demand, ImageUse, Operation, PlacedText, PlanContext, Served, Tree};
use crate::value::Known;

impl Define for Compose {
    const NAME: &'static str = "docker.compose";
    const SUMMARY: &'static str = "Run the services of a compose project";
    const MAIN_ARGUMENT: &'static str = "project_directory";
    const MAIN_ARGUMENT_OR: Option<&'static str> = Some("stack");
    const EXAMPLE: &'static str = r#"[[operation]]
op = "docker.compose"
project_directory = "/opt/stacks/grafana"
stack = "grafana"
"#;
}

impl Operation for Compose {
    fn needs(&self) -> Vec<FactKey> {
        let placed = self
            .project_directory
            .clone()
            .map(|directory| Placed { of: self, directory });
        let own = placed.iter().map(|placed| FactKey::Path(placed.directory.clone()));
        let files = placed.iter().filter_map(Placed::sync).flat_map(|sync| sync.needs());
        [FactKey::DockerEngine].into_iter().chain(own).chain(files).collect()
    }

    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        self.placed(context)
            .map(|placed| placed.touches(context))
            .unwrap_or_default()
    }

    fn demands(&self, context: &PlanContext<'_>) -> Vec<Demand> {
        let Some(placed) = self.placed(context).ok().filter(|_| self.present) else {
            return Vec::new();
        };
        let directory = Demand::presence(ResourceKind::Directory, &placed.directory, true);
        [directory].into_iter().chain(placed.taken(context)).collect()
    }

    fn trees(&self, context: &PlanContext<'_>) -> Vec<Tree> {
        let sync = self.placed(context).ok().and_then(|placed| placed.sync());
        sync.map(|sync| sync.trees(context)).unwrap_or_default()
    }

    fn images(&self, context: &PlanContext<'_>) -> Vec<ImageUse> {
        let Some(placed) = self.placed(context).ok().filter(|_| self.present) else {
            return Vec::new();
        };
        let used_by = match &self.stack {
            Some(stack) => format!("stack {stack}"),
            None => placed.directory.clone(),
        };
        let asked_at = (self.pull == Pull::Always).then(|| context.origin_of("pull"));
        match placed.rendered(context) {
            Ok(written) if written.is_meaning_known(&self.files) => pins::uses(
                written
                    .compose_texts(&self.files)
                    .into_iter()
                    .map(|(_, text)| Some(text)),
                &used_by,
                asked_at,
            ),
            Ok(_) | Err(_) => pins::uses(std::iter::once(None), &used_by, asked_at),
        }
    }

    fn served(&self, context: &PlanContext<'_>) -> Option<Served> {
        let placed = self.placed(context).ok().filter(|_| self.present)?;
        // What is wrong in `stack.toml` may be the reason for the rest.
        let is_right = matches!(placed.stack_file(context), Known::Yes(_));
        let known = placed.rendered(context).ok().filter(|_| is_right);
        let services = known
            .filter(|written| written.is_meaning_known(&self.files))
            .and_then(|written| {
                let name = placed.name(context, &written).ok()?;
                served::services(&name, &written.compose_texts(&self.files), &self.files)
            });
        let sites = self.stack.as_deref().map(|stack| served::sites(context, stack));
        Some(Served {
            sites: sites.unwrap_or_default(),
            other_hosts: served::other_hosts(context),
            services,
        })
    }

    fn texts(&self, context: &PlanContext<'_>) -> Vec<PlacedText> {
        let placed = self.placed(context).ok().filter(|_| self.present);
        let sync = placed.and_then(|placed| {
            let Known::Yes(stack) = placed.stack_file(context) else {
                return placed.sync();
            };
            Some(placed.sync()?.with_own(stack.files, stack.directories))
        });
        sync.map(|sync| sync.texts(context)).unwrap_or_default()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let placed = self.placed(context)?;
        placed.check(context)?;
        placed.plan(context)
    }
}
