//! Commands that must accept new files of a stack before these replace the old ones. Each runs in a throw-away container of its service,
//! which has no network and none of the service's volumes, and copies of its files as they will be.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use super::changes::pull_first;
use super::decision::{Decision, Obtain, Situation};
use super::files::Written;
use crate::change::{Command, ResourceChange, Step};
use crate::content::{Content, Input};
use crate::facts::compose::{CLEAN, Service};
use crate::facts::docker::Reference;
use crate::facts::path::is_below;
use crate::quote::{quote, quote_all};
use crate::secret::DigestKey;

/// How long one may take.
const LONGEST: Duration = Duration::from_secs(300);

/// Where the copies are meanwhile.
const FOLDER: &str = "/var/lib/homelab/validate";

/// The name of the container.
const CONTAINER: &str = "homelab-validate";

/// `hl_copy FROM TO WITHOUT…` copies what is mounted, but for directories that services fill. `hl_file PATH SIZE MODE OWNER` writes a file
/// with the next bytes of the standard input. `hl_accept SERVICE OPTIONS-AND-WORDS…` runs a command of a service.
const FUNCTIONS: &str = r#"docker() { hl_clean docker "$@"; }
hl_end() { docker rm -f "$name" </dev/null >/dev/null 2>&1; rm -rf -- "$t"; }
trap hl_end EXIT
trap 'exit 1' HUP INT TERM
hl_end
umask 022
mkdir -p -- "$t" && chmod 0700 "$t" || exit
hl_copy() {
from=$1 to=$2; shift 2
if [ -d "$from" ]; then mkdir -- "$to" && tar -C "$from" --one-file-system "$@" -cf - . | tar -C "$to" -xpf -
elif [ -e "$from" ]; then cp -a -- "$from" "$to"; fi
}
hl_file() { mkdir -p -- "${1%/*}" && rm -rf -- "$1" && head -c "$2" >"$1" && chown "$4" "$1" && chmod "$3" "$1"; }
hl_accept() {
s=$1 words=$2; shift 2
docker run --rm --name "$name" --network none --pull never "$@" </dev/null >"$t/output" 2>&1 || {
c=$?; tail -n 30 "$t/output"
echo "service $s: \`$words\` does not accept the new files (exit code $c); nothing of the stack was changed"; return 1; }
}
"#;

/// What must accept new files.
pub(super) struct Validators {
    /// Images that have to be pulled before.
    pub(super) pulled: BTreeSet<String>,
    runs: BTreeSet<Run>,
}

/// A command in a container of a service.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    service: String,
    command: Vec<String>,
    image: String,
}

impl Validators {
    /// Those of the files that the operation itself changes. What is built from these files has no image yet that could look at them.
    pub(super) fn of(situation: &Situation<'_>, decisions: &[Decision], written: &Written) -> Self {
        let mut all = Self {
            pulled: BTreeSet::new(),
            runs: BTreeSet::new(),
        };
        let changed = written.changed_paths();
        for path in changed.files.keys() {
            let Some(rule) = situation.rule(path) else { continue };
            let Some(command) = &rule.validate else { continue };
            for (name, service) in &situation.config.services {
                let is_meant = if rule.services.is_empty() {
                    situation.is_of(path, name, service)
                } else {
                    rule.services.contains(name)
                };
                if is_meant && service.replicas != Some(0) {
                    all.add(situation, decisions, name, command);
                }
            }
        }
        all
    }

    fn add(&mut self, situation: &Situation<'_>, decisions: &[Decision], name: &str, command: &[String]) {
        let Some(decision) = decisions.iter().find(|one| one.service == name) else {
            return;
        };
        let named = situation.image_named(name);
        let mut containers = situation.now.containers.iter().filter(|one| one.service == name);
        let image = match (decision.image, containers.next()) {
            (Obtain::Build, _) => return,
            (Obtain::Pull, _) => {
                self.pulled.insert(named.clone());
                let pinned = situation.held.get(&named).and_then(Reference::pinned);
                pinned.unwrap_or(named)
            }
            (Obtain::Nothing, Some(container)) if !decision.what.renews() => container.image.clone(),
            (Obtain::Nothing, _) => match situation.held.image(situation.now, &named) {
                // An earlier operation gets it.
                None | Some("") => named,
                Some(id) => id.to_owned(),
            },
        };
        self.runs.insert(Run {
            service: name.to_owned(),
            command: command.to_vec(),
            image,
        });
    }

    /// The steps that come before all others; none if nothing is to be accepted.
    pub(super) fn steps(
        &self,
        situation: &Situation<'_>,
        written: &Written,
        changes: &[ResourceChange],
        filled: &BTreeSet<String>,
        key: &DigestKey,
    ) -> Vec<Step> {
        if self.runs.is_empty() {
            return Vec::new();
        }
        let mut staging = Staging::new(situation, written, changes);
        let mut runs = String::new();
        for run in &self.runs {
            let Some(service) = situation.config.services.get(&run.service) else {
                continue;
            };
            let mounts = staging.mounts(service);
            let _ = writeln!(
                runs,
                "hl_accept {} {} || exit",
                quote(&run.service),
                run.words(service, &mounts)
            );
        }
        let (copies, input, is_secret) = staging.copies(filled);
        let script = format!("{CLEAN}t={FOLDER} name={CONTAINER}\n{FUNCTIONS}{copies}{runs}");
        let input = if is_secret {
            Input::secret(input, key)
        } else {
            Input::open(input)
        };
        let summaries: Vec<String> = self.runs.iter().map(|run| run.command.join(" ")).collect();
        let validate = Step::Run(Command {
            timeout: LONGEST,
            input: Some(input),
            is_validator: true,
            ..Command::new(summaries.join("; "), script)
        });
        let pulls = self.pulled.iter().map(|image| pull_first(situation.held, image));
        pulls.chain([validate]).collect()
    }
}

impl Run {
    /// The words of `hl_accept` after the service.
    fn words(&self, service: &Service, mounts: &[(String, String)]) -> String {
        let (program, rest) = self
            .command
            .split_first()
            .map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
        let mut words = vec![self.command.join(" ")];
        if let Some(user) = &service.user {
            words.extend(["--user".to_owned(), user.clone()]);
        }
        for (source, target) in mounts {
            words.extend(["--volume".to_owned(), format!("{source}:{target}:ro")]);
        }
        words.extend(["--entrypoint".to_owned(), program.to_owned(), self.image.clone()]);
        words.extend(rest.iter().cloned());
        quote_all(words.iter().map(String::as_str))
    }
}

/// The files of a stack as they will be, beside those of now.
struct Staging<'a> {
    directory: &'a str,
    files: BTreeSet<&'a str>,
    /// What the operation changes; `None` is removed.
    changed: BTreeMap<&'a str, Option<&'a Content>>,
    /// Mode and owner of what it writes.
    attributes: BTreeMap<&'a str, (u32, String)>,
    /// What is copied, with the number of its copy.
    sources: BTreeMap<String, usize>,
}

impl<'a> Staging<'a> {
    fn new(situation: &'a Situation<'_>, written: &'a Written, changes: &'a [ResourceChange]) -> Self {
        let steps = changes.iter().flat_map(|change| &change.steps);
        let attributes = steps.filter_map(|step| match step {
            Step::WriteFile(file) => {
                let own = &file.attributes;
                Some((file.path.as_str(), (own.mode, format!("{}:{}", own.owner, own.group))))
            }
            _ => None,
        });
        Self {
            directory: situation.directory,
            files: situation.files.keys().map(String::as_str).collect(),
            changed: written.own_changes().collect(),
            attributes: attributes.collect(),
            sources: BTreeMap::new(),
        }
    }

    /// What the container of a service has mounted: those of its mounts that files of the stack are in.
    fn mounts(&mut self, service: &Service) -> Vec<(String, String)> {
        let of_stack =
            |source: &str| is_below(source, self.directory) && self.files.iter().any(|file| is_below(file, source));
        let own: Vec<(&String, &String)> = service.binds.iter().filter(|(_, source)| of_stack(source)).collect();
        let mut mounts = Vec::new();
        for (target, source) in own {
            let is_changed = self.changed.keys().any(|path| is_below(path, source));
            let source = if is_changed {
                let next = self.sources.len();
                let number = self.sources.entry(source.clone()).or_insert(next);
                format!("{FOLDER}/{number}")
            } else {
                source.clone()
            };
            mounts.push((source, target.clone()));
        }
        mounts
    }

    /// Shell text that makes the copies, with its standard input, and whether that has secrets. `filled` are directories that services fill.
    fn copies(&self, filled: &BTreeSet<String>) -> (String, Vec<u8>, bool) {
        let (mut text, mut input, mut is_secret) = (String::new(), Vec::new(), false);
        for (source, number) in &self.sources {
            let copy = format!("{FOLDER}/{number}");
            let left_out = filled.iter().filter_map(|name| {
                let path = format!("{}/{name}", self.directory);
                let below = path.strip_prefix(source.as_str())?.strip_prefix('/')?.to_owned();
                Some(format!("--exclude=./{below}"))
            });
            let left_out: Vec<String> = left_out.collect();
            let words = [source.as_str(), copy.as_str()].into_iter();
            let words = words.chain(left_out.iter().map(String::as_str));
            let _ = writeln!(text, "hl_copy {} || exit", quote_all(words));
            for (path, content) in self.changed.iter().filter(|(path, _)| is_below(path, source)) {
                let to = format!("{copy}{}", path.strip_prefix(source.as_str()).unwrap_or_default());
                let bytes = match content {
                    None => {
                        let _ = writeln!(text, "rm -f -- {}", quote(&to));
                        continue;
                    }
                    // A large file is none that such a command reads.
                    Some(content) => match content.bytes() {
                        Some(bytes) => bytes,
                        None => continue,
                    },
                };
                is_secret |= content.is_some_and(Content::is_secret);
                input.extend_from_slice(bytes);
                let (mode, owner) = self
                    .attributes
                    .get(path)
                    .cloned()
                    .unwrap_or((0o644, "root:root".to_owned()));
                let _ = writeln!(
                    text,
                    "hl_file {} {} {mode:04o} {} || exit",
                    quote(&to),
                    bytes.len(),
                    quote(&owner)
                );
            }
        }
        (text, input, is_secret)
    }
}
