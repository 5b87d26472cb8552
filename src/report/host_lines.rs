//! Output of a command on several hosts: lines, each prefixed with its host's name.

use std::collections::BTreeMap;

use super::layout::joined;
use super::sanitize::{self, one_line};
use super::style::{Tone, paint};
use crate::gather::{CommandOutput, Stream};

/// A longer line is printed in parts of this size, in bytes.
const LONGEST: usize = 1 << 20;

/// The output of hosts, split into lines.
#[derive(Debug, Default)]
pub struct HostLines {
    /// The start of a line that has not ended yet.
    begun: BTreeMap<(String, Stream), Vec<u8>>,
}

impl HostLines {
    /// The lines that are complete now.
    pub fn lines(&mut self, output: &CommandOutput) -> String {
        let begun = self.begun.entry((output.host.clone(), output.stream)).or_default();
        begun.extend_from_slice(&output.bytes);
        let end = begun.iter().rposition(|byte| *byte == b'\n').map(|last| last + 1);
        match end.or((begun.len() > LONGEST).then_some(begun.len())) {
            Some(end) => host_lines(&output.host, &begun.drain(..end).collect::<Vec<u8>>()),
            None => String::new(),
        }
    }

    /// The rest of a host's output if it ended without a line break.
    pub fn rest(&mut self, host: &str, stream: Stream) -> String {
        let rest = self.begun.remove(&(host.to_owned(), stream));
        host_lines(host, &rest.unwrap_or_default())
    }
}

/// The lines of a host's output, prefixed with the host's name and sanitized.
pub fn host_lines(host: &str, output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<String> = text
        .lines()
        .map(|line| format!("{}: {}", paint(Tone::Heading, &one_line(host)), sanitize::lines(line)))
        .collect();
    joined(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(lines: &str) -> String {
        anstream::adapter::strip_str(lines).to_string()
    }

    #[test]
    fn each_line_of_a_host_has_its_name() {
        let lines = plain(&host_lines("web", b"one\n\n\x1b[2Jtwo"));
        assert_eq!(lines, "web: one\nweb: \nweb: \\x1b[2Jtwo\n");
        assert_eq!(host_lines("web", b""), "");
    }

    #[test]
    fn lines_are_printed_whole_whatever_comes_between() {
        let mut lines = HostLines::default();
        let mut printed = |host: &str, stream, text: &str| {
            let output = CommandOutput::of(host, stream, text.as_bytes());
            plain(&lines.lines(&output))
        };
        assert_eq!(printed("web", Stream::Output, "on"), "");
        assert_eq!(printed("dns", Stream::Output, "other\n"), "dns: other\n");
        assert_eq!(printed("web", Stream::Errors, "bad\n"), "web: bad\n");
        assert_eq!(printed("web", Stream::Output, "e\ntwo\nthr"), "web: one\nweb: two\n");
        assert!(printed("dns", Stream::Output, &"x".repeat(LONGEST + 1)).ends_with("xx\n"));
        assert_eq!(plain(&lines.rest("web", Stream::Output)), "web: thr\n");
        assert_eq!(lines.rest("web", Stream::Output), "");
    }
}
