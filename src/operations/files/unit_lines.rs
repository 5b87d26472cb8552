//! Refuses unit files with lines that systemd does not read, before any host looks at them.

use crate::change::Stop;
use crate::content::Content;
use crate::error::Diagnostic;
use crate::facts::unit::{Misread, UnitFilePath, misread};
use crate::operations::PlanContext;

/// Refuses `content` for the unit file or drop-in at `path` if systemd would not read it as it is written. `argument` is where that is
/// told if no line of the project has it.
pub(in crate::operations) fn check_unit_text(
    context: &PlanContext<'_>,
    argument: &str,
    path: &str,
    content: &Content,
) -> Result<(), Stop> {
    let text = content.bytes().and_then(|bytes| std::str::from_utf8(bytes).ok());
    let text = text.filter(|_| !context.has_stand_ins());
    let (Some(unit), Some(text)) = (UnitFilePath::of(path), text) else {
        return Ok(());
    };
    let found = misread(unit.unit, text, content.is_secret());
    let Some(first) = found.first() else { return Ok(()) };
    let written = context.written_text(path);
    let place = |one: &Misread| written.as_ref()?.line(text, one.line);
    let mut mistake = match found.as_slice() {
        [_] => Diagnostic::new(first.title.clone()).hint_maybe(first.hint.clone()),
        all => {
            let title = format!("systemd does not read {} lines of the new `{}`", all.len(), path);
            Diagnostic::new(title).hint("correct each of them; systemd.syntax(7) describes unit files")
        }
    };
    for one in &found {
        let Some(place) = place(one) else { continue };
        let what = match (found.len(), &one.hint) {
            (1, _) => one.effect.to_owned(),
            (_, None) => one.title.clone(),
            (_, Some(hint)) => format!("{}: {hint}", one.title),
        };
        mistake = mistake.at(&place, what);
    }
    if mistake.labels.is_empty() {
        let what = if found.len() == 1 {
            first.effect
        } else {
            first.title.as_str()
        };
        mistake = mistake.at(context.origin_of(argument), what);
    }
    let used = written.and_then(|written| written.used);
    Err(Stop::Refused(Box::new(mistake.at_maybe(used.as_ref(), "used here"))))
}
