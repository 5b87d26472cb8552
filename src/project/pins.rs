//! `inventories/<name>.images.lock`: the digests that the images of an inventory are held to.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use super::reader::Source;
use crate::error::{Diagnostic, Origin};
use crate::facts::docker::{Pin, Pins, Reference, is_digest};
use crate::project::Project;
use crate::secrets::replace;
use crate::value::Entry;

const SUFFIX: &str = ".images.lock";

/// The path of the file for an inventory, in the project.
pub fn lock_file(inventory: &str) -> String {
    format!("inventories/{inventory}{SUFFIX}")
}

/// The line of an image in such a file.
pub fn lock_line(name: &str, digest: &str) -> String {
    format!("\"{name}\" = \"{digest}\"")
}

/// Writes the file of an inventory in the project at `root`, with digests by the names of images. A reader meanwhile sees the old
/// or the new one.
///
/// Errors: it cannot be written.
pub fn write_lock(root: &Path, inventory: &str, pins: &BTreeMap<String, String>) -> io::Result<()> {
    let place = root.join(lock_file(inventory));
    let place = place.canonicalize().unwrap_or(place);
    replace(&place, text(inventory, pins).as_bytes(), None)
}

fn text(inventory: &str, pins: &BTreeMap<String, String>) -> String {
    let lines = pins.iter().map(|(name, digest)| lock_line(name, digest) + "\n");
    format!(
        "# The images of `{inventory}`, and what they are held to. `homelab images pin {inventory}` writes this file.\n{}",
        lines.collect::<String>()
    )
}

/// Names such a file by its inventory.
pub(super) fn inventory_of(path: &str) -> Option<String> {
    path.strip_suffix(SUFFIX).map(str::to_owned)
}

/// What is wrong is left out.
pub(super) fn read(source: &Source, mistakes: &mut Vec<Diagnostic>) -> Option<Pins> {
    let start = source.start();
    let mut pins = Pins::default();
    let before = mistakes.len();
    for (name, entry) in &source.table {
        let origin = entry.key.as_ref().unwrap_or(&start);
        match pin(name, entry, origin) {
            Ok((image, pin)) => {
                if let Some(first) = pins.insert(&image, pin) {
                    let mistake = Diagnostic::new(format!("`{image}` is pinned twice"));
                    mistakes.push(
                        mistake
                            .at(origin, "the same image")
                            .at_maybe(Some(&first.origin), "first pinned here")
                            .hint("remove one of the two"),
                    );
                }
            }
            Err(mistake) => mistakes.push(mistake),
        }
    }
    (mistakes.len() == before).then_some(pins)
}

fn pin(name: &str, entry: &Entry, origin: &Origin) -> Result<(Reference, Pin), Diagnostic> {
    let image = Reference::parse(name).map_err(|label| {
        let title = format!("`{name}` is not a valid name for a Docker image");
        Diagnostic::new(title)
            .at(origin, label)
            .hint("write the name as in the compose file, such as `\"caddy:2.10\"`, in quotes")
    })?;
    if image.digest.is_some() {
        return Err(Diagnostic::new("a pin names an image by its tag")
            .at(origin, "has a digest")
            .hint("write the name with its tag alone, such as `\"caddy:2.10\"`"));
    }
    let place = entry.value.origin.as_ref().unwrap_or(origin);
    let Some(digest) = entry.value.as_str() else {
        let title = format!("the pin of `{name}` must be a string");
        return Err(Diagnostic::new(title)
            .at(place, format!("this is {}", entry.value.shown()))
            .hint("let `homelab images pin` write it"));
    };
    if !is_digest(digest) {
        let title = format!("the pin of `{name}` is not a valid digest");
        return Err(Diagnostic::new(title)
            .at(place, "must be `sha256:` and 64 hexadecimal digits")
            .hint("let `homelab images pin` write it"));
    }
    let pin = Pin {
        digest: digest.to_owned(),
        origin: origin.clone(),
    };
    Ok((image, pin))
}

/// The mistakes of files that belong to no inventory.
pub(super) fn without_inventory(project: &Project, broken: &BTreeSet<String>) -> Vec<Diagnostic> {
    let is_known =
        |name: &str| project.inventories.contains_key(name) || broken.contains(&format!("inventories/{name}.toml"));
    let lost = project.pins.keys().filter(|name| !is_known(name));
    let mistakes = lost.map(|name| {
        let title = format!("`{}` belongs to no inventory", lock_file(name));
        Diagnostic::new(title).hint(format!(
            "rename it after an inventory, or remove it: `inventories/{name}.toml` does not exist"
        ))
    });
    mistakes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SourceFile;
    use crate::value::parse_toml;

    fn read_text(text: &str) -> (Option<Pins>, Vec<String>) {
        let file = SourceFile::new("inventories/dev.images.lock", text);
        let mut mistakes = Vec::new();
        let source = Source {
            name: "dev".to_owned(),
            table: parse_toml(&file).expect("TOML"),
            file,
        };
        let pins = read(&source, &mut mistakes);
        (pins, mistakes.into_iter().map(|mistake| mistake.title).collect())
    }

    #[test]
    fn pins_are_names_and_digests() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let (pins, mistakes) = read_text(&format!("\"caddy:2.10\" = \"{digest}\"\nredis = \"{digest}\"\n"));
        assert!(mistakes.is_empty(), "{mistakes:?}");
        let pins = pins.expect("valid");
        let names: Vec<&str> = pins.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["caddy:2.10", "redis:latest"]);
        for (line, expected) in [
            (
                format!("Caddy = \"{digest}\""),
                "`Caddy` is not a valid name for a Docker image",
            ),
            (
                format!("\"a:1@{digest}\" = \"{digest}\""),
                "a pin names an image by its tag",
            ),
            ("a = 1".to_owned(), "the pin of `a` must be a string"),
            ("a = \"sha256:1\"".to_owned(), "the pin of `a` is not a valid digest"),
            (
                format!("a = \"{digest}\"\n\"docker.io/library/a:latest\" = \"{digest}\""),
                "`a:latest` is pinned twice",
            ),
        ] {
            let (pins, mistakes) = read_text(&line);
            assert_eq!(mistakes, [expected], "{line}");
            assert!(pins.is_none());
        }
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(root.path().join("inventories")).expect("a folder");
        let pins = [("caddy:2".to_owned(), digest.clone()), ("a:1".to_owned(), digest)].into();
        write_lock(root.path(), "dev", &pins).expect("written");
        let written = std::fs::read_to_string(root.path().join("inventories/dev.images.lock")).expect("text");
        let (read, mistakes) = read_text(&written);
        assert!(mistakes.is_empty(), "{mistakes:?}");
        assert_eq!(read.map(|read| read.iter().count()), Some(2), "{written}");
        assert_eq!(lock_file("prod"), "inventories/prod.images.lock");
        assert_eq!(inventory_of("prod.images.lock").as_deref(), Some("prod"));
        assert_eq!(inventory_of("prod.toml"), None);
    }
}
