//! A case file: facts, operations and the expected results.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::Failed;
use serde::Deserialize;
use toml::{Table, Value};

use super::docker_image;
use crate::support::deb;

/// What stands between what people write and what `HOMELAB_WRITE_TEXTS=1` writes.
const EXPECT: &str = "\n[expect]\n";

/// A behaviour of an operation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// `files.put/absent`: its path, and the name of its task.
    #[serde(skip)]
    pub(crate) name: String,
    #[serde(skip)]
    path: PathBuf,
    /// The entries of the task, in order.
    pub(crate) operation: Vec<Table>,
    /// The handlers of the task, in order.
    #[serde(default)]
    pub(crate) handler: Vec<Table>,
    /// Further files of the project, such as `templates/motd`.
    #[serde(default)]
    pub(crate) files: BTreeMap<String, ProjectFile>,
    /// The host's data.
    #[serde(default)]
    pub(crate) data: Table,
    /// The facts of the host, by family and key.
    #[serde(default)]
    pub(crate) facts: BTreeMap<String, Value>,
    /// Steps on lab hosts; without them, the case is planned from facts alone.
    pub(crate) host: Option<OnHost>,
    /// Operations that are deployed last and remove what the others created.
    #[serde(default)]
    pub(crate) undo: Vec<Table>,
    #[serde(default)]
    pub(crate) expect: Expect,
}

/// A file of a case's project.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum ProjectFile {
    Text(String),
    /// A Debian package without files, whose control file has these lines.
    Deb {
        deb: String,
    },
    /// An archive of a Docker image of this name, with one file that has this text.
    Image {
        image: String,
        text: String,
    },
    /// An archive of several such images: their names, and the texts of their files.
    Images {
        images: BTreeMap<String, String>,
    },
}

impl ProjectFile {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Image { image, text } => docker_image::archive([(image.as_str(), text.as_str())]),
            Self::Images { images } => {
                docker_image::archive(images.iter().map(|(image, text)| (image.as_str(), text.as_str())))
            }
            Self::Deb { deb } => deb::package(&format!("{deb}Maintainer: nobody\nDescription: for tests\n")),
        }
    }
}

/// The release whose hosts can have a Docker engine.
const RELEASE_OF_DOCKER: &str = "13";

/// Steps on a lab host, and what its own commands must print afterwards.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct OnHost {
    /// Shell text that brings the host into the state of the facts.
    pub(crate) before: Option<String>,
    /// Expected output of commands after the deploy.
    pub(crate) shows: BTreeMap<String, String>,
    /// Shell text that changes the deployed state, as another program would.
    pub(crate) drift: Option<String>,
    /// Expected output of commands after `undo`.
    pub(crate) gone: BTreeMap<String, String>,
    /// Why the review of a real host differs from that of the facts, if it does.
    pub(crate) review_differs: Option<String>,
    /// The Debian releases that it runs on; all if not given.
    pub(crate) releases: Vec<String>,
    /// Whether its host has a Docker engine.
    pub(crate) docker: bool,
    /// Whether it gets its own host, because it changes what other cases depend on.
    pub(crate) alone: bool,
}

/// The expected output and the commands for the host.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// The operations in the review.
    pub(crate) review: Option<String>,
    /// The steps on the host, in order.
    pub(crate) commands: Option<String>,
    /// The error message, instead of a review.
    pub(crate) error: Option<String>,
}

impl OnHost {
    /// Whether it runs on this Debian release.
    pub(crate) fn runs_on(&self, release: &str) -> bool {
        let is_named = self.releases.is_empty() || self.releases.iter().any(|one| one == release);
        is_named && (!self.docker || release == RELEASE_OF_DOCKER)
    }

    const NOTHING: Self = Self {
        before: None,
        shows: BTreeMap::new(),
        drift: None,
        gone: BTreeMap::new(),
        review_differs: None,
        releases: Vec::new(),
        docker: false,
        alone: false,
    };
}

/// The folder of all cases.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operations")
}

/// The operation that a case file is for: its folder's name.
pub(crate) fn operation_of(file: &Path) -> String {
    let folder = file.parent().and_then(Path::file_name);
    folder.unwrap_or_default().to_string_lossy().into_owned()
}

/// The test's name: `files.put::absent`.
pub(crate) fn name_of(file: &Path) -> String {
    let behaviour = file.file_stem().unwrap_or_default().to_string_lossy();
    format!("{}::{behaviour}", operation_of(file))
}

impl Case {
    /// Reads a case.
    ///
    /// Errors: the file is not valid TOML or has an unknown key.
    pub(crate) fn read(path: &Path) -> Result<Self, Failed> {
        let mut case: Self =
            toml::from_str(&fs::read_to_string(path)?).map_err(|error| format!("{}:\n{error}", path.display()))?;
        case.name = name_of(path).replace("::", "/");
        path.clone_into(&mut case.path);
        let operation = operation_of(path);
        let is_about_it = |table: &Table| {
            table.get("op").and_then(Value::as_str) == Some(&operation) || table.contains_key(&operation)
        };
        if !case.operation.iter().chain(&case.handler).any(is_about_it) {
            return Err(format!(
                "{}: no `[[operation]]` or `[[handler]]` has op = \"{operation}\"",
                path.display()
            )
            .into());
        }
        Ok(case)
    }

    /// What happens to it on lab hosts; nothing if it says nothing of them.
    pub(crate) fn on_host(&self) -> &OnHost {
        static NOTHING: OnHost = OnHost::NOTHING;
        self.host.as_ref().unwrap_or(&NOTHING)
    }

    /// The task of these operations and handlers, as people write it.
    pub(crate) fn task(operations: &[Table], handlers: &[Table]) -> String {
        let entries = |tables: &[Table]| Value::Array(tables.iter().cloned().map(Value::Table).collect());
        let mut task = Table::from_iter([("operation".to_owned(), entries(operations))]);
        if !handlers.is_empty() {
            task.insert("handler".to_owned(), entries(handlers));
        }
        toml::to_string(&task).expect("what was read from TOML")
    }

    /// Writes what was found into the file, over what it expects.
    pub(crate) fn write(&self, found: &Expect) -> Result<(), Failed> {
        let text = fs::read_to_string(&self.path)?;
        let given = text.split(EXPECT).next().unwrap_or_default().trim_end();
        let mut written = format!("{given}\n{EXPECT}");
        for (key, value) in [
            ("review", &found.review),
            ("commands", &found.commands),
            ("error", &found.error),
        ] {
            if let Some(value) = value {
                let _ = writeln!(written, "{key} = {}", multi_line(value));
            }
        }
        Ok(fs::write(&self.path, written)?)
    }
}

/// As it is where TOML can hold it so, else with escapes.
fn multi_line(text: &str) -> String {
    let is_plain = |character: char| character == '\n' || character == '\t' || !character.is_control();
    if text.contains("'''") || !text.chars().all(is_plain) {
        return Value::String(text.to_owned()).to_string();
    }
    format!("'''\n{text}'''")
}
