//! Taking back what a run did: a task of homelab's own that makes of the host what it was before, as far as that is possible.
//!
//! It is planned, reviewed and applied like any other task. What cannot go back is told, with the reason.

mod things;
mod units;

use std::collections::{BTreeMap, BTreeSet};

use things::{Thing, earlier_version, noted, things_on};
use toml::{Table, Value};
use units::Units;

use crate::facts::apt::InstallationFact;
use crate::facts::journal::{Run, Was};
use crate::facts::kernel::parameter_path;
use crate::facts::path::{ContentFact, EntryKind, Inode, InodeKind, PathFact, is_below};
use crate::facts::unit::{UnitFact, UnitFilePath, template_of};
use crate::facts::{Fact, FactKey, Facts};
use crate::secret::DigestKey;
use crate::value::Known;

/// The table of file systems.
const FSTAB: &str = "/etc/fstab";
/// The kind of packages that apt brought besides one that was asked for.
const PACKAGES_ALONG: &str = "packages that come along with";
/// The kind of the packet filter's rules, of which the name is their file.
const FIREWALL_RULES: &str = "firewall rules";

/// What takes back a run.
#[derive(Debug, Default)]
pub struct Rollback {
    /// The texts of tasks, in their order: each one's handlers run before the next one. None if there is nothing to take back.
    pub tasks: Vec<String>,
    /// What stays as it is, and why.
    pub stays: Vec<String>,
}

/// The facts that [`rollback`] needs, as far as `facts` say which. With those read, there may be more.
pub fn rollback_keys(run: &Run, facts: &Facts) -> BTreeSet<FactKey> {
    let things = things_on(run, facts);
    let mut keys = units::keys(&things, facts);
    for thing in &things {
        keys.extend(noted(thing));
        let name = thing.first.name.clone();
        match thing.first.kind.as_str() {
            "file" | "link" => {
                let rules = loads_rules(thing, &things).then_some(thing.kept).flatten();
                keys.extend(rules.map(|kept| FactKey::Content(kept.to_owned())));
                keys.extend(UnitFilePath::of(&thing.first.name).and_then(|file| FactKey::of_unit(file.unit)));
                keys.extend(thing.kept.map(|kept| FactKey::Path(kept.to_owned())));
                keys.insert(FactKey::Path(name));
            }
            "directory" => keys.extend([FactKey::Path(name.clone()), FactKey::Listing(name)]),
            "package" => keys.extend(earlier_version(thing).map(FactKey::Installation)),
            "kernel parameter" => keys.extend([FactKey::KernelParameter(parameter_path(&name))]),
            "mount" => keys.extend([FactKey::Mount(name)]),
            _ => {}
        }
    }
    keys
}

/// Whether the run loaded the packet filter's rules of this file.
fn loads_rules(thing: &Thing<'_>, things: &[Thing<'_>]) -> bool {
    let is_loaded = |other: &Thing<'_>| other.first.kind == FIREWALL_RULES && other.first.name == thing.first.name;
    thing.first.kind == "file" && things.iter().any(is_loaded)
}

/// What takes back `run`. `key` is that of its digests; paths in `overwritten` go back although they were changed since.
pub fn rollback(run: &Run, key: Option<&DigestKey>, facts: &Facts, overwritten: &[String]) -> Rollback {
    let things = things_on(run, facts);
    let mut back = Back {
        facts,
        key,
        overwritten,
        units: Units::of(&things, facts),
        rules: BTreeSet::new(),
        removed: BTreeSet::new(),
        gone_units: BTreeSet::new(),
        restarts: BTreeSet::new(),
        operations: Vec::new(),
        states: Vec::new(),
        packages: Vec::new(),
        stays: Vec::new(),
    };
    for thing in things.iter().rev() {
        match thing.first.kind.as_str() {
            "file" if loads_rules(thing, &things) => back.rules(thing),
            "file" => back.file(thing),
            "link" => back.link(thing),
            "directory" => back.directory(thing),
            "package" => back.package(thing),
            "kernel parameter" => back.kernel_parameter(thing),
            // After the table of file systems and the files of rules.
            "mount" | "unit" | FIREWALL_RULES => {}
            _ => back.stay(thing, reason(thing)),
        }
    }
    let table = things
        .iter()
        .find(|thing| (thing.first.kind.as_str(), thing.first.name.as_str()) == ("file", FSTAB));
    for thing in things.iter().filter(|thing| thing.first.kind == "mount") {
        back.mount(thing, table);
    }
    for thing in things.iter().filter(|thing| thing.first.kind == FIREWALL_RULES) {
        if !back.rules.contains(thing.first.name.as_str()) {
            back.stay(thing, reason(thing));
        }
    }
    for thing in things.iter().filter(|thing| thing.first.kind == "unit") {
        back.unit(thing);
    }
    back.end()
}

/// Whether a unit was masked before; `None` if it neither was nor is.
fn was_masked(thing: &Thing<'_>) -> Option<bool> {
    let is_masked = |attributes: &BTreeMap<&str, &str>| {
        let enabled = attributes.get("enabled");
        enabled.is_some_and(|enabled| enabled.starts_with("masked"))
    };
    let was = is_masked(&thing.before);
    (was || is_masked(&thing.after)).then_some(was)
}

/// Why homelab takes nothing back of this kind.
fn reason(thing: &Thing<'_>) -> &'static str {
    let is_gone = thing.last.action == "remove";
    match thing.first.kind.as_str() {
        "command" => "what a command did is not known",
        "user" | "group" if is_gone => "accounts do not come back: create it with a task, or by hand",
        "user" | "group" if thing.was == Was::Present => "changes of accounts are not taken back",
        "user" | "group" => "accounts stay, since files may belong to them",
        PACKAGES_ALONG => "`apt-get autoremove` removes those that nothing needs any more",
        "archive in" | "git repository" => "its files are not kept",
        "host" => "a restart cannot be taken back",
        "kernel module" => "a module stays loaded until the next boot",
        FIREWALL_RULES => "they stay loaded until their file is loaded again, with `nft -f`",
        "swap" => "a swap file stays in use until it is removed with `server.swap`",
        "http resource" => "what a web API held before is not kept",
        "compose service" => "services stay as they are: put the project's files back, and deploy again",
        _ => "this is not taken back",
    }
}

/// What is taken back so far.
struct Back<'a> {
    facts: &'a Facts,
    key: Option<&'a DigestKey>,
    overwritten: &'a [String],
    units: Units,
    /// Files of rules that are loaded again.
    rules: BTreeSet<&'a str>,
    /// Paths that go.
    removed: BTreeSet<&'a str>,
    gone_units: BTreeSet<&'a str>,
    /// Units that read what goes back.
    restarts: BTreeSet<&'a str>,
    operations: Vec<Table>,
    states: Vec<Table>,
    packages: Vec<Table>,
    stays: Vec<String>,
}

impl<'a> Back<'a> {
    fn stay(&mut self, thing: &Thing<'_>, why: &str) {
        let (kind, name) = (thing.first.kind.as_str(), thing.first.name.as_str());
        let is_gone = thing.last.action == "remove";
        let told = match kind {
            PACKAGES_ALONG if !is_gone => format!("packages that came along with {name} stay"),
            PACKAGES_ALONG => format!("packages that went along with {name} do not come back"),
            FIREWALL_RULES => format!("{kind} of {name} stay as they are"),
            _ if is_gone => format!("{kind} {name} stays removed"),
            _ => format!("{kind} {name} stays"),
        };
        self.stays.push(format!("{told}: {why}"));
    }

    fn path(&self, path: &str) -> Option<&'a PathFact> {
        match self.facts.get(&FactKey::Path(path.to_owned()))? {
            Fact::Path(fact) => Some(fact),
            _ => None,
        }
    }

    /// Whether the path is as the run left it; says so if it is not, unless it is to go back anyway.
    fn is_as_left(&mut self, thing: &Thing<'_>) -> bool {
        let now = self.path(&thing.first.name);
        let is_so = match (thing.last.action.as_str(), now) {
            ("remove", Some(PathFact::Absent)) => true,
            (action, Some(PathFact::Present(inode))) if action != "remove" => match (&inode.kind, thing.digest) {
                (
                    InodeKind::File {
                        digest: Known::Yes(now),
                    },
                    Some(left),
                ) => self.key.is_some_and(|key| key.digest(now).0 == left),
                (InodeKind::Link { target }, None) => thing.after.get("target").is_none_or(|left| *left == *target),
                (InodeKind::File { .. }, None) => thing.last.kind == "file",
                _ => false,
            },
            // It is gone: that is a change too, but there is nothing to lose.
            (_, Some(PathFact::Absent)) => thing.was == Was::Absent,
            _ => false,
        };
        // A file that goes back must not be written where a link leads that stands in its place now.
        if let Some(PathFact::Present(inode)) = now
            && let InodeKind::Link { target } = &inode.kind
            && thing.last.kind == "file"
        {
            let why = format!("a link to `{target}` is there now; remove it first");
            self.stay(thing, &why);
            return false;
        }
        let is_meant = is_so || self.overwritten.contains(&thing.first.name);
        if !is_meant {
            self.stay(
                thing,
                &format!(
                    "it was changed since; `--overwrite {}` takes it back anyway",
                    thing.first.name
                ),
            );
        }
        is_meant
    }

    fn add(&mut self, thing: &Thing<'a>, mut operation: Table) {
        if thing.is_secret() {
            operation.insert("sensitive".to_owned(), true.into());
        }
        let units: Vec<&str> = thing
            .units
            .iter()
            .copied()
            .filter(|unit| self.is_restarted(unit))
            .collect();
        let notify: Vec<Value> = units.iter().map(|unit| Value::from(literal(unit))).collect();
        self.restarts.extend(units);
        if !notify.is_empty() {
            operation.insert("notify".to_owned(), notify.into());
        }
        self.operations.push(operation);
    }

    /// Whether a unit that what goes back is for is still there afterwards.
    fn is_restarted(&self, unit: &str) -> bool {
        let is_gone = |unit: &str| self.gone_units.contains(unit);
        let goes = is_gone(unit) || template_of(unit).is_some_and(|of| is_gone(&of));
        !goes && self.units.is_there(unit)
    }

    fn file(&mut self, thing: &Thing<'a>) {
        let path = thing.first.name.as_str();
        if !self.is_as_left(thing) {
            return;
        }
        match (thing.was, self.kept_file(thing)) {
            (_, Some((kept, inode))) => {
                let lack = UnitFilePath::of(path).and_then(|file| self.units.lack(file.unit));
                if let Some(why) = lack.map(str::to_owned) {
                    return self.stay(thing, &why);
                }
                let copy = owned(operation("files.copy", &[("src", kept), ("dest", path)]), inode);
                self.add(thing, copy);
                self.reload(path);
            }
            (Was::Absent, _) => {
                self.removed.insert(path);
                match UnitFilePath::of(path).filter(|_| path.starts_with("/etc/systemd/system/")) {
                    Some(file) => self.unit_file_goes(file, thing.is_secret()),
                    None => self.add(thing, absent(operation("files.file", &[("path", path)]))),
                }
            }
            (Was::Present, None) if thing.digest.is_none() && thing.last.action == "update" => {
                let attributes = attributes("files.file", thing);
                self.add(thing, attributes);
            }
            (Was::Unknown, None) => self.stay(thing, "what was there before is not known"),
            _ => self.stay(thing, "its previous version is not kept"),
        }
    }

    /// The previous version of a file, if it is kept.
    fn kept_file(&self, thing: &Thing<'a>) -> Option<(&'a str, &'a Inode)> {
        let kept = thing.kept?;
        match self.path(kept)? {
            PathFact::Present(inode) if matches!(inode.kind, InodeKind::File { .. }) => Some((kept, inode)),
            _ => None,
        }
    }

    /// A file with rules of the packet filter, which are loaded again.
    fn rules(&mut self, thing: &Thing<'a>) {
        let path = thing.first.name.as_str();
        let rules = operation("nftables.rules", &[("file", path)]);
        let rules = match (thing.was, self.kept_file(thing)) {
            (_, Some((kept, inode))) => {
                let Some(Fact::Content(ContentFact::Bytes(bytes))) = self.facts.get(&FactKey::Content(kept.to_owned()))
                else {
                    return self.file(thing);
                };
                let Ok(text) = std::str::from_utf8(bytes) else {
                    return self.file(thing);
                };
                let mut rules = owned(rules, inode);
                rules.insert("content".to_owned(), literal(text).into());
                rules
            }
            (Was::Absent, None) => absent(rules),
            _ => return self.file(thing),
        };
        if self.is_as_left(thing) {
            if thing.was == Was::Absent {
                self.removed.insert(path);
            }
            self.rules.insert(path);
            self.add(thing, rules);
        }
    }

    fn unit_file_goes(&mut self, file: UnitFilePath<'a>, is_secret: bool) {
        let mut table = absent(operation("systemd.unit", &[("unit", file.unit)]));
        if is_secret {
            table.insert("sensitive".to_owned(), true.into());
        }
        match file.drop_in {
            Some(drop_in) => {
                let name = drop_in.trim_end_matches(".conf");
                table.insert("drop_in".to_owned(), literal(name).into());
                self.reload_unit(file.unit);
            }
            None => {
                self.gone_units.insert(file.unit);
            }
        }
        self.operations.push(table);
    }

    /// A file of a unit goes back: what runs is restarted with it.
    fn reload(&mut self, path: &'a str) {
        if let Some(file) = UnitFilePath::of(path) {
            self.reload_unit(file.unit);
        }
    }

    fn reload_unit(&mut self, unit: &str) {
        let Some(Fact::Unit(UnitFact::Present(state))) = self.facts.get(&FactKey::Unit(unit.to_owned())) else {
            return;
        };
        if self.units.leaves(unit) {
            return;
        }
        let mut service = operation("systemd.service", &[("service", unit)]);
        let runs = !state.has_stopped();
        service.insert("state".to_owned(), if runs { "started" } else { "stopped" }.into());
        self.states.push(service);
    }

    fn link(&mut self, thing: &Thing<'a>) {
        let path = thing.first.name.as_str();
        if !self.is_as_left(thing) {
            return;
        }
        let kept = thing.kept.and_then(|kept| self.path(kept));
        match (thing.was, kept) {
            (_, Some(PathFact::Present(inode))) => match &inode.kind {
                InodeKind::Link { target } => {
                    self.add(thing, operation("files.link", &[("path", path), ("target", target)]));
                }
                _ => self.stay(thing, "it was no link before"),
            },
            (Was::Absent, _) => {
                self.removed.insert(path);
                self.add(thing, absent(operation("files.link", &[("path", path)])));
            }
            _ => self.stay(thing, "its previous version is not kept"),
        }
    }

    fn directory(&mut self, thing: &Thing<'a>) {
        let path = thing.first.name.as_str();
        match (thing.was, thing.last.action.as_str()) {
            // It was empty.
            (Was::Present, "remove") if !thing.before.is_empty() && !thing.before.contains_key("contains") => {
                let attributes = attributes("files.directory", thing);
                self.add(thing, attributes);
            }
            (_, "remove") => self.stay(thing, "what is in directories is not kept"),
            (Was::Absent, _) => {
                let Some(Fact::Listing(listing)) = self.facts.get(&FactKey::Listing(path.to_owned())) else {
                    return self.stay(thing, "it cannot be read");
                };
                let below = |name: &str| format!("{}/{name}", path.trim_end_matches('/'));
                let other = listing.entries.iter().find(|(name, kind)| {
                    let own = below(name);
                    let is_way = **kind == EntryKind::Directory && self.removed.iter().any(|path| is_below(path, &own));
                    !self.removed.contains(own.as_str()) && !is_way
                });
                if let Some((name, _)) = other {
                    let why = format!("`{}` is in it, which stays", below(name));
                    return self.stay(thing, &why);
                }
                if !listing.is_complete || !listing.unusable.is_empty() {
                    return self.stay(thing, "there is more in it than can be listed");
                }
                self.removed.insert(path);
                self.add(thing, absent(operation("files.directory", &[("path", path)])));
            }
            (Was::Present, _) => {
                let attributes = attributes("files.directory", thing);
                self.add(thing, attributes);
            }
            (Was::Unknown, _) => self.stay(thing, "what was there before is not known"),
        }
    }

    fn kernel_parameter(&mut self, thing: &Thing<'a>) {
        let name = thing.first.name.as_str();
        let (Some(before), Some(after)) = (thing.before.get("value"), thing.after.get("value")) else {
            return self.stay(thing, "its value before is not known");
        };
        let key = FactKey::KernelParameter(parameter_path(name));
        match self.facts.get(&key) {
            Some(Fact::KernelParameter(Some(now)))
                if now == after || self.overwritten.iter().any(|one| one == name) =>
            {
                let mut table = operation("server.sysctl", &[("key", name), ("value", before)]);
                // The file with the value for the next boot goes back by itself.
                table.insert("persist".to_owned(), false.into());
                self.add(thing, table);
            }
            _ => self.stay(
                thing,
                &format!("it was changed since; `--overwrite {name}` takes it back anyway"),
            ),
        }
    }

    /// `table` is what the run did to the table of file systems.
    fn mount(&mut self, thing: &Thing<'a>, table: Option<&Thing<'_>>) {
        let path = thing.first.name.as_str();
        let is_mounted = matches!(
            self.facts.get(&FactKey::Mount(path.to_owned())),
            Some(Fact::Mount(Some(_)))
        );
        match (thing.was, table) {
            (Was::Absent, _) if !is_mounted => {}
            // Without its line, which goes back with the table, what is mounted is nothing but what the run mounted.
            (Was::Absent, Some(_)) => self.add(thing, absent(operation("server.mount", &[("path", path)]))),
            (Was::Absent, None) => self.stay(
                thing,
                &format!("its line in {FSTAB} was there before; `umount {path}` unmounts it"),
            ),
            _ => self.stay(thing, "what was mounted there before is not kept"),
        }
    }

    fn package(&mut self, thing: &Thing<'a>) {
        let name = thing.first.name.as_str();
        let packages = |name: &str| {
            let mut table = operation("apt.packages", &[]);
            table.insert("packages".to_owned(), vec![Value::from(literal(name))].into());
            table
        };
        if let (Some(before), Some(_)) = (thing.before.get("hold"), thing.after.get("hold")) {
            let mut hold = operation("apt.hold", &[]);
            hold.insert("packages".to_owned(), vec![Value::from(literal(name))].into());
            hold.insert("present".to_owned(), (*before == "held").into());
            self.add(thing, hold);
            if thing.was != Was::Absent && !thing.before.contains_key("version") {
                return;
            }
        }
        let Some(installation) = earlier_version(thing) else {
            if thing.was == Was::Absent {
                self.packages.push(absent(packages(name)));
            } else {
                self.stay(thing, "its version before is not known");
            }
            return;
        };
        if thing.before.get("version") == thing.after.get("version") {
            return self.stay(thing, "only how it was installed has changed");
        }
        let versioned = installation.packages.concat();
        match self.facts.get(&FactKey::Installation(installation)) {
            Some(Fact::Installation(InstallationFact::Possible(_))) => self.packages.insert(0, packages(&versioned)),
            _ => self.stay(thing, &format!("apt cannot install `{versioned}` any more")),
        }
    }

    fn unit(&mut self, thing: &Thing<'a>) {
        let (unit, before, after) = (thing.first.name.as_str(), &thing.before, &thing.after);
        let template = template_of(unit);
        let goes = self.gone_units.contains(unit) || template.is_some_and(|of| self.gone_units.contains(of.as_str()));
        if goes {
            return;
        }
        if self.units.leaves(unit) {
            return self.unmask(thing);
        }
        if let Some(why) = self.units.lack(unit).map(str::to_owned) {
            return self.stay(thing, &why);
        }
        if thing.was != Was::Present {
            return self.stay(thing, "it goes only with its unit file or package");
        }
        let mut service = operation("systemd.service", &[("service", unit)]);
        let runs = |word: &str| word.starts_with("active") || word.starts_with("activating") || word == "reloading";
        if let (Some(before), Some(after)) = (before.get("active"), after.get("active")) {
            let is_running = !matches!(*after, "inactive" | "stopped" | "failed");
            if runs(before) != is_running {
                let state = if runs(before) { "started" } else { "stopped" };
                service.insert("state".to_owned(), state.into());
            }
        }
        if let (Some(before), Some(after)) = (before.get("enabled"), after.get("enabled"))
            && before != after
        {
            if let Some(was_masked) = was_masked(thing) {
                service.insert("masked".to_owned(), was_masked.into());
            }
            if matches!(*before, "enabled" | "disabled") {
                service.insert("enabled".to_owned(), (*before == "enabled").into());
            }
        }
        if service.len() > 2 {
            let is_other = |table: &Table| table.get("service") != service.get("service");
            self.states.retain(is_other);
            self.states.push(service);
        }
    }

    /// A mask stays when the package of its unit goes, and would be there when that comes back.
    fn unmask(&mut self, thing: &Thing<'a>) {
        if was_masked(thing) == Some(false) {
            let mut service = operation("systemd.service", &[("service", thing.first.name.as_str())]);
            service.insert("masked".to_owned(), false.into());
            self.states.push(service);
        }
    }

    fn end(mut self) -> Rollback {
        let is_gone = |unit: &str| !self.is_restarted(unit);
        let gone: BTreeSet<&str> = self.restarts.iter().copied().filter(|unit| is_gone(unit)).collect();
        for operation in &mut self.operations {
            if let Some(Value::Array(notify)) = operation.get_mut("notify") {
                notify.retain(|unit| unit.as_str().is_none_or(|unit| !gone.contains(unit)));
            }
        }
        // Names of operations are told apart by their main argument.
        let mut seen = BTreeSet::new();
        self.states.retain(|table| {
            let unit = table.get("service").and_then(Value::as_str);
            let goes = unit.is_some_and(|unit| self.gone_units.contains(unit));
            !goes && seen.insert(unit.map(str::to_owned))
        });
        // What brings old versions comes first. What removes packages comes last, after restarts.
        let (removals, versions): (Vec<Table>, Vec<Table>) = self
            .packages
            .into_iter()
            .partition(|table| table.contains_key("present"));
        let operations: Vec<Table> = [versions, self.operations, self.states].concat();
        let handlers = self
            .restarts
            .into_iter()
            .filter(|unit| !gone.contains(unit))
            .map(|unit| {
                let mut handler = operation("systemd.service", &[("service", unit)]);
                handler.insert("name".to_owned(), literal(unit).into());
                handler.insert("state".to_owned(), "restarted".into());
                handler
            });
        let tasks = [(operations, handlers.collect()), (removals, Vec::new())];
        Rollback {
            tasks: tasks
                .into_iter()
                .filter_map(|(operations, handlers)| task(operations, handlers))
                .collect(),
            stays: self.stays,
        }
    }
}

/// The text of a task; `None` without operations.
fn task(operations: Vec<Table>, handlers: Vec<Table>) -> Option<String> {
    if operations.is_empty() {
        return None;
    }
    let mut task = Table::new();
    task.insert("operation".to_owned(), tables(operations));
    if !handlers.is_empty() {
        task.insert("handler".to_owned(), tables(handlers));
    }
    toml::to_string(&task).ok()
}

fn tables(tables: Vec<Table>) -> Value {
    tables.into_iter().map(Value::Table).collect::<Vec<_>>().into()
}

pub(super) fn operation(op: &str, arguments: &[(&str, &str)]) -> Table {
    let arguments = arguments.iter().map(|(name, value)| (*name, literal(value)));
    let all = std::iter::once(("op", op.to_owned())).chain(arguments);
    all.map(|(name, value)| (name.to_owned(), value.into())).collect()
}

fn absent(mut operation: Table) -> Table {
    operation.insert("present".to_owned(), false.into());
    operation
}

/// With owner, group and mode of what is kept.
fn owned(mut operation: Table, inode: &Inode) -> Table {
    operation.insert("user".to_owned(), literal(&inode.owner).into());
    operation.insert("group".to_owned(), literal(&inode.group).into());
    operation.insert("mode".to_owned(), format!("{:04o}", inode.mode).into());
    operation
}

/// Owner, group and mode as they were.
fn attributes(op: &str, thing: &Thing<'_>) -> Table {
    let mut table = operation(op, &[("path", thing.first.name.as_str())]);
    let parameters = BTreeMap::from([("owner", "user"), ("group", "group"), ("mode", "mode")]);
    for (attribute, parameter) in parameters {
        if let Some(value) = thing.before.get(attribute) {
            table.insert(parameter.to_owned(), literal(value).into());
        }
    }
    table
}

/// `text` as the text of a parameter, which is a template.
pub(super) fn literal(text: &str) -> String {
    if ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)) {
        format!("{{% raw %}}{text}{{% endraw %}}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests;
