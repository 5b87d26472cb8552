//! `server.swap`: a swap file, now and at boot.
//!
//! ```toml
//! [[operation]]
//! op = "server.swap"
//! path = "/swapfile"
//! size = "2G"
//! ```

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::fstab::{FSTAB, FstabLine, plan_line};
use super::sysctl::Sysctl;
use crate::change::{
    Action, Attribute, Attributed, Before, Command, Outcome, ResourceChange, ResourceId, ResourceKind, Risk, Step, Stop,
};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::path::{InodeKind, PathFact, ancestors, parent};
use crate::facts::swap::{SwapFact, SwapKey};
use crate::facts::{Fact, FactKey};
use crate::operations::files::parameters::{check_path, path_and_ancestors};
use crate::operations::work::Work;
use crate::operations::{Define, Operation, PlanContext};
use crate::quote::quote;

/// Parameters of `server.swap`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Swap {
    /// Absolute path of the swap file.
    path: String,
    /// Its size, such as `"512M"` or `"2G"`.
    size: Option<Size>,
    /// How readily the kernel swaps: the parameter `vm.swappiness`. By default it is kept.
    #[schemars(range(max = 200))]
    swappiness: Option<u8>,
    /// `false` stops using the file and removes it.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

/// A size in bytes, written in MiB or GiB.
#[derive(Clone, Copy, Debug)]
struct Size(u64);

const MIB: u64 = 1 << 20;

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeVisitor;
        impl de::Visitor<'_> for SizeVisitor {
            type Value = Size;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a size as a string, such as \"512M\" or \"2G\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                let (digits, unit) = text.split_at(text.find(|one: char| !one.is_ascii_digit()).unwrap_or(text.len()));
                let unit = match unit {
                    "M" | "MiB" => Some(MIB),
                    "G" | "GiB" => Some(MIB << 10),
                    _ => None,
                };
                let size = unit.zip(digits.parse::<u64>().ok());
                size.and_then(|(unit, count)| count.checked_mul(unit))
                    .filter(|size| *size > 0)
                    .map(Size)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(SizeVisitor)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "title": "a size such as \"2G\"",
            "pattern": "^[0-9]+(M|MiB|G|GiB)$",
        })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gibibyte = MIB << 10;
        match self.0 {
            size if size % gibibyte == 0 => write!(formatter, "{}G", size / gibibyte),
            size if size % MIB == 0 => write!(formatter, "{}M", size / MIB),
            size => write!(formatter, "{size} bytes"),
        }
    }
}

impl Define for Swap {
    const NAME: &'static str = "server.swap";
    const SUMMARY: &'static str = "Use a swap file, now and at boot";
    const MAIN_ARGUMENT: &'static str = "path";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "server.swap"
path = "/swapfile"
size = "2G"
swappiness = 10
"#;
}

impl Operation for Swap {
    fn needs(&self) -> Vec<FactKey> {
        let above = path_and_ancestors(parent(&self.path));
        let table = path_and_ancestors(FSTAB);
        let own = [FactKey::Content(FSTAB.to_owned()), FactKey::Swap(self.path.clone())];
        let swappiness = self.parameter().map(|sysctl| sysctl.needs());
        let all = above.into_iter().chain(table).chain(own);
        all.chain(swappiness.into_iter().flatten()).collect()
    }

    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        let keys = [
            FactKey::Path(FSTAB.to_owned()),
            FactKey::Swap(self.path.clone()),
            FactKey::Path(self.path.clone()),
        ];
        let swappiness = self.parameter().map(|sysctl| sysctl.touches(context));
        let keys = keys.into_iter().map(FactScope::Key);
        keys.chain(swappiness.into_iter().flatten()).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        context.on_scratch(|scratch| {
            let mut work = Work::default();
            // In the same round.
            let now = scratch.get(SwapKey(&self.path));
            let swappiness = self.parameter().map(|sysctl| sysctl.plan(scratch));
            let (table, _) = plan_line(scratch, "path", &self.line(), self.present)?;
            if self.present {
                self.check_directory(scratch)?;
            }
            let file = self.file(scratch, now?)?;
            work.add(scratch, file);
            work.add(scratch, table);
            if let Some(swappiness) = swappiness {
                work.add(scratch, swappiness?);
            }
            Ok(work.outcome())
        })
    }
}

impl Swap {
    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        check_path(context, "path", &self.path)?;
        if self.present && self.size.is_none() {
            return Err(context
                .refuse("path", "missing `size`", "this swap file needs a size")
                .hint("write `size = \"2G\"`, or `present = false`"));
        }
        match self.swappiness {
            Some(value) if value > 200 => Err(context
                .refuse(
                    "swappiness",
                    format!("{value} is not valid as `swappiness`"),
                    "at most 200",
                )
                .hint("write a number from 0 to 200")),
            _ => Ok(()),
        }
    }

    /// Refuses a place where others could put something else in the file's place.
    fn check_directory(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let above = parent(&self.path);
        for path in ancestors(&self.path) {
            match context.path(&path)? {
                PathFact::Present(inode) if inode.kind != InodeKind::Directory => {
                    let label = format!("`{path}` is {} on the host", inode.describe());
                    return Err(context
                        .refuse("path", format!("`{}` cannot be a swap file", self.path), label)
                        .hint("write a path without links"));
                }
                PathFact::Present(inode) if inode.owner != "root" || inode.mode & 0o022 != 0 => {
                    let label = format!("others than root may change `{path}`");
                    return Err(context
                        .refuse("path", format!("`{}` cannot be a swap file", self.path), label)
                        .hint("choose a directory of root, such as `/`"));
                }
                PathFact::Present(_) => {}
                PathFact::Absent => {
                    let title = format!("the directory of `{}` does not exist", self.path);
                    return Err(context
                        .refuse("path", title, format!("`{above}` is missing on the host"))
                        .hint(format!(
                            "create it first: `op = \"files.directory\"`, `path = \"{above}\"`"
                        )));
                }
            }
        }
        Ok(())
    }

    fn parameter(&self) -> Option<Sysctl> {
        let value = self.swappiness.filter(|_| self.present)?;
        Some(Sysctl::of("vm.swappiness", &value.to_string()))
    }

    fn line(&self) -> FstabLine {
        FstabLine {
            device: self.path.clone(),
            path: "none".to_owned(),
            fs_type: "swap".to_owned(),
            options: "sw".to_owned(),
            dump: 0,
            passno: 0,
        }
    }

    fn file(&self, context: &PlanContext<'_>, now: SwapFact) -> Result<Outcome, Stop> {
        let path = quote(&self.path);
        let size = self.size.map_or(0, |size| size.0);
        let (old_size, in_use) = match now {
            SwapFact::File { size, in_use } => (Some(size), in_use),
            SwapFact::Absent => (None, false),
            SwapFact::Other => {
                let title = format!("`{}` is not a swap file", self.path);
                return Err(context
                    .refuse("path", title, "something else is there on the host")
                    .hint("move it away first, or choose another path"));
            }
        };
        let off = if in_use {
            format!("swapoff -- {path} && ")
        } else {
            String::new()
        };
        let make = format!(
            "(umask 077; : >{path}) && {{ chattr +C -- {path} 2>/dev/null; \
             fallocate -l {size} -- {path} 2>/dev/null || dd if=/dev/zero of={path} bs=1M count={count} status=none; }} \
             && mkswap -- {path} >/dev/null && swapon -- {path}",
            count = size / MIB,
        );
        let (action, summary, script) = match (old_size, self.present) {
            (None, false) => return Ok(Outcome::Unchanged),
            (Some(_), false) => (Action::Remove, "swapoff", format!("{off}rm -f -- {path}")),
            (None, true) => (Action::Create, "mkswap", make),
            (Some(old), true) if old != size => (Action::Update, "mkswap", format!("{off}rm -f -- {path} && {make}")),
            (Some(_), true) if in_use => return Ok(Outcome::Unchanged),
            (Some(_), true) => (Action::Update, "swapon", format!("swapon -- {path}")),
        };
        let before = old_size.map_or(Before::Absent, |old| Before::Present(attributed(Size(old), in_use)));
        let after = self.present.then(|| attributed(Size(size), true));
        let id = ResourceId::new(ResourceKind::Swap, &self.path);
        let mut change = ResourceChange::new(id, action, before, after);
        if action == Action::Remove {
            change.risk = Risk::Removal;
        }
        let left = if self.present {
            SwapFact::File { size, in_use: true }
        } else {
            SwapFact::Absent
        };
        let why = "it is a swap file".to_owned();
        change.effects = vec![
            Effect::Forget(FactScope::Key(FactKey::Path(self.path.clone())), why),
            Effect::Set(FactKey::Swap(self.path.clone()), Fact::Swap(left)),
        ];
        change.steps = vec![Step::Run(Command::new(format!("{summary} {path}"), script))];
        Ok(Outcome::Change(vec![change]))
    }
}

fn attributed(size: Size, in_use: bool) -> Attributed {
    let used = if in_use { "yes" } else { "no" };
    [
        ("size", Attribute::known(size.to_string())),
        ("in use", Attribute::known(used)),
    ]
    .into_iter()
    .collect()
}
