//! Files of units: written, validated and loaded, or removed.

use super::script::{daemon_reload, forget_failure};
use super::service::{ended, loaded};
use crate::change::{Attribute, NotKnown, Outcome, Stop, UNIT, UnitValidator};
use crate::facts::inquiry::{Inquiry, InquiryFact, InquiryKey};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::path::{InodeKind, PathFact, PathKey, parent};
use crate::facts::unit::{UnitFact, UnitKey, UnitState, instances, template};
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;
use crate::operations::files::directory::plan_one as plan_directory;
use crate::operations::files::parameters::path_and_ancestors;
use crate::operations::files::removal::{note_other_kind, plan_absent};
use crate::operations::files::whole_file::{FileWish, WishedContent, plan_file};

use super::needs::Needs;

use crate::operations::work::Work;

const FOLDER: &str = "/etc/systemd/system";

/// Other folders of unit files, which count if there is none in [`FOLDER`].
const OTHER_FOLDERS: [&str; 2] = ["/usr/local/lib/systemd/system", "/usr/lib/systemd/system"];

/// The file of a unit or a drop-in of it.
pub(in crate::operations) struct UnitFile<'a> {
    /// With its suffix.
    pub(in crate::operations) unit: &'a str,
    /// Without `.conf`.
    pub(in crate::operations) drop_in: Option<&'a str>,
    /// The argument that names the unit.
    pub(in crate::operations) argument: &'static str,
}

impl UnitFile<'_> {
    pub(super) fn path(&self) -> String {
        match self.drop_in {
            None => format!("{FOLDER}/{}", self.unit),
            Some(name) => format!("{FOLDER}/{}.d/{name}.conf", self.unit),
        }
    }

    /// The unit whose state is known; a template has none.
    /// What the first round reads. A file of a package in another folder decides what becomes of the unit if this one goes.
    pub(in crate::operations) fn needs(&self, present: bool) -> Vec<FactKey> {
        let mut keys = path_and_ancestors(&self.path());
        keys.extend(self.key());
        if !present && self.drop_in.is_none() {
            keys.extend(OTHER_FOLDERS.map(|folder| FactKey::Path(format!("{folder}/{}", self.unit))));
        }
        keys
    }

    pub(super) fn key(&self) -> Option<FactKey> {
        FactKey::of_unit(self.unit)
    }

    fn state(&self, context: &PlanContext<'_>) -> Result<Option<UnitState>, Stop> {
        if self.key().is_none() {
            return Ok(None);
        }
        match context.get(UnitKey(self.unit)) {
            Ok(UnitFact::Present(state)) => Ok(Some(state)),
            Ok(UnitFact::Absent) => Ok(None),
            Err(stop) => Err(stop),
        }
    }

    /// Plans that the file has this content and that systemd has loaded it. If it changes, `needs` has to be there; with that are
    /// the arguments that name the user and the program.
    pub(in crate::operations) fn write(
        &self,
        context: &PlanContext<'_>,
        content: WishedContent<'_>,
        validate: bool,
        needs: Option<(&Needs, [&str; 2])>,
        work: &mut Work,
    ) -> Result<(), Stop> {
        let path = self.path();
        // In the same round as the path.
        let state = self.state(context);
        if self.drop_in.is_some() {
            let (mut changes, mut since) = (Vec::new(), Vec::new());
            plan_directory(context, parent(&path), None, &mut changes, &mut since)?;
            work.since.append(&mut since);
            work.add(context, Outcome::Change(changes));
        } else if is_masked(context, &path)? {
            let title = format!("`{}` is masked on the host", self.unit);
            return Err(context
                .refuse(self.argument, title, format!("`{path}` is a link to `/dev/null`"))
                .hint("unmask it first: `systemd.service` with `masked = false`"));
        }
        let wish = FileWish {
            validate: validate.then(|| UnitValidator::Unit.command()),
            ..FileWish::new(&path, self.argument, content)
        };
        match plan_file(context, &wish)? {
            Outcome::Unchanged => {
                // A run that was interrupted may have written it and not gone on.
                if let Ok(Some(state)) = state
                    && state.needs_reload
                {
                    work.add(context, Outcome::Change(vec![loaded(&state)]));
                }
            }
            mut outcome => {
                if let Some((needs, [user_argument, argument])) = needs {
                    needs.check(context, user_argument, argument)?;
                }
                if self.drop_in.is_some() && self.key().is_some() && matches!(state, Ok(None)) {
                    let mut changes = outcome.changes_mut().iter_mut();
                    if let Some(after) = changes.find_map(|change| change.after.as_mut()) {
                        after.insert(UNIT, Attribute::known(format!("{} is not on the host yet", self.unit)));
                    }
                }
                work.add(context, outcome);
                self.load(context, work)?;
            }
        }
        Ok(())
    }

    /// Lets systemd load its files at the end of the last change.
    fn load(&self, context: &PlanContext<'_>, work: &mut Work) -> Result<(), Stop> {
        let after = match self.state(context) {
            Ok(Some(state)) => Some(UnitState {
                needs_reload: false,
                ..state
            }),
            Ok(None)
            | Err(Stop::NotKnown {
                cause: NotKnown::Since(..),
                ..
            }) => None,
            Err(stop) => return Err(stop),
        };
        if let Some(last) = work.changes.last_mut() {
            last.steps.push(daemon_reload());
            let effect = after.map(|state| {
                Effect::Set(
                    FactKey::Unit(self.unit.to_owned()),
                    Fact::Unit(UnitFact::Present(state)),
                )
            });
            context.assume(effect.clone());
            last.effects.extend(effect);
        }
        Ok(())
    }

    /// Plans that the file is gone; its unit is stopped and disabled first.
    pub(super) fn remove(&self, context: &PlanContext<'_>, work: &mut Work) -> Result<(), Stop> {
        let path = self.path();
        let state = self.state(context);
        let is_file = match context.path(&path)? {
            PathFact::Present(inode) if matches!(inode.kind, InodeKind::File { .. }) => true,
            // A link that masks the unit, or leads to its file elsewhere, is no file of this operation, and its unit stays.
            PathFact::Present(inode) => {
                if !matches!(&inode.kind, InodeKind::Link { target } if target == "/dev/null") {
                    note_other_kind(context, self.argument, &path, "a file");
                }
                return Ok(());
            }
            PathFact::Absent => false,
        };
        // Asked for in the same round as the facts below.
        let removal = is_file.then(|| plan_absent(context, &path));
        if self.drop_in.is_some() {
            if let Some(removal) = removal {
                work.add(context, removal?);
                self.load(context, work)?;
            }
            return Ok(());
        }
        let state = state?.filter(|state| state.load == "not-found" || state.file == path);
        let stays = match (self.has_another_file(context), &state) {
            (Ok(stays), _) => stays,
            (Err(stop), Some(_)) => return Err(stop),
            (Err(_), None) => true,
        };
        let state = state.filter(|_| !stays);
        if let Some(state) = &state {
            work.changes.extend(ended(context, self.argument, state)?);
        }
        let instances = if is_file && !stays {
            self.instances(context)?
        } else {
            Vec::new()
        };
        for instance in &instances {
            work.changes.extend(ended(context, self.argument, instance)?);
        }
        if let Some(removal) = removal {
            work.add(context, removal?);
            if let Some(change) = work.changes.last_mut() {
                // While systemd still has the file: a run that is cut off after that has nothing to forget.
                let own = self.key().filter(|_| !stays).map(|_| self.unit);
                let gone = own
                    .into_iter()
                    .chain(instances.iter().map(|instance| instance.id.as_str()));
                change.steps.extend(gone.map(forget_failure));
                change.steps.push(daemon_reload());
            }
        } else if let Some(state) = &state
            && state.needs_reload
        {
            let mut change = loaded(state);
            change.steps.insert(0, forget_failure(self.unit));
            work.changes.push(change);
        }
        if let (Some(_), Some(last)) = (state, work.changes.last_mut()) {
            let absent = Effect::Set(FactKey::Unit(self.unit.to_owned()), Fact::Unit(UnitFact::Absent));
            last.effects.push(absent);
        }
        Ok(())
    }

    /// The units that end with a template: its instances, or all units while those are not known.
    pub(super) fn touched_instances(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        match self.names_of_instances(context) {
            Ok(units) => units
                .into_iter()
                .map(|unit| FactScope::Key(FactKey::Unit(unit)))
                .collect(),
            Err(_) => vec![FactScope::Units],
        }
    }

    fn names_of_instances(&self, context: &PlanContext<'_>) -> Result<Vec<String>, Stop> {
        if template(self.unit).is_none() {
            return Ok(Vec::new());
        }
        let inquiry = Inquiry::Instances {
            template: self.unit.to_owned(),
        };
        Ok(match context.get(InquiryKey(&inquiry))? {
            InquiryFact::Said(said) => instances(self.unit, &said),
            InquiryFact::Failed(_) => Vec::new(),
        })
    }

    /// The instances of a template that have no file of their own.
    fn instances(&self, context: &PlanContext<'_>) -> Result<Vec<UnitState>, Stop> {
        let units = self.names_of_instances(context)?;
        // All are asked for in one round trip.
        let states: Vec<_> = units.iter().map(|unit| context.get(UnitKey(unit))).collect();
        let mut found = Vec::new();
        for state in states {
            match state? {
                UnitFact::Present(state) if state.file == self.path() => found.push(state),
                UnitFact::Present(_) | UnitFact::Absent => {}
            }
        }
        Ok(found)
    }

    fn has_another_file(&self, context: &PlanContext<'_>) -> Result<bool, Stop> {
        for folder in OTHER_FOLDERS {
            let path = format!("{folder}/{}", self.unit);
            if context.get(PathKey(&path))? != PathFact::Absent {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether a link masks the unit. Packages mask none that they bring.
fn is_masked(context: &PlanContext<'_>, path: &str) -> Result<bool, Stop> {
    match context.path(path) {
        Ok(fact) => Ok(is_mask(&fact)),
        Err(Stop::NotKnown {
            cause: NotKnown::Since(..),
            ..
        }) if context.is_absent_but_for_packages(&FactKey::Path(path.to_owned())) => Ok(false),
        Err(stop) => Err(stop),
    }
}

fn is_mask(fact: &PathFact) -> bool {
    matches!(fact, PathFact::Present(inode)
        if matches!(&inode.kind, InodeKind::Link { target } if target == "/dev/null"))
}

#[cfg(test)]
mod tests {
    use crate::change::{Action, Outcome};
    use crate::operations::testing::Bench;

    /// What is at a path.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum At {
        Nothing,
        File,
        Link,
        Mask,
        Directory,
    }

    const ALL: [At; 5] = [At::Nothing, At::File, At::Link, At::Mask, At::Directory];

    #[test]
    fn present_false_removes_what_the_operation_makes_and_nothing_else() {
        let unit = "/etc/systemd/system/x.service";
        for (op, parameters, path, removed) in [
            ("systemd.unit", "unit = 'x'", unit, &[At::File][..]),
            (
                "systemd.timer",
                "unit = 'x'",
                "/etc/systemd/system/x.timer",
                &[At::File],
            ),
            ("systemd.tmpfiles", "file = 'x'", "/etc/tmpfiles.d/x.conf", &[At::File]),
            ("files.file", "path = '/etc/x'", "/etc/x", &[At::File]),
            ("files.link", "path = '/etc/x'", "/etc/x", &[At::Link, At::Mask]),
        ] {
            for at in ALL {
                let mut bench = Bench::named(op, &format!("{parameters}\npresent = false"));
                for folder in ["/", "/etc", "/etc/systemd", "/etc/systemd/system", "/etc/tmpfiles.d"] {
                    bench = bench.directory(folder);
                }
                for other in ["/usr/local/lib/systemd/system", "/usr/lib/systemd/system"] {
                    for kind in ["service", "timer"] {
                        bench = bench.absent(&format!("{other}/x.{kind}"));
                    }
                }
                bench = bench.no_unit("x.service").no_unit("x.timer").absent(unit);
                let bench = match at {
                    At::Nothing => bench.absent(path),
                    At::File => bench.file_with_content(path, "text\n"),
                    At::Link => bench.link(path, "/srv/elsewhere"),
                    At::Mask => bench.link(path, "/dev/null"),
                    At::Directory => bench.directory(path),
                };
                let planned = bench.plan().unwrap_or_else(|stop| panic!("{op} {at:?}: {stop:?}"));
                let removes = match planned {
                    Outcome::Unchanged => false,
                    Outcome::Change(changes) => changes.iter().any(|change| change.action == Action::Remove),
                    other => panic!("{op} {at:?}: {other:?}"),
                };
                assert_eq!(removes, removed.contains(&at), "{op} {at:?}");
            }
        }
    }
}
