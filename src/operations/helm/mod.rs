//! Helm: releases of charts in a cluster of Kubernetes.

mod chart;
mod definitions;
mod dependencies;
mod objects;
mod parameters;
pub(super) mod release;
mod removal;
mod script;
mod upgrade;
mod values;
mod wish;
