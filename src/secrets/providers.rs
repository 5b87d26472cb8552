//! Secrets that a password manager of the user keeps, such as `pass`. A project only names them, as `SECRET[pass,NAME]`; which
//! command prints them stands in the user's own configuration.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use globset::Glob;
use serde::Deserialize;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::content::open_regular;
use crate::error::{Diagnostic, SourceFile, suggestion};
use crate::secret::{PASSWORD_VARIABLE, Secret};
use crate::value::{Kind, Value, deserialize, parse_toml};

const START: &str = "SECRET[";
const END: &str = "]";
/// What stands for the name of a secret in a command.
const NAME: &str = "{name}";
/// How long a command may take; someone may have to unlock the password manager meanwhile.
const LONGEST: Duration = Duration::from_secs(30);
/// A longer text is no password, in bytes.
const LARGEST: u64 = 1024 * 1024;
/// Commands for the password managers that people have, to be written to the configuration.
const EXAMPLES: &[(&str, &str)] = &[
    ("pass", r#"["pass", "show", "{name}"]"#),
    ("op", r#"["op", "read", "--no-newline", "op://{name}"]"#),
    ("vault", r#"["vault", "kv", "get", "-field=value", "{name}"]"#),
    ("bw", r#"["bw", "get", "password", "{name}"]"#),
];

/// A secret that a provider keeps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Named {
    pub(super) provider: String,
    pub(super) name: String,
}

/// Whether a string is meant as the name of a secret, correct or not.
pub fn is_named(text: &str) -> bool {
    text.starts_with(START) && text.ends_with(END)
}

impl Named {
    /// Reads `SECRET[PROVIDER,NAME]`.
    ///
    /// Errors: what is wrong, in words.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let inner = text.strip_prefix(START).and_then(|rest| rest.strip_suffix(END));
        let inner = inner.ok_or("not `SECRET[PROVIDER,NAME]`")?;
        let (provider, name) = inner
            .split_once(',')
            .ok_or("no comma between the provider and the name")?;
        let (provider, name) = (provider.trim(), name.trim());
        let is_word = |text: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|one| one.is_ascii_alphanumeric() || "_-".contains(one))
        };
        if !is_word(provider) {
            return Err("the provider must be a name of letters and digits");
        }
        if name.is_empty() {
            return Err("no name behind the comma");
        }
        if name.starts_with('-') || name.contains(char::is_control) {
            return Err("the name begins with `-` or has control characters: a command could read it as an option");
        }
        Ok(Self {
            provider: provider.to_owned(),
            name: name.to_owned(),
        })
    }
}

/// Why a provider gives no secret. What its command prints is in no error.
#[derive(Debug, Error)]
enum Failure {
    #[error("cannot run it")]
    Start(#[source] std::io::Error),
    #[error("it did not end within {} seconds", LONGEST.as_secs())]
    Late,
    #[error("it ended with {0}")]
    Failed(std::process::ExitStatus),
    #[error("it printed nothing")]
    Nothing,
    #[error("it printed more than 1 MiB")]
    TooMuch,
    #[error("it printed something that is not UTF-8 text")]
    NotText,
}

/// A provider of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Provider {
    command: Vec<String>,
    /// Globs of the names that projects may ask for; all without.
    names: Option<Vec<String>>,
}

/// The providers of the user's own configuration: `~/.config/homelab/config.toml`.
#[derive(Clone, Debug, Default)]
pub(super) struct Providers {
    by_name: BTreeMap<String, Provider>,
}

impl Providers {
    /// Reads the configuration; none if there is none.
    ///
    /// Errors: it cannot be read, has something else, or others can write to it.
    pub(super) fn find() -> Result<Self, Diagnostic> {
        let path = path()?;
        let shown = path.display().to_string();
        let file = match open_regular(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unreadable(&path, &error)),
        };
        let mode = file
            .metadata()
            .map_err(|error| unreadable(&path, &error))?
            .permissions()
            .mode();
        if mode & 0o022 != 0 {
            return Err(Diagnostic::new(format!("others can write to `{shown}`"))
                .because("its commands run on this machine, as you")
                .hint(format!("run `chmod go-w {shown}`")));
        }
        let mut text = String::new();
        file.take(LARGEST)
            .read_to_string(&mut text)
            .map_err(|error| unreadable(&path, &error))?;
        Self::parse(&shown, &text)
    }

    fn parse(shown: &str, text: &str) -> Result<Self, Diagnostic> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Configuration {
            #[serde(default)]
            secret_providers: BTreeMap<String, Provider>,
        }
        let file = SourceFile::new(shown, text);
        let table = parse_toml(&file).map_err(|mut mistakes| mistakes.swap_remove(0))?;
        let value = Value::new(Kind::Table(table));
        let read: Configuration =
            deserialize(&value).map_err(|error| error.into_diagnostic("wrong configuration", None))?;
        Ok(Self {
            by_name: read.secret_providers,
        })
    }

    /// The secret that a provider keeps; its command runs now.
    ///
    /// Errors: no such provider, a name that it is not to be asked for, or a command that fails.
    pub(super) fn ask(&self, named: &Named) -> Result<Secret, Diagnostic> {
        let Named { provider, name } = named;
        let Some(found) = self.by_name.get(provider) else {
            return Err(self.unknown(provider));
        };
        if let Some(names) = &found.names
            && !names.iter().any(|glob| matches(glob, name))
        {
            return Err(Diagnostic::new(format!("`{provider}` must not be asked for `{name}`"))
                .because(format!("your configuration allows {}", names.join(", ")))
                .hint(format!(
                    "add it to `names` of `[secret_providers.{provider}]` if this project may have it"
                )));
        }
        let words: Vec<String> = found.command.iter().map(|word| word.replace(NAME, name)).collect();
        let Some((program, arguments)) = words
            .split_first()
            .filter(|_| found.command.iter().any(|word| word.contains(NAME)))
        else {
            return Err(Diagnostic::new(format!("the command of `{provider}` has no `{NAME}`"))
                .hint(format!("write `command = {}`", EXAMPLES[0].1)));
        };
        run(program, arguments).map_err(|failure| {
            let mut mistake = Diagnostic::new(format!("`{provider}` gave no secret for `{name}`"))
                .because(format!("`{program}`: {failure}"));
            if let Failure::Start(error) = &failure {
                mistake = mistake.because(error.to_string());
            }
            mistake.hint("run the command of your configuration yourself to see what is wrong")
        })
    }

    fn unknown(&self, provider: &str) -> Diagnostic {
        let path = path().map(|path| path.display().to_string());
        let path = path.unwrap_or_else(|_| "~/.config/homelab/config.toml".to_owned());
        let mistake = Diagnostic::new(format!("no provider `{provider}` in your configuration"));
        let known = self.by_name.keys().map(String::as_str);
        if let Some(near) = suggestion(provider, known).filter(|hint| hint.starts_with("did")) {
            return mistake.hint(near);
        }
        let example = EXAMPLES.iter().find(|(name, _)| *name == provider);
        let command = example.map_or(r#"["PROGRAM", "{name}"]"#, |(_, command)| command);
        mistake.hint(format!(
            "write to `{path}`: `[secret_providers.{provider}]` and below it `command = {command}`"
        ))
    }
}

fn path() -> Result<PathBuf, Diagnostic> {
    Ok(super::config_folder()?.join("config.toml"))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::new(format!("cannot read `{}`", path.display())).because(error.to_string())
}

fn matches(glob: &str, name: &str) -> bool {
    Glob::new(glob).is_ok_and(|glob| glob.compile_matcher().is_match(name))
}

/// What a command prints, without one line break at its end.
fn run(program: &str, arguments: &[String]) -> Result<Secret, Failure> {
    let mut child = Command::new(program)
        .args(arguments)
        .env_remove(PASSWORD_VARIABLE)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(Failure::Start)?;
    let printed = printed(&mut child).and_then(|bytes| Ok((bytes, ended(&mut child)?)));
    if printed.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let (bytes, status) = printed?;
    if !status.success() {
        return Err(Failure::Failed(status));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::NotText)?;
    let text = text
        .strip_suffix('\n')
        .map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        return Err(Failure::Nothing);
    }
    Ok(Secret::new(text))
}

/// How a command ended that prints nothing more. It may go on without its output.
fn ended(child: &mut Child) -> Result<ExitStatus, Failure> {
    const PAUSE: Duration = Duration::from_millis(20);
    for _ in 0..LONGEST.as_millis() / PAUSE.as_millis() {
        if let Some(status) = child.try_wait().map_err(Failure::Start)? {
            return Ok(status);
        }
        std::thread::sleep(PAUSE);
    }
    Err(Failure::Late)
}

fn printed(child: &mut Child) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let (send, received) = mpsc::channel();
    let output = child.stdout.take();
    // Its own thread: the command may leave a process behind that keeps the pipe open.
    std::thread::spawn(move || {
        let mut bytes = Zeroizing::new(Vec::new());
        let read = output.map(|output| output.take(LARGEST + 1).read_to_end(&mut bytes));
        let _ = send.send(read.unwrap_or(Ok(0)).map(|_| bytes));
    });
    match received.recv_timeout(LONGEST) {
        Ok(Ok(bytes)) if bytes.len() as u64 > LARGEST => Err(Failure::TooMuch),
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(Failure::Start(error)),
        Err(_) => Err(Failure::Late),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn providers(text: &str) -> Providers {
        Providers::parse("config.toml", text).expect("valid")
    }

    fn named(provider: &str, name: &str) -> Named {
        Named {
            provider: provider.to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn a_named_secret_has_a_provider_and_a_name() {
        let read = Named::parse("SECRET[pass, lab/grafana admin]").expect("valid");
        assert_eq!(read, named("pass", "lab/grafana admin"));
        for wrong in [
            "SECRET[pass]",
            "SECRET[,x]",
            "SECRET[pass,]",
            "SECRET[a b,x]",
            "SECRET[pass,--all]",
        ] {
            Named::parse(wrong).expect_err(wrong);
        }
    }

    #[test]
    fn a_command_gets_the_name_as_one_argument_and_loses_one_line_break() {
        let command = r#"command = ["printf", "%s|%s\n\n", "{name}", "x"]"#;
        let secret = providers(&format!("[secret_providers.p]\n{command}")).ask(&named("p", "a b; $(id)"));
        assert_eq!(secret.expect("printed").expose(), "a b; $(id)|x\n");
    }

    #[test]
    fn errors_say_what_failed_and_never_what_was_printed() {
        let told = |command: &str, name: &str| {
            let providers = providers(&format!(
                "[secret_providers.p]\ncommand = {command}\nnames = [\"lab/*\"]"
            ));
            format!("{:?}", providers.ask(&named("p", name)).expect_err("refused"))
        };
        let failing = told(
            r#"["sh", "-c", "echo hunter2; echo hunter2 >&2; exit 3", "{name}"]"#,
            "lab/x",
        );
        assert!(
            failing.contains("exit status: 3") && !failing.contains("hunter2"),
            "{failing}"
        );
        // Its own output may end before it does.
        let going_on = providers(
            "[secret_providers.p]\ncommand = ['sh', '-c', 'echo secret; exec >&-; sleep 0.2; exit 4', '{name}']",
        );
        let failing = format!("{:?}", going_on.ask(&named("p", "lab/x")).expect_err("refused"));
        assert!(failing.contains("exit status: 4"), "{failing}");
        assert!(told(r#"["true", "{name}"]"#, "lab/x").contains("printed nothing"));
        assert!(told(r#"["/nowhere/pass", "{name}"]"#, "lab/x").contains("cannot run it"));
        assert!(told(r#"["true"]"#, "lab/x").contains("has no `{name}`"));
        assert!(told(r#"["true", "{name}"]"#, "private/x").contains("must not be asked for"));
        let unknown = Providers::default().ask(&named("pass", "lab/x")).expect_err("refused");
        assert!(
            unknown
                .hint
                .expect("a next step")
                .contains(r#"["pass", "show", "{name}"]"#)
        );
    }
}
