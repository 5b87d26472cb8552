//! A text file in which an operation owns some lines: it is read, edited, and written as a whole like any file.
//!
//! `text::plan_edit` stays beside it: there the user gives the path, so what is missing is refused and all parameters of a
//! file apply. Here a missing file is an empty one, and the operation decides what is shown. They share how a text is read.

use super::removal::plan_unread;
use super::text::text_of;
use super::whole_file::{FileWish, WishedContent, plan_file};
use crate::change::{Attribute, Before, NotKnown, Outcome, ResourceKind, Stop};
use crate::content::Content;
use crate::facts::path::{ContentFact, PathFact};
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;

/// A file to edit.
pub(in crate::operations) struct EditedFile<'a> {
    /// As written, with links not followed.
    pub(in crate::operations) path: &'a str,
    /// The argument that is to blame for the file, for refusals.
    pub(in crate::operations) argument: &'static str,
    pub(in crate::operations) owner: Option<&'a str>,
    pub(in crate::operations) group: Option<&'a str>,
    pub(in crate::operations) mode: Option<u32>,
    pub(in crate::operations) validate: Option<Vec<String>>,
    pub(in crate::operations) shown: Shown<'a>,
    /// Whether no package ever brings it: after the installation of packages it is still absent.
    pub(in crate::operations) comes_with_no_package: bool,
    /// Whether it is removed if nothing but white space is left in it.
    pub(in crate::operations) goes_when_empty: bool,
}

/// What a review shows of the text of a file.
pub(in crate::operations) enum Shown<'a> {
    /// All of it, unless not everybody may read the file.
    Content,
    /// What `of` makes of it, under this name, even if not everybody may read the file.
    As {
        name: &'static str,
        of: &'a dyn Fn(&str) -> String,
    },
}

impl<'a> EditedFile<'a> {
    /// A file that is created if it does not exist, keeps its owner and mode otherwise, and is shown as it is.
    pub(in crate::operations) fn new(path: &'a str, argument: &'static str) -> Self {
        Self {
            path,
            argument,
            owner: None,
            group: None,
            mode: None,
            validate: None,
            shown: Shown::Content,
            comes_with_no_package: false,
            goes_when_empty: false,
        }
    }

    /// Its text; `None` if it does not exist.
    ///
    /// Errors: it is not known, or no text.
    pub(in crate::operations) fn text(&self, context: &PlanContext<'_>) -> Result<Option<String>, Stop> {
        match self.text_there(context) {
            Err(
                stop @ Stop::NotKnown {
                    cause: NotKnown::Since(..),
                    ..
                },
            ) if self.comes_with_no_package => self.text_without_packages(context, stop),
            known => known,
        }
    }

    /// Its text if nothing but earlier operations writes it: packages may bring its directory, and not the file.
    fn text_without_packages(&self, context: &PlanContext<'_>, stop: Stop) -> Result<Option<String>, Stop> {
        if context.is_absent_but_for_packages(&FactKey::Path(self.path.to_owned())) {
            return Ok(None);
        }
        match context.known_fact(&FactKey::Content(self.path.to_owned())) {
            Some(Fact::Content(ContentFact::Bytes(bytes))) => String::from_utf8(bytes).map(Some).map_err(|_| stop),
            _ => Err(stop),
        }
    }

    fn text_there(&self, context: &PlanContext<'_>) -> Result<Option<String>, Stop> {
        let path = context.resolve(self.path)?;
        if context.path(&path)? == PathFact::Absent {
            return Ok(None);
        }
        text_of(context, self.argument, &path).map(Some)
    }

    /// Plans that the file has the text that `edit` makes of the one that it has.
    pub(in crate::operations) fn plan(
        &self,
        context: &PlanContext<'_>,
        edit: impl FnOnce(&str) -> String,
    ) -> Result<Outcome, Stop> {
        let old = self.text(context)?;
        let new = edit(old.as_deref().unwrap_or_default());
        let is_empty = new.trim().is_empty();
        if is_empty && old.is_none() {
            return Ok(Outcome::Unchanged);
        }
        let mut outcome = if is_empty && self.goes_when_empty {
            plan_unread(context, self.argument, self.path)?
        } else {
            let content = WishedContent::Ready(Content::new(new.as_bytes()));
            let wish = FileWish {
                owner: self.owner,
                group: self.group,
                mode: self.mode,
                validate: self.validate.clone(),
                ..FileWish::new(self.path, self.argument, content)
            };
            plan_file(context, &wish)?
        };
        if let Shown::As { name, of } = self.shown {
            show(&mut outcome, name, &of(old.as_deref().unwrap_or_default()), &of(&new));
        }
        Ok(outcome)
    }
}

/// Shows `old` and `new` in place of the content of the file.
fn show(outcome: &mut Outcome, name: &'static str, old: &str, new: &str) {
    const CONTENT: &str = "content";
    for change in outcome.changes_mut() {
        if change.id.kind != ResourceKind::File {
            continue;
        }
        let before = match &mut change.before {
            Before::Present(before) => Some((before, old)),
            Before::Absent | Before::Unknown(_) => None,
        };
        let after = change.after.as_mut().map(|after| (after, new));
        for (attributes, text) in before.into_iter().chain(after) {
            if attributes.shift_remove(CONTENT).is_some() {
                attributes.shift_insert(0, name, Attribute::known(text));
            }
        }
    }
}
