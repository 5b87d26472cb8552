//! The mode from its start to its end.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::activity::Reports;
use super::folder::Folder;
use super::idle::stop_idle;
use super::routes::{Models, router};
use super::settings::Settings;
use crate::bus::Bus;
use crate::names::ModelName;
use crate::server::{Environment, Kind, Metrics, Server};
use crate::state::StateFile;
use crate::{clock, config, journal};

/// Serves the mode with its configuration file, until the process is told to end.
///
/// Errors: the configuration cannot be used, or nothing can be served.
pub async fn serve(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let settings: Settings = config::load(path)?;
    let environment = Environment::of_process(&settings.server)?;
    let file = environment
        .state
        .as_deref()
        .map(|folder| StateFile::new(folder, "activity.json"));
    let server = Server::prepare(&settings.server, environment, true)?;
    let models = Arc::new(Models {
        folder: Folder::new(settings.models),
        units: Arc::new(Bus::default()),
        reports: Reports::load(file)?,
        monitoring: settings.monitoring,
        wait: Duration::from_secs(u64::from(settings.wait_seconds)),
    });
    let watching = tokio::spawn(watch(Arc::clone(&models), server.metrics()));
    server.run(router(Arc::clone(&models))).await?;
    watching.abort();
    let known = models.folder.models()?;
    let names: BTreeSet<&str> = known.iter().map(|model| model.name.as_str()).collect();
    Ok(models.reports.save(&names)?)
}

/// Stops idle models, and counts, for ever.
async fn watch(models: Arc<Models>, metrics: Metrics) {
    const RUNNING: &str = "homelab_agent_model_running";
    const STOPPED: &str = "homelab_agent_models_stopped_idle_total";
    metrics.describe(Kind::Gauge, RUNNING, "Whether a model runs, at the last check.");
    metrics.describe(
        Kind::Counter,
        STOPPED,
        "Models that were stopped because they were not used.",
    );
    loop {
        for _ in 0..stop_idle(&models, clock::now()).await {
            metrics.count(STOPPED, &[]);
        }
        match (models.folder.models(), models.running().await) {
            (Ok(known), Ok(running)) => {
                let running: BTreeSet<ModelName> = running.into_iter().collect();
                metrics.clear(RUNNING);
                for model in known {
                    let runs = if running.contains(&model.name) { 1.0 } else { 0.0 };
                    metrics.set(RUNNING, &[("model", model.name.as_str())], runs);
                }
            }
            (_, Err(fault)) => journal::warning(&format!("cannot look at the models: {fault}")),
            (Err(error), _) => journal::warning(&journal::causes(&error)),
        }
        tokio::time::sleep(models.monitoring.pause()).await;
    }
}
