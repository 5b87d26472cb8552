//! Files of a project that git does not have: what was downloaded, and what the lab built.

/// The folder of a project for large files, which git ignores.
pub const DOWNLOADS: &str = "downloads";

/// The folder in which the lab keeps what it made for a project.
pub const LAB: &str = ".homelab/lab";

/// The versions of k3s that the lab builds, which are stand-ins. The first is that of the modules it is built from; the others differ
/// from it by their version alone.
pub const LAB_K3S: [&str; 3] = ["v1.34.4+k3s1", "v1.34.5+k3s1", "v1.35.0+k3s1"];

/// The name among the project's files of one below [`DOWNLOADS`].
pub fn download(path: &str) -> String {
    format!("download:{path}")
}

/// The name among the project's files of this version of the lab's k3s.
pub fn lab_k3s(version: &str) -> String {
    format!("lab:{}", lab_k3s_file(version))
}

/// The name of the file, in [`LAB`], of this version of the lab's k3s. Its digest is in a file of the same name and `.sha256`.
pub fn lab_k3s_file(version: &str) -> String {
    format!("k3s-{version}")
}

/// The name among the project's files of the file `name` in [`LAB`], if it is a version of the lab's k3s.
pub fn lab_k3s_of(name: &str) -> Option<String> {
    let is_version = |version: &&&str| lab_k3s_file(version) == name;
    LAB_K3S.iter().find(is_version).map(|version| lab_k3s(version))
}
