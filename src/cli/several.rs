//! A command on several hosts, with its output line by line.

use std::process::ExitCode;
use std::time::Instant;

use homelab::apply::{HostEnd, exit_code};
use homelab::gather::{CommandEvent, Ran, Stream};
use homelab::report::{self, HostLines, Progress};
use tokio::sync::mpsc::UnboundedReceiver;

use super::errors;
use super::telling::{Lines, Teller, Told};

/// Prints the output of several hosts, each line prefixed with its host's name.
pub(super) async fn tell(hosts: usize, told: UnboundedReceiver<CommandEvent>) -> anyhow::Result<ExitCode> {
    let teller = Teller::new(Progress::of_running(hosts), Lines::Report);
    let mut lines = HostLines::default();
    let mut all = Vec::new();
    let hear = |progress: &mut Progress, event: CommandEvent| {
        progress.on_running(&event, Instant::now());
        match event {
            CommandEvent::Started { .. } => Told::default(),
            CommandEvent::Output(written) => on(written.stream, lines.lines(&written)),
            CommandEvent::Finished(ran) => {
                let told = through(&mut lines, &ran);
                all.push(end(&ran));
                told
            }
        }
    };
    teller.follow(told, hear, std::future::pending()).await?;
    Ok(ExitCode::from(exit_code(all)))
}

fn on(stream: Stream, lines: String) -> Told {
    match stream {
        Stream::Output => Told::line(Some(lines)),
        Stream::Errors => Told {
            aside: lines,
            ..Told::default()
        },
    }
}

/// The line for a finished host, besides its output.
fn through(lines: &mut HostLines, ran: &Ran) -> Told {
    let mut aside = lines.rest(&ran.host, Stream::Errors);
    match &ran.result {
        Ok(0) => {}
        Ok(status) => aside += &report::host_lines(&ran.host, format!("exit code {status}").as_bytes()),
        Err(error) => aside += &errors::plain(error),
    }
    Told {
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
