//! `present = false`: k3s goes, with its pods and all its data.

use super::wish::{LINKS, Wish};
use crate::change::{
    Action, Attribute, Attributed, Before, Command, Outcome, ResourceChange, ResourceId, ResourceKind, Risk, Step, Stop,
};
use crate::facts::k3s::{DATA, K3s, PROGRAM, SETTINGS};
use crate::facts::kubernetes::{Api, Cluster};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::path::{ContentFact, InodeKind, PathFact};
use crate::facts::unit::UnitFact;
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;

/// What k3s and its pods use, besides the files that homelab writes.
const TREES: [&str; 6] = [
    "/etc/rancher",
    "/var/lib/rancher",
    "/var/lib/kubelet",
    "/var/lib/cni",
    "/run/k3s",
    "/run/flannel",
];

/// How long pods may take to end.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(300);

/// Plans that nothing of it is left.
pub(super) fn plan(
    context: &PlanContext<'_>,
    wish: &Wish<'_>,
    name: &str,
    written: &[String],
    found: &K3s,
) -> Result<Outcome, Stop> {
    let files = [
        PROGRAM.to_owned(),
        wish.role.unit_path(),
        SETTINGS.to_owned(),
        DATA.to_owned(),
    ];
    let mut is_there = *found != K3s::default();
    // All that it would write is looked at: what an earlier run wrote of it is no orphan.
    for path in files.iter().chain(written) {
        is_there |= context.path(path)? != PathFact::Absent;
    }
    let mut links = Vec::new();
    for path in LINKS {
        let PathFact::Present(inode) = context.path(path)? else {
            continue;
        };
        if matches!(&inode.kind, InodeKind::Link { target } if target == "k3s" || target == PROGRAM) {
            links.push(path);
        }
    }
    if !is_there && links.is_empty() {
        return Ok(Outcome::Unchanged);
    }
    let mut before = Attributed::default();
    before.insert("role", Attribute::known(wish.role.word()));
    if let Some(version) = &found.program {
        before.insert("version", super::wish::shown(version, found.is_stand_in));
    }
    before.insert("data", Attribute::known(DATA));
    let id = ResourceId::new(ResourceKind::K3sNode, name);
    let mut change = ResourceChange::new(id, Action::Remove, Before::Present(before), None);
    change.risk = Risk::DataLoss;
    change.effects = effects(wish, &links);
    let files = [PROGRAM.to_owned(), wish.role.unit_path(), wish.role.variables_path()];
    let files: Vec<String> = files
        .into_iter()
        .chain(links.iter().map(|link| (*link).to_owned()))
        .collect();
    let script = REMOVE
        .replace("UNIT", wish.role.unit())
        .replace("FILES", &files.join(" "))
        .replace("TREES", &TREES.join(" "));
    change.steps = vec![Step::Run(Command {
        supervised: true,
        timeout: LIMIT,
        ..Command::new("remove k3s with its pods and data", script)
    })];
    Ok(Outcome::Change(vec![change]))
}

fn effects(wish: &Wish<'_>, links: &[&str]) -> Vec<Effect> {
    let gone = |path: &str| {
        [
            Effect::Set(FactKey::Path(path.to_owned()), Fact::Path(PathFact::Absent)),
            Effect::Set(FactKey::Content(path.to_owned()), Fact::Content(ContentFact::Absent)),
        ]
    };
    let why = "k3s is removed".to_owned();
    let trees = TREES.iter().filter(|tree| !tree.starts_with("/run"));
    let mut effects: Vec<Effect> = trees
        .clone()
        .map(|tree| Effect::Forget(FactScope::Tree((*tree).to_owned()), why.clone()))
        .collect();
    effects.extend(trees.flat_map(|tree| gone(tree)));
    let paths = [
        PROGRAM.to_owned(),
        wish.role.unit_path(),
        wish.role.variables_path(),
        SETTINGS.to_owned(),
        DATA.to_owned(),
    ];
    effects.extend(
        paths
            .iter()
            .map(String::as_str)
            .chain(links.iter().copied())
            .flat_map(gone),
    );
    let api = Api::default();
    effects.push(Effect::Set(
        FactKey::KubernetesCluster(api),
        Fact::KubernetesCluster(Cluster::Absent),
    ));
    effects.push(Effect::Set(FactKey::K3s, Fact::K3s(Box::default())));
    effects.push(Effect::Set(
        FactKey::Unit(wish.role.unit().to_owned()),
        Fact::Unit(UnitFact::Absent),
    ));
    effects
}

/// The processes of pods are children of a shim, whose command line names the folder of k3s. What is mounted below goes first: a
/// volume must not be emptied.
const REMOVE: &str = r#"systemctl disable --quiet --now -- UNIT 2>/dev/null
for s in $(pgrep -f 'containerd-shim.* /?[^ ]*/run/k3s/containerd|containerd-shim.*-address /run/k3s/containerd'); do
kill -9 $(pgrep -P "$s") "$s" 2>/dev/null
done
for w in /run/k3s /var/lib/kubelet /var/lib/rancher/k3s /run/netns/cni-; do
cut -d ' ' -f 5 /proc/self/mountinfo | grep "^$w" | sort -r | while read -r m; do umount -l -- "$m"; done
done
for s in $(ip netns list 2>/dev/null | grep -o '^cni-[^ ]*'); do ip netns delete "$s"; done
for i in cni0 flannel.1 flannel-wg kube-ipvs0; do ip link delete $i 2>/dev/null; done
ip route show | grep -o '^10\.42\.[^ ]* via' | while read -r r x; do ip route delete "$r"; done
for i in iptables ip6tables; do
! command -v $i-save >/dev/null || $i-save | grep -v 'KUBE-\|CNI-\|flannel\|pods leave' | $i-restore
done
for c in /sys/fs/cgroup/*"$(sed -n 's/^[0-9]*:memory://p' /proc/1/cgroup | sed 's,/init.scope$,,')"/kubepods; do
[ ! -d "$c" ] || find "$c" -depth -type d -exec rmdir {} + 2>/dev/null
done
if cut -d ' ' -f 5 /proc/self/mountinfo | grep -q '^/run/k3s\|^/var/lib/kubelet\|^/var/lib/rancher/k3s'; then
echo 'something is still mounted below /var/lib/kubelet, /var/lib/rancher/k3s or /run/k3s: nothing was deleted'; exit 1
fi
rm -rf -- FILES TREES /var/log/pods /var/log/containers || exit
systemctl daemon-reload && { systemctl reset-failed -- UNIT 2>/dev/null; exit 0; }"#;
