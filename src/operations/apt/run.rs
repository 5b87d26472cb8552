//! Running apt: its command lines, and its effects on known facts.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::change::{Command, Expect, Step};
use crate::facts::apt::Simulation;
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::package::PackageFact;
use crate::facts::{AptVerb, Fact, FactKey, Installation};
use crate::operations::parameters::Span;
use crate::quote::quote_all;
use crate::value::Known;

/// How long apt may take once it has its locks, including downloads.
const TIMEOUT: Duration = Duration::from_secs(3600);

/// How long apt waits for another process that holds a lock. apt itself names that process.
const LOCK_TIMEOUT: Duration = Duration::from_secs(300);

const ENVIRONMENT: &str = "export DEBIAN_FRONTEND=noninteractive LC_ALL=C\n";

/// The type of `lock_timeout`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(transparent)]
pub(super) struct LockTimeout(Span);

impl Default for LockTimeout {
    fn default() -> Self {
        Self(Span(LOCK_TIMEOUT))
    }
}

impl LockTimeout {
    fn seconds(self) -> u64 {
        self.0.0.as_secs()
    }
}

/// Shell text that fetches the lists. apt itself waits only for dpkg's lock, not for that of the lists, hence the loop. By
/// default apt only warns about a mirror that does not respond. After a failure the lists get their old age back; otherwise
/// the next run would take them for fresh.
fn update(lock: LockTimeout) -> String {
    format!(
        "partial=/var/lib/apt/lists/partial; fetched=$(stat -c %Y $partial 2>/dev/null)\n\
         tries=0; reported=; while ! said=$(apt-get -q -o APT::Update::Error-Mode=any update 2>&1); do\n\
         [ \"$said\" = \"$reported\" ] || printf '%s\\n' \"$said\"; reported=$said\n\
         case $said in *'Could not get lock'*) [ $tries -ge {} ] || {{ tries=$((tries+1)); sleep 1; continue; }};; esac\n\
         [ ! -d $partial ] || touch -d \"@${{fetched:-0}}\" $partial; exit 100; done; printf '%s\\n' \"$said\"\n",
        lock.seconds()
    )
}

/// The step that runs apt for `wish`, after fetching the lists if `refresh` is set.
pub(super) fn apt_run(wish: &Installation, refresh: bool, lock: LockTimeout) -> Step {
    let summary = format!("apt-get {} {}", wish.verb.word(), wish.packages.join(" "));
    let names = quote_all(wish.packages.iter().map(String::as_str));
    supervised(
        summary.trim_end(),
        format!(
            "{ENVIRONMENT}{}apt-get -y -q -o DPkg::Lock::Timeout={} -o Dpkg::Options::=--force-confdef \
             -o Dpkg::Options::=--force-confold -o APT::Install-Recommends={} {}{} -- {names}",
            if refresh { update(lock) } else { String::new() },
            lock.seconds(),
            wish.recommends,
            if wish.auto_remove { "--auto-remove " } else { "" },
            wish.verb.word(),
        ),
        lock,
    )
}

/// The step that fetches the package lists.
pub(super) fn update_run(lock: LockTimeout) -> Step {
    supervised("apt-get update", format!("{ENVIRONMENT}{}", update(lock)), lock)
}

fn supervised(summary: &str, script: String, lock: LockTimeout) -> Step {
    Step::Run(Command {
        timeout: TIMEOUT + lock.0.0,
        supervised: true,
        ..Command::new(summary, script)
    })
}

/// What apt may change, whatever it does.
pub(super) fn touched() -> Vec<FactScope> {
    vec![
        FactScope::Packages,
        FactScope::Units,
        FactScope::MayComeWithPackages,
        FactScope::FilesOfPackages,
    ]
}

/// A package may create anything that does not exist yet. An upgrade or removal may change only what its package owns.
pub(super) fn forgotten(wish: &Installation, simulation: &Simulation) -> Vec<Effect> {
    let mut effects = Vec::new();
    if wish.verb != AptVerb::Remove {
        let why = "a package may create it".to_owned();
        effects.push(Effect::Forget(FactScope::MayComeWithPackages, why));
    }
    if !simulation.owned.is_empty() {
        let why = "its package is upgraded or removed".to_owned();
        effects.push(Effect::Forget(FactScope::Owned(simulation.owned.clone()), why));
    }
    effects
}

/// The condition that apt still does no more than the simulation. By then the host has the new lists, and earlier operations
/// have removed their packages.
pub(super) fn no_more_than(wish: &Installation, simulation: &Simulation) -> Expect {
    Expect::Installation {
        wish: Installation {
            refreshed: false,
            without: Vec::new(),
            ..wish.clone()
        },
        reviewed: simulation.lines(),
    }
}

/// The facts about packages after a simulated run.
pub(super) fn known(simulation: &Simulation) -> Vec<Effect> {
    let installs = simulation.installs.iter().map(|install| {
        let version = Known::Yes(install.new.clone());
        (install.name.clone(), PackageFact::Installed { version })
    });
    let removals = simulation
        .removals
        .iter()
        .map(|removal| (removal.name.clone(), PackageFact::Absent));
    installs
        .chain(removals)
        .map(|(name, fact)| Effect::Set(FactKey::Package(name), Fact::Package(fact)))
        .collect()
}
