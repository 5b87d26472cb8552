//! Whole files of the project as templates, which may include each other by their paths below `templates/`.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::{Environment, Error, ErrorKind};

use super::Bindings;
use crate::content::{Assets, EncryptedFile};
use crate::error::{Diagnostic, Origin, SourceFile, not_text, suggestion};
use crate::secret::Secret;
use crate::template::environment;
use crate::template::limits::rendered;
use crate::template::mistake::mistake;
use crate::template::place::{undefined_name, whole_name};
use crate::template::slip::Form;
use crate::template::slip::Slip;
use crate::template::syntax;
use crate::value::{Kind, Text, Value, Why};

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
    pub fn render_file(&self, files: &Arc<Assets>, name: &str) -> Result<Result<Text, Why>, Diagnostic> {
        let compiled = Compiled::of(files);
        take(&compiled.trouble);
        self.begin();
        let encrypted = files.encrypted(name);
        let decrypted = encrypted.map(|file| code_of_encrypted(file, name)).transpose()?;
        let render = || {
            let scope = self.with_stack(stack_of(name));
            match &decrypted {
                Some(code) => {
                    let template = compiled.environment.template_from_named_str(name, code)?;
                    rendered(&template, scope.context())
                }
                None => rendered(&compiled.environment.get_template(name)?, scope.context()),
            }
        };
        let rendered = render();
        let error = rendered.as_ref().err().map(innermost);
        let place = error.and_then(|error| place_of(error, files));
        let mut seen = self.inner.watch.seen();
        if let Some(mistake) = seen.mistake.take() {
            return Err(mistake.at_maybe(place.as_ref(), "used here"));
        }
        if let Some(why) = seen.unknown.take() {
            return Ok(Err(why));
        }
        let is_open = seen.cover.is_none();
        drop(seen);
        if let Some(error) = error {
            let mistake = self.file_error(error, place.as_ref(), files, &compiled.trouble);
            let is_in_encrypted = encrypted.is_some() && error.name() == Some(name);
            return Err(if is_in_encrypted && error.kind() != ErrorKind::UndefinedError {
                // Its words may be of the file.
                cannot_render(name).at_maybe(place.as_ref(), "fails here")
            } else {
                self.without_secrets(mistake)
            });
        }
        let rendered = rendered.map_err(|error| mistake(&error, None))?;
        if encrypted.is_some() {
            return Ok(Ok(Secret::new(rendered).into()));
        }
        if is_open {
            return Ok(Ok(Text::open(rendered)));
        }
        let value = self.in_all_worlds(Value::string(rendered), None, || render().ok().map(Value::string))?;
        Ok(Ok(match value.kind {
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
                let missed = self.inner.watch.seen().missed.as_ref().map(|(path, _)| path.clone());
                let place = place.map(|place| {
                    let span = undefined_name(&place.file.text, place.span.clone(), missed.as_deref());
                    Origin::new(&place.file, span)
                });
                self.forget_other_misses(place.as_ref());
                self.undefined_at(place.as_ref())
            }
            ErrorKind::TemplateNotFound => {
                let name = name.unwrap_or_default();
                let place = place.map(|place| part(place, &name));
                if let Some(file) = files.encrypted(&name) {
                    return Diagnostic::new(format!("`{}` is encrypted and cannot be included", file.name()))
                        .at_maybe(place.as_ref(), "the rest of the file would not be a secret")
                        .hint("encrypt the including template too, or use the secret as a value of `group_data/`");
                }
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
        // That of an encrypted file does not show what it is about.
        if excerpt.bytes().all(|byte| byte == b'.') {
            return;
        }
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
    let encrypted = files.encrypted(name);
    let text = match encrypted {
        Some(file) => file.text()?,
        None => std::str::from_utf8(files.get(name)?).ok()?,
    };
    let reading = syntax::read(text, Form::Text).ok()?;
    let span = reading.place(error).or_else(|| line_span(text, error.line()?))?;
    let file = match encrypted {
        Some(file) => without_text(file, text),
        None => SourceFile::new(format!("{FOLDER}/{name}"), text),
    };
    Some(Origin::new(&file, whole_name(text, span)))
}

/// The code of a template that is encrypted in the project.
///
/// Errors: it does not parse. Nothing of it is shown but the line.
fn code_of_encrypted(file: &EncryptedFile, name: &str) -> Result<String, Diagnostic> {
    let Some(text) = file.text() else {
        return Err(
            Diagnostic::new(format!("`{}` is not UTF-8 text", file.name())).hint("copy it as it is with `files.put`")
        );
    };
    let reading = syntax::read(text, Form::Text).map_err(|slip| {
        let origin = Origin::new(&without_text(file, text), slip.place.clone());
        cannot_render(name).at(&origin, "invalid template")
    })?;
    Ok(reading.code)
}

fn cannot_render(name: &str) -> Diagnostic {
    Diagnostic::new(format!("cannot render the encrypted template `{name}`")).hint(format!(
        "look at that line: `homelab secrets edit {FOLDER}/{name}{}`",
        EncryptedFile::SUFFIX
    ))
}

/// An encrypted file for excerpts: its lines, with dots in place of what is in them.
fn without_text(file: &EncryptedFile, text: &str) -> Arc<SourceFile> {
    let hidden: String = text
        .bytes()
        .map(|byte| if byte == b'\n' { '\n' } else { '.' })
        .collect();
    SourceFile::new(file.name(), hidden)
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
