//! Asks registries about images, each through a host that uses it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use homelab::apply::HostEnd;
use homelab::error::Diagnostic;
use homelab::facts::docker::RegistryAnswer;
use homelab::facts::{Fact, FactKey};
use homelab::gather::read_facts;
use homelab::plan::UsedImage;
use homelab::project::Project;
use homelab::report;

use super::super::connection_arguments::ConnectionArguments;
use super::super::interruption::waited;
use super::super::output::{eprint, eprint_line};
use super::super::{errors, targets};

/// What registries say.
#[derive(Default)]
pub(super) struct Answers {
    /// Digests by the names of images.
    pub(super) digests: BTreeMap<String, String>,
    /// How what could not be asked ended.
    pub(super) ends: Vec<HostEnd>,
}

/// Asks about `images`. After a signal, returns the exit code. A host that cannot ask is told, and the next one that uses an image asks.
pub(super) fn ask(
    project: &Project,
    inventory: &str,
    images: &[&UsedImage],
    connection: &ConnectionArguments,
) -> anyhow::Result<Result<Answers, ExitCode>> {
    let mut answers = Answers::default();
    let mut open: BTreeMap<String, Vec<&str>> = images
        .iter()
        .map(|used| {
            let hosts = used.hosts.iter().map(String::as_str).rev().collect();
            (used.image.found_as(), hosts)
        })
        .collect();
    let mut why_not: BTreeMap<String, String> = BTreeMap::new();
    while !open.is_empty() {
        let mut by_host: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (name, hosts) in &mut open {
            if let Some(host) = hosts.pop() {
                by_host.entry(host).or_default().insert(name.clone());
            } else {
                let why = why_not.get(name).cloned();
                eprint(&report::diagnostic(&unasked(name, why)));
                answers.ends.push(HostEnd::Failed);
            }
        }
        open.retain(|name, _| by_host.values().any(|names| names.contains(name)));
        for (host, names) in by_host {
            let targets = connection.complete(targets::of_hosts(project, inventory, std::iter::once(host))?)?;
            let keys: Vec<FactKey> = names.iter().map(|name| FactKey::RegistryImage(name.clone())).collect();
            let Some(target) = targets.first() else { continue };
            let facts = match waited(read_facts(target, keys.clone()), "interrupted")? {
                Ok(Ok(facts)) => facts,
                Ok(Err(error)) => {
                    errors::show_reading(&error);
                    why_not.extend(names.iter().map(|name| (name.clone(), format!("{host}: not read"))));
                    continue;
                }
                Err(code) => return Ok(Err(code)),
            };
            let mut asked = 0;
            for (name, key) in names.iter().zip(&keys) {
                let answer = match facts.get(key) {
                    Some(Fact::RegistryImage(answer)) => answer.clone(),
                    Some(Fact::Denied(why)) => RegistryAnswer::NotAsked(why.clone()),
                    _ => RegistryAnswer::NotAsked("it gave no answer".to_owned()),
                };
                match answer {
                    RegistryAnswer::NotAsked(why) => {
                        why_not.insert(name.clone(), format!("{host}: {why}"));
                        continue;
                    }
                    RegistryAnswer::Digest(digest) => drop(answers.digests.insert(name.clone(), digest)),
                    RegistryAnswer::Refused(why) => {
                        eprint(&report::diagnostic(&refused(name, host, why)));
                        answers.ends.push(HostEnd::Failed);
                    }
                }
                asked += 1;
                open.remove(name);
            }
            if asked > 0 {
                let images = if asked == 1 { "image" } else { "images" };
                eprint_line(format_args!("{host}: asked the registries of {asked} {images}"));
            }
        }
    }
    Ok(Ok(answers))
}

fn unasked(name: &str, why: Option<String>) -> Diagnostic {
    let mistake = Diagnostic::new(format!("no host can ask the registry of `{name}`"));
    let mistake = match why {
        Some(why) => mistake.because(why),
        None => mistake,
    };
    mistake.hint("start the Docker engine of a host that uses the image, or name another host with `--host`")
}

fn refused(name: &str, host: &str, why: String) -> Diagnostic {
    Diagnostic::new(format!("{host}: the registry of `{name}` gives no digest"))
        .because(why)
        .hint(format!(
            "`docker pull {name}` on the host shows more; `docker.login` logs in to a registry"
        ))
}
