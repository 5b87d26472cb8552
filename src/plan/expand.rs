//! `when` and `for_each`: whether an entry is wanted on a host, and for which items.

use std::collections::BTreeMap;

use crate::error::{Diagnostic, Origin};
use crate::project::EntrySettings;
use crate::secret::World;
use crate::template::Bindings;
use crate::value::{Kind, Value, Why};

/// Whether an entry is wanted.
pub(super) enum Answer {
    Yes,
    No,
    /// Not known, for this reason.
    Unknown(Why),
}

/// One instance of an entry.
pub(super) struct Instance {
    /// The key of its item, with `for_each`.
    pub(super) item: Option<String>,
    /// What its templates see, including the item.
    pub(super) bindings: Bindings,
    /// Set if it is not known whether it is wanted.
    pub(super) unknown: Option<Why>,
}

/// What an entry comes to on a host.
#[derive(Default)]
pub(super) struct Expanded {
    pub(super) wanted: Vec<Instance>,
    /// What `when` skips: the keys of items, or `None` for the whole entry.
    pub(super) skipped: Vec<Option<String>>,
}

impl Expanded {
    fn once(bindings: &Bindings, unknown: Option<Why>) -> Self {
        let instance = Instance {
            item: None,
            bindings: bindings.clone(),
            unknown,
        };
        Self {
            wanted: vec![instance],
            skipped: Vec::new(),
        }
    }

    fn nothing() -> Self {
        Self {
            wanted: Vec::new(),
            skipped: vec![None],
        }
    }
}

/// The conditions that count as true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assume {
    Nothing,
    /// Those that are not known yet.
    Unknown,
    /// Those that are not known, in a survey: all that it wants to know is what operations are about, so what a mistake is in is
    /// not known.
    NotKnown,
    /// All of them, in a survey.
    All,
}

impl Assume {
    /// Whether only a survey is made.
    pub(super) fn is_survey(self) -> bool {
        matches!(self, Self::NotKnown | Self::All)
    }

    /// The answer of a condition if so much counts as true.
    ///
    /// Errors: the condition has a mistake, and this is no survey.
    pub(super) fn answer(self, answer: Result<Answer, Diagnostic>) -> Result<Answer, Diagnostic> {
        Ok(match (answer, self) {
            (Err(mistake), _) if !self.is_survey() => return Err(mistake),
            (Ok(Answer::Unknown(_)), Self::Unknown | Self::NotKnown) | (_, Self::All) | (Err(_), _) => Answer::Yes,
            (Ok(answer), _) => answer,
        })
    }

    /// A rendered value. In a survey, one with a mistake is not known.
    ///
    /// Errors: the value has a mistake, and this is no survey.
    pub(super) fn value(self, rendered: Result<Value, Diagnostic>, written: &Value) -> Result<Value, Diagnostic> {
        match rendered {
            Err(mistake) if self.is_survey() => {
                let unknown = Value::new(Kind::Unknown(mistake.title.as_str().into()));
                Ok(unknown.at(written.origin.as_ref()))
            }
            rendered => rendered,
        }
    }
}

/// All instances of an entry: none if `when` is false, one per item of `for_each`.
pub(super) fn expand(settings: &EntrySettings, bindings: &Bindings, assume: Assume) -> Result<Expanded, Diagnostic> {
    let condition = |bindings: &Bindings| assume.answer(condition(settings.when.as_ref(), bindings));
    let Some(list) = &settings.for_each else {
        return Ok(match condition(bindings)? {
            Answer::No => Expanded::nothing(),
            Answer::Unknown(why) => Expanded::once(bindings, Some(why)),
            Answer::Yes => Expanded::once(bindings, None),
        });
    };
    if !settings.is_asked_for_items {
        match condition(bindings)? {
            Answer::No => return Ok(Expanded::nothing()),
            Answer::Unknown(why) => return Ok(Expanded::once(bindings, Some(why))),
            Answer::Yes => {}
        }
    }
    let items = match items(list, bindings)? {
        Ok(items) => items,
        Err(why) => return Ok(Expanded::once(bindings, Some(why))),
    };
    let mut expanded = Expanded::default();
    for (key, item) in keyed(items, list)? {
        let bindings = bindings.with_item(item);
        let answer = if settings.is_asked_for_items {
            condition(&bindings)?
        } else {
            Answer::Yes
        };
        let unknown = match answer {
            Answer::No => {
                expanded.skipped.push(Some(key));
                continue;
            }
            Answer::Unknown(why) => Some(why),
            Answer::Yes => None,
        };
        expanded.wanted.push(Instance {
            item: Some(key),
            bindings,
            unknown,
        });
    }
    Ok(expanded)
}

/// The value of a condition.
pub(super) fn condition(when: Option<&Value>, bindings: &Bindings) -> Result<Answer, Diagnostic> {
    let Some(when) = when else {
        return Ok(Answer::Yes);
    };
    let value = match &when.kind {
        Kind::String(expression) => bindings.evaluate(expression, when.origin.as_ref())?,
        _ => when.clone(),
    };
    // That the entry is there or not says that much about a secret, as its author wrote it.
    let value = value.in_world(World::Real);
    match value.kind {
        Kind::Bool(true) => Ok(Answer::Yes),
        Kind::Bool(false) => Ok(Answer::No),
        Kind::Unknown(why) => Ok(Answer::Unknown(why)),
        _ => Err(comes_to("`when` must be true or false", when, &value).hint(asked_instead(when, &value))),
    }
}

/// The hint how to test whether something exists: a fact that is absent on the host is `none`, but defined.
fn asked_instead(when: &Value, found: &Value) -> String {
    let expression = when.as_str().unwrap_or_default().trim();
    let is_name = |sign: char| sign.is_alphanumeric() || "_.[]".contains(sign);
    let name = if expression.chars().all(is_name) {
        expression
    } else {
        "name"
    };
    let compared = match &found.kind {
        Kind::Integer(number) => format!("{name} == {number}"),
        Kind::Float(number) => format!("{name} == {number}"),
        Kind::List(_) | Kind::Table(_) => format!("{name} | length > 0"),
        _ => format!("{name} == 'x'"),
    };
    if ["facts.", "catalogue"]
        .iter()
        .any(|start| expression.starts_with(start))
        || expression.contains(".facts.")
    {
        return format!("compare it, such as `{compared}`, or test it with `{expression} is not none`");
    }
    format!("compare it, such as `{compared}`, or test it with `{name} is defined`")
}

fn comes_to(title: &str, written: &Value, value: &Value) -> Diagnostic {
    let mistake = Diagnostic::new(title).at_maybe(
        written.origin.as_ref(),
        format!("this evaluates to {}", value.describe()),
    );
    let elsewhere = value
        .origin
        .as_ref()
        .filter(|origin| written.origin.as_ref() != Some(*origin));
    mistake.at_maybe(elsewhere, "the value is set here")
}

fn items(list: &Value, bindings: &Bindings) -> Result<Result<Vec<Value>, Why>, Diagnostic> {
    let value = match &list.kind {
        Kind::String(expression) => bindings.evaluate(expression, list.origin.as_ref())?,
        _ => bindings.render(list)?,
    };
    match value.kind {
        Kind::List(items) => Ok(Ok(items)),
        Kind::Unknown(why) => Ok(Err(why)),
        _ => Err(comes_to("`for_each` must be a list", list, &value).hint("write a list, such as `[\"a\", \"b\"]`")),
    }
}

/// Items with their unique keys.
fn keyed(items: Vec<Value>, list: &Value) -> Result<Vec<(String, Value)>, Diagnostic> {
    let mut seen: BTreeMap<String, Option<Origin>> = BTreeMap::new();
    let mut keyed = Vec::new();
    for item in items {
        let origin = item.origin.clone().or_else(|| list.origin.clone());
        let used = list
            .origin
            .as_ref()
            .filter(|list| !origin.as_ref().is_some_and(|origin| is_within(origin, list)));
        let key = item_key(&item, origin.as_ref()).map_err(|mistake| mistake.at_maybe(used, "used here"))?;
        if let Some(first) = seen.insert(key.clone(), origin.clone()) {
            let first = first.filter(|first| origin.as_ref() != Some(first));
            return Err(Diagnostic::new(format!("duplicate item `{key}` in `for_each`"))
                .at_maybe(origin.as_ref(), "used again here")
                .at_maybe(first.as_ref(), "first used here")
                .at_maybe(used, "used here")
                .hint("remove one, or give each a unique `name`"));
        }
        keyed.push((key, item));
    }
    Ok(keyed)
}

fn is_within(origin: &Origin, outer: &Origin) -> bool {
    origin.file == outer.file && outer.span.start <= origin.span.start && origin.span.end <= outer.span.end
}

/// The key of an item is its `name`, else the item itself if it is a string.
fn item_key(item: &Value, origin: Option<&Origin>) -> Result<String, Diagnostic> {
    let named = match &item.kind {
        Kind::Table(table) => table.get("name").and_then(|entry| entry.value.as_str()),
        _ => item.as_str(),
    };
    let is_secret = match &item.kind {
        Kind::Table(table) => table.get("name").is_some_and(|entry| entry.value.holds_secret()),
        _ => matches!(item.kind, Kind::Secret(_)),
    };
    if is_secret {
        return Err(Diagnostic::new("the name of an item of `for_each` cannot be a secret")
            .at_maybe(origin, "reviews show the names of items")
            .hint("use tables with a `name`, and secrets in their other values"));
    }
    named.map(str::to_owned).ok_or_else(|| {
        Diagnostic::new("an item of `for_each` has no name")
            .at_maybe(origin, format!("this is {}", item.describe()))
            .hint("use strings, or tables with a `name`")
    })
}
