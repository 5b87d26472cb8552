//! `server.modprobe`: load a module of the kernel, now and at boot.
//!
//! ```toml
//! [[operation]]
//! op = "server.modprobe"
//! module = "br_netfilter"
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use super::names::since;
use crate::change::{
    Action, Attribute, Attributed, Before, Command, Outcome, ResourceChange, ResourceId, ResourceKind, Step, Stop,
};
use crate::content::Content;
use crate::facts::module::{KernelModule, KernelModuleKey};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::{Fact, FactKey};
use crate::operations::files::parameters::path_and_ancestors;
use crate::operations::files::removal::{note_other_kind, plan_absent};
use crate::operations::files::whole_file::{FileWish, WishedContent, plan_file};
use crate::operations::work::Work;
use crate::operations::{Define, Operation, PlanContext};
use crate::quote::quote;

/// Parameters of `server.modprobe`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Modprobe {
    /// Name of the module, such as `"br_netfilter"`.
    module: String,
    /// Options of the module, such as `"numdummies=2"`. They count when it is loaded the next time. By default they are kept.
    options: Option<String>,
    /// `false` loads it until the next boot only, and writes no file for the boot.
    #[serde(default = "crate::operations::parameters::yes")]
    persist: bool,
    /// `false` unloads it, and removes the files that this operation writes.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

impl Define for Modprobe {
    const NAME: &'static str = "server.modprobe";
    const SUMMARY: &'static str = "Load a module of the kernel, now and at boot";
    const MAIN_ARGUMENT: &'static str = "module";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "server.modprobe"
module = "br_netfilter"
"#;
}

impl Operation for Modprobe {
    fn needs(&self) -> Vec<FactKey> {
        let files = self.files().into_iter();
        let paths = files.flat_map(|(path, _)| path_and_ancestors(&path));
        paths.chain([FactKey::KernelModule(self.module.clone())]).collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        let files = self.files().into_iter();
        let paths = files.map(|(path, _)| FactScope::Key(FactKey::Path(path)));
        let module = FactScope::Key(FactKey::KernelModule(self.module.clone()));
        paths.chain([module, FactScope::NewKernelParameters]).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        context.on_scratch(|scratch| {
            let mut work = Work::default();
            // In the same round.
            let state = since(scratch.get(KernelModuleKey(&self.module)));
            let files: Vec<Result<Outcome, Stop>> = self
                .files()
                .into_iter()
                .map(|(path, text)| {
                    let Some(text) = text else {
                        note_other_kind(scratch, "module", &path, "a file");
                        return plan_absent(scratch, &path);
                    };
                    let content = WishedContent::Ready(Content::new(text.into_bytes()));
                    plan_file(scratch, &FileWish::new(&path, "module", content))
                })
                .collect();
            for file in files {
                work.add(scratch, file?);
            }
            self.load(scratch, state?, &mut work)?;
            Ok(work.outcome())
        })
    }
}

impl Modprobe {
    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let plain = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
        if self.module.is_empty() || self.module.starts_with('-') || !self.module.chars().all(plain) {
            let title = format!("`{}` is not a valid name of a module", self.module);
            return Err(context
                .refuse("module", title, "use letters, digits, `_` and `-`")
                .hint("write it as `lsmod` shows it"));
        }
        match &self.options {
            Some(options) if options.trim().is_empty() || options.contains(['\n', '\r', '\0', '\\']) => Err(context
                .refuse(
                    "options",
                    "`options` must be one line that is not empty",
                    "modprobe.d(5) cannot store this",
                )
                .hint("write it as in `modprobe NAME OPTIONS`")),
            _ => Ok(()),
        }
    }

    /// The files that are its own, and what is in them; `None` if they are to be gone.
    fn files(&self) -> Vec<(String, Option<String>)> {
        let at_boot = format!("/etc/modules-load.d/homelab-{}.conf", self.module);
        let options = format!("/etc/modprobe.d/homelab-{}.conf", self.module);
        if !self.present {
            return vec![(options, None), (at_boot, None)];
        }
        let options_text = self.options.as_ref();
        let options_text = options_text.map(|given| format!("options {} {}\n", self.module, given.trim()));
        let options = options_text.map(|text| (options, Some(text)));
        let at_boot = self.persist.then(|| (at_boot, Some(format!("{}\n", self.module))));
        options.into_iter().chain(at_boot).collect()
    }

    fn load(
        &self,
        context: &PlanContext<'_>,
        state: Result<KernelModule, (crate::facts::overlay::OperationId, String)>,
        work: &mut Work,
    ) -> Result<(), Stop> {
        let name = quote(&self.module);
        let before = match state {
            Ok(KernelModule::Absent) if self.present => {
                let title = format!("unknown kernel module `{}`", self.module);
                return Err(context
                    .refuse("module", title, "the running kernel has no such module")
                    .hint("correct the name, or install the package that brings it first, with `apt.packages`"));
            }
            Ok(KernelModule::Loaded | KernelModule::BuiltIn) if self.present => return Ok(()),
            Ok(KernelModule::Absent | KernelModule::Available) if !self.present => return Ok(()),
            Ok(KernelModule::BuiltIn) => {
                let title = format!("`{}` is a part of the kernel", self.module);
                return Err(context
                    .refuse("present", title, "it cannot be unloaded")
                    .hint("remove this operation"));
            }
            Ok(_) => Before::Present(attributed(!self.present)),
            Err((operation, why)) => {
                work.since.push(operation);
                Before::Unknown(why)
            }
        };
        let (action, command, after) = if self.present {
            (Action::Update, format!("modprobe -- {name}"), KernelModule::Loaded)
        } else {
            (
                Action::Update,
                format!("modprobe -r -- {name}"),
                KernelModule::Available,
            )
        };
        let id = ResourceId::new(ResourceKind::KernelModule, &self.module);
        let mut change = ResourceChange::new(id, action, before, Some(attributed(self.present)));
        change.effects = vec![
            Effect::Set(FactKey::KernelModule(self.module.clone()), Fact::KernelModule(after)),
            Effect::Forget(
                FactScope::NewKernelParameters,
                "a kernel module may bring it".to_owned(),
            ),
        ];
        change.steps = vec![Step::Run(Command::new(command.clone(), command))];
        work.add(context, Outcome::Change(vec![change]));
        Ok(())
    }
}

fn attributed(is_loaded: bool) -> Attributed {
    let state = if is_loaded { "loaded" } else { "not loaded" };
    [("state", Attribute::known(state))].into_iter().collect()
}
