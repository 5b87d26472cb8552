//! The names in a project, for shell completion: as far as its files can be read, even with mistakes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::reader::{Reader, any_name};
use crate::value::{Kind, Table, Value};

/// The names in a project.
#[derive(Debug, Default)]
pub struct Outline {
    /// Inventories by name.
    pub inventories: BTreeMap<String, InventoryOutline>,
    /// Deploys by name.
    pub deploys: BTreeMap<String, DeployOutline>,
    /// Descriptions of tasks by name.
    pub tasks: BTreeMap<String, Option<String>>,
    /// Tags of tasks, operations and entries.
    pub tags: BTreeSet<String>,
}

/// The names in an inventory, in the order written.
#[derive(Debug, Default)]
pub struct InventoryOutline {
    pub hosts: Vec<String>,
    /// Its lab hosts.
    pub lab_hosts: Vec<String>,
    /// The groups of its hosts.
    pub groups: Vec<String>,
}

/// The names in a deploy.
#[derive(Debug, Default)]
pub struct DeployOutline {
    pub description: Option<String>,
    /// Its tasks in order, including those of stages.
    pub tasks: Vec<String>,
}

/// The names in the project at `root`.
pub fn outline(root: &Path) -> Outline {
    let read = |folder: &str| Reader::new(root).folder(folder, any_name, |source, _| Some(source.table));
    let (inventories, deploys, tasks) = (read("inventories"), read("deploys"), read("tasks"));
    let mut tags = BTreeSet::new();
    for table in deploys.values().chain(tasks.values()) {
        collect_tags(table, &mut tags);
    }
    Outline {
        inventories: named(inventories, inventory),
        deploys: named(deploys, deploy),
        tasks: named(tasks, |table| text(table, "description")),
        tags,
    }
}

fn named<T>(tables: BTreeMap<String, Table>, of: fn(&Table) -> T) -> BTreeMap<String, T> {
    tables.into_iter().map(|(name, table)| (name, of(&table))).collect()
}

/// Tags of the table and of everything listed in it: operations, stages, tasks of stages.
fn collect_tags(table: &Table, tags: &mut BTreeSet<String>) {
    tags.extend(texts(table, "tags"));
    for key in ["operation", "stage", "tasks"] {
        list(table, key)
            .iter()
            .filter_map(Value::as_table)
            .for_each(|inner| collect_tags(inner, tags));
    }
}

fn inventory(table: &Table) -> InventoryOutline {
    let mut outline = InventoryOutline::default();
    let mut groups = texts(table, "groups");
    let hosts = table.get("hosts").and_then(|entry| entry.value.as_table());
    for (name, entry) in hosts.into_iter().flatten() {
        outline.hosts.push(name.clone());
        let Some(host) = entry.value.as_table() else { continue };
        let lab = host.get("lab").map(|entry| &entry.value.kind);
        if matches!(lab, Some(Kind::Bool(true) | Kind::Table(_))) {
            outline.lab_hosts.push(name.clone());
        }
        groups.extend(texts(host, "groups"));
    }
    for group in groups {
        if !outline.groups.contains(&group) {
            outline.groups.push(group);
        }
    }
    outline
}

fn deploy(table: &Table) -> DeployOutline {
    let stages = list(table, "stage").iter().filter_map(Value::as_table);
    let mut outline = DeployOutline {
        description: text(table, "description"),
        tasks: Vec::new(),
    };
    for entry in std::iter::once(table)
        .chain(stages)
        .flat_map(|table| list(table, "tasks"))
    {
        let named = entry.as_str().map(str::to_owned);
        let task = named.or_else(|| entry.as_table().and_then(|table| text(table, "task")));
        outline.tasks.extend(task.filter(|task| !outline.tasks.contains(task)));
    }
    outline
}

fn text(table: &Table, key: &str) -> Option<String> {
    table.get(key).and_then(|entry| entry.value.as_str()).map(str::to_owned)
}

fn texts(table: &Table, key: &str) -> Vec<String> {
    let items = list(table, key).iter().filter_map(Value::as_str);
    items.map(str::to_owned).collect()
}

fn list<'a>(table: &'a Table, key: &str) -> &'a [Value] {
    match table.get(key).map(|entry| &entry.value.kind) {
        Some(Kind::List(items)) => items,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Outline {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        outline(folder.path())
    }

    #[test]
    fn names_are_found_beside_mistakes() {
        let outline = of(&[
            (
                "inventories/dev.toml",
                "groups = ['all-of-dev', 3]\nx = 1\n[hosts.a]\nlab = true\ngroups = ['web']\n[hosts.b]\nlab = 3\n[hosts.c]\nlab = {}\n",
            ),
            ("inventories/broken.toml", "[hosts"),
            (
                "deploys/site.toml",
                "description = 'all'\ntasks = ['s/one', { task = 's/two', tags = ['two'] }, 7, 's/one']\n",
            ),
            (
                "deploys/staged.toml",
                "[[stage]]\ntasks = ['s/one']\n[[stage]]\ntasks = ['s/three']\n",
            ),
            (
                "tasks/s/one.toml",
                "description = 'the first'\nnope = 1\ntags = ['first']\n[[operation]]\ntags = ['slow', 3]\n",
            ),
        ]);
        let dev = &outline.inventories["dev"];
        assert_eq!(dev.hosts, ["a", "b", "c"]);
        assert_eq!(dev.lab_hosts, ["a", "c"]);
        assert_eq!(dev.groups, ["all-of-dev", "web"]);
        assert_eq!(outline.deploys["site"].tasks, ["s/one", "s/two"]);
        assert_eq!(outline.deploys["site"].description.as_deref(), Some("all"));
        assert_eq!(outline.deploys["staged"].tasks, ["s/one", "s/three"]);
        assert_eq!(outline.tasks["s/one"].as_deref(), Some("the first"));
        assert_eq!(outline.tags.into_iter().collect::<Vec<_>>(), ["first", "slow", "two"]);
        assert!(!outline.inventories.contains_key("broken"));
    }

    #[test]
    fn where_there_is_nothing_there_are_no_names() {
        let outline = of(&[]);
        assert!(outline.inventories.is_empty() && outline.deploys.is_empty() && outline.tasks.is_empty());
    }
}
