//! Images that are made without an engine.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// An archive of this image, as `docker save` writes it. The image has one file, `/text`.
pub(crate) fn archive(name: &str, text: &str) -> Vec<u8> {
    let layer = tar(&[("text", text.as_bytes())]);
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":["sha256:{}"]}}}}"#,
        sha256(&layer)
    );
    let of_config = format!("{}.json", sha256(config.as_bytes()));
    let manifest = format!(r#"[{{"Config":"{of_config}","RepoTags":["{name}"],"Layers":["layer.tar"]}}]"#);
    tar(&[
        (&of_config, config.as_bytes()),
        ("layer.tar", &layer),
        ("manifest.json", manifest.as_bytes()),
    ])
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
