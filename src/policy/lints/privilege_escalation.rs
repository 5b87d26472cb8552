//! `privilege-escalation`: a program that may get more rights than it was started with.

use serde_json::Value;

use crate::policy::finding::Finding;
use crate::policy::lint::{Level, Lint};
use crate::policy::pods::in_pods;
use crate::policy::scene::Scene;

pub(in crate::policy) const LINT: Lint = Lint {
    name: "privilege-escalation",
    level: Level::Note,
    title: "A container of a pod whose programs may gain rights",
    why: "A set-id program in the image makes root of anyone who runs anything in the container.",
    remedy: "Write `securityContext: { allowPrivilegeEscalation: false }`.",
    check,
};

fn check(scene: &Scene<'_>) -> Vec<Finding> {
    in_pods(scene, |container, called| {
        let is_held = container.pointer("/securityContext/allowPrivilegeEscalation") == Some(&Value::Bool(false));
        (!is_held).then(|| {
            let title = format!("programs in {called} may gain rights");
            (title, "no `allowPrivilegeEscalation: false`")
        })
    })
}
