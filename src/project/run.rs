//! What one command is about: the hosts and tasks that a deploy and the filters select.

use std::sync::Arc;

use globset::Glob;

use super::data::{ALL, data_of};
use super::{Deploy, Host, Inventory, Project, Task};
use crate::error::{Diagnostic, suggestion};
use crate::operations::Assets;
use crate::value::Table;

/// What a user filters a deploy by.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Host names, groups and globs; empty means all hosts of the deploy.
    pub limit: Vec<String>,
    /// Task names and globs; empty means all tasks of the deploy.
    pub only: Vec<String>,
}

/// Hosts with their data, and tasks in order.
#[derive(Clone, Debug)]
pub struct Run {
    /// The inventory's name.
    pub inventory: String,
    /// The deploy's name.
    pub deploy: String,
    /// Hosts, in the inventory's order.
    pub hosts: Vec<RunHost>,
    /// Tasks, in the deploy's order.
    pub tasks: Vec<Arc<Task>>,
    /// Hosts of the deploy that the filter left out.
    pub hosts_left_out: Vec<String>,
    /// Tasks of the deploy that the filter left out.
    pub tasks_left_out: Vec<String>,
    /// The project's files.
    pub assets: Arc<Assets>,
}

/// A host of a run.
#[derive(Clone, Debug)]
pub struct RunHost {
    /// The name.
    pub name: String,
    /// All its data, templates not rendered.
    pub data: Table,
}

impl Run {
    /// The same run with one host only.
    #[must_use]
    pub fn host_alone(&self, name: &str) -> Self {
        let mut alone = self.clone();
        alone.hosts.retain(|host| host.name == name);
        alone
    }
}

/// Selects what `filter` leaves of a deploy on an inventory.
///
/// Errors: unknown names, and a pattern, in the deploy or in the filter, that nothing matches.
pub fn select(project: &Project, inventory_name: &str, deploy_name: &str, filter: &Filter) -> Result<Run, Diagnostic> {
    let inventory = project.inventory(inventory_name)?;
    let deploy = project.deploy(deploy_name)?;
    let hosts = deploy_hosts(inventory, inventory_name, deploy)?;
    let (kept, hosts_left_out) = limit(inventory, &hosts, &filter.limit, deploy_name)?;
    let (tasks, tasks_left_out) = only(project, deploy, &filter.only, deploy_name)?;
    Ok(Run {
        inventory: inventory_name.to_owned(),
        deploy: deploy_name.to_owned(),
        hosts: kept
            .into_iter()
            .map(|host| RunHost {
                name: host.name.clone(),
                data: data_of(project, inventory_name, inventory, host),
            })
            .collect(),
        tasks,
        hosts_left_out,
        tasks_left_out,
        assets: Arc::clone(&project.assets),
    })
}

/// The hosts of an inventory that match any of `patterns`; all of them without any.
///
/// Errors: an unknown inventory, and a pattern that nothing matches.
pub fn hosts<'a>(project: &'a Project, inventory_name: &str, patterns: &[String]) -> Result<Vec<&'a Host>, Diagnostic> {
    let inventory = project.inventory(inventory_name)?;
    let mut wanted: Vec<&str> = Vec::new();
    for pattern in patterns {
        let matched = matching(inventory, pattern)?;
        if matched.is_empty() {
            return Err(
                Diagnostic::new(format!("no host of inventory `{inventory_name}` is `{pattern}`"))
                    .hint_maybe(suggestion(pattern, known_patterns(inventory))),
            );
        }
        wanted.extend(matched.iter().map(|host| host.name.as_str()));
    }
    let is_wanted = |host: &&Host| patterns.is_empty() || wanted.contains(&host.name.as_str());
    Ok(inventory.hosts.values().filter(is_wanted).collect())
}

fn deploy_hosts<'a>(
    inventory: &'a Inventory,
    inventory_name: &str,
    deploy: &Deploy,
) -> Result<Vec<&'a Host>, Diagnostic> {
    let mut selected: Vec<&Host> = Vec::new();
    for pattern in &deploy.hosts {
        let matched = matching(inventory, &pattern.name)
            .map_err(|mistake| mistake.at_maybe(pattern.origin.as_ref(), "this pattern"))?;
        if matched.is_empty() {
            return Err(
                Diagnostic::new(format!("no host of inventory `{inventory_name}` is `{}`", pattern.name))
                    .at_maybe(pattern.origin.as_ref(), "matches no host name and no group")
                    .hint_maybe(suggestion(&pattern.name, known_patterns(inventory))),
            );
        }
        selected.extend(matched);
    }
    Ok(inventory
        .hosts
        .values()
        .filter(|host| selected.iter().any(|one| one.name == host.name))
        .collect())
}

fn limit<'a>(
    inventory: &'a Inventory,
    hosts: &[&'a Host],
    patterns: &[String],
    deploy: &str,
) -> Result<(Vec<&'a Host>, Vec<String>), Diagnostic> {
    if patterns.is_empty() {
        return Ok((hosts.to_vec(), Vec::new()));
    }
    let mut wanted: Vec<&str> = Vec::new();
    for pattern in patterns {
        let matched = matching(inventory, pattern)?;
        let matched: Vec<&str> = matched
            .iter()
            .filter(|host| hosts.iter().any(|one| one.name == host.name))
            .map(|host| host.name.as_str())
            .collect();
        if matched.is_empty() {
            return Err(
                Diagnostic::new(format!("`--limit {pattern}` matches no host of deploy `{deploy}`"))
                    .hint_maybe(suggestion(pattern, hosts.iter().map(|host| host.name.as_str()))),
            );
        }
        wanted.extend(matched);
    }
    let (kept, out): (Vec<&Host>, Vec<&Host>) = hosts.iter().partition(|host| wanted.contains(&host.name.as_str()));
    Ok((kept, out.into_iter().map(|host| host.name.clone()).collect()))
}

fn only(
    project: &Project,
    deploy: &Deploy,
    patterns: &[String],
    name: &str,
) -> Result<(Vec<Arc<Task>>, Vec<String>), Diagnostic> {
    let globs = patterns
        .iter()
        .map(|pattern| glob(pattern))
        .collect::<Result<Vec<_>, _>>()?;
    for (pattern, glob) in patterns.iter().zip(&globs) {
        if !deploy.tasks.iter().any(|task| glob.is_match(&task.name)) {
            return Err(
                Diagnostic::new(format!("`--only {pattern}` matches no task of deploy `{name}`"))
                    .hint_maybe(suggestion(pattern, deploy.tasks.iter().map(|task| task.name.as_str()))),
            );
        }
    }
    let mut kept = Vec::new();
    let mut left_out = Vec::new();
    for task in &deploy.tasks {
        if globs.is_empty() || globs.iter().any(|glob| glob.is_match(&task.name)) {
            kept.extend(project.tasks.get(&task.name).cloned());
        } else {
            left_out.push(task.name.clone());
        }
    }
    Ok((kept, left_out))
}

/// Hosts whose name or one of whose groups `pattern` matches.
fn matching<'a>(inventory: &'a Inventory, pattern: &str) -> Result<Vec<&'a Host>, Diagnostic> {
    let glob = glob(pattern)?;
    let in_all = glob.is_match(ALL) || inventory.groups.iter().any(|group| glob.is_match(group));
    Ok(inventory
        .hosts
        .values()
        .filter(|host| in_all || glob.is_match(&host.name) || host.groups.iter().any(|group| glob.is_match(group)))
        .collect())
}

fn glob(pattern: &str) -> Result<globset::GlobMatcher, Diagnostic> {
    Glob::new(pattern)
        .map(|glob| glob.compile_matcher())
        .map_err(|error| Diagnostic::new(format!("`{pattern}` is no valid pattern")).because(error.kind().to_string()))
}

fn known_patterns(inventory: &Inventory) -> impl Iterator<Item = &str> {
    let hosts = inventory.hosts.values();
    let groups = hosts.clone().flat_map(|host| &host.groups).chain(&inventory.groups);
    let mut names: Vec<&str> = hosts
        .map(|host| host.name.as_str())
        .chain(groups.map(String::as_str))
        .collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter()
}
