//! The parameters of `docker.compose`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::operations::parameters::Span;

/// Parameters of `docker.compose`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a parameter that people write")]
pub(in crate::operations) struct Compose {
    /// Directory of the host that contains the compose file, such as `"/opt/stacks/grafana"`. With `stack` it may be left out: then it is
    /// the folder of this name in the data `stacks_path`.
    pub(super) project_directory: Option<String>,
    /// Stack whose files are put there: a folder below `templates/services/`. Its `stack.toml` stays in the project. Without a stack the
    /// files must be on the host, or come from earlier operations.
    pub(super) stack: Option<String>,
    /// Name of the compose project. By default it is `name` of the compose file, or else the name of the directory.
    pub(super) project_name: Option<String>,
    /// Compose files in the directory, such as `["compose.yaml", "compose.prod.yaml"]`. By default compose finds them by itself.
    #[serde(default)]
    pub(super) files: Vec<String>,
    /// Profiles whose services run too.
    #[serde(default)]
    pub(super) profiles: Vec<String>,
    /// User who owns the files; by default the owner is kept, and new files belong to `root`.
    pub(super) user: Option<String>,
    /// Group of the files; by default the group is kept, and new files get `root`.
    pub(super) group: Option<String>,
    /// When to ask the registry for images: `"missing"`, the default, if one is not on the host; `"always"` each time, which does not
    /// count as a pending change, and services of which it has another image get new containers; `"never"`: then a missing one is an
    /// error.
    #[serde(default)]
    pub(super) pull: Pull,
    /// `true` asks the registry for the images that built ones are based on.
    #[serde(default)]
    pub(super) build_pull: bool,
    /// How long services have until they run and are healthy, such as `"5m"`.
    #[serde(default = "two_minutes")]
    pub(super) within: Span,
    /// How long a service without health check must run to count as started.
    #[serde(default = "three_seconds")]
    pub(super) settle: Span,
    /// `false` leaves containers of services that are no longer in the compose file.
    #[serde(default = "crate::operations::parameters::yes")]
    pub(super) remove_orphans: bool,
    /// Volumes of the compose file that may be removed and created again if their driver or options differ. Data in them is lost, unless
    /// it is on a server or in a directory that the options name.
    #[serde(default)]
    pub(super) recreate_volumes: Vec<String>,
    /// `true` lets `present = false` remove the volumes of the project with their data.
    #[serde(default)]
    pub(super) remove_volumes: bool,
    /// `false` removes the containers and networks of the project, and the files of the stack. Volumes and other files stay.
    #[serde(default = "crate::operations::parameters::yes")]
    pub(super) present: bool,
}

/// What happens about an image that the host does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Pull {
    #[default]
    Missing,
    Always,
    Never,
}

fn two_minutes() -> Span {
    Span(Duration::from_secs(120))
}

fn three_seconds() -> Span {
    Span(Duration::from_secs(3))
}
