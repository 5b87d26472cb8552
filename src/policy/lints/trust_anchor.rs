//! `trust-anchor`: a certificate that is trusted as an authority, and is none.

use crate::policy::certificates::why_no_anchor;
use crate::policy::finding::{Finding, Place};
use crate::policy::lint::{Level, Lint};
use crate::policy::scene::Scene;

pub(in crate::policy) const LINT: Lint = Lint {
    name: "trust-anchor",
    level: Level::Error,
    title: "A trusted certificate that is no authority, or has expired",
    why: "Nothing that it is to vouch for is trusted: connections fail, or the check of certificates gets switched off.",
    remedy: "Give the certificate of the authority that signs, not that of a server.",
    check,
};

/// Where Debian looks for certificates of authorities.
const TRUSTED: &str = "/usr/local/share/ca-certificates/";

/// Whether data with this key is the certificate of an authority.
fn is_anchor(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let names = [
        "ca",
        "ca_cert",
        "ca_certificate",
        "ca_file",
        "root",
        "client_ca",
        "trusted_ca",
    ];
    names
        .iter()
        .any(|name| key == *name || key.ends_with(&format!("_{name}")))
}

fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, text) in scene.texts().filter(|(_, text)| text.path.starts_with(TRUSTED)) {
        if let Some(why) = why_no_anchor(&text.text, scene.now) {
            let title = format!("`{}` is trusted as an authority", text.path);
            found.push(Finding::new(title, Place::at(&text.used), why).of(Some(number)));
        }
    }
    for datum in scene.data.iter().filter(|datum| is_anchor(&datum.key)) {
        if let Some(why) = why_no_anchor(datum.value, scene.now) {
            let title = format!(
                "`{}` is not the certificate of an authority that can be trusted",
                datum.key
            );
            found.push(Finding::new(title, Place::at(datum.origin), why));
        }
    }
    found
}
