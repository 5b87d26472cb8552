//! How a host remembers what deploys created: the files of which [`Made`](super::made::Made) is the first line.

use std::collections::BTreeSet;

use super::Probe;
use super::made::{Creation, PREFIX, digest};
use crate::quote::{delimiter, quote, quote_all};
use crate::secret::DigestKey;

/// The folder, below homelab's own.
const FOLDER: &str = "made";
/// The file with what a run forgot, in the folder of what it replaced.
const FORGOTTEN: &str = "made";
/// The folder of what runs replaced, below homelab's own.
const PREVIOUS: &str = "previous";
/// What stands for no digest of content.
const NONE: &str = "-";
/// What stands before a digest of what reviews do not show.
const SECRET: char = '*';

/// What a host says of something that was created.
#[derive(Clone, Debug)]
pub struct Found {
    pub creation: Creation,
    /// Keyed digests of what was written last, and of what was written before.
    pub written: Vec<(DigestKey, String)>,
    /// Whether anything is at its path. Of what has no path that is not known yet.
    pub is_there: bool,
}

impl Found {
    /// Whether this is what was written; its digest is that of all of it. A run may have put back what was written before.
    pub fn is_as_written(&self, sha256: &str) -> bool {
        self.written
            .iter()
            .any(|(key, written)| key.digest(sha256).0 == *written)
    }
}

/// The line of a creation, without the key.
fn line(creation: &Creation) -> String {
    let kind: &str = creation.kind.into();
    let secret = if creation.is_secret {
        SECRET.to_string()
    } else {
        String::new()
    };
    let written = creation.digest.as_deref().unwrap_or(NONE);
    format!(
        "{} {kind} {secret}{written} {}",
        digest(&creation.subject()),
        creation.name
    )
}

/// Prints the lines of such files that begin with one of these digests, behind `+` if something is at their path, else `-`.
pub fn probe<'a>(state_folder: &str, files: impl IntoIterator<Item = &'a str>, digests: &BTreeSet<String>) -> Probe {
    let files: Vec<String> = files.into_iter().map(quote).collect();
    let wanted: Vec<&str> = digests.iter().map(String::as_str).collect();
    Probe::new(
        "what earlier runs created",
        format!(
            "cd -- {folder} 2>/dev/null && for f in {files}; do sed 1d -- \"./$f\" 2>/dev/null; done | while read -r d k t c n; do\n\
             case ' {wanted} ' in *\" $d \"*) ;; *) continue ;; esac\n\
             s=-; [ ! -e \"$n\" ] && [ ! -L \"$n\" ] || s=+\n\
             printf '%s %s %s %s %s\\n' $s \"$k\" \"$t\" \"$c\" \"$n\"\n\
             done",
            folder = quote(&format!("{state_folder}/{FOLDER}")),
            files = files.join(" "),
            wanted = wanted.join(" "),
        ),
    )
}

/// What [`probe`] prints, each once, with what was written last.
pub fn parse(answer: &str) -> Vec<Found> {
    let mut all: Vec<Found> = Vec::new();
    for line in answer.lines() {
        let mut words = line.splitn(5, ' ');
        let mut next = || words.next();
        let (Some(there), Some(key), Some(kind), Some(written), Some(name)) = (next(), next(), next(), next(), next())
        else {
            continue;
        };
        let (is_secret, written) = written
            .strip_prefix(SECRET)
            .map_or((false, written), |rest| (true, rest));
        let Some(creation) = kind
            .parse()
            .ok()
            .and_then(|kind| Creation::new(kind, name, Some(written.to_owned()).filter(|written| written != NONE)))
        else {
            continue;
        };
        // No operation writes such a path, so none can remove it.
        if creation.path().is_some_and(|path| !is_plain(path)) {
            continue;
        }
        let is_there = there == "+" || creation.path().is_none();
        let written = DigestKey::from_hex(key).zip(creation.digest.clone());
        match all.iter_mut().find(|one| one.creation.subject() == creation.subject()) {
            Some(known) => {
                known.written.extend(written);
                known.creation.is_secret |= is_secret;
            }
            None => all.push(Found {
                creation: Creation { is_secret, ..creation },
                written: written.into_iter().collect(),
                is_there,
            }),
        }
    }
    all
}

/// Whether a path has no part that leads elsewhere.
fn is_plain(path: &str) -> bool {
    let rest = path.strip_prefix('/');
    rest.is_some_and(|rest| rest.split('/').all(|part| !matches!(part, "" | "." | "..")))
}

/// A change of what is remembered.
#[derive(Debug, Default)]
pub struct Update {
    /// What is created, or written anew.
    pub made: Vec<Creation>,
    /// What is created if nothing is at its path when the change begins.
    pub perhaps: Vec<Creation>,
    /// The digests of what goes.
    pub gone: BTreeSet<String>,
    /// The digests of what this run said that it makes or writes, and did not, or put back.
    pub undone: BTreeSet<String>,
    /// What comes back that an earlier run forgot.
    pub returning: Option<Returning>,
}

/// What a rollback brings back.
#[derive(Debug, Default)]
pub struct Returning {
    /// The run that is taken back.
    pub run: String,
    /// The digests of names.
    pub digests: BTreeSet<String>,
    /// The users whose tables of cron come back as a whole.
    pub cron_users: BTreeSet<String>,
}

/// Where a run remembers.
#[derive(Clone, Copy, Debug)]
pub struct Remembering<'a> {
    /// Where homelab keeps its state on the host.
    pub state_folder: &'a str,
    /// The file of the deploy; empty if it has none.
    pub file: &'a str,
    /// The run's name.
    pub run: &'a str,
    /// The key of the run's digests.
    pub key: &'a DigestKey,
}

impl Update {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        let has_returning = |returning: &Returning| !returning.digests.is_empty() || !returning.cron_users.is_empty();
        self.made.is_empty()
            && self.perhaps.is_empty()
            && self.gone.is_empty()
            && self.undone.is_empty()
            && !self.returning.as_ref().is_some_and(has_returning)
    }

    /// Shell text that changes the file of a deploy accordingly; what goes leaves the files of all deploys. Each file is replaced as a
    /// whole. Of what is written anew, the line of what was written before stays too, and is known by its other key. What goes is kept with
    /// what the run replaces, so that a rollback finds it.
    pub fn script(&self, at: &Remembering<'_>) -> String {
        let mut text = format!(
            "( umask 077; cd -- {folder} 2>/dev/null || {{ mkdir -p -- {folder} && cd -- {folder}; }} || exit\n\
             lost=\n\
             put() {{ if [ -s .lines ]; then {{ awk '!s[$1]++{{printf \"%s\",$1}} END{{print \"\"}}' .lines && cat .lines; }} >.new && mv -f -- .new \"$1\"; else rm -f -- \"$1\"; fi; }}\n",
            folder = quote(&format!("{}/{FOLDER}", at.state_folder)),
        );
        if !self.undone.is_empty() {
            text.push_str(&self.undo(at));
        }
        if !self.gone.is_empty() {
            text.push_str(&self.forget(at));
        }
        if let Some(returning) = &self.returning {
            text.push_str(&returning.script());
        }
        if !self.made.is_empty() || !self.perhaps.is_empty() {
            text.push_str(&self.add(at));
        }
        text + "rm -f .more .gone .left .lines .new; [ -z \"$lost\" ] )"
    }

    fn undo(&self, at: &Remembering<'_>) -> String {
        format!(
            "{listed}\
             [ ! -f {file} ] || {{ awk -v k={key} 'FILENAME==ARGV[1]{{u[$1];next}} FNR>1&&!(($1 in u)&&$2==k)' .gone {file} >.lines && put {file} || lost=1; }}\n",
            listed = listed(&self.undone),
            file = quote(at.file),
            key = at.key.hex(),
        )
    }

    fn forget(&self, at: &Remembering<'_>) -> String {
        let kept = quote(&format!("../{PREVIOUS}/{}", at.run));
        format!(
            "rm -f .left\n{listed}\
             for f in {PREFIX}*; do [ ! -f \"$f\" ] || {{ awk -v f=\"$f\" 'FILENAME==ARGV[1]{{g[$1];next}} FNR>1{{if($1 in g)print f,$0>>\".left\";else print}}' .gone \"$f\" >.lines && put \"$f\" || lost=1; }}; done\n\
             [ ! -s .left ] || {{ mkdir -p -- {kept} && cat .left >>{kept}/{FORGOTTEN}; }} || lost=1\n",
            listed = listed(&self.gone),
        )
    }

    fn add(&self, at: &Remembering<'_>) -> String {
        let lines: String = self.made.iter().map(|one| line(one) + "\n").collect();
        let perhaps: Vec<String> = self
            .perhaps
            .iter()
            .map(|one| {
                let (path, line) = (quote(&one.name), quote(&line(one)));
                format!("[ -e {path} ] || [ -L {path} ] || printf '%s\\n' {line} || lost=1\n")
            })
            .collect();
        format!(
            "{{ cat <<'{delimiter}'\n{lines}{delimiter}\n[ $? = 0 ] || lost=1\n{perhaps}}} >.more\n\
             [ ! -s .more ] || {{ [ -f {file} ] || : >{file}\n\
             awk -v k={key} 'FILENAME==ARGV[1]{{d=$1;sub(/^[^ ]* /,\"\");m[d];print d,k,$0;next}} FNR>1&&(!($1 in m)||$2!=k&&!o[$1]++)' .more {file} >.lines && put {file} || {{ lost=1; [ -s {file} ] || rm -f -- {file}; }}; }}\n",
            perhaps = perhaps.concat(),
            file = quote(at.file),
            key = at.key.hex(),
            delimiter = delimiter(&lines),
        )
    }
}

impl Returning {
    /// Shell text that takes up again what the run forgot, in the files of the deploys that remembered it.
    fn script(&self) -> String {
        let users = self.cron_users.iter().map(|user| format!("cron:{user}"));
        let wanted: BTreeSet<String> = self.digests.iter().cloned().chain(users).collect();
        format!(
            "{listed}\
             [ ! -f {forgotten} ] || awk 'FILENAME==ARGV[1]{{b[$1];next}} ($2 in b)||($4==\"cron\"&&(\"cron:\" $6) in b)' .gone {forgotten} | while read -r f l; do\n\
             case $f in */*|.*|'') continue ;; esac\n\
             {{ printf '%s\\n' \"$l\" && {{ [ ! -f \"$f\" ] || sed 1d \"$f\"; }}; }} >.lines && put \"$f\" || exit\n\
             done || lost=1\n",
            listed = listed(&wanted),
            forgotten = quote(&format!("../{PREVIOUS}/{}/{FORGOTTEN}", self.run)),
        )
    }
}

/// Shell text that writes words into `.gone`, one a line.
fn listed(words: &BTreeSet<String>) -> String {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    format!("printf '%s\\n' {} >.gone || lost=1\n", quote_all(words))
}

#[cfg(test)]
mod tests;
