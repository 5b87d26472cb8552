//! Tables of cron.

#[expect(
    clippy::module_inception,
    reason = "a file is named after its operation: `crontab.crontab`"
)]
pub(super) mod crontab;
mod field;
