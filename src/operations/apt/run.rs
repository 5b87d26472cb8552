//! Running apt: its command lines, and its effects on known facts.

use std::fmt::Write as _;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::from_file::FromFile;
use crate::change::{Command, Joint, NOT_BEGUN, NOT_REVIEWED, Step, reviewed_file};
use crate::facts::apt::{SimulatedInstall, Simulation};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::package::{PackageFact, Status};
use crate::facts::{AptVerb, Fact, FactKey, Installation};
use crate::operations::parameters::Span;
use crate::quote::{quote, quote_all};
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

/// Shell text that fetches the lists. apt itself waits only for dpkg's lock, not for that of the lists, so there is a loop. By
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

/// A run of apt.
pub(super) struct AptRun<'a> {
    wish: &'a Installation,
    lock: LockTimeout,
    /// Whether the lists are fetched first.
    pub(super) refresh: bool,
    /// Whether older versions may be installed.
    pub(super) downgrades: bool,
    /// Packages that must exist by this very name, because apt would read it as something else. A simulation shows that.
    pub(super) checked: Vec<String>,
    /// Packages to mark as wanted afterwards.
    pub(super) marks: Vec<String>,
    /// The file that the package comes from.
    pub(super) deb: Option<&'a FromFile>,
    /// What apt may do at most.
    pub(super) reviewed: Option<&'a Simulation>,
}

impl<'a> AptRun<'a> {
    pub(super) fn new(wish: &'a Installation, lock: LockTimeout) -> Self {
        Self {
            wish,
            lock,
            refresh: false,
            downgrades: false,
            checked: Vec::new(),
            marks: Vec::new(),
            deb: None,
            reviewed: None,
        }
    }

    /// What it has of its own, if it only installs: then neighbors can do the same in one run.
    fn joint(&self) -> Option<Joint> {
        let simulation = self.reviewed?;
        let only_installs = self.wish.verb == AptVerb::Install
            && self.deb.is_none()
            && self.marks.is_empty()
            && simulation.removals.is_empty()
            && simulation.configures.is_empty()
            && simulation.downgrades.is_empty()
            // A name with an architecture is another one for dpkg.
            && !simulation.installs.iter().any(|install| install.name.contains(':'));
        (only_installs && !simulation.installs.is_empty()).then(|| Joint {
            words: self.wish.packages.clone(),
            reviewed: simulation.lines(),
            done: are_installed(&simulation.installs),
        })
    }

    pub(super) fn step(&self) -> Step {
        let wish = self.wish;
        let summary = format!("apt-get {} {}", wish.verb.word(), wish.packages.join(" "));
        let joint = self.joint();
        let names = match (self.deb, &joint) {
            (Some(_), _) => "\"$deb\"".to_owned(),
            (None, Some(_)) => "\"$@\"".to_owned(),
            (None, None) => quote_all(wish.packages.iter().map(String::as_str)),
        };
        let mut script = String::from(ENVIRONMENT);
        if let Some(deb) = self.deb {
            script.push_str(&deb.fetch);
        }
        if self.refresh {
            script.push_str(&update(self.lock));
        }
        for name in self.checked.iter().map(|name| quote(name)) {
            let _ = writeln!(
                script,
                "apt-cache pkgnames {name} | grep -q -x -F {name} || {{ printf 'E: Unable to locate package %s\\n' {name}; exit 100; }}"
            );
        }
        if let Some(simulation) = self.reviewed {
            if joint.is_none() {
                script.push_str(&reviewed_file(&simulation.lines()));
            }
            script.push_str(&at_most());
        }
        let (checked, stop) = match self.reviewed {
            Some(_) => (CHECKED, " || not_reviewed"),
            None => ("", ""),
        };
        let _ = write!(
            script,
            "apt-get -y -q -o DPkg::Lock::Timeout={} -o Dpkg::Options::=--force-confdef \
             -o Dpkg::Options::=--force-confold {checked}-o APT::Install-Recommends={} {}{}{} -- {names}{stop}{}",
            self.lock.seconds(),
            wish.recommends,
            if self.downgrades { "--allow-downgrades " } else { "" },
            if wish.auto_remove { "--auto-remove " } else { "" },
            wish.verb.word(),
            then_mark(&self.marks)
        );
        let input = self.deb.and_then(|deb| deb.input.clone());
        match supervised(summary.trim_end(), script, self.lock) {
            Step::Run(command) => Step::Run(Command {
                input,
                joint,
                ..command
            }),
            other => other,
        }
    }
}

/// Shell text that exits 0 if these packages are installed in these versions.
fn are_installed(installs: &[SimulatedInstall]) -> String {
    let mut lines: Vec<String> = installs
        .iter()
        .map(|install| format!("{} {} installed", install.name, install.new))
        .collect();
    lines.sort_unstable();
    format!(
        "[ \"$(dpkg-query -W -f '${{Package}} ${{Version}} ${{db:Status-Status}}\\n' -- {} | sort)\" = {} ]",
        quote_all(installs.iter().map(|install| install.name.as_str())),
        quote(&lines.join("\n"))
    )
}

/// The options that have apt show what it is about to do to the program in `$homelab_check`, right before dpkg starts: on its standard
/// input, in the third form of apt.conf(5). If the program fails, apt ends without a change. A simulation before the run would cost a
/// second of a processor, and the lists could change in between. The name of the form's option is the command's first word, which no
/// other command has.
const CHECKED: &str = "-o 'DPkg::Pre-Install-Pkgs::=eval \"$homelab_check\"' -o DPkg::Tools::Options::eval::Version=3 ";

/// The program of [`CHECKED`]: prints what is not in the file `$homelab_reviewed`, and fails if there is such a thing. Until an empty
/// line there are settings. Then a line has a package, its old version, architecture and kind, a sign, the same of the new one, and what
/// is done. What is only configured is unpacked, and was installed by another run. With `$homelab_exactly`, it also fails if something in
/// the file is not to be done.
const CHECK: &str = r#"awk -v own="$(dpkg --print-architecture)" -v exactly="$homelab_exactly" '
FILENAME != "-" { reviewed[$0] = 1; next }
!begun { begun = NF == 0; next }
$NF == "**CONFIGURE**" { next }
{
architecture = $NF == "**REMOVE**" ? $3 : $7
name = $1 (architecture == own || architecture == "all" ? "" : ":" architecture)
line = $NF == "**REMOVE**" ? "Remv " name : "Inst " name " " $6
seen[line]
if (!(line in reviewed)) { print line; other = 1 }
}
END {
if (exactly) for (line in reviewed) if (!(line in seen)) { print "not: " line; other = 1 }
exit other
}' "$homelab_reviewed" - >"$homelab_reviewed.not" && rm -f "$homelab_reviewed.not""#;

/// Shell text that allows apt no more than what is in the file `$homelab_reviewed`.
fn at_most() -> String {
    format!(
        "export homelab_check={}\n\
         not_reviewed() {{ code=$?\n\
         [ -z \"$homelab_exactly\" ] || ! grep -qs '^E: Could not get lock\\|^E: Unable to acquire the dpkg' \"${{0%/*}}/output\" || exit {NOT_BEGUN}\n\
         [ -e \"$homelab_reviewed.not\" ] || exit $code; cat \"$homelab_reviewed.not\"; \
         echo 'apt would now do this, which was not reviewed'; exit {NOT_REVIEWED}; }}\n",
        quote(CHECK),
    )
}

/// Shell text that marks packages as wanted, after something that succeeded.
fn then_mark(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    format!(" && apt-mark manual -- {}", quote_all(names.iter().map(String::as_str)))
}

/// The step that marks an installed package as wanted.
pub(super) fn mark_run(name: &str) -> Step {
    Step::Run(Command::new(
        format!("apt-mark manual {name}"),
        format!("{ENVIRONMENT}apt-mark manual -- {}", quote(name)),
    ))
}

/// The step that holds an installed package, or no longer. dpkg does not wait for its lock here.
pub(super) fn selection_run(name: &str, held: bool, lock: LockTimeout) -> Step {
    let word = if held { "hold" } else { "unhold" };
    let script = format!(
        "{ENVIRONMENT}tries=0; while ! said=$(apt-mark {word} -- {} 2>&1); do\n\
         case $said in *' lock '*|*' locked '*) [ $tries -ge {} ] || {{ tries=$((tries+1)); sleep 1; continue; }};; esac\n\
         printf '%s\\n' \"$said\"; exit 1; done; printf '%s\\n' \"$said\"",
        quote(name),
        lock.seconds()
    );
    Step::Run(Command {
        lock_wait: lock.0.0,
        ..Command::new(format!("apt-mark {word} {name}"), script)
    })
}

/// The step that completes the package `name`, which dpkg has unpacked, with `command` of dpkg. dpkg itself does not wait for its
/// lock, and fails if a run of apt has completed the package in the meantime.
pub(super) fn dpkg_run(name: &str, command: &str, marks: &[String], lock: LockTimeout) -> Step {
    let script = format!(
        "{ENVIRONMENT}tries=0; while ! said=$(dpkg --force-confdef --force-confold {command} 2>&1 </dev/null); do\n\
         [ \"$(dpkg-query -W -f '${{db:Status-Status}}' -- {} 2>/dev/null)\" != installed ] || break\n\
         case $said in *' lock '*|*' locked '*) [ $tries -ge {} ] || {{ tries=$((tries+1)); sleep 1; continue; }};; esac\n\
         printf '%s\\n' \"$said\"; exit 1; done; printf '%s\\n' \"$said\"{}",
        quote(name),
        lock.seconds(),
        then_mark(marks)
    );
    supervised(&format!("dpkg {command}"), script, lock)
}

/// The step that fetches the package lists.
pub(super) fn update_run(lock: LockTimeout) -> Step {
    supervised("apt-get update", format!("{ENVIRONMENT}{}", update(lock)), lock)
}

fn supervised(summary: &str, script: String, lock: LockTimeout) -> Step {
    Step::Run(Command {
        timeout: TIMEOUT,
        lock_wait: lock.0.0,
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

/// The facts about packages after a simulated run. apt marks what it installs along with the requested packages.
pub(super) fn known(wish: &Installation, simulation: &Simulation) -> Vec<Effect> {
    let installs = simulation.installs.iter().map(|install| {
        let is_along = match &install.old {
            None => !wish
                .packages
                .iter()
                .any(|wanted| wanted.split([':', '=']).next() == Some(&install.name)),
            Some(_) => install.automatic && !wish.manual.contains(&install.name),
        };
        let fact = PackageFact::Listed {
            version: Known::Yes(install.new.clone()),
            status: Status::INSTALLED,
            automatic: is_along,
        };
        (install.name.clone(), fact)
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

#[cfg(test)]
mod tests;
