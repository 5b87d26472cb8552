//! A folder of the project, with what each of its files gets on the host.

use std::collections::BTreeMap;

use super::source::Source;
use crate::change::{Attribute, Outcome, ResourceChange, Stop};
use crate::content::Content;
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::path::{InodeKind, PathFact};
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;
use crate::operations::assets::{Later, Rendered};
use crate::value::Known;

/// A folder of the project, with what each of its files gets.
pub(in crate::operations) struct Folder<'a> {
    pub(super) source: Source<'a>,
    /// By their paths below the destination.
    pub(super) texts: BTreeMap<String, Text<'a>>,
}

/// What a file of the host gets.
pub(super) enum Text<'a> {
    /// A file of the project, by its path below `templates/`.
    Asset(&'a str),
    Rendered(Content),
    /// It uses a value that is not known yet.
    Unknown(Unknown),
}

/// What is known of a file that uses an unknown value.
#[derive(Clone)]
pub(in crate::operations) struct Unknown {
    /// Its text with words in place of the value.
    pub(in crate::operations) outline: Option<Content>,
    pub(in crate::operations) why: String,
    /// Whether an operation of this run makes the value.
    pub(in crate::operations) is_made: bool,
}

impl<'a> Folder<'a> {
    /// Errors: a template is not valid, or a file cannot be decrypted.
    pub(super) fn read(context: &PlanContext<'_>, source: Source<'a>) -> Result<Self, Stop> {
        let mut texts = BTreeMap::new();
        for (name, asset, is_rendered) in source.assets() {
            let text = if is_rendered {
                match context.render_or_outline("src", asset)? {
                    Rendered::Known(text) => Text::Rendered(Content::of_text(&text)),
                    Rendered::Later(Later { outline, why, is_made }) => Text::Unknown(Unknown {
                        outline: outline.as_ref().map(Content::of_text),
                        why,
                        is_made,
                    }),
                }
            } else if context.is_encrypted_asset(asset) {
                Text::Rendered(context.asset_or_secret("src", asset)?)
            } else {
                Text::Asset(asset)
            };
            texts.insert(name.to_owned(), text);
        }
        Ok(Self { source, texts })
    }

    /// The files that use unknown values, by their paths below the destination.
    pub(in crate::operations) fn unknown(&self) -> BTreeMap<String, Unknown> {
        let unknown = self.texts.iter().filter_map(|(name, text)| match text {
            Text::Unknown(unknown) => Some((name.clone(), unknown.clone())),
            Text::Asset(_) | Text::Rendered(_) => None,
        });
        unknown.collect()
    }

    /// Why nothing can be planned: of a file not even an outline is known, or no operation of this run makes what it uses.
    pub(super) fn why_unready(&self) -> Option<&str> {
        self.texts.values().find_map(|text| match text {
            Text::Unknown(unknown) if !unknown.is_ready() => Some(unknown.why.as_str()),
            _ => None,
        })
    }

    /// What each file gets, as far as it is known; of one that uses an unknown value the outline.
    ///
    /// Errors: a file cannot be read.
    pub(in crate::operations) fn contents(&self, context: &PlanContext<'_>) -> Result<BTreeMap<String, Content>, Stop> {
        let mut contents = BTreeMap::new();
        for (name, text) in &self.texts {
            let content = match text {
                Text::Asset(path) => context.asset("src", path)?,
                Text::Rendered(content) => content.clone(),
                Text::Unknown(unknown) => match &unknown.outline {
                    Some(outline) => outline.clone(),
                    None => continue,
                },
            };
            contents.insert(name.clone(), content);
        }
        Ok(contents)
    }

    /// Whether a file can be executed in the project.
    pub(in crate::operations) fn is_executable(&self, context: &PlanContext<'_>, name: &str) -> bool {
        self.source.is_executable(context, name)
    }
}

impl Unknown {
    /// Whether a new file with it can be planned: an operation of this run makes the value.
    pub(in crate::operations) fn is_ready(&self) -> bool {
        self.is_made && self.outline.is_some()
    }
}

/// What is planned for a file, without the steps that would write the outline in place of its text.
pub(super) fn outlined(mut outcome: Outcome, why: &str) -> Outcome {
    for change in outcome.changes_mut() {
        outline(change, why);
    }
    outcome
}

fn outline(change: &mut ResourceChange, why: &str) {
    if let Some(content) = change.after.as_mut().and_then(|after| after.get_mut("content")) {
        let text = content.shown().unwrap_or("(known after apply)");
        *content = Attribute::Outline(text.to_owned());
    }
    change.steps.clear();
    for effect in &mut change.effects {
        match effect {
            Effect::Set(FactKey::Path(_), Fact::Path(PathFact::Present(inode))) => {
                inode.kind = InodeKind::File {
                    digest: Known::No(why.to_owned()),
                };
            }
            Effect::Set(key @ FactKey::Content(_), _) => {
                *effect = Effect::Forget(FactScope::Key(key.clone()), why.to_owned());
            }
            Effect::Set(..) | Effect::Forget(..) => {}
        }
    }
}
