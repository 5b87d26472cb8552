//! What a project is planned to become, from what compose makes of its files and what the host has.

use std::collections::{BTreeMap, BTreeSet};

use super::build::BuildInputs;
use super::changes::{Services, effects, made, removal};
use super::decision::{Decision, Obtain, Situation, decide};
use super::files::Written;
use super::made::{check_networks, check_volumes};
use super::parameters::Pull;
use super::pins::{Held, foresee_images};
use super::placed::Placed;
use super::stack::OnChange;
use super::validators::Validators;
use super::{needed, places, preview, volumes};
use crate::change::{NotKnown, Outcome, ResourceChange, Step, Stop};
use crate::error::Diagnostic;
use crate::facts::compose::{Config, ConfigFact, ConfigKey, Files, Project, ProjectFiles, ProjectKey};
use crate::facts::overlay::{Effect, OperationId};
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;
use crate::operations::docker::engine;
use crate::operations::files::sync::{Folder, Rules};
use crate::value::Known;

/// Packages that bring `docker compose`.
const PACKAGES: [&str; 3] = ["docker-compose", "docker-compose-plugin", "docker-compose-v2"];

/// What happens to services.
struct Planned {
    changes: Vec<ResourceChange>,
    /// The step that records them where nothing happens.
    record: Step,
    /// The steps that come before the files are written.
    first: Vec<Step>,
}

impl Placed<'_> {
    pub(super) fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let folder = self.folder(context)?;
        let written = Written::of(context, folder.as_ref())?;
        let name = self.name(context, &written)?;
        if let Some(why) = written.why_unready(&self.of.files) {
            return self.plan_unready(context, folder.as_ref(), (&name, &written), why);
        }
        if !self.of.present {
            return self.plan_removed(context, &name);
        }
        let stack_file = match self.stack_file(context) {
            Known::Yes(stack_file) => stack_file,
            Known::No(why) => return Ok(self.deferred(context, why, Vec::new())),
        };
        self.check_stack_files(context, &written, &stack_file)?;
        // All of it in one round.
        let runs = engine::runs(context, "project_directory", true);
        let project = context.get(ProjectKey(&name));
        let there = self.project_files(&name, &self.directory);
        let _ = context.get(ConfigKey(&there));
        let on_change = stack_file.on_change;
        let filled: BTreeSet<String> = stack_file.directories.keys().cloned().collect();
        let sync = self
            .sync()
            .map(|sync| sync.with_own(stack_file.files, stack_file.directories));
        let outcome = sync
            .zip(folder.as_ref())
            .map(|(sync, folder)| sync.plan_folder(context, folder));
        let outcome = outcome.transpose();
        let top = context.resolve(&self.directory);
        runs?;
        let (mut files, since) = match outcome? {
            None | Some(Outcome::Unchanged | Outcome::Check { .. }) => (Vec::new(), Vec::new()),
            Some(Outcome::Change(changes)) => (changes, Vec::new()),
            Some(Outcome::Ensure { changes, since }) => (changes, since),
            Some(Outcome::Deferred {
                waits_for,
                why,
                preview,
                ..
            }) => {
                return Ok(Outcome::Deferred {
                    waits_for,
                    why,
                    touches: self.touches(context),
                    preview,
                });
            }
        };
        let (project, top) = (project?, top?);
        let outside = written.outside(&top, &self.of.files);
        let mut written = written.after(context.files_below(&top)?);
        for path in outside {
            written = written.after(context.file_at(&path)?);
        }
        let written = written.changed_by(&files, &top);
        let mut asked = self.project_files(&name, &top);
        asked.0.planned = written.planned();
        // A refusal of what stands in for a value says nothing.
        if let Some(why) = written.why_unknown()
            && matches!(context.get(ConfigKey(&asked))?, ConfigFact::Refused(_))
        {
            return Ok(self.deferred(context, why.to_owned(), files));
        }
        let config = self.config(context, &asked, &written)?;
        let has_containers = !project.containers.is_empty();
        let Planned {
            changes: services,
            record,
            first,
        } = self.services(
            context,
            (&name, &top),
            &config,
            *project,
            (&written, &on_change),
            (&files, &filled),
        )?;
        if let Some(change) = files.first_mut() {
            change.steps.splice(0..0, first);
        }
        // Files that nothing has to be done for are recorded too: otherwise compose is asked about them in every run.
        if services.is_empty()
            && let Some(last) = files.last_mut()
        {
            last.steps.push(record);
        }
        match written.why_unknown() {
            // What becomes of them is known only with the value; a new one gets it in any case.
            Some(why) if has_containers => {
                files.extend(services);
                Ok(self.deferred(context, why.to_owned(), files))
            }
            _ => Ok(outcome_of(files, services, since)),
        }
    }

    /// What is known of a project whose compose files, or whose files altogether, are known later.
    fn plan_unready(
        &self,
        context: &PlanContext<'_>,
        folder: Option<&Folder<'_>>,
        (name, written): (&str, &Written),
        why: &str,
    ) -> Result<Outcome, Stop> {
        if written.is_meaning_known(&self.of.files)
            && let Known::Yes(stack_file) = self.stack_file(context)
        {
            self.check_stack_files(context, written, &stack_file)?;
        }
        // All of it in one round. Who looks for what left the configuration has to know that this project did not.
        let _ = context.get(ProjectKey(name));
        let _ = context.get(ConfigKey(&self.project_files(name, &self.directory)));
        let _ = self
            .sync()
            .zip(folder)
            .map(|(sync, folder)| sync.plan_folder(context, folder));
        Ok(self.deferred(context, why.to_owned(), Vec::new()))
    }

    /// Removes the project.
    fn plan_removed(&self, context: &PlanContext<'_>, name: &str) -> Result<Outcome, Stop> {
        let runs = engine::runs(context, "project_directory", false);
        let project = context.get(ProjectKey(name));
        let files = self.sync().map(|sync| sync.plan_removed(context)).transpose();
        let (mut services, mut gone) = (Vec::new(), Vec::new());
        if runs? {
            let project = project?;
            let volumes = if self.of.remove_volumes {
                let names = project.containers.iter().map(|one| one.name.as_str()).collect();
                volumes::removed(context, name, &names)?
            } else {
                BTreeMap::new()
            };
            services = removal(name, &project, &volumes);
            let absent = |name: &String| Effect::Set(FactKey::DockerVolume(name.clone()), Fact::DockerVolume(None));
            gone.extend(volumes.keys().map(absent));
            if !volumes.is_empty() {
                let none = Fact::ProjectVolumes(BTreeMap::new());
                gone.push(Effect::Set(FactKey::ProjectVolumes(name.to_owned()), none));
            }
            let networks = project.own_networks.iter();
            gone.extend(
                networks.map(|name| Effect::Set(FactKey::DockerNetwork(name.clone()), Fact::DockerNetwork(Vec::new()))),
            );
        }
        for change in &mut services {
            change.effects = effects(name, self.keys(name, &self.directory), gone.clone());
        }
        Ok(match files? {
            None | Some(Outcome::Unchanged) => outcome_of(Vec::new(), services, Vec::new()),
            // The services end while their files are there.
            Some(Outcome::Change(files)) => outcome_of(services, files, Vec::new()),
            Some(Outcome::Ensure { changes, since }) => outcome_of(services, changes, since),
            Some(other) => other,
        })
    }

    /// What compose makes of the files.
    ///
    /// Errors: it is not known, or compose does not accept them.
    fn config(&self, context: &PlanContext<'_>, files: &ProjectFiles, written: &Written) -> Result<Config, Stop> {
        let argument = self.argument();
        let directory = &files.0.directory;
        match context.get(ConfigKey(files))? {
            ConfigFact::Read(config) => {
                for variable in &config.unset_variables {
                    let user = written.user_of(variable);
                    let user =
                        user.map_or_else(|| "a file".to_owned(), |(name, line)| format!("`{name}` (line {line})"));
                    context.notice_of(
                        argument,
                        &format!("{user} uses the variable `{variable}`, which is not set: compose puts nothing in its place; write `$$` for a `$`"),
                    );
                }
                Ok(*config)
            }
            ConfigFact::NoFiles => Err(context
                .refuse(
                    argument,
                    format!("`{directory}` has no compose file"),
                    "compose finds none there",
                )
                .hint("add `compose.yaml`, or name the files with `files`")),
            ConfigFact::Refused(why) => {
                let title = "`docker compose` does not accept the project";
                let used = context.origin_of(argument);
                let stack = self.of.stack.as_deref();
                let place =
                    stack.and_then(|stack| places::place_of_reason(context, (stack, &self.of.files), written, &why));
                let mistake = match place {
                    Some(place) => Diagnostic::new(title)
                        .at(&place, "compose speaks of this")
                        .at(used, format!("read in `{directory}`")),
                    None => Diagnostic::new(title).at(used, format!("read in `{directory}`")),
                };
                let hint = "correct the compose file; the host is as it was";
                Err(Stop::Refused(Box::new(mistake.because(why).hint(hint))))
            }
            ConfigFact::NoCompose => self.before_compose(context, files, written, argument),
        }
    }

    /// What the compose file says by itself, where an earlier operation installs compose.
    ///
    /// Errors: none does, or only compose can say.
    fn before_compose(
        &self,
        context: &PlanContext<'_>,
        files: &ProjectFiles,
        written: &Written,
        argument: &str,
    ) -> Result<Config, Stop> {
        let Some(package) = PACKAGES.iter().find(|name| context.is_installed_before(name)) else {
            return Err(context
                .refuse(argument, "`docker compose` is not on the host", "needs this command")
                .hint(
                    "install it first: `op = \"apt.packages\"`, `packages = [\"docker-compose\"]` on Debian 13, \
                     `docker-compose-plugin` from Docker's own repository",
                ));
        };
        let Files { project, directory, .. } = &*files.0;
        let text = written.only_text(&self.of.files);
        let config = text.and_then(|text| preview::config(project, directory, &self.of.profiles, text));
        let package = (*package).to_owned();
        config.ok_or_else(|| {
            let installed_by = context.predicted_by(&FactKey::Package(package.clone()));
            Stop::NotKnown {
                key: FactKey::ComposeConfig(files.clone()),
                cause: NotKnown::Since(
                    installed_by.unwrap_or_else(|| OperationId(package.clone())),
                    format!("`{package}` brings the compose that reads the files"),
                ),
            }
        })
    }

    fn services(
        &self,
        context: &PlanContext<'_>,
        (name, directory): (&str, &str),
        config: &Config,
        mut project: Project,
        (written, on_change): (&Written, &Rules<OnChange>),
        (files_changed, filled): (&[ResourceChange], &BTreeSet<String>),
    ) -> Result<Planned, Stop> {
        self.check_reactions(context, config, on_change)?;
        check_networks(context, name, config, &mut project)?;
        volumes::check_names(context, &self.of.recreate_volumes, config)?;
        let renewed = check_volumes(context, config, &project, &self.of.recreate_volumes)?;
        let renewed_names: BTreeSet<&str> = renewed.iter().map(|one| one.name.as_str()).collect();
        foresee_images(context, name, config, &mut project)?;
        let held = Held::new(context.pins(), config);
        let files = written.digests(directory);
        let builds = self.builds(context, directory, config, written);
        let changed: BTreeSet<String> = written.changed().map(str::to_owned).collect();
        let situation = Situation {
            project: name,
            directory,
            config,
            on_change,
            now: &project,
            held: &held,
            renewed: &renewed_names,
            builds: &builds,
            files: &files,
            changed: &changed,
            removes_orphans: self.of.remove_orphans,
        };
        let decisions = decide(&situation);
        needed::check(context, self.argument(), &situation, &decisions)?;
        self.check_pulls(context, &situation, &decisions)?;
        let validators = Validators::of(&situation, &decisions, written);
        let services = Services {
            pulled_first: &validators.pulled,
            directory,
            situation: &situation,
            options: self.options(),
            changed: written.changed_paths(),
            reads: written.read_by_compose(directory, &self.of.files),
            renewed: &renewed,
            asks: self.of.pull == Pull::Always,
            build_pull: self.of.build_pull,
            within: self.of.within.0,
            settle: self.of.settle.0,
        };
        let mut changes = services.changes(&decisions);
        let made = made(&situation, &decisions);
        for change in &mut changes {
            change.effects = effects(name, self.keys(name, directory), made.clone());
        }
        Ok(Planned {
            record: services.record(),
            first: validators.steps(&situation, written, files_changed, filled, context.digests()),
            changes,
        })
    }

    /// What the images of services are built from, as far as the stack has it.
    fn builds(
        &self,
        context: &PlanContext<'_>,
        directory: &str,
        config: &Config,
        written: &Written,
    ) -> BTreeMap<String, BuildInputs> {
        if config.services.values().all(|service| service.build.is_none()) {
            return BTreeMap::new();
        }
        let folder = self.folder(context).ok().flatten();
        let names = written.names().map(str::to_owned);
        let executable = names.filter(|name| {
            folder
                .as_ref()
                .is_some_and(|folder| folder.is_executable(context, name))
        });
        let executable = executable.collect();
        let files = written.context_files(directory, &executable);
        let services = config.services.iter();
        services
            .filter_map(|(name, service)| Some((name.clone(), files.inputs_of(service)?)))
            .collect()
    }

    /// Refuses services that the project does not have.
    fn check_reactions(
        &self,
        context: &PlanContext<'_>,
        config: &Config,
        on_change: &Rules<OnChange>,
    ) -> Result<(), Stop> {
        let mut named = on_change.all().flat_map(|change| &change.services);
        let is_unknown = |name: &&String| !config.services.contains_key(*name) && !config.disabled.contains(*name);
        let Some(name) = named.find(is_unknown) else {
            return Ok(());
        };
        let stack = self.of.stack.as_deref().unwrap_or_default();
        let known = config.services.keys().map(String::as_str).collect();
        Err(places::unknown_service(context, stack, (name, "on_change"), &known))
    }

    /// Refuses images that would have to be pulled.
    fn check_pulls(
        &self,
        context: &PlanContext<'_>,
        situation: &Situation<'_>,
        decisions: &[Decision],
    ) -> Result<(), Stop> {
        let pulled = decisions.iter().find(|one| one.image == Obtain::Pull);
        let Some(decision) = pulled.filter(|_| self.of.pull == Pull::Never) else {
            return Ok(());
        };
        let image = situation.image_named(&decision.service);
        let title = match situation.held.get(&image) {
            Some(held) => format!("image `{held}` of service `{}` is not on the host", decision.service),
            None => format!("image `{image}` of service `{}` is not on the host", decision.service),
        };
        Err(context
            .refuse("pull", title, "it is never pulled")
            .hint("load the image first, or remove `pull`"))
    }

    fn deferred(&self, context: &PlanContext<'_>, why: String, changes: Vec<ResourceChange>) -> Outcome {
        Outcome::Deferred {
            waits_for: Vec::new(),
            why,
            touches: self.touches(context),
            preview: Outcome::Change(changes).into_preview(),
        }
    }
}

/// All changes, in this order.
fn outcome_of(mut changes: Vec<ResourceChange>, more: Vec<ResourceChange>, since: Vec<OperationId>) -> Outcome {
    changes.extend(more);
    match (changes.is_empty(), since.is_empty()) {
        (true, _) => Outcome::Unchanged,
        (false, true) => Outcome::Change(changes),
        (false, false) => Outcome::Ensure { changes, since },
    }
}
