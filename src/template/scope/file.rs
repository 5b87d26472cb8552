//! Whole files of the project as templates, which may include each other by their paths below `templates/`.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::{Environment, Error, ErrorKind};

use super::Bindings;
use crate::content::Assets;
use crate::error::{Diagnostic, Origin, SourceFile, not_text, suggestion};
use crate::template::environment;
use crate::template::mistake::mistake;
use crate::template::place::whole_name;
use crate::template::slip::Form;
use crate::template::slip::Slip;
use crate::template::syntax;
use crate::value::{Kind, Known, Text, Value};

/// The folder that file names are relative to.
const FOLDER: &str = "templates";
/// The folder of stacks in it.
pub const STACKS: &str = "services";

/// The last file that could not be used.
type Trouble = Arc<Mutex<Option<Unusable>>>;

/// Why a file cannot be used as a template.
enum Unusable {
    /// It does not exist, or is not text.
    Missing(String),
    /// It does not parse.
    Broken(Diagnostic),
}

impl Bindings {
    /// Renders the file `name` of `files`.
    ///
    /// Unknown if it uses something unknown. Errors: a file that does not parse, uses something undefined, includes a
    /// missing file, or fails, at its position in the file.
    pub fn render_file(&self, files: &Arc<Assets>, name: &str) -> Result<Known<Text>, Diagnostic> {
        let compiled = Compiled::of(files);
        take(&compiled.trouble);
        self.begin();
        let render = || {
            let template = compiled.environment.get_template(name)?;
            template.render(self.with_stack(stack_of(name)).context())
        };
        let rendered = render();
        let error = rendered.as_ref().err().map(innermost);
        let place = error.and_then(|error| place_of(error, files));
        let mut seen = self.inner.watch.seen();
        if let Some(mistake) = seen.mistake.take() {
            return Err(mistake.at_maybe(place.as_ref(), "used here"));
        }
        if let Some(why) = seen.unknown.take() {
            return Ok(Known::No(why));
        }
        let has_secret = seen.has_secret;
        drop(seen);
        if let Some(error) = error {
            return Err(self.without_secrets(self.file_error(error, place.as_ref(), files, &compiled.trouble)));
        }
        let rendered = rendered.map_err(|error| mistake(&error, None))?;
        if !has_secret {
            return Ok(Known::Yes(Text::open(rendered)));
        }
        let value = self.in_all_worlds(Value::string(rendered), None, || render().ok().map(Value::string))?;
        Ok(Known::Yes(match value.kind {
            Kind::Secret(secret) => secret.into(),
            Kind::String(text) => Text::open(text),
            _ => Text::open(String::new()),
        }))
    }

    fn file_error(&self, error: &Error, place: Option<&Origin>, files: &Assets, trouble: &Trouble) -> Diagnostic {
        let name = match take(trouble) {
            Some(Unusable::Broken(mistake)) => return mistake,
            Some(Unusable::Missing(name)) => Some(name),
            None => None,
        };
        if let Some(bytes) = name.as_ref().and_then(|name| files.get(name)) {
            let path = format!("{FOLDER}/{}", name.unwrap_or_default());
            return not_text(&path, bytes).at_maybe(place, "included here");
        }
        match error.kind() {
            ErrorKind::UndefinedError => {
                self.forget_other_misses(place);
                self.undefined_at(place)
            }
            ErrorKind::TemplateNotFound => {
                let name = name.unwrap_or_default();
                let place = place.map(|place| part(place, &name));
                if let Some(file) = files.large(&name) {
                    return Diagnostic::new(format!("`{}` is too large to be rendered", file.name()))
                        .at_maybe(place.as_ref(), "a template this large has a name that ends in `.j2`")
                        .hint("copy it as it is with `files.put`");
                }
                Diagnostic::new(format!("`{FOLDER}/{name}` does not exist"))
                    .at_maybe(place.as_ref(), format!("names are paths below `{FOLDER}/`"))
                    .hint(
                        suggestion(&name, files.names())
                            .unwrap_or_else(|| format!("create `{FOLDER}/{name}`, or remove the line")),
                    )
            }
            _ => mistake(error, place),
        }
    }

    /// A file may test on purpose whether another name is defined: that is not the mistake at `place`.
    fn forget_other_misses(&self, place: Option<&Origin>) {
        let Some(excerpt) = place.and_then(|place| place.file.text.get(place.span.clone())) else {
            return;
        };
        let mut seen = self.inner.watch.seen();
        let is_here = |path: &str| excerpt.contains(path.rsplit('.').next().unwrap_or(path));
        if !seen.missed.as_ref().is_some_and(|(path, _)| is_here(path)) {
            seen.missed = Some((excerpt.to_owned(), Vec::new()));
        }
    }
}

/// The stack whose folder contains a file of `templates/`.
pub fn stack_of(path: &str) -> Option<&str> {
    let below = path.strip_prefix(STACKS)?.strip_prefix('/')?;
    below.split_once('/').map(|(name, _)| name)
}

/// The files of a project, each compiled when it is first rendered. Independent of hosts.
struct Compiled {
    files: Arc<Assets>,
    environment: Environment<'static>,
    trouble: Trouble,
}

thread_local! {
    /// Those of the last project; there is rarely another. Per thread, like the record of an unusable file.
    static LAST: RefCell<Option<Rc<Compiled>>> = const { RefCell::new(None) };
}

impl Compiled {
    fn of(files: &Arc<Assets>) -> Rc<Self> {
        LAST.with_borrow_mut(|last| {
            if let Some(known) = last.as_ref().filter(|known| Arc::ptr_eq(&known.files, files)) {
                return Rc::clone(known);
            }
            let trouble = Trouble::default();
            let compiled = Rc::new(Self {
                files: Arc::clone(files),
                environment: environment_of(files, &trouble),
                trouble,
            });
            *last = Some(Rc::clone(&compiled));
            compiled
        })
    }
}

fn environment_of(files: &Arc<Assets>, trouble: &Trouble) -> Environment<'static> {
    let mut environment = environment();
    let (files, trouble) = (Arc::clone(files), Arc::clone(trouble));
    let note = move |unusable| *trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(unusable);
    environment.set_loader(move |name| {
        let Some(bytes) = files.get(name) else {
            note(Unusable::Missing(name.to_owned()));
            return Ok(None);
        };
        let text = std::str::from_utf8(bytes).map_err(|error| {
            note(Unusable::Missing(name.to_owned()));
            let what = format!("`{FOLDER}/{name}` is not UTF-8 text");
            Error::new(ErrorKind::InvalidOperation, what).with_source(error)
        })?;
        match syntax::read(text, Form::Text) {
            Ok(reading) => Ok(Some(reading.code)),
            Err(slip) => {
                let what = slip.title.clone();
                note(Unusable::Broken(slip_in_file(name, text, &slip)));
                Err(Error::new(ErrorKind::InvalidOperation, what))
            }
        }
    });
    environment
}

fn take(trouble: &Trouble) -> Option<Unusable> {
    trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn slip_in_file(name: &str, text: &str, slip: &Slip) -> Diagnostic {
    let file = SourceFile::new(format!("{FOLDER}/{name}"), text);
    slip.shown(Some(&Origin::new(&file, slip.place.clone())))
}

/// The place of `name`, with its quotes, within `place`.
fn part(place: &Origin, name: &str) -> Origin {
    let excerpt = place.file.text.get(place.span.clone()).unwrap_or_default();
    let found = ['"', '\''].iter().find_map(|quote| {
        let quoted = format!("{quote}{name}{quote}");
        Some((excerpt.find(&quoted)?, quoted.len()))
    });
    let (at, length) = found.unwrap_or((0, excerpt.len()));
    let start = place.span.start + at;
    Origin::new(&place.file, start..start + length)
}

/// The error in the included file, if there is one.
fn innermost(error: &Error) -> &Error {
    let mut found = error;
    while let Some(below) = std::error::Error::source(found).and_then(|below| below.downcast_ref::<Error>()) {
        found = below;
    }
    found
}

fn place_of(error: &Error, files: &Assets) -> Option<Origin> {
    let name = error.name()?;
    let text = std::str::from_utf8(files.get(name)?).ok()?;
    let reading = syntax::read(text, Form::Text).ok()?;
    let span = reading.place(error).or_else(|| line_span(text, error.line()?))?;
    let file = SourceFile::new(format!("{FOLDER}/{name}"), text);
    Some(Origin::new(&file, whole_name(text, span)))
}

fn line_span(text: &str, number: usize) -> Option<Range<usize>> {
    let mut start = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if index + 1 == number {
            return Some(start..start + line.trim_end().len());
        }
        start += line.len();
    }
    None
}
