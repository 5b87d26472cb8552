//! What a plan is made from: the files of the project, the variables that were used, and what was asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::folder::OwnFolder;
use super::large::changed;
use crate::content::Assets;
use crate::error::{Diagnostic, Diagnostics};
use crate::project::{CopiedProject, LargeCopy};

/// A bundle has no more bytes: a small file may become a huge one when it is decompressed.
pub(super) const LARGEST: u64 = 1 << 30;

/// What a plan is made from.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// The project's name, which is that of its folder.
    pub name: String,
    pub asked: Asked,
    /// The key of digests, in hex.
    pub key: String,
    /// The variables that templates used, with their values.
    pub variables: BTreeMap<String, String>,
    pub(super) files: BTreeMap<String, BundledFile>,
    pub(super) large: Vec<LargeCopy>,
}

/// What was asked for on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Asked {
    pub limit: Vec<String>,
    pub only: Vec<String>,
    pub tags: Vec<String>,
    pub data: Vec<String>,
    pub owed: bool,
    pub prune: bool,
}

/// A file of the project.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BundledFile {
    #[serde(with = "as_base64")]
    pub(super) bytes: Arc<[u8]>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_executable: bool,
}

mod as_base64 {
    use base64::Engine as _;

    use super::{Arc, Deserialize, Deserializer, STANDARD, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Arc<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<[u8]>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Arc::from).map_err(serde::de::Error::custom)
    }
}

/// It has the values of variables.
impl fmt::Debug for Bundle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Bundle({}, {} files)", self.name, self.files.len())
    }
}

/// The files of a bundle in a folder of their own, which is removed when this is dropped.
#[derive(Debug)]
pub struct Unpacked {
    folder: OwnFolder,
    /// The project in it.
    pub copied: CopiedProject,
}

impl Unpacked {
    /// Where the folder is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Bundle {
    /// The bundle in one compressed text.
    pub(super) fn packed(&self) -> io::Result<Vec<u8>> {
        let text = Zeroizing::new(serde_json::to_vec(self)?);
        let mut packer = GzEncoder::new(Vec::new(), Compression::default());
        packer.write_all(&text)?;
        packer.finish()
    }

    /// What [`packed`](Self::packed) gave.
    ///
    /// Errors: it is something else.
    pub(super) fn unpacked(bytes: &[u8]) -> io::Result<Self> {
        let mut text = Zeroizing::new(Vec::new());
        GzDecoder::new(bytes).take(LARGEST).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Puts the files into a new folder that only this user can enter. Secrets in them stay encrypted, and variables are not among them.
    /// `home` is the project's folder on this machine; `uses_variables` takes the variables of the bundle instead of those of `home`.
    ///
    /// Errors: the folder cannot be written, or the bundle has a path that leads out of it.
    pub fn unpack(&self, home: Option<&Path>, uses_variables: bool) -> Result<Unpacked, Diagnostic> {
        let failed = |error: &io::Error| {
            Diagnostic::new("cannot unpack the files of the plan")
                .because(error.to_string())
                .hint("make room in the folder for temporary files, or set `TMPDIR` to another one")
        };
        let folder = OwnFolder::create(&std::env::temp_dir()).map_err(|error| failed(&error))?;
        if !is_one_name(&self.name) {
            return Err(outside(&self.name));
        }
        let root = folder.path().join(&self.name);
        let mut folders = DirBuilder::new();
        folders.recursive(true).mode(0o700);
        // A project is known by this folder.
        folders
            .create(root.join("inventories"))
            .map_err(|error| failed(&error))?;
        for (path, file) in &self.files {
            let place = root.join(below(path).ok_or_else(|| outside(path))?);
            let mode = if file.is_executable { 0o700 } else { 0o600 };
            let written = place
                .parent()
                .map_or(Ok(()), |above| folders.create(above))
                .and_then(|()| fs::write(&place, &file.bytes))
                .and_then(|()| fs::set_permissions(&place, Permissions::from_mode(mode)));
            written.map_err(|error| failed(&error))?;
        }
        let home = home.map_or_else(|| root.clone(), Path::to_path_buf);
        Ok(Unpacked {
            folder,
            copied: CopiedProject {
                root,
                home,
                large: self.large.clone(),
                variables: uses_variables.then(|| self.variables.clone()),
            },
        })
    }

    /// Notes which of the files that are too large for the bundle the plan uses: those whose content was asked for. Of the others, those
    /// that git does not have are left out.
    pub fn note_used(&mut self, assets: &Assets) {
        let mut used: BTreeMap<&str, (String, u64)> = assets.used_large().collect();
        for one in &mut self.large {
            if let Some((sha256, size)) = used.remove(one.path.as_str()) {
                (one.sha256, one.size, one.is_used) = (sha256, size, true);
            }
        }
        self.large.retain(|one| !one.sha256.is_empty());
    }

    /// Checks that the files that the plan uses and that are too large for the bundle are in the project's folder `home`, with the same
    /// content.
    ///
    /// Errors: each that is not.
    pub fn check_large(&self, home: Option<&Path>) -> Result<(), Diagnostics> {
        let used: Vec<&LargeCopy> = self.large.iter().filter(|one| one.is_used).collect();
        let Some(home) = home else {
            let Some(first) = used.first() else { return Ok(()) };
            let title = format!("the plan needs `{}`, which is too large to be in it", first.path);
            return Err(Diagnostics(vec![
                Diagnostic::new(title).hint("change to the project's folder, with the same files as at the plan"),
            ]));
        };
        let mistakes: Vec<Diagnostic> = changed(home, &used)
            .into_iter()
            .map(|(path, why)| {
                Diagnostic::new(format!("`{path}` is not as it was when the plan was saved"))
                    .because(why)
                    .hint("restore the file, or save a new plan")
            })
            .collect();
        if mistakes.is_empty() {
            Ok(())
        } else {
            Err(Diagnostics(mistakes))
        }
    }
}

/// The path, if it leads nowhere else.
fn below(path: &str) -> Option<PathBuf> {
    let path = PathBuf::from(path);
    let is_plain = path
        .components()
        .all(|component| matches!(component, Component::Normal(_)));
    (is_plain && path.file_name().is_some()).then_some(path)
}

fn is_one_name(name: &str) -> bool {
    below(name).is_some_and(|path| path.components().count() == 1)
}

fn outside(path: &str) -> Diagnostic {
    Diagnostic::new("this plan was not saved by homelab").because(format!(
        "it has a file `{}`, which leads out of a project",
        path.escape_debug()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(path: &str) -> Bundle {
        let file = BundledFile {
            bytes: Arc::from(&b"text\xff"[..]),
            is_executable: true,
        };
        Bundle {
            name: "home".to_owned(),
            files: BTreeMap::from([(path.to_owned(), file)]),
            ..Bundle::default()
        }
    }

    #[test]
    fn files_are_unpacked_as_they_were_and_gone_afterwards() {
        let packed = bundle("templates/a/run").packed().expect("packed");
        assert_eq!(packed, bundle("templates/a/run").packed().expect("packed"));
        let unpacked = Bundle::unpacked(&packed)
            .expect("the same")
            .unpack(None, true)
            .expect("unpacked");
        let place = unpacked.copied.root.join("templates/a/run");
        assert_eq!(fs::read(&place).expect("there"), b"text\xff");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&place), mode(unpacked.folder())), (0o700, 0o700));
        assert!(unpacked.copied.root.ends_with("home"));
        drop(unpacked);
        assert!(!place.exists());
    }

    #[test]
    fn no_path_of_a_bundle_leads_out_of_its_folder() {
        for path in ["/etc/x", "../x", "templates/../../x", "", "./x", ".."] {
            assert!(bundle(path).unpack(None, true).is_err(), "{path}");
        }
        for name in ["", "..", "a/b", "/"] {
            let named = Bundle {
                name: name.to_owned(),
                ..bundle("templates/x")
            };
            assert!(named.unpack(None, true).is_err(), "{name}");
        }
    }

    #[test]
    fn a_bundle_that_is_cut_or_changed_is_none() {
        let packed = bundle("templates/x").packed().expect("packed");
        assert!(Bundle::unpacked(&packed[..packed.len() - 9]).is_err());
        assert!(Bundle::unpacked(b"text").is_err());
    }
}
