//! The files of a project's folder. A project may come from someone else, so only regular files that are in it are read.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

/// A folder with more entries, or one nested deeper, is a mistake, such as links that multiply each other.
const MOST_ENTRIES: usize = 50_000;
const DEEPEST: usize = 40;

/// Room behind a file's bytes in which the standard library looks for the end: with less than 32 bytes it takes more calls.
const SPARE: usize = 64;

/// What the names of files begin with until they are written whole and get their place.
pub const UNFINISHED: &str = ".homelab-unfinished-";

/// Why a file of a project is not read.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A link that leads out of the project.
    #[error("it is a symbolic link to `{}`", .0.display())]
    LeadsOut(PathBuf),
    #[error("it is a symbolic link to `{}`, which contains it", .0.display())]
    Loop(PathBuf),
    #[error("it is a symbolic link to `{}`, which does not exist", .0.display())]
    Dangling(PathBuf),
    /// A named pipe, for example, would wait forever.
    #[error("it is {0}, not a regular file")]
    Special(&'static str),
    #[error("it is larger than {} MiB", .0 >> 20)]
    TooLarge(u64),
    #[error("it contains more than {MOST_ENTRIES} files and folders")]
    TooMany,
    #[error("it is nested more than {DEEPEST} folders deep")]
    TooDeep,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A file that was found, by the path that users see, and where it is with all links followed.
#[derive(Debug)]
pub struct Found {
    /// Relative to the project's root.
    pub shown: PathBuf,
    pub place: Result<PathBuf, Refused>,
    /// Whether it is a folder that cannot be listed.
    pub is_folder: bool,
}

/// The folder of a project.
#[derive(Debug)]
pub struct ProjectFolder {
    root: PathBuf,
}

impl ProjectFolder {
    /// The folder at `root`.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.canonicalize().unwrap_or_else(|_| root.to_path_buf()),
        }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the regular file `shown`, a path relative to the root, is. `None` if it does not exist.
    ///
    /// Errors: a link that leads out of the project, and anything that is not a regular file.
    pub fn find(&self, shown: &Path) -> Result<Option<PathBuf>, Refused> {
        let place = match self.root.join(shown).canonicalize() {
            Ok(place) => place,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if !place.starts_with(&self.root) {
            return Err(Refused::LeadsOut(place));
        }
        let kind = place.symlink_metadata()?.file_type();
        if kind.is_file() {
            return Ok(Some(place));
        }
        Err(Refused::Special(special(kind)))
    }

    /// The files that commands left in the project's root and in and below `folders` when they were killed while they wrote.
    pub fn unfinished(&self, folders: &[&str]) -> Vec<PathBuf> {
        let mut found = Vec::new();
        unfinished_in(&self.root, 0, &mut found);
        for folder in folders {
            unfinished_in(&self.root.join(folder), DEEPEST, &mut found);
        }
        found
    }

    /// The files below the folder `shown`, sorted; none if it does not exist. Lock files of Emacs (`.#name`) are left out:
    /// they are links that lead nowhere. So are files that are not written whole.
    pub fn list(&self, shown: &str) -> Vec<Found> {
        let mut listing = Listing::default();
        let top = self.root.join(shown);
        if top.symlink_metadata().is_ok() {
            let entered = vec![self.root.clone()];
            self.entry(PathBuf::from(shown), &top, &entered, &mut listing);
        }
        if listing.entries > MOST_ENTRIES {
            listing.refuse(PathBuf::from(shown), Refused::TooMany, true);
        }
        listing.found
    }

    /// Adds the file at `path`, or those below it.
    fn entry(&self, shown: PathBuf, path: &Path, entered: &[PathBuf], listing: &mut Listing) {
        listing.entries += 1;
        if listing.entries > MOST_ENTRIES {
            return;
        }
        let (place, kind) = match self.placed(path, entered) {
            Ok(placed) => placed,
            // A link to a folder is refused as a folder: what is below it cannot be named.
            Err(why) => return listing.refuse(shown, why, path.is_dir()),
        };
        if kind.is_file() {
            return listing.found.push(Found {
                shown,
                place: Ok(place),
                is_folder: false,
            });
        }
        if !kind.is_dir() {
            return listing.refuse(shown, Refused::Special(special(kind)), false);
        }
        if entered.len() > DEEPEST {
            return listing.refuse(shown, Refused::TooDeep, true);
        }
        let names = match names_in(&place) {
            Ok(names) => names,
            Err(why) => return listing.refuse(shown, why, true),
        };
        let entered = [entered, std::slice::from_ref(&place)].concat();
        for name in names {
            self.entry(shown.join(&name), &place.join(&name), &entered, listing);
        }
    }

    /// Where an entry is, and what it is, with links followed. The folder of `path` has no links in it.
    fn placed(&self, path: &Path, entered: &[PathBuf]) -> Result<(PathBuf, std::fs::FileType), Refused> {
        let kind = path.symlink_metadata()?.file_type();
        if !kind.is_symlink() {
            return Ok((path.to_path_buf(), kind));
        }
        let place = path.canonicalize().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Refused::Dangling(path.read_link().unwrap_or_default()),
            _ => Refused::Io(error),
        })?;
        if !place.starts_with(&self.root) {
            return Err(Refused::LeadsOut(place));
        }
        if entered.contains(&place) {
            return Err(Refused::Loop(path.read_link().unwrap_or_default()));
        }
        let kind = place.symlink_metadata()?.file_type();
        Ok((place, kind))
    }
}

/// What was found so far.
#[derive(Default)]
struct Listing {
    found: Vec<Found>,
    /// Files and folders that were looked at.
    entries: usize,
}

impl Listing {
    fn refuse(&mut self, shown: PathBuf, why: Refused, is_folder: bool) {
        self.found.push(Found {
            shown,
            place: Err(why),
            is_folder,
        });
    }
}

fn names_in(folder: &Path) -> Result<Vec<std::ffi::OsString>, Refused> {
    let mut names = Vec::new();
    for entry in folder.read_dir()?.flatten() {
        if names.len() > MOST_ENTRIES {
            return Err(Refused::TooMany);
        }
        let name = entry.file_name();
        if !name.as_bytes().starts_with(b".#") && !is_unfinished(&name) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Adds those in a folder, and in those below it, at most `depth` deep. Links are not followed.
fn unfinished_in(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && depth > 0 {
            unfinished_in(&entry.path(), depth - 1, found);
        } else if kind.is_file() && is_unfinished(&entry.file_name()) {
            found.push(entry.path());
        }
    }
}

fn is_unfinished(name: &std::ffi::OsStr) -> bool {
    name.as_bytes().starts_with(UNFINISHED.as_bytes())
}

/// What something is that is not a regular file.
pub(super) fn special(kind: std::fs::FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// Opens the regular file at `place`, an absolute path. No link is followed anywhere on the path, so a link that was put
/// there after the file was found leads nowhere.
///
/// Errors: it cannot be opened, or is not a regular file.
pub fn open_in_place(place: &Path) -> Result<File, Refused> {
    open_with_size(place).map(|(file, _)| file)
}

/// [`open_in_place`], with the size that the file has now.
fn open_with_size(place: &Path) -> Result<(File, u64), Refused> {
    // A named pipe is opened without a writer, to be refused below.
    let how = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = openat2(CWD, place, how, Mode::empty(), ResolveFlags::NO_SYMLINKS).or_else(|error| match error {
        // A kernel before 5.6, or a container that does not let this call through.
        Errno::NOSYS | Errno::PERM => open_by_steps(place, how),
        error => Err(error),
    });
    let file = File::from(opened.map_err(io::Error::from)?);
    let metadata = file.metadata()?;
    if metadata.is_file() {
        return Ok((file, metadata.len()));
    }
    Err(Refused::Special(special(metadata.file_type())))
}

/// Opens a file from one folder to the next.
fn open_by_steps(place: &Path, how: OFlags) -> rustix::io::Result<OwnedFd> {
    let above = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut folder = openat(CWD, "/", above, Mode::empty())?;
    let mut names = place.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    let name = names.next_back().unwrap_or_default();
    for name in names {
        folder = openat(&folder, name, above, Mode::empty())?;
    }
    openat(&folder, name, how, Mode::empty())
}

/// The bytes of a file that was found, if there are at most `most`.
pub fn read_in_place(place: &Path, most: u64) -> Result<Vec<u8>, Refused> {
    let (file, size) = open_with_size(place)?;
    let mut bytes = Vec::new();
    if size <= most {
        // With room for it and a little more, a file takes two calls to read, and not one for each time the room doubles.
        bytes.reserve_exact(usize::try_from(size).unwrap_or_default() + SPARE);
        // It may grow meanwhile.
        file.take(most + 1).read_to_end(&mut bytes)?;
    }
    if size.max(bytes.len() as u64) > most {
        return Err(Refused::TooLarge(most));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn make(root: &Path, folder: &str) -> PathBuf {
        let path = root.join(folder);
        std::fs::create_dir_all(&path).expect("made");
        path
    }

    fn pipe(path: &Path) {
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.expect("mkfifo").success());
    }

    /// What is found below `templates`: a file, or why it is refused.
    fn listed(root: &Path) -> Vec<(String, String)> {
        let found = ProjectFolder::new(root).list("templates").into_iter();
        found
            .map(|found| {
                let told = found.place.map_or_else(|why| why.to_string(), |_| "read".to_owned());
                (found.shown.display().to_string(), told)
            })
            .collect()
    }

    #[test]
    fn what_is_in_the_project_is_read_and_nothing_else() {
        let (inside, outside) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
        let root = inside.path().canonicalize().expect("there");
        let away = outside.path().canonicalize().expect("there");
        std::fs::write(away.join("key"), "secret").expect("written");
        let templates = make(&root, "templates/sub");
        std::fs::write(templates.join("file"), "text").expect("written");
        make(&root, "other");
        std::fs::write(root.join("other/shared"), "text").expect("written");
        let top = root.join("templates");
        symlink(away.join("key"), top.join("a-key")).expect("linked");
        symlink(&away, top.join("b-folder")).expect("linked");
        symlink("/", top.join("c-root")).expect("linked");
        symlink("../other/shared", top.join("d-inside")).expect("linked");
        symlink(root.join("other"), top.join("e-inside")).expect("linked");
        symlink("..", top.join("f-above")).expect("linked");
        symlink("g-loop", top.join("g-loop")).expect("linked");
        symlink("nowhere", top.join("h-nowhere")).expect("linked");
        symlink("me@machine.123:456", top.join(".#lock")).expect("linked");
        symlink("/dev/zero", top.join("i-device")).expect("linked");
        pipe(&top.join("j-pipe"));
        let _socket = UnixListener::bind(top.join("k-socket")).expect("bound");
        // A link out of the project by way of a link in it.
        symlink("a-key", top.join("l-second")).expect("linked");
        let told = listed(&root);
        let expected = [
            ("a-key", format!("it is a symbolic link to `{}/key`", away.display())),
            ("b-folder", format!("it is a symbolic link to `{}`", away.display())),
            ("c-root", "it is a symbolic link to `/`".to_owned()),
            ("d-inside", "read".to_owned()),
            ("e-inside/shared", "read".to_owned()),
            ("f-above", "it is a symbolic link to `..`, which contains it".to_owned()),
            ("g-loop", "Too many levels of symbolic links (os error 40)".to_owned()),
            (
                "h-nowhere",
                "it is a symbolic link to `nowhere`, which does not exist".to_owned(),
            ),
            ("i-device", "it is a symbolic link to `/dev/zero`".to_owned()),
            ("j-pipe", "it is a named pipe, not a regular file".to_owned()),
            ("k-socket", "it is a socket, not a regular file".to_owned()),
            ("l-second", format!("it is a symbolic link to `{}/key`", away.display())),
            ("sub/file", "read".to_owned()),
        ];
        let expected = expected.map(|(path, why)| (format!("templates/{path}"), why));
        assert_eq!(told, expected);
    }

    #[test]
    fn a_file_is_opened_in_one_step_as_in_many() {
        let folder = tempfile::tempdir().expect("made");
        let root = folder.path().canonicalize().expect("there");
        std::fs::write(make(&root, "real").join("file"), "text").expect("written");
        symlink("real", root.join("linked")).expect("linked");
        symlink("real/file", root.join("link")).expect("linked");
        pipe(&root.join("pipe"));
        let how = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for (path, opens) in [
            ("real/file", true),
            ("linked/file", false),
            ("link", false),
            ("none", false),
            ("pipe", false),
            ("real", false),
        ] {
            let path = root.join(path);
            assert_eq!(open_in_place(&path).is_ok(), opens, "{}", path.display());
            let by_steps = open_by_steps(&path, how).map(File::from);
            let is_file = by_steps.is_ok_and(|file| file.metadata().is_ok_and(|of_file| of_file.is_file()));
            assert_eq!(is_file, opens, "{}", path.display());
        }
    }

    #[test]
    fn folders_that_link_to_each_other_end() {
        let project = tempfile::tempdir().expect("made");
        let (a, b) = (make(project.path(), "templates/a"), make(project.path(), "templates/b"));
        symlink("../b", a.join("b")).expect("linked");
        symlink("../a", b.join("a")).expect("linked");
        std::fs::write(a.join("file"), "text").expect("written");
        let told = listed(project.path());
        assert_eq!(told.iter().filter(|(_, why)| why == "read").count(), 2, "{told:?}");
        assert!(
            told.iter().any(|(_, why)| why.ends_with("which contains it")),
            "{told:?}"
        );
        // Each level links to the next one twice.
        for level in 0..30 {
            let folder = make(project.path(), &format!("templates/{level}"));
            for name in ["x", "y"] {
                symlink(format!("../{}", level + 1), folder.join(name)).expect("linked");
            }
        }
        make(project.path(), "templates/30");
        let told = listed(project.path());
        assert!(
            told.iter().any(|(_, why)| why.ends_with("files and folders")),
            "{told:?}"
        );
        std::fs::remove_dir_all(project.path().join("templates")).expect("removed");
        let deep = make(project.path(), &format!("templates/0/{}", "d/".repeat(DEEPEST + 2)));
        std::fs::write(deep.join("file"), "text").expect("written");
        let told = listed(project.path());
        assert!(told.iter().any(|(_, why)| why.ends_with("deep")), "{told:?}");
    }

    #[test]
    fn a_link_that_is_put_there_later_is_not_followed() {
        let project = tempfile::tempdir().expect("made");
        let root = project.path().canonicalize().expect("there");
        let folder = make(&root, "templates/sub");
        std::fs::write(folder.join("file"), "text").expect("written");
        let place = ProjectFolder::new(&root).find(Path::new("templates/sub/file"));
        let place = place.expect("a file").expect("there");
        assert_eq!(read_in_place(&place, 4).expect("readable"), b"text");
        assert!(matches!(read_in_place(&place, 3), Err(Refused::TooLarge(3))));
        std::fs::rename(&folder, root.join("moved")).expect("moved");
        symlink(root.join("moved"), &folder).expect("linked");
        assert!(matches!(read_in_place(&place, 4), Err(Refused::Io(_))));
        std::fs::remove_file(&folder).expect("removed");
        let folder = make(&root, "templates/sub");
        pipe(&folder.join("file"));
        assert!(matches!(
            read_in_place(&place, 4),
            Err(Refused::Special("a named pipe"))
        ));
    }
}
