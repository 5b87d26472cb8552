//! The node of a host: restarted where a file changed, and waited for.

use super::due::Due;
use super::role::Role;
use super::script;
use super::source;
use super::wish::{Wish, shown};
use crate::change::{
    Action, Attribute, Attributed, Before, Command, Outcome, ResourceChange, ResourceId, ResourceKind, Risk, Step, Stop,
};
use crate::facts::k3s::{DATA, K3s, Node, NodeState, PROGRAM, SETTINGS};
use crate::facts::kubernetes::{Api, Cluster};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::path::is_below;
use crate::facts::unit::{UnitFact, UnitKey, UnitState};
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;
use crate::operations::work::Work;

/// Plans the node, after the files.
pub(super) fn plan(
    context: &PlanContext<'_>,
    wish: &Wish<'_>,
    name: &str,
    found: &K3s,
    work: &mut Work,
) -> Result<(), Stop> {
    let unit = match context.get(UnitKey(wish.role.unit()))? {
        UnitFact::Present(state) => state,
        UnitFact::Absent => UnitState::default(),
    };
    let due = due(wish, name, found, &unit, work);
    if !due.is_any() {
        return Ok(());
    }
    let change = change(wish, name, found, &unit, due);
    work.add(context, Outcome::Change(vec![change]));
    Ok(())
}

fn due(wish: &Wish<'_>, name: &str, found: &K3s, unit: &UnitState, work: &Work) -> Due {
    let is_own = |path: &str| {
        path == PROGRAM
            || path == wish.role.unit_path()
            || path != SETTINGS && is_below(path, SETTINGS)
            || is_below(path, &format!("{DATA}/agent/images"))
    };
    let file = |change: &ResourceChange| change.id.kind == ResourceKind::File && is_own(&change.id.name);
    let changed = work.changes.iter().any(file);
    let runs = unit.active == "active";
    let node = match &found.node {
        Node::Known(node) => Some(node),
        Node::Unasked | Node::Silent(_) => None,
    };
    let is_old = |version: &String| version != wish.version;
    let is_upgrade = node
        .map(|node| &node.version)
        .or(found.program.as_ref())
        .is_some_and(is_old);
    let restart = changed || !runs || found.is_outdated || unit.is_outdated || node.is_some() && is_upgrade;
    Due {
        enable: unit.enabled != "enabled",
        restart,
        drain: restart && runs && wish.drain.is_some() && node.is_some(),
        snapshot: restart && wish.role == Role::Server && found.has_data && is_upgrade,
        wait: restart || !node.is_some_and(|node| node.is_ready && node.name == name),
        uncordon: node.is_some_and(|node| node.is_drained),
    }
}

fn change(wish: &Wish<'_>, name: &str, found: &K3s, unit: &UnitState, due: Due) -> ResourceChange {
    let id = ResourceId::new(ResourceKind::K3sNode, name);
    let is_new = unit.is_new || unit.file.is_empty() && !found.is_server && !found.is_agent;
    let (action, before) = if is_new {
        (Action::Create, Before::Absent)
    } else {
        (Action::Update, Before::Present(before(wish, found, unit, due)))
    };
    let mut change = ResourceChange::new(id, action, before, Some(after(wish, unit.active == "active", due)));
    change.effects = effects(wish, name, found, unit);
    change.steps = vec![Step::Run(Command {
        supervised: true,
        timeout: script::limit(wish, due),
        ..Command::new(summary(wish, due), script::text(wish, name, due))
    })];
    if due.restart && unit.active == "active" {
        change.risk = Risk::Restart;
    }
    change
}

fn summary(wish: &Wish<'_>, due: Due) -> String {
    match (due.restart, due.enable) {
        (true, _) => format!("systemctl restart {}", wish.role.unit()),
        (false, true) => format!("systemctl enable {}", wish.role.unit()),
        (false, false) => "k3s kubectl get node".to_owned(),
    }
}

fn before(wish: &Wish<'_>, found: &K3s, unit: &UnitState, due: Due) -> Attributed {
    let mut attributes = Attributed::default();
    attributes.insert("role", Attribute::known(wish.role.word()));
    let version = match &found.node {
        Node::Known(node) => Some(&node.version),
        Node::Unasked | Node::Silent(_) => found.program.as_ref(),
    };
    if let Some(version) = version {
        attributes.insert("version", shown(version, found.is_stand_in));
    }
    let activity = if unit.active.is_empty() {
        "inactive"
    } else {
        &unit.active
    };
    attributes.insert("unit", Attribute::known(activity));
    attributes.insert("enabled", Attribute::known(&unit.enabled));
    let ready = match &found.node {
        Node::Known(node) if node.is_ready => "yes".to_owned(),
        Node::Known(node) => format!("no ({})", node.reason),
        Node::Silent(why) => format!("no answer ({why})"),
        Node::Unasked => "no".to_owned(),
    };
    attributes.insert("ready", Attribute::known(ready));
    if due.drain || due.uncordon {
        let pods = if due.uncordon {
            "kept away by an earlier run"
        } else {
            "stay"
        };
        attributes.insert("pods", Attribute::known(pods));
    }
    if due.snapshot {
        attributes.insert("database", Attribute::known("not copied"));
    }
    attributes
}

fn after(wish: &Wish<'_>, runs: bool, due: Due) -> Attributed {
    let mut attributes = Attributed::default();
    attributes.insert("role", Attribute::known(wish.role.word()));
    attributes.insert("version", shown(wish.version, source::is_lab(wish.source)));
    let activity = if due.restart && runs { "restarted" } else { "active" };
    attributes.insert("unit", Attribute::known(activity));
    attributes.insert("enabled", Attribute::known("enabled"));
    attributes.insert("ready", Attribute::known("yes"));
    if due.drain || due.uncordon {
        let pods = if due.drain {
            "moved away before the restart"
        } else {
            "may come back"
        };
        attributes.insert("pods", Attribute::known(pods));
    }
    if due.snapshot {
        attributes.insert(
            "database",
            Attribute::known(format!("copied to {}", script::snapshot(wish.version))),
        );
    }
    attributes
}

fn effects(wish: &Wish<'_>, name: &str, found: &K3s, unit: &UnitState) -> Vec<Effect> {
    let is_server = wish.role == Role::Server;
    let node = NodeState {
        name: name.to_owned(),
        version: wish.version.to_owned(),
        is_ready: true,
        reason: String::new(),
        is_drained: false,
    };
    let own = K3s {
        program: Some(wish.version.to_owned()),
        is_stand_in: source::is_lab(wish.source),
        is_server,
        is_agent: !is_server,
        has_data: is_server,
        token: found.token.clone(),
        is_outdated: false,
        node: Node::Known(node),
    };
    let unit = UnitState {
        id: wish.role.unit().to_owned(),
        load: "loaded".to_owned(),
        active: "active".to_owned(),
        sub: String::new(),
        enabled: "enabled".to_owned(),
        file: wish.role.unit_path(),
        can_start: true,
        can_stop: true,
        needs_reload: false,
        is_outdated: false,
        is_new: false,
        ..unit.clone()
    };
    let api = Api::default();
    let mut effects = vec![
        Effect::Set(FactKey::K3s, Fact::K3s(Box::new(own))),
        Effect::Set(FactKey::Unit(unit.id.clone()), Fact::Unit(UnitFact::Present(unit))),
    ];
    if is_server && !found.has_data {
        let fresh = Cluster::fresh(wish.version, name);
        effects.push(Effect::Set(
            FactKey::KubernetesCluster(api),
            Fact::KubernetesCluster(fresh),
        ));
    } else if is_server {
        let why = "k3s is restarted".to_owned();
        effects.push(Effect::Forget(FactScope::Key(FactKey::KubernetesCluster(api)), why));
    }
    if is_server {
        let why = "k3s writes it when it starts".to_owned();
        let tree = FactScope::Tree(format!("{DATA}/server"));
        let access = FactScope::Key(FactKey::Path(format!("{SETTINGS}/k3s.yaml")));
        effects.extend([tree, access].map(|scope| Effect::Forget(scope, why.clone())));
    }
    effects
}
