//! The sources of the agent, which are part of this program.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use toml_edit::{Array, DocumentMut, Item, Table};

use super::error::AgentError;
use super::parts::PROGRAM;
use crate::secret::sha256_hex;

/// The files of the package: path and text.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/agent_sources.rs"));
/// What the workspace says of all its packages.
const ROOT: &str = include_str!("../../Cargo.toml");
/// The versions of all packages that it uses.
const LOCK: &str = include_str!("../../Cargo.lock");
/// The profile that it is built with.
pub(super) const PROFILE: &str = "agent";
/// The one that it builds upon.
const BASE_PROFILE: &str = "release";
/// As many digits of a digest as tell one agent from another.
const DIGITS: usize = 12;

/// A name that follows from the sources and the versions of what they use.
static NAME: LazyLock<String> = LazyLock::new(|| {
    let mut all = String::new();
    for (path, text) in workspace().unwrap_or_default() {
        all.extend([path.as_str(), "\n", text.as_str(), "\n"]);
    }
    sha256_hex(all.as_bytes()).chars().take(DIGITS).collect()
});

/// The name of the folder with what is built of these sources.
pub(super) fn folder() -> String {
    format!("agent-{}", *NAME)
}

/// The digest of the sources, short.
pub(super) fn name() -> &'static str {
    &NAME
}

/// The files of a workspace with the agent alone.
///
/// Errors: what homelab brings is damaged.
pub(super) fn workspace() -> Result<Vec<(String, String)>, AgentError> {
    let own = FILES
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    let mut files: Vec<(String, String)> = own.collect();
    files.push(("Cargo.toml".to_owned(), root()?));
    files.push(("Cargo.lock".to_owned(), lock()?));
    Ok(files)
}

/// The manifest of the workspace, without what concerns homelab alone.
fn root() -> Result<String, AgentError> {
    let whole: DocumentMut = ROOT.parse().map_err(damaged("Cargo.toml"))?;
    let mut root = DocumentMut::new();
    let mut workspace = Table::new();
    workspace.insert("members", Item::Value(Array::from_iter(["agent"]).into()));
    workspace.insert("resolver", Item::Value("3".into()));
    for key in ["package", "lints", "dependencies"] {
        if let Some(item) = whole.get("workspace").and_then(|workspace| workspace.get(key)) {
            workspace.insert(key, item.clone());
        }
    }
    root.insert("workspace", Item::Table(workspace));
    let mut profiles = Table::new();
    for name in [BASE_PROFILE, PROFILE] {
        if let Some(profile) = whole.get("profile").and_then(|profiles| profiles.get(name)) {
            profiles.insert(name, profile.clone());
        }
    }
    root.insert("profile", Item::Table(profiles));
    Ok(root.to_string())
}

/// A package in `Cargo.lock`.
#[derive(serde::Deserialize)]
struct Locked {
    name: String,
    version: String,
    #[serde(default)]
    dependencies: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

/// The packages that the agent uses, and those that they use. Other versions of what homelab alone uses are the same agent.
fn lock() -> Result<String, AgentError> {
    let parsed: Lock = toml::from_str(LOCK).map_err(damaged("Cargo.lock"))?;
    let mut by_name: BTreeMap<&str, Vec<&Locked>> = BTreeMap::new();
    for package in &parsed.package {
        by_name.entry(&package.name).or_default().push(package);
    }
    let mut wanted: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut open: Vec<&Locked> = by_name.get(PROGRAM).into_iter().flatten().copied().collect();
    while let Some(package) = open.pop() {
        if !wanted.insert((&package.name, &package.version)) {
            continue;
        }
        for dependency in &package.dependencies {
            // `NAME`, or `NAME VERSION` where there are several.
            let mut words = dependency.split(' ');
            let (name, version) = (words.next().unwrap_or_default(), words.next());
            let found = by_name.get(name).into_iter().flatten();
            open.extend(found.filter(|found| version.is_none_or(|version| version == found.version)));
        }
    }
    let mut whole: DocumentMut = LOCK.parse().map_err(damaged("Cargo.lock"))?;
    if let Some(packages) = whole.get_mut("package").and_then(Item::as_array_of_tables_mut) {
        packages.retain(|package| {
            let text = |key| package.get(key).and_then(Item::as_str).unwrap_or_default();
            wanted.contains(&(text("name"), text("version")))
        });
    }
    Ok(whole.to_string())
}

fn damaged<E: std::error::Error + Send + Sync + 'static>(file: &'static str) -> impl FnOnce(E) -> AgentError {
    move |source| AgentError::Damaged {
        file,
        source: Box::new(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_has_the_agent_and_nothing_of_homelab() {
        let files: BTreeMap<String, String> = workspace().unwrap().into_iter().collect();
        let root: toml::Table = files["Cargo.toml"].parse().unwrap();
        let keys: Vec<&str> = root.keys().map(String::as_str).collect();
        assert_eq!(keys, ["workspace", "profile"], "{}", files["Cargo.toml"]);
        let lock: Lock = toml::from_str(&files["Cargo.lock"]).unwrap();
        let names: Vec<&str> = lock.package.iter().map(|package| package.name.as_str()).collect();
        assert!(names.contains(&PROGRAM) && names.contains(&"zbus"), "{names:?}");
        assert!(!names.contains(&"homelab") && !names.contains(&"bollard"), "{names:?}");
        assert!(files.contains_key("agent/Cargo.toml") && files.contains_key("agent/src/main.rs"));
    }

    #[test]
    fn the_name_is_short_and_always_the_same() {
        assert_eq!(name().len(), DIGITS);
        assert_eq!(folder(), format!("agent-{}", name()));
    }
}
