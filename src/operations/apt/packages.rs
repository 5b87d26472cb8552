//! `apt.packages`: install or remove Debian packages.
//!
//! ```toml
//! [[operation]]
//! op = "apt.packages"
//! packages = ["prometheus-node-exporter", "unattended-upgrades"]
//! ```
//!
//! The plan contains everything that apt would change, from apt's own simulation. Right before dpkg starts, apt says what it is about
//! to do, and the deploy stops if that is more than what was reviewed.

use schemars::JsonSchema;
use serde::Deserialize;

use super::name::Name;
use super::request::Request;
use super::run::{LockTimeout, touched};
use crate::change::{Outcome, ResourceKind, Stop};
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::operations::conduct::RunsCommands;
use crate::operations::{Define, Demand, Operation, PlanContext};

/// Parameters of `apt.packages`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Packages {
    /// Names of packages, such as `"jq"`, `"jq:amd64"` or `"jq=1.7"`.
    packages: Vec<String>,
    /// `false` removes the packages.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
    /// `true` installs the packages without those they recommend.
    #[serde(default)]
    no_recommends: bool,
    /// How long to wait for another process that holds dpkg's lock.
    #[serde(default)]
    lock_timeout: LockTimeout,
}

impl Define for Packages {
    const NAME: &'static str = "apt.packages";
    const SUMMARY: &'static str = "Install or remove Debian packages";
    const MAIN_ARGUMENT: &'static str = "packages";
    const RUNS: RunsCommands = RunsCommands::Apt;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "apt.packages"
packages = ["htop", "tree"]
no_recommends = true
"#;
}

impl Operation for Packages {
    fn needs(&self) -> Vec<FactKey> {
        let names = self.packages.iter().filter_map(|text| Name::parse(text).ok());
        let keys = names.flat_map(|name| {
            let package = FactKey::Package(name.key());
            let misspelling = (!self.present).then_some(FactKey::Misspelling(name.name));
            [Some(package), misspelling].into_iter().flatten()
        });
        keys.collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        touched()
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        let names = self.packages.iter().filter_map(|text| Name::parse(text).ok());
        let demands = names.flat_map(|name| {
            let key = name.key();
            let version = name.version.as_ref().filter(|_| self.present);
            let version = version.map(|version| Demand::new(ResourceKind::Package, &key, "version", version));
            version
                .into_iter()
                .chain([Demand::presence(ResourceKind::Package, &key, self.present)])
        });
        demands.collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let request = Request {
            packages: &self.packages,
            present: self.present,
            no_recommends: self.no_recommends,
            lock_timeout: self.lock_timeout,
            deb: None,
        };
        request.plan(context)
    }
}

#[cfg(test)]
mod tests;
