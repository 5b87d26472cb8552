//! Files of a project that git does not have: what was downloaded, and what the lab built.

/// The folder of a project for large files, which git ignores.
pub const DOWNLOADS: &str = "downloads";

/// The folder in which the lab keeps what it made for a project.
pub const LAB: &str = ".homelab/lab";

/// The versions of k3s that the lab builds, which are stand-ins. The first is that of the modules it is built from; the others differ
/// from it by their version alone.
pub const LAB_K3S: [&str; 3] = ["v1.34.4+k3s1", "v1.34.5+k3s1", "v1.35.0+k3s1"];

/// The images that the lab offers to nodes of its clusters.
pub const LAB_IMAGES: [&str; 2] = ["answer", "gpu"];

/// The images that it offers where an inventory has `models = true`.
pub const LAB_MODEL_IMAGES: [&str; 4] = ["alpine", "model-manager", "model-registry", "ollama"];

/// The names of the files, in [`LAB`], of all images of the lab.
pub fn lab_archives() -> impl Iterator<Item = String> {
    LAB_IMAGES.into_iter().chain(LAB_MODEL_IMAGES).map(lab_archive_file)
}

/// The versions of Helm that the lab builds.
pub const LAB_HELM: [&str; 2] = ["v3.19.5", "v4.0.5"];

/// The folder of a project for charts of Helm.
pub const CHARTS: &str = "charts";

/// The names of the programs that the lab may have made, in [`LAB`].
pub fn lab_files() -> impl Iterator<Item = String> {
    let k3s = LAB_K3S.into_iter().map(lab_k3s_file);
    k3s.chain(LAB_HELM.into_iter().map(lab_helm_file))
}

/// The name of the file, in [`LAB`], of this version of the lab's Helm.
pub fn lab_helm_file(version: &str) -> String {
    format!("helm-{version}")
}

/// The name among the project's files of one that the lab made.
pub fn lab_file(name: &str) -> String {
    format!("lab:{name}")
}

/// The name among the project's files of one below [`CHARTS`].
pub fn chart_file(path: &str) -> String {
    format!("chart:{path}")
}

/// The name among the project's files of one below [`DOWNLOADS`].
pub fn download(path: &str) -> String {
    format!("download:{path}")
}

/// The name among the project's files of this version of the lab's k3s.
pub fn lab_k3s(version: &str) -> String {
    lab_file(&lab_k3s_file(version))
}

/// The name of the file, in [`LAB`], of this version of the lab's k3s. Its digest is in a file of the same name and `.sha256`.
pub fn lab_k3s_file(version: &str) -> String {
    format!("k3s-{version}")
}

/// The name of the file, in [`LAB`], of an image of the lab.
pub fn lab_archive_file(image: &str) -> String {
    format!("{image}.tar")
}
