//! Manifests of the project as objects.
//!
//! They are read as kubectl reads them, which is YAML 1.1, so that a file means here what it means elsewhere. Nothing here asks a host.

mod characters;
mod edits;
mod fault;
mod names;
mod object;
mod order;
mod scalar;
mod set;
mod sources;
mod strings;
mod worlds;
mod yaml;

pub(super) use self::characters::is_lost;
pub(in crate::operations) use self::edits::Keep;
pub(in crate::operations) use self::names::is_built_in;
pub(in crate::operations) use self::names::is_namespaced;
pub(in crate::operations) use self::object::described as sort_of;
pub(in crate::operations) use self::order::turn;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value};

use self::fault::{At, Fault, Spot};
use self::object::Written;
use self::set::{Changes, assemble, set_name, told};
use self::sources::{Source, sources};
use super::manifest::Manifest;
use crate::change::Stop;
use crate::content::Assets;
use crate::error::{Diagnostic, Origin, not_text};
use crate::facts::kubernetes::ObjectId;
use crate::operations::PlanContext;
use crate::operations::assets::Rendered;
use crate::operations::cluster_objects::{Part, Places};
use crate::operations::file_place::ProjectFile;
use crate::secret::Secret;
use crate::value::{Text, Varied};

/// The parameters that say which objects there are.
#[derive(Default)]
pub(in crate::operations) struct Wanted<'p> {
    pub(in crate::operations) src: &'p [String],
    pub(in crate::operations) set: Option<&'p str>,
    pub(in crate::operations) namespace: Option<&'p str>,
    pub(in crate::operations) exclude: &'p [String],
    pub(in crate::operations) keep: &'p [String],
    pub(in crate::operations) images: BTreeMap<String, String>,
    pub(in crate::operations) set_fields: Option<&'p Varied<Map<String, Value>>>,
    pub(in crate::operations) rename_groups: BTreeMap<String, String>,
}

/// The objects of manifests.
pub(in crate::operations) struct Documents {
    /// The name of the set.
    pub(in crate::operations) set: String,
    /// In the order in which they are made.
    pub(in crate::operations) objects: Vec<Document>,
    /// Files that use values which are not known yet. Their objects are those that would be there with something in the place of the
    /// values, which is not shown.
    pub(in crate::operations) later: Vec<LaterFile>,
}

/// An object of a manifest.
pub(in crate::operations) struct Document {
    pub(in crate::operations) manifest: Manifest,
    /// What of it is left alone once it is there.
    pub(in crate::operations) keep: Keep,
}

/// A file that uses a value which is not known yet.
pub(in crate::operations) struct LaterFile {
    pub(in crate::operations) why: String,
}

/// A file as it was read, rendered if it is a template.
struct ReadFile {
    /// Below `templates/`.
    path: String,
    text: Text,
    is_later: bool,
    /// Where its text is in the project, if it is there line by line.
    file: Option<ProjectFile>,
}

/// The name of the set that `set` and `src` give, if it is one.
pub(in crate::operations) fn set_of(set: Option<&str>, src: &[String]) -> Option<String> {
    set_name(set, src).ok()
}

/// Reads the manifests of the project. `scope` says whether objects of a kind that the API server has not by itself are in namespaces,
/// as far as that is known.
///
/// Errors: a file cannot be read, an object of it is wrong, or a parameter does not fit the objects.
pub(in crate::operations) fn read(
    context: &PlanContext<'_>,
    wanted: &Wanted<'_>,
    scope: &dyn Fn(&ObjectId) -> Option<bool>,
) -> Result<Documents, Stop> {
    let set = set_name(wanted.set, wanted.src).map_err(|fault| refused(context, &[], fault))?;
    let found = sources(context.asset_names(), wanted.src, wanted.exclude);
    let found = found.map_err(|fault| refused(context, &[], fault))?;
    let mut files = Vec::new();
    let mut later = Vec::new();
    for source in found {
        match text_of(context, source)? {
            Ok(file) => files.push(file),
            Err(why) => later.push(why),
        }
    }
    let changes = Changes {
        namespace: wanted.namespace,
        images: wanted.images.clone(),
        fields: wanted.set_fields,
        groups: wanted.rename_groups.clone(),
        keep: wanted.keep,
    };
    for file in files.iter().filter(|file| file.is_later) {
        let why = format!("`templates/{}` uses a value that is known only after apply", file.path);
        later.push(LaterFile { why });
    }
    let texts: Vec<(&str, &Text)> = files.iter().map(|file| (file.path.as_str(), &file.text)).collect();
    let set_of_files = assemble(&texts, &changes, scope).map_err(|fault| refused(context, &files, fault))?;
    for (file, surprise) in &set_of_files.surprises {
        let spot = Spot {
            file: *file,
            place: surprise.place.clone(),
        };
        let place = place(&files, &spot).unwrap_or_else(|| context.origin_of("src").clone());
        context.tell(format!("{} ({place})", told(surprise)));
    }
    let objects = set_of_files.objects.into_iter().map(|(written, keep)| {
        let place = place(&files, &written.spot());
        let place = place.unwrap_or_else(|| context.origin_of("src").clone());
        let manifest = Manifest {
            object: written.worlds.real().clone(),
            masked: written.worlds.masked(),
            places: places(&files[written.file], &written, place.clone()),
            place,
            id: written.id,
        };
        Document { manifest, keep }
    });
    let objects = objects.collect();
    Ok(Documents { set, objects, later })
}

/// The objects of a text that is no file of the project's own, in the order in which they are made.
///
/// Errors: what is wrong with it, and in which line.
pub(in crate::operations) fn objects_of(name: &str, text: &str, place: &Origin) -> Result<Vec<Manifest>, String> {
    let text = Text::open(text.to_owned());
    let scope = |_: &ObjectId| None;
    let set = assemble(&[(name, &text)], &Changes::default(), &scope).map_err(|fault| told_of(&text, &fault))?;
    let whole = place.clone();
    let places: Places = Arc::new(move |_, _| whole.clone());
    let objects = set.objects.into_iter().map(|(written, _)| Manifest {
        masked: written.worlds.masked(),
        object: written.worlds.real().clone(),
        place: place.clone(),
        places: Arc::clone(&places),
        id: written.id,
    });
    Ok(objects.collect())
}

/// The values of a text, which may be empty.
///
/// Errors: what is wrong with it, and in which line.
pub(in crate::operations) fn values_of(text: &str) -> Result<Value, String> {
    let line = |place: &Range<usize>| text.get(..place.start).unwrap_or_default().matches('\n').count() + 1;
    let file = yaml::parse(text).map_err(|broken| format!("line {}: {}", line(&broken.place), broken.why))?;
    match &file.documents[..] {
        [] => Ok(Value::Object(Map::new())),
        [document] => Ok(document.json()),
        [_, second, ..] => Err(format!("line {}: a second document", line(&second.place))),
    }
}

fn told_of(text: &Text, fault: &Fault) -> String {
    match &fault.at {
        At::File(spot) => {
            let before = text.expose().get(..spot.place.start).unwrap_or_default();
            format!("line {}: {}", before.matches('\n').count() + 1, fault.title)
        }
        At::Argument(..) => fault.title.clone(),
    }
}

/// Where parts of an object are written; `whole` is where it begins.
fn places(file: &ReadFile, written: &Written, whole: Origin) -> Places {
    let node = Arc::clone(&written.node);
    let text: Arc<str> = file.text.expose().as_str().into();
    let file = file.file.clone();
    Arc::new(move |pointer, part| {
        let place = match part {
            Part::Key => node.key_place_of(pointer),
            Part::Value => node.place_of(pointer),
        };
        let place = first_line(&text, &place);
        let place = file.as_ref().and_then(|file| file.place(place));
        place.unwrap_or_else(|| whole.clone())
    })
}

/// The text of a file; why it is not known if it uses a value of which nothing is known.
fn text_of(context: &PlanContext<'_>, source: Source<'_>) -> Result<Result<ReadFile, LaterFile>, Stop> {
    let bare = source.path.strip_suffix(Assets::TEMPLATE_SUFFIX);
    let file = |text: Text, is_later: bool| ReadFile {
        path: source.path.to_owned(),
        file: ProjectFile::of(context, bare.unwrap_or(source.path), text.expose()),
        text,
        is_later,
    };
    if source.is_rendered {
        return Ok(match context.render_or_outline("src", source.path)? {
            Rendered::Known(text) => Ok(file(text, false)),
            Rendered::Later(later) => match later.outline {
                Some(outline) => Ok(file(outline, true)),
                None => Err(LaterFile { why: later.why }),
            },
        });
    }
    let is_secret = context.is_encrypted_asset(source.path);
    let content = context.asset_or_secret("src", source.path)?;
    let Some(bytes) = content.bytes() else {
        let title = format!("`templates/{}` is too large for a manifest", source.path);
        return Err(context
            .refuse_item("src", source.path, title, "used here")
            .hint("split it into several files"));
    };
    match std::str::from_utf8(bytes) {
        Ok(text) if is_secret => Ok(Ok(file(Secret::new(text).into(), false))),
        Ok(text) => Ok(Ok(file(Text::open(text.to_owned()), false))),
        Err(_) if is_secret => Err(context.refuse(
            "src",
            format!("`templates/{}` is not UTF-8 text", source.path),
            "used here",
        )),
        Err(_) => {
            let mistake = not_text(&format!("templates/{}", source.path), bytes);
            Err(Stop::Refused(Box::new(
                mistake.at(context.origin_of("src"), "used here"),
            )))
        }
    }
}

/// Where a place of a file is in the project; `None` where a template has no such line.
fn place(files: &[ReadFile], spot: &Spot) -> Option<Origin> {
    let file = files.get(spot.file)?;
    file.file.as_ref()?.place(first_line(file.text.expose(), &spot.place))
}

/// A place without what follows its first line.
fn first_line(text: &str, place: &Range<usize>) -> Range<usize> {
    let end = text.get(place.clone()).and_then(|own| own.find('\n'));
    place.start..end.map_or(place.end, |length| place.start + length)
}

/// What is wrong, where it is written.
fn refused(context: &PlanContext<'_>, files: &[ReadFile], fault: Fault) -> Stop {
    let used = context.origin_of("src");
    let mistake = match &fault.at {
        At::File(spot) => {
            let mistake = Diagnostic::new(fault.title);
            if let Some(place) = place(files, spot) {
                mistake.at(&place, fault.label).at(used, "used here")
            } else {
                let file = files.get(spot.file);
                let text = file.map(|file| file.text.expose().as_str()).unwrap_or_default();
                let line = text.get(..spot.place.start).unwrap_or_default().matches('\n').count() + 1;
                let path = file.map(|file| file.path.as_str()).unwrap_or_default();
                mistake.at(
                    used,
                    format!("line {line} of `templates/{path}` as rendered: {}", fault.label),
                )
            }
        }
        At::Argument(argument, item) => {
            let stop = match *argument {
                "images" | "rename_groups" | "set_fields" => {
                    context.refuse_entry(argument, item, fault.title, fault.label)
                }
                argument => context.refuse_item(argument, item, fault.title, fault.label),
            };
            match stop {
                Stop::Refused(mistake) => *mistake,
                stop => return stop,
            }
        }
    };
    let mistake = match &fault.also {
        Some(also) => mistake.at_maybe(place(files, &also.0).as_ref(), also.1.clone()),
        None => mistake,
    };
    Stop::Refused(Box::new(mistake.hint_maybe(fault.hint)))
}
