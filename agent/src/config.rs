//! The file of a mode, in TOML.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Why a configuration file is not used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read `{}`", .path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}:{line}:{column}: {problem}", .path.display())]
    Wrong {
        path: PathBuf,
        line: usize,
        column: usize,
        problem: String,
    },
}

/// Reads the configuration of a mode. Unknown keys are refused by the types that derive `deny_unknown_fields`.
///
/// Errors: the file cannot be read, or does not have the shape of `T`; then with line and column.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    toml::from_str(&text).map_err(|error| {
        let (line, column) = position(&text, error.span().map_or(0, |span| span.start));
        ConfigError::Wrong {
            path: path.to_owned(),
            line,
            column,
            problem: error.message().to_owned(),
        }
    })
}

/// Line and column of a byte, both from 1; columns count characters.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::{ConfigError, load};

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        minutes: u32,
    }

    #[track_caller]
    fn loaded(text: &str) -> Result<Example, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("power.toml");
        std::fs::write(&path, text).expect("written");
        load(&path)
            .map_err(|error: ConfigError| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
    }

    #[test]
    fn mistakes_have_a_place() {
        assert_eq!(loaded("minutes = 3\n").expect("read").minutes, 3);
        for (text, start) in [
            ("minutes = 3\nminuts = 4\n", "power.toml:2:1: unknown field `minuts`"),
            ("# é\nminutes = \"é\"\n", "power.toml:2:11: invalid type: string"),
            ("minutes = -1\n", "power.toml:1:11: invalid value: integer `-1`"),
            ("minutes = \n", "power.toml:1:11: "),
            ("", "power.toml:1:1: missing field `minutes`"),
        ] {
            let error = loaded(text).expect_err("wrong");
            assert!(error.starts_with(start), "{error}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = load::<Example>(std::path::Path::new("/nowhere/power.toml")).expect_err("missing");
        assert_eq!(error.to_string(), "cannot read `/nowhere/power.toml`");
    }
}
