//! The captured values that templates see at one place in the plan.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::value::ValueKind;

use super::bind::{Bound, BoundOperation};
use super::visible::{Asked, NOT_READ};
use crate::error::{Diagnostic, Origin};
use crate::facts::overlay::{Lookup, Overlay};
use crate::facts::path::ContentFact;
use crate::facts::{Fact, FactKey};
use crate::project::{RawOperation, SelectedHost, Selection, Task, TaskEntry};
use crate::secret::{Secret, Sort};
use crate::template::{Bindings, Captured, CapturedSource, TemplateData, is_template};
use crate::value::{After, Kind, Table, Why};

/// The captures of a project, and those that a host's plan has come to.
#[derive(Clone, Default)]
pub(super) struct Captures {
    all: Arc<BTreeMap<String, Written>>,
    /// The names of captures with mistakes.
    unread: Arc<BTreeSet<String>>,
    /// Whether there may be captures that are not known, in a file of a task that is not read.
    has_others: bool,
    /// Without a file where it is not known yet whether an entry is wanted.
    reached: BTreeMap<String, Option<File>>,
    /// Those of `reached` that the host has no entry for so far: a condition does not hold.
    skipped: BTreeSet<String>,
}

/// A capture as it is written.
struct Written {
    task: String,
    origin: Origin,
    /// `None` if the path depends on more than the host's data.
    file: Option<File>,
    /// Whether the run makes it, if nothing does before.
    is_of_run: bool,
    has_create: bool,
}

/// Where a captured value is.
#[derive(Clone, Debug)]
struct File {
    path: String,
    select: Option<String>,
    is_secret: bool,
    /// Whether the capture makes it where it is missing.
    is_made: bool,
}

impl File {
    /// Before the plan has come to the capture: what the host's data say.
    fn known_before(arguments: &Table, bindings: Option<&Bindings>) -> Option<Self> {
        let where_it_is = arguments.iter().filter(|(key, _)| *key != "create");
        let where_it_is = where_it_is.map(|(key, entry)| (key.clone(), entry.clone())).collect();
        let rendered = bindings.and_then(|bindings| bindings.render_table(&where_it_is).ok());
        let file = Self::of(rendered.as_ref().unwrap_or(&where_it_is))?;
        Some(Self {
            is_made: arguments.contains_key("create"),
            ..file
        })
    }

    fn of(arguments: &Table) -> Option<Self> {
        let text = |key: &str| arguments.get(key).and_then(|entry| entry.value.as_str());
        let path = text("file")?;
        (!is_template(path)).then(|| Self {
            path: path.to_owned(),
            select: text("select").map(str::to_owned),
            is_made: arguments.contains_key("create"),
            is_secret: arguments
                .get("secret")
                .is_some_and(|entry| entry.value.kind == Kind::Bool(true)),
        })
    }
}

impl Captures {
    pub(super) fn of(selection: &Selection, host: Option<&SelectedHost>) -> Self {
        let is_filtered = !selection.only.is_empty() || !selection.tags.is_empty() || selection.runs_owed;
        let of_run = if is_filtered {
            BTreeSet::new()
        } else {
            tasks_of(selection)
        };
        let bindings = host.map(|host| data_alone(selection, host));
        let of_task = |task: &Arc<Task>| {
            let found = task.operations().filter_map(|raw| {
                let name = raw.captures()?;
                let written = Written {
                    task: task.name.clone(),
                    origin: raw.origin.clone(),
                    file: File::known_before(&raw.arguments, bindings.as_ref()),
                    is_of_run: of_run.contains(&task.name),
                    has_create: raw.arguments.contains_key("create"),
                };
                Some((name.to_owned(), written))
            });
            found.collect::<Vec<_>>()
        };
        let unread = selection.tasks.values().flat_map(|task| &task.unread.captures);
        Self {
            all: Arc::new(selection.tasks.values().flat_map(of_task).collect()),
            unread: Arc::new(unread.cloned().collect()),
            has_others: selection.has_unread_tasks,
            reached: BTreeMap::new(),
            skipped: BTreeSet::new(),
        }
    }

    /// Notes that a capture has a mistake, which is reported: its value is not known.
    pub(super) fn fail(&mut self, name: &str) {
        self.reached.insert(name.to_owned(), None);
    }

    /// Notes that the plan has passed tasks without looking at what is in them. What is skipped is read; `is_open` if it is not known
    /// what becomes of them.
    pub(super) fn pass(&mut self, tasks: &[&Task], is_open: bool) {
        for raw in tasks.iter().flat_map(|task| task.operations()) {
            let Some(name) = raw.captures() else { continue };
            let file = self.file_of(name).filter(|_| !is_open);
            let Entry::Vacant(place) = self.reached.entry(name.to_owned()) else {
                continue;
            };
            place.insert(file);
            if !is_open {
                self.skipped.insert(name.to_owned());
            }
        }
    }

    /// Notes that the plan has come to a capture: later templates see its value. What is skipped is read.
    pub(super) fn reach(&mut self, raw: &RawOperation, bound: &[BoundOperation]) {
        let Some(name) = raw.captures() else { return };
        let file = match bound.first().map(|found| &found.bound) {
            Some(Bound::Ready(ready)) => File::of(&ready.arguments),
            Some(Bound::Unknown(_) | Bound::Partly(..)) => None,
            None => self.file_of(name),
        };
        if bound.is_empty() {
            self.skipped.insert(name.to_owned());
        } else {
            self.skipped.remove(name);
        }
        self.reached.insert(name.to_owned(), file);
    }

    fn file_of(&self, name: &str) -> Option<File> {
        self.all.get(name)?.file.clone()
    }

    /// What templates see at a place of the plan.
    ///
    /// Without a host (`is_offline`), a capture whose condition does not hold is a mistake: whether its file is there is unknown.
    pub(super) fn visible(
        &self,
        host: &str,
        overlay: &Overlay,
        asked: &Asked,
        is_offline: bool,
    ) -> Arc<dyn CapturedSource> {
        Arc::new(Visible {
            captures: self.clone(),
            host: host.to_owned(),
            is_other: false,
            wants_makers: is_offline,
            overlay: overlay.clone(),
            asked: asked.clone(),
        })
    }

    /// What templates of other hosts see: the values as they are there when a stage begins.
    pub(super) fn visible_elsewhere(&self, host: &str, overlay: &Overlay, asked: &Asked) -> Arc<dyn CapturedSource> {
        Arc::new(Visible {
            captures: self.clone(),
            host: host.to_owned(),
            is_other: true,
            wants_makers: false,
            overlay: overlay.clone(),
            asked: asked.clone(),
        })
    }
}

/// What templates see before the plan has come anywhere: the host's data, and neither facts nor `vars`.
fn data_alone(selection: &Selection, host: &SelectedHost) -> Bindings {
    Bindings::new(TemplateData {
        data: Arc::clone(&host.data),
        variables: Arc::clone(&selection.variables),
        ..TemplateData::new(Table::new(), Err("depends on facts of the host".to_owned()))
    })
}

/// The tasks of a run, with those that they include.
fn tasks_of(selection: &Selection) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let uses = selection.stages.iter().flat_map(|stage| &stage.tasks);
    let mut ahead: Vec<&str> = uses.map(|task_use| task_use.task.name.as_str()).collect();
    while let Some(name) = ahead.pop() {
        let Some(task) = selection.tasks.get(name) else {
            continue;
        };
        if found.insert(name.to_owned()) {
            ahead.extend(task.entries.iter().filter_map(|entry| match entry {
                TaskEntry::Include(include) => Some(include.task.name.as_str()),
                TaskEntry::Operation(_) => None,
            }));
        }
    }
    found
}

struct Visible {
    captures: Captures,
    host: String,
    /// Whether templates of another host look at it.
    is_other: bool,
    /// Whether a value must be made by the run itself, if an entry of it says how.
    wants_makers: bool,
    overlay: Overlay,
    asked: Asked,
}

impl Visible {
    /// The file that a value is in.
    ///
    /// Errors: what templates get, if it is not known or not there.
    fn file<'a>(&'a self, name: &str, written: &'a Written) -> Result<&'a File, Captured> {
        let mistake = |title: String, label: &str, hint: String| {
            let told = Diagnostic::new(title).at(&written.origin, label).hint(hint);
            Err(Captured::Mistake(Box::new(told)))
        };
        if self.wants_makers && written.is_of_run && written.has_create && self.captures.skipped.contains(name) {
            return mistake(
                format!(
                    "`captured.{name}` is used on host `{}`, where nothing makes it",
                    self.host
                ),
                "this is skipped: its `when`, or one above it, is false",
                "change the condition, or remove what uses the value from this host".to_owned(),
            );
        }
        match (self.captures.reached.get(name), &written.file) {
            (Some(None), _) => Err(Captured::Unknown(format!("`captured.{name}` is decided later").into())),
            (None, _) if written.is_of_run && !self.is_other => mistake(
                format!("`captured.{name}` is used before it is there"),
                "this makes it",
                "move the operation that uses it after this one".to_owned(),
            ),
            (Some(Some(file)), _) | (None, Some(file)) => Ok(file),
            (None, None) => mistake(
                format!("`captured.{name}` is not part of this run"),
                "its `file` depends on the host",
                format!(
                    "deploy the task `{}` too, or write its `file` without a template",
                    written.task
                ),
            ),
        }
    }
}

impl CapturedSource for Visible {
    fn names(&self) -> Vec<String> {
        self.captures.all.keys().cloned().collect()
    }

    fn captured(&self, name: &str) -> Captured {
        let Some(written) = self.captures.all.get(name) else {
            let captures = &self.captures;
            return if captures.has_others || captures.unread.contains(name) {
                Captured::Unknown(format!("`captured.{name}` cannot be read").into())
            } else {
                Captured::Undefined
            };
        };
        let mistake = |title: String, label: &str, hint: String| {
            Captured::Mistake(Box::new(Diagnostic::new(title).at(&written.origin, label).hint(hint)))
        };
        let file = match self.file(name, written) {
            Ok(file) => file,
            Err(instead) => return instead,
        };
        let key = FactKey::Content(file.path.clone());
        let found = self.overlay.get(&key);
        self.asked.note(&self.host, key);
        match found {
            Lookup::Known(Fact::Content(ContentFact::Bytes(bytes))) => match value(&bytes, file) {
                Ok(value) if file.is_secret => secret(&value).map_or_else(
                    || {
                        mistake(
                            format!("`captured.{name}` is a secret, and no string or number"),
                            "a whole table or list is not hidden",
                            "add `select` with a JSON pointer to one value".to_owned(),
                        )
                    },
                    Captured::Secret,
                ),
                Ok(value) => {
                    if let Some(text) = value.as_str() {
                        self.asked.note_text(text);
                    }
                    Captured::Known(value)
                }
                Err(why) => mistake(
                    format!("`{}` on host `{}` holds no `captured.{name}`", file.path, self.host),
                    &why,
                    if file.is_made {
                        "delete the file, so that the next deploy makes it again, or correct `select`".to_owned()
                    } else {
                        "correct `file` or `select`: the capture has no `create`, so it only reads the file".to_owned()
                    },
                ),
            },
            Lookup::Known(Fact::Content(ContentFact::TooLarge)) => mistake(
                format!("`{}` on host `{}` is too large for a value", file.path, self.host),
                "read here",
                "capture less".to_owned(),
            ),
            Lookup::Known(Fact::Content(ContentFact::Absent)) => mistake(
                format!(
                    "`captured.{name}` is not on host `{}`: `{}` does not exist",
                    self.host, file.path
                ),
                "this makes it",
                self.to_be_made(file.is_made, &written.task),
            ),
            Lookup::Known(Fact::Denied(why)) => Captured::Unknown(why.into()),
            Lookup::Known(_) | Lookup::NotGathered => Captured::Unknown(NOT_READ.into()),
            Lookup::Since(since, _) => {
                let why = format!("`captured.{name}` is known after apply");
                Captured::Unknown(Why::After(Box::new(After {
                    operation: since.0,
                    why,
                    is_secret: file.is_secret,
                })))
            }
        }
    }
}

impl Visible {
    /// What to do about a file that is not there.
    fn to_be_made(&self, is_made: bool, task: &str) -> String {
        match (is_made, self.is_other) {
            (false, _) => "write the file in an earlier operation, or add `create` to the capture".to_owned(),
            (true, true) => format!("deploy the task `{task}` first, in an earlier stage"),
            (true, false) => format!("deploy the task `{task}` first"),
        }
    }
}

/// A captured value as a secret; `None` if it is a table or a list.
fn secret(value: &minijinja::Value) -> Option<Secret> {
    let sort = match value.kind() {
        ValueKind::String => Sort::Text,
        ValueKind::Bool => Sort::Bool,
        ValueKind::Number if value.is_integer() => Sort::Integer,
        ValueKind::Number => Sort::Float,
        _ => return None,
    };
    Some(Secret::whole(value.to_string(), sort))
}

/// The value in a file.
///
/// Errors: why there is none.
fn value(bytes: &[u8], file: &File) -> Result<minijinja::Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
    let Some(pointer) = &file.select else {
        let text = text.strip_suffix('\n').unwrap_or(text);
        return Ok(text.strip_suffix('\r').unwrap_or(text).into());
    };
    let whole: serde_json::Value = serde_json::from_str(text).map_err(|_| "it is not JSON".to_owned())?;
    match whole.pointer(pointer) {
        None | Some(serde_json::Value::Null) => Err(format!("it has no `{pointer}`")),
        Some(value) => Ok(minijinja::Value::from(minijinja::value::Serde(value))),
    }
}
