//! Reads swap files.

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::key::{Fact, FactKey, Stored as _};
use crate::facts::path::mount_field;
use crate::facts::swap::{SwapFact, SwapKey};
use crate::quote::quote;

static SWAPS: Family = Family {
    subject: "swap",
    probe,
    allowance: no_allowance,
    parse,
};

impl<'a> Readable<'a> for SwapKey<'a> {
    const FAMILY: &'static Family = &SWAPS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// A line for each: its size, whether it is swap, and whether it is in use. The mark of swap is at the end of the first page.
fn probe(keys: &[FactKey]) -> String {
    let one = |path: &str| {
        format!(
            "p={path}; used=no\n\
             while read -r n i; do [ \"$n\" != {field} ] || used=yes; done </proc/swaps\n\
             if [ ! -e \"$p\" ] && [ ! -L \"$p\" ]; then echo absent\n\
             elif [ -L \"$p\" ] || [ ! -f \"$p\" ]; then echo other\n\
             else printf \"%s %s %s\\n\" \"$(stat -c %s -- \"$p\")\" \
             \"$(dd if=\"$p\" bs=1 skip=$(($(getconf PAGESIZE 2>/dev/null || echo 4096)-10)) count=10 2>/dev/null | tr -cd A-Z0-9)\" $used; fi\n",
            path = quote(path),
            field = quote(&mount_field(path)),
        )
    };
    keys.iter().filter_map(SwapKey::of).map(|key| one(key.0)).collect()
}

fn parse(keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let facts = keys.iter().zip(lines(answer)).map(|(key, line)| {
        let words: Vec<&str> = line.split(' ').collect();
        let fact = match words[..] {
            ["absent"] => SwapFact::Absent,
            ["other"] => SwapFact::Other,
            [size, mark, used] => match size.parse() {
                Ok(size) if mark == "SWAPSPACE2" || used == "yes" => SwapFact::File {
                    size,
                    in_use: used == "yes",
                },
                Ok(_) => SwapFact::Other,
                Err(_) => return Err(UnreadableAnswer::new(format!("{key}: `{line}`"))),
            },
            _ => return Err(UnreadableAnswer::new(format!("{key}: `{line}`"))),
        };
        Ok((key.clone(), Fact::Swap(fact)))
    });
    facts.collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, SeekFrom, Write as _};

    use super::*;

    #[test]
    fn swap_is_told_from_other_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
        let mut swap = std::fs::File::create(path("swap")).expect("a file");
        swap.seek(SeekFrom::Start(4086)).expect("a place");
        swap.write_all(b"SWAPSPACE2").expect("written");
        std::fs::write(path("text"), "hello").expect("written");
        let keys = ["swap", "text", "none"].map(|name| FactKey::Swap(path(name)));
        let output = std::process::Command::new("sh")
            .args(["-c", &probe(&keys)])
            .output()
            .expect("sh runs");
        let facts = parse(&keys, 0, &output.stdout).expect("readable");
        let found: Vec<&Fact> = facts.iter().map(|(_, fact)| fact).collect();
        let file = SwapFact::File {
            size: 4096,
            in_use: false,
        };
        assert_eq!(
            found,
            [
                &Fact::Swap(file),
                &Fact::Swap(SwapFact::Other),
                &Fact::Swap(SwapFact::Absent)
            ]
        );
    }
}
