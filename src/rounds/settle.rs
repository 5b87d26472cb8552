//! One host: it is read and planned in turns.

use super::conditions::{News, OnNews, to_read};
use super::reading::Rounds;
use crate::facts::{Fact, FactKey};
use crate::gather::{GatherError, Reader, gather};
use crate::plan::{Build, Snapshot, build};
use crate::project::Selection;
use crate::secret::DigestKey;

/// Plans one host and reads what the plan lacks, in turns, until nothing is missing or no rounds are left.
///
/// `selection` has only that host. It continues after mistakes, so that all are found.
pub async fn settle(
    reader: &mut impl Reader,
    selection: &Selection,
    snapshot: &mut Snapshot,
    digests: &DigestKey,
    on_news: OnNews<'_>,
) -> Result<Build, GatherError> {
    let mut rounds = Rounds::default();
    loop {
        let build = build(selection, snapshot, digests);
        let Some(host) = selection.hosts.first().map(|host| &host.name) else {
            return Ok(build);
        };
        let Some(missing) = build.missing.get(host).filter(|_| rounds.begin()) else {
            return Ok(build);
        };
        let keys = to_read(host, missing, snapshot, on_news);
        let facts = snapshot.facts.entry(host.clone()).or_default();
        gather(reader, host, &keys, facts).await?;
        if keys.contains(&FactKey::System)
            && let Some(Fact::System(system)) = facts.get(&FactKey::System)
            && let Some(words) = system.lock_notice()
        {
            on_news(News::Locked(words));
        }
    }
}
