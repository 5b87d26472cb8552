//! Checks rendered files: whether they parse, and whether the names in them can exist.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::known::Vocabulary;
use super::names::{compares, undefined};
use super::shapes::{Place, Shapes};
use super::used::Used;
use crate::content::{Assets, EncryptedFile};
use crate::error::{Diagnostic, SourceFile, not_text};
use crate::project::Project;
use crate::template::{Names, analyze_file, inspect_file, is_shell_script};

pub(super) fn check(project: &Project, is_complete: bool, used: &mut Used) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    let mut read: Vec<Names> = Vec::new();
    let mut bound: BTreeSet<&str> = BTreeSet::new();
    let shapes = Shapes::of(project);
    let files = project
        .assets
        .in_memory()
        .filter(|(path, _)| path.ends_with(Assets::TEMPLATE_SUFFIX));
    // Names that only they use are used.
    let texts = encrypted(project).filter_map(|file| Some((file, file.text()?)));
    for (file, text) in texts {
        if let Ok(names) = inspect_file(file.name(), text) {
            used.add(&names);
        }
    }
    let scripts = scripts(project, used);
    for (name, bytes) in files {
        let path = format!("templates/{name}");
        match std::str::from_utf8(bytes).map(|text| (text, inspect_file(&path, text))) {
            Ok((text, Ok(names))) => {
                bound.extend(bound_in(text));
                let script = scripts.get(name);
                let has_commands = text.contains("Exec");
                if compares(text) || script.is_some() || has_commands {
                    let file = SourceFile::new(&path, text);
                    let found = analyze_file(text, &Place::nowhere(&shapes));
                    mistakes.extend(found.comparisons_in(&file));
                    if let Some(is_brought_in) = script {
                        mistakes.extend(found.loose_in(&file, *is_brought_in));
                    }
                    if has_commands {
                        mistakes.extend(found.in_commands_of(&file));
                    }
                }
                used.add(&names);
                read.push(names);
            }
            Ok((_, Err(mistake))) => mistakes.push(mistake),
            Err(_) => mistakes.push(not_text(&path, bytes)),
        }
    }
    if is_complete {
        let known = Vocabulary::of(project);
        for names in &read {
            mistakes.extend(unknown_names(names, &known, &bound));
        }
    }
    mistakes
}

/// The files that shells read, and those that they bring in, for which it says so. Left out are those that were looked at where operations
/// run them.
fn scripts(project: &Project, used: &Used) -> BTreeMap<String, bool> {
    let text = |name: &str| std::str::from_utf8(project.assets.get(name)?).ok();
    let all = project.assets.in_memory().map(|(name, _)| name);
    let own = all.filter(|name| name.ends_with(Assets::TEMPLATE_SUFFIX) && text(name).is_some_and(is_shell_script));
    let own: BTreeSet<String> = own.chain(&used.scripts).cloned().collect();
    let mut left: Vec<String> = own.iter().cloned().collect();
    let mut found: BTreeMap<String, bool> = BTreeMap::new();
    while let Some(name) = left.pop() {
        if let Entry::Vacant(new) = found.entry(name) {
            left.extend(text(new.key()).into_iter().flat_map(brought_in).map(str::to_owned));
            let is_brought_in = !own.contains(new.key());
            new.insert(is_brought_in);
        }
    }
    found.retain(|name, _| !used.scripts.contains(name));
    found
}

/// The names in quotes of `include`, `import`, `from` and `extends`.
fn brought_in(text: &str) -> impl Iterator<Item = &str> {
    let blocks = text.split("{%").skip(1).filter_map(|rest| rest.split("%}").next());
    let bringing = blocks.filter(|block| {
        let verb = block.trim_start_matches(['-', '+']).split_whitespace().next();
        verb.is_some_and(|verb| ["include", "import", "from", "extends"].contains(&verb))
    });
    bringing.flat_map(|block| block.split(['"', '\'']).skip(1).step_by(2))
}

/// Whether all templates could be read: without a key, the names that an encrypted one uses are unknown.
pub(super) fn are_read(project: &Project) -> bool {
    encrypted(project).all(|file| file.text().is_some())
}

fn encrypted(project: &Project) -> impl Iterator<Item = &EncryptedFile> {
    let all = project.assets.all_encrypted();
    all.filter(|(name, _)| name.ends_with(Assets::TEMPLATE_SUFFIX))
        .map(|(_, file)| file)
}

fn unknown_names(names: &Names, known: &Vocabulary<'_>, bound: &BTreeSet<&str>) -> Vec<Diagnostic> {
    // An included file sees the names that the including one binds.
    let is_bound = |name: &str| name.split('.').next().is_some_and(|first| bound.contains(first));
    let free = names.used.iter().filter(|name| !is_bound(name));
    free.filter_map(|name| {
        let unknown = if names.is_optional(name) {
            Vocabulary::unknown_fact(name)
        } else {
            known.unknown(name)
        };
        Some(undefined(names, &unknown?))
    })
    .collect()
}

/// Every word of a block that binds names: at least all names that it binds.
fn bound_in(text: &str) -> impl Iterator<Item = &str> {
    let blocks = text.split("{%").skip(1).filter_map(|rest| rest.split("%}").next());
    let binding = blocks.filter_map(|block| {
        let block = block.trim_start_matches(['-', '+']).trim_start();
        let (verb, rest) = block.split_once(char::is_whitespace)?;
        match verb {
            "for" => rest.split(" in ").next(),
            "set" => Some(rest.split('=').next().unwrap_or(rest)),
            "with" | "macro" | "import" | "from" => Some(rest),
            _ => None,
        }
    });
    binding.flat_map(|names| names.split(|character: char| !character.is_alphanumeric() && character != '_'))
}
