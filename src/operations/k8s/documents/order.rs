//! The order in which objects are made: what others need comes first.

use super::names::is_built_in;
use crate::facts::kubernetes::ObjectId;

/// Kinds of objects in the order in which they are made. What is not here comes before the last ones.
const ORDER: [&[&str]; 12] = [
    &["Namespace"],
    &["CustomResourceDefinition"],
    &["PriorityClass", "StorageClass", "RuntimeClass", "IngressClass"],
    &["ServiceAccount"],
    &["Secret", "ConfigMap"],
    &[
        "PersistentVolume",
        "PersistentVolumeClaim",
        "LimitRange",
        "ResourceQuota",
    ],
    &["ClusterRole", "Role"],
    &["ClusterRoleBinding", "RoleBinding"],
    &["Service"],
    &[
        "ReplicationController",
        "ReplicaSet",
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "Pod",
    ],
    &["Job", "CronJob"],
    &["Ingress"],
];
/// What may refuse other objects, or answer for them, comes when those that serve it are there.
const LAST: [&str; 5] = [
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "APIService",
];

/// The turn of an object. It is removed in the reverse order.
pub(in crate::operations) fn turn(id: &ObjectId) -> usize {
    let kind = id.kind.as_str();
    let listed = ORDER.iter().position(|kinds| kinds.contains(&kind));
    match listed.filter(|_| is_built_in(&id.group)) {
        Some(at) => at,
        None if is_built_in(&id.group) && LAST.contains(&kind) => ORDER.len() + 1,
        None => ORDER.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_need_comes_first() {
        let mut all = [
            ("argoproj.io", "Deployment"),
            ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
            ("networking.k8s.io", "Ingress"),
            ("batch", "CronJob"),
            ("apps", "Deployment"),
            ("", "Service"),
            ("rbac.authorization.k8s.io", "RoleBinding"),
            ("rbac.authorization.k8s.io", "ClusterRole"),
            ("", "PersistentVolumeClaim"),
            ("", "ConfigMap"),
            ("", "ServiceAccount"),
            ("storage.k8s.io", "StorageClass"),
            ("apiextensions.k8s.io", "CustomResourceDefinition"),
            ("", "Namespace"),
        ];
        all.sort_by_key(|(group, kind)| {
            turn(&ObjectId {
                group: (*group).to_owned(),
                kind: (*kind).to_owned(),
                ..ObjectId::default()
            })
        });
        let kinds = all.map(|(_, kind)| kind);
        assert_eq!(
            kinds,
            [
                "Namespace",
                "CustomResourceDefinition",
                "StorageClass",
                "ServiceAccount",
                "ConfigMap",
                "PersistentVolumeClaim",
                "ClusterRole",
                "RoleBinding",
                "Service",
                "Deployment",
                "CronJob",
                "Ingress",
                "Deployment",
                "ValidatingWebhookConfiguration",
            ]
        );
    }
}
