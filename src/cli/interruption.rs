//! Ctrl-C, SIGTERM and SIGHUP.

use std::io;
use std::process::ExitCode;

use homelab::apply::{HostEnd, exit_code};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::output::eprint_line;
use super::runtime;

/// Listens from its creation on: before that, a signal ends the program at once.
pub(super) struct Interruption {
    signals: [Signal; 3],
}

impl Interruption {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            signals: [
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
            ],
        })
    }

    /// Waits for a signal to end.
    pub(super) async fn wanted(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }

    /// The result of `work`; `None` if a signal arrives first, in which case `work` is dropped.
    pub(super) async fn or<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.wanted() => None,
        }
    }
}

/// The result of `work` on a runtime of its own. After a signal, says `interrupted` and returns the exit code.
pub(super) fn waited<T>(work: impl Future<Output = T>, interrupted: &str) -> io::Result<Result<T, ExitCode>> {
    let done = runtime::all_threads()?.block_on(async {
        let mut interruption = Interruption::listen()?;
        io::Result::Ok(interruption.or(Box::pin(work)).await)
    })?;
    Ok(done.ok_or_else(|| {
        eprint_line(interrupted);
        ExitCode::from(exit_code([HostEnd::Interrupted]))
    }))
}

/// The result of `work` on one host, as [`waited`]. If the host cannot be read, says why and returns the exit code.
pub(super) fn waited_for_host<T, E>(
    work: impl Future<Output = Result<T, E>>,
    interrupted: &str,
    show: impl FnOnce(&E),
) -> io::Result<Result<T, ExitCode>> {
    Ok(match waited(work, interrupted)? {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => {
            show(&error);
            Err(ExitCode::from(exit_code([HostEnd::Unreachable])))
        }
        Err(code) => Err(code),
    })
}
