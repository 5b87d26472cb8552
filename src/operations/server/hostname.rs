//! `server.hostname`: set the name of the host.
//!
//! ```toml
//! [[operation]]
//! op = "server.hostname"
//! hostname = "nas"
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use super::kernel_parameter::{HOSTNAME, WishedParameter};
use crate::change::{Outcome, Stop};
use crate::content::Content;
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::system::SystemKey;
use crate::facts::{Fact, FactKey};
use crate::operations::files::parameters::path_and_ancestors;
use crate::operations::files::whole_file::{FileWish, WishedContent, plan_file};
use crate::operations::work::Work;
use crate::operations::{Define, Operation, PlanContext};

/// Parameters of `server.hostname`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Hostname {
    /// The new name, such as `"nas"`. Its address in `/etc/hosts` is for `server.etc_hosts`.
    hostname: String,
}

/// Where the name for the next boot is.
const FILE: &str = "/etc/hostname";
/// The kernel's limit.
const LONGEST: usize = 64;
/// The limit of one part of a name, in DNS.
const LONGEST_LABEL: usize = 63;

impl Define for Hostname {
    const NAME: &'static str = "server.hostname";
    const SUMMARY: &'static str = "Set the name of the host";
    const MAIN_ARGUMENT: &'static str = "hostname";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "server.hostname"
hostname = "nas"
"#;
}

impl Operation for Hostname {
    fn needs(&self) -> Vec<FactKey> {
        let mut needs = path_and_ancestors(FILE);
        needs.push(FactKey::KernelParameter(HOSTNAME.to_owned()));
        needs.push(FactKey::System);
        needs
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        let keys = [
            FactKey::Path(FILE.to_owned()),
            FactKey::KernelParameter(HOSTNAME.to_owned()),
            FactKey::System,
        ];
        keys.into_iter().map(FactScope::Key).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        context.on_scratch(|scratch| {
            let mut work = Work::default();
            let content = WishedContent::Ready(Content::new(format!("{}\n", self.hostname).into_bytes()));
            let wish = FileWish::new(FILE, "hostname", content);
            // In the same round.
            let file = plan_file(scratch, &wish);
            let kernel = WishedParameter {
                path: HOSTNAME,
                value: &self.hostname,
                argument: "hostname",
            };
            let mut kernel = kernel.plan(scratch)?;
            if let Some(change) = kernel.changes_mut().first_mut() {
                let mut system = scratch.get(SystemKey)?;
                let short = self.hostname.split('.').next().unwrap_or_default();
                short.clone_into(&mut system.machine.hostname);
                system.unreadable.remove("hostname");
                change.effects.push(Effect::Set(FactKey::System, Fact::System(system)));
            }
            work.add(scratch, file?);
            work.add(scratch, kernel);
            Ok(work.outcome())
        })
    }
}

impl Hostname {
    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let name = &self.hostname;
        let is_label = |label: &str| {
            let plain = |character: char| character.is_ascii_alphanumeric() || character == '-';
            !label.is_empty()
                && label.len() <= LONGEST_LABEL
                && label.chars().all(plain)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if name.len() <= LONGEST && name.split('.').all(is_label) {
            return Ok(());
        }
        let title = format!("`{name}` is not a valid host name");
        let label = "use letters, digits and `-`, at most 64 characters in all";
        Err(context
            .refuse("hostname", title, label)
            .hint("write a name such as \"nas\" or \"nas.example.org\""))
    }
}
