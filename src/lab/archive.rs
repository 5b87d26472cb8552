//! Archives of images, as `docker save` writes them: the same files give the same archive.

use std::io::Write;

use serde_json::json;

use super::naming;

const SHA256_BYTES: usize = 32;

/// A file of an image, or a link.
pub(super) enum Entry<'f> {
    Program(&'f str, &'f [u8]),
    /// A name, and what it leads to.
    Link(&'f str, &'f str),
    /// A folder that everybody may write to.
    Scratch(&'f str),
}

/// An image that has nothing but these files, and runs `command`.
pub(super) fn image(name: &str, entries: &[Entry<'_>], command: &[&str]) -> std::io::Result<Vec<u8>> {
    let layer = layer(entries)?;
    let digest = |content: &[u8]| naming::hex_of(content, SHA256_BYTES);
    let settings = json!({
        "architecture": architecture(),
        "os": "linux",
        "created": "2026-01-01T00:00:00Z",
        "config": {
            "Cmd": command,
            "Env": ["PATH=/bin", "HOME=/root"],
            "Labels": { "homelab.stand-in": "true" },
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", digest(&layer))] },
    })
    .to_string();
    let about = format!("{}.json", digest(settings.as_bytes()));
    let manifest = json!([{ "Config": about, "RepoTags": [name], "Layers": ["layer.tar"] }]).to_string();
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in [
        ("manifest.json", manifest.as_bytes()),
        (&about, settings.as_bytes()),
        ("layer.tar", &layer),
    ] {
        append(&mut archive, path, 0o644, content)?;
    }
    archive.into_inner()
}

fn layer(entries: &[Entry<'_>]) -> std::io::Result<Vec<u8>> {
    let mut layer = tar::Builder::new(Vec::new());
    for entry in entries {
        match entry {
            Entry::Program(path, content) => append(&mut layer, path, 0o755, content)?,
            Entry::Link(path, target) => {
                let mut header = header(tar::EntryType::Symlink, 0o777, 0);
                layer.append_link(&mut header, path, target)?;
            }
            Entry::Scratch(path) => {
                let mut header = header(tar::EntryType::Directory, 0o1777, 0);
                layer.append_data(&mut header, path, std::io::empty())?;
            }
        }
    }
    layer.into_inner()
}

fn append(archive: &mut tar::Builder<impl Write>, path: &str, mode: u32, content: &[u8]) -> std::io::Result<()> {
    let mut header = header(tar::EntryType::Regular, mode, content.len() as u64);
    archive.append_data(&mut header, path, content)
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header
}

/// As images name it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_the_same_each_time_and_has_its_files() {
        let entries = [
            Entry::Program("bin/busybox", b"program"),
            Entry::Link("bin/sh", "busybox"),
            Entry::Scratch("tmp"),
        ];
        let whole = image("docker.io/lab/a:1", &entries, &["sh"]).unwrap();
        assert_eq!(whole, image("docker.io/lab/a:1", &entries, &["sh"]).unwrap());
        let archived = crate::content::Content::new(whole).archived_images().unwrap();
        assert_eq!(archived[0].names, ["docker.io/lab/a:1"]);
        let layer = layer(&entries).unwrap();
        let mut layer = tar::Archive::new(&layer[..]);
        let found: Vec<(String, u32)> = layer
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let path = entry.path().unwrap().to_string_lossy().into_owned();
                (path, entry.header().mode().unwrap())
            })
            .collect();
        let expected = [("bin/busybox", 0o755), ("bin/sh", 0o777), ("tmp", 0o1777)];
        assert_eq!(found, expected.map(|(path, mode)| (path.to_owned(), mode)));
    }
}
