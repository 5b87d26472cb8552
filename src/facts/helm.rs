//! Releases of Helm: what a cluster has of one, and what a chart would make of it.
//!
//! Charts and values come from the controller and travel beside the key; what is secret in answers is a keyed digest before it is a fact.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::kind::{DependsOn, Key, Subject};
use super::kubernetes::{Api, ObjectId};
use crate::secret::Secret;

/// The label with the start of the digest of the chart that homelab installed.
pub const CHART_LABEL: &str = "homelab.dev/chart";
/// The label with the revision that homelab made. What `helm` makes later by hand inherits labels, and has another number.
pub const REVISION_LABEL: &str = "homelab.dev/revision";
/// How much of a digest a label has: it takes no whole one.
pub const LABEL_DIGITS: usize = 40;
/// The annotation of every object of a release, with its name.
pub const RELEASE_NAME: &str = "meta.helm.sh/release-name";
/// The annotation of every object of a release, with its namespace.
pub const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";
/// What begins the description of a revision that homelab made; the pointers of secret values follow, as a list of JSON.
pub const DESCRIPTION: &str = "deployed by homelab; secret values: ";

/// What a cluster has of a release, and what a chart would make of it.
#[derive(Clone, Copy)]
pub struct ReleaseKey<'a>(pub &'a ReleaseQuestion);

/// A question about a release.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReleaseQuestion(pub Box<AskedRelease>);

/// A release that is asked about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AskedRelease {
    #[serde(default)]
    pub api: Api,
    pub namespace: String,
    pub release: String,
    /// The digest of the chart; empty if only that which is there is asked for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub chart: String,
    /// The keyed digest of the values.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub values: String,
    /// Whether the chart is rendered even if the release has this chart and these values.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub always: bool,
    /// It is never stored.
    #[serde(skip)]
    pub body: Beside<ReleaseBody>,
}

/// What travels beside a question, or an answer.
#[derive(Clone, Default)]
pub struct ReleaseBody {
    /// The chart, packed.
    pub chart: Arc<[u8]>,
    /// The values as JSON in one line.
    pub values: Option<Secret>,
    /// Pointers to the values that came from secrets.
    pub secret_values: BTreeSet<String>,
    /// The key for digests of what is secret in an answer, in hex.
    pub key: Option<Secret>,
}

/// What is kept in memory alone. It counts for nothing when its owner is compared, and is not printed.
#[derive(Clone, Default)]
pub struct Beside<T>(pub T);

impl<T> fmt::Debug for Beside<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Beside")
    }
}

impl<T> PartialEq for Beside<T> {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl<T> Eq for Beside<T> {}

impl<T> PartialOrd for Beside<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Beside<T> {
    fn cmp(&self, _other: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl<T> std::hash::Hash for Beside<T> {
    fn hash<H: std::hash::Hasher>(&self, _state: &mut H) {}
}

impl<'a> Key<'a> for ReleaseKey<'a> {
    type Fact = ReleaseFact;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        let AskedRelease {
            release,
            namespace,
            chart,
            always,
            ..
        } = &*self.0.0;
        match (chart.as_str(), always) {
            ("", _) => format!("release `{release}` in `{namespace}`"),
            (_, false) => format!("release `{release}` in `{namespace}` as it is to be"),
            (_, true) => format!("release `{release}` in `{namespace}` as it is rendered"),
        }
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<ReleaseFact> {
        Some(ReleaseFact::NotAsked)
    }

    fn may_come_with_packages(self) -> bool {
        false
    }

    fn is_outdated_by(self, known: &ReleaseFact, changed: Subject<'_>) -> bool {
        // An earlier operation may bring the program.
        let has_none = matches!(known, ReleaseFact::Asked(release) if release.program.is_none());
        has_none && matches!(changed, Subject::Path(path) if path.ends_with("/helm"))
    }
}

/// What is known of a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseFact {
    /// There is no cluster that answers.
    NotAsked,
    Asked(Box<Release>),
}

/// A release, and what a chart would make of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The version of the program `helm` of the host; `None` if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// The status of each revision that the cluster remembers, by its number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub revisions: BTreeMap<u32, String>,
    /// The last of them; `None` if there is no such release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Revision>,
    /// What the chart makes of the values; `None` if that was not asked, or is what the release has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rendering: Option<Rendering>,
}

/// A revision of a release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revision {
    pub number: u32,
    /// `deployed`, `failed`, `pending-upgrade` and the like.
    pub status: String,
    /// Name and version of its chart: `web 1.2.3`.
    #[serde(default)]
    pub chart: String,
    /// Those that homelab gave it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether its objects were applied on the server's side, as Helm 4 does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_server_side: bool,
    /// The values that were given, with digests for secrets.
    #[serde(default)]
    pub values: Value,
    /// The objects as they were rendered; `None` if the host has no `helm` to say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<Vec<Rendered>>,
    /// Texts of its values that were secret.
    #[serde(skip)]
    pub secrets: Beside<Vec<Secret>>,
}

/// What a chart makes of values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rendering {
    Made(Made),
    /// `helm` refuses it and says this.
    Refused(String),
}

/// The objects that a chart makes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    #[serde(default)]
    pub objects: Vec<Rendered>,
    /// Objects that are made on the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Hook>,
    /// Whether the chart was rendered without the checks of an upgrade: kinds are missing, or a revision was not finished.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_apart: bool,
}

/// An object as a chart makes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rendered {
    pub id: ObjectId,
    /// With digests for secrets.
    pub object: Value,
    /// Pointers to texts that are new at each rendering.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub random: Vec<String>,
    /// The object with its secrets, as JSON.
    #[serde(skip)]
    pub body: Beside<Option<Secret>>,
}

/// An object that Helm makes on the way, and its events: `pre-install`, `post-upgrade`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    pub id: ObjectId,
    pub events: Vec<String>,
}

impl Revision {
    /// Whether homelab made this revision.
    pub fn is_ours(&self) -> bool {
        self.labels.get(REVISION_LABEL) == Some(&self.number.to_string())
    }

    /// Whether it is homelab's, has this chart, and its end is known to be good.
    pub fn has(&self, chart: &str) -> bool {
        self.status == "deployed"
            && self.is_ours()
            && self.labels.get(CHART_LABEL).is_some_and(|own| own == label(chart))
    }

    /// Whether the run of Helm that made it did not finish.
    pub fn is_pending(&self) -> bool {
        self.status.starts_with("pending-")
    }
}

/// What the label of a chart with this digest is.
pub fn label(digest: &str) -> &str {
    digest.get(..LABEL_DIGITS).unwrap_or(digest)
}
