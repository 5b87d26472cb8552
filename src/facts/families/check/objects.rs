//! Asks a cluster how far objects are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::facts::check::{Check, CheckFact};
use crate::facts::key::FactKey;
use crate::facts::kubernetes::{Api, ObjectsCheck};
use crate::quote::{quote, quoted_script};

/// How long `kubectl` may take, in seconds.
const LONGEST: u32 = 20;

/// One call for all objects. Named twice, they are printed as a list, however many there are. `fails` and what `kubectl` says last, or
/// `objects` and what it prints.
pub(super) fn probe(check: &ObjectsCheck) -> String {
    let words = check.objects.words();
    let path = check.jsonpath();
    let path = quoted_script(&path).map_or_else(|_| quote(&path), std::borrow::Cow::into_owned);
    let may = match &check.objects.api.kubeconfig {
        None => "[ -r /etc/rancher/k3s/k3s.yaml ] || [ \"$(id -u)\" = 0 ]".to_owned(),
        Some(file) => format!("[ -r {} ]", quote(file)),
    };
    format!(
        "({}if ! {{ {may}; }}; then echo denied only root can ask the cluster\n\
         elif a=$(timeout -k 2 {LONGEST} {} get {words} {words} --ignore-not-found -o jsonpath={path} 2>&1); then \
         printf \"objects %s\\n\" \"$(printf \"%s\\n\" \"$a\" | base64 | tr -d \"\\n\")\"\n\
         else printf \"fails %s\\n\" \"$(printf \"%s\\n\" \"${{a:-no answer}}\" | tail -n 1 | cut -c 1-300)\"; fi)\n",
        Api::path(),
        check.objects.kubectl(),
    )
}

/// What an answer says; `None` if it cannot be read.
pub(super) fn parse(key: &FactKey, coded: &str) -> Option<CheckFact> {
    let FactKey::Check(Check::Objects(check)) = key else {
        return None;
    };
    let printed = STANDARD.decode(coded).ok()?;
    let printed = String::from_utf8_lossy(&printed);
    Some(check.why_not(&printed).map_or(CheckFact::Holds, CheckFact::Fails))
}
