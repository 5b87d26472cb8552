//! From the login user to root, or to another user: `sudo`, with or without a password, or `doas`.
//!
//! A password is sent only when `sudo` asks for it, with a prompt that nobody else can know, and only once; nothing else is
//! sent before what `sudo` starts has said that it runs. Sent blindly, a password would be run as a command where none is
//! asked for, and the script's lines would be tried as passwords where it is wrong.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::answers::{Answers, Interruption, Keep};
use super::error::{Explanation, Refusal};
use super::script::Nonce;
use super::stderr::StandardError;
use crate::quote::quote;
use crate::secret::Secret;

/// How long `sudo` may take to ask, and to judge an answer: PAM waits some seconds after a wrong one.
const PATIENCE: Duration = Duration::from_secs(30);
/// Noise of a login shell's start-up files, which may come before anything else.
const NOISE: Keep = Keep::Tail(2048);

const SUDO: &str = "sudo";
const DOAS: &str = "doas";
const ROOT: &str = "root";

/// As whom the host's shell runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Privilege {
    /// As the user that logs in.
    #[default]
    LoginUser,
    /// As somebody else, by `sudo`.
    Sudo {
        /// The password for it; without one `sudo` must not ask.
        password: Option<Secret>,
        /// As whom; root if not given.
        user: Option<String>,
    },
    /// As somebody else, by `doas`, which must not ask for a password.
    Doas {
        /// As whom; root if not given.
        user: Option<String>,
    },
}

/// Who becomes whom by what, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Becoming {
    /// The program that does it.
    pub program: &'static str,
    /// As whom the shell is to run.
    pub user: String,
}

impl Privilege {
    /// A line, for any login shell, that runs `program` (plain words), and the dialogue that it takes.
    pub(super) fn enter(&self, program: &str) -> (String, Option<Dialogue>) {
        // Messages of `sudo` in English; a path, so that fish and csh do the same.
        const BEGIN: &str = "exec env LC_ALL=C";
        match self {
            Self::LoginUser => (format!("exec {program}"), None),
            Self::Doas { user } => (
                format!("{BEGIN} {DOAS} -n{} -- {program}", option(user.as_deref())),
                None,
            ),
            Self::Sudo { password: None, user } => (
                format!("{BEGIN} {SUDO} -n{} -- {program}", option(user.as_deref())),
                None,
            ),
            Self::Sudo {
                password: Some(password),
                user,
            } => {
                let option = option(user.as_deref());
                let user = user.clone().unwrap_or_else(|| ROOT.to_owned());
                // Not the nonce of the frames: whoever lists the host's processes sees this one.
                let nonce = Nonce::random();
                let word = nonce.as_str();
                let line = format!(
                    "{BEGIN} {SUDO} -S -p '{word}-PW '{option} -- sh -c 'echo; echo {word} 0 up 0; exec {program}'"
                );
                let password = password.clone();
                (line, Some(Dialogue { nonce, password, user }))
            }
        }
    }

    /// Who the login user becomes; `None` where it stays who it is.
    pub(super) fn becoming(&self) -> Option<Becoming> {
        let (program, user) = match self {
            Self::LoginUser => return None,
            Self::Sudo { user, .. } => (SUDO, user),
            Self::Doas { user } => (DOAS, user),
        };
        let user = user.clone().unwrap_or_else(|| ROOT.to_owned());
        Some(Becoming { program, user })
    }
}

/// The option of either program that says as whom.
fn option(user: Option<&str>) -> String {
    user.map_or_else(String::new, |user| format!(" -u {}", quote(user)))
}

/// What is said until root's shell, or another program, runs.
pub(super) struct Dialogue {
    nonce: Nonce,
    password: Secret,
    user: String,
}

/// Why a dialogue came to nothing.
pub(super) enum NoEntry {
    /// The password was asked for again.
    WrongPassword,
    /// Nothing was asked that is understood, and nothing runs.
    NoAnswer,
    /// The stream ended.
    Interrupted(Interruption),
}

impl Dialogue {
    /// The word that marks the dialogue's end among the answers.
    pub(super) fn nonce(&self) -> &Nonce {
        &self.nonce
    }

    /// What the dialogue is for.
    pub(super) fn becoming(&self) -> Becoming {
        Becoming {
            program: SUDO,
            user: self.user.clone(),
        }
    }

    /// What was said beside the prompts, on whose lines the next words begin.
    pub(super) fn last_words(&self, stderr: &str) -> String {
        let apart = stderr.replace(&format!("{}-PW", self.nonce.as_str()), "\n");
        // What sudo-rs puts around a prompt ends with a colon too.
        let said = apart
            .lines()
            .map(str::trim)
            .rfind(|line| !line.is_empty() && !line.ends_with(':'));
        said.unwrap_or("it asked for a password again").to_owned()
    }

    /// Answers one prompt, and waits until the program runs. Whoever gets an error has to end the child.
    pub(super) async fn hold<R, W>(
        &self,
        answers: &mut Answers<R>,
        stdin: &mut W,
        stderr: &StandardError,
    ) -> Result<(), NoEntry>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let prompt = format!("{}-PW", self.nonce.as_str());
        let up = answers.next(NOISE);
        tokio::pin!(up);
        let mut prompts = 0;
        loop {
            // The login itself takes as long as `ssh` lets it; `sudo` is timed once it has been heard of.
            let silence = async {
                if prompts == 0 {
                    return std::future::pending().await;
                }
                tokio::time::sleep(PATIENCE).await;
            };
            tokio::select! {
                tagged = &mut up => return tagged.map(|_| ()).map_err(NoEntry::Interrupted),
                () = stderr.wait_for(&prompt, prompts + 1) => {
                    prompts += 1;
                    if prompts > 1 {
                        return Err(NoEntry::WrongPassword);
                    }
                    let line = format!("{}\n", self.password.expose());
                    // That it could not be sent shows in what is read.
                    let _ = stdin.write_all(line.as_bytes()).await;
                    let _ = stdin.flush().await;
                }
                () = silence => return Err(NoEntry::NoAnswer),
            }
        }
    }
}

/// Why `sudo` or `doas` ended instead of running a shell, from its words and its exit code.
pub(super) fn refusal(stderr: &str, code: Option<i32>) -> (Refusal, Explanation) {
    const NO_SUCH_PROGRAM: i32 = 127;
    let found = REFUSALS.iter().find_map(|(text, refusal)| {
        let line = stderr.lines().rfind(|line| line.contains(text))?;
        Some((*refusal, line))
    });
    let last = stderr.lines().rfind(|line| !line.trim().is_empty());
    let (refusal, line) = match (found, last) {
        (Some(found), _) => found,
        (None, Some(line)) if code == Some(NO_SUCH_PROGRAM) => (Refusal::Missing, line),
        (None, line) => (Refusal::Other, line.unwrap_or("it ended without a word")),
    };
    (refusal, Explanation(line.trim().to_owned()))
}

/// Texts of `sudo` and `doas`, the more telling first.
const REFUSALS: &[(&str, Refusal)] = &[
    ("must have a tty", Refusal::TerminalWanted),
    ("incorrect password attempt", Refusal::WrongPassword),
    ("is not in the sudoers file", Refusal::NotAllowed),
    ("is not allowed to", Refusal::NotAllowed),
    ("may not run sudo", Refusal::NotAllowed),
    ("a password is required", Refusal::PasswordWanted),
    // These two are of sudo-rs, which newer Ubuntus have in its place.
    ("I'm afraid I can't do that", Refusal::NotAllowed),
    ("interactive authentication is required", Refusal::PasswordWanted),
    ("unknown user", Refusal::NoSuchUser),
    ("doas: Authentication required", Refusal::PasswordWanted),
    ("doas: Operation not permitted", Refusal::NotAllowed),
    ("doas is not enabled", Refusal::NotAllowed),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_in_no_command() {
        let privilege = Privilege::Sudo {
            password: Some(Secret::new("hunter2")),
            user: None,
        };
        let (line, dialogue) = privilege.enter("sh");
        assert!(!line.contains("hunter2") && dialogue.is_some(), "{line}");
        assert!(!format!("{privilege:?}").contains("hunter2"));
        assert_eq!(Privilege::LoginUser.enter("sh").0, "exec sh");
        let without = |user: Option<&str>| {
            let user = user.map(str::to_owned);
            Privilege::Sudo { password: None, user }.enter("sh").0
        };
        assert_eq!(without(None), "exec env LC_ALL=C sudo -n -- sh");
        assert_eq!(without(Some("web")), "exec env LC_ALL=C sudo -n -u web -- sh");
        let doas = Privilege::Doas { user: None };
        assert_eq!(doas.enter("sh").0, "exec env LC_ALL=C doas -n -- sh");
        assert_eq!(doas.becoming().expect("root").user, "root");
    }

    #[test]
    fn what_was_said_beside_the_prompts_is_found() {
        let dialogue = Dialogue {
            nonce: Nonce::random(),
            password: Secret::new("x"),
            user: "root".to_owned(),
        };
        let word = dialogue.nonce.as_str();
        let sudo = format!("lecture\n{word}-PW Sorry, try again.\n{word}-PW ");
        assert_eq!(dialogue.last_words(&sudo), "Sorry, try again.");
        let sudo_rs = format!("[sudo: {word}-PW ] Password: \n[sudo: {word}-PW ] Password: ");
        assert_eq!(dialogue.last_words(&sudo_rs), "it asked for a password again");
    }

    #[test]
    fn words_of_sudo_are_told_apart() {
        let cases = [
            ("sudo: a password is required\n", 1, Refusal::PasswordWanted),
            (
                "sudo: interactive authentication is required\n",
                1,
                Refusal::PasswordWanted,
            ),
            (
                "banner\nsudo: sorry, you must have a tty to run sudo\n",
                1,
                Refusal::TerminalWanted,
            ),
            ("anna is not in the sudoers file.\n", 1, Refusal::NotAllowed),
            (
                "Sorry, user anna is not allowed to execute '/usr/bin/sh' as root on pi.\n",
                1,
                Refusal::NotAllowed,
            ),
            (
                "sudo: no password was provided\nsudo: 1 incorrect password attempt\n",
                1,
                Refusal::WrongPassword,
            ),
            ("env: 'sudo': No such file or directory\n", 127, Refusal::Missing),
            (
                "sudo-rs: I'm sorry anna. I'm afraid I can't do that\n",
                1,
                Refusal::NotAllowed,
            ),
            ("This account is currently not available.\n", 1, Refusal::Other),
            ("", 1, Refusal::Other),
            ("doas: Authentication required\n", 1, Refusal::PasswordWanted),
            ("doas: Operation not permitted\n", 1, Refusal::NotAllowed),
            (
                "doas: doas is not enabled, /etc/doas.conf: No such file or directory\n",
                1,
                Refusal::NotAllowed,
            ),
            ("env: 'doas': No such file or directory\n", 127, Refusal::Missing),
            ("sudo: unknown user web\n", 1, Refusal::NoSuchUser),
        ];
        for (text, code, expected) in cases {
            assert_eq!(refusal(text, Some(code)).0, expected, "{text}");
        }
    }
}
