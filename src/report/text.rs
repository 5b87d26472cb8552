//! stub
use super::TextOptions;
use crate::plan::{Plan, PlannedOperation};
use crate::project::Run;
/// The whole review.
pub fn plan(_run: &Run, plan: &Plan, options: &TextOptions) -> String {
    plan.hosts
        .iter()
        .flat_map(|host| &host.operations)
        .map(|one| operation(one, options))
        .collect()
}
/// One operation's block.
pub fn operation(operation: &PlannedOperation, _options: &TextOptions) -> String {
    format!("{} {:?}\n", operation.id, operation.outcome)
}
