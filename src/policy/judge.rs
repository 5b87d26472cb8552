//! All that lints find in a project, without what it allows.

use std::collections::HashMap;

use jiff::Timestamp;

use super::allowed::AllowedIn;
use super::covered::Covered;
use super::finding::Finding;
use super::lint::{Level, Lint};
use super::scene::Scene;
use super::table::{LINTS, UNUSED_ALLOW};
use crate::error::Diagnostic;
use crate::plan::Checked;
use crate::project::Project;

/// What a lint finds.
#[derive(Debug)]
pub struct Judged {
    pub lint: &'static Lint,
    pub diagnostic: Diagnostic,
    /// The hosts that it is about, as `inventory/host`; empty if it does not depend on a host.
    pub hosts: Vec<String>,
}

/// Something that the project allows.
#[derive(Debug)]
pub struct Allowed {
    pub judged: Judged,
    pub reason: String,
}

/// All that lints say of a project.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The worst first, then in the order of files.
    pub found: Vec<Judged>,
    pub allowed: Vec<Allowed>,
    /// What is wrong about what is allowed.
    pub mistakes: Vec<Diagnostic>,
}

impl Verdict {
    /// How much of a level was found.
    pub fn count(&self, level: Level) -> usize {
        self.found.iter().filter(|judged| judged.lint.level == level).count()
    }
}

/// Has all lints look at a project that was checked. `now` is for certificates.
pub fn judge(project: &Project, checked: &Checked, now: Timestamp) -> Verdict {
    let scene = Scene::of(project, checked, now.as_second());
    let mut allowed = AllowedIn::new(project, &scene.operations);
    let mut verdict = Verdict::default();
    let mut known = Known::default();
    for lint in LINTS {
        for finding in (lint.check)(&scene) {
            add(lint, finding, &scene, &mut allowed, (&mut verdict, &mut known));
        }
    }
    let known: Vec<&str> = LINTS.iter().map(|lint| lint.name).collect();
    verdict.mistakes = allowed.mistakes(&known);
    if checked.is_whole && checked.closed_secrets == 0 {
        for (name, origin) in allowed
            .unused()
            .into_iter()
            .filter(|(name, _)| known.contains(&name.as_str()))
        {
            verdict.found.push(Judged {
                lint: lint(&UNUSED_ALLOW),
                diagnostic: Diagnostic::new(format!("`{name}` is allowed and not found"))
                    .at(&origin, "allows nothing")
                    .hint(UNUSED_ALLOW.remedy),
                hosts: Vec::new(),
            });
        }
    }
    let place = |judged: &Judged| {
        let origin = judged.diagnostic.origin();
        let origin = origin.map(|origin| (origin.file.path.clone(), origin.span.start));
        (judged.lint.level, origin, judged.lint.name)
    };
    verdict.found.sort_by_cached_key(place);
    verdict.allowed.sort_by_cached_key(|allowed| place(&allowed.judged));
    verdict
}

/// The line of the table.
fn lint(wanted: &Lint) -> &'static Lint {
    LINTS.iter().find(|one| one.name == wanted.name).unwrap_or(&LINTS[0])
}

/// What is found already: one place may be the source of several lines.
#[derive(Default)]
struct Known {
    /// By lint, file, place and title: whether it is allowed, and its position.
    found: HashMap<(&'static str, String, usize, String), (bool, usize)>,
    covered: Covered,
}

fn add(
    lint: &'static Lint,
    finding: Finding,
    scene: &Scene<'_>,
    allowed: &mut AllowedIn<'_>,
    (verdict, known): (&mut Verdict, &mut Known),
) {
    let planned = finding.operation.and_then(|number| scene.operations.get(number));
    let host = planned.map(super::planned::Planned::host);
    let origin = &finding.place.origin;
    let key = (
        lint.name,
        origin.file.path.clone(),
        origin.span.start,
        finding.title.clone(),
    );
    if let Some((is_allowed, at)) = known.found.get(&key) {
        let judged = match is_allowed {
            true => verdict.allowed.get_mut(*at).map(|allowed| &mut allowed.judged),
            false => verdict.found.get_mut(*at),
        };
        if let Some(judged) = judged {
            judged.hosts.extend(host.filter(|host| !judged.hosts.contains(host)));
        }
        return;
    }
    let reason = allowed.reason(lint.name, origin, planned);
    let place = known.covered.place(finding.place, finding.is_hidden);
    let label = match &place.within {
        Some(within) => format!("{within}: {}", finding.label),
        None => finding.label,
    };
    let judged = Judged {
        lint,
        diagnostic: Diagnostic::new(finding.title)
            .at(&place.origin, label)
            .hint(lint.remedy),
        hosts: host.into_iter().collect(),
    };
    let at = if let Some(reason) = reason {
        verdict.allowed.push(Allowed { judged, reason });
        (true, verdict.allowed.len() - 1)
    } else {
        verdict.found.push(judged);
        (false, verdict.found.len() - 1)
    };
    known.found.insert(key, at);
}
