//! `zfs.dataset`: a file system or volume of ZFS.
//!
//! ```toml
//! [[operation]]
//! op = "zfs.dataset"
//! dataset = "tank/media"
//! properties = { mountpoint = "/srv/media", compression = "zstd", quota = "500G" }
//! ```

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::property::{OTHER, SETTABLE, are_same, is_chosen_once, is_user_property, readable};
use crate::change::{
    Action, Attribute, Attributed, Before, Command, NotKnown, Outcome, ResourceChange, ResourceId, ResourceKind, Risk,
    Step, Stop,
};
use crate::error::suggestion;
use crate::facts::overlay::{Effect, FactScope, OperationId};
use crate::facts::place::bytes;
use crate::facts::zfs::{Dataset as Found, DatasetFact, DatasetKey, Property};
use crate::facts::{Fact, FactKey};
use crate::operations::parameters::PlainVisitor;
use crate::operations::server::names::since;
use crate::operations::{Define, Operation, PlanContext};
use crate::quote::quote;

/// Parameters of `zfs.dataset`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a parameter that people write")]
pub(in crate::operations) struct Dataset {
    /// Name of the dataset, such as `"tank/media"`. The pool, and the datasets above it, have to be there.
    dataset: String,
    /// Properties, such as `{ compression = "zstd", atime = false, quota = "500G" }`. Others stay.
    #[serde(default)]
    properties: BTreeMap<String, PropertyValue>,
    /// Makes a volume of this size instead of a file system, such as `"20G"`.
    volume_size: Option<String>,
    /// `true` makes a volume that reserves no space.
    #[serde(default)]
    sparse: bool,
    /// `true` lets `present = false` remove its snapshots, and all datasets below it, too.
    #[serde(default)]
    recursive: bool,
    /// `true` lets `present = false` remove a dataset with its data.
    #[serde(default)]
    delete_data: bool,
    /// `false` removes the dataset; needs `delete_data = true`.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

/// A value of a property: a string, a whole number, or `true` and `false` for `on` and `off`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PropertyValue(String);

/// In words, what a value of a property may be.
const VALUES: &str = "a string, a whole number, `true` or `false`";

impl<'de> Deserialize<'de> for PropertyValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(PlainVisitor {
                expected: VALUES,
                booleans: Some(["off", "on"]),
            })
            .map(Self)
    }
}

impl JsonSchema for PropertyValue {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PropertyValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer", "boolean"],
            "title": VALUES,
        })
    }
}

impl Define for Dataset {
    const NAME: &'static str = "zfs.dataset";
    const SUMMARY: &'static str = "Create, change or remove a file system or volume of ZFS";
    const MAIN_ARGUMENT: &'static str = "dataset";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "zfs.dataset"
dataset = "tank/media"
properties = { mountpoint = "/srv/media", compression = "zstd", atime = false }
"#;
}

impl Operation for Dataset {
    fn needs(&self) -> Vec<FactKey> {
        let above = self.above().map(|above| FactKey::ZfsDataset(above.to_owned()));
        above.into_iter().chain([self.key()]).collect()
    }

    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        let trees = self.trees(context).into_iter().map(FactScope::Tree);
        trees.chain([FactScope::Key(self.key())]).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        let above = match self.above() {
            Some(above) => Some(since(context.get(DatasetKey(above)))?),
            None => None,
        };
        let found = since(context.get(DatasetKey(&self.dataset)))?;
        match (found, self.present) {
            (Err((operation, why)), true) if self.above().is_some() => Ok(self.ensure(context, &why, operation)),
            (Err((operation, why)), _) => Err(Stop::NotKnown {
                key: self.key(),
                cause: NotKnown::Since(operation, why),
            }),
            (Ok(DatasetFact::NoProgram | DatasetFact::Absent), false) => Ok(Outcome::Unchanged),
            (Ok(DatasetFact::NoProgram), true) => Err(context
                .refuse("dataset", "`zfs` is not on the host", "nothing can ask for this dataset")
                .hint("install it before: on Debian, `zfsutils-linux` of `contrib`, and the module of the kernel `zfs-dkms`")),
            (Ok(DatasetFact::Fails(why)), _) => Err(context
                .refuse("dataset", "`zfs` does not work on the host", &*why)
                .hint(hint_of(&why))),
            (Ok(DatasetFact::Present(found)), false) => self.remove(context, &found),
            (Ok(DatasetFact::Present(found)), true) => self.update(context, &found),
            (Ok(DatasetFact::Absent), true) => {
                let above = match above {
                    Some(Ok(DatasetFact::Present(above))) => above,
                    Some(Err((operation, why))) => return Ok(self.ensure(context, &why, operation)),
                    Some(Ok(_)) | None => return Err(self.nothing_above(context)),
                };
                self.check_known(context, &above)?;
                Ok(Outcome::Change(vec![self.create(context, Before::Absent, Some(&above))]))
            }
        }
    }
}

impl Dataset {
    fn key(&self) -> FactKey {
        FactKey::ZfsDataset(self.dataset.clone())
    }

    /// The dataset above; `None` for a pool.
    fn above(&self) -> Option<&str> {
        self.dataset.rsplit_once('/').map(|(above, _)| above)
    }

    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let plain = |character: char| character.is_ascii_alphanumeric() || "_-.: ".contains(character);
        let is_part = |part: &str| !part.is_empty() && part.trim() == part && part.chars().all(plain);
        if !self.dataset.split('/').all(is_part) {
            let title = format!("`{}` is not a valid name of a dataset", self.dataset.escape_debug());
            return Err(context
                .refuse(
                    "dataset",
                    title,
                    "use letters, digits, `_`, `-`, `.` and `:`, with `/` between",
                )
                .hint("write it as `zfs list` shows it, such as \"tank/media\""));
        }
        for (name, value) in &self.properties {
            let is_name = name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.:".contains(c));
            if name.is_empty() || !is_name || name.starts_with('-') {
                let title = format!("`{name}` is not a valid name of a property");
                return Err(context
                    .refuse_entry(
                        "properties",
                        name,
                        title,
                        "use small letters, digits, `_`, `-`, `.` and `:`",
                    )
                    .hint("write it as `zfs get all` shows it"));
            }
            if value.0.contains(['\n', '\t', '\0']) || (value.0.is_empty() && !is_user_property(name)) {
                let title = format!("`{name}` must be one line that is not empty");
                return Err(context
                    .refuse_entry("properties", name, title, "`zfs` takes no such value")
                    .hint("write it as `zfs get all` shows it"));
            }
        }
        if self.volume_size.is_some() && self.properties.contains_key("volsize") {
            return Err(context
                .refuse(
                    "volume_size",
                    "the size of the volume is given twice",
                    "`volsize` in `properties` is the same",
                )
                .hint("remove one of the two"));
        }
        if self.sparse && self.volume_size.is_none() {
            return Err(context
                .refuse("sparse", "`sparse` is for volumes", "this is a file system")
                .hint("add `volume_size = \"…\"`, or remove `sparse`"));
        }
        Ok(())
    }

    /// What has to be there: the properties, and the size of a volume.
    fn wishes(&self) -> BTreeMap<&str, &str> {
        let size = self.volume_size.as_deref().map(|size| ("volsize", size));
        let properties = self
            .properties
            .iter()
            .map(|(name, value)| (name.as_str(), value.0.as_str()));
        properties.chain(size).collect()
    }

    /// Refuses properties that this ZFS does not have.
    fn check_known(&self, context: &PlanContext<'_>, example: &Found) -> Result<(), Stop> {
        let known =
            |name: &str| is_user_property(name) || example.properties.contains_key(name) || SETTABLE.contains(&name);
        let Some(name) = self.properties.keys().find(|name| !known(name)) else {
            return Ok(());
        };
        let names = SETTABLE
            .iter()
            .copied()
            .chain(example.properties.keys().map(String::as_str));
        let title = format!("unknown property `{name}`");
        let stop = context.refuse_entry("properties", name, title, "the ZFS of the host does not have it");
        Err(match suggestion(name, names) {
            Some(hint) => stop.hint(hint),
            None => stop.hint("`zfs get all` lists them; a property of your own has a `:` in its name"),
        })
    }

    fn nothing_above(&self, context: &PlanContext<'_>) -> Stop {
        match self.above() {
            None => context
                .refuse(
                    "dataset",
                    format!("the pool `{}` is not on the host", self.dataset),
                    "homelab does not create pools",
                )
                .hint("create it with `zpool create`, or `zpool import` it"),
            Some(above) => context
                .refuse("dataset", format!("`{above}` is not on the host"), "the dataset above this one")
                .hint(format!(
                    "create it first: `op = \"zfs.dataset\"`, `dataset = \"{above}\"`; if it is a pool: `zpool create` or `zpool import`"
                )),
        }
    }

    /// Where it is mounted after this, if that can be told.
    fn mountpoint(&self, context: &PlanContext<'_>) -> Option<String> {
        if self.volume_size.is_some() {
            return None;
        }
        let own = self.properties.get("mountpoint").map(|value| value.0.clone());
        let path = own.or_else(|| {
            let (above, name) = self.dataset.rsplit_once('/')?;
            let mounted = mountpoint_of(context, above)?;
            Some(format!("{}/{name}", mounted.trim_end_matches('/')))
        })?;
        path.starts_with('/').then_some(path)
    }

    /// The directories in which something else may be mounted after a change.
    fn trees(&self, context: &PlanContext<'_>) -> Vec<String> {
        let now = mountpoint_of(context, &self.dataset);
        let mut trees: Vec<String> = now.into_iter().chain(self.mountpoint(context)).collect();
        trees.dedup();
        trees
    }

    fn change(&self, action: Action, before: Before, after: Option<Attributed>) -> ResourceChange {
        let id = ResourceId::new(ResourceKind::ZfsDataset, &self.dataset);
        ResourceChange::new(id, action, before, after)
    }

    fn ensure(&self, context: &PlanContext<'_>, why: &str, since: OperationId) -> Outcome {
        Outcome::Ensure {
            changes: vec![self.create(context, Before::Unknown(why.to_owned()), None)],
            since: vec![since],
        }
    }

    fn create(&self, context: &PlanContext<'_>, before: Before, above: Option<&Found>) -> ResourceChange {
        let wishes = self.wishes();
        let mut after = Attributed::new();
        if self.volume_size.is_some() {
            after.insert(
                "type",
                Attribute::known(if self.sparse { "sparse volume" } else { "volume" }),
            );
        }
        show(
            &mut after,
            wishes.iter().map(|(name, value)| (*name, (*value).to_owned())),
        );
        let mut change = self.change(Action::Create, before, Some(after));
        change.effects = self.forgotten(context);
        let inherited = above.map(|above| above.properties.clone()).unwrap_or_default();
        let kind = if self.volume_size.is_some() {
            "volume"
        } else {
            "filesystem"
        };
        let own = wishes
            .iter()
            .map(|(name, value)| (*name, *value))
            .chain([("type", kind)]);
        change.effects.push(self.effect(inherited, own, context));
        let size = self.volume_size.as_ref().map(|size| {
            let kind = if self.sparse { "-s -V" } else { "-V" };
            format!("{kind} {}", quote(size))
        });
        let properties = self.properties.iter();
        let properties = properties.map(|(name, value)| format!("-o {}", quote(&format!("{name}={}", value.0))));
        let words = [String::from("zfs create")].into_iter().chain(size).chain(properties);
        let command = words.chain([quote(&self.dataset)]).collect::<Vec<_>>().join(" ");
        let summary = format!("zfs create {}", self.dataset);
        // Of a dataset that was not known before: it may be there by now.
        let command = match &change.before {
            Before::Unknown(_) => {
                let name = quote(&self.dataset);
                let set = self.setting(wishes.iter().map(|(name, value)| (*name, *value)));
                format!("if zfs list -H -o name {name} >/dev/null 2>&1; then {set}; else {command}; fi")
            }
            _ => command,
        };
        change.steps = vec![Step::Run(Command::new(summary, on_path(&command)))];
        change
    }

    fn setting<'a>(&self, wishes: impl Iterator<Item = (&'a str, &'a str)>) -> String {
        let pairs: Vec<String> = wishes.map(|(name, value)| quote(&format!("{name}={value}"))).collect();
        if pairs.is_empty() {
            return ":".to_owned();
        }
        format!("zfs set {} {}", pairs.join(" "), quote(&self.dataset))
    }

    fn update(&self, context: &PlanContext<'_>, found: &Found) -> Result<Outcome, Stop> {
        self.check_known(context, found)?;
        let is_volume = found.value("type") == Some("volume");
        if is_volume != (self.volume_size.is_some() || self.properties.contains_key("volsize"))
            && (is_volume || self.volume_size.is_some())
        {
            let (label, hint) = if is_volume {
                ("it is a volume", "write its `volume_size`, or choose another name")
            } else {
                ("it is a file system", "remove `volume_size`, or choose another name")
            };
            let title = format!("`{}` is there, and is something else", self.dataset);
            return Err(context.refuse("dataset", title, label).hint(hint));
        }
        let wishes = self.wishes();
        let differs = |(name, wish): &(&str, &str)| !are_same(name, found.value(name).unwrap_or("-"), wish);
        let different: Vec<(&str, &str)> = wishes
            .iter()
            .map(|(name, value)| (*name, *value))
            .filter(differs)
            .collect();
        if different.is_empty() {
            return Ok(Outcome::Unchanged);
        }
        for (name, wish) in &different {
            self.check_settable(context, found, name, wish)?;
        }
        let (mut before, mut after) = (Attributed::new(), Attributed::new());
        let old = |name: &str| readable(name, found.value(name).unwrap_or("not set"));
        show(&mut before, different.iter().map(|(name, _)| (*name, old(name))));
        show(
            &mut after,
            different.iter().map(|(name, wish)| (*name, (*wish).to_owned())),
        );
        let mut change = self.change(Action::Update, Before::Present(before), Some(after));
        let moves = different
            .iter()
            .any(|(name, _)| matches!(*name, "mountpoint" | "canmount" | "readonly"));
        if moves {
            change.effects = self.forgotten(context);
        }
        change
            .effects
            .push(self.effect(found.properties.clone(), different.iter().copied(), context));
        let summary = format!("zfs set {}", self.dataset);
        change.steps = vec![Step::Run(Command::new(
            summary,
            on_path(&self.setting(different.into_iter())),
        ))];
        Ok(Outcome::Change(vec![change]))
    }

    /// Refuses to change what `zfs` does not change any more.
    fn check_settable(&self, context: &PlanContext<'_>, found: &Found, name: &str, wish: &str) -> Result<(), Stop> {
        let is_fixed = found
            .properties
            .get(name)
            .is_some_and(|property| property.source == "-");
        if !is_chosen_once(name) && (!is_fixed || is_user_property(name) || SETTABLE.contains(&name)) {
            return Ok(());
        }
        let value = readable(name, found.value(name).unwrap_or("-"));
        let title = format!("`{name}` of `{}` cannot be changed", self.dataset);
        let label = if is_chosen_once(name) {
            format!("it is `{value}`, which is chosen when a dataset is created, not `{wish}`")
        } else {
            format!("it is `{value}`, which cannot be set")
        };
        Err(context
            .refuse_entry("properties", name, title, label)
            .hint("remove the property, or create another dataset and move the data there"))
    }

    fn remove(&self, context: &PlanContext<'_>, found: &Found) -> Result<Outcome, Stop> {
        if self.above().is_none() {
            let title = format!("`{}` is a pool", self.dataset);
            return Err(context
                .refuse("dataset", title, "homelab does not remove pools")
                .hint("remove it with `zpool destroy`, or name a dataset in it"));
        }
        if !self.delete_data {
            let title = format!("ZFS dataset `{}` has data", self.dataset);
            return Err(context
                .refuse(
                    "dataset",
                    title,
                    format!("it uses {}, which would be lost", used(found)),
                )
                .hint("write `delete_data = true` to have it removed"));
        }
        if !self.recursive && !found.below.is_empty() {
            let title = format!("ZFS dataset `{}` has snapshots or datasets below it", self.dataset);
            return Err(context
                .refuse("dataset", title, listed(&found.below))
                .hint("write `recursive = true` to have them removed too"));
        }
        let mut before = Attributed::new();
        before.insert("used", Attribute::known(used(found)));
        if !found.below.is_empty() {
            before.insert("below it", Attribute::known(listed(&found.below)));
        }
        let mut change = self.change(Action::Remove, Before::Present(before), None);
        change.risk = Risk::Removal;
        change.effects = self.forgotten(context);
        change
            .effects
            .push(Effect::Set(self.key(), Fact::ZfsDataset(DatasetFact::Absent)));
        let all = if self.recursive { " -r" } else { "" };
        let command = format!("zfs destroy{all} {}", quote(&self.dataset));
        change.steps = vec![Step::Run(Command::new(
            format!("zfs destroy {}", self.dataset),
            on_path(&command),
        ))];
        Ok(Outcome::Change(vec![change]))
    }

    fn forgotten(&self, context: &PlanContext<'_>) -> Vec<Effect> {
        let why = |tree: &str| format!("something else is mounted on `{tree}` then");
        let trees = self.trees(context).into_iter();
        trees
            .map(|tree| {
                let why = why(&tree);
                Effect::Forget(FactScope::Tree(tree), why)
            })
            .collect()
    }

    /// The dataset afterwards.
    fn effect<'a>(
        &self,
        mut properties: BTreeMap<String, Property>,
        own: impl Iterator<Item = (&'a str, &'a str)>,
        context: &PlanContext<'_>,
    ) -> Effect {
        let mounted = self.mountpoint(context);
        let mounted = mounted.map(|path| ("mountpoint", path));
        let own = own.map(|(name, value)| (name, value.to_owned()));
        for (name, value) in mounted.into_iter().chain(own) {
            let source = "local".to_owned();
            properties.insert(name.to_owned(), Property { value, source });
        }
        let found = Found {
            properties,
            below: Vec::new(),
        };
        Effect::Set(self.key(), Fact::ZfsDataset(DatasetFact::Present(Box::new(found))))
    }
}

/// What to do about a `zfs` that fails.
fn hint_of(why: &str) -> &'static str {
    if why.contains("modules") {
        "load the module with `modprobe zfs`; if the kernel has none, `zfs-dkms` builds it, which needs `linux-headers-amd64`"
    } else {
        "see what `zpool status` says on the host"
    }
}

/// The space that it takes, with its snapshots and all that is below it.
fn used(found: &Found) -> String {
    let size = found.value("used").and_then(|used| used.parse().ok());
    size.map_or_else(|| "an unknown size".to_owned(), bytes)
}

/// Where a dataset is mounted, if that is known.
fn mountpoint_of(context: &PlanContext<'_>, dataset: &str) -> Option<String> {
    match context.known_fact(&FactKey::ZfsDataset(dataset.to_owned()))? {
        Fact::ZfsDataset(DatasetFact::Present(found)) => {
            let path = found.value("mountpoint")?;
            path.starts_with('/').then(|| path.to_owned())
        }
        _ => None,
    }
}

/// Those with a name of their own, then all others in one line.
fn show<'a>(attributed: &mut Attributed, properties: impl Iterator<Item = (&'a str, String)>) {
    let mut properties: BTreeMap<&str, String> = properties.collect();
    for name in SETTABLE {
        if let Some(value) = properties.remove(name) {
            attributed.insert(name, Attribute::known(value));
        }
    }
    let rest: Vec<String> = properties
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if !rest.is_empty() {
        attributed.insert(OTHER, Attribute::known(rest.join(", ")));
    }
}

/// The first names of a list, and how many more there are.
fn listed(names: &[String]) -> String {
    const MOST: usize = 5;
    let first = names.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(MOST) {
        Some(more @ 1..) => format!("{first} and {more} more"),
        _ => first,
    }
}

/// `zfs` is in a directory that is not always in the path.
fn on_path(command: &str) -> String {
    format!("PATH=\"$PATH:/usr/sbin:/sbin\"; {command}")
}
