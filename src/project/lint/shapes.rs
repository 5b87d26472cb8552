//! What is known of the project's names without a host: the types of values, and which of them hold text of a host.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::known::fact_shape;
use super::parts::{data_tables, uses_of};
use crate::project::Project;
use crate::project::entry::EntrySettings;
use crate::project::task::{Task, TaskUse};
use crate::secrets::is_encrypted_by_sops;
use crate::template::{Shape, Sort, World, analyze_expression, analyze_string};
use crate::value::{Kind, Table, Value};

/// The names of a project. Each is looked at once.
pub(super) struct Shapes<'a> {
    data: Vec<&'a Table>,
    stacks: Vec<&'a Table>,
    /// The places where a task is used, with the task that includes it.
    uses: BTreeMap<&'a str, Vec<(&'a TaskUse, Option<&'a Task>)>>,
    known: RefCell<BTreeMap<String, Shape>>,
}

impl<'a> Shapes<'a> {
    pub(super) fn of(project: &'a Project) -> Self {
        let mut uses: BTreeMap<&str, Vec<(&TaskUse, Option<&Task>)>> = BTreeMap::new();
        for one in uses_of(project) {
            uses.entry(&one.task.name).or_default().push((one, None));
        }
        for task in project.tasks.values() {
            for one in task.includes() {
                uses.entry(&one.task.name).or_default().push((one, Some(task)));
            }
        }
        Self {
            data: data_tables(project),
            stacks: project
                .catalogue
                .values()
                .flat_map(|stack| [&stack.defaults, &stack.settings])
                .collect(),
            uses,
            known: RefCell::default(),
        }
    }

    /// The shape under `key`, found once. A name that depends on itself is reported elsewhere.
    fn once(&self, key: String, find: impl FnOnce() -> Shape) -> Shape {
        if let Some(known) = self.known.borrow().get(&key) {
            return known.clone();
        }
        self.known.borrow_mut().insert(key.clone(), Shape::default());
        let found = find();
        self.known.borrow_mut().insert(key, found.clone());
        found
    }

    fn data(&self, path: &str) -> Shape {
        self.once(path.to_owned(), || {
            let mut values: Vec<&Value> = Vec::new();
            let mut parts = path.split('.');
            let first = parts.next().unwrap_or_default();
            values.extend(self.data.iter().filter_map(|table| Some(&table.get(first)?.value)));
            let mut made: Option<Shape> = None;
            for part in parts {
                let mut inner = Vec::new();
                for value in values {
                    match &value.kind {
                        Kind::Table(table) if part == "*" => inner.extend(table.values().map(|entry| &entry.value)),
                        Kind::Table(table) => inner.extend(table.get(part).map(|entry| &entry.value)),
                        Kind::List(items) => inner.extend(items),
                        // A part of what a template makes.
                        _ => {
                            let whole = self.value(value, &Place::nowhere(self)).of_any_type();
                            made = Some(made.map_or_else(|| whole.clone(), |known| known.or(whole.clone())));
                        }
                    }
                }
                values = inner;
            }
            let place = Place::nowhere(self);
            let found = values.into_iter().map(|value| self.value(value, &place));
            found.chain(made).reduce(Shape::or).unwrap_or_default()
        })
    }

    /// Anything of the settings of stacks.
    fn of_stacks(&self) -> Shape {
        self.once("stack".to_owned(), || {
            let place = Place::nowhere(self);
            let settings = self.data("stack_settings");
            let tables = self.stacks.iter().map(|table| self.table(table, &place));
            tables.fold(settings, Shape::or).of_any_type()
        })
    }

    /// A variable of a task, from all places that set it.
    fn var(&self, task: &Task, name: &str) -> Shape {
        self.once(format!("{}\0{name}", task.name), || {
            let mut found: Vec<Shape> = Vec::new();
            if let Some(entry) = task.vars.get(name) {
                found.push(self.value(&entry.value, &Place::nowhere(self)));
            }
            for (one, by) in self.uses.get(task.name.as_str()).into_iter().flatten() {
                if let Some(entry) = one.vars.get(name) {
                    let place = Place::new(self, *by, Some(&one.settings));
                    found.push(self.value(&entry.value, &place));
                }
            }
            found.into_iter().reduce(Shape::or).unwrap_or_default()
        })
    }

    /// A value as it is written at `place`.
    fn value(&self, value: &Value, place: &dyn World) -> Shape {
        match &value.kind {
            // Its type is encrypted too.
            Kind::String(text) if is_encrypted_by_sops(text) => Shape::default(),
            Kind::String(text) => match analyze_string(text, place) {
                Some(analysis) => analysis.result,
                None => Shape::of(Some(Sort::Text)),
            },
            Kind::Integer(_) | Kind::Float(_) => Shape::of(Some(Sort::Number)),
            Kind::Bool(_) => Shape::of(Some(Sort::Truth)),
            Kind::List(items) => {
                let items = items.iter().map(|item| self.value(item, place)).reduce(Shape::or);
                items.unwrap_or_default().listed()
            }
            Kind::Table(table) => self.table(table, place),
            Kind::Secret(_) | Kind::Unknown(_) => Shape::default(),
        }
    }

    fn table(&self, table: &Table, place: &dyn World) -> Shape {
        let values = table.values().map(|entry| self.value(&entry.value, place));
        values.reduce(Shape::or).unwrap_or_default().tabled()
    }
}

/// A place of the project: what templates see there.
pub(super) struct Place<'s, 'a> {
    shapes: &'s Shapes<'a>,
    task: Option<&'a Task>,
    item: Option<Shape>,
}

impl<'s, 'a> Place<'s, 'a> {
    /// In a task, in an entry with these settings.
    pub(super) fn new(shapes: &'s Shapes<'a>, task: Option<&'a Task>, settings: Option<&EntrySettings>) -> Self {
        let mut place = Self {
            shapes,
            task,
            item: None,
        };
        place.item = settings.and_then(|settings| place.item_of(settings));
        place
    }

    /// In data, or in a file.
    pub(super) fn nowhere(shapes: &'s Shapes<'a>) -> Self {
        Self::new(shapes, None, None)
    }

    fn item_of(&self, settings: &EntrySettings) -> Option<Shape> {
        let list = settings.for_each.as_ref()?;
        Some(match &list.kind {
            Kind::String(expression) => analyze_expression(expression, self).result.item(self),
            Kind::List(items) => {
                let items = items.iter().map(|item| self.shapes.value(item, self));
                items.reduce(Shape::or).unwrap_or_default()
            }
            _ => Shape::default(),
        })
    }
}

impl World for Place<'_, '_> {
    fn shape(&self, path: &str) -> Shape {
        let parts: Vec<&str> = path.split('.').collect();
        match parts.as_slice() {
            ["facts", rest @ ..] | ["hosts", _, "facts", rest @ ..] => fact_shape(path, rest),
            // The name may be that of `facts`.
            ["hosts", _, "*", ..] => Shape::foreign("hosts.NAME.facts"),
            ["hosts", _, "data", rest @ ..] | ["host", "data", rest @ ..] if !rest.is_empty() => {
                self.shapes.data(&rest.join(".")).of_any_type()
            }
            ["host" | "hosts" | "vars"] | ["hosts", _] | ["host", "data"] | ["hosts", _, "data"] => {
                Shape::of(Some(Sort::Table))
            }
            ["groups"] | ["host", "groups"] | ["hosts", _, "groups"] => Shape::of(Some(Sort::Text)).listed(),
            ["host", _] | ["hosts", _, _] | ["inventory"] | ["pki", "ca"] => Shape::of(Some(Sort::Text)),
            ["captured", ..] => Shape::foreign(path),
            ["pki", ..] => Shape::default(),
            ["item", rest @ ..] => part_of(self.item.clone().unwrap_or_default(), rest, self),
            ["vars", name, rest @ ..] => {
                let var = self.task.map(|task| self.shapes.var(task, name));
                part_of(var.unwrap_or_default(), rest, self)
            }
            ["stack" | "catalogue", ..] => self.shapes.of_stacks(),
            _ => self.shapes.data(path),
        }
    }
}

/// A part of a value whose own name may be known.
fn part_of(whole: Shape, rest: &[&str], world: &dyn World) -> Shape {
    if rest.is_empty() {
        return whole;
    }
    match whole
        .path()
        .filter(|path| !path.starts_with("item") && !path.starts_with("vars"))
    {
        Some(path) => world.shape(&format!("{path}.{}", rest.join("."))),
        None => whole.of_any_type(),
    }
}
