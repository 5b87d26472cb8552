//! Text that a task gives: a file of the project, or the text itself.

use crate::change::{Outcome, Stop};
use crate::content::{Assets, Content};
use crate::facts::overlay::FactScope;
use crate::operations::PlanContext;
use crate::value::{Known, Text};

/// The content of a file of the project, or the text of the task. A file whose name ends in `.j2` is rendered.
///
/// `Known::No` if a template uses an unknown value. `argument` is the one that names what has the content.
pub(super) fn content(
    context: &PlanContext<'_>,
    argument: &str,
    src: Option<&str>,
    content: Option<&Text>,
) -> Result<Known<Content>, Stop> {
    match (src, content) {
        (Some(src), None) if src.ends_with(Assets::TEMPLATE_SUFFIX) => Ok(match context.render_asset("src", src)? {
            Known::Yes(text) => Known::Yes(Content::of_text(&text)),
            Known::No(why) => Known::No(format!("`templates/{src}` uses an unknown value: {why}")),
        }),
        (Some(src), None) => Ok(Known::Yes(context.asset_or_secret("src", src)?)),
        (None, Some(content)) => Ok(Known::Yes(Content::of_text(content))),
        (Some(_), Some(_)) => {
            let title = "`src` and `content` cannot be used together";
            Err(context
                .refuse("content", title, "used together with `src`")
                .hint("remove one of the two"))
        }
        (None, None) => Err(context
            .refuse(argument, "missing `src` or `content`", "this has no content")
            .hint("add `content = \"…\"`, or `src` with a file below `templates/`")),
    }
}

/// The same for an operation that shows what the text says, or the outcome of one that waits for it and may change what `touches`
/// says.
///
/// Errors: also, something in it came from a secret.
pub(super) fn content_or_later(
    context: &PlanContext<'_>,
    argument: &str,
    (src, text): (Option<&str>, Option<&str>),
    touches: impl FnOnce() -> Vec<FactScope>,
) -> Result<Result<Content, Outcome>, Stop> {
    let open = text.map(|text| Text::open(text.to_owned()));
    Ok(match content(context, argument, src, open.as_ref())? {
        Known::Yes(content) if content.is_secret() => {
            let title = "a secret cannot be used in `src` here";
            return Err(context
                .refuse("src", title, "reviews show what this file sets")
                .hint("write the secret into a file of its own with `files.put` or `files.template`"));
        }
        Known::Yes(content) => Ok(content),
        Known::No(why) => Err(Outcome::Deferred {
            waits_for: Vec::new(),
            why,
            touches: touches(),
            preview: Vec::new(),
        }),
    })
}

/// Its text, if it is known and valid.
pub(super) fn known_text(
    context: &PlanContext<'_>,
    argument: &str,
    (src, text): (Option<&str>, Option<&str>),
) -> Option<String> {
    let open = text.map(|text| Text::open(text.to_owned()));
    match content(context, argument, src, open.as_ref()) {
        Ok(Known::Yes(content)) => String::from_utf8(content.bytes()?.to_vec()).ok(),
        _ => None,
    }
}
