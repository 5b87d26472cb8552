//! What a compose project is called.

use super::files::{Written, project_name, top_name};
use crate::change::Stop;
use crate::facts::compose::DEFAULT_FILES;
use crate::operations::PlanContext;
use crate::template::{STACKS, is_template};

/// The name that is written in the files of a stack where nothing has to be rendered, or else that of the directory.
pub(super) fn guessed_name(context: &PlanContext<'_>, stack: Option<&str>, directory: &str) -> String {
    let stack = stack.unwrap_or_default();
    let written = DEFAULT_FILES.iter().find_map(|file| {
        let paths = [
            format!("{STACKS}/{stack}/{file}"),
            format!("{STACKS}/{stack}/{file}.j2"),
        ];
        let path = paths
            .iter()
            .find(|path| context.asset_names().any(|name| name == path.as_str()))?;
        let content = context.asset("stack", path).ok()?;
        top_name(std::str::from_utf8(content.bytes()?).ok()?)
    });
    match written {
        Some(name) if is_template(&name) => name,
        Some(name) => normal(&name),
        None => project_name(directory),
    }
}

/// The name that is `given`, written in the compose files, or follows from the directory.
///
/// Errors: compose does not accept it.
pub(super) fn name(
    context: &PlanContext<'_>,
    given: Option<&str>,
    (written, files): (&Written, &[String]),
    directory: &str,
) -> Result<String, Stop> {
    let in_file = written.name(files);
    if let (None, Some(name)) = (given, in_file.as_ref().filter(|name| name.contains('$'))) {
        let title = format!("the name `{name}` of the compose project has a variable");
        let refused = context.refuse_key("op", title, "what it is has to be known here");
        return Err(refused.hint("add `project_name`"));
    }
    let name = given
        .map(str::to_owned)
        .or_else(|| in_file.map(|name| normal(&name)))
        .unwrap_or_else(|| project_name(directory));
    let plain =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || "_-".contains(character);
    if name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit()) && name.chars().all(plain) {
        return Ok(name);
    }
    let title = format!("`{name}` is not a valid name for a compose project");
    let argument = if given.is_some() {
        "project_name"
    } else {
        "project_directory"
    };
    Err(context
        .refuse(
            argument,
            title,
            "use lower-case letters, digits, `_` and `-`, starting with a letter or digit",
        )
        .hint("write another `project_name`"))
}

/// The name that compose makes of one in a file.
fn normal(name: &str) -> String {
    project_name(&name.replace('/', ""))
}
