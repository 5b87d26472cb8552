//! The file of `--format-into`.

use std::path::PathBuf;

use super::format::DocumentFormat;

/// A file for the review, and the format given by its ending.
#[derive(Clone, Debug)]
pub(crate) struct DocumentPath {
    pub(super) path: PathBuf,
    pub(super) format: DocumentFormat,
}

impl DocumentPath {
    /// Reads the path from the command line.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let path = PathBuf::from(text);
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let format = match ending.as_str() {
            "json" => DocumentFormat::Json,
            "md" | "markdown" => DocumentFormat::Markdown,
            "html" | "htm" => DocumentFormat::Html,
            _ => return Err("unknown file extension; use `.md`, `.html` or `.json`".to_owned()),
        };
        Ok(Self { path, format })
    }
}
