//! Images that are made without an engine.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// An archive of these images, as `docker save` writes it. Each has one file, `/text`.
pub(crate) fn archive<'a>(images: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut entries: Vec<String> = Vec::new();
    for (number, (name, text)) in images.into_iter().enumerate() {
        let layer = tar(&[("text", text.as_bytes())]);
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":["sha256:{}"]}}}}"#,
            sha256(&layer)
        );
        let of_config = format!("{}.json", sha256(config.as_bytes()));
        let of_layer = if number == 0 {
            "layer.tar".to_owned()
        } else {
            format!("layer-{number}.tar")
        };
        entries.push(format!(
            r#"{{"Config":"{of_config}","RepoTags":["{name}"],"Layers":["{of_layer}"]}}"#
        ));
        files.extend([(of_config, config.into_bytes()), (of_layer, layer)]);
    }
    let manifest = format!("[{}]", entries.join(","));
    files.push(("manifest.json".to_owned(), manifest.into_bytes()));
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
        .collect();
    tar(&files)
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, *bytes).expect("in memory");
    }
    builder.into_inner().expect("in memory")
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
