//! The hosts and tasks that a deploy and the filters select.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use globset::GlobMatcher;
use serde::{Deserialize, Serialize};

use super::catalogue::Catalogue;
use super::data::shared_data_of;
use super::lint::check_given;
use super::pattern::{glob, known, pattern_suggestion, select as select_hosts, unplaced};
use super::task::TaskUse;
use super::{Deploy, Host, Inventory, Project, Stage, Task, name_of};
use crate::content::Assets;
use crate::error::{Diagnostic, suggestion};
use crate::facts::docker::Pins;
use crate::template::Variables;
use crate::value::Table;

/// The filters of a command.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Host names, groups and globs; empty means all hosts of the deploy.
    pub limit: Vec<String>,
    /// `TASK`, `TASK:ITEM` or `ITEM`, each a glob; empty means all.
    pub only: Vec<String>,
    /// Tags; empty means all operations.
    pub tags: Vec<String>,
    /// Data that overrides all other data.
    pub data: Table,
    /// Whether nothing runs but handlers that an earlier run owed, also those that are not part of the deploy.
    pub owed: bool,
}

impl Filter {
    /// Whether it selects everything, with the data of the project.
    pub fn is_empty(&self) -> bool {
        self.limit.is_empty() && self.only.is_empty() && self.tags.is_empty() && self.data.is_empty() && !self.owed
    }
}

/// How hosts remember what a deploy creates.
#[derive(Clone)]
pub struct Memory {
    pub(super) project: Arc<Project>,
    /// The project's name, which is that of its folder.
    pub(super) name: String,
    pub(super) inventory: String,
    /// `None` if it is asked for all deploys.
    pub(super) deploy: Option<String>,
    /// Whether the run looks for what left the configuration: one of only a part of the tasks does not.
    pub looks: bool,
    /// Whether it removes that.
    pub prunes: bool,
    /// The digests of what was created and is not there any more.
    pub absent: BTreeSet<String>,
}

impl fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Memory")
            .field("inventory", &self.inventory)
            .field("deploy", &self.deploy)
            .finish_non_exhaustive()
    }
}

impl Filter {
    /// The options, without values of data.
    fn words(&self) -> Vec<String> {
        let given = [("--limit", &self.limit), ("--only", &self.only), ("--tags", &self.tags)];
        let given = given.into_iter().filter(|(_, values)| !values.is_empty());
        let mut words: Vec<String> = given
            .map(|(option, values)| format!("{option} {}", values.join(",")))
            .collect();
        words.extend(self.data.keys().map(|key| format!("--data {key}=…")));
        words.extend(self.owed.then(|| "--owed".to_owned()));
        words
    }
}

/// Hosts with their data, and the tasks for them, in order.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The name by which hosts know the project.
    pub project: String,
    pub inventory: String,
    pub deploy: String,
    /// Hosts, in the inventory's order.
    pub hosts: Vec<SelectedHost>,
    /// Stages, in the deploy's order.
    pub stages: Vec<SelectedStage>,
    /// Every task of the project, for includes.
    pub tasks: Arc<BTreeMap<String, Arc<Task>>>,
    /// The patterns of `--only`; empty means all.
    pub only: Vec<Only>,
    /// An operation must have one of these tags; empty means all.
    pub tags: Vec<String>,
    /// Hosts of the deploy that the filters skip.
    pub hosts_left_out: Vec<String>,
    /// Hosts that `--only-failed` skips: their last run came to its end.
    pub hosts_not_failed: Vec<String>,
    /// Tasks of the deploy that the filters skip.
    pub tasks_left_out: Vec<String>,
    /// Tasks of which the filters select only some items.
    pub items_left_out_of: Vec<String>,
    /// The options that select a part of the deploy, or change its data, without values of data.
    pub filters: Vec<String>,
    /// How hosts remember what the run creates; `None` for one that creates nothing that is part of the configuration.
    pub memory: Option<Memory>,
    /// What the review says besides.
    pub notices: Vec<String>,
    /// Whether nothing runs but handlers that an earlier run owed, also those that are not part of the deploy.
    pub runs_owed: bool,
    /// Why encrypted values of these hosts could not be opened. They are unknown then.
    pub closed: Vec<Diagnostic>,
    /// Whether the file of a task is not read, so that it is not known what the task has.
    pub has_unread_tasks: bool,
    pub assets: Arc<Assets>,
    pub catalogue: Arc<Catalogue>,
    /// The values of `env('NAME')`.
    pub variables: Arc<Variables>,
    /// What images are held to in this inventory.
    pub pins: Arc<Pins>,
}

/// What filters left out of a deploy, as a review says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LeftOut {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts_not_failed: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items_of: Vec<String>,
    /// The tags that operations must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl LeftOut {
    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A selected host.
#[derive(Clone, Debug)]
pub struct SelectedHost {
    pub name: String,
    /// All its data, with templates not rendered.
    pub data: Arc<Table>,
    /// Whether it is this machine, without SSH.
    pub is_local: bool,
    /// Whether it is a throw-away host of the lab.
    pub is_lab: bool,
}

/// A selected stage.
#[derive(Clone, Debug)]
pub struct SelectedStage {
    /// `None` if the deploy has no stages.
    pub name: Option<String>,
    /// The names of its hosts, in the inventory's order.
    pub hosts: Vec<String>,
    /// In order.
    pub tasks: Vec<TaskUse>,
    /// How many hosts at a time; `None` means all at once.
    pub serial: Option<usize>,
    /// How many hosts may fail before no further batch and no further stage begins.
    pub max_fail: usize,
}

/// A pattern of `--only`.
#[derive(Clone, Debug)]
pub struct Only {
    pub text: String,
    task: Option<GlobMatcher>,
    item: Option<GlobMatcher>,
}

impl Only {
    /// Whether the task, or its entry called `name`, is selected whole, in part or not at all.
    pub fn wants(&self, task: &TaskUse) -> Wanted {
        let is_match = |glob: &GlobMatcher| {
            glob.is_match(&task.task.name) || task.own_name().is_some_and(|name| glob.is_match(name))
        };
        let has_items = task.settings.for_each.is_some();
        match (&self.task, &self.item) {
            (Some(glob), None) if is_match(glob) => Wanted::Whole,
            (Some(glob), Some(_)) if has_items && is_match(glob) => Wanted::Item,
            (None, Some(_)) if has_items => Wanted::Item,
            _ => Wanted::Not,
        }
    }

    /// Whether the item with that key is selected, in a task that is selected in part.
    pub fn wants_item(&self, key: &str) -> bool {
        self.item.as_ref().is_some_and(|glob| glob.is_match(key))
    }
}

/// How much of a task is selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    Not,
    /// Some of its items.
    Item,
    Whole,
}

impl Selection {
    /// The same selection with one host only.
    #[must_use]
    pub fn host_alone(&self, name: &str) -> Self {
        self.only_hosts(|host| host == name)
    }

    /// What filters left out.
    pub fn left_out(&self) -> LeftOut {
        LeftOut {
            hosts: self.hosts_left_out.clone(),
            hosts_not_failed: self.hosts_not_failed.clone(),
            tasks: self.tasks_left_out.clone(),
            items_of: self.items_left_out_of.clone(),
            tags: self.tags.clone(),
        }
    }

    /// As much of a selection as a review needs, without a project.
    pub fn to_review(inventory: &str, deploy: &str, left_out: LeftOut) -> Self {
        Self {
            project: String::new(),
            inventory: inventory.to_owned(),
            deploy: deploy.to_owned(),
            hosts: Vec::new(),
            stages: Vec::new(),
            tasks: Arc::default(),
            only: Vec::new(),
            tags: left_out.tags,
            hosts_left_out: left_out.hosts,
            hosts_not_failed: left_out.hosts_not_failed,
            tasks_left_out: left_out.tasks,
            items_left_out_of: left_out.items_of,
            filters: Vec::new(),
            memory: None,
            notices: Vec::new(),
            runs_owed: false,
            closed: Vec::new(),
            has_unread_tasks: false,
            assets: Arc::default(),
            catalogue: Arc::default(),
            variables: Arc::default(),
            pins: Arc::default(),
        }
    }

    /// Whether the stage `number` is the last one of a host.
    pub fn is_last_stage(&self, number: usize, host: &str) -> bool {
        let has_host = |stage: &SelectedStage| stage.hosts.iter().any(|name| name == host);
        !self.stages[number + 1..].iter().any(has_host)
    }

    /// The same selection with only the hosts that `is_meant`, by name.
    #[must_use]
    pub fn only_hosts(&self, is_meant: impl Fn(&str) -> bool) -> Self {
        let mut some = self.clone();
        some.hosts.retain(|host| is_meant(&host.name));
        some
    }
}

/// Applies `filter` to a deploy on an inventory.
///
/// Errors: unknown names, and a pattern of the deploy or the filter that matches nothing.
pub fn select(
    project: &Project,
    inventory_name: &str,
    deploy_name: &str,
    filter: &Filter,
) -> Result<Selection, Diagnostic> {
    let is_swapped = !project.inventories.contains_key(inventory_name)
        && project.inventories.contains_key(deploy_name)
        && project.deploys.contains_key(inventory_name);
    if is_swapped {
        let mistake = format!("`{inventory_name}` is a deploy, and `{deploy_name}` is an inventory");
        let hint = format!("the inventory comes first: `{deploy_name} {inventory_name}`");
        return Err(Diagnostic::new(mistake).hint(hint));
    }
    let inventory = project.inventory(inventory_name)?;
    let deploy = project.deploy(deploy_name)?;
    if let Some(used) = &project.used {
        check_given(project, &filter.data, used)?;
    }
    let stages = hosts_of_stages(project, inventory_name, deploy)?;
    let of_deploy = all_of(inventory, &stages);
    let (kept, hosts_left_out) = limit(inventory, inventory_name, &of_deploy, &filter.limit, deploy_name)?;
    let only = only(deploy, &filter.only)?;
    let tasks_left_out = names_of(deploy, &only, Wanted::Not);
    let items_left_out_of = names_of(deploy, &only, Wanted::Item);
    check_tags(project, deploy, &filter.tags)?;
    let mut closed: Vec<Diagnostic> = Vec::new();
    let hosts = kept.iter().map(|host| {
        let of_host = shared_data_of(project, inventory_name, inventory, host, &filter.data);
        for mistake in of_host.closed.iter() {
            if !closed.contains(mistake) {
                closed.push(mistake.clone());
            }
        }
        SelectedHost {
            name: host.name.clone(),
            data: of_host.data,
            is_local: host.connection.is_local(),
            is_lab: host.lab.is_some(),
        }
    });
    let hosts = hosts.collect();
    Ok(Selection {
        project: name_of(&project.root),
        inventory: inventory_name.to_owned(),
        deploy: deploy_name.to_owned(),
        stages: stages
            .into_iter()
            .map(|(stage, hosts)| run_stage(stage, &hosts, &kept))
            .collect(),
        hosts,
        tasks: Arc::clone(&project.tasks),
        only,
        tags: filter.tags.clone(),
        hosts_left_out,
        hosts_not_failed: Vec::new(),
        tasks_left_out,
        items_left_out_of,
        filters: filter.words(),
        memory: None,
        notices: Vec::new(),
        runs_owed: filter.owed,
        closed,
        has_unread_tasks: project.has_unread_tasks,
        assets: Arc::clone(&project.assets),
        catalogue: Arc::clone(&project.catalogue),
        variables: Arc::clone(&project.variables),
        pins: project.pins_of(inventory_name),
    })
}

/// The hosts of a deploy on an inventory, in the inventory's order.
///
/// Errors: unknown names, and a pattern of the deploy that matches nothing.
pub fn hosts_of_deploy<'a>(
    project: &'a Project,
    inventory_name: &str,
    deploy_name: &str,
) -> Result<Vec<&'a Host>, Diagnostic> {
    let inventory = project.inventory(inventory_name)?;
    let stages = hosts_of_stages(project, inventory_name, project.deploy(deploy_name)?)?;
    Ok(all_of(inventory, &stages))
}

type HostsOfStage<'a> = (&'a Stage, Vec<&'a Host>);

/// Errors: a pattern that matches nothing, other than a group in a stage that is `optional`; no host at all.
fn hosts_of_stages<'a>(
    project: &'a Project,
    inventory_name: &str,
    deploy: &'a Deploy,
) -> Result<Vec<HostsOfStage<'a>>, Diagnostic> {
    let inventory = project.inventory(inventory_name)?;
    // A group has a file, so a misspelled one is still found.
    let is_group = |name: &str| project.group_data.contains_key(name);
    let hosts = |stage: &'a Stage| {
        let may_be_empty = |name: &str| stage.is_optional && is_group(name);
        let selected = select_hosts(inventory, inventory_name, &stage.hosts, may_be_empty)?;
        Ok((stage, selected))
    };
    let stages = deploy.stages.iter().map(hosts).collect::<Result<Vec<_>, _>>()?;
    let optional = deploy.stages.iter().find(|stage| stage.is_optional);
    if let Some(stage) = optional
        && stages.iter().all(|(_, hosts)| hosts.is_empty())
    {
        let mistake = Diagnostic::new(format!(
            "no stage of the deploy has a host in inventory `{inventory_name}`"
        ));
        let hint = format!("`homelab inventory list {inventory_name}` lists the hosts and groups");
        return Err(mistake
            .at(&stage.origin, "may be empty, and so are the others")
            .hint(hint));
    }
    Ok(stages)
}

fn all_of<'a>(inventory: &'a Inventory, stages: &[HostsOfStage<'_>]) -> Vec<&'a Host> {
    let is_of_any = |host: &&Host| {
        let mut lists = stages.iter().map(|(_, hosts)| hosts);
        lists.any(|hosts| hosts.iter().any(|one| one.name == host.name))
    };
    inventory.hosts.values().filter(is_of_any).collect()
}

fn run_stage(stage: &Stage, hosts: &[&Host], kept: &[&Host]) -> SelectedStage {
    let is_kept = |host: &&&Host| kept.iter().any(|one| one.name == host.name);
    SelectedStage {
        name: stage.name.clone(),
        hosts: hosts.iter().filter(is_kept).map(|host| host.name.clone()).collect(),
        tasks: stage.tasks.clone(),
        serial: stage.serial,
        max_fail: stage.max_fail,
    }
}

/// The hosts of an inventory that match any of `patterns`; all hosts without patterns.
///
/// Errors: an unknown inventory, and a pattern that matches nothing.
pub fn hosts<'a>(project: &'a Project, inventory_name: &str, patterns: &[String]) -> Result<Vec<&'a Host>, Diagnostic> {
    let inventory = project.inventory(inventory_name)?;
    select_hosts(inventory, inventory_name, &unplaced(patterns), |_| false)
}

fn limit<'a>(
    inventory: &'a Inventory,
    inventory_name: &str,
    hosts: &[&'a Host],
    patterns: &[String],
    deploy: &str,
) -> Result<(Vec<&'a Host>, Vec<String>), Diagnostic> {
    if patterns.is_empty() {
        return Ok((hosts.to_vec(), Vec::new()));
    }
    let is_of_deploy = |host: &&Host| hosts.iter().any(|one| one.name == host.name);
    for pattern in patterns.iter().filter(|pattern| !pattern.starts_with('!')) {
        let matched = select_hosts(
            inventory,
            inventory_name,
            &unplaced(std::slice::from_ref(pattern)),
            |_| false,
        );
        if !matched.is_ok_and(|matched| matched.iter().any(is_of_deploy)) {
            return Err(
                Diagnostic::new(format!("`--limit {pattern}` matches no host of deploy `{deploy}`"))
                    .hint_maybe(pattern_suggestion(pattern, hosts.iter().map(|host| host.name.as_str()))),
            );
        }
    }
    let wanted = select_hosts(inventory, inventory_name, &unplaced(patterns), |_| false).map_err(|mistake| {
        let text = patterns.join(",");
        Diagnostic::new(format!("invalid `--limit {text}`: {}", mistake.title))
            .hint_maybe(mistake.hint.or_else(|| suggestion(&text, known(inventory))))
    })?;
    let is_wanted = |host: &&&Host| wanted.iter().any(|one| one.name == host.name);
    let (kept, out): (Vec<&Host>, Vec<&Host>) = hosts.iter().partition(|host| is_wanted(host));
    if kept.is_empty() {
        let text = patterns.join(",");
        return Err(Diagnostic::new(format!(
            "`--limit {text}` excludes all hosts of deploy `{deploy}`"
        )));
    }
    Ok((kept, out.into_iter().map(|host| host.name.clone()).collect()))
}

/// Reads the patterns of `--only`: a name is a task if there is one, otherwise an item.
fn only(deploy: &Deploy, patterns: &[String]) -> Result<Vec<Only>, Diagnostic> {
    let uses = || deploy.stages.iter().flat_map(|stage| &stage.tasks);
    let mut all = Vec::new();
    for text in patterns {
        let (task, item) = match text.rsplit_once(':') {
            Some((task, item)) => (Some(glob(task)?), Some(glob(item)?)),
            None => (Some(glob(text)?), None),
        };
        let only = Only {
            text: text.clone(),
            task,
            item,
        };
        if uses().any(|task| only.wants(task) != Wanted::Not) {
            all.push(only);
            continue;
        }
        if text.contains(':') || !uses().any(|task| task.settings.for_each.is_some()) {
            return Err(matches_nothing(text, uses(), &[]));
        }
        all.push(Only {
            text: text.clone(),
            task: None,
            item: Some(glob(text)?),
        });
    }
    Ok(all)
}

/// The mistake that `--only text` matches nothing, with suggestions.
pub fn matches_nothing<'a>(text: &str, uses: impl Iterator<Item = &'a TaskUse>, items: &[String]) -> Diagnostic {
    let tasks = uses.map(|task| task.task.name.as_str());
    let names: Vec<&str> = tasks.chain(items.iter().map(String::as_str)).collect();
    Diagnostic::new(format!("`--only {text}` matches no task or item of this deploy"))
        .hint_maybe(suggestion(text, names))
}

/// The tasks of which exactly that much is selected.
fn names_of(deploy: &Deploy, only: &[Only], wanted: Wanted) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for task in deploy.stages.iter().flat_map(|stage| &stage.tasks) {
        let name = task.own_name().unwrap_or(&task.task.name);
        let most = only.iter().map(|one| one.wants(task)).max();
        if most == Some(wanted) && !names.iter().any(|one| one == name) {
            names.push(name.to_owned());
        }
    }
    names
}

fn check_tags(project: &Project, deploy: &Deploy, wanted: &[String]) -> Result<(), Diagnostic> {
    if wanted.is_empty() {
        return Ok(());
    }
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let mut waiting: Vec<&TaskUse> = deploy.stages.iter().flat_map(|stage| &stage.tasks).collect();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    while let Some(task_use) = waiting.pop() {
        known.extend(task_use.settings.tags.iter().map(|tag| tag.name.as_str()));
        let Some(task) = project.tasks.get(&task_use.task.name) else {
            continue;
        };
        if !seen.insert(&task.name) {
            continue;
        }
        known.extend(task.tags.iter().map(|tag| tag.name.as_str()));
        let operations = task.operations().flat_map(|operation| &operation.settings.tags);
        known.extend(operations.map(|tag| tag.name.as_str()));
        waiting.extend(task.includes());
    }
    match wanted.iter().find(|tag| !known.contains(tag.as_str())) {
        None => Ok(()),
        Some(tag) => {
            let hint = suggestion(tag, known.iter().copied());
            Err(
                Diagnostic::new(format!("`--tags {tag}` matches no operation of this deploy"))
                    .hint(hint.unwrap_or_else(|| "no operation of this deploy has a tag".to_owned())),
            )
        }
    }
}
