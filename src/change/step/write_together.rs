//! Several files that are written together, with new directories for them: what takes a process for each otherwise takes one for all.
//!
//! Everything that a single [`WriteFile`] promises holds here too. Whatever does not fit makes the script fail: before it has changed
//! anything, or with each file either old or new. Then the steps run one by one, which also says what is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write as _};
use std::ops::Range;

use super::resolved_path::{Above, End, ResolvedPath};
use super::state::{Attributes, is_number};
use super::{Expect, MakeDirectory, Previous, Script, Step, WriteFile};
use crate::content::Content;
use crate::facts::path::parent;
use crate::quote::{delimiter, quote, quote_all};

/// The sizes of a group: fewer files gain nothing, and more would not fit into memory or into an argument list.
const FEWEST: usize = 3;
const MOST: usize = 1000;
const MOST_BYTES: u64 = 8 << 20;
const MOST_TEXT: usize = 256 * 1024;
/// Of more files the whole file system is flushed: each file by itself costs a disk a write of its journal.
const MOST_FLUSHED_ALONE: usize = 64;

/// A step that can run together with others.
#[derive(Clone, Copy, Debug)]
pub enum OneOfMany<'a> {
    File(NewFile<'a>),
    /// A directory that does not exist.
    Directory(&'a MakeDirectory, &'a ResolvedPath),
}

/// A file that can be written together with others.
#[derive(Clone, Copy, Debug)]
pub struct NewFile<'a> {
    file: &'a WriteFile,
    bytes: &'a [u8],
    resolved: &'a ResolvedPath,
    /// The digest and attributes of the file that is there.
    old: Option<(&'a str, &'a Attributes)>,
}

impl<'a> OneOfMany<'a> {
    /// The step, if nothing about it needs a way of its own. `expect` are the conditions of its change.
    pub fn of(step: &'a Step, resolved: Option<&'a ResolvedPath>, expect: &'a [Expect]) -> Option<Self> {
        let (path, resolved) = (step.path()?, resolved?);
        let is_simple = !path
            .chars()
            .any(|character| character.is_control() || character == '\\');
        if !is_simple || resolved.is_open || resolved.in_place {
            return None;
        }
        let mut old = None;
        let mut is_known = false;
        for expect in expect {
            match expect {
                Expect::ResolvedPath(_) => {}
                Expect::Absent { path: absent } if absent == path => is_known = true,
                Expect::File {
                    path: present,
                    digest: Some(digest),
                    attributes,
                } if present == path => {
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
        if !is_known || !is_end_as_expected || old.is_some_and(|(_, old)| !is_named(old)) {
            return None;
        }
        match step {
            Step::WriteFile(file) if is_named(&file.attributes) && file.is_plain() => Some(Self::File(NewFile {
                file,
                bytes: file.content.bytes()?,
                resolved,
                old,
            })),
            Step::MakeDirectory(directory) if old.is_none() && !directory.keeps && is_named(&directory.attributes) => {
                Some(Self::Directory(directory, resolved))
            }
            _ => None,
        }
    }

    fn path(&self) -> &'a str {
        match self {
            Self::File(file) => file.path(),
            Self::Directory(directory, _) => &directory.path,
        }
    }

    fn resolved(&self) -> &'a ResolvedPath {
        match self {
            Self::File(file) => file.resolved,
            Self::Directory(_, resolved) => resolved,
        }
    }
}

impl<'a> NewFile<'a> {
    fn path(&self) -> &'a str {
        &self.file.path
    }
}

impl WriteFile {
    /// Whether there is no more to it than content and attributes.
    fn is_plain(&self) -> bool {
        self.validate.is_none() && self.fetch.is_none() && !self.backup
    }
}

/// Names are compared as `stat` prints them.
fn is_named(attributes: &Attributes) -> bool {
    !is_number(&attributes.owner) && !is_number(&attributes.group)
}

/// The ranges of neighbors that run together.
pub fn groups(steps: &[Option<OneOfMany<'_>>]) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let mut start = 0;
    while start < steps.len() {
        let end = start + group_at(&steps[start..]);
        if end - start >= FEWEST {
            groups.push(start..end);
        }
        start = end.max(start + 1);
    }
    groups
}

/// How many of the first steps belong together. Their files get the same attributes.
fn group_at<'a>(steps: &[Option<OneOfMany<'a>>]) -> usize {
    let (mut bytes, mut text) = (0, 0);
    let mut paths: BTreeSet<&'a str> = BTreeSet::new();
    let mut attributes = None;
    let fits = |step: &&Option<OneOfMany<'a>>| {
        let Some(step) = step else { return false };
        if let OneOfMany::File(file) = step {
            bytes += file.file.content.size();
            if *attributes.get_or_insert(&file.file.attributes) != &file.file.attributes {
                return false;
            }
        }
        text += step.path().len();
        bytes <= MOST_BYTES && text <= MOST_TEXT && paths.insert(step.path())
    };
    steps.iter().take(MOST).take_while(fits).count()
}

/// The script that does what `steps` do. What they replace is kept in `previous`.
pub fn write_together(steps: &[OneOfMany<'_>], random: u64, previous: Option<&Previous>) -> Script {
    let mut files = Vec::new();
    let mut directories = Vec::new();
    for step in steps {
        match step {
            OneOfMany::File(file) => files.push(*file),
            OneOfMany::Directory(directory, _) => directories.push(*directory),
        }
    }
    let name = format!(".homelab-{random:016x}.d");
    let staging = (!files.is_empty()).then(|| Staging::of(&files, &name));
    let made = quote_all(directories.iter().map(|directory| directory.path.as_str()));
    let stages = staging.as_ref().map_or("", |staging| &staging.stages);
    let mut body = format!(
        "for p in {made} {absent}; do [ ! -e \"$p\" ] && [ ! -L \"$p\" ] || exit; done\n\
         for p in {present}; do [ -f \"$p\" ] && [ ! -L \"$p\" ] || exit; done\n\
         {{ {above}; }} || exit\n\
         {unchanged}{keep}\
         new=\n\
         clear() {{ {clear}[ -z \"$new\" ] || rmdir -- {undone}; }}\n\
         trap clear EXIT; trap 'exit 1' HUP INT TERM PIPE\n",
        absent = quote_all(paths(&files, false)),
        present = quote_all(paths(&files, true)),
        above = above(steps),
        unchanged = unchanged(&files),
        keep = previous
            .filter(|_| files.iter().any(|file| file.old.is_some()))
            .map_or_else(String::new, |previous| previous.keep_all(paths(&files, true), false)),
        clear = if stages.is_empty() {
            String::new()
        } else {
            format!("rm -rf -- {stages}; ")
        },
        undone = quote_all(directories.iter().rev().map(|directory| directory.path.as_str())),
    );
    if !directories.is_empty() {
        let _ = writeln!(body, "new=1\nmkdir -- {made} || exit");
        body.push_str(&attributes_of(&directories));
    }
    if let Some(staging) = &staging {
        body.push_str(&staging.text(&files));
    }
    body.push_str("new=");
    Script {
        content: (!files.is_empty()).then(|| Content::new(archive(&files, &name))),
        ..Script::of(body)
    }
}

fn paths<'a>(files: &[NewFile<'a>], is_there: bool) -> impl Iterator<Item = &'a str> {
    files
        .iter()
        .filter(move |file| file.old.is_some() == is_there)
        .map(NewFile::path)
}

/// Shell text that sets the attributes of new directories and compares them.
fn attributes_of(directories: &[&MakeDirectory]) -> String {
    let mut alike: Vec<(&Attributes, Vec<&str>)> = Vec::new();
    for directory in directories {
        match alike
            .iter_mut()
            .find(|(attributes, _)| **attributes == directory.attributes)
        {
            Some((_, paths)) => paths.push(&directory.path),
            None => alike.push((&directory.attributes, vec![&directory.path])),
        }
    }
    let mut text = String::new();
    for (Attributes { owner, group, mode }, paths) in alike {
        let paths = quote_all(paths);
        let _ = writeln!(
            text,
            "chown -h -- {owners} {paths} && chmod -- {mode:05o} {paths} && [ \"$(stat -c '%a %U %G %F' -- {paths} | sort -u)\" = {all} ] || exit",
            owners = quote(&format!("{owner}:{group}")),
            all = quote(&format!("{mode:o} {owner} {group} directory")),
        );
    }
    text
}

/// Where files are until they are renamed: a folder in each directory that gets some.
struct Staging<'a> {
    name: &'a str,
    folders: Vec<&'a str>,
    /// One for each directory, quoted.
    stages: String,
}

/// Where a file is until it is renamed.
fn staged(path: &str, name: &str) -> String {
    let (folder, file) = path.split_at(path.rfind('/').unwrap_or_default());
    format!("{folder}/{name}{file}")
}

impl<'a> Staging<'a> {
    fn of(files: &[NewFile<'a>], name: &'a str) -> Self {
        let folders: BTreeSet<&str> = files.iter().map(|file| parent(file.path())).collect();
        let stages: Vec<String> = folders.iter().map(|folder| Self::stage(folder, name)).collect();
        Self {
            name,
            folders: folders.into_iter().collect(),
            stages: quote_all(stages.iter().map(String::as_str)),
        }
    }

    fn stage(folder: &str, name: &str) -> String {
        format!("{}/{name}", folder.trim_end_matches('/'))
    }

    /// Shell text that takes the archive from its standard input, and leaves its files in their places.
    fn text(&self, files: &[NewFile<'_>]) -> String {
        let Self { name, folders, stages } = self;
        let Attributes { owner, group, mode } = &files[0].file.attributes;
        let sums = sums(
            files
                .iter()
                .map(|file| (file.file.content.sha256(), staged(file.path(), name))),
        );
        let mut text = format!(
            "staged() {{ find {stages} -mindepth 1 -maxdepth 1 -type f \"$@\"; }}\n\
             mkdir -m 0700 -- {stages} || exit\n\
             ! ls -ld -- {stages} | grep -q '^..........+' || exit\n\
             case $(lsattr -d -- {folders} 2>/dev/null | cut -d ' ' -f 1) in *a*) exit 1 ;; esac\n\
             tar -x -m --no-same-owner --no-same-permissions -f - -C / || exit\n\
             sums=$(cat <<'{delimiter}'\n{sums}{delimiter}\n)\n\
             printf '%s\\n' \"$sums\" | sha256sum -c --strict --status || exit\n\
             staged -exec chown -h -- {owners} {{}} + || exit\n",
            folders = quote_all(folders.iter().copied()),
            delimiter = delimiter(&sums),
            owners = quote(&format!("{owner}:{group}")),
        );
        // What is not set anyway: ACLs, extended attributes and capabilities.
        for (folder, paths) in by_folder(files) {
            let stage = quote(&Self::stage(folder, name));
            let _ = writeln!(
                text,
                "cp --attributes-only --preserve=mode,xattr -t {stage} -- {} || exit",
                quote_all(paths)
            );
        }
        let flush = if files.len() > MOST_FLUSHED_ALONE {
            format!("sync -f -- {stages}")
        } else {
            "staged -exec sync -- {} +".to_owned()
        };
        let _ = write!(
            text,
            "staged -exec chmod -- {mode:05o} {{}} + || exit\n\
             [ \"$(staged -printf '%m %u %g\\n' | sort | uniq -c | tr -s ' ')\" = {every} ] || exit\n\
             {flush} || exit\n\
             new=\n",
            every = quote(&format!(" {} {mode:o} {owner} {group}", files.len())),
        );
        for folder in folders {
            let _ = writeln!(
                text,
                "find {} -mindepth 1 -maxdepth 1 -type f -exec mv -f -t {} -- {{}} + || exit",
                quote(&Self::stage(folder, name)),
                quote(folder),
            );
        }
        let _ = writeln!(
            text,
            "printf '%s\\n' \"$sums\" | sed 's,/{name}/,/,' | sha256sum -c --strict --status || exit\n\
             [ \"$(stat -c '%a %U %G' -- {paths} | sort -u)\" = {all} ] || exit",
            paths = quote_all(files.iter().map(NewFile::path)),
            all = quote(&format!("{mode:o} {owner} {group}")),
        );
        text
    }
}

/// Shell text that exits 0 if the directories above are as reviewed.
fn above(steps: &[OneOfMany<'_>]) -> String {
    let Some(first) = steps.first() else {
        return ":".to_owned();
    };
    // What a step of the group makes is looked at when it is made.
    let made: BTreeSet<&str> = steps
        .iter()
        .filter(|step| matches!(step, OneOfMany::Directory(..)))
        .map(OneOfMany::path)
        .collect();
    let mut above: Vec<Above> = steps
        .iter()
        .flat_map(|step| &step.resolved().above)
        .filter(|above| !made.contains(above.path.as_str()))
        .cloned()
        .collect();
    above.sort_by(|one, other| one.path.cmp(&other.path));
    above.dedup();
    let all = ResolvedPath {
        above,
        ..first.resolved().clone()
    };
    all.is_as_reviewed()
}

/// Shell text that ends with an error if a file that is replaced is not as reviewed.
fn unchanged(files: &[NewFile<'_>]) -> String {
    let known: Vec<_> = files
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

/// The files that are replaced, by their directories.
fn by_folder<'a>(files: &[NewFile<'a>]) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for path in paths(files, true) {
        folders.entry(parent(path)).or_default().push(path);
    }
    folders
}

/// The files as an archive of tar(1), with the names that they have until they are renamed.
fn archive(files: &[NewFile<'_>], name: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(file.bytes.len() as u64);
        header.set_mode(0o600);
        let path = staged(file.path(), name);
        // In memory; a name that does not fit makes the script fail, and the files are written one by one.
        let _ = archive.append_data(&mut header, path.trim_start_matches('/'), file.bytes);
    }
    archive.into_inner().unwrap_or_default()
}
