//! `apt.hold`: keep installed packages as they are, or no longer.
//!
//! ```toml
//! [[operation]]
//! op = "apt.hold"
//! packages = ["linux-image-amd64"]
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use super::name::{Name, check_listed};
use super::run::{LockTimeout, selection_run};
use crate::change::{
    Action, Attribute, Attributed, Before, Outcome, ResourceChange, ResourceId, ResourceKind, Risk, Stop,
};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::package::{PackageFact, PackageKey, State, Status, Want};
use crate::facts::{Fact, FactKey};
use crate::operations::conduct::RunsCommands;
use crate::operations::{Define, Demand, Operation, PlanContext};

/// Parameters of `apt.hold`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Hold {
    /// Names of installed packages, such as `"jq"` or `"jq:amd64"`.
    packages: Vec<String>,
    /// `false` lets apt upgrade and remove the packages again.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
    /// How long to wait for another process that holds dpkg's lock.
    #[serde(default)]
    lock_timeout: LockTimeout,
}

impl Define for Hold {
    const NAME: &'static str = "apt.hold";
    const SUMMARY: &'static str = "Keep installed packages in their version";
    const MAIN_ARGUMENT: &'static str = "packages";
    const RUNS: RunsCommands = RunsCommands::Apt;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "apt.hold"
packages = ["openssh-server"]
"#;
}

impl Operation for Hold {
    fn needs(&self) -> Vec<FactKey> {
        let names = self.packages.iter().filter_map(|text| Name::parse(text).ok());
        names.map(|name| FactKey::Package(name.key())).collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        self.needs().into_iter().map(FactScope::Key).collect()
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        let held = if self.present { "held" } else { "not held" };
        let demand = |text: &String| Demand::new(ResourceKind::Package, text, "hold", held);
        self.packages.iter().map(demand).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_listed(context, &self.packages)?;
        let mut changes = Vec::new();
        let mut names: Vec<Name> = Vec::new();
        for text in &self.packages {
            let name = Name::of_item(context, text)?;
            if name.version.is_some() {
                let title = format!("`{text}` has a version");
                return Err(context
                    .refuse_item("packages", text, title, "a package is held in the version that it has")
                    .hint(format!("write `{}`, and the version in `apt.packages`", name.key())));
            }
            if !names.contains(&name) {
                changes.extend(self.change(context, &name)?);
                names.push(name);
            }
        }
        Ok(if changes.is_empty() {
            Outcome::Unchanged
        } else {
            Outcome::Change(changes)
        })
    }
}

impl Hold {
    fn change(&self, context: &PlanContext<'_>, name: &Name) -> Result<Option<ResourceChange>, Stop> {
        let (key, text) = (name.key(), name.argument());
        let PackageFact::Listed {
            version,
            status,
            automatic,
        } = context.get(PackageKey(&key))?
        else {
            return self.not_installed(context, &text);
        };
        if matches!(status.state, State::NotInstalled | State::ConfigFiles) && status.want != Want::Hold {
            return self.not_installed(context, &text);
        }
        if (status.want == Want::Hold) == self.present {
            return Ok(None);
        }
        let shown = |held: &str| -> Attributed { [("hold", Attribute::known(held))].into_iter().collect() };
        let (before, after) = if self.present {
            ("not held", "held")
        } else {
            ("held", "not held")
        };
        let fact = PackageFact::Listed {
            version,
            status: Status {
                want: if self.present { Want::Hold } else { Want::Install },
                ..status
            },
            automatic,
        };
        Ok(Some(ResourceChange {
            id: ResourceId {
                kind: ResourceKind::Package,
                name: key.clone(),
            },
            action: Action::Update,
            before: Before::Present(shown(before)),
            after: Some(shown(after)),
            expect: Vec::new(),
            effects: vec![Effect::Set(FactKey::Package(key.clone()), Fact::Package(fact))],
            steps: vec![selection_run(&key, self.present, self.lock_timeout)],
            risk: Risk::None,
            is_asked_as_before: false,
        }))
    }

    /// What is not there is not held; nothing can be held before it is there.
    fn not_installed(&self, context: &PlanContext<'_>, text: &str) -> Result<Option<ResourceChange>, Stop> {
        if !self.present {
            return Ok(None);
        }
        let title = format!("package `{text}` is not installed");
        Err(context
            .refuse_item(
                "packages",
                text,
                title,
                "not on the host, and no earlier operation installs it",
            )
            .hint("install it first with `apt.packages`"))
    }
}
