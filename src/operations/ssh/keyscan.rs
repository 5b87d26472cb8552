//! `ssh.keyscan`: let a user of the host know the key of an SSH server, found by its fingerprint.
//!
//! ```toml
//! [[operation]]
//! op = "ssh.keyscan"
//! hostname = "github.com"
//! fingerprint = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use schemars::JsonSchema;
use serde::Deserialize;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::change::{Outcome, Stop};
use crate::content::Content;
use crate::facts::FactKey;
use crate::facts::account::{User, UserFact, in_home, usual_home};
use crate::facts::inquiry::{Inquiry, InquiryFact, InquiryKey};
use crate::facts::overlay::FactScope;
use crate::facts::path::{ContentFact, ContentKey, InodeKind, PathFact, parent};
use crate::operations::files::directory::{Directory, plan_one as plan_directory};
use crate::operations::files::parameters::path_and_ancestors;
use crate::operations::files::whole_file::{FileWish, WishedContent, plan_file};
use crate::operations::parameters::check_account_name;
use crate::operations::work::Work;
use crate::operations::{Define, Operation, PlanContext};
use crate::quote::check_address;
use crate::value::Known;

/// Parameters of `ssh.keyscan`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Keyscan {
    /// Name or address of the server, as the user writes it.
    hostname: String,
    /// Fingerprint of the server's key, such as `"SHA256:+DiY3w…"`: from the server itself, or its documentation.
    fingerprint: String,
    /// Port of the server.
    #[serde(default = "ssh_port")]
    port: u16,
    /// User of the host who gets the key in `~/.ssh/known_hosts`, which is created if needed.
    #[serde(default = "root")]
    user: String,
}

/// The mode that ssh gives to `~/.ssh`.
const FOLDER_MODE: u32 = 0o700;

fn ssh_port() -> u16 {
    22
}

fn root() -> String {
    "root".to_owned()
}

/// The file below a home directory in which ssh looks for keys of servers.
const KNOWN_HOSTS: &str = ".ssh/known_hosts";

impl Define for Keyscan {
    const NAME: &'static str = "ssh.keyscan";
    const SUMMARY: &'static str = "Let a user know the key of an SSH server";
    const MAIN_ARGUMENT: &'static str = "hostname";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "ssh.keyscan"
hostname = "github.com"
fingerprint = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
"#;
}

impl Operation for Keyscan {
    fn needs(&self) -> Vec<FactKey> {
        // Where most homes are, so that one round is enough.
        let path = in_home(&usual_home(&self.user), KNOWN_HOSTS);
        let mut needs = path_and_ancestors(&path);
        needs.extend([FactKey::Content(path), FactKey::User(self.user.clone())]);
        needs
    }

    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        let Ok(user) = self.known_user(context) else {
            return vec![FactScope::Tree(usual_home(&self.user))];
        };
        let file = self.path(&user);
        let paths = [parent(&file).to_owned(), file];
        paths.map(|path| FactScope::Key(FactKey::Path(path))).to_vec()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        let user = self.known_user(context)?;
        let path = self.path(&user);
        let resolved = context.resolve(&path)?;
        let old = match context.path(&resolved)? {
            PathFact::Absent => Vec::new(),
            PathFact::Present(_) => match context.get(ContentKey(&resolved))? {
                ContentFact::Bytes(bytes) => bytes,
                ContentFact::Absent | ContentFact::TooLarge => {
                    let title = format!("`{resolved}` cannot be edited");
                    return Err(context.refuse("user", title, "it is no file, or has more than 1 MiB"));
                }
            },
        };
        let place = self.place();
        let known = lines(&old).find(|line| {
            let line = String::from_utf8_lossy(line);
            is_for(&line, &place) && fingerprint(&line).as_deref() == Some(self.fingerprint.as_str())
        });
        let text = match known {
            Some(line) => without_others(&old, &place, line),
            None => with(&old, &place, &self.found(context)?),
        };
        if text == old {
            return Ok(Outcome::Unchanged);
        }
        context.on_scratch(|scratch| self.write(scratch, &path, &user, text, old.is_empty()))
    }
}

/// The lines with their ends: they may be in any encoding, and stay as they are.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}

/// The file with a line for `key` of `place`, and without other keys of this type for it.
fn with(old: &[u8], place: &str, key: &str) -> Vec<u8> {
    let line = format!("{place} {key}\n").into_bytes();
    let mut text = without_others(old, place, &line);
    if text.last().is_some_and(|last| *last != b'\n') {
        text.push(b'\n');
    }
    text.extend(line);
    text
}

/// The file without keys for `place` that are of the type of the one in `line`, and not that one. A line for several servers stays for
/// the others.
fn without_others(old: &[u8], place: &str, line: &[u8]) -> Vec<u8> {
    let key = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        let mut words = line.split_whitespace().skip(1).map(str::to_owned);
        (words.next(), words.next())
    };
    let (kind, wanted) = key(line);
    let mut text = Vec::new();
    for line in lines(old) {
        let (own, other) = key(line);
        let start = line.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let end = start
            + line[start..]
                .iter()
                .take_while(|byte| !byte.is_ascii_whitespace())
                .count();
        let names = String::from_utf8_lossy(&line[start..end]);
        if own != kind || other == wanted || !names.split(',').any(|name| is_name_of(name, place)) {
            text.extend(line);
            continue;
        }
        let others: Vec<&str> = names.split(',').filter(|name| !is_name_of(name, place)).collect();
        if !others.is_empty() {
            text.extend(&line[..start]);
            text.extend(others.join(",").as_bytes());
            text.extend(&line[end..]);
        }
    }
    text
}

/// Whether a line of `known_hosts` is for this server (sshd(8)).
fn is_for(line: &str, place: &str) -> bool {
    let Some(names) = line.split_whitespace().next() else {
        return false;
    };
    names.split(',').any(|name| is_name_of(name, place))
}

/// Whether a name in a line, hashed or not, is that of this server.
fn is_name_of(name: &str, place: &str) -> bool {
    match name.strip_prefix("|1|") {
        None => name.eq_ignore_ascii_case(place),
        Some(hashed) => is_hash_of(hashed, place).unwrap_or(false),
    }
}

fn is_hash_of(hashed: &str, place: &str) -> Option<bool> {
    let (salt, digest) = hashed.split_once('|')?;
    let salt = STANDARD.decode(salt).ok()?;
    let mut mac = Hmac::<Sha1>::new_from_slice(&salt).ok()?;
    // As ssh does.
    mac.update(place.to_ascii_lowercase().as_bytes());
    Some(STANDARD.decode(digest).ok()? == mac.finalize().into_bytes().as_slice())
}

/// The fingerprint of the key in a line, whose third word it is.
fn fingerprint(line: &str) -> Option<String> {
    let key = STANDARD.decode(line.split_whitespace().nth(2)?).ok()?;
    Some(format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(key))))
}

impl Keyscan {
    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        check_account_name(context, "user", &self.user)?;
        if let Err(why) = check_address(&self.hostname) {
            let title = format!("`{}` is not a valid host name", self.hostname);
            return Err(context.refuse("hostname", title, why.to_string()));
        }
        let is_whole = self
            .fingerprint
            .strip_prefix("SHA256:")
            .is_some_and(|coded| STANDARD_NO_PAD.decode(coded).is_ok_and(|bytes| bytes.len() == 32));
        if is_whole {
            return Ok(());
        }
        let title = format!("`{}` is not a fingerprint", self.fingerprint);
        Err(context
            .refuse("fingerprint", title, "must be `SHA256:` and 43 characters")
            .hint("write what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints on the server"))
    }

    fn known_user(&self, context: &PlanContext<'_>) -> Result<User, Stop> {
        match context.user(&self.user)? {
            UserFact::Present(user) => Ok(user),
            UserFact::Absent => Err(context
                .refuse(
                    "user",
                    format!("unknown user `{}`", self.user),
                    "not on the host, and no earlier operation creates it",
                )
                .hint(format!(
                    "create it first: `op = \"server.user\"`, `user = \"{}\"`",
                    self.user
                ))),
        }
    }

    fn path(&self, user: &User) -> String {
        let usual = || in_home(&usual_home(&self.user), KNOWN_HOSTS);
        user.file(KNOWN_HOSTS).unwrap_or_else(usual)
    }

    /// Writes the file, and creates the folder that ssh would create, unless the home directory is missing too.
    fn write(
        &self,
        context: &PlanContext<'_>,
        path: &str,
        user: &User,
        text: Vec<u8>,
        is_new: bool,
    ) -> Result<Outcome, Stop> {
        let group = match &user.group {
            Known::Yes(group) => Some(group.as_str()),
            Known::No(_) => None,
        };
        let mut work = Work::default();
        let folder = context.resolve(parent(path))?;
        let is_in_directory =
            matches!(context.path(parent(&folder))?, PathFact::Present(home) if home.kind == InodeKind::Directory);
        if is_in_directory && context.path(&folder)? == PathFact::Absent {
            let wish = Directory::of_user(&folder, &self.user, group, FOLDER_MODE);
            let mut changes = Vec::new();
            plan_directory(context, &folder, Some(&wish), &mut changes, &mut work.since)?;
            work.add(context, Outcome::Change(changes));
        }
        let wish = FileWish {
            owner: Some(self.user.as_str()),
            group: group.filter(|_| is_new),
            mode: is_new.then_some(0o644),
            ..FileWish::new(path, "user", WishedContent::Ready(Content::new(text)))
        };
        work.add(context, plan_file(context, &wish)?);
        Ok(work.outcome())
    }

    /// The server, as a line of `known_hosts` begins.
    fn place(&self) -> String {
        match self.port {
            22 => self.hostname.clone(),
            port => format!("[{}]:{port}", self.hostname),
        }
    }

    /// The type and the key that has the fingerprint.
    fn found(&self, context: &PlanContext<'_>) -> Result<String, Stop> {
        let inquiry = Inquiry::HostKeys {
            host: self.hostname.clone(),
            port: self.port,
        };
        let said = match context.get(InquiryKey(&inquiry))? {
            InquiryFact::Said(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            InquiryFact::Failed(why) => {
                return Err(context
                    .refuse(
                        "hostname",
                        format!("the host cannot read the keys of `{}`", self.hostname),
                        "nothing was written",
                    )
                    .because(why)
                    .hint("check the name, the port and the host's network"));
            }
        };
        let all: Vec<(String, &str)> = said
            .lines()
            .filter_map(|line| Some((fingerprint(line)?, line)))
            .collect();
        let wanted = all.iter().find(|(found, _)| *found == self.fingerprint);
        if let Some((_, key)) = wanted.and_then(|(_, line)| line.split_once(' ')) {
            return Ok(key.trim().to_owned());
        }
        let found: Vec<&str> = all.iter().map(|(found, _)| found.as_str()).collect();
        let title = format!("`{}` has no key with this fingerprint", self.hostname);
        Err(context
            .refuse("fingerprint", title, format!("it has {}", found.join(", ")))
            .hint("compare it on the server itself: another machine may answer in its place"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    const PRINT: &str = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU";

    #[test]
    fn a_line_is_for_the_servers_that_it_names() {
        // As `ssh-keygen -H` writes it.
        let hashed = {
            let mut mac = Hmac::<Sha1>::new_from_slice(b"salt").expect("any length");
            mac.update(b"github.com");
            format!(
                "|1|{}|{}",
                STANDARD.encode(b"salt"),
                STANDARD.encode(mac.finalize().into_bytes())
            )
        };
        for (names, place, expected) in [
            ("github.com", "github.com", true),
            ("github.com,140.82.1.1", "140.82.1.1", true),
            ("github.com", "github.co", false),
            ("[github.com]:443", "github.com", false),
            (hashed.as_str(), "github.com", true),
            (hashed.as_str(), "gitlab.com", false),
            ("@revoked", "github.com", false),
        ] {
            assert_eq!(is_for(&format!("{names} {KEY}"), place), expected, "{names}");
        }
        assert_eq!(
            fingerprint(&format!("github.com {KEY} a comment")).as_deref(),
            Some(PRINT)
        );
        assert_eq!(fingerprint("github.com"), None);
    }

    #[test]
    fn only_another_key_of_the_same_type_is_replaced() {
        let hashed = "|1|c2FsdA==|";
        let mut mac = Hmac::<Sha1>::new_from_slice(b"salt").expect("any length");
        mac.update(b"a");
        let hashed = format!(
            "{hashed}{} ssh-ed25519 OLD\n",
            STANDARD.encode(mac.finalize().into_bytes())
        );
        let new = format!("a {KEY}\n");
        for (old, expected) in [
            (
                b"a ssh-ed25519 OLD\na ssh-rsa RSA\na,b ssh-ed25519 OTHER\n# note\n".to_vec(),
                [b"a ssh-rsa RSA\nb ssh-ed25519 OTHER\n# note\n", new.as_bytes()].concat(),
            ),
            (b"x".to_vec(), [b"x\n", new.as_bytes()].concat()),
            // Other lines stay byte for byte, in whatever encoding and with whatever ends.
            (
                b"b ssh-rsa \xffx\r\n\n  # c\xfc\r\na ssh-ed25519 OLD\r\nlast".to_vec(),
                [b"b ssh-rsa \xffx\r\n\n  # c\xfc\r\nlast\n", new.as_bytes()].concat(),
            ),
            (
                [hashed.as_bytes(), b"|1|c2FsdA==|AAAA ssh-ed25519 OTHER\n"].concat(),
                [b"|1|c2FsdA==|AAAA ssh-ed25519 OTHER\n", new.as_bytes()].concat(),
            ),
            (
                b"@revoked a ssh-ed25519 OLD\n".to_vec(),
                [b"@revoked a ssh-ed25519 OLD\n", new.as_bytes()].concat(),
            ),
        ] {
            assert_eq!(with(&old, "a", KEY), expected, "{}", String::from_utf8_lossy(&old));
            let known = without_others(&expected, "a", new.as_bytes());
            assert_eq!(known, expected);
        }
        let both = format!("a {KEY} comment\n{hashed}");
        assert_eq!(
            without_others(both.as_bytes(), "A", new.as_bytes()),
            format!("a {KEY} comment\n").into_bytes()
        );
    }
}
