//! Lines that run in a container through the Docker engine.
//!
//! A `docker exec` takes longer than most lines, so a shell in the container runs one line after the other.

use std::io::{Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// The shells in a container that are free. Lines that run at the same time have one each.
pub(crate) struct Shells {
    container: String,
    free: Mutex<Vec<Shell>>,
}

impl Shells {
    pub(crate) fn of(container: &str) -> Self {
        Self {
            container: container.to_owned(),
            free: Mutex::new(Vec::new()),
        }
    }

    /// The output of a line, which has no input. Where the container ends in between, the line has failed.
    pub(crate) fn output(&self, line: &str) -> Output {
        let free = || self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = free().pop();
        let mut shell = earlier.unwrap_or_else(|| Shell::start(&self.container));
        let mut ran = shell.run(line);
        if matches!(ran, Ran::NotBegun) {
            // It ended with an earlier boot of the host.
            shell = Shell::start(&self.container);
            ran = shell.run(line);
        }
        match ran {
            Ran::Whole(output) => {
                free().push(shell);
                output
            }
            Ran::CutOff(output) => output,
            Ran::NotBegun => shell.end(),
        }
    }
}

/// How far a line came.
enum Ran {
    Whole(Output),
    CutOff(Output),
    NotBegun,
}

/// What a shell printed, and whether as an error.
type Printed = (bool, Vec<u8>);

/// A shell in a container.
struct Shell {
    exec: Child,
    input: ChildStdin,
    printed: Receiver<Printed>,
    /// What it complained about before its first line.
    refusal: Vec<u8>,
}

impl Shell {
    fn start(container: &str) -> Self {
        let mut command = Command::new("docker");
        // Not as `sh`: tests look for shells of that name.
        command.args(["exec", "-i", container, "dash"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut exec = command.spawn().unwrap();
        let (sender, printed) = channel();
        read(exec.stdout.take().unwrap(), false, sender.clone());
        read(exec.stderr.take().unwrap(), true, sender);
        Self {
            input: exec.stdin.take().unwrap(),
            exec,
            printed,
            refusal: Vec::new(),
        }
    }

    fn run(&mut self, line: &str) -> Ran {
        static RUN: AtomicUsize = AtomicUsize::new(0);
        let number = RUN.fetch_add(1, Ordering::Relaxed);
        let (begin, end) = (format!("begin-of-line-{number}"), format!("end-of-line-{number}"));
        let quoted = shlex::try_quote(line).expect("a line without NUL");
        let program = format!(
            "echo {begin}; sh -c {quoted} </dev/null; printf '\\n%s %s\\n' {end} $?; printf '\\n%s\\n' {end} >&2\n"
        );
        if self.input.write_all(program.as_bytes()).is_err() {
            return Ran::NotBegun;
        }
        let mut output = Until::new(format!("\n{end} "));
        let mut errors = Until::new(format!("\n{end}\n"));
        while !(output.has_line() && errors.is_complete()) {
            let Ok((is_error, bytes)) = self.printed.recv() else {
                break;
            };
            if is_error { &mut errors } else { &mut output }.add(&bytes);
        }
        let begin = format!("{begin}\n");
        let Some(stdout) = output.before().strip_prefix(begin.as_bytes()) else {
            self.refusal = errors.bytes;
            return Ran::NotBegun;
        };
        let code = output.has_line().then(|| output.code());
        let ran = Output {
            // As of a container that ended.
            status: status(code.unwrap_or(137)),
            stdout: stdout.to_vec(),
            stderr: errors.before().to_vec(),
        };
        if code.is_some() && errors.is_complete() {
            Ran::Whole(ran)
        } else {
            Ran::CutOff(ran)
        }
    }

    /// What the engine said, in which no line ran.
    fn end(mut self) -> Output {
        let code = self.exec.wait().ok().and_then(|status| status.code());
        Output {
            status: status(code.filter(|code| *code != 0).unwrap_or(137)),
            stdout: Vec::new(),
            stderr: std::mem::take(&mut self.refusal),
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // The shell ends with its input.
        let _ = self.exec.kill();
        let _ = self.exec.wait();
    }
}

fn status(code: i32) -> ExitStatus {
    ExitStatus::from_raw(code << 8)
}

fn read(mut stream: impl Read + Send + 'static, is_error: bool, sender: Sender<Printed>) {
    thread::spawn(move || {
        let mut chunk = vec![0; 1 << 16];
        while let Ok(length @ 1..) = stream.read(&mut chunk) {
            if sender.send((is_error, chunk[..length].to_vec())).is_err() {
                break;
            }
        }
    });
}

/// What is printed until a mark. What a process in the background prints after that belongs to no line.
struct Until {
    mark: Vec<u8>,
    bytes: Vec<u8>,
    /// Where the mark begins.
    at: Option<usize>,
}

impl Until {
    fn new(mark: String) -> Self {
        Self {
            mark: mark.into_bytes(),
            bytes: Vec::new(),
            at: None,
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        let from = self.bytes.len().saturating_sub(self.mark.len());
        self.bytes.extend(bytes);
        if self.at.is_none() {
            let mut places = self.bytes[from..].windows(self.mark.len());
            self.at = places.position(|place| place == self.mark).map(|place| from + place);
        }
    }

    fn is_complete(&self) -> bool {
        self.at.is_some()
    }

    fn before(&self) -> &[u8] {
        &self.bytes[..self.at.unwrap_or(self.bytes.len())]
    }

    /// What follows the mark, in its line.
    fn rest(&self) -> Option<&[u8]> {
        let rest = &self.bytes[self.at? + self.mark.len()..];
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        Some(&rest[..end])
    }

    fn has_line(&self) -> bool {
        self.rest().is_some()
    }

    fn code(&self) -> i32 {
        let rest = self.rest().unwrap_or_default();
        String::from_utf8_lossy(rest).trim().parse().unwrap_or(137)
    }
}
