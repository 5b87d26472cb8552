//! Reads the locales that programs can use.

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::key::{Fact, FactKey};
use crate::facts::locale::LocalesKey;

static LOCALES: Family = Family {
    subject: "locales",
    probe: |_| "command -v locale >/dev/null || exit 127\nLC_ALL=C locale -a 2>/dev/null".to_owned(),
    allowance: no_allowance,
    parse,
};

impl Readable<'_> for LocalesKey {
    const FAMILY: &'static Family = &LOCALES;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

fn parse(keys: &[FactKey], status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    if status == 127 {
        return Err(UnreadableAnswer::new(
            "`locale` not found: this host has no GNU C library",
        ));
    }
    let found: std::collections::BTreeSet<String> = lines(answer).into_iter().filter(|line| !line.is_empty()).collect();
    Ok(keys
        .iter()
        .map(|key| (key.clone(), Fact::Locales(found.clone())))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_locale() {
        let facts = parse(&[FactKey::Locales], 0, b"C\nC.utf8\nPOSIX\nde_DE.utf8\n").expect("readable");
        assert!(matches!(&facts[0].1, Fact::Locales(found) if found.len() == 4 && found.contains("de_DE.utf8")));
        assert!(parse(&[FactKey::Locales], 127, b"").is_err());
    }
}
