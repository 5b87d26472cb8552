//! A project with its directory: its names, and the files of its stack.

use super::files::Written;
use super::parameters::Compose;
use super::places::{self, CheckedStack};
use super::stack::{STACK_FILE, StackFile};
use super::{naming, needed, preview};
use crate::change::{ResourceKind, Stop};
use crate::facts::FactKey;
use crate::facts::compose::{Files, ProjectFiles};
use crate::facts::overlay::FactScope;
use crate::facts::path::parent;
use crate::operations::files::sync::{Folder, Sync};
use crate::operations::{Demand, Operation, PlanContext};
use crate::template::{STACKS, is_template};
use crate::value::Known;

/// The data that says where stacks are on the host.
const STACKS_PATH: &str = "stacks_path";

impl Compose {
    /// It with its directory.
    ///
    /// Errors: none is given, and none follows from the host's data.
    pub(super) fn placed(&self, context: &PlanContext<'_>) -> Result<Placed<'_>, Stop> {
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
pub(super) struct Placed<'a> {
    pub(super) of: &'a Compose,
    /// On the host, with links not followed.
    pub(super) directory: String,
}

impl Placed<'_> {
    pub(super) fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        let files = self.sync().map(|sync| sync.touches(context)).unwrap_or_default();
        let name = self.rendered(context).and_then(|written| self.name(context, &written));
        let name = name.unwrap_or_else(|_| self.guessed_name(context));
        let own = self.keys(&name, &self.directory).map(FactScope::Key);
        let own = own.into_iter().chain([FactScope::Containers]);
        files.into_iter().chain(own).collect()
    }

    pub(super) fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
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

    /// The operation that writes the files of the stack.
    pub(super) fn sync(&self) -> Option<Sync> {
        let stack = self.of.stack.as_ref()?;
        let sync = Sync::of_folder(&format!("{STACKS}/{stack}"), &self.directory, &[STACK_FILE]);
        Some(sync.owned_by(self.of.user.as_deref(), self.of.group.as_deref()))
    }

    /// The files of the stack, if it has one.
    ///
    /// Errors: one of them is not valid.
    pub(super) fn folder<'c>(&self, context: &'c PlanContext<'_>) -> Result<Option<Folder<'c>>, Stop> {
        self.sync().map(|sync| sync.read(context)).transpose()
    }

    /// What is in the files of the stack.
    ///
    /// Errors: one of them is not valid, or cannot be read.
    pub(super) fn rendered(&self, context: &PlanContext<'_>) -> Result<Written, Stop> {
        Written::of(context, self.folder(context)?.as_ref())
    }

    /// The name of the project, as far as it is written where nothing has to be rendered.
    fn guessed_name(&self, context: &PlanContext<'_>) -> String {
        let given = self.of.project_name.clone();
        given.unwrap_or_else(|| naming::guessed_name(context, self.of.stack.as_deref(), &self.directory))
    }

    /// The name of the project.
    ///
    /// Errors: it is not valid, or known only later.
    pub(super) fn name(&self, context: &PlanContext<'_>, written: &Written) -> Result<String, Stop> {
        if written.is_meaning_known(&self.of.files) {
            let given = self.of.project_name.as_deref();
            return naming::name(context, given, (written, &self.of.files), &self.directory);
        }
        let name = self.guessed_name(context);
        if is_template(&name) {
            let title = "the name of the compose project is known only after apply";
            let refused = context.refuse_key("op", title, "its compose file has a template in `name`");
            return Err(refused.hint("add `project_name`"));
        }
        Ok(name)
    }

    /// Refuses what is wrong in the stack by itself.
    pub(super) fn check_stack_files(
        &self,
        context: &PlanContext<'_>,
        written: &Written,
        stack_file: &StackFile,
    ) -> Result<(), Stop> {
        let Some(stack) = &self.of.stack else {
            return Ok(());
        };
        let names = written.names().map(str::to_owned).collect();
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

    /// The files as they are on the host.
    pub(super) fn project_files(&self, name: &str, directory: &str) -> ProjectFiles {
        ProjectFiles(Box::new(Files {
            project: name.to_owned(),
            directory: directory.to_owned(),
            compose_files: self.of.files.clone(),
            profiles: self.of.profiles.clone(),
            planned: Vec::new(),
        }))
    }

    /// What the project is known by.
    pub(super) fn keys(&self, name: &str, directory: &str) -> [FactKey; 2] {
        [
            FactKey::ComposeProject(name.to_owned()),
            FactKey::ComposeConfig(self.project_files(name, directory)),
        ]
    }

    /// The parameter that names the files.
    pub(super) fn argument(&self) -> &'static str {
        if self.of.stack.is_some() {
            "stack"
        } else {
            "project_directory"
        }
    }

    /// What no other project of the deploy can have, as far as the compose file says it by itself.
    pub(super) fn taken(&self, context: &PlanContext<'_>) -> Vec<Demand> {
        let Some(written) = self
            .rendered(context)
            .ok()
            .filter(|one| one.is_meaning_known(&self.of.files))
        else {
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

    /// What the stack says of its files, unless that has a mistake, which was reported when the project was loaded.
    pub(super) fn stack_file(&self, context: &PlanContext<'_>) -> Known<StackFile> {
        match &self.of.stack {
            Some(stack) => StackFile::read(context, stack),
            None => Known::Yes(StackFile::default()),
        }
    }

    /// The options of compose that say which files it reads.
    pub(super) fn options(&self) -> Vec<String> {
        let files = self.of.files.iter().flat_map(|file| ["-f".to_owned(), file.clone()]);
        let profiles = self
            .of
            .profiles
            .iter()
            .flat_map(|name| ["--profile".to_owned(), name.clone()]);
        files.chain(profiles).collect()
    }
}
