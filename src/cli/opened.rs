//! Opens what a saved plan was made from, if a seal shows that it is unchanged.

use std::path::Path;

use homelab::error::Diagnostic;
use homelab::saved::{Bundle, SavedPlan};
use homelab::secrets::{Identities, Recipients, Sealed};

use super::output::eprint_line;

/// What to do if nothing shows that a plan is as it was saved.
const ASK: &str = "look up the digest that `homelab plan` printed when it was saved, and add `--digest DIGEST`";

/// What the plan in `file` was made from, which must have this digest if one is given; `home` is the project's folder on this machine.
///
/// Errors: private keys cannot be read. A mistake: the plan was changed, or nothing shows that it was not, or there is no key for it.
pub(super) fn opened(
    (file, digest): (&Path, Option<&str>),
    saved: &SavedPlan,
    home: Option<&Path>,
) -> anyhow::Result<Result<Bundle, Diagnostic>> {
    let shown = file.display().to_string();
    let identities = Identities::find(home.unwrap_or(Path::new(".")))?;
    let has_recipients = match home {
        Some(home) => Recipients::find(home)?.is_some(),
        None => false,
    };
    if let Some(mistake) = changed((&shown, digest), saved, &identities, has_recipients) {
        return Ok(Err(mistake));
    }
    Ok(saved
        .bundle(&identities)
        .map_err(|closed| saved.mistake(&shown, &closed)))
}

fn changed(
    (shown, digest): (&str, Option<&str>),
    saved: &SavedPlan,
    identities: &Identities,
    has_recipients: bool,
) -> Option<Diagnostic> {
    let mistake = |title: &str, why: String| {
        let title = title.replace("FILE", &format!("`{shown}`"));
        Some(Diagnostic::new(title).because(why))
    };
    let sealed = saved.sealed(identities);
    if sealed == Some(Sealed::Broken) {
        let why = "its seal is that of another plan".to_owned();
        return Some(mistake("FILE was changed since it was saved", why)?.hint("save a new plan with `homelab plan`"));
    }
    if let Some(digest) = digest {
        let is_meant = digest.eq_ignore_ascii_case(&saved.digest);
        let why = format!("its digest is {}", saved.digest);
        return if is_meant {
            None
        } else {
            mistake("FILE is another plan", why)
        };
    }
    match sealed {
        Some(Sealed::Whole | Sealed::Broken) => None,
        Some(Sealed::ByAnother) => {
            let by = saved.sealed_by().unwrap_or_default();
            let why = format!("it is sealed by {by}, and only that private key can check it");
            Some(mistake("nothing shows that FILE is as it was saved", why)?.hint(ASK))
        }
        None if saved.is_encrypted() || has_recipients => {
            let why = "it has no seal of a recipient of the project".to_owned();
            Some(mistake("nothing shows that FILE is as it was saved", why)?.hint(ASK))
        }
        None => {
            eprint_line(format_args!(
                "the plan has no seal, since its project has no recipients: `--digest {}` holds it to what you reviewed",
                saved.digest
            ));
            None
        }
    }
}
