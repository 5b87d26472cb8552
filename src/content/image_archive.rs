//! Reads what an archive of `docker save` says of the images in it.

use std::collections::BTreeMap;
use std::io::{self, Read};

use flate2::read::GzDecoder;
use serde::Deserialize;
use thiserror::Error;

use super::{Content, LargeFile};

/// No list of images has as many bytes.
const LARGEST_LIST: u64 = 1 << 20;
/// How a file begins that gzip compressed.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// The list of images of each archive that Docker loads.
const MANIFEST: &str = "manifest.json";
/// The list of images in the layout of OCI, which newer archives have too.
const INDEX: &str = "index.json";

/// Why an archive has no images that can be read.
#[derive(Debug, Error)]
pub enum NoImage {
    #[error("this is not an archive of `docker save`")]
    NotAnArchive,
    #[error("its list of images is damaged")]
    Damaged,
    #[error("{0}")]
    Unreadable(#[from] io::Error),
}

/// An image of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArchivedImage {
    /// Its names with their tags.
    pub names: Vec<String>,
    /// What engines call it, `sha256:…`: most by the digest of its configuration, those with containerd's store by that of its
    /// manifest.
    pub ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Manifest {
    config: String,
    repo_tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<IndexEntry>,
}

#[derive(Deserialize)]
struct IndexEntry {
    digest: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl Content {
    /// The images of an archive that `docker save` made, which may be compressed with gzip.
    ///
    /// Errors: the bytes are not here, or are no such archive.
    pub fn archived_images(&self) -> Result<Vec<ArchivedImage>, NoImage> {
        match (self.bytes(), self.file().map(LargeFile::open)) {
            (Some(bytes), _) => images(bytes),
            (None, Some(file)) => images(file?),
            (None, None) => Err(NoImage::NotAnArchive),
        }
    }
}

fn images(mut archive: impl Read) -> Result<Vec<ArchivedImage>, NoImage> {
    let mut start = [0; 2];
    archive.read_exact(&mut start).map_err(|_| NoImage::NotAnArchive)?;
    let whole = start.chain(archive);
    let lists = if start == GZIP {
        lists(GzDecoder::new(whole))
    } else {
        lists(whole)
    }?;
    let manifest = lists.get(MANIFEST).ok_or(NoImage::NotAnArchive)?;
    let manifests: Vec<Manifest> = serde_json::from_slice(manifest).map_err(|_| NoImage::Damaged)?;
    let index: Option<Index> = match lists.get(INDEX) {
        Some(index) => Some(serde_json::from_slice(index).map_err(|_| NoImage::Damaged)?),
        None => None,
    };
    let entries = index.map_or_else(Vec::new, |index| index.manifests);
    Ok(manifests.into_iter().map(|one| image(one, &entries)).collect())
}

fn image(manifest: Manifest, entries: &[IndexEntry]) -> ArchivedImage {
    // `HEX.json`, or `blobs/sha256/HEX`.
    let file = manifest.config.rsplit('/').next().unwrap_or_default();
    let names = manifest.repo_tags.unwrap_or_default();
    let is_own = |entry: &&IndexEntry| {
        let full = entry.annotations.get("io.containerd.image.name");
        full.is_some_and(|full| {
            names
                .iter()
                .any(|name| full == name || full.ends_with(&format!("/{name}")))
        })
    };
    let of_index = entries.iter().filter(is_own).map(|entry| entry.digest.clone());
    let of_config = format!("sha256:{}", file.trim_end_matches(".json"));
    ArchivedImage {
        ids: [of_config].into_iter().chain(of_index).collect(),
        names,
    }
}

/// The lists of images in an archive, by name.
fn lists(archive: impl Read) -> Result<BTreeMap<&'static str, Vec<u8>>, NoImage> {
    let mut found = BTreeMap::new();
    let mut archive = tar::Archive::new(archive);
    let not_one = |_| NoImage::NotAnArchive;
    for entry in archive.entries().map_err(not_one)? {
        let entry = entry.map_err(not_one)?;
        let path = entry.path().map_err(not_one)?.into_owned();
        let Some(name) = [MANIFEST, INDEX].into_iter().find(|name| path.as_os_str() == *name) else {
            continue;
        };
        let mut list = Vec::new();
        entry
            .take(LARGEST_LIST)
            .read_to_end(&mut list)
            .map_err(|_| NoImage::Damaged)?;
        found.insert(name, list);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            builder
                .append_data(&mut header, path, text.as_bytes())
                .expect("appended");
        }
        builder.into_inner().expect("an archive")
    }

    /// As Docker 20.10 writes it.
    const OLD: [(&str, &str); 2] = [
        ("77be.json", "{}"),
        (
            MANIFEST,
            r#"[{"Config":"77be.json","RepoTags":["app:1","app:latest"],"Layers":["a/layer.tar"]}]"#,
        ),
    ];

    /// As Docker 26.1 writes it.
    const NEW: [(&str, &str); 3] = [
        ("blobs/sha256/77be", "{}"),
        (
            INDEX,
            r#"{"schemaVersion":2,"manifests":[{"digest":"sha256:9a0b","annotations":{"io.containerd.image.name":"docker.io/library/app:1"}}]}"#,
        ),
        (
            MANIFEST,
            r#"[{"Config":"blobs/sha256/77be","RepoTags":["app:1"],"Layers":[]}]"#,
        ),
    ];

    #[test]
    fn the_names_and_ids_of_an_image_are_read_however_it_was_saved() {
        let packed = |bytes: &[u8]| {
            let mut packing = GzEncoder::new(Vec::new(), Compression::fast());
            packing.write_all(bytes).expect("packed");
            packing.finish().expect("packed")
        };
        let old = archive(&OLD);
        for bytes in [packed(&old), old] {
            let found = Content::new(bytes).archived_images().expect("images");
            assert_eq!(found[0].names, ["app:1", "app:latest"]);
            assert_eq!(found[0].ids, ["sha256:77be"]);
        }
        let found = Content::new(archive(&NEW)).archived_images().expect("images");
        assert_eq!(found[0].ids, ["sha256:77be", "sha256:9a0b"]);
    }

    #[test]
    fn another_file_or_a_damaged_one_has_no_image() {
        let why = |bytes: Vec<u8>| Content::new(bytes).archived_images().expect_err("no image").to_string();
        for bytes in [&b""[..], b"x", b"no archive at all, but longer than a word", &GZIP] {
            assert_eq!(why(bytes.to_vec()), "this is not an archive of `docker save`");
        }
        assert_eq!(why(archive(&[("a", "b")])), "this is not an archive of `docker save`");
        assert_eq!(why(archive(&[(MANIFEST, "[{")])), "its list of images is damaged");
    }
}
