//! Commands of Debian's `passwd` package: `useradd`, `usermod`, `groupdel` and the like.

use std::time::Duration;

use crate::change::{Command, Step};
use crate::facts::FactKey;
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::system::{JOBS, user_record};
use crate::quote::{quote, quote_all};

/// Long enough to wait for the lock of the databases and to copy the skeleton directory.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The files of the user database, which the commands write.
const DATABASES: &[&str] = &[
    "/etc/passwd",
    "/etc/group",
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/subuid",
    "/etc/subgid",
];

/// Builds a command of the `passwd` package.
pub(super) struct AccountCommand {
    words: Vec<String>,
    /// Shell text that runs first and must succeed.
    first: String,
    /// Shell text behind it.
    last: String,
}

impl AccountCommand {
    pub(super) fn new(program: &str) -> Self {
        Self {
            words: vec![program.to_owned()],
            first: String::new(),
            last: String::new(),
        }
    }

    #[must_use]
    pub(super) fn flag(mut self, flag: &str) -> Self {
        self.words.push(flag.to_owned());
        self
    }

    #[must_use]
    pub(super) fn flag_if(self, wanted: bool, flag: &str) -> Self {
        if wanted { self.flag(flag) } else { self }
    }

    /// Adds an option, unless its value is `None`.
    #[must_use]
    pub(super) fn option(self, flag: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.flag(flag).flag(&value.to_string()),
            None => self,
        }
    }

    /// Tries first to create the home directory: `useradd` creates the user before it, and a later run would find a user and take
    /// it for complete.
    ///
    /// Whether all was done is recorded on the host, since anything may end it in between: the user is written first, then its
    /// group and its password, then its home directory.
    #[must_use]
    pub(super) fn recorded(mut self, home: Option<&str>, user: &str) -> Self {
        let record = quote(&record(user));
        let try_home = home.map(quote).map_or_else(String::new, |home| {
            format!("mkdir -- {home} && rmdir -- {home} || exit\n")
        });
        self.first = format!(
            "{try_home}mkdir -p {record} && chmod 0700 /var/lib/homelab {JOBS} && echo useradd >{record}/summary || exit\n"
        );
        self.last = format!("; code=$?\n[ $code != 0 ] && id -- {user} >/dev/null 2>&1 || rm -rf {record}\nexit $code");
        self
    }

    /// The step that runs the command with the user or group `name`.
    pub(super) fn on(self, name: &str) -> Step {
        let words = || self.words.iter().map(String::as_str);
        Step::Run(Command {
            timeout: TIMEOUT,
            ..Command::new(
                quote_all(words().chain([name])),
                format!("{}{}{}", self.first, quote_all(words().chain(["--", name])), self.last),
            )
        })
    }
}

/// The folder that says that a user is not created completely.
pub(super) fn record(user: &str) -> String {
    format!("{JOBS}/{}", user_record(user))
}

/// The effects on the database files, which operations may read as files too.
pub(super) fn databases_change() -> impl Iterator<Item = Effect> {
    DATABASES.iter().map(|path| {
        let scope = FactScope::Key(FactKey::Path((*path).to_owned()));
        Effect::Forget(scope, "changing users or groups writes it".to_owned())
    })
}

/// The files that any operation on users or groups may change.
pub(super) fn databases_touched() -> impl Iterator<Item = FactScope> {
    DATABASES
        .iter()
        .map(|path| FactScope::Key(FactKey::Path((*path).to_owned())))
}
