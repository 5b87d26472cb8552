//! The models that a host has: regular files whose names are the models'.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};

use crate::names::ModelName;

/// A file longer than this is none of a model's settings.
const MOST_BYTES: u64 = 64 * 1024;

/// One model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    pub name: ModelName,
    pub path: PathBuf,
    /// Where it answers, or what is wrong with its line `PORT=`. A file without the line has neither.
    pub port: Result<Option<u16>, String>,
}

/// Why the models are not known.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the folder of models `{}`", .path.display())]
pub struct FolderError {
    path: PathBuf,
    source: std::io::Error,
}

/// The folder of models. It is read again each time: a new file is a new model.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The models below `path`.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// All models by name. A folder that is not there has none; files of other names are none.
    ///
    /// Errors: the folder is there and cannot be read.
    pub fn models(&self) -> Result<Vec<Model>, FolderError> {
        let entries = match std::fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => {
                return Err(FolderError {
                    path: self.0.clone(),
                    source,
                });
            }
        };
        let names = entries
            .flatten()
            .filter_map(|entry| ModelName::parse(entry.file_name().to_str()?).ok());
        let mut models: Vec<Model> = names.filter_map(|name| self.model(&name)).collect();
        models.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(models)
    }

    /// One model; `None` unless its file is there, a regular one and no link.
    pub fn model(&self, name: &ModelName) -> Option<Model> {
        let path = self.0.join(name.as_str());
        // A link could lead anywhere, and a pipe would never end.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let is_regular = |file: &std::fs::File| {
            rustix::fs::fstat(file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
        };
        let port = match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(file) => {
                let file = std::fs::File::from(file);
                if !is_regular(&file) {
                    return None;
                }
                let mut text = String::new();
                match file.take(MOST_BYTES).read_to_string(&mut text) {
                    Ok(_) => port(&text),
                    Err(_) => Err("the file is not text".to_owned()),
                }
            }
            Err(rustix::io::Errno::ACCESS) => Err("the agent may not read the file".to_owned()),
            Err(_) => return None,
        };
        Some(Model {
            name: name.clone(),
            path,
            port,
        })
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// The port that a model's settings name, as systemd reads an `EnvironmentFile=`: the last `PORT=` counts.
fn port(text: &str) -> Result<Option<u16>, String> {
    let mut values = text
        .lines()
        .rev()
        .filter_map(|line| line.split_once('='))
        .filter_map(|(key, value)| (key.trim() == "PORT").then_some(value));
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let value = value.trim_matches(|character: char| character.is_ascii_whitespace());
    let unquoted = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    let value = unquoted.unwrap_or(value);
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    match value.parse::<u16>() {
        Ok(port) if port > 0 && is_number => Ok(Some(port)),
        _ => Err("`PORT=` must be a number from 1 to 65535".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Folder, port};

    #[test]
    fn ports_are_numbers() {
        for (text, expected) in [
            ("PORT=8198\n", Some(8198)),
            ("FILE=a.gguf\nPORT=\"8198\"\n", Some(8198)),
            ("PORT='8198'", Some(8198)),
            ("PORT=1\nPORT=65535\n", Some(65535)),
            ("#PORT=1\n", None),
            ("  PORT = 9\n", Some(9)),
            ("", None),
            ("IMPORT=5\n", None),
        ] {
            assert_eq!(port(text), Ok(expected), "{text:?}");
        }
        for value in [
            "0",
            "65536",
            "-1",
            "+5",
            "8199 # c",
            "abc",
            "",
            "\"8198",
            "8198;",
            "0x10",
            "8198\u{a0}",
            "99999999999",
        ] {
            assert!(port(&format!("PORT={value}\n")).is_err(), "{value:?}");
        }
    }

    #[test]
    fn only_regular_files_of_the_grammar_are_models() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for name in [
            "tiny",
            "b-2",
            "UPPER",
            "a.socket",
            "tiny.service",
            ".hidden",
            "a b",
            "*",
            "x;y",
            "-x",
        ] {
            std::fs::write(at(name), "PORT=8198\n").expect("written");
        }
        std::fs::create_dir(at("folder")).expect("made");
        std::os::unix::fs::symlink("/etc/passwd", at("link")).expect("linked");
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), rustix::fs::FileType::Fifo, 0o644.into(), 0).expect("made");
        std::fs::write(at("binary"), [0xff, 0xfe]).expect("written");
        let models = Folder::new(folder.path().to_owned()).models().expect("read");
        let found: Vec<(&str, bool)> = models
            .iter()
            .map(|model| (model.name.as_str(), model.port.is_ok()))
            .collect();
        assert_eq!(found, [("b-2", true), ("binary", false), ("tiny", true)]);
        assert_eq!(Folder::new("/nowhere".into()).models().expect("none"), []);
    }
}
