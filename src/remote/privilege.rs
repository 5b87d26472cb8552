//! Running the host's shell as root or another user: `sudo`, with or without a password, or `doas`.
//!
//! The password is sent only after `sudo` prints our random prompt, and only once. Nothing else is sent before the program
//! that `sudo` starts reports that it runs. Without that, a shell would run the password as a command if `sudo` does not
//! ask, and `sudo` would try the script's lines as passwords if the password is wrong.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::answers::{Answers, Interruption, Keep};
use super::error::{Becoming, Explanation, Refusal};
use super::nonce::Nonce;
use super::stderr::StandardError;
use crate::quote::quote;
use crate::secret::Secret;

/// How long `sudo` may take after its prompt: PAM waits some seconds after a wrong password.
const PATIENCE: Duration = Duration::from_secs(30);
/// Output of a login shell's start-up files, which may come first.
const NOISE: Keep = Keep::Tail(2048);

/// What our prompts end with, after a random word.
const PROMPT_END: &str = "-PW";

const SUDO: &str = "sudo";
const DOAS: &str = "doas";
const ROOT: &str = "root";

/// The user that the host's shell runs as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Privilege {
    #[default]
    LoginUser,
    /// Another user, with `sudo`.
    Sudo {
        /// Without a password, `sudo` must not ask for one.
        password: Option<Secret>,
        /// Default: root.
        user: Option<String>,
    },
    /// Another user, with `doas`, which must not ask for a password.
    Doas {
        /// Default: root.
        user: Option<String>,
    },
}

impl Privilege {
    /// A command line, for any login shell, that runs `program` (plain words), and the dialogue with `sudo` that it needs.
    pub(super) fn command_line(&self, program: &str) -> (String, Option<Dialogue>) {
        // `LC_ALL` for English messages of `sudo`; set with `env`, so that it works in fish and csh too.
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
                // Not the nonce of the frames: this one is visible in the host's list of processes.
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

    /// What the login user becomes; `None` without `sudo` and `doas`.
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

/// The option for the user, the same in both programs.
fn option(user: Option<&str>) -> String {
    user.map_or_else(String::new, |user| format!(" -u {}", quote(user)))
}

/// Answers the password prompt of `sudo`, until the shell or another program runs.
pub(super) struct Dialogue {
    nonce: Nonce,
    password: Secret,
    user: String,
}

/// Why a dialogue failed.
pub(super) enum NoEntry {
    /// `sudo` asked for the password again.
    WrongPassword,
    /// No known prompt came, and no program started.
    NoAnswer,
    Interrupted(Interruption),
}

impl Dialogue {
    /// The word that marks the dialogue's end among the answers.
    pub(super) fn nonce(&self) -> &Nonce {
        &self.nonce
    }

    pub(super) fn becoming(&self) -> Becoming {
        Becoming {
            program: SUDO,
            user: self.user.clone(),
        }
    }

    /// The last message in `stderr`, without the prompts. A message may follow a prompt on the same line.
    pub(super) fn last_words(stderr: &str) -> String {
        let apart = without_prompts(stderr);
        // sudo-rs adds text around a prompt that ends with a colon too.
        let said = apart
            .lines()
            .map(str::trim)
            .rfind(|line| !line.is_empty() && !line.ends_with(':'));
        said.unwrap_or("it asked for a password again").to_owned()
    }

    /// Answers one prompt and waits until the program runs. On an error, the caller must end the child.
    pub(super) async fn authenticate<R, W>(
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
            // `ssh` has its own timeout for the login; this one starts with the first prompt of `sudo`.
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
                    // If sending fails, reading reports it.
                    let _ = stdin.write_all(line.as_bytes()).await;
                    let _ = stdin.flush().await;
                }
                () = silence => return Err(NoEntry::NoAnswer),
            }
        }
    }
}

/// What was printed, without our prompts: a message may follow one on the same line.
pub(super) fn without_prompts(stderr: &str) -> String {
    let mut kept = String::new();
    let mut rest = stderr;
    while let Some(at) = rest.find(PROMPT_END) {
        let (before, after) = rest.split_at(at);
        let word = before
            .len()
            .checked_sub(Nonce::LENGTH)
            .and_then(|start| before.split_at_checked(start));
        match word {
            Some((text, word)) if word.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                kept.push_str(text);
                kept.push('\n');
            }
            _ => kept.push_str(&rest[..at + PROMPT_END.len()]),
        }
        rest = &after[PROMPT_END.len()..];
    }
    kept + rest
}

/// Why `sudo` or `doas` exited instead of running a shell, from its messages and exit code.
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
        (None, line) => (Refusal::Other, line.unwrap_or("it exited without a message")),
    };
    (refusal, Explanation(line.trim().to_owned()))
}

/// Messages of `sudo` and `doas`. The first match wins, so the specific ones come first.
const REFUSALS: &[(&str, Refusal)] = &[
    ("must have a tty", Refusal::TerminalWanted),
    ("incorrect password attempt", Refusal::WrongPassword),
    ("is not in the sudoers file", Refusal::NotAllowed),
    ("is not allowed to", Refusal::NotAllowed),
    ("may not run sudo", Refusal::NotAllowed),
    ("a password is required", Refusal::PasswordWanted),
    // These two are from sudo-rs, the sudo of newer Ubuntu releases.
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
        let (line, dialogue) = privilege.command_line("sh");
        assert!(!line.contains("hunter2") && dialogue.is_some(), "{line}");
        assert!(!format!("{privilege:?}").contains("hunter2"));
        assert_eq!(Privilege::LoginUser.command_line("sh").0, "exec sh");
        let without = |user: Option<&str>| {
            let user = user.map(str::to_owned);
            Privilege::Sudo { password: None, user }.command_line("sh").0
        };
        assert_eq!(without(None), "exec env LC_ALL=C sudo -n -- sh");
        assert_eq!(without(Some("web")), "exec env LC_ALL=C sudo -n -u web -- sh");
        let doas = Privilege::Doas { user: None };
        assert_eq!(doas.command_line("sh").0, "exec env LC_ALL=C doas -n -- sh");
        assert_eq!(doas.becoming().expect("root").user, "root");
    }

    #[test]
    fn the_last_message_is_found_between_the_prompts() {
        let nonce = Nonce::random();
        let word = nonce.as_str();
        let sudo = format!("lecture\n{word}-PW Sorry, try again.\n{word}-PW ");
        assert_eq!(Dialogue::last_words(&sudo), "Sorry, try again.");
        let sudo_rs = format!("[sudo: {word}-PW ] Password: \n[sudo: {word}-PW ] Password: ");
        assert_eq!(Dialogue::last_words(&sudo_rs), "it asked for a password again");
    }

    #[test]
    fn no_message_contains_a_prompt() {
        let word = Nonce::random();
        let word = word.as_str();
        let sudo = format!("{word}-PW Sorry, user anna is not allowed to execute '/bin/sh' as root on pi.\n");
        let (found, words) = refusal(&without_prompts(&sudo), Some(1));
        assert_eq!(found, Refusal::NotAllowed);
        assert_eq!(
            words.0,
            "Sorry, user anna is not allowed to execute '/bin/sh' as root on pi."
        );
        let other = "a-PW b\n-PW\né-PW";
        assert_eq!(without_prompts(other), other);
    }

    #[test]
    fn messages_of_sudo_and_doas_are_recognized() {
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
