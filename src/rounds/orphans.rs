//! Looks for what a project created on a host and what left its configuration since.
//!
//! A run whose operations are about all that the host remembers asks nothing further.

use std::collections::BTreeSet;

use super::conditions::OnNews;
use super::reading::{ReadHost, Rounds};
use super::settle::settle;
use crate::change;
use crate::facts::made::{Made, digest};
use crate::facts::owed::STATE_FOLDER;
use crate::facts::remembered::{Found, parse, probe};
use crate::facts::system::SystemFacts;
use crate::facts::{Fact, FactKey, Facts};
use crate::gather::{GatherError, Reader, gather};
use crate::plan::{Judged, Orphan, Snapshot, Survey, is_claimed, judged, left, orphan_keys, removals, survey};
use crate::project::{Managing, Memory};
use crate::remote::{Connection, Target};
use crate::secret::DigestKey;

/// The name of homelab's own task that removes orphans.
const PRUNE: &str = "prune";
/// What is said if it is not known what operations are about.
const UNCLEAR: &str = "what left the configuration is not known, since this is known only later: ";

/// Tells in the plan which orphans are on the host. With `--prune`, their removal becomes part of the plan. Nothing is read unless
/// there may be any.
pub(super) async fn look(
    host: &mut ReadHost,
    name: &str,
    digests: &DigestKey,
    on_news: OnNews<'_>,
) -> Result<(), GatherError> {
    let Some(memory) = host.selection.memory.clone().filter(|memory| memory.looks) else {
        return Ok(());
    };
    let Some(plan) = host.build.plan.host(name).filter(|_| host.build.mistakes.is_empty()) else {
        return Ok(());
    };
    let facts = host.snapshot.facts.get(name);
    let Some(system) = facts.and_then(system).filter(|system| !system.made.is_empty()) else {
        return Ok(());
    };
    let own = Survey::of(&plan.operations);
    let is_all_seen = |made: &Made| left(&made.digests, std::slice::from_ref(&own)).is_empty();
    let file = memory.file(name);
    if system
        .made
        .iter()
        .all(|made| is_all_seen(made) || (made.file != file && !memory.compares(&made.file, name, &[])))
    {
        return Ok(());
    }
    let mut managing = memory.others(name);
    let mut made = system.made.clone();
    made.retain(|made| !is_all_seen(made) && memory.compares(&made.file, name, &managing));
    if made.is_empty() {
        return Ok(());
    }
    managing.push(Managing {
        selection: host.selection.host_alone(name),
        host: name.to_owned(),
        file,
    });
    let looking = Looking {
        name,
        made: &made,
        managing: &managing,
        digests,
    };
    let found = Box::pin(looking.find(&mut host.connection, own, &mut host.snapshot)).await?;
    if let Some(memory) = &mut host.selection.memory {
        memory.absent = found.judged.absent;
    }
    let orphans = found.judged.orphans;
    let mut notices: Vec<String> = found.unclear.into_iter().collect();
    if memory.prunes {
        for unclear in &mut notices {
            *unclear = format!("`--prune` removes nothing: {unclear}");
        }
        notices.extend(Box::pin(prune(host, name, &orphans, digests, on_news)).await?);
    } else {
        notices.extend(orphans.iter().filter_map(|orphan| orphan.notice(false)));
    }
    for plan in host.build.plan.hosts.iter_mut().filter(|plan| plan.host == name) {
        plan.notices.extend(notices.iter().cloned());
    }
    Ok(())
}

/// What is on a host of what the project created and what left its configuration, as a review would say it.
///
/// Errors: the connection.
pub async fn orphans(target: &Target, facts: &Facts, memory: &Memory) -> Result<Vec<String>, GatherError> {
    let managing = memory.others(&target.name);
    let mut made = system(facts).map(|system| system.made.clone()).unwrap_or_default();
    made.retain(|made| memory.compares(&made.file, &target.name, &managing));
    if made.is_empty() {
        return Ok(Vec::new());
    }
    let mut snapshot = Snapshot::default();
    snapshot.facts.insert(target.name.clone(), facts.clone());
    let looking = Looking {
        name: &target.name,
        made: &made,
        managing: &managing,
        digests: &DigestKey::random(),
    };
    let mut connection = Connection::open(target).await?;
    let found = Box::pin(looking.find(&mut connection, Survey::default(), &mut snapshot)).await;
    connection.close().await;
    let Outcome { judged, unclear } = found?;
    let orphans = judged.orphans.iter().filter_map(|orphan| orphan.notice(false));
    Ok(unclear.into_iter().chain(orphans).collect())
}

fn system(facts: &Facts) -> Option<&SystemFacts> {
    match facts.get(&FactKey::System)? {
        Fact::System(system) => Some(system),
        _ => None,
    }
}

/// What a search needs.
struct Looking<'a> {
    name: &'a str,
    made: &'a [Made],
    /// All deploys that manage the machine.
    managing: &'a [Managing],
    digests: &'a DigestKey,
}

/// What a search found.
#[derive(Default)]
struct Outcome {
    judged: Judged,
    /// What is said if nothing can be said of orphans.
    unclear: Option<String>,
}

impl Looking<'_> {
    /// `own` is what the plan of this run is about.
    async fn find(
        &self,
        reader: &mut impl Reader,
        own: Survey,
        snapshot: &mut Snapshot,
    ) -> Result<Outcome, GatherError> {
        let mut aside = Snapshot {
            facts: snapshot.facts.clone(),
            skips_conditions: true,
            ..Snapshot::default()
        };
        let facts = aside.facts.get(self.name).cloned().unwrap_or_default();
        for one in self.managing {
            aside.facts.entry(one.host.clone()).or_insert_with(|| facts.clone());
        }
        let mut surveys: Vec<Survey> = self
            .managing
            .iter()
            .map(|one| survey(&one.selection, &aside, self.digests))
            .collect();
        surveys.push(own);
        let mut wanted = BTreeSet::new();
        for made in self.made {
            wanted.append(&mut left(&made.digests, &surveys));
        }
        if wanted.is_empty() {
            return Ok(Outcome::default());
        }
        let found = self.details(reader, &facts, &wanted).await?;
        let (mut found, gone): (Vec<Found>, Vec<Found>) = found.into_iter().partition(|one| one.is_there);
        let mut outcome = Outcome::default();
        outcome.judged.absent = gone.iter().map(|one| digest(&one.creation.subject())).collect();
        found.retain(|one| !is_claimed(&one.creation, &surveys));
        if found.is_empty() {
            return Ok(outcome);
        }
        // Where links lead is known only by reading.
        for (one, known) in self.managing.iter().zip(&mut surveys) {
            *known = self.read(reader, one, &mut aside).await?;
        }
        found.retain(|one| !is_claimed(&one.creation, &surveys));
        if found.is_empty() {
            return Ok(outcome);
        }
        if let Some(unknown) = surveys.iter().find_map(|survey| survey.unknown.clone()) {
            outcome.unclear = Some(format!("{UNCLEAR}{unknown}"));
            return Ok(outcome);
        }
        let facts = snapshot.facts.entry(self.name.to_owned()).or_default();
        gather(reader, self.name, &orphan_keys(&found), facts).await?;
        let judged = judged(&found, facts);
        outcome.judged.absent.extend(judged.absent);
        outcome.judged.orphans = judged.orphans;
        Ok(outcome)
    }

    async fn details(
        &self,
        reader: &mut impl Reader,
        facts: &Facts,
        wanted: &BTreeSet<String>,
    ) -> Result<Vec<Found>, GatherError> {
        let user = system(facts).and_then(|system| system.session.unprivileged.as_ref());
        let folder = user.map_or(STATE_FOLDER, |user| user.state_folder.as_str());
        let files = self.made.iter().map(|made| made.file.as_str());
        let answers = reader.ask(&[probe(folder, files, wanted)]).await?;
        let printed = answers.first().map(|answer| String::from_utf8_lossy(&answer.stdout));
        Ok(printed.map(|printed| parse(&printed)).unwrap_or_default())
    }

    /// What a deploy is about, with the facts read that say where its paths lead.
    async fn read(
        &self,
        reader: &mut impl Reader,
        one: &Managing,
        aside: &mut Snapshot,
    ) -> Result<Survey, GatherError> {
        let mut rounds = Rounds::default();
        loop {
            let survey = survey(&one.selection, aside, self.digests);
            let keys: BTreeSet<FactKey> = survey.missing.iter().filter(|key| is_plain(key)).cloned().collect();
            if keys.is_empty() || !rounds.begin() {
                return Ok(survey);
            }
            let facts = aside.facts.entry(one.host.clone()).or_default();
            gather(reader, self.name, &keys, facts).await?;
        }
    }
}

/// Whether a fact is read without asking programs of the host or commands of the project.
fn is_plain(key: &FactKey) -> bool {
    matches!(
        key,
        FactKey::Path(_)
            | FactKey::PathResolution(_)
            | FactKey::DiskLocation(_)
            | FactKey::User(_)
            | FactKey::Group(_)
            | FactKey::Unit(_)
            | FactKey::Package(_)
    )
}

/// Plans the removal of orphans after all else; returns what is to be said of them.
async fn prune(
    host: &mut ReadHost,
    name: &str,
    orphans: &[Orphan],
    digests: &DigestKey,
    on_news: OnNews<'_>,
) -> Result<Vec<String>, GatherError> {
    let mut notices: Vec<String> = orphans.iter().filter_map(|orphan| orphan.notice(true)).collect();
    let mut going: Vec<&Orphan> = orphans.iter().filter(|orphan| orphan.stays.is_none()).collect();
    loop {
        let facts = host.snapshot.facts.get(name).cloned().unwrap_or_default();
        let Some(task) = removals(going.iter().copied(), &facts) else {
            return Ok(notices);
        };
        let Ok(with_removals) = host.selection.with_own_task(name, PRUNE, &task) else {
            return Ok(notices);
        };
        let alone = with_removals.host_alone(name).only_own_task(PRUNE);
        let mut build = settle(&mut host.connection, &alone, &mut host.snapshot, digests, on_news).await?;
        let mut operations = build.plan.hosts.pop().map(|plan| plan.operations).unwrap_or_default();
        let is_planned = |orphan: &Orphan| {
            let named = format!(" / {orphan}");
            operations
                .iter()
                .any(|one| one.id.0.ends_with(&named) && !one.changes().is_empty())
        };
        let (planned, refused): (Vec<&Orphan>, Vec<&Orphan>) = going.iter().partition(|orphan| is_planned(orphan));
        if refused.is_empty() {
            operations.retain(|one| !one.changes().is_empty());
            host.selection = with_removals;
            for plan in host.build.plan.hosts.iter_mut().filter(|plan| plan.host == name) {
                plan.operations.append(&mut operations);
            }
            return Ok(notices);
        }
        let mistake = build.mistakes.first().map(|mistake| mistake.diagnostic.title.clone());
        notices.extend(refused.iter().map(|orphan| {
            let named = format!(" / {orphan}");
            let operation = operations.iter().find(|one| one.id.0.ends_with(&named));
            let why = match (operation.map(|one| &one.outcome), &mistake) {
                (Some(change::Outcome::Deferred { why, .. }), _) => why,
                (_, Some(mistake)) => mistake,
                _ => "it is not there any more",
            };
            format!("orphan: {orphan} stays: {why}")
        }));
        going = planned;
    }
}
