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
    fn what_is_no_chart_is_told() {
        let why = ChartFiles::of_archive(b"no archive").expect_err("no chart");
        assert_eq!(why.to_string(), "this is not an archive of `helm package`");
        let why = ChartFiles::of_folder(files(&[("values.yaml", "")])).expect_err("no chart");
        assert_eq!(why.to_string(), "it has no `Chart.yaml`");
    }
}
