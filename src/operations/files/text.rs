//! Editing a text file in part, shared by the operations that change some of its lines.

use regex::Regex;

use super::whole_file::{FileWish, WishedContent, plan_file};
use crate::change::{Outcome, Stop};
use crate::content::Content;
use crate::facts::FactKey;
use crate::facts::path::{ContentFact, ContentKey, PathFact};
use crate::operations::PlanContext;
use crate::secret::{Secret, Sort, World};
use crate::value::Text;

use super::parameters::path_and_ancestors;

/// What an edit does where there is no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenAbsent {
    /// It creates the file.
    Create,
    /// It has nothing to do.
    Leave,
    /// It is refused, with this hint.
    Refuse(&'static str),
}

impl WhenAbsent {
    /// For an operation with `present` and `create`.
    pub(super) fn of(present: bool, create: bool) -> Self {
        match (present, create) {
            (false, _) => Self::Leave,
            (true, true) => Self::Create,
            (true, false) => Self::Refuse("add `create = true`, or create it first with `files.put`"),
        }
    }
}

/// The facts that an edit is planned from.
pub(super) fn needs(path: &str) -> Vec<FactKey> {
    let mut needs = path_and_ancestors(path);
    needs.push(FactKey::Content(path.to_owned()));
    needs
}

/// Plans the file of `wish` with what `edit` makes of its text. A new file has the text that `edit` makes of nothing. With a
/// secret, it is edited in each world.
pub(super) fn plan_edit(
    context: &PlanContext<'_>,
    wish: FileWish<'_>,
    when_absent: WhenAbsent,
    has_secret: bool,
    edit: impl Fn(&str, World) -> Result<String, Stop>,
) -> Result<Outcome, Stop> {
    let path = context.resolve(wish.path)?;
    let text = match (context.path(&path)?, when_absent) {
        (PathFact::Absent, WhenAbsent::Leave) => return Ok(Outcome::Unchanged),
        (PathFact::Absent, WhenAbsent::Create) => String::new(),
        (PathFact::Absent, WhenAbsent::Refuse(hint)) => {
            let mistake = context.mistake("path", format!("`{path}` does not exist"), "no such file on the host");
            return Err(Stop::Refused(Box::new(mistake.hint(hint))));
        }
        (PathFact::Present(_), _) => text_of(context, "path", &path)?,
    };
    let edited = edit(&text, World::Real)?;
    if edited.contains('\0') && !text.contains('\0') {
        let title = format!("a NUL byte would be added to `{path}`");
        return Err(context
            .refuse("path", title, "programs take such a file for binary")
            .hint("remove `\\u0000` from the text of this operation; `files.put` writes any bytes"));
    }
    let edited = if has_secret {
        in_all_worlds(edited, |world| edit(&text, world))
    } else {
        Text::open(edited)
    };
    let content = WishedContent::Ready(Content::of_text(&edited));
    plan_file(
        context,
        &FileWish {
            path: &path,
            content,
            own_lines: wish.own_lines.or(Some(Vec::new())),
            ..wish
        },
    )
}

/// A text that was made of a secret, as `made` makes it of decoys.
pub(super) fn in_all_worlds<E>(real: String, made: impl Fn(World) -> Result<String, E>) -> Text {
    match (made(World::First), made(World::Second)) {
        (Ok(first), Ok(second)) => Secret::of_worlds([real, first, second], Sort::Text).into(),
        _ => Secret::new(real).into(),
    }
}

/// The text of a file that exists.
///
/// Errors: it is not known, or no text.
pub(super) fn text_of(context: &PlanContext<'_>, argument: &'static str, path: &str) -> Result<String, Stop> {
    let bytes = match context.get(ContentKey(path))? {
        ContentFact::Bytes(bytes) => bytes,
        ContentFact::Absent => {
            return Err(context.refuse(argument, format!("`{path}` is not a file"), "only a file has lines"));
        }
        ContentFact::TooLarge => {
            return Err(context.refuse(argument, format!("`{path}` is too large to edit by line"), "over 1 MiB"));
        }
    };
    String::from_utf8(bytes).map_err(|_| {
        context.refuse(
            argument,
            format!("`{path}` is not UTF-8 text"),
            "its lines cannot be edited",
        )
    })
}

/// The expression that an argument gives.
///
/// Errors: it is not valid.
pub(super) fn expression(context: &PlanContext<'_>, argument: &str, pattern: &str) -> Result<Regex, Stop> {
    Regex::new(pattern).map_err(|error| invalid(context, argument, pattern, &error))
}

pub(super) fn invalid(context: &PlanContext<'_>, argument: &str, pattern: &str, error: &regex::Error) -> Stop {
    let title = format!("`{argument}` is not a valid regular expression");
    context
        .refuse(argument, title, last_line(&error.to_string()))
        .hint(if pattern.contains('\\') {
            "write a backslash before a sign that stands for itself, in single quotes: '\\.'; look-around and `\\1` are not supported"
        } else {
            "write a backslash before a sign that stands for itself, in single quotes: '\\('"
        })
}

/// The message of an error, without the drawing of the place above it.
fn last_line(error: &str) -> String {
    error
        .lines()
        .last()
        .unwrap_or(error)
        .trim_start_matches("error: ")
        .to_owned()
}

/// Adds a line at the end, behind a line break if the last line has none.
pub(in crate::operations) fn append_line(text: &mut String, line: &str) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(line);
    text.push('\n');
}

/// A line, and its line break.
pub(super) fn split_end(piece: &str) -> (&str, &str) {
    let line = piece.trim_end_matches(['\n', '\r']);
    piece.split_at(line.len())
}

/// The line break of a text: that of its first line.
pub(super) fn line_break(text: &str) -> &'static str {
    match text.split_inclusive('\n').next() {
        Some(first) if first.ends_with("\r\n") => "\r\n",
        _ => "\n",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_says_what_the_line_breaks_are() {
        for (text, expected) in [("", "\n"), ("a", "\n"), ("a\nb\r\n", "\n"), ("a\r\nb\n", "\r\n")] {
            assert_eq!(line_break(text), expected, "{text:?}");
        }
    }
}
