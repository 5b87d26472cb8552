//! One change of a review: the resource, its attributes on both sides, and notes about them.

use std::borrow::Cow;

use indexmap::IndexMap;

use super::super::style::width;
use super::diff;
use super::line::{DiffLine, LeftOut, LineSign};
use super::mask::masked;
use super::packages::{AlongNames, come_along};
use super::sign::Sign;
use super::values::{ChangedValues, Format};
use crate::change::{self, Action, Attribute, Attributed, ResourceChange, ResourceKind, Risk, Step};

/// Longer values are shown in a block of their own, in characters.
const LONG: usize = 120;

/// A change to a resource.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    pub kind: ResourceKind,
    pub name: Cow<'a, str>,
    pub action: Action,
    pub risk: Risk,
    /// Whether it is a directory that earlier operations may bring.
    pub may_be_there: bool,
    pub before: Before<'a>,
    /// `None` if it is removed.
    pub after: Option<Attributes<'a>>,
    /// Names of attributes that differ or may differ.
    pub differs: Vec<&'static str>,
    /// Directories above it that are made along with it, unless they are there by then.
    pub above: Vec<Cow<'a, str>>,
    pub notes: Vec<Note<'a>>,
    pub kept: Vec<Kept<'a>>,
    pub blocks: Vec<Block>,
    /// The commands that run for it, in order.
    pub steps: Vec<StepNote<'a>>,
    /// Whether a handler does it, to a unit that runs then.
    pub is_for_running: bool,
    /// The packages, if the change represents additional packages.
    pub along: Option<AlongNames<'a>>,
}

/// A resource before a change.
#[derive(Clone, Debug)]
pub enum Before<'a> {
    /// It does not exist.
    Absent,
    Present(Attributes<'a>),
    /// Not known, for this reason.
    Unknown(Cow<'a, str>),
}

/// Attributes, in the order shown.
pub type Attributes<'a> = IndexMap<&'static str, Value<'a>>;

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Known, in readable form.
    Known(Cow<'a, str>),
    /// Known, with words in place of what is not shown.
    Masked(Cow<'a, str>),
    /// Known after apply, for this reason.
    Unknown(Cow<'a, str>),
    /// Known and never shown, not even as a digest, since its key differs in each run.
    Hidden,
}

/// A note about attributes that differ.
#[derive(Clone, Debug)]
pub enum Note<'a> {
    /// Mode, owner and group of a file that is added or removed.
    Ownership {
        mode: Cow<'a, str>,
        owner: Cow<'a, str>,
        group: Cow<'a, str>,
        /// Whether it is the old state of a resource that stays.
        was: bool,
    },
    /// The content is empty.
    Empty {
        /// Whether it is the old state of a resource that stays.
        was: bool,
    },
    /// An attribute on one side only.
    OneSide {
        name: &'static str,
        /// Whether the value needs no label.
        stands_alone: bool,
        value: Value<'a>,
        /// Whether it is the old state of a resource that stays.
        was: bool,
    },
    /// An attribute that changes.
    Changes {
        name: &'static str,
        /// Whether the value needs no label.
        stands_alone: bool,
        /// The old value; `None` if it is shown below.
        old: Option<Value<'a>>,
        /// The new value; `None` if it is shown below.
        new: Option<Value<'a>>,
    },
    /// An attribute that changes and is never shown.
    ChangesHidden { name: &'static str },
}

/// An attribute that stays as it is.
#[derive(Clone, Debug)]
pub struct Kept<'a> {
    pub name: &'static str,
    /// The value, if it is short.
    pub value: Option<Cow<'a, str>>,
}

/// The diff of an attribute.
#[derive(Clone, Debug)]
pub struct Block {
    /// The attribute; `None` for a file's content.
    pub name: Option<&'static str>,
    /// Lines of the text, or changed values if these are fewer lines.
    pub lines: Vec<DiffLine>,
    /// The values that change, if they say all of it.
    pub values: Option<ChangedValues>,
}

/// A command that a change runs.
#[derive(Clone, Debug)]
pub enum StepNote<'a> {
    Runs(Cow<'a, str>),
    /// A command that must accept a file before it is put in place.
    Validates(Cow<'a, str>),
    /// At apply, before anything else.
    ChecksAtApply(Cow<'a, str>),
}

/// An attribute on both sides.
enum Side<'a> {
    New(&'a Attribute),
    Old(&'a Attribute),
    Both(&'a Attribute, &'a Attribute),
    Same(&'a Attribute),
}

impl Block {
    /// Leaves out all but the first lines of a text that is new as a whole, unless only a line or two are more.
    pub(super) fn keep_first(&mut self, count: usize) {
        let all = match self.lines.last() {
            Some(DiffLine::LeftOut(LeftOut::Listed { all, .. })) => *all,
            _ => self
                .lines
                .iter()
                .filter(|line| matches!(line, DiffLine::Line { .. }))
                .count(),
        };
        if all > count + 2 {
            self.lines.truncate(count);
            self.lines
                .push(DiffLine::LeftOut(LeftOut::Listed { more: all - count, all }));
        }
    }
}

impl<'a> Change<'a> {
    /// The reviews of an operation's changes. A directory that is made only for one of the others is a part of that.
    pub(super) fn all(changes: &'a [ResourceChange], whole: bool) -> Vec<Self> {
        let mut all: Vec<Self> = changes.iter().map(|change| Self::new(change, whole)).collect();
        let mut is_part = vec![false; all.len()];
        for (place, change) in changes.iter().enumerate() {
            if let Some(further) = change.part_of(&changes[place + 1..]) {
                let name = all[place].name.clone();
                all[place + 1 + further].above.push(name);
                is_part[place] = true;
            }
        }
        let mut parts = is_part.into_iter();
        all.retain(|_| !parts.next().unwrap_or_default());
        all
    }

    /// The review of `change`; `whole` shows all content, however long.
    pub(in crate::report) fn new(change: &'a ResourceChange, whole: bool) -> Self {
        let (before, old) = match &change.before {
            change::Before::Absent => (Before::Absent, None),
            change::Before::Present(old) => (Before::Present(values(old)), Some(old)),
            change::Before::Unknown(why) => (Before::Unknown(masked(why)), None),
        };
        let new = change.after.as_ref();
        let mut made = Self {
            kind: change.id.kind,
            name: masked(&change.id.name),
            action: change.action,
            risk: change.risk,
            may_be_there: change.may_be_there(),
            before,
            after: new.map(values),
            differs: Vec::new(),
            above: Vec::new(),
            notes: Vec::new(),
            kept: Vec::new(),
            blocks: Vec::new(),
            steps: change.steps.iter().flat_map(notes).collect(),
            is_for_running: change
                .steps
                .iter()
                .any(|step| step.command().is_some_and(|command| command.already.is_some())),
            along: come_along(&change.id).then(|| AlongNames::of(change)),
        };
        let sides = sides(old, new);
        made.differs = sides
            .iter()
            .filter(|(_, side)| !matches!(side, Side::Same(_)))
            .map(|(name, _)| *name)
            .collect();
        if made.along.is_none() {
            made.describe(&sides, ownership(old, new).as_ref(), whole);
        }
        made
    }

    /// Why attributes are not known, as shown.
    pub(super) fn reasons(&mut self) -> impl Iterator<Item = &mut Cow<'a, str>> {
        let along = self.along.as_mut().and_then(|along| along.unknown.as_mut());
        let noted = self.notes.iter_mut().flat_map(|note| match note {
            Note::OneSide { value, .. } => [Some(value), None],
            Note::Changes { old, new, .. } => [old.as_mut(), new.as_mut()],
            Note::Ownership { .. } | Note::Empty { .. } | Note::ChangesHidden { .. } => [None, None],
        });
        let noted = noted.flatten().filter_map(|value| match value {
            Value::Unknown(why) => Some(why),
            Value::Known(_) | Value::Masked(_) | Value::Hidden => None,
        });
        noted.chain(along)
    }

    /// The sign before the change.
    pub fn sign(&self) -> Sign {
        if self.may_be_there {
            Sign::Later
        } else {
            self.action.into()
        }
    }

    fn describe(&mut self, sides: &[(&'static str, Side<'a>)], ownership: Option<&Note<'a>>, whole: bool) {
        for (name, side) in sides {
            match ownership {
                Some(_) if matches!(*name, "owner" | "group") => {}
                Some(note) if *name == "mode" => self.notes.insert(0, note.clone()),
                _ => self.add(name, side, whole),
            }
        }
    }

    fn add(&mut self, name: &'static str, side: &Side<'a>, whole: bool) {
        match side {
            Side::Same(value) => self.kept.push(Kept {
                name,
                value: match value {
                    value if value.shown().is_some_and(|text| is_block(name, text)) => None,
                    Attribute::Known(text)
                    | Attribute::Masked { text, .. }
                    | Attribute::Outline(text)
                    | Attribute::Described(text) => Some(masked(text)),
                    Attribute::Noted { value, note } => Some(noted(value, note)),
                    Attribute::Unknown(_) | Attribute::Secret(_) => None,
                },
            }),
            Side::New(value) => self.add_one_side(name, value, LineSign::Added, whole),
            Side::Old(value) => self.add_one_side(name, value, LineSign::Removed, whole),
            Side::Both(old, new) => self.add_both_sides(name, old, new, whole),
        }
    }

    fn add_one_side(&mut self, name: &'static str, value: &'a Attribute, sign: LineSign, whole: bool) {
        let was = sign == LineSign::Removed && self.after.is_some();
        match value {
            Attribute::Known(text) | Attribute::Masked { text, .. } | Attribute::Outline(text)
                if is_block(name, text) =>
            {
                if text.is_empty() {
                    self.notes.push(Note::Empty { was });
                }
                self.add_block(name, diff::listed(&masked(text), sign, whole));
            }
            _ => self.notes.push(Note::OneSide {
                name,
                stands_alone: self.stands_alone(name),
                value: Value::of(value),
                was,
            }),
        }
    }

    fn add_both_sides(&mut self, name: &'static str, old: &'a Attribute, new: &'a Attribute, whole: bool) {
        let texts = old.shown().zip(new.shown());
        let texts = texts.filter(|(old, new)| is_block(name, old) && is_block(name, new));
        match (old, new, texts) {
            (Attribute::Secret(_), ..) | (_, Attribute::Secret(_), _) => {
                self.notes.push(Note::ChangesHidden { name });
            }
            (before, after, Some((old, new))) => {
                let lines = diff::compared(&masked(old), &masked(new), whole);
                let values = self.changed_values(name, before, after);
                let by_value = values.as_ref().map(ChangedValues::lines);
                let shorter = by_value.filter(|by_value| !whole && by_value.len() < lines.len());
                self.add_block(name, shorter.unwrap_or(lines));
                if let Some(block) = self.blocks.last_mut() {
                    block.values = values;
                }
            }
            _ => {
                let [shown_old, shown_new] = [old, new].map(|value| match value.shown() {
                    Some(text) if is_block(name, text) => None,
                    _ => Some(Value::of(value)),
                });
                self.notes.push(Note::Changes {
                    name,
                    stands_alone: self.stands_alone(name),
                    old: shown_old,
                    new: shown_new,
                });
                for (value, sign) in [(old, LineSign::Removed), (new, LineSign::Added)] {
                    if let Some(text) = value.shown()
                        && is_block(name, text)
                    {
                        self.add_block(name, diff::listed(&masked(text), sign, whole));
                    }
                }
            }
        }
    }

    fn add_block(&mut self, name: &'static str, mut lines: Vec<DiffLine>) {
        // Only of a file it matters how its last line ends.
        if name != CONTENT {
            lines.retain(|line| *line != DiffLine::NoNewline);
        }
        self.blocks.push(Block {
            name: (name != CONTENT).then_some(name),
            lines,
            values: None,
        });
    }

    /// The values that change in a text that is shown as it is.
    fn changed_values(&self, name: &str, old: &Attribute, new: &Attribute) -> Option<ChangedValues> {
        let (Attribute::Known(old), Attribute::Known(new)) = (old, new) else {
            return None;
        };
        let format = match self.kind {
            ResourceKind::File if name == CONTENT => Format::of_file(&self.name)?,
            ResourceKind::KubernetesObject if name == CONTENT => Format::Yaml,
            ResourceKind::HelmRelease if name == VALUES => Format::Yaml,
            _ => return None,
        };
        ChangedValues::between(format, old, new)
    }

    fn stands_alone(&self, name: &str) -> bool {
        stands_alone(self.kind, name)
    }
}

/// Whether a value of this attribute says by itself what it is of.
pub(in crate::report) fn stands_alone(kind: ResourceKind, name: &str) -> bool {
    matches!(
        (kind, name),
        (ResourceKind::Unit, "active" | "enabled")
            | (ResourceKind::Package, "version" | "mark")
            | (ResourceKind::PackageLists, "age")
    )
}

/// The attribute with the content of a file.
const CONTENT: &str = "content";
/// The attribute with the values of a release of Helm.
const VALUES: &str = "values";

impl<'a> Value<'a> {
    fn of(value: &'a Attribute) -> Self {
        match value {
            Attribute::Known(text) | Attribute::Described(text) => Self::Known(masked(text)),
            Attribute::Noted { value, note } => Self::Known(noted(value, note)),
            Attribute::Masked { text, .. } | Attribute::Outline(text) => Self::Masked(masked(text)),
            Attribute::Unknown(why) => Self::Unknown(masked(why)),
            Attribute::Secret(_) => Self::Hidden,
        }
    }
}

fn noted<'a>(value: &str, note: &str) -> Cow<'a, str> {
    Cow::Owned(masked(&format!("{value} ({note})")).into_owned())
}

fn values(attributes: &Attributed) -> Attributes<'_> {
    attributes
        .iter()
        .map(|(name, value)| (*name, Value::of(value)))
        .collect()
}

fn sides<'a>(before: Option<&'a Attributed>, after: Option<&'a Attributed>) -> Vec<(&'static str, Side<'a>)> {
    let find = |all: Option<&'a Attributed>, name: &str| all.and_then(|all| all.get(name));
    let new = after.into_iter().flatten().map(|(name, new)| match find(before, name) {
        None => (*name, Side::New(new)),
        Some(old) if old == new => (*name, Side::Same(new)),
        Some(old) => (*name, Side::Both(old, new)),
    });
    let removed = before
        .into_iter()
        .flatten()
        .filter(|(name, _)| find(after, name).is_none());
    new.chain(removed.map(|(name, old)| (*name, Side::Old(old)))).collect()
}

/// `0644 root:root` for a file that is added or removed with all three attributes.
fn ownership<'a>(before: Option<&'a Attributed>, after: Option<&'a Attributed>) -> Option<Note<'a>> {
    let stays = after.is_some();
    let before = before.filter(|all| !all.is_empty());
    let after = after.filter(|all| !all.is_empty());
    let (all, was) = match (before, after) {
        (None, Some(all)) => (all, false),
        (Some(all), None) => (all, stays),
        _ => return None,
    };
    let text = |name: &str| match all.get(name) {
        Some(Attribute::Known(text)) => Some(masked(text)),
        _ => None,
    };
    Some(Note::Ownership {
        mode: text("mode")?,
        owner: text("owner")?,
        group: text("group")?,
        was,
    })
}

/// Whether a value is shown on lines of its own.
fn is_block(name: &str, text: &str) -> bool {
    name == CONTENT || text.contains('\n') || width(text) > LONG
}

fn notes(step: &Step) -> impl Iterator<Item = StepNote<'_>> {
    let runs = step.command().map(|command| {
        let summary = masked(&command.summary);
        if command.is_validator {
            StepNote::ChecksAtApply(summary)
        } else {
            StepNote::Runs(summary)
        }
    });
    let validator = step.validator().map(|command| command.join(" "));
    let validates = validator.map(|command| StepNote::Validates(Cow::Owned(masked(&command).into_owned())));
    runs.into_iter().chain(validates)
}
