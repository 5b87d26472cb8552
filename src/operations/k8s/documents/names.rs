//! Names that the API server accepts, and kinds that are in no namespace.

/// Kinds of the API server itself that are in no namespace.
const WITHOUT_NAMESPACE: [&str; 29] = [
    "APIService",
    "CSIDriver",
    "CSINode",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterRoleBinding",
    "ClusterTrustBundle",
    "CustomResourceDefinition",
    "DeviceClass",
    "FlowSchema",
    "IPAddress",
    "IngressClass",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "ResourceSlice",
    "RuntimeClass",
    "ServiceCIDR",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "VolumeAttachment",
    "VolumeAttributesClass",
];

/// Groups of the API server itself, each with kinds that no custom resource has.
const GROUPS: [&str; 21] = [
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// Whether the API server itself has this group.
pub(in crate::operations) fn is_built_in(group: &str) -> bool {
    GROUPS.contains(&group)
}

/// Whether objects of a kind of the API server itself are in namespaces; `None` for other kinds.
pub(in crate::operations) fn is_namespaced(group: &str, kind: &str) -> Option<bool> {
    is_built_in(group).then(|| !WITHOUT_NAMESPACE.contains(&kind))
}

/// Why the API server does not accept a name.
pub(super) fn wrong_name(group: &str, kind: &str, name: &str) -> Option<String> {
    if group == "rbac.authorization.k8s.io" || (group == "certificates.k8s.io" && kind != "Certificate") {
        let is_wrong = name == "." || name == ".." || name.contains(['/', '%']);
        return is_wrong.then(|| "cannot contain `/` or `%`".to_owned());
    }
    match (group, kind) {
        ("", "Service") if !name.starts_with(|one: char| one.is_ascii_lowercase()) => {
            Some("must begin with a letter from `a` to `z`".to_owned())
        }
        ("", "Service" | "Namespace") => wrong_label(name),
        ("batch", "CronJob") if name.len() > 52 => Some("can have at most 52 characters".to_owned()),
        _ if name.len() > 253 => Some("can have at most 253 characters".to_owned()),
        _ => name.split('.').find_map(wrong_part),
    }
}

/// Why the API server does not accept a word as the name of a namespace.
pub(super) fn wrong_label(name: &str) -> Option<String> {
    if name.len() > 63 {
        return Some("can have at most 63 characters".to_owned());
    }
    wrong_part(name)
}

/// Why the API server does not accept a part of a name: what stands between two dots.
fn wrong_part(part: &str) -> Option<String> {
    let is_edge = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit();
    let is_right =
        part.starts_with(is_edge) && part.ends_with(is_edge) && part.chars().all(|one| is_edge(one) || one == '-');
    (!is_right).then(|| {
        "can have only `a` to `z`, digits, `-` and `.`, and must begin and end with a letter or digit".to_owned()
    })
}

/// Why a key of labels or annotations is not accepted.
pub(super) fn wrong_label_key(key: &str) -> Option<String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if let Some(prefix) = prefix
        && (prefix.len() > 253 || prefix.split('.').any(|part| wrong_part(part).is_some()))
    {
        return Some("what stands before `/` must be the name of a domain".to_owned());
    }
    if name.is_empty() {
        return Some("a name is missing".to_owned());
    }
    wrong_label_value(name)
}

/// Why the value of a label is not accepted.
pub(super) fn wrong_label_value(value: &str) -> Option<String> {
    if value.len() > 63 {
        return Some("can have at most 63 characters".to_owned());
    }
    let is_edge = |one: char| one.is_ascii_alphanumeric();
    let is_right = value.is_empty()
        || (value.starts_with(is_edge)
            && value.ends_with(is_edge)
            && value.chars().all(|one| is_edge(one) || "-_.".contains(one)));
    (!is_right).then(|| {
        "can have only letters, digits, `-`, `_` and `.`, and must begin and end with a letter or digit".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_the_api_server_accepts() {
        let long = "a".repeat(64);
        let longest = "a".repeat(254);
        for (group, kind, name, is_right) in [
            ("", "ConfigMap", "a", true),
            ("", "ConfigMap", "a.b-c.1", true),
            ("", "ConfigMap", "A", false),
            ("", "ConfigMap", "a_b", false),
            ("", "ConfigMap", "-a", false),
            ("", "ConfigMap", "a-", false),
            ("", "ConfigMap", "a..b", false),
            ("", "ConfigMap", long.as_str(), true),
            ("", "ConfigMap", longest.as_str(), false),
            ("", "Service", "1a", false),
            ("", "Service", "a.b", false),
            ("", "Service", long.as_str(), false),
            ("", "Namespace", "1a", true),
            ("", "Namespace", "a.b", false),
            ("batch", "CronJob", &long[..53], false),
            ("batch", "CronJob", &long[..52], true),
            ("rbac.authorization.k8s.io", "ClusterRole", "system:Node", true),
            ("rbac.authorization.k8s.io", "ClusterRole", "a/b", false),
            ("example.org", "Widget", "W", false),
        ] {
            let found = wrong_name(group, kind, name);
            assert_eq!(found.is_none(), is_right, "{kind} {name}: {found:?}");
        }
    }

    #[test]
    fn labels_are_those_that_the_api_server_accepts() {
        for (key, is_right) in [
            ("app", true),
            ("app.kubernetes.io/name", true),
            ("a/b/c", false),
            ("App_1.x", true),
            ("/a", false),
            ("a/", false),
            ("ü", false),
        ] {
            assert_eq!(wrong_label_key(key).is_none(), is_right, "{key}");
        }
        for (value, is_right) in [("", true), ("a b", false), ("-a", false), ("v1.2_x", true)] {
            assert_eq!(wrong_label_value(value).is_none(), is_right, "{value}");
        }
    }

    #[test]
    fn scopes_of_built_in_kinds_are_known() {
        assert_eq!(is_namespaced("", "Namespace"), Some(false));
        assert_eq!(is_namespaced("apps", "Deployment"), Some(true));
        assert_eq!(is_namespaced("storage.k8s.io", "StorageClass"), Some(false));
        assert_eq!(is_namespaced("storage.k8s.io", "CSIStorageCapacity"), Some(true));
        assert_eq!(is_namespaced("example.org", "Node"), None);
    }
}
