//! `server.user_authorized_keys`: the public keys that a user may log in with.
//!
//! ```toml
//! [[operation]]
//! op = "server.user_authorized_keys"
//! user = "anna"
//! public_keys = ["ssh-ed25519 AAAA… anna@laptop"]
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use super::key_options::mistake;
use super::public_key::{PublicKey, Wrong};
use crate::change::{NotKnown, Outcome, Stop};
use crate::facts::FactKey;
use crate::facts::account::{User, UserFact, in_home, usual_home};
use crate::facts::overlay::FactScope;
use crate::facts::path::{PathFact, parent};
use crate::facts::session::LoginKeyKey;
use crate::operations::files::directory::{Directory, plan_one as plan_directory};
use crate::operations::files::edited_file::{EditedFile, Shown};
use crate::operations::files::parameters::{check_path, path_and_ancestors};
use crate::operations::files::text::append_line;
use crate::operations::parameters::check_account_name;
use crate::operations::work::Work;
use crate::operations::{Define, Operation, PlanContext};
use crate::value::Known;

/// Parameters of `server.user_authorized_keys`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct UserAuthorizedKeys {
    /// Name of the user.
    user: String,
    /// The public keys, each as in a `.pub` file. A key that is there already keeps its place.
    public_keys: Vec<String>,
    /// `true` removes all other keys. The key that this run has logged in with is never removed.
    #[serde(default)]
    delete_keys: bool,
    /// Options of each of these keys, as in sshd(8), such as `"from=\"10.0.0.0/8\",no-pty"`. By default a key keeps those that
    /// it has.
    options: Option<String>,
    /// File to write; default: `.ssh/authorized_keys` in the user's home directory, which is created if needed.
    file: Option<String>,
}

/// What only the user may read or change.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

impl Define for UserAuthorizedKeys {
    const NAME: &'static str = "server.user_authorized_keys";
    const SUMMARY: &'static str = "Set the public keys that a user may log in with";
    const MAIN_ARGUMENT: &'static str = "user";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "server.user_authorized_keys"
user = "root"
public_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINKdxsdmDzyUn1m/0g+ARM90Kw6fOq5mpRfzU/IpgOqU anna@laptop"]
"#;
}

impl Operation for UserAuthorizedKeys {
    fn needs(&self) -> Vec<FactKey> {
        let usual = self
            .file
            .clone()
            .unwrap_or_else(|| in_home(&usual_home(&self.user), USUAL));
        let mut needs = path_and_ancestors(&usual);
        needs.push(FactKey::Content(usual));
        needs.push(FactKey::User(self.user.clone()));
        needs
    }

    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        let Some(file) = self.file_of(context) else {
            // Where homes are. With another home, what changes is not what was shown, and the run stops.
            return vec![FactScope::Tree(usual_home(&self.user))];
        };
        let folder = parent(&file).to_owned();
        let paths = [folder, file].into_iter();
        paths.map(|path| FactScope::Key(FactKey::Path(path))).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let wanted = self.checked(context)?;
        let user = match context.user(&self.user)? {
            UserFact::Present(user) => user,
            UserFact::Absent => {
                let title = format!("unknown user `{}`", self.user);
                return Err(context
                    .refuse("user", title, "not on the host, and no earlier operation creates it")
                    .hint(format!(
                        "create it first: `op = \"server.user\"`, `user = \"{}\"`",
                        self.user
                    )));
            }
        };
        let Some(path) = self.file.clone().or_else(|| user.file(USUAL)) else {
            return Err(Stop::NotKnown {
                key: FactKey::User(self.user.clone()),
                cause: match context.predicted_by(&FactKey::User(self.user.clone())) {
                    Some(operation) => NotKnown::Since(operation, "its home directory is not known yet".to_owned()),
                    None => NotKnown::NotGathered,
                },
            });
        };
        context.on_scratch(|scratch| self.write(scratch, &path, &user, &wanted))
    }
}

/// The file below a home directory that sshd reads by default.
const USUAL: &str = ".ssh/authorized_keys";

impl UserAuthorizedKeys {
    fn file_of(&self, context: &PlanContext<'_>) -> Option<String> {
        self.file.clone().or_else(|| match context.user(&self.user) {
            Ok(UserFact::Present(user)) => user.file(USUAL),
            _ => None,
        })
    }

    fn checked(&self, context: &PlanContext<'_>) -> Result<Vec<PublicKey>, Stop> {
        check_account_name(context, "user", &self.user)?;
        if let Some(file) = &self.file {
            check_path(context, "file", file)?;
        }
        self.check_options(context)?;
        let mut wanted: Vec<PublicKey> = Vec::new();
        for text in &self.public_keys {
            let key = PublicKey::written(text).map_err(|wrong| refused(context, text, wrong))?;
            if !key.options.is_empty() {
                let title = "options stand before a key of `public_keys`";
                return Err(context
                    .refuse_item("public_keys", text, title, "begins with options, not with the key")
                    .hint("write them in `options`; keys with other options go into an operation of their own"));
            }
            if wanted.iter().any(|other| other.is_same(&key)) {
                let title = format!("duplicate key `{}`", key.fingerprint());
                return Err(context
                    .refuse_item("public_keys", text, title, "the same key is in the list twice")
                    .hint("remove one of the two"));
            }
            wanted.push(key);
        }
        Ok(wanted)
    }

    fn check_options(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let Some(options) = self.options.as_ref().filter(|_| !context.has_stand_ins()) else {
            return Ok(());
        };
        if options.contains(['\n', '\r', '\0']) {
            return Err(context
                .refuse("options", "`options` is not valid", "must be one line")
                .hint("remove the line break"));
        }
        match mistake(options) {
            None => Ok(()),
            Some(wrong) => Err(context.refuse("options", wrong.title, wrong.label).hint(wrong.hint)),
        }
    }

    fn write(&self, context: &PlanContext<'_>, path: &str, user: &User, wanted: &[PublicKey]) -> Result<Outcome, Stop> {
        let group = match &user.group {
            Known::Yes(group) => Some(group.as_str()),
            Known::No(_) => None,
        };
        let mut work = Work::default();
        let file = EditedFile {
            owner: Some(&self.user),
            group,
            mode: Some(FILE_MODE),
            shown: Shown::As {
                name: "keys",
                of: &shown,
            },
            comes_with_no_package: true,
            ..EditedFile::new(path, "user")
        };
        // All that is not known yet is asked for in one round.
        let text = file.text(context);
        if self.file.is_none() {
            let folder = context
                .resolve(parent(path))
                .unwrap_or_else(|_| parent(path).to_owned());
            self.check_home(context, parent(&folder))?;
            let wish = Directory::of_user(&folder, &self.user, group, FOLDER_MODE);
            let mut changes = Vec::new();
            plan_directory(context, &folder, Some(&wish), &mut changes, &mut work.since)?;
            work.add(context, Outcome::Change(changes));
        }
        let text = text?.unwrap_or_default();
        self.check_is_for_keys(context, path, &text)?;
        let edited = self.edited(&text, wanted);
        self.check_own_key(context, &text, &edited)?;
        let is_needed = !wanted.is_empty() || edited != text;
        if is_needed {
            work.add(context, file.plan(context, |_| edited)?);
        }
        Ok(work.outcome())
    }

    fn check_home(&self, context: &PlanContext<'_>, home: &str) -> Result<(), Stop> {
        if !matches!(context.path(home), Ok(PathFact::Absent)) {
            return Ok(());
        }
        let title = format!("the home directory of `{}` does not exist", self.user);
        Err(context
            .refuse("user", title, format!("`{home}` is missing on the host"))
            .hint("create it first with `files.directory`, or give the `file` that sshd reads for this user"))
    }

    /// Refuses a file of another user that has lines without keys, as `/etc/passwd` does: it has another purpose.
    fn check_is_for_keys(&self, context: &PlanContext<'_>, path: &str, text: &str) -> Result<(), Stop> {
        let is_other = |line: &str| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with('#') && PublicKey::on_line(line).is_none()
        };
        if self.file.is_none() || !text.lines().any(is_other) {
            return Ok(());
        }
        match context.path(&context.resolve(path)?)? {
            PathFact::Present(inode) if inode.owner != self.user => {
                let title = format!("`{path}` is not a file of public keys");
                let label = format!("it belongs to `{}`, and has lines without a key", inode.owner);
                Err(context.refuse("file", title, label).hint(format!(
                    "choose another path, such as `/etc/ssh/authorized_keys/{}`",
                    self.user
                )))
            }
            _ => Ok(()),
        }
    }

    /// The text of the file with the keys in it.
    fn edited(&self, text: &str, wanted: &[PublicKey]) -> String {
        let mut placed = vec![false; wanted.len()];
        let mut edited = String::with_capacity(text.len());
        for piece in text.split_inclusive('\n') {
            let Some(there) = PublicKey::on_line(piece) else {
                edited.push_str(piece);
                continue;
            };
            match wanted.iter().position(|key| key.is_same(&there)) {
                None if self.delete_keys => {}
                Some(at) if !placed[at] => {
                    placed[at] = true;
                    let wish = self.wish(&wanted[at], &there);
                    if wish == there {
                        edited.push_str(piece);
                    } else {
                        append_line(&mut edited, &wish.line());
                    }
                }
                // Another line with the same key could allow more than the first.
                Some(_) if self.delete_keys || self.options.is_some() => {}
                None | Some(_) => edited.push_str(piece),
            }
        }
        for (key, _) in wanted.iter().zip(placed).filter(|(_, placed)| !placed) {
            append_line(&mut edited, &self.wish(key, key).line());
        }
        edited
    }

    /// A key as it has to be, `there` as it is.
    fn wish(&self, key: &PublicKey, there: &PublicKey) -> PublicKey {
        PublicKey {
            options: self.options.clone().unwrap_or_else(|| there.options.clone()),
            comment: if key.comment.is_empty() {
                there.comment.clone()
            } else {
                key.comment.clone()
            },
            ..key.clone()
        }
    }

    /// Refuses to remove the key that this connection was opened with.
    fn check_own_key(&self, context: &PlanContext<'_>, old: &str, new: &str) -> Result<(), Stop> {
        let is_login = context.session().is_some_and(|session| session.login.user == self.user);
        let fingerprints = |text: &str| -> Vec<String> {
            let keys = text.lines().filter_map(PublicKey::on_line);
            keys.map(|key| key.fingerprint()).collect()
        };
        let left = fingerprints(new);
        let removed: Vec<String> = fingerprints(old)
            .into_iter()
            .filter(|one| !left.contains(one))
            .collect();
        if !is_login || removed.is_empty() {
            return Ok(());
        }
        let own = match context.get(LoginKeyKey) {
            Ok(own) => own,
            // The lock-out guard is there all the same.
            Err(Stop::NotKnown {
                cause: NotKnown::Denied(_) | NotKnown::Since(..),
                ..
            }) => None,
            Err(stop) => return Err(stop),
        };
        match own.filter(|own| removed.contains(own)) {
            None => Ok(()),
            Some(own) => Err(context
                .refuse(
                    "delete_keys",
                    format!("would remove the key that this run has logged in with: `{own}`"),
                    "removes all keys that `public_keys` does not list",
                )
                .hint("add it to `public_keys`, or log in with another key first")),
        }
    }
}

fn refused(context: &PlanContext<'_>, text: &str, wrong: Wrong) -> Stop {
    let refuse = |title: &str, label: &str| context.refuse_item("public_keys", text, title, label);
    match wrong {
        // The frame of an error must not show it.
        Wrong::Private => context
            .refuse_key(
                "public_keys",
                "`public_keys` contains a private key",
                "one of these is the private half of a key",
            )
            .hint("write the line of the `.pub` file beside it, and make a new key if this one was committed"),
        Wrong::SeveralLines => {
            refuse("a key of `public_keys` has several lines", "must be one line").hint("write a string for each key")
        }
        Wrong::NoKey => refuse(
            "`public_keys` contains no public key here",
            "must begin with a kind of key, such as `ssh-ed25519`",
        )
        .hint("write the line of the `.pub` file, not its path"),
        Wrong::Damaged => refuse(
            "a key of `public_keys` is damaged",
            "what follows the kind of key is not such a key",
        )
        .hint("copy the whole line of the `.pub` file; `ssh-keygen -l -f FILE` must accept it"),
    }
}

/// The keys of a file, one a line.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for key in text.lines().filter_map(PublicKey::on_line) {
        append_line(&mut shown, &key.shown());
    }
    shown
}
