//! Stops models that are not used.

use std::collections::BTreeSet;
use std::time::Duration;

use super::activity::Standing;
use super::routes::Models;
use crate::bus::{Activity, Job, Verb};
use crate::journal;

/// How long a model may take to stop before the next one is looked at.
const PATIENCE: Duration = Duration::from_secs(30);

/// Stops each running model whose last use is too long ago. One that was never used counts from when it began to run.
/// Returns how many were stopped.
pub async fn stop_idle(models: &Models, now: u64) -> u32 {
    let (known, running) = match (models.folder.models(), models.running().await) {
        (Ok(known), Ok(running)) => (known, running),
        (Err(error), _) => {
            journal::warning(&journal::causes(&error));
            return 0;
        }
        (_, Err(fault)) => {
            journal::warning(&format!("cannot look at the models: {fault}"));
            return 0;
        }
    };
    let names: BTreeSet<&str> = known.iter().map(|model| model.name.as_str()).collect();
    if let Err(error) = models.reports.save(&names) {
        journal::warning(&journal::causes(&error));
    }
    let mut stopped = 0;
    if !models.monitoring.stop_idle {
        return stopped;
    }
    for name in running.iter().filter(|name| names.contains(name.as_str())) {
        let details = match models.units.details(&name.unit()).await {
            Ok(details) if details.activity == Activity::Active => details,
            Ok(_) => continue,
            Err(fault) => {
                journal::warning(&format!("cannot look at {name}: {fault}"));
                continue;
            }
        };
        let last = models.reports.last(name, now).unwrap_or(0).max(details.active_since);
        if !Standing::at(now, Some(last), &models.monitoring).is_idle {
            continue;
        }
        let result = models.units.act(Verb::Stop, &name.unit(), PATIENCE).await;
        let told = match &result {
            Ok(Job::Ended(result)) => result.clone(),
            Ok(Job::Running) => "still stopping".to_owned(),
            Err(fault) => fault.to_string(),
        };
        stopped += u32::from(result.is_ok());
        let minutes = now.saturating_sub(last) / 60_000_000;
        journal::audit("agent", "local", &format!("stop {name}, idle for {minutes} min"), &told);
    }
    stopped
}
