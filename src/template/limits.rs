//! Where a template ends at the latest.

use std::io::{self, Write};

use minijinja::{Error, ErrorKind, Template, Value};

/// How many instructions of minijinja one evaluation may take: some seconds of a processor, and far more than any file of a host needs.
pub(super) const MOST_STEPS: u64 = 20_000_000;

/// How long the text of one template may get, in bytes: data that use each other twice would else take all memory.
pub(super) const LARGEST_TEXT: usize = 4 << 20;

/// The text of a template.
///
/// Errors: it fails, or gets too long.
pub(super) fn rendered(template: &Template<'_, '_>, context: Value) -> Result<String, Error> {
    let mut text = Vec::new();
    template.render_captured_to(context, Bounded(&mut text))?;
    String::from_utf8(text).map_err(|error| Error::new(ErrorKind::WriteFailure, error.to_string()))
}

/// Text that may get no longer than [`LARGEST_TEXT`].
struct Bounded<'a>(&'a mut Vec<u8>);

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LARGEST_TEXT {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
