//! Whether there is an engine that can be asked.

use crate::change::Stop;
use crate::facts::docker::{DATA_ROOT, Engine, EngineKey, SETTINGS, data_root, state_file};
use crate::facts::path::ContentFact;
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;

/// Whether an engine runs at this place of the plan. There is none if nothing has to be there.
///
/// Errors: it is not known, or none runs although something has to be there.
pub(in crate::operations) fn runs(context: &PlanContext<'_>, argument: &str, is_needed: bool) -> Result<bool, Stop> {
    let engine = context.get(EngineKey)?;
    ask_for_state(context);
    let refuse = |title: &str, label: &str| context.refuse(argument, title, label);
    match engine {
        Engine::Running => Ok(true),
        Engine::Absent { has_state: false, .. } if !is_needed => Ok(false),
        Engine::Absent { .. } => Err(refuse("there is no Docker engine on the host", "needs a Docker engine")
            .hint("install one first: `op = \"apt.packages\"`, `packages = [\"docker.io\"]`")),
        Engine::WithoutCommand => Err(refuse("the `docker` command is not on the host", "needs this command")
            .hint("install it first: `op = \"apt.packages\"`, `packages = [\"docker-cli\"]`")),
        Engine::Stopped(why) => {
            let stop = refuse("the Docker engine does not run", "needs the engine");
            let stop = if why.is_empty() { stop } else { stop.because(why) };
            Err(stop.hint("start it first: `op = \"systemd.service\"`, `service = \"docker\"`, `state = \"started\"`"))
        }
    }
}

/// Has the host say whether an earlier engine left anything where settings of this plan have the next one keep its data.
fn ask_for_state(context: &PlanContext<'_>) {
    let Some(Fact::DockerEngine(Engine::Absent { .. })) = context.gathered(&FactKey::DockerEngine) else {
        return;
    };
    let Some(Fact::Content(ContentFact::Bytes(settings))) = context.known_fact(&FactKey::Content(SETTINGS.to_owned()))
    else {
        return;
    };
    if let Some(root) = data_root(&settings).filter(|root| root != DATA_ROOT) {
        context.ask(FactKey::Path(state_file(&root)));
    }
}
