//! Deploys of homelab itself, which stand in no file of the project.

use std::sync::Arc;

use super::reader::Source;
use super::{Filter, Project, Selection, deploy, select, task};
use crate::error::{Diagnostic, Diagnostics, SourceFile};
use crate::value::parse_toml;

/// The selection of a deploy called `name` with tasks of these `texts`, in their order, for one host. `shown` is how places in them
/// are named. `notices` are told in the review.
///
/// Errors: mistakes in the text.
pub fn own_deploy(
    mut project: Project,
    (inventory, host): (&str, &str),
    (name, shown): (&str, &str),
    texts: &[String],
    notices: Vec<String>,
) -> Result<Selection, Diagnostics> {
    let mut mistakes = Vec::new();
    let mut names = Vec::new();
    let tasks = Arc::make_mut(&mut project.tasks);
    for (number, text) in texts.iter().enumerate() {
        let task_name = match number {
            0 => format!("homelab/{name}"),
            _ => format!("homelab/{name}-{}", number + 1),
        };
        let task = task::read(source(&task_name, shown, text)?, &mut mistakes);
        names.push(toml::Value::from(task_name.as_str()));
        tasks.insert(task_name, Arc::new(task));
    }
    let patterns = toml::Table::from_iter([
        ("hosts".to_owned(), vec![toml::Value::from(host)].into()),
        ("tasks".to_owned(), names.into()),
    ]);
    let of_deploy = source(name, shown, &patterns.to_string())?;
    let deploy = deploy::read(of_deploy, &mut mistakes);
    let Some(deploy) = deploy.filter(|_| mistakes.is_empty()) else {
        return Err(Diagnostics(mistakes));
    };
    project.deploys.insert(name.to_owned(), deploy);
    let mut selection = select(&project, inventory, name, &Filter::default()).map_err(one)?;
    selection.notices = notices;
    Ok(selection)
}

impl Selection {
    /// The same selection with one more task, `name`, of the text `text`, after all others of the host.
    ///
    /// Errors: mistakes in the text.
    pub fn with_own_task(&self, host: &str, name: &str, text: &str) -> Result<Self, Diagnostics> {
        let task_name = format!("homelab/{name}");
        let mut mistakes = Vec::new();
        let task = task::read(source(&task_name, &task_name, text)?, &mut mistakes);
        let patterns = toml::Table::from_iter([
            ("hosts".to_owned(), vec![toml::Value::from(host)].into()),
            ("tasks".to_owned(), vec![toml::Value::from(task_name.as_str())].into()),
        ]);
        let deploy = deploy::read(source(name, &task_name, &patterns.to_string())?, &mut mistakes);
        let uses = deploy
            .into_iter()
            .flat_map(|deploy| deploy.stages)
            .flat_map(|stage| stage.tasks);
        let uses: Vec<_> = uses.collect();
        let mut more = self.clone();
        let is_of_host = |stage: &&mut super::SelectedStage| stage.hosts.iter().any(|name| name == host);
        let Some(stage) = more
            .stages
            .iter_mut()
            .rev()
            .find(is_of_host)
            .filter(|_| mistakes.is_empty())
        else {
            return Err(Diagnostics(mistakes));
        };
        stage.tasks.extend(uses);
        Arc::make_mut(&mut more.tasks).insert(task_name, Arc::new(task));
        Ok(more)
    }

    /// The same selection without all tasks but homelab's own `name`: its operations have the same ids.
    #[must_use]
    pub fn only_own_task(&self, name: &str) -> Self {
        let task_name = format!("homelab/{name}");
        let mut less = self.clone();
        for stage in &mut less.stages {
            stage.tasks.retain(|task_use| task_use.task.name == task_name);
        }
        less
    }
}

fn one(mistake: Diagnostic) -> Diagnostics {
    Diagnostics(vec![mistake])
}

fn source(name: &str, shown: &str, text: &str) -> Result<Source, Diagnostics> {
    let file = SourceFile::own(shown, text);
    let table = parse_toml(&file).map_err(Diagnostics)?;
    Ok(Source {
        name: name.to_owned(),
        file,
        table,
    })
}
