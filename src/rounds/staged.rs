//! The validators of new files, which run before anyone is asked: one more round trip, only where a new file has one.

use super::conditions::{News, OnNews};
use super::events::Purpose;
use super::reading::ReadHost;
use crate::gather::{GatherError, Reader as _};

/// Has the host validate the new files of its plan, and keeps what it says in the plan and in its mistakes.
pub(super) async fn validate(host: &mut ReadHost, on_news: OnNews<'_>) -> Result<(), GatherError> {
    if !host.build.mistakes.is_empty() {
        return Ok(());
    }
    for plan in &mut host.build.plan.hosts {
        let Some(staging) = plan.staging() else { continue };
        if host.snapshot.skips_conditions {
            staging.skip(plan);
            continue;
        }
        let commands = staging.commands();
        if !commands.is_empty() {
            on_news(News::Commands(Purpose::Validator, commands));
        }
        let answers = host.connection.ask(std::slice::from_ref(staging.probe())).await?;
        for answer in &answers {
            staging.keep(answer.status, &answer.stdout, plan, &mut host.build.mistakes);
        }
    }
    Ok(())
}
