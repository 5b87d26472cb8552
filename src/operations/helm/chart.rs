//! The chart of a release, from `charts/` of the project.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;

use serde_json::Value;

use super::parameters::Release;
use crate::change::Stop;
use crate::content::{CHARTS, ChartFiles, Content, NoChart, chart_file};
use crate::error::suggestion;
use crate::operations::PlanContext;
use crate::operations::files::parameters::check_sha256;
use crate::operations::k8s::documents::values_of;
use crate::secret::sha256_hex;

/// What archives of charts end in.
const ARCHIVES: [&str; 2] = [".tgz", ".tar.gz"];
/// Helm keeps a release in a Secret of 1 MiB, and the chart travels in scripts: no usable one is larger.
const LARGEST: usize = 8 << 20;

/// A chart.
pub(super) struct Chart {
    pub(super) name: String,
    pub(super) version: String,
    /// The digest of the archive, or of what the folder is packed to.
    pub(super) digest: String,
    pub(super) packed: Arc<[u8]>,
    pub(super) files: ChartFiles,
}

impl Chart {
    /// The chart that the parameters name.
    ///
    /// Errors: there is none, or it is another one than they say.
    pub(super) fn find(release: &Release, context: &PlanContext<'_>) -> Result<Self, Stop> {
        check_sha256(context, "sha256", release.sha256.as_deref())?;
        let Some(wanted) = &release.chart else {
            return Err(context
                .refuse("release", "missing `chart`", "this release needs a chart")
                .hint("write the name of a folder or an archive below `charts/`"));
        };
        let path = place(context, wanted)?;
        let (files, packed) = if ARCHIVES.iter().any(|end| path.ends_with(end)) {
            archive(release, context, wanted, &path)?
        } else {
            folder(context, wanted, &path)?
        };
        let digest = sha256_hex(&packed);
        let is_other = |sha256: &String| !sha256.eq_ignore_ascii_case(&digest);
        if release.sha256.as_ref().is_some_and(is_other) {
            let title = format!("`{CHARTS}/{path}` is not the chart that `sha256` means");
            return Err(context
                .refuse("sha256", title, format!("its SHA-256 is {digest}"))
                .hint("get the chart again, or correct `sha256`"));
        }
        if packed.len() > LARGEST {
            let title = format!("`{CHARTS}/{path}` is too large for a chart");
            return Err(context
                .refuse("chart", title, format!("{} bytes packed", packed.len()))
                .hint("leave out what is no part of it with a `.helmignore`"));
        }
        let about =
            values_of(files.about()).map_err(|why| no_chart(context, &path, &format!("`Chart.yaml`: {why}")))?;
        let text = |key: &str| about.get(key).and_then(Value::as_str).map(str::to_owned);
        let (Some(name), Some(version)) = (text("name"), text("version")) else {
            return Err(no_chart(context, &path, "`Chart.yaml` has no `name` and `version`"));
        };
        if let Some(wanted) = release.version.as_ref().filter(|wanted| **wanted != version) {
            let title = format!("`{CHARTS}/{path}` is not version {wanted}");
            return Err(context
                .refuse("version", title, format!("it is {version}"))
                .hint("get that version, or correct `version`"));
        }
        Ok(Self {
            name,
            version,
            digest,
            packed: packed.into(),
            files,
        })
    }

    /// `web 1.2.3`
    pub(super) fn title(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

/// The path below `charts/`.
fn place(context: &PlanContext<'_>, wanted: &str) -> Result<String, Stop> {
    if wanted.contains("://") {
        return Err(context
            .refuse(
                "chart",
                "a chart is not downloaded by a deploy",
                "not a path below `charts/`",
            )
            .hint(format!(
                "run `helm pull {wanted} --destination charts`, and write the name of the archive with its `sha256`"
            )));
    }
    let path = wanted.trim_end_matches('/');
    let path = path.strip_prefix(&format!("{CHARTS}/")).unwrap_or(path);
    if path.is_empty() || path.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
        let title = format!("`{wanted}` is not a valid path");
        return Err(context
            .refuse("chart", title, "must name a folder or an archive below `charts/`")
            .hint("write a path such as `\"web\"`"));
    }
    Ok(path.to_owned())
}

fn archive(
    release: &Release,
    context: &PlanContext<'_>,
    wanted: &str,
    path: &str,
) -> Result<(ChartFiles, Vec<u8>), Stop> {
    let Some(content) = context.kept("chart", &chart_file(path))? else {
        return Err(missing(context, wanted, path));
    };
    if release.sha256.is_none() {
        return Err(context
            .refuse("chart", "missing `sha256`", "an archive needs a digest")
            .hint(format!(
                "its digest is `sha256 = \"{}\"`; compare it with that of its publisher",
                content.sha256()
            )));
    }
    let bytes = bytes(&content).map_err(|why| no_chart(context, path, &why.to_string()))?;
    let files = ChartFiles::of_archive(&bytes).map_err(|why| no_chart(context, path, &why.to_string()))?;
    Ok((files, bytes))
}

fn folder(context: &PlanContext<'_>, wanted: &str, path: &str) -> Result<(ChartFiles, Vec<u8>), Stop> {
    let prefix = chart_file(&format!("{path}/"));
    let names: Vec<String> = context
        .asset_names()
        .filter(|name| name.starts_with(&prefix))
        .map(str::to_owned)
        .collect();
    if names.is_empty() {
        return Err(missing(context, wanted, path));
    }
    let mut files = BTreeMap::new();
    for name in names {
        if let Some(content) = context.kept("chart", &name)? {
            let inner = name.strip_prefix(&prefix).unwrap_or(&name).to_owned();
            let bytes = bytes(&content).map_err(|why| no_chart(context, path, &why.to_string()))?;
            files.insert(inner, bytes);
        }
    }
    let files = ChartFiles::of_folder(files).map_err(|why| no_chart(context, path, &why.to_string()))?;
    let packed = files
        .packed()
        .map_err(|why| no_chart(context, path, &why.to_string()))?;
    Ok((files, packed))
}

fn bytes(content: &Content) -> Result<Vec<u8>, NoChart> {
    if let Some(bytes) = content.bytes() {
        return Ok(bytes.to_vec());
    }
    let mut bytes = Vec::new();
    if let Some(file) = content.file() {
        file.open()?.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn no_chart(context: &PlanContext<'_>, path: &str, why: &str) -> Stop {
    context
        .refuse("chart", format!("`{CHARTS}/{path}` is not a chart"), why)
        .hint("name a folder with a `Chart.yaml`, or an archive that `helm package` made")
}

fn missing(context: &PlanContext<'_>, wanted: &str, path: &str) -> Stop {
    let prefix = chart_file("");
    let known: Vec<&str> = context
        .asset_names()
        .filter_map(|name| name.strip_prefix(&prefix))
        .filter_map(|name| match name.strip_suffix("/Chart.yaml") {
            Some(folder) => Some(folder),
            None => ARCHIVES.iter().any(|end| name.ends_with(end)).then_some(name),
        })
        .collect();
    let hint = suggestion(wanted, known).unwrap_or_else(|| {
        format!("put the chart there; `helm pull CHART --destination {CHARTS}` downloads one, with the address of its repository")
    });
    context
        .refuse(
            "chart",
            format!("`{CHARTS}/{path}` does not exist"),
            "no such folder or archive in the project",
        )
        .hint(hint)
}
