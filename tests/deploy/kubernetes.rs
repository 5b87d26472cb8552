//! Clusters of Kubernetes: how k3s comes to hosts, and what is done in the cluster.

mod cluster;
mod documents;
mod gpu;
mod helm;
mod manifests;
mod model_hosting;
mod nginx_inference;
mod workloads;
