//! Operations for Kubernetes.

mod documents;
