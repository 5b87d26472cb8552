//! Where in the project something is written that a stack has: mistakes are shown there.

use std::collections::BTreeSet;
use std::ops::Range;

use super::files::Written;
use super::folder::Folder;
use super::parsed::{ComposeFiles, Wrong};
use super::stack::{STACK_FILE, StackFile};
use super::yaml::{Node, parse};
use crate::change::Stop;
use crate::content::Assets;
use crate::error::{Diagnostic, Origin, SourceFile, closest, suggestion};
use crate::operations::PlanContext;
use crate::operations::file_place::place_in_project;
use crate::template::STACKS;
use crate::value::parse_toml;

/// Refuses a stack that the project does not have.
pub(super) fn check_stack(context: &PlanContext<'_>, stack: &str) -> Result<(), Stop> {
    let of_stacks = context
        .asset_names()
        .filter_map(|name| name.strip_prefix(STACKS)?.strip_prefix('/')?.split_once('/'));
    let known: BTreeSet<&str> = of_stacks.map(|(name, _)| name).collect();
    if known.contains(stack) {
        return Ok(());
    }
    let title = format!("unknown stack `{stack}`");
    let refused = context.refuse(
        "stack",
        title,
        format!("no folder below `templates/{STACKS}/` has this name"),
    );
    Err(match suggestion(stack, known.iter().copied()) {
        Some(hint) => refused.hint(hint),
        None => refused.hint(format!("put the compose file into `templates/{STACKS}/{stack}/`")),
    })
}

/// A stack, as far as it is known before a host is asked.
pub(super) struct CheckedStack<'a> {
    pub(super) name: &'a str,
    /// The compose files that the operation names.
    pub(super) files: &'a [String],
    /// On the host.
    pub(super) directory: &'a str,
    pub(super) written: &'a Written,
    /// Its files, also those whose content is not known.
    pub(super) names: &'a BTreeSet<String>,
    pub(super) stack_file: &'a StackFile,
}

/// Refuses what is wrong in the stack by itself.
pub(super) fn check_stack_files(context: &PlanContext<'_>, stack: &CheckedStack<'_>) -> Result<(), Stop> {
    let CheckedStack {
        name,
        files,
        written,
        stack_file,
        ..
    } = *stack;
    let on_change = &stack_file.on_change;
    let texts = written.compose_texts(files);
    if files.is_empty() {
        tell_of_second(context, written);
    }
    check_patterns(context, stack)?;
    if texts.is_empty() {
        return Ok(());
    }
    let are_all = files.is_empty() || files.len() == texts.len();
    let is_made = |path: &str| context.may_be_there(&format!("{}/{path}", stack.directory));
    let folder = Folder {
        stack: name,
        names: stack.names,
        directories: stack_file.directories.keys().map(String::as_str).collect(),
        is_made: &is_made,
    };
    let found = ComposeFiles::parse(&texts, are_all).and_then(|files| {
        match files.mistake().or_else(|| files.missing(&folder)) {
            Some(wrong) => Err(wrong),
            None => Ok(files),
        }
    });
    let found = found.map_err(|wrong| refused(context, name, &texts, wrong))?;
    if let Some(known) = found.service_names() {
        let mut named = on_change.all().flat_map(|change| &change.services);
        if let Some(service) = named.find(|name| !known.contains(name.as_str())) {
            return Err(unknown_service(context, name, (service, "on_change"), &known));
        }
        if let Some(service) = stack_file.backed_up.iter().find(|name| !known.contains(name.as_str())) {
            return Err(unknown_service(context, name, (service, "backup"), &known));
        }
    }
    Ok(())
}

/// Refuses patterns of `stack.toml` that match nothing: they would have no effect.
fn check_patterns(context: &PlanContext<'_>, stack: &CheckedStack<'_>) -> Result<(), Stop> {
    let StackFile { files, on_change, .. } = stack.stack_file;
    let is_own = |matches: &dyn Fn(&str) -> bool| stack.names.iter().any(|name| matches(name));
    if let Some(pattern) = files.patterns().find(|one| !is_own(&|name| files.matches(one, name))) {
        return Err(unmatched(context, stack, "files", pattern));
    }
    // Earlier operations may write there, too.
    let Ok(earlier) = context.files_below(stack.directory) else {
        return Ok(());
    };
    let below = |path: &String| Some(path.strip_prefix(stack.directory)?.trim_start_matches('/').to_owned());
    let earlier: Vec<String> = earlier.keys().filter_map(below).collect();
    let is_matched = |pattern: &str| {
        let matches = |name: &str| on_change.matches(pattern, name);
        is_own(&matches) || earlier.iter().any(|name| matches(name))
    };
    match on_change.patterns().find(|pattern| !is_matched(pattern)) {
        Some(pattern) => Err(unmatched(context, stack, "on_change", pattern)),
        None => Ok(()),
    }
}

fn unmatched(context: &PlanContext<'_>, stack: &CheckedStack<'_>, table: &str, pattern: &str) -> Stop {
    let path = format!("{STACKS}/{}/{STACK_FILE}", stack.name);
    let title = format!("`{pattern}` in `{table}` matches no file of the stack");
    let label = format!("no such file in `templates/{STACKS}/{}/`", stack.name);
    let file = context
        .asset_text(&path)
        .map(|text| SourceFile::new(format!("templates/{path}"), text));
    let place = file.and_then(|file| {
        let written = parse_toml(&file).ok()?;
        written.get(table)?.value.as_table()?.get(pattern)?.key.clone()
    });
    let mistake = Diagnostic::new(title).at_maybe(place.as_ref(), label);
    let bare = pattern.strip_suffix(Assets::TEMPLATE_SUFFIX);
    let hint = match bare.or_else(|| closest(pattern, stack.names.iter().map(String::as_str))) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!(
            "write the path of a file below `templates/{STACKS}/{}/`, or remove the table",
            stack.name
        ),
    };
    let used = context.origin_of("stack");
    Stop::Refused(Box::new(mistake.at(used, "used here").hint(hint)))
}

/// Says that compose reads only one of two files.
fn tell_of_second(context: &PlanContext<'_>, written: &Written) {
    let mut found = written.default_files();
    if let (Some(read), Some(other)) = (found.next(), found.next()) {
        context.notice_of(
            "stack",
            &format!("the stack has `{read}` and `{other}`, and compose reads only `{read}`; remove one, or name them with `files`"),
        );
    }
}

/// The place that compose speaks of, if that is in the only compose file of the stack.
pub(super) fn place_of_reason(
    context: &PlanContext<'_>,
    (stack, files): (&str, &[String]),
    written: &Written,
    why: &str,
) -> Option<Origin> {
    let texts = written.compose_texts(files);
    let [(name, text)] = texts[..] else { return None };
    let file = parse(text).ok()?;
    let place = line_of(text, why).or_else(|| spoken_of(&file, why))?;
    source(context, stack, name, text, place)
}

/// The refusal of what is wrong, where it is written.
fn refused(context: &PlanContext<'_>, stack: &str, texts: &[(&str, &str)], wrong: Wrong) -> Stop {
    let text = texts
        .iter()
        .find(|(name, _)| *name == wrong.name)
        .map(|(_, text)| *text);
    let place = text.and_then(|text| source(context, stack, &wrong.name, text, wrong.place.clone()));
    let used = context.origin_of("stack");
    let mistake = Diagnostic::new(wrong.title);
    let mistake = if let Some(place) = place {
        mistake.at(&place, wrong.label).at(used, "used here")
    } else {
        let before = text.and_then(|text| text.get(..wrong.place.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        mistake.at(used, format!("line {line} of `{}`: {}", wrong.name, wrong.label))
    };
    Stop::Refused(Box::new(mistake.hint(wrong.hint)))
}

/// Refuses a service in a table of `stack.toml` that the project does not have.
pub(super) fn unknown_service(
    context: &PlanContext<'_>,
    stack: &str,
    (name, table): (&str, &str),
    known: &BTreeSet<&str>,
) -> Stop {
    let path = format!("{STACKS}/{stack}/{STACK_FILE}");
    let text = context.asset_text(&path).unwrap_or_default();
    let quoted = [format!("\"{name}\""), format!("'{name}'")];
    let found = quoted.iter().find_map(|word| Some((text.find(word)?, word.len())));
    let mistake = Diagnostic::new(format!("unknown service `{name}` in `{table}`"));
    let used = context.origin_of("stack");
    let mistake = match found {
        Some((start, length)) => {
            let file = SourceFile::new(format!("templates/{path}"), text);
            let place = Origin::new(&file, start..start + length);
            mistake
                .at(&place, "the compose file has no such service")
                .at(used, "used here")
        }
        None => mistake.at(used, format!("`templates/{path}` names it, the compose file does not")),
    };
    let hint = suggestion(name, known.iter().copied());
    Stop::Refused(Box::new(mistake.hint_maybe(hint)))
}

/// Where a place of a file of a stack is in the project.
fn source(context: &PlanContext<'_>, stack: &str, name: &str, text: &str, place: Range<usize>) -> Option<Origin> {
    place_in_project(context, &format!("{STACKS}/{stack}/{name}"), text, place)
}

/// The line that a reason names: `yaml: line 2: …`.
fn line_of(text: &str, why: &str) -> Option<Range<usize>> {
    let (_, rest) = why.split_once("line ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let number: usize = digits.parse().ok()?;
    let line = text.split('\n').nth(number.checked_sub(1)?)?;
    let start = line.as_ptr() as usize - text.as_ptr() as usize;
    let indent = line.len() - line.trim_start().len();
    Some(start + indent..start + line.trim_end().len().max(indent))
}

/// The entry that a reason names: `services.web.image must be …`, `service "web" depends on …`.
fn spoken_of(file: &Node, why: &str) -> Option<Range<usize>> {
    let words = why.split(|sign: char| sign.is_whitespace() || "\"':,;".contains(sign));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let tables = ["services", "networks", "volumes", "secrets", "configs"];
    let path = words.iter().find_map(|word| {
        let parts: Vec<&str> = word.split('.').collect();
        (parts.len() > 1 && tables.contains(&parts[0])).then_some(parts)
    });
    let path = path.or_else(|| {
        let at = words.iter().position(|word| *word == "service")?;
        Some(vec!["services", words.get(at + 1)?])
    })?;
    let mut node = file;
    let mut place = None;
    for part in path {
        let Some(entry) = node.entries().iter().find(|entry| entry.key == part) else {
            break;
        };
        place = Some(entry.place.clone());
        node = &entry.value;
    }
    // An unknown key is named behind its table.
    let unknown = node
        .entries()
        .iter()
        .find(|entry| why.contains(&format!("roperty {} is not", entry.key)));
    unknown.map(|entry| entry.place.clone()).or(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_compose_speaks_of_is_found() {
        let text = "services:\n  web:\n    image: demo\n    imagee: x\n    ports: {}\n  db: {}\n";
        let file = parse(text).expect("valid");
        for (why, expected) in [
            ("yaml: line 3: found something", "image: demo"),
            (
                "validating /opt/compose.yaml: services.web.ports must be a list",
                "ports",
            ),
            ("services.web Additional property imagee is not allowed", "imagee"),
            (
                "service \"db\" depends on undefined service \"x\": invalid compose project",
                "db",
            ),
        ] {
            let place = line_of(text, why).or_else(|| spoken_of(&file, why));
            assert_eq!(place.map(|place| &text[place]), Some(expected), "{why}");
        }
        assert_eq!(spoken_of(&file, "something else"), None);
    }
}
