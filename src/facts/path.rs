//! What is at a path, and what a file holds.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::sight::HIDDEN;
use super::{Fact, FactKey, UnreadableAnswer};
use crate::quote::quote_all;
use crate::value::Known;

/// Files above this size are compared by digest and never fetched, in bytes.
pub const CONTENT_LIMIT: u64 = 1 << 20;

/// What is at a path, without following a last link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathFact {
    /// Nothing.
    Absent,
    /// Something.
    Present(Inode),
}

/// Something at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inode {
    /// What it is.
    pub kind: InodeKind,
    /// The owner's name; the number where the host knows no name for it.
    pub owner: String,
    /// The group's name; the number where the host knows no name for it.
    pub group: String,
    /// Permission bits, set-id and sticky bits included.
    pub mode: u32,
}

/// What something at a path is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InodeKind {
    /// A regular file.
    File {
        /// SHA-256 of its content in lower-case hex.
        digest: Known<String>,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Link {
        /// The text of the link.
        target: String,
    },
    /// A socket, a device, a pipe.
    Other,
}

impl Inode {
    /// What it is, in words for an error.
    pub fn describe(&self) -> &'static str {
        match self.kind {
            InodeKind::File { .. } => "a file",
            InodeKind::Directory => "a directory",
            InodeKind::Link { .. } => "a link",
            InodeKind::Other => "a device, socket or pipe",
        }
    }
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentFact {
    /// There is no regular file.
    Absent,
    /// The bytes.
    Bytes(Vec<u8>),
    /// More than [`CONTENT_LIMIT`].
    TooLarge,
}

/// One `stat` for all paths, then the links' targets, what may not be seen, and one `sha256sum` for those that are files.
pub(super) fn probe(paths: &[&str]) -> String {
    format!(
        "{HIDDEN}set -- {}\n\
         stat -c '%f %a %U:%u %G:%g %n' -- \"$@\" 2>/dev/null\n\
         printf 'links\\n'\n\
         for p; do [ -L \"$p\" ] && printf '%s\\n%s\\n' \"$p\" \"$(readlink -- \"$p\")\"; done\n\
         printf 'hidden\\n'\n\
         for p; do hidden \"$p\"; [ -z \"$why\" ] || printf '%s\\n%s\\n' \"$p\" \"$why\"; done\n\
         printf 'digests\\n'\n\
         for p; do shift; if [ -f \"$p\" ] && [ ! -L \"$p\" ]; then set -- \"$@\" \"$p\"; fi; done\n\
         [ $# = 0 ] || sha256sum -- \"$@\" 2>/dev/null\n\
         true",
        quote_all(paths.iter().copied())
    )
}

pub(super) fn parse(keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let lines = super::lines(answer);
    let section = |name: &str| {
        lines
            .iter()
            .position(|line| line == name)
            .ok_or_else(|| UnreadableAnswer::new(format!("the section `{name}` is missing")))
    };
    let (links_at, hidden_at, digests_at) = (section("links")?, section("hidden")?, section("digests")?);
    let links = pairs(&lines[links_at + 1..hidden_at]);
    let hidden = pairs(&lines[hidden_at + 1..digests_at]);
    let digests: BTreeMap<String, &str> = lines[digests_at + 1..].iter().filter_map(|line| digest(line)).collect();
    let mut present = BTreeMap::new();
    for line in &lines[..links_at] {
        let (path, mut inode) = parse_stat(line, &links, &digests)?;
        if let (
            InodeKind::File {
                digest: digest @ Known::No(_),
            },
            Some(why),
        ) = (&mut inode.kind, hidden.get(path))
        {
            *digest = Known::No((*why).to_owned());
        }
        present.insert(path, inode);
    }
    Ok(keys
        .iter()
        .filter_map(FactKey::path)
        .map(|path| {
            let fact = match (present.remove(path), hidden.get(path)) {
                (Some(inode), _) => Fact::Path(PathFact::Present(inode)),
                (None, Some(why)) => Fact::Denied((*why).to_owned()),
                (None, None) => Fact::Path(PathFact::Absent),
            };
            (FactKey::Path(path.to_owned()), fact)
        })
        .collect())
}

/// A line of sha256sum(1), which marks and doubles backslashes in names.
fn digest(line: &str) -> Option<(String, &str)> {
    let (digest, path) = line.trim_start_matches('\\').split_once("  ")?;
    let path = if line.starts_with('\\') {
        path.replace("\\\\", "\\")
    } else {
        path.to_owned()
    };
    Some((path, digest))
}

/// Lines two by two.
fn pairs(lines: &[String]) -> BTreeMap<&str, &str> {
    let pairs = lines.chunks_exact(2);
    pairs.map(|pair| (pair[0].as_str(), pair[1].as_str())).collect()
}

fn parse_stat<'a>(
    line: &'a str,
    links: &BTreeMap<&str, &str>,
    digests: &BTreeMap<String, &str>,
) -> Result<(&'a str, Inode), UnreadableAnswer> {
    let unreadable = || UnreadableAnswer::new(format!("`stat` printed `{line}`"));
    let mut fields = line.splitn(5, ' ');
    let mut next = || fields.next().ok_or_else(unreadable);
    let (raw, mode, owner, group, path) = (next()?, next()?, next()?, next()?, next()?);
    let raw = u32::from_str_radix(raw, 16).map_err(|_| unreadable())?;
    // The file type is in the upper bits of `st_mode` (inode(7)).
    let kind = match raw & 0o170_000 {
        0o100_000 => InodeKind::File {
            digest: digests.get(path).map_or_else(
                || Known::No("the file could not be read".to_owned()),
                |digest| Known::Yes((*digest).to_owned()),
            ),
        },
        0o040_000 => InodeKind::Directory,
        0o120_000 => InodeKind::Link {
            target: links.get(path).copied().unwrap_or_default().to_owned(),
        },
        _ => InodeKind::Other,
    };
    let inode = Inode {
        kind,
        owner: name_or_number(owner),
        group: name_or_number(group),
        mode: u32::from_str_radix(mode, 8).map_err(|_| unreadable())?,
    };
    Ok((path, inode))
}

fn name_or_number(field: &str) -> String {
    match field.split_once(':') {
        Some(("UNKNOWN" | "", number)) => number.to_owned(),
        Some((name, _)) => name.to_owned(),
        None => field.to_owned(),
    }
}

pub(super) fn content_probe(paths: &[&str]) -> String {
    format!(
        "{HIDDEN}for p in {}; do\n\
         hidden \"$p\"; if [ -n \"$why\" ]; then printf 'denied %s\\n' \"$why\"; continue; fi\n\
         if [ -f \"$p\" ] && [ ! -L \"$p\" ]; then\n\
         if [ \"$(wc -c <\"$p\")\" -gt {CONTENT_LIMIT} ]; then printf 'large\\n'; else printf 'file '; base64 <\"$p\" | tr -d '\\n'; printf '\\n'; fi\n\
         else printf 'absent\\n'; fi\n\
         done",
        quote_all(paths.iter().copied())
    )
}

pub(super) fn parse_content(
    keys: &[FactKey],
    _status: i32,
    answer: &[u8],
) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let lines = super::lines(answer);
    keys.iter()
        .zip(&lines)
        .map(|(key, line)| {
            let content = match line.split_once(' ') {
                Some(("denied", why)) => return Ok((key.clone(), Fact::Denied(why.to_owned()))),
                None if line == "absent" => ContentFact::Absent,
                None if line == "large" => ContentFact::TooLarge,
                Some(("file", encoded)) => ContentFact::Bytes(
                    STANDARD
                        .decode(encoded)
                        .map_err(|error| UnreadableAnswer::new(format!("{key}: {error}")))?,
                ),
                _ => return Err(UnreadableAnswer::new(format!("{key}: `{line}`"))),
            };
            Ok((key.clone(), Fact::Content(content)))
        })
        .collect()
}

/// The directories above an absolute path, the root first.
pub fn ancestors(path: &str) -> Vec<String> {
    let mut above: Vec<String> = path
        .char_indices()
        .filter(|(at, character)| *character == '/' && *at > 0)
        .map(|(at, _)| path[..at].to_owned())
        .collect();
    above.insert(0, "/".to_owned());
    above
}

/// The directory that holds `path`.
pub fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(at) => &path[..at],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(probe: &str) -> Vec<u8> {
        let output = std::process::Command::new("sh")
            .arg("-c")
            .arg(probe)
            .output()
            .expect("sh runs");
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }

    fn look(paths: &[String]) -> Vec<PathFact> {
        let keys: Vec<FactKey> = paths.iter().map(|path| FactKey::Path(path.clone())).collect();
        let names: Vec<&str> = paths.iter().map(String::as_str).collect();
        parse(&keys, 0, &ask(&probe(&names)))
            .expect("readable")
            .into_iter()
            .map(|(_, fact)| match fact {
                Fact::Path(fact) => fact,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn sees_files_directories_links_and_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        std::fs::write(at("a file's name"), "").expect("write");
        std::fs::create_dir(at("directory")).expect("mkdir");
        std::os::unix::fs::symlink("directory", at("link")).expect("symlink");
        std::os::unix::fs::symlink("nowhere", at("broken")).expect("symlink");
        std::process::Command::new("chmod")
            .arg("4751")
            .arg(at("a file's name"))
            .status()
            .expect("chmod");
        std::fs::write(at("back\\slash"), "").expect("write");
        let found = look(&[
            at("a file's name"),
            at("broken"),
            at("directory"),
            at("link"),
            at("none"),
            at("back\\slash"),
        ]);
        let PathFact::Present(file) = &found[0] else {
            panic!("{found:?}")
        };
        assert_eq!(file.mode, 0o4751);
        let digest = Known::Yes(crate::secret::sha256_hex(b""));
        assert_eq!(file.kind, InodeKind::File { digest });
        assert!(matches!(&found[5], PathFact::Present(inode) if inode.kind == file.kind));
        let kinds: Vec<_> = found[1..4]
            .iter()
            .map(|fact| match fact {
                PathFact::Present(inode) => inode.kind.clone(),
                PathFact::Absent => panic!("{found:?}"),
            })
            .collect();
        let link = |target: &str| InodeKind::Link {
            target: target.to_owned(),
        };
        assert_eq!(kinds, [link("nowhere"), InodeKind::Directory, link("directory")]);
        assert_eq!(found[4], PathFact::Absent);
    }

    #[test]
    fn reads_bytes_exactly() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f").to_string_lossy().into_owned();
        let bytes = b"a\0b\r\nno newline \xff";
        std::fs::write(&path, bytes).expect("write");
        let missing = folder.path().join("g").to_string_lossy().into_owned();
        let keys = [FactKey::Content(path.clone()), FactKey::Content(missing.clone())];
        let facts = parse_content(&keys, 0, &ask(&content_probe(&[&path, &missing]))).expect("readable");
        assert_eq!(facts[0].1, Fact::Content(ContentFact::Bytes(bytes.to_vec())));
        assert_eq!(facts[1].1, Fact::Content(ContentFact::Absent));
        std::fs::write(&path, "x".repeat(1 + usize::try_from(CONTENT_LIMIT).expect("fits"))).expect("write");
        let facts = parse_content(&keys[..1], 0, &ask(&content_probe(&[&path]))).expect("readable");
        assert_eq!(facts[0].1, Fact::Content(ContentFact::TooLarge));
    }

    #[test]
    fn an_owner_without_a_name_is_a_number() {
        let (_, inode) =
            parse_stat("81a4 644 UNKNOWN:1234 root:0 /x", &BTreeMap::new(), &BTreeMap::new()).expect("readable");
        assert_eq!((inode.owner.as_str(), inode.group.as_str()), ("1234", "root"));
    }

    #[test]
    fn knows_what_is_above_a_path() {
        assert_eq!(ancestors("/etc/apt/x"), ["/", "/etc", "/etc/apt"]);
        assert_eq!(parent("/etc"), "/");
        assert_eq!(parent("/etc/apt/x"), "/etc/apt");
    }
}
