//! A copy of the files of a project, such as that in a saved plan.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::reader::{TEMPLATES, unreadable};
use super::variables;
use crate::agent;
use crate::content::{
    Assets, CHARTS, DOWNLOADS, LAB, ProjectFolder, Refused, chart_file, download, lab_archives, lab_file, lab_files,
};
use crate::error::Diagnostic;
use crate::secret::remember;
use crate::template::Variables;

/// Where the files of a project are read from.
#[derive(Debug)]
pub struct CopiedProject {
    /// The files. Its name is that of the project.
    pub root: PathBuf,
    /// The project's folder on this machine.
    pub home: PathBuf,
    /// The files of `home` that are not copied.
    pub large: Vec<LargeCopy>,
    /// All variables that templates get; `None` for those of the environment and of the `.env` in `home`.
    pub variables: Option<BTreeMap<String, String>>,
}

/// A file that is not copied: it is known by size and digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LargeCopy {
    /// Its path in the project.
    pub path: String,
    /// Empty until it is needed.
    pub sha256: String,
    pub size: u64,
    /// Whether the plan uses it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_used: bool,
    /// Whether it can be executed in the project.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_executable: bool,
}

impl CopiedProject {
    /// The project at `root` itself.
    pub(super) fn in_place(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
            home: root.to_path_buf(),
            large: Vec::new(),
            variables: None,
        }
    }

    pub(super) fn variables(&self, mistakes: &mut Vec<Diagnostic>) -> Variables {
        match &self.variables {
            Some(given) => {
                for value in given.values() {
                    remember(value);
                }
                Variables::new(given.clone(), BTreeMap::new())
            }
            None => variables::read(&self.home, mistakes),
        }
    }

    /// Adds the files that are not copied to those that operations use.
    pub(super) fn add_large(&self, assets: &mut Assets, mistakes: &mut Vec<Diagnostic>) {
        for large in &self.large {
            let Some(name) = asset_name(&large.path) else { continue };
            match place_of(&self.home, &large.path) {
                Ok(place) if large.sha256.is_empty() => assets.insert_kept(name.as_str(), &large.path, &place),
                Ok(place) => {
                    let measured = (large.sha256.clone(), large.size);
                    assets.insert_measured(name.as_str(), &large.path, &place, measured);
                }
                // Nothing needs it.
                Err(_) if !large.is_used => continue,
                Err(refused) => mistakes.push(unreadable(&large.path, &refused)),
            }
            if large.is_executable {
                assets.note_executable(name);
            }
        }
    }
}

/// Where the file at `path` of the project at `home` is.
///
/// Errors: it is not there, or leads out of the project.
fn place_of(home: &Path, path: &str) -> Result<PathBuf, Refused> {
    let found = ProjectFolder::new(home).find(Path::new(path))?;
    found.ok_or_else(|| Refused::Io(std::io::ErrorKind::NotFound.into()))
}

/// The name among the files that operations use.
fn asset_name(path: &str) -> Option<String> {
    let below = |folder: &str| path.strip_prefix(folder)?.strip_prefix('/');
    let of_templates = below(TEMPLATES).map(str::to_owned);
    let of_downloads = || below(DOWNLOADS).map(download);
    let of_charts = || below(CHARTS).map(chart_file);
    let of_lab = || {
        let file = below(LAB)?;
        let is_known = lab_files().chain(lab_archives()).any(|known| known == file);
        is_known.then(|| lab_file(file))
    };
    let of_agent = || agent::offered().find_map(|(offered, name)| (offered == path).then_some(name));
    of_templates
        .or_else(of_downloads)
        .or_else(of_charts)
        .or_else(of_lab)
        .or_else(of_agent)
}
