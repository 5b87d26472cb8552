//! Reads and packs charts of Helm.

use std::collections::BTreeMap;
use std::io::{self, Read, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use globset::{Glob, GlobSet, GlobSetBuilder};
use thiserror::Error;

/// Helm takes no larger ones, in bytes.
const LARGEST: u64 = 100 << 20;
/// The file that every chart has.
const ABOUT: &str = "Chart.yaml";
/// The folder of a chart with those that it depends on.
const DEPENDENCIES: &str = "charts/";
/// The file with the names of files that are no part of a chart.
const IGNORED: &str = ".helmignore";

/// Why something is no chart.
#[derive(Debug, Error)]
pub enum NoChart {
    #[error("this is not an archive of `helm package`")]
    NotAnArchive,
    #[error("it has no `Chart.yaml`")]
    NoAbout,
    #[error("it is larger than 100 MiB")]
    TooLarge,
    #[error("{0}")]
    Unreadable(#[from] io::Error),
}

/// The files of a chart, by their paths in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChartFiles(BTreeMap<String, Vec<u8>>);

impl ChartFiles {
    /// Those of an archive, which has all of them in one folder.
    ///
    /// Errors: it is no archive of a chart.
    pub fn of_archive(archive: &[u8]) -> Result<Self, NoChart> {
        let mut files = BTreeMap::new();
        let mut unpacked = tar::Archive::new(GzDecoder::new(archive).take(LARGEST));
        let not_one = |_| NoChart::NotAnArchive;
        for entry in unpacked.entries().map_err(not_one)? {
            let mut entry = entry.map_err(not_one)?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let path = entry.path().map_err(not_one)?.to_string_lossy().into_owned();
            let path = path.trim_start_matches("./");
            let Some((_, inner)) = path.split_once('/') else {
                continue;
            };
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(not_one)?;
            files.insert(inner.to_owned(), bytes);
        }
        Self(files).checked()
    }

    /// Those of a folder, without what its `.helmignore` names.
    ///
    /// Errors: it has no `Chart.yaml`, or is too large.
    pub fn of_folder(files: BTreeMap<String, Vec<u8>>) -> Result<Self, NoChart> {
        let size: usize = files.values().map(Vec::len).sum();
        if size as u64 > LARGEST {
            return Err(NoChart::TooLarge);
        }
        let rules = files
            .get(IGNORED)
            .map(|rules| String::from_utf8_lossy(rules).into_owned());
        let ignored = ignored(rules.as_deref().unwrap_or_default());
        let is_part = |path: &str| {
            let mut above = path.match_indices('/').map(|(end, _)| &path[..end]);
            path == ABOUT || !(ignored.is_match(path) || above.any(|folder| ignored.is_match(folder)))
        };
        Self(files.into_iter().filter(|(path, _)| is_part(path)).collect()).checked()
    }

    fn checked(self) -> Result<Self, NoChart> {
        if self.0.contains_key(ABOUT) {
            Ok(self)
        } else {
            Err(NoChart::NoAbout)
        }
    }

    /// The text of `Chart.yaml`.
    pub fn about(&self) -> &str {
        self.text(ABOUT).unwrap_or_default()
    }

    /// The text of a file, if there is one of this path.
    pub fn text(&self, path: &str) -> Option<&str> {
        std::str::from_utf8(self.0.get(path)?).ok()
    }

    /// The definitions of kinds, which Helm makes once and never changes: path and text of each file.
    pub fn definitions(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_one = |path: &str| {
            let name = path.to_ascii_lowercase();
            path.starts_with("crds/") && [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end))
        };
        let paths = self.0.keys().filter(move |path| is_one(path));
        paths.filter_map(|path| Some((path.as_str(), self.text(path)?)))
    }

    /// Whether a template of it, or of a chart that it brings, has this word.
    pub fn mentions(&self, word: &str) -> bool {
        let is_template = |path: &str| path.starts_with("templates/");
        let own = self.0.keys().filter(|path| is_template(path));
        let mut texts = own.filter_map(|path| self.text(path));
        texts.any(|text| text.contains(word))
            || self
                .dependencies()
                .is_ok_and(|charts| charts.iter().any(|(_, chart)| chart.mentions(word)))
    }

    /// The charts that it brings, each with its path in this one: folders and archives.
    ///
    /// Errors: an archive is none of a chart.
    pub fn dependencies(&self) -> Result<Vec<(String, Self)>, NoChart> {
        let mut folders: BTreeMap<&str, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
        let mut found = Vec::new();
        for (path, bytes) in &self.0 {
            // Helm leaves these names out too.
            let inner = path
                .strip_prefix(DEPENDENCIES)
                .filter(|inner| !inner.starts_with(['_', '.']));
            match inner.map(|inner| inner.split_once('/').ok_or(inner)) {
                Some(Ok((folder, inner))) => {
                    folders
                        .entry(folder)
                        .or_default()
                        .insert(inner.to_owned(), bytes.clone());
                }
                Some(Err(archive)) if archive.strip_suffix(".tgz").is_some() => {
                    found.push((path.clone(), Self::of_archive(bytes)?));
                }
                _ => {}
            }
        }
        let folders = folders.into_iter().filter(|(_, files)| files.contains_key(ABOUT));
        found.extend(folders.map(|(folder, files)| (format!("{DEPENDENCIES}{folder}"), Self(files))));
        Ok(found)
    }

    /// The files as an archive, which is the same whenever they are.
    ///
    /// Errors: a path is too long for an archive.
    pub fn packed(&self) -> io::Result<Vec<u8>> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, bytes) in &self.0 {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, format!("chart/{path}"), &bytes[..])?;
        }
        let mut packing = GzEncoder::new(Vec::new(), Compression::default());
        packing.write_all(&builder.into_inner()?)?;
        packing.finish()
    }
}

/// What the lines of a `.helmignore` match: names anywhere, or paths if they have a `/`.
fn ignored(rules: &str) -> GlobSet {
    let mut all = GlobSetBuilder::new();
    for rule in rules.lines().map(str::trim) {
        if rule.is_empty() || rule.starts_with(['#', '!']) {
            continue;
        }
        let bare = rule.trim_end_matches('/');
        let pattern = match bare.strip_prefix('/') {
            Some(from_top) => from_top.to_owned(),
            None if bare.contains('/') => bare.to_owned(),
            None => format!("**/{bare}"),
        };
        if let Ok(glob) = Glob::new(&pattern) {
            all.add(glob);
        }
    }
    all.build().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(all: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        all.iter()
            .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn a_folder_and_its_archive_are_one_chart() {
        let chart = ChartFiles::of_folder(files(&[
            (ABOUT, "name: a"),
            (IGNORED, "# no\n*.swp\n/secret/\nci/a.yaml\n"),
            ("templates/a.yaml", "a"),
            ("templates/.a.yaml.swp", "x"),
            ("secret/key", "x"),
            ("ci/a.yaml", "x"),
            ("crds/b.yaml", "b"),
            ("crds/README.md", "no"),
        ]))
        .expect("a chart");
        let again = ChartFiles::of_archive(&chart.packed().expect("packed")).expect("a chart");
        assert_eq!(chart, again);
        assert_eq!(chart.packed().expect("packed"), again.packed().expect("packed"));
        let names: Vec<&String> = chart.0.keys().collect();
        assert_eq!(
            names,
            [IGNORED, ABOUT, "crds/README.md", "crds/b.yaml", "templates/a.yaml"]
        );
        assert_eq!(chart.definitions().collect::<Vec<_>>(), [("crds/b.yaml", "b")]);
        assert_eq!(chart.about(), "name: a");
    }

    #[test]
    fn dependencies_are_folders_and_archives() {
        let archived = ChartFiles::of_folder(files(&[(ABOUT, "name: b")])).expect("a chart");
        let mut all = files(&[
            (ABOUT, "name: a"),
            ("charts/README.md", ""),
            ("charts/_old/Chart.yaml", "name: old"),
            ("charts/empty/values.yaml", ""),
            ("charts/c/Chart.yaml", "name: c"),
            ("charts/c/charts/d/Chart.yaml", "name: d"),
            ("charts/c/charts/d/templates/a.yaml", "{{ lookup }}"),
            ("charts/c/charts/d/README.md", "KubeVersion"),
        ]);
        all.insert("charts/b-1.0.0.tgz".to_owned(), archived.packed().expect("packed"));
        let chart = ChartFiles::of_folder(all.clone()).expect("a chart");
        let found = chart.dependencies().expect("charts");
        let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["charts/b-1.0.0.tgz", "charts/c"]);
        assert_eq!((found[0].1.about(), found[1].1.about()), ("name: b", "name: c"));
        let inner = found[1].1.dependencies().expect("charts");
        assert_eq!(inner[0].1.about(), "name: d");
        assert!(chart.mentions("lookup") && !chart.mentions("KubeVersion"));
        all.insert("charts/b-1.0.0.tgz".to_owned(), b"broken".to_vec());
        let broken = ChartFiles::of_folder(all).expect("a chart").dependencies();
        assert!(matches!(broken, Err(NoChart::NotAnArchive)), "{broken:?}");
    }

    #[test]
    fn what_is_no_chart_is_told() {
        let why = ChartFiles::of_archive(b"no archive").expect_err("no chart");
        assert_eq!(why.to_string(), "this is not an archive of `helm package`");
        let why = ChartFiles::of_folder(files(&[("values.yaml", "")])).expect_err("no chart");
        assert_eq!(why.to_string(), "it has no `Chart.yaml`");
    }
}
