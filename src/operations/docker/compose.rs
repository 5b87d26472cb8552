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

pub(in crate::operations) use self::parameters::Compose;

use self::parameters::Pull;
use self::placed::Placed;
use crate::change::{Outcome, ResourceKind, Stop};
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::operations::{Define, Demand, ImageUse, Operation, PlanContext, Tree};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::build::BuildInputs;
use self::changes::{Services, effects, made, removal};
use self::decision::{Situation, decide};
use self::files::Written;
use self::made::{check_networks, check_volumes};
use self::pins::{Held, foresee_images};
use self::places::CheckedStack;
use self::stack::{OnChange, STACK_FILE, StackFile};
use super::engine;
use crate::change::{NotKnown, Outcome, ResourceChange, ResourceKind, Step, Stop};
use crate::error::Diagnostic;
use crate::facts::compose::{
    Config, ConfigFact, ConfigKey, DEFAULT_FILES, Files, OVERRIDES, Project, ProjectFiles, ProjectKey,
};
use crate::facts::overlay::{Effect, FactScope, OperationId};
use crate::facts::{Fact, FactKey, path::parent};
use crate::operations::files::sync::{Rules, Sync};
use crate::operations::parameters::Span;
use crate::operations::{Define, Demand, ImageUse, Operation, PlanContext, Served, Tree};
use crate::template::{STACKS, is_template};
use crate::value::Known;

/// Parameters of `docker.compose`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a parameter that people write")]
pub(in crate::operations) struct Compose {
    /// Directory of the host that contains the compose file, such as `"/opt/stacks/grafana"`. With `stack` it may be left out: then it is
    /// the folder of this name in the data `stacks_path`.
    project_directory: Option<String>,
    /// Stack whose files are put there: a folder below `templates/services/`. Its `stack.toml` stays in the project. Without a stack the
    /// files must be on the host, or come from earlier operations.
    stack: Option<String>,
    /// Name of the compose project. By default it is `name` of the compose file, or else the name of the directory.
    project_name: Option<String>,
    /// Compose files in the directory, such as `["compose.yaml", "compose.prod.yaml"]`. By default compose finds them by itself.
    #[serde(default)]
    files: Vec<String>,
    /// Profiles whose services run too.
    #[serde(default)]
    profiles: Vec<String>,
    /// User who owns the files; by default the owner is kept, and new files belong to `root`.
    user: Option<String>,
    /// Group of the files; by default the group is kept, and new files get `root`.
    group: Option<String>,
    /// When to ask the registry for images: `"missing"`, the default, if one is not on the host; `"always"` each time, which does not
    /// count as a pending change, and services of which it has another image get new containers; `"never"`: then a missing one is an
    /// error.
    #[serde(default)]
    pull: Pull,
    /// `true` asks the registry for the images that built ones are based on.
    #[serde(default)]
    build_pull: bool,
    /// How long services have until they run and are healthy, such as `"5m"`.
    #[serde(default = "two_minutes")]
    within: Span,
    /// How long a service without health check must run to count as started.
    #[serde(default = "three_seconds")]
    settle: Span,
    /// `false` leaves containers of services that are no longer in the compose file.
    #[serde(default = "crate::operations::parameters::yes")]
    remove_orphans: bool,
    /// Volumes of the compose file that may be removed and created again if their driver or options differ. Data in them is lost, unless
    /// it is on a server or in a directory that the options name.
    #[serde(default)]
    recreate_volumes: Vec<String>,
    /// `true` lets `present = false` remove the volumes of the project with their data.
    #[serde(default)]
    remove_volumes: bool,
    /// `false` removes the containers and networks of the project, and the files of the stack. Volumes and other files stay.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

/// What happens about an image that the host does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Pull {
    #[default]
    Missing,
    Always,
    Never,
}

fn two_minutes() -> Span {
    Span(Duration::from_secs(120))
}

fn three_seconds() -> Span {
    Span(Duration::from_secs(3))
}

/// The data that says where stacks are on the host.
const STACKS_PATH: &str = "stacks_path";

/// Packages that bring `docker compose`.
const PACKAGES: [&str; 3] = ["docker-compose", "docker-compose-plugin", "docker-compose-v2"];

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
        let services = placed.known_written(context).and_then(|written| {
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

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let placed = self.placed(context)?;
        placed.check(context)?;
        placed.plan(context)
    }
}

impl Compose {
    /// It with its directory.
    ///
    /// Errors: none is given, and none follows from the host's data.
    fn placed(&self, context: &PlanContext<'_>) -> Result<Placed<'_>, Stop> {
        if let Some(directory) = self.project_directory.clone() {
            return Ok(Placed { of: self, directory });
        }
        let Some(stack) = &self.stack else {
            return Err(context
                .refuse_key("op", "missing `project_directory`", "needs a directory of the host")
                .hint("add `project_directory = \"/opt/stacks/NAME\"`, or `stack`"));
        };
        match context.text_of_data(STACKS_PATH) {
            Some(top) if top.starts_with('/') => Ok(Placed {
                of: self,
                directory: format!("{}/{stack}", top.trim_end_matches('/')),
            }),
            _ => Err(context
                .refuse(
                    "stack",
                    "missing `project_directory`",
                    format!("the host's data has no `{STACKS_PATH}`"),
                )
                .hint(format!(
                    "add `project_directory`, or the data `{STACKS_PATH} = \"/opt/stacks\"`"
                ))),
        }
    }
}

/// A project with its directory.
struct Placed<'a> {
    of: &'a Compose,
    /// On the host, with links not followed.
    directory: String,
}

impl Placed<'_> {
    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        let files = self.sync().map(|sync| sync.touches(context)).unwrap_or_default();
        let name = match self.written(context) {
            Ok(Known::Yes(written)) => self.name(context, &written).ok(),
            Ok(Known::No(_)) | Err(_) => None,
        };
        let name = name.unwrap_or_else(|| self.guessed_name(context));
        let own = self.keys(&name, &self.directory).map(FactScope::Key);
        let own = own.into_iter().chain([FactScope::Containers]);
        files.into_iter().chain(own).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let written = match self.written(context)? {
            Known::Yes(written) => written,
            Known::No(why) => {
                self.check_known(context)?;
                let name = self.guessed_name(context);
                if is_template(&name) {
                    let title = "the name of the compose project is known only after apply";
                    let refused = context.refuse_key("op", title, "its compose file has a template in `name`");
                    return Err(refused.hint("add `project_name`"));
                }
                // All of it in one round. Who looks for what left the configuration has to know that this project did not.
                let _ = context.get(ProjectKey(&name));
                let _ = context.get(ConfigKey(&self.project_files(&name, &self.directory)));
                let _ = self.sync().map(|sync| sync.plan(context));
                return Ok(self.deferred(context, why));
            }
        };
        let name = self.name(context, &written)?;
        if !self.of.present {
            return self.plan_removed(context, &name);
        }
        let stack_file = match self.stack_file(context) {
            Known::Yes(stack_file) => stack_file,
            Known::No(why) => return Ok(self.deferred(context, why)),
        };
        if let Some(stack) = &self.of.stack {
            self.check_stack_files(context, stack, &written, &stack_file)?;
        }
        // All of it in one round.
        let runs = engine::runs(context, "project_directory", true);
        let project = context.get(ProjectKey(&name));
        let there = self.project_files(&name, &self.directory);
        let _ = context.get(ConfigKey(&there));
        let on_change = stack_file.on_change;
        let sync = self
            .sync()
            .map(|sync| sync.with_own(stack_file.files, stack_file.directories));
        let outcome = sync.map(|sync| sync.plan(context)).transpose();
        let top = context.resolve(&self.directory);
        runs?;
        let (files, since) = match outcome? {
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
        let config = self.config(context, &asked, &written)?;
        let mut files = files;
        let (services, record) = self.services(context, (&name, &top), &config, *project, (&written, &on_change))?;
        // Files that nothing has to be done for are recorded too: otherwise compose is asked about them in every run.
        if services.is_empty()
            && let Some(last) = files.last_mut()
        {
            last.steps.push(record);
        }
        Ok(outcome_of(files, services, since))
    }

    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        use crate::operations::files::parameters::{check_owners, check_path};
        check_path(context, "project_directory", &self.directory)?;
        check_owners(context, self.of.user.as_deref(), self.of.group.as_deref())?;
        if self.of.remove_volumes && self.of.present {
            return Err(context
                .refuse_key(
                    "remove_volumes",
                    "`remove_volumes` needs `present = false`",
                    "nothing is removed",
                )
                .hint("remove it"));
        }
        if parent(&self.directory) == self.directory {
            return Err(context
                .refuse("project_directory", "`/` cannot be a compose project", "the whole host")
                .hint("give the project a directory of its own, such as \"/opt/stacks/grafana\""));
        }
        let is_wrong = |file: &&String| {
            file.starts_with(['/', '-']) || file.is_empty() || file.split('/').any(|part| part == "..")
        };
        if let Some(file) = self.of.files.iter().find(is_wrong) {
            let title = format!("`{file}` is not a compose file of the project");
            return Err(context
                .refuse_item("files", file, title, "must be a path below `project_directory`")
                .hint("write the path from there, such as \"compose.prod.yaml\""));
        }
        match &self.of.stack {
            Some(stack) if stack.is_empty() || stack.contains('/') => Err(context
                .refuse(
                    "stack",
                    format!("`{stack}` is not a valid name for a stack"),
                    "must be the name of a folder",
                )
                .hint(format!("write the name of a folder below `templates/{STACKS}/`"))),
            Some(stack) => places::check_stack(context, stack),
            None => Ok(()),
        }
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

    /// The operation that writes the files of the stack.
    fn sync(&self) -> Option<Sync> {
        let stack = self.of.stack.as_ref()?;
        let sync = Sync::of_folder(&format!("{STACKS}/{stack}"), &self.directory, &[STACK_FILE]);
        Some(sync.owned_by(self.of.user.as_deref(), self.of.group.as_deref()))
    }

    fn written(&self, context: &PlanContext<'_>) -> Result<Known<Written>, Stop> {
        let Some(sync) = self.sync() else {
            return Ok(Known::Yes(Written::default()));
        };
        Ok(match sync.contents(context)? {
            Known::Yes(contents) => Known::Yes(Written::new(contents)),
            Known::No(why) => Known::No(why),
        })
    }

    /// Refuses what is wrong in the compose files, where only other files of the stack are not known.
    fn check_known(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        // A mistake in one of them is found where it is planned.
        self.sync().map(|sync| sync.known_contents(context)).transpose()?;
        match (&self.of.stack, self.known_written(context), self.stack_file(context)) {
            (Some(stack), Some(written), Known::Yes(stack_file)) => {
                self.check_stack_files(context, stack, &written, &stack_file)
            }
            _ => Ok(()),
        }
    }

    /// The files of the stack that are known, if all compose files are.
    fn known_written(&self, context: &PlanContext<'_>) -> Option<Written> {
        let sync = self.sync()?;
        let written = Written::new(sync.known_contents(context).ok()?.0);
        let is_read = |name: &&String| match self.of.files.as_slice() {
            [] => DEFAULT_FILES.iter().chain(&OVERRIDES).any(|file| file == name),
            files => files.contains(name),
        };
        let known: BTreeSet<&str> = written.names().collect();
        let all = sync.file_names(context);
        let are_known = all.iter().filter(is_read).all(|name| known.contains(name.as_str()));
        are_known.then_some(written)
    }

    fn check_stack_files(
        &self,
        context: &PlanContext<'_>,
        stack: &str,
        written: &Written,
        stack_file: &StackFile,
    ) -> Result<(), Stop> {
        let names = self.sync().map(|sync| sync.file_names(context)).unwrap_or_default();
        let checked = CheckedStack {
            name: stack,
            files: &self.of.files,
            directory: &self.directory,
            written,
            names: &names,
            stack_file,
        };
        places::check_stack_files(context, &checked)
    }

    /// The name of the project, as far as it is written where nothing has to be rendered.
    fn guessed_name(&self, context: &PlanContext<'_>) -> String {
        let given = self.of.project_name.clone();
        given.unwrap_or_else(|| naming::guessed_name(context, self.of.stack.as_deref(), &self.directory))
    }

    fn name(&self, context: &PlanContext<'_>, written: &Written) -> Result<String, Stop> {
        let given = self.of.project_name.as_deref();
        naming::name(context, given, (written, &self.of.files), &self.directory)
    }

    /// The files as they are on the host.
    fn project_files(&self, name: &str, directory: &str) -> ProjectFiles {
        ProjectFiles(Box::new(Files {
            project: name.to_owned(),
            directory: directory.to_owned(),
            compose_files: self.of.files.clone(),
            profiles: self.of.profiles.clone(),
            planned: Vec::new(),
        }))
    }

    /// What the project is known by.
    fn keys(&self, name: &str, directory: &str) -> [FactKey; 2] {
        [
            FactKey::ComposeProject(name.to_owned()),
            FactKey::ComposeConfig(self.project_files(name, directory)),
        ]
    }

    /// The parameter that names the files.
    fn argument(&self) -> &'static str {
        if self.of.stack.is_some() {
            "stack"
        } else {
            "project_directory"
        }
    }

    /// What no other project of the deploy can have, as far as the compose file says it by itself.
    fn taken(&self, context: &PlanContext<'_>) -> Vec<Demand> {
        let Ok(Known::Yes(written)) = self.written(context) else {
            return Vec::new();
        };
        let Ok(name) = self.name(context, &written) else {
            return Vec::new();
        };
        let project = Demand::new(ResourceKind::ComposeProject, &name, "directory", self.directory.clone());
        let text = written.only_text(&self.of.files);
        let config = text.and_then(|text| preview::config(&name, &self.directory, &self.of.profiles, text));
        let demands = config.map(|config| needed::demands(&name, &config));
        [project].into_iter().chain(demands.unwrap_or_default()).collect()
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
    ) -> Result<(Vec<ResourceChange>, Step), Stop> {
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
        let services = Services {
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
        Ok((changes, services.record()))
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
        let executable = self.sync().map(|sync| sync.executable(context)).unwrap_or_default();
        let files = written.context_files(directory, &executable);
        let services = config.services.iter();
        services
            .filter_map(|(name, service)| Some((name.clone(), files.inputs_of(service)?)))
            .collect()
    }

    /// What the stack says of its files, unless that has a mistake, which was reported when the project was loaded.
    fn stack_file(&self, context: &PlanContext<'_>) -> Known<StackFile> {
        match &self.of.stack {
            Some(stack) => StackFile::read(context, stack),
            None => Known::Yes(StackFile::default()),
        }
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

    /// The options of compose that say which files it reads.
    fn options(&self) -> Vec<String> {
        let files = self.of.files.iter().flat_map(|file| ["-f".to_owned(), file.clone()]);
        let profiles = self
            .of
            .profiles
            .iter()
            .flat_map(|name| ["--profile".to_owned(), name.clone()]);
        files.chain(profiles).collect()
    }

    /// Refuses images that would have to be pulled.
    fn check_pulls(
        &self,
        context: &PlanContext<'_>,
        situation: &Situation<'_>,
        decisions: &[decision::Decision],
    ) -> Result<(), Stop> {
        let pulled = decisions.iter().find(|one| one.image == decision::Obtain::Pull);
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

    fn deferred(&self, context: &PlanContext<'_>, why: String) -> Outcome {
        Outcome::Deferred {
            waits_for: Vec::new(),
            why,
            touches: self.touches(context),
            preview: Vec::new(),
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
