//! The parameters of a release.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::change::Stop;
use crate::operations::PlanContext;
use crate::operations::parameters::Span;
use crate::value::Varied;

/// A table that may have secrets.
pub(super) type Given = Varied<Map<String, Value>>;

/// Parameters of `helm.release`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a parameter that people write")]
pub(in crate::operations) struct Release {
    /// Name of the release.
    pub(super) release: String,
    /// Namespace of the release. It has to be there: `k8s.namespace` makes it.
    pub(super) namespace: String,
    /// Folder below `charts/` of the project, such as `"web"`, or an archive, such as `"web-1.2.3.tgz"`. Nothing is downloaded: put
    /// there what `helm pull` gives. Not needed with `present = false`.
    pub(super) chart: Option<String>,
    /// Version that the chart must have.
    pub(super) version: Option<String>,
    /// SHA-256 of an archive, as `sha256sum` prints it; a folder needs none.
    pub(super) sha256: Option<String>,
    /// Values for the chart. They may be secrets, which are never shown.
    pub(super) values: Option<Given>,
    /// Files of values below `templates/`, in YAML or JSON. A later one wins, and `values` over all. Names that end in `.j2` are rendered.
    #[serde(default)]
    pub(super) values_files: Vec<String>,
    /// `true` leaves out the CustomResourceDefinitions in `crds/` of the chart and its dependencies.
    #[serde(default)]
    pub(super) skip_crds: bool,
    /// What to do about CustomResourceDefinitions in `crds/` of the chart and its dependencies that are there: `"update"`, the default, or
    /// `"keep"`. Helm itself never updates them.
    #[serde(default)]
    pub(super) crds: Definitions,
    /// `true`, the default, goes back to the last good revision if an upgrade fails, and if a run was cut off in one.
    #[serde(default = "crate::operations::parameters::yes")]
    pub(super) rollback: bool,
    /// How long an upgrade may take until all is ready, such as `"10m"`; default: `"5m"`.
    #[serde(default = "five_minutes")]
    pub(super) within: Span,
    /// `false` does not compare the objects in the cluster, as long as chart and values are the same.
    #[serde(default = "crate::operations::parameters::yes")]
    pub(super) drift: bool,
    /// `false` uninstalls the release.
    #[serde(default = "crate::operations::parameters::yes")]
    pub(super) present: bool,
    /// File on the host with which the cluster is reached; by default that of k3s.
    pub(super) kubeconfig: Option<String>,
}

/// What to do about definitions that are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Definitions {
    #[default]
    Update,
    Keep,
}

fn five_minutes() -> Span {
    Span(Duration::from_secs(300))
}

/// Why nothing can be done with releases on a host without `helm`.
pub(super) fn no_program(context: &PlanContext<'_>) -> Stop {
    context
        .refuse(
            "release",
            "there is no program `helm` on this host",
            "needs Helm 3 or 4",
        )
        .hint("install it in an earlier operation, as `/usr/local/bin/helm`")
}
