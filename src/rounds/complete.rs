//! What a whole plan of a host needs besides: orphans, and what validators say.

use futures_util::future::join_all;

use super::conditions::noted;
use super::events::OnEvent;
use super::reading::{HostReading, ReadHost};
use super::{orphans, staged};
use crate::gather::GatherError;
use crate::secret::DigestKey;

/// Looks for orphans, and has new files validated. The plan of a host that needs facts of another is not whole yet.
pub(super) async fn complete(
    host: &mut ReadHost,
    name: &str,
    digests: &DigestKey,
    on_event: &OnEvent,
) -> Result<(), GatherError> {
    if host.build.missing.keys().any(|other| other != name) {
        return Ok(());
    }
    let noted = noted(name, on_event);
    Box::pin(orphans::look(host, name, digests, &noted)).await?;
    staged::validate(host, &noted).await
}

/// The same for hosts whose plans were made together.
pub(super) async fn complete_each(
    readings: Vec<HostReading>,
    digests: &DigestKey,
    on_event: &OnEvent,
) -> Vec<HostReading> {
    let completed = readings.into_iter().map(async |mut reading| {
        let ended = match &mut reading.result {
            Ok(host) => complete(host, &reading.host, digests, on_event).await,
            Err(_) => Ok(()),
        };
        if let Err(error) = ended
            && let Ok(host) = std::mem::replace(&mut reading.result, Err(error))
        {
            host.connection.close().await;
        }
        reading
    });
    join_all(completed).await
}
