//! Running apt: its command lines, and what running it does to what is known.

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

/// The longest that apt may take once it has its locks, downloads included.
const TIMEOUT: Duration = Duration::from_secs(3600);

/// How long an apt waits for another one that holds a lock. It names the holder itself.
const LOCK_TIMEOUT: Duration = Duration::from_secs(300);

const ENVIRONMENT: &str = "export DEBIAN_FRONTEND=noninteractive LC_ALL=C\n";

/// The parameter that says how long to wait for a lock.
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

/// apt refuses to fetch lists while another holds their lock, and does not wait for it by itself: only for dpkg's. A mirror
/// that does not answer is only a warning to it unless told otherwise; lists that did not all come keep their old age, or the
/// next run would take them for fetched.
fn update(lock: LockTimeout) -> String {
    format!(
        "partial=/var/lib/apt/lists/partial; fetched=$(stat -c %Y $partial 2>/dev/null)\n\
         tries=0; told=; while ! said=$(apt-get -q -o APT::Update::Error-Mode=any update 2>&1); do\n\
         [ \"$said\" = \"$told\" ] || printf '%s\\n' \"$said\"; told=$said\n\
         case $said in *'Could not get lock'*) [ $tries -ge {} ] || {{ tries=$((tries+1)); sleep 1; continue; }};; esac\n\
         [ ! -d $partial ] || touch -d \"@${{fetched:-0}}\" $partial; exit 100; done; printf '%s\\n' \"$said\"\n",
        lock.seconds()
    )
}

/// The step that carries out `wish`, after fetching the lists where `refresh` says so.
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

/// What apt may touch, whatever it does.
pub(super) fn touched() -> Vec<FactScope> {
    vec![
        FactScope::Packages,
        FactScope::Units,
        FactScope::MayComeWithPackages,
        FactScope::FilesOfPackages,
    ]
}

/// A package may bring whatever is not there now; an upgrade or a removal may alter what its package owns, and no more.
pub(super) fn forgotten(wish: &Installation, simulation: &Simulation) -> Vec<Effect> {
    let mut effects = Vec::new();
    if wish.verb != AptVerb::Remove {
        let why = "a package may bring it".to_owned();
        effects.push(Effect::Forget(FactScope::MayComeWithPackages, why));
    }
    if !simulation.owned.is_empty() {
        let why = "its package is upgraded or removed".to_owned();
        effects.push(Effect::Forget(FactScope::Owned(simulation.owned.clone()), why));
    }
    effects
}

/// That apt would then do nothing that the simulation did not say. The host has the lists by then, and what goes before is gone.
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

/// The packages as a simulation leaves them.
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
