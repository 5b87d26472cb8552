//! Kubernetes, on lab hosts with the lab's k3s.

mod workloads;
