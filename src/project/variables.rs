//! The variables of `env('NAME')`: the environment, and the project's `.env`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use super::reader::unreadable;
use crate::content::{ProjectFolder, read_in_place};
use crate::error::Diagnostic;
use crate::secret::{PASSWORD_VARIABLE, remember};
use crate::template::Variables;

const FILE: &str = ".env";
/// A larger file is no list of variables, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// The variables of this process and of the project at `root`, and what is wrong with its `.env`.
pub(super) fn read(root: &Path, mistakes: &mut Vec<Diagnostic>) -> Variables {
    let own =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let own = own.filter(|(name, _)| name != PASSWORD_VARIABLE).collect();
    let file = of_file(root).unwrap_or_else(|mistake| {
        mistakes.push(*mistake);
        BTreeMap::new()
    });
    Variables::new(own, file)
}

fn of_file(root: &Path) -> Result<BTreeMap<String, String>, Box<Diagnostic>> {
    let place = ProjectFolder::new(root).find(Path::new(FILE));
    let Some(place) = place.map_err(|refused| unreadable(FILE, &refused))? else {
        return Ok(BTreeMap::new());
    };
    check_ignored(root)?;
    let bytes = read_in_place(&place, LARGEST).map_err(|refused| unreadable(FILE, &refused))?;
    let mut variables = BTreeMap::new();
    for (number, variable) in dotenvy::from_read_iter(bytes.as_slice()).enumerate() {
        // The error would show the line.
        let (name, value) = variable.map_err(|_| {
            Diagnostic::new(format!("the {} of `{FILE}` is not valid", nth(number)))
                .hint("write lines `NAME=value`, with quotes around a value with spaces: `NAME='a value'`")
        })?;
        remember(&value);
        variables.insert(name, value);
    }
    Ok(variables)
}

fn nth(number: usize) -> String {
    match number {
        0 => "first variable".to_owned(),
        more => format!("variable after the first {more}"),
    }
}

/// Refuses a file that the next commit may publish.
fn check_ignored(root: &Path) -> Result<(), Box<Diagnostic>> {
    let asked = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["check-ignore", "--quiet", FILE])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    // Other codes: there is no repository.
    let is_public = asked.is_ok_and(|status| status.code() == Some(1));
    if !is_public {
        return Ok(());
    }
    Err(Box::new(
        Diagnostic::new(format!("git would commit `{FILE}`, which holds secrets")).hint(format!(
            "add the line `/{FILE}` to `.gitignore`; if git has the file already, also run `git rm --cached {FILE}`"
        )),
    ))
}
