//! A command on several hosts, with its output line by line.

use std::process::ExitCode;
use std::time::Instant;

use homelab::apply::{HostEnd, exit_code};
use homelab::gather::{CommandEvent, Ran, Stream};
use homelab::report::{self, HostLines, Progress};
use tokio::sync::mpsc::UnboundedReceiver;

use super::errors;
use super::progress::{EventText, Lines, ProgressDisplay};

/// Prints the output of several hosts, each line prefixed with its host's name.
pub(super) async fn print_output(hosts: usize, events: UnboundedReceiver<CommandEvent>) -> anyhow::Result<ExitCode> {
    let display = ProgressDisplay::new(Progress::of_running(hosts), Lines::Report);
    let mut lines = HostLines::default();
    let mut all = Vec::new();
    let text_of = |progress: &mut Progress, event: CommandEvent| {
        progress.on_running(&event, Instant::now());
        match event {
            CommandEvent::Started { .. } => EventText::default(),
            CommandEvent::Output(written) => text_on(written.stream, lines.lines(&written)),
            CommandEvent::Finished(ran) => {
                let text = finished(&mut lines, &ran);
                all.push(end(&ran));
                text
            }
        }
    };
    display.follow(events, text_of, std::future::pending()).await?;
    Ok(ExitCode::from(exit_code(all)))
}

fn text_on(stream: Stream, lines: String) -> EventText {
    match stream {
        Stream::Output => EventText::line(Some(lines)),
        Stream::Errors => EventText {
            aside: lines,
            ..EventText::default()
        },
    }
}

/// The line for a finished host, besides its output.
fn finished(lines: &mut HostLines, ran: &Ran) -> EventText {
    let mut aside = lines.rest(&ran.host, Stream::Errors);
    match &ran.result {
        Ok(0) => {}
        Ok(status) => aside += &report::host_lines(&ran.host, format!("exit code {status}").as_bytes()),
        Err(error) => aside += &errors::plain(error),
    }
    EventText {
        lines: lines.rest(&ran.host, Stream::Output),
        aside,
    }
}

fn end(ran: &Ran) -> HostEnd {
    match &ran.result {
        Ok(0) => HostEnd::Converged,
        Ok(_) => HostEnd::Failed,
        Err(_) => HostEnd::Unreachable,
    }
}
