//! An object of a cluster, and what the API server would make of a new one.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::api::Api;
use super::field::FieldPath;
use crate::facts::kind::{DependsOn, Key, Subject};
use crate::secret::Secret;

/// What the API server has of an object, and would make of it.
#[derive(Clone, Copy)]
pub struct ObjectKey<'a>(pub &'a Question);

/// A question about an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Question(pub Box<AskedObject>);

/// An object that the API server is asked about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AskedObject {
    #[serde(default)]
    pub api: Api,
    #[serde(flatten)]
    pub id: ObjectId,
    /// The keyed digest of the object as it is to be; empty if only that which is there is asked for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Fields that are left alone once the object is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<FieldPath>,
    /// The manager that applies it, if that is not homelab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// It is never stored.
    #[serde(skip)]
    pub body: Body,
}

/// The name of an object, which no other has in its cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectId {
    /// `apps`; empty for the oldest kinds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    pub version: String,
    pub kind: String,
    /// `None` for kinds that are in no namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub name: String,
}

impl ObjectId {
    /// `apps/v1`, or `v1` for the oldest kinds.
    pub fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// Whether this is the same object, be it in another version.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.group, &self.kind, &self.namespace, &self.name)
            == (&other.group, &other.kind, &other.namespace, &other.name)
    }
}

impl fmt::Display for ObjectId {
    /// `Deployment/web in shop`
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.kind, self.name)?;
        match &self.namespace {
            Some(namespace) => write!(formatter, " in {namespace}"),
            None => Ok(()),
        }
    }
}

/// An object as JSON, with what of it is secret. Two keys are the same if their digests are, so it counts for nothing there.
#[derive(Clone, Default)]
pub struct Body {
    /// The object in one line; `None` if only that which is there is asked for.
    pub json: Option<Secret>,
    /// The texts in it that came from secrets.
    pub secrets: Vec<Secret>,
    /// Texts from secrets that may be parts of texts in it, or of what it was before.
    pub parts: Vec<Secret>,
    /// The key for digests of what is secret in an answer, in hex.
    pub key: Option<Secret>,
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Body")
    }
}

impl PartialEq for Body {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Body {}

impl PartialOrd for Body {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Body {
    fn cmp(&self, _other: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl std::hash::Hash for Body {
    fn hash<H: std::hash::Hasher>(&self, _state: &mut H) {}
}

impl<'a> Key<'a> for ObjectKey<'a> {
    type Fact = ObjectFact;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        let AskedObject { id, digest, .. } = &*self.0.0;
        match digest.as_str() {
            "" => format!("object `{id}`"),
            _ => format!("object `{id}` as it is to be"),
        }
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<ObjectFact> {
        Some(ObjectFact::NotAsked)
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectFact {
    /// There is no cluster that answers, or it has no such namespace, or serves no such kind.
    NotAsked,
    Asked(Box<Object>),
}

/// An object in a cluster. What the server writes by itself (`status`, `uid`, `managedFields` and the like) is left out, and all of the
/// data of a Secret is a keyed digest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// As it is; `None` if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Value>,
    /// Its `resourceVersion`, which every change of it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// What the server would make of it; `None` if it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// Fields of other managers that would have another value: they would lose them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<Moved>,
    /// Fields of other managers that homelab would own too, with the value that they have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<Moved>,
    /// How many fields homelab would own that it does not own now.
    #[serde(default)]
    pub gained: usize,
    /// Whether it is a Job that has ended.
    #[serde(default)]
    pub is_finished: bool,
    /// The object as `kubectl apply` last wrote it, if that is how it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_applied: Option<Value>,
    /// What of it homelab wrote, if the server refuses what it would be now, or does not serve that version yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<Value>,
    /// Which of the fields that are left alone homelab owns, and so would remove by leaving them out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Held>,
    /// The first of the fields that are left alone which is owned only together with what is around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undivided: Option<FieldPath>,
    /// All that have written fields of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub managers: Vec<String>,
}

impl Object {
    /// The version in which it was read, if that is another than the one asked for, which the server does not serve.
    pub fn other_version(&self, id: &ObjectId) -> Option<&str> {
        let (group, version) = self.live.as_ref()?.get("apiVersion")?.as_str()?.rsplit_once('/')?;
        (group == id.group && version != id.version).then_some(version)
    }

    /// Whether it was deleted, and it is not gone yet.
    pub fn is_going(&self) -> bool {
        let live = self.live.as_ref();
        live.is_some_and(|live| live.pointer("/metadata/deletionTimestamp").is_some())
    }

    /// Whether the server refuses what the object is to be.
    pub fn is_refused(&self) -> bool {
        matches!(self.answer, Some(Answer::Refused(_)))
    }
}

/// What the server says to an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It would be this.
    Accepted(Value),
    /// It refuses it, and says this.
    Refused(String),
}

/// Fields to give up, of an entry of `managedFields`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// JSON pointers into its `fieldsV1`, to be taken out one after the other.
    pub pointers: Vec<String>,
}

/// A field of another manager.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    /// `spec.template.spec.containers[name="web"].image`
    pub field: String,
    pub manager: String,
}
