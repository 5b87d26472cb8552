//! A release, with what it is to become.

use super::chart::Chart;
use super::parameters::Release;
use super::values::Values;
use crate::facts::helm::DESCRIPTION;
use crate::facts::kubernetes::Api;
use crate::operations::PlanContext;

/// A release, with what it is to become.
pub(super) struct Upgrade<'a> {
    pub(super) release: &'a Release,
    pub(super) context: &'a PlanContext<'a>,
    pub(super) api: Api,
    pub(super) chart: Chart,
    pub(super) values: Values,
}

impl Upgrade<'_> {
    /// What the cluster keeps of this run: which values are secret.
    pub(super) fn description(&self) -> String {
        let pointers: Vec<&String> = self.values.secret.iter().collect();
        let pointers = serde_json::to_string(&pointers).unwrap_or_default();
        format!("{DESCRIPTION}{pointers}")
    }
}
