//! `helm.release`: releases of Helm in a cluster.

mod chart;
mod definitions;
mod objects;
mod parameters;
mod release;
mod removal;
mod script;
mod upgrade;
mod values;
mod wish;

pub(in crate::operations) use self::parameters::Release;
