//! A Kubernetes cluster that a host speaks for: how its API is reached, what it serves, and its objects.
//!
//! No credential leaves the host: its own `kubectl` asks the API server. See [`Api`].

mod api;
mod builtin;
mod cluster;
mod explanation;
mod object;
mod state;

pub use api::Api;
pub use cluster::{Answers, Cluster, ClusterKey, DEFAULT_CLASS, Node, ServedKind, StorageClass, Taint, TaintEffect};
pub use explanation::{ObjectName, Objects};
pub use object::{Answer, AskedObject, Body, Moved, Object, ObjectFact, ObjectId, ObjectKey, Question};
pub use state::{ObjectsCheck, Until};
