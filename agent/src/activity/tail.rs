//! Follows a log by its inode: through rotation by rename, through truncation, and while the file is missing.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// How much is read at once; the rest waits for the next turn.
const MOST: usize = 1024 * 1024;
/// A longer line is left out.
const LONGEST: usize = 16 * 1024;
/// How many turns without a new line the old file is kept for after a rotation: workers of nginx open the new one a moment later.
const LAST_TURNS: u32 = 2;

/// A log that is followed from its end.
pub(super) struct Tail {
    path: PathBuf,
    open: Option<Open>,
}

struct Open {
    file: File,
    identity: (u64, u64),
    offset: u64,
    /// The start of a line whose end has not been written yet.
    rest: Vec<u8>,
    /// Whether the current line is left out.
    skips: bool,
    /// Turns since the path led to another file.
    quiet: u32,
}

impl Tail {
    /// Starts at the end of the file that is there. One that appears later is read from its start.
    pub(super) fn from_end(path: &Path) -> io::Result<Self> {
        let open = match File::open(path) {
            Ok(mut file) => {
                let identity = identity(&file.metadata()?);
                let offset = file.seek(SeekFrom::End(0))?;
                let mut open = Open::at(file, identity, offset);
                open.skips = open.starts_within_a_line()?;
                Some(open)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            path: path.to_owned(),
            open,
        })
    }

    /// The lines that were written since the last turn.
    pub(super) fn turn(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let now = match fs::metadata(&self.path) {
            Ok(metadata) => Some(identity(&metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let mut lines = Vec::new();
        if let Some(open) = &mut self.open {
            open.read(&mut lines)?;
            let replaced = now.is_some_and(|now| now != open.identity);
            if !replaced {
                open.quiet = 0;
                return Ok(lines);
            }
            open.quiet = if lines.is_empty() { open.quiet + 1 } else { 0 };
            if open.quiet < LAST_TURNS {
                return Ok(lines);
            }
        }
        if now.is_some() {
            let file = File::open(&self.path)?;
            let identity = identity(&file.metadata()?);
            let mut open = Open::at(file, identity, 0);
            open.read(&mut lines)?;
            self.open = Some(open);
        }
        Ok(lines)
    }
}

fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

impl Open {
    fn at(file: File, identity: (u64, u64), offset: u64) -> Self {
        Self {
            file,
            identity,
            offset,
            rest: Vec::new(),
            skips: false,
            quiet: 0,
        }
    }

    fn starts_within_a_line(&mut self) -> io::Result<bool> {
        if self.offset == 0 {
            return Ok(false);
        }
        let mut last = [0];
        self.file.seek(SeekFrom::Start(self.offset - 1))?;
        self.file.read_exact(&mut last)?;
        Ok(last != *b"\n")
    }

    fn read(&mut self, lines: &mut Vec<Vec<u8>>) -> io::Result<()> {
        let size = self.file.metadata()?.size();
        if size < self.offset {
            // Truncated: what comes now is new.
            self.offset = 0;
            self.rest.clear();
            self.skips = false;
        }
        self.file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = Vec::new();
        let most = u64::try_from(MOST).unwrap_or(u64::MAX);
        let count = self.file.by_ref().take(most).read_to_end(&mut bytes)?;
        self.offset += u64::try_from(count).unwrap_or(u64::MAX);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (piece, ends) = match piece {
                [line @ .., b'\n'] => (line, true),
                piece => (piece, false),
            };
            if !self.skips {
                self.rest.extend_from_slice(piece);
                self.skips = self.rest.len() > LONGEST;
            }
            if self.skips {
                self.rest.clear();
            }
            if ends {
                if !self.skips {
                    lines.push(std::mem::take(&mut self.rest));
                }
                self.skips = false;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn append(path: &Path, text: &str) {
        let mut file = File::options().append(true).create(true).open(path).expect("works");
        file.write_all(text.as_bytes()).expect("works");
    }

    fn turn(tail: &mut Tail) -> Vec<String> {
        let lines = tail.turn().expect("works");
        lines
            .into_iter()
            .map(|line| String::from_utf8(line).expect("works"))
            .collect()
    }

    #[test]
    fn new_lines_from_the_end() {
        let folder = tempfile::tempdir().expect("works");
        let path = folder.path().join("log");
        append(&path, "old\nhalf");
        let mut tail = Tail::from_end(&path).expect("works");
        assert!(turn(&mut tail).is_empty());
        append(&path, " of it\none\ntw");
        assert_eq!(turn(&mut tail), ["one"]);
        append(&path, "o\n\n");
        assert_eq!(turn(&mut tail), ["two", ""]);
    }

    #[test]
    fn a_rotated_file_is_read_to_its_end() {
        let folder = tempfile::tempdir().expect("works");
        let (path, old) = (folder.path().join("log"), folder.path().join("log.1"));
        append(&path, "");
        let mut tail = Tail::from_end(&path).expect("works");
        append(&path, "1\n");
        fs::rename(&path, &old).expect("works");
        // The new one has not been opened yet.
        append(&old, "2\n");
        assert_eq!(turn(&mut tail), ["1", "2"]);
        append(&path, "4\n");
        append(&old, "3\n");
        assert_eq!(turn(&mut tail), ["3"]);
        assert!(turn(&mut tail).is_empty());
        assert_eq!(turn(&mut tail), ["4"]);
        append(&path, "5\n");
        assert_eq!(turn(&mut tail), ["5"]);
    }

    #[test]
    fn a_truncated_file_is_read_from_its_start() {
        let folder = tempfile::tempdir().expect("works");
        let path = folder.path().join("log");
        append(&path, "a long line that was there\n");
        let mut tail = Tail::from_end(&path).expect("works");
        append(&path, "unfinished");
        assert!(turn(&mut tail).is_empty());
        File::options()
            .write(true)
            .open(&path)
            .expect("works")
            .set_len(0)
            .expect("works");
        append(&path, "new\n");
        assert_eq!(turn(&mut tail), ["new"]);
    }

    #[test]
    fn a_file_that_appears_later_is_read_from_its_start() {
        let folder = tempfile::tempdir().expect("works");
        let path = folder.path().join("log");
        let mut tail = Tail::from_end(&path).expect("works");
        assert!(turn(&mut tail).is_empty());
        append(&path, "first\n");
        assert_eq!(turn(&mut tail), ["first"]);
        fs::remove_file(&path).expect("works");
        assert!(turn(&mut tail).is_empty());
        append(&path, "second\n");
        let all: Vec<_> = (0..=LAST_TURNS).flat_map(|_| turn(&mut tail)).collect();
        assert_eq!(all, ["second"]);
    }

    #[test]
    fn long_lines_are_left_out() {
        let folder = tempfile::tempdir().expect("works");
        let path = folder.path().join("log");
        append(&path, "");
        let mut tail = Tail::from_end(&path).expect("works");
        append(&path, &"x".repeat(LONGEST + 1));
        assert!(turn(&mut tail).is_empty());
        append(&path, "still\nshort\n");
        assert_eq!(turn(&mut tail), ["short"]);
    }
}
