//! The names of what is in a directory: to remove what the project does not have.

use crate::facts::answer::UnreadableAnswer;
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::key::{Fact, FactKey};
use crate::facts::path::{EntryKind, Listing, ListingKey};
use crate::quote::quote;

static LISTINGS: Family = Family {
    subject: "the names in directories",
    probe,
    allowance: no_allowance,
    parse,
};

impl<'a> Readable<'a> for ListingKey<'a> {
    const FAMILY: &'static Family = &LISTINGS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// Prints a letter and a path for each entry, `+` after the last one, and `.` at the end of each directory. Of too much only a part is
/// printed, without the `+`.
fn probe(keys: &[FactKey]) -> String {
    let listings = keys.iter().filter_map(FactKey::path).map(|path| {
        format!(
            "{{ find {}/ -xdev -mindepth 1 -printf \"%y%P\\0\" 2>/dev/null; printf \"+\\0\"; }} | head -c {}; printf \"\\0.\\0\"\n",
            quote(path.trim_end_matches('/')),
            Listing::MOST
        )
    });
    listings.collect()
}

fn parse(keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let mut fields = answer.split(|byte| *byte == 0);
    let mut facts = Vec::with_capacity(keys.len());
    for key in keys {
        let mut listing = Listing {
            is_complete: false,
            ..Listing::default()
        };
        loop {
            let field = fields
                .next()
                .ok_or_else(|| UnreadableAnswer::new(format!("{key}: the end is missing")))?;
            match field {
                b"." => break,
                b"+" => listing.is_complete = true,
                [] => {}
                [kind, name @ ..] => {
                    let text = String::from_utf8_lossy(name);
                    if std::str::from_utf8(name).is_ok() && !text.chars().any(char::is_control) {
                        listing.entries.insert(text.into_owned(), kind_of(*kind));
                    } else {
                        listing.unusable.insert(text.into_owned());
                    }
                }
            }
        }
        facts.push((key.clone(), Fact::Listing(listing)));
    }
    Ok(facts)
}

fn kind_of(letter: u8) -> EntryKind {
    match letter {
        b'f' => EntryKind::File,
        b'd' => EntryKind::Directory,
        b'l' => EntryKind::Link,
        _ => EntryKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_by_kind() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        std::fs::create_dir(path.join("a b")).expect("made");
        std::fs::write(path.join("a b/+"), "").expect("written");
        std::fs::write(path.join("a b/x\ny"), "").expect("written");
        std::os::unix::fs::symlink("nowhere", path.join("l")).expect("linked");
        let keys = [path.to_str().expect("text").to_owned(), "/no such".to_owned()].map(FactKey::Listing);
        for shell in ["dash", "bash"] {
            let output = std::process::Command::new(shell).arg("-c").arg(probe(&keys)).output();
            let facts = parse(&keys, 0, &output.expect("it runs").stdout).expect("readable");
            let listing = |entries: &[(&str, EntryKind)]| {
                Fact::Listing(Listing {
                    entries: entries.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect(),
                    unusable: ["a b/x\ny"]
                        .map(str::to_owned)
                        .into_iter()
                        .filter(|_| !entries.is_empty())
                        .collect(),
                    is_complete: true,
                })
            };
            let first = listing(&[
                ("a b", EntryKind::Directory),
                ("a b/+", EntryKind::File),
                ("l", EntryKind::Link),
            ]);
            assert_eq!((&facts[0].1, &facts[1].1), (&first, &listing(&[])));
        }
        assert!(parse(&keys, 0, b"fa\0+\0\0.\0").is_err());
        let facts = parse(&keys[..1], 0, b"fa\0fcu\0.\0").expect("readable");
        assert!(matches!(&facts[0].1, Fact::Listing(listing) if !listing.is_complete));
    }
}
