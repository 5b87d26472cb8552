//! Several files that are written together: what takes a process for each file otherwise takes one for all.
//!
//! Everything that a single [`WriteFile`] promises holds here too. Whatever does not fit makes the script fail: before it has changed
//! anything, or with each file either old or new. Then the files are written one by one, which also says what is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write as _};
use std::ops::Range;

use super::resolved_path::{Above, End, ResolvedPath};
use super::state::{Attributes, is_number};
use super::{Expect, Script, Step, WriteFile};
use crate::content::Content;
use crate::facts::path::parent;
use crate::quote::{delimiter, quote, quote_all};

/// The sizes of a group: fewer files gain nothing, and more would not fit into memory or into an argument list.
const FEWEST: usize = 3;
const MOST: usize = 1000;
const MOST_BYTES: u64 = 8 << 20;
const MOST_TEXT: usize = 256 * 1024;

/// A file that can be written together with others.
#[derive(Clone, Copy, Debug)]
pub struct OneOfMany<'a> {
    file: &'a WriteFile,
    bytes: &'a [u8],
    resolved: &'a ResolvedPath,
    /// The digest and attributes of the file that is there.
    old: Option<(&'a str, &'a Attributes)>,
}

impl<'a> OneOfMany<'a> {
    /// The file of a step, if nothing about it needs a way of its own. `expect` are the conditions of its change.
    pub fn of(step: &'a Step, resolved: Option<&'a ResolvedPath>, expect: &'a [Expect]) -> Option<Self> {
        let (Step::WriteFile(file), Some(resolved)) = (step, resolved) else {
            return None;
        };
        let mut old = None;
        let mut is_known = false;
        for expect in expect {
            match expect {
                Expect::ResolvedPath(_) => {}
                Expect::Absent { path } if *path == file.path => is_known = true,
                Expect::File {
                    path,
                    digest: Some(digest),
                    attributes,
                } if *path == file.path => {
                    is_known = true;
                    old = Some((digest.as_str(), attributes));
                }
                _ => return None,
            }
        }
        let is_end_as_expected = match resolved.end {
            End::Absent => old.is_none(),
            End::Present { .. } => old.is_some(),
            End::Unknown => false,
        };
        let is_plain = file.validate.is_none() && file.fetch.is_none() && !file.backup;
        let is_named = |attributes: &Attributes| !is_number(&attributes.owner) && !is_number(&attributes.group);
        let are_named = is_named(&file.attributes) && old.is_none_or(|(_, attributes)| is_named(attributes));
        let is_simple = !file
            .path
            .chars()
            .any(|character| character.is_control() || character == '\\');
        let is_usual = is_plain && is_known && is_end_as_expected && are_named && is_simple;
        (is_usual && !resolved.is_open && !resolved.in_place).then_some(())?;
        Some(Self {
            file,
            bytes: file.content.bytes()?,
            resolved,
            old,
        })
    }

    fn path(&self) -> &'a str {
        &self.file.path
    }
}

/// The ranges of neighbors that are written together.
pub fn groups(files: &[Option<OneOfMany<'_>>]) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let mut start = 0;
    while start < files.len() {
        let end = start + group_at(&files[start..]);
        if end - start >= FEWEST {
            groups.push(start..end);
        }
        start = end.max(start + 1);
    }
    groups
}

/// How many of the first files belong together.
fn group_at<'a>(files: &[Option<OneOfMany<'a>>]) -> usize {
    let (mut bytes, mut text) = (0, 0);
    let mut paths: BTreeSet<&'a str> = BTreeSet::new();
    let Some(Some(first)) = files.first() else { return 0 };
    let fits = |file: &&Option<OneOfMany<'a>>| {
        let Some(file) = file else { return false };
        bytes += file.file.content.size();
        text += file.path().len();
        file.file.attributes == first.file.attributes
            && bytes <= MOST_BYTES
            && text <= MOST_TEXT
            && paths.insert(file.path())
    };
    files.iter().take(MOST).take_while(fits).count()
}

/// The script that writes `files`, which all get the same attributes.
pub fn write_together(files: &[OneOfMany<'_>], random: u64) -> Script {
    let Some(first) = files.first() else {
        return Script::of(":".to_owned());
    };
    let stage = format!(".homelab-{random:016x}.d");
    let staged = |path: &str| {
        let folder = parent(path).trim_end_matches('/');
        format!("{folder}/{stage}{}", &path[path.rfind('/').unwrap_or_default()..])
    };
    let (old, new): (Vec<&OneOfMany<'_>>, Vec<&OneOfMany<'_>>) = files.iter().partition(|file| file.old.is_some());
    let all = || new.iter().chain(&old);
    let folders: BTreeSet<&str> = files.iter().map(|file| parent(file.path())).collect();
    let stages: Vec<String> = folders
        .iter()
        .map(|folder| format!("{}/{stage}", folder.trim_end_matches('/')))
        .collect();
    let Attributes { owner, group, mode } = &first.file.attributes;
    let sums = sums(all().map(|file| (file.file.content.sha256(), staged(file.path()))));
    let mut body = format!(
        "set -- {paths}\n\
         i=0\n\
         for p; do\n\
         i=$((i + 1))\n\
         if [ $i -le {absent} ]; then [ ! -e \"$p\" ] && [ ! -L \"$p\" ]; else [ -f \"$p\" ] && [ ! -L \"$p\" ]; fi || exit\n\
         done\n\
         {above} || exit\n\
         {unchanged}\
         clear() {{ rm -rf -- {stages}; }}\n\
         staged() {{ find {stages} -mindepth 1 -maxdepth 1 -type f \"$@\"; }}\n\
         trap clear EXIT; trap 'exit 1' HUP INT TERM PIPE\n\
         mkdir -m 0700 -- {stages} || exit\n\
         ! ls -ld -- {stages} | grep -q '^..........+' || exit\n\
         case $(lsattr -d -- {folders} 2>/dev/null | cut -d ' ' -f 1) in *a*) exit 1 ;; esac\n\
         tar -x -m --no-same-owner --no-same-permissions -f - -C / || exit\n\
         sums=$(cat <<'{delimiter}'\n{sums}{delimiter}\n)\n\
         printf '%s\\n' \"$sums\" | sha256sum -c --strict --status || exit\n\
         staged -exec chown -h -- {owners} {{}} + || exit\n",
        paths = quote_all(all().map(|file| file.path())),
        absent = new.len(),
        above = above(files),
        unchanged = unchanged(&old),
        stages = quote_all(stages.iter().map(String::as_str)),
        folders = quote_all(folders.iter().copied()),
        delimiter = delimiter(&sums),
        owners = quote(&format!("{owner}:{group}")),
    );
    // What is not set anyway: ACLs, extended attributes and capabilities.
    for (folder, paths) in by_folder(&old) {
        let stage = quote(&format!("{}/{stage}", folder.trim_end_matches('/')));
        let _ = writeln!(
            body,
            "cp --attributes-only --preserve=mode,xattr -t {stage} -- {} || exit",
            quote_all(paths)
        );
    }
    let _ = write!(
        body,
        "staged -exec chmod -- {mode:05o} {{}} + || exit\n\
         [ \"$(staged -printf '%m %u %g\\n' | sort | uniq -c | tr -s ' ')\" = {every} ] || exit\n\
         staged -exec sync -- {{}} + || exit\n",
        every = quote(&format!(" {} {mode:o} {owner} {group}", files.len())),
    );
    for (folder, stage) in folders.iter().zip(&stages) {
        let _ = writeln!(
            body,
            "find {} -mindepth 1 -maxdepth 1 -type f -exec mv -f -t {} -- {{}} + || exit",
            quote(stage),
            quote(folder),
        );
    }
    let _ = write!(
        body,
        "printf '%s\\n' \"$sums\" | sed 's,/{stage}/,/,' | sha256sum -c --strict --status || exit\n\
         [ \"$(stat -c '%a %U %G' -- \"$@\" | sort -u)\" = {same} ]",
        same = quote(&format!("{mode:o} {owner} {group}")),
    );
    Script {
        content: Some(Content::new(archive(files, staged))),
        ..Script::of(body)
    }
}

/// Shell text that exits 0 if the directories above are as reviewed.
fn above(files: &[OneOfMany<'_>]) -> String {
    let mut above: Vec<Above> = files.iter().flat_map(|file| file.resolved.above.clone()).collect();
    above.sort_by(|one, other| one.path.cmp(&other.path));
    above.dedup();
    let all = ResolvedPath {
        above,
        ..files[0].resolved.clone()
    };
    format!("{{ {}; }}", all.is_as_reviewed())
}

/// Shell text that ends with an error if a file that is replaced is not as reviewed.
fn unchanged(old: &[&OneOfMany<'_>]) -> String {
    let known: Vec<_> = old
        .iter()
        .filter_map(|file| file.old.map(|old| (file.path(), old)))
        .collect();
    if known.is_empty() {
        return String::new();
    }
    let attributes: Vec<String> = known
        .iter()
        .map(|(_, (_, old))| format!("{:o} {} {}", old.mode, old.owner, old.group))
        .collect();
    let sums = sums(known.iter().map(|(path, (digest, _))| (*digest, *path)));
    format!(
        "[ \"$(stat -c '%a %U %G' -- {paths})\" = {attributes} ] || exit\n\
         sha256sum -c --strict --status <<'{delimiter}' || exit\n{sums}{delimiter}\n",
        paths = quote_all(known.iter().map(|(path, _)| *path)),
        attributes = quote(&attributes.join("\n")),
        delimiter = delimiter(&sums),
    )
}

/// Lines for sha256sum(1).
fn sums<'a>(files: impl Iterator<Item = (&'a str, impl Display)>) -> String {
    let mut sums = String::new();
    for (digest, path) in files {
        let _ = writeln!(sums, "{digest}  {path}");
    }
    sums
}

fn by_folder<'a>(files: &[&OneOfMany<'a>]) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in files {
        folders.entry(parent(file.path())).or_default().push(file.path());
    }
    folders
}

/// The files as an archive of tar(1), with the names that they have until they are renamed.
fn archive(files: &[OneOfMany<'_>], name: impl Fn(&str) -> String) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(file.bytes.len() as u64);
        header.set_mode(0o600);
        let name = name(file.path());
        // In memory; a name that does not fit would make the script fail, and the files be written one by one.
        let _ = archive.append_data(&mut header, name.trim_start_matches('/'), file.bytes);
    }
    archive.into_inner().unwrap_or_default()
}
