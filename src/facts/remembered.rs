//! How a host remembers what deploys created: the files of which [`Made`](super::made::Made) is the first line.

use std::collections::BTreeSet;

use super::Probe;
use super::made::{Creation, PREFIX, digest};
use crate::quote::{delimiter, quote};
use crate::secret::DigestKey;

/// The folder, below homelab's own.
const FOLDER: &str = "made";
/// What stands for no digest of content.
const NONE: &str = "-";
/// What stands before a digest of what reviews do not show.
const SECRET: char = '*';

/// What a host says of something that was created.
#[derive(Clone, Debug)]
pub struct Found {
    pub creation: Creation,
    /// The key of its digest.
    pub key: Option<DigestKey>,
    /// Whether anything is at its path. Of what has no path that is not known yet.
    pub is_there: bool,
}

impl Found {
    /// Whether this is what was written; its digest is that of all of it.
    pub fn is_as_written(&self, sha256: &str) -> bool {
        let key = self.key.as_ref().zip(self.creation.digest.as_deref());
        key.is_some_and(|(key, written)| key.digest(sha256).0 == written)
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

/// What [`probe`] prints, each once.
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
        let is_there = there == "+" || creation.path().is_none();
        if !all.iter().any(|one| one.creation.subject() == creation.subject()) {
            all.push(Found {
                creation: Creation { is_secret, ..creation },
                key: DigestKey::from_hex(key),
                is_there,
            });
        }
    }
    all
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
}

impl Update {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.made.is_empty() && self.perhaps.is_empty() && self.gone.is_empty()
    }

    /// Shell text that changes the file of a deploy accordingly; what goes leaves the files of all deploys. `key` is that of the
    /// digests. Each file is replaced as a whole.
    pub fn script(&self, state_folder: &str, file: &str, key: &DigestKey) -> String {
        let lines: String = self.made.iter().map(|one| line(one) + "\n").collect();
        let perhaps: Vec<String> = self
            .perhaps
            .iter()
            .map(|one| {
                let (path, line) = (quote(&one.name), quote(&line(one)));
                format!("[ -e {path} ] || [ -L {path} ] || printf '%s\\n' {line}\n")
            })
            .collect();
        let gone: String = self.gone.iter().map(|digest| digest.clone() + "\n").collect();
        format!(
            "( umask 077; cd -- {folder} 2>/dev/null || {{ mkdir -p -- {folder} && cd -- {folder}; }} || exit\n\
             put() {{ if [ -s .lines ]; then {{ awk '{{printf \"%s\",$1}} END{{print \"\"}}' .lines; cat .lines; }} >.new && mv -f -- .new \"$1\"; else rm -f -- \"$1\"; fi; }}\n\
             {{ cat <<'{delimiter}'\n{lines}{delimiter}\n{perhaps}}} >.more\n\
             cat >.gone <<'{delimiter}'\n{gone}{delimiter}\n\
             [ ! -s .gone ] || for f in {PREFIX}*; do [ ! -f \"$f\" ] || {{ awk 'FILENAME==ARGV[1]{{gone[$1];next}} FNR>1&&!($1 in gone)' .gone \"$f\" >.lines && put \"$f\"; }}; done\n\
             [ ! -s .more ] || {{ [ -f {file} ] || : >{file}\n\
             awk -v k={key} 'FILENAME==ARGV[1]{{d=$1;sub(/^[^ ]* /,\"\");more[d];print d,k,$0;next}} FNR>1&&!($1 in more)' .more {file} >.lines && put {file}; }}\n\
             rm -f .more .gone .lines )",
            perhaps = perhaps.concat(),
            folder = quote(&format!("{state_folder}/{FOLDER}")),
            file = quote(file),
            key = key.hex(),
            delimiter = delimiter(&format!("{lines}{gone}")),
        )
    }
}

#[cfg(test)]
mod tests;
