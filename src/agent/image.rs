//! An archive with an image of the agent, as `docker save` writes it: the same bytes for the same program.

use std::io;

use serde_json::json;
use tar::{Builder, EntryType, Header};

use super::parts::PROGRAM;
use crate::secret::sha256_hex;

/// The repository of the image.
const REPOSITORY: &str = "homelab/agent";
/// Where the program is in it, as on hosts.
const PLACE: &str = "usr/local/lib/homelab/agent";
/// Users of most systems without rights of their own.
const NOBODY: &str = "65534:65534";
/// How many digits of the program's digest are the tag.
const DIGITS: usize = 12;

/// The name with the tag that an image has: it follows from the program, so pods are replaced when that is another one.
fn image_name(program_sha256: &str) -> String {
    let tag: String = program_sha256.chars().take(DIGITS).collect();
    format!("{REPOSITORY}:{tag}")
}

/// The archive.
pub(super) fn archive(program: &[u8], architecture: &str) -> io::Result<Vec<u8>> {
    let layer = layer(program)?;
    let layer_digest = sha256_hex(&layer);
    let configuration = json!({
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Entrypoint": [format!("/{PLACE}")],
            "User": NOBODY,
            "WorkingDir": "/",
            "Labels": { "org.opencontainers.image.title": PROGRAM },
        },
        "created": "1970-01-01T00:00:00Z",
        "history": [{ "created": "1970-01-01T00:00:00Z", "created_by": "homelab agent image" }],
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer_digest}")] },
    })
    .to_string();
    let configuration_name = format!("{}.json", sha256_hex(configuration.as_bytes()));
    let layer_name = format!("{layer_digest}/layer.tar");
    let manifest = json!([{
        "Config": configuration_name,
        "RepoTags": [image_name(&sha256_hex(program))],
        "Layers": [layer_name],
    }])
    .to_string();
    let mut archive = Builder::new(Vec::new());
    append(&mut archive, &configuration_name, 0o644, configuration.as_bytes())?;
    append(&mut archive, &layer_name, 0o644, &layer)?;
    append(&mut archive, "manifest.json", 0o644, manifest.as_bytes())?;
    archive.into_inner()
}

/// The program in its folders, and nothing else.
fn layer(program: &[u8]) -> io::Result<Vec<u8>> {
    let mut layer = Builder::new(Vec::new());
    for (end, _) in PLACE.match_indices('/') {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        layer.append_data(&mut header, format!("{}/", &PLACE[..end]), io::empty())?;
    }
    append(&mut layer, PLACE, 0o755, program)?;
    layer.into_inner()
}

fn append(archive: &mut Builder<Vec<u8>>, path: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_mode(mode);
    header.set_size(bytes.len() as u64);
    archive.append_data(&mut header, path, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Content;

    #[test]
    fn the_same_program_is_the_same_archive_and_another_one_has_another_name() {
        let made = archive(b"program", "amd64").unwrap();
        assert_eq!(made, archive(b"program", "amd64").unwrap());
        let names = |program: &[u8]| {
            let content = Content::new(archive(program, "arm64").unwrap());
            let images = content.archived_images().unwrap();
            images.into_iter().map(|image| image.names).collect::<Vec<_>>().concat()
        };
        assert_eq!(names(b"program"), [image_name(&sha256_hex(b"program"))]);
        assert_ne!(names(b"program"), names(b"another"));
    }
}
