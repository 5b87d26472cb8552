//! `server.locale`: generate locales, and set the default one.
//!
//! ```toml
//! [[operation]]
//! op = "server.locale"
//! locales = ["en_US.UTF-8", "de_DE.UTF-8"]
//! default = "de_DE.UTF-8"
//! ```

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::names::since;
use crate::change::{Action, Before, Command, Outcome, ResourceChange, ResourceId, ResourceKind, Step, Stop};
use crate::facts::locale::LocalesKey;
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::path::{ContentFact, ContentKey};
use crate::facts::{Fact, FactKey};
use crate::operations::files::edited_file::EditedFile;
use crate::operations::files::parameters::path_and_ancestors;
use crate::operations::files::text::append_line;
use crate::operations::work::Work;
use crate::operations::{Define, Operation, PlanContext};

/// Parameters of `server.locale`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Locale {
    /// Names of the locales, such as `"de_DE.UTF-8"`. Others stay.
    locales: Vec<String>,
    /// The locale of new sessions and services, as `LANG`. By default it is kept.
    default: Option<String>,
}

/// The locales that the host can generate, with the character set of each.
const SUPPORTED: &str = "/usr/share/i18n/SUPPORTED";
/// Which locales `locale-gen` generates, one a line.
const WISHES: &str = "/etc/locale.gen";
const DEFAULT: &str = "/etc/default/locale";
/// What that is a link to since Debian 13.
const DEFAULT_SINCE_13: &str = "/etc/locale.conf";
/// The C library has these without any file.
const BUILT_IN: [&str; 3] = ["c", "c.utf8", "posix"];

impl Define for Locale {
    const NAME: &'static str = "server.locale";
    const SUMMARY: &'static str = "Generate locales, and set the default one";
    const MAIN_ARGUMENT: &'static str = "locales";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "server.locale"
locales = ["de_DE.UTF-8"]
default = "de_DE.UTF-8"
"#;
}

impl Operation for Locale {
    fn needs(&self) -> Vec<FactKey> {
        let default = self.default.as_ref().map(|_| DEFAULT);
        let files = [WISHES].into_iter().chain(default);
        let of_files = files.flat_map(|path| {
            let content = FactKey::Content(path.to_owned());
            path_and_ancestors(path).into_iter().chain([content])
        });
        // Asked for along with the link to it, or a run without changes would take a round more.
        let linked = self
            .default
            .as_ref()
            .map(|_| FactKey::Content(DEFAULT_SINCE_13.to_owned()));
        of_files.chain(linked).chain([FactKey::Locales]).collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        let files = [WISHES, DEFAULT].map(|path| FactKey::Path(path.to_owned()));
        files
            .into_iter()
            .chain([FactKey::Locales])
            .map(FactScope::Key)
            .collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        context.on_scratch(|scratch| {
            let mut work = Work::default();
            // In the same round.
            let default = self.plan_default(scratch);
            let there = scratch.get(LocalesKey)?;
            self.generate(scratch, &there, &mut work)?;
            self.check_default(context, &there)?;
            work.add(scratch, default?);
            Ok(work.outcome())
        })
    }
}

impl Locale {
    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let plain = |character: char| character.is_ascii_alphanumeric() || "_.@-".contains(character);
        let is_name =
            |name: &str| name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.chars().all(plain);
        let all = self.locales.iter().map(|name| ("locales", name));
        let default = self.default.iter().map(|name| ("default", name));
        for (argument, name) in all.chain(default) {
            if !is_name(name) {
                let title = format!("`{name}` is not a valid locale");
                let label = "use letters, digits, `_`, `.`, `-` and `@`";
                let stop = match argument {
                    "locales" => context.refuse_item(argument, name, title, label),
                    _ => context.refuse(argument, title, label),
                };
                return Err(stop.hint("write a name such as \"de_DE.UTF-8\""));
            }
        }
        Ok(())
    }

    /// Refuses a default that no program could use.
    fn check_default(&self, context: &PlanContext<'_>, there: &BTreeSet<String>) -> Result<(), Stop> {
        let Some(default) = &self.default else { return Ok(()) };
        let wanted = normal(default);
        let is_known =
            BUILT_IN.contains(&wanted.as_str()) || self.locales.iter().chain(there).any(|name| normal(name) == wanted);
        if is_known {
            return Ok(());
        }
        let title = format!("the default locale `{default}` is not on the host");
        Err(context
            .refuse("default", title, "neither in `locales` nor listed by `locale -a`")
            .hint("add it to `locales`"))
    }

    /// The locales that need a line in the list of those to generate.
    fn own(&self) -> impl Iterator<Item = &String> {
        self.locales
            .iter()
            .filter(|name| !BUILT_IN.contains(&normal(name).as_str()))
    }

    fn generate(&self, context: &PlanContext<'_>, there: &BTreeSet<String>, work: &mut Work) -> Result<(), Stop> {
        let is_there = |name: &str| there.iter().any(|other| normal(other) == normal(name));
        let missing: Vec<&String> = self.own().filter(|name| !is_there(name)).collect();
        let wishes = EditedFile::new(WISHES, "locales");
        let Some(text) = wishes.text(context)? else {
            // Another package may have brought all locales.
            let Some(first) = missing.first() else { return Ok(()) };
            let title = format!("locale `{first}` cannot be generated");
            return Err(context
                .refuse_item("locales", first, title, format!("`{WISHES}` is not on the host"))
                .hint("install the package `locales` first, with `apt.packages`"));
        };
        for name in self.own() {
            if !name.contains('.') && line_of(&text, name).is_none() {
                let title = format!("locale `{name}` has no character set");
                return Err(context
                    .refuse_item("locales", name, title, format!("`{WISHES}` has no line for it"))
                    .hint(format!("write `{name}.UTF-8`")));
            }
        }
        for name in missing.iter().filter(|name| line_of(&text, name).is_none()) {
            check_supported(context, name)?;
        }
        work.add(context, wishes.plan(context, |text| self.listed(text))?);
        let mut all = there.clone();
        all.extend(missing.iter().map(|name| canonical(name)));
        for (number, name) in missing.iter().enumerate() {
            let mut change = ResourceChange::new(
                ResourceId::new(ResourceKind::Locale, name),
                Action::Create,
                Before::Absent,
                Some(std::iter::empty().collect()),
            );
            if number == 0 {
                change.steps = vec![Step::Run(Command::new("locale-gen", "locale-gen"))];
                change.effects = vec![Effect::Set(FactKey::Locales, Fact::Locales(all.clone()))];
            }
            work.add(context, Outcome::Change(vec![change]));
        }
        Ok(())
    }

    /// The list with the locales in it.
    fn listed(&self, text: &str) -> String {
        let mut listed = text.to_owned();
        for name in self.own() {
            match line_of(&listed, name) {
                Some(line) if !line.starts_with('#') => {}
                Some(line) => {
                    let active = line.trim_start_matches(['#', ' ', '\t']);
                    listed = replaced_line(&listed, line, active);
                }
                None => {
                    let set = name.split(['.', '@']).nth(1).unwrap_or_default();
                    let set = if normal(set) == "utf8" { "UTF-8" } else { set };
                    append_line(&mut listed, &format!("{name} {set}"));
                }
            }
        }
        listed
    }

    fn plan_default(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let Some(default) = &self.default else {
            return Ok(Outcome::Unchanged);
        };
        EditedFile::new(DEFAULT, "default").plan(context, |text| with_language(text, default))
    }
}

/// The name as it is compared: `de_DE.UTF-8` and `de_DE.utf8` are the same.
fn normal(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "")
}

/// The name as `locale -a` shows it.
fn canonical(name: &str) -> String {
    match name.split_once('.') {
        Some((language, set)) => format!("{language}.{}", normal(set)),
        None => name.to_owned(),
    }
}

/// The line for a locale; one that is generated comes before one that is only offered.
fn line_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let is_for = |line: &&str| {
        let first = line.trim_start_matches(['#', ' ', '\t']).split_whitespace().next();
        first.is_some_and(|first| normal(first) == normal(name)) && line.split_whitespace().count() <= 3
    };
    let active = text.lines().filter(|line| !line.starts_with('#')).find(is_for);
    active.or_else(|| text.lines().find(is_for))
}

fn replaced_line(text: &str, old: &str, new: &str) -> String {
    let mut is_done = false;
    let pieces = text.split_inclusive('\n').map(|piece| {
        let line = piece.trim_end_matches('\n');
        if line == old && !is_done {
            is_done = true;
            return format!("{new}\n");
        }
        piece.to_owned()
    });
    pieces.collect()
}

/// The text with one line `LANG=…`, in the place of the first there is.
fn with_language(text: &str, default: &str) -> String {
    let line = format!("LANG={default}");
    let mut edited = String::with_capacity(text.len());
    let mut is_placed = false;
    for piece in text.split_inclusive('\n') {
        let Some(value) = piece.trim_start().strip_prefix("LANG=") else {
            edited.push_str(piece);
            continue;
        };
        if is_placed {
            continue;
        }
        is_placed = true;
        if value.trim().trim_matches(['"', '\'']) == default {
            edited.push_str(piece);
        } else {
            append_line(&mut edited, &line);
        }
    }
    if !is_placed {
        append_line(&mut edited, &line);
    }
    edited
}

/// Refuses a locale that the host has no definition of, if it has the list of them.
fn check_supported(context: &PlanContext<'_>, name: &str) -> Result<(), Stop> {
    let Ok(ContentFact::Bytes(list)) = since(context.get(ContentKey(SUPPORTED)))? else {
        return Ok(());
    };
    let list = String::from_utf8_lossy(&list);
    let names_it = |line: &str| {
        line.split_once(' ').is_some_and(|(own, set)| {
            [own, &format!("{own}.{set}")]
                .iter()
                .any(|own| normal(own) == normal(name))
        })
    };
    if list.lines().any(names_it) {
        return Ok(());
    }
    let title = format!("unknown locale `{name}`");
    Err(context
        .refuse_item(
            "locales",
            name,
            title,
            format!("`{SUPPORTED}` on the host does not list it"),
        )
        .hint("correct the name; that file has all names"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(locales: &[&str], text: &str) -> String {
        let locales = locales.iter().map(|name| (*name).to_owned()).collect();
        Locale { locales, default: None }.listed(text)
    }

    #[test]
    fn a_line_is_activated_or_added() {
        let offered = "# This file lists locales that you wish to have built.\n# de_DE ISO-8859-1\n# de_DE.UTF-8 UTF-8\nen_US.UTF-8 UTF-8\n";
        let active = offered.replace("# de_DE.UTF-8", "de_DE.UTF-8");
        for (locales, text, expected) in [
            (&["de_DE.UTF-8"][..], offered, active.as_str()),
            (&["de_DE.utf8"], offered, active.as_str()),
            (
                &["de_DE.UTF-8", "en_US.UTF-8", "C.UTF-8"],
                active.as_str(),
                active.as_str(),
            ),
            (&["nl_NL.utf8"], "", "nl_NL.utf8 UTF-8\n"),
            (&["nl_NL.UTF-8"], "a b", "a b\nnl_NL.UTF-8 UTF-8\n"),
        ] {
            assert_eq!(listed(locales, text), expected);
        }
    }

    #[test]
    fn the_default_replaces_another() {
        for (text, expected) in [
            ("", "LANG=C.UTF-8\n"),
            ("LC_TIME=x\n", "LC_TIME=x\nLANG=C.UTF-8\n"),
            ("#  File\nLANG=\"C.UTF-8\"\n", "#  File\nLANG=\"C.UTF-8\"\n"),
            ("LANG=de\nLANGUAGE=x\nLANG=nl\n", "LANG=C.UTF-8\nLANGUAGE=x\n"),
        ] {
            assert_eq!(with_language(text, "C.UTF-8"), expected);
            assert_eq!(with_language(expected, "C.UTF-8"), expected);
        }
    }
}
