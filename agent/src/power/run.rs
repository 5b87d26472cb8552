//! The mode from its start to its end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::idle::Idle;
use super::queue::Reason;
use super::routes::router;
use super::settings::{Action, Settings};
use super::shutdowns::{Shown, Shutdowns};
use crate::bus::{Bus, Units};
use crate::server::{Environment, Kind, Metrics, Server};
use crate::state::StateFile;
use crate::{clock, config, journal};

/// Serves the mode with its configuration file, until the process is told to end.
///
/// Errors: the configuration cannot be used, or nothing can be served.
pub async fn serve(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let settings: Settings = config::load(path)?;
    let environment = Environment::of_process(&settings.server)?;
    let state: PathBuf = environment
        .state
        .clone()
        .ok_or("no folder for the queue: give the unit `StateDirectory=`")?;
    let server = Server::prepare(&settings.server, environment, true)?;
    if settings.shutdown.action == Action::DryPoweroff {
        journal::warning("`dry-poweroff` becomes a real power-off if logind is restarted while one is pending");
    }
    let bus = Arc::new(Bus::default());
    let file = StateFile::new(&state, "queue.json");
    let shutdowns = Arc::new(Shutdowns::load(bus.clone(), settings.shutdown.clone(), file)?);
    let router = router(Arc::clone(&shutdowns), bus.clone(), settings.shutdown.clone());
    tokio::spawn(watch(Arc::clone(&shutdowns), server.metrics()));
    if let Some(idle) = settings.off_when_idle {
        tokio::spawn(watch_models(Idle::new(idle, Instant::now()), bus, shutdowns));
    }
    Ok(server.run(router).await?)
}

/// Keeps queue and logind together for ever.
async fn watch(shutdowns: Arc<Shutdowns>, metrics: Metrics) {
    metrics.describe(
        Kind::Gauge,
        "homelab_agent_shutdowns",
        "Shutdowns that are scheduled, by who scheduled them.",
    );
    metrics.describe(
        Kind::Counter,
        "homelab_agent_bus_errors_total",
        "Looks at the host that failed.",
    );
    loop {
        let now = clock::now();
        let pause = match shutdowns.look(now).await {
            Ok(pause) => pause,
            Err(error) => {
                metrics.count("homelab_agent_bus_errors_total", &[]);
                journal::warning(&format!(
                    "cannot look at what is scheduled: {}",
                    journal::causes(&error)
                ));
                Duration::from_secs(15)
            }
        };
        if let Ok(all) = shutdowns.all(now).await {
            for (label, is_of) in [
                ("request", is_request as fn(&Shown) -> bool),
                ("idle", is_idle),
                ("other", |shown| matches!(shown, Shown::Foreign(_))),
            ] {
                let count = u32::try_from(all.iter().filter(|shown| is_of(shown)).count()).unwrap_or(u32::MAX);
                metrics.set("homelab_agent_shutdowns", &[("by", label)], f64::from(count));
            }
        }
        tokio::time::sleep(pause).await;
    }
}

fn is_request(shown: &Shown) -> bool {
    matches!(shown, Shown::Own(entry) if entry.reason == Reason::Request)
}

fn is_idle(shown: &Shown) -> bool {
    matches!(shown, Shown::Own(entry) if entry.reason == Reason::Idle)
}

async fn watch_models(mut idle: Idle, units: Arc<Bus>, shutdowns: Arc<Shutdowns>) {
    loop {
        let looked = match units.models().await {
            Ok(models) => {
                let looked = idle.look(&models, &shutdowns, Instant::now(), clock::now()).await;
                looked.map_err(|error| format!("the host is idle, but stays on: {}", journal::causes(&error)))
            }
            Err(fault) => Err(format!("cannot look at the models: {fault}")),
        };
        let pause = looked.unwrap_or_else(|why| {
            journal::warning(&why);
            Duration::from_secs(20)
        });
        tokio::time::sleep(pause).await;
    }
}
