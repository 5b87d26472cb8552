//! The validators of new files, which run before anyone is asked: one more round trip, only where a new file has one.

use futures_util::future::join_all;

use super::conditions::{News, OnNews, noted};
use super::events::OnEvent;
use super::events::Purpose;
use super::reading::{HostReading, ReadHost};
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

/// The same for hosts whose plans were made together.
pub(super) async fn validate_each(readings: Vec<HostReading>, on_event: &OnEvent) -> Vec<HostReading> {
    let validated = readings.into_iter().map(async |mut reading| {
        let ended = match &mut reading.result {
            Ok(host) => validate(host, &noted(&reading.host, on_event)).await,
            Err(_) => Ok(()),
        };
        if let Err(error) = ended
            && let Ok(host) = std::mem::replace(&mut reading.result, Err(error))
        {
            host.connection.close().await;
        }
        reading
    });
    join_all(validated).await
}
