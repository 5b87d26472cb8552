//! Live output of commands on hosts.

use std::collections::BTreeMap;

use super::failure::last_state;
use super::layout::joined;
use super::sanitize::one_line;
use super::style::{Tone, grouped, paint};
use crate::apply::ApplyEvent;

/// Output split into lines, each prefixed with its host's name.
#[derive(Debug, Default)]
pub struct LiveOutput {
    /// The start of a line that has not ended yet, by host.
    begun: BTreeMap<String, Vec<u8>>,
}

impl LiveOutput {
    /// The lines to print for an event; empty for most events.
    pub fn lines(&mut self, event: &ApplyEvent) -> String {
        match event {
            ApplyEvent::Output { host, bytes, .. } => self.output(host, bytes),
            ApplyEvent::OutputLeftOut { host, bytes } => {
                let rest = self.rest(host);
                let note = format!(
                    "… {} bytes left out\n",
                    grouped(usize::try_from(*bytes).unwrap_or(usize::MAX))
                );
                rest + &prefixed(host, note.as_bytes())
            }
            // This text was printed as output already.
            ApplyEvent::Waits { host, .. } => {
                self.begun.remove(host);
                String::new()
            }
            ApplyEvent::Finished { host, .. } => self.rest(host),
            ApplyEvent::HostFinished { result } => self.rest(&result.host),
            _ => String::new(),
        }
    }

    fn output(&mut self, host: &str, bytes: &[u8]) -> String {
        let begun = self.begun.entry(host.to_owned()).or_default();
        begun.extend_from_slice(bytes);
        let Some(end) = begun.iter().rposition(|byte| *byte == b'\n') else {
            return String::new();
        };
        let lines: Vec<u8> = begun.drain(..=end).collect();
        prefixed(host, &lines)
    }

    fn rest(&mut self, host: &str) -> String {
        let rest = self.begun.remove(host).unwrap_or_default();
        prefixed(host, &rest)
    }
}

fn prefixed(host: &str, lines: &[u8]) -> String {
    let text = String::from_utf8_lossy(lines);
    let host = one_line(host);
    let line = |line: &str| {
        let line = format!("{host}  | {}", last_state(line));
        paint(Tone::Faint, line.trim_end())
    };
    joined(&text.lines().map(line).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(text: &str) -> ApplyEvent {
        ApplyEvent::Output {
            host: "web".to_owned(),
            bytes: text.as_bytes().to_vec(),
            room: None,
        }
    }

    #[test]
    fn lines_are_printed_whole_and_harmless() {
        let mut live = LiveOutput::default();
        let mut lines = |event: &ApplyEvent| anstream::adapter::strip_str(&live.lines(event)).to_string();
        assert_eq!(lines(&output("Reading")), "");
        assert_eq!(lines(&output(" lists\nBuil")), "web  | Reading lists\n");
        assert_eq!(
            lines(&output("ding\r50%\r\x1b[1m99%\n\n")),
            "web  | \\x1b[1m99%\nweb  |\n"
        );
        assert_eq!(lines(&output("held by 12")), "");
        let waits = ApplyEvent::Waits {
            host: "web".to_owned(),
            attempt: "x".to_owned(),
            words: "held by 12".to_owned(),
        };
        assert_eq!(lines(&waits), "");
        assert_eq!(lines(&output("no end")), "");
        let finished = ApplyEvent::Finished {
            host: "web".to_owned(),
            result: crate::report::tests::result("x", &[], None),
        };
        assert_eq!(lines(&finished), "web  | no end\n");
        assert_eq!(lines(&finished), "");
    }
}
