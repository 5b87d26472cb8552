//! What the API server says of an object that it refuses, and which of its fields that is about.

use serde_json::Value;

use crate::facts::kubernetes::ObjectId;

/// Words with which `kubectl` says where it read the object, which is homelab's business.
const BEFORE: [&str; 3] = ["error: ", "error validating \"STDIN\": ", "error validating data: "];

/// What `kubectl` says of an option that homelab does not have.
const BEHIND: &str = "; if you choose to ignore these errors, turn validation off with --validate=false";

/// How much of what the server says is shown.
const LONGEST: usize = 800;

/// What is between the words of the server and the field that they are about.
const FIELDS: [(&str, &str); 4] = [
    ("unknown field \"", "\""),
    ("into Go struct field ", " "),
    ("Kind=", "field not declared in schema"),
    (" is invalid: ", ": "),
];

/// Whether this is no refusal: the server was too busy to say anything.
pub(in crate::operations) fn is_no_answer(why: &str) -> bool {
    why.starts_with("the API server did not answer")
}

/// What to do about that.
pub(in crate::operations) const BUSY: &str = "rerun the deploy when the host has less to do";

/// The words for the reader.
pub(in crate::operations) fn plain(why: &str) -> String {
    let mut text = why.trim();
    while let Some(rest) = BEFORE.iter().find_map(|words| text.strip_prefix(words)) {
        text = rest;
    }
    shortened(&text.replace(BEHIND, ""))
}

/// A text without what is in its middle, if it is long: the server quotes whole objects, and says at the end what is wrong.
fn shortened(text: &str) -> String {
    let all: Vec<char> = text.chars().collect();
    if all.len() <= LONGEST {
        return text.to_owned();
    }
    let (start, end) = (&all[..LONGEST / 2], &all[all.len() - LONGEST / 2..]);
    format!(
        "{} … {}",
        start.iter().collect::<String>(),
        end.iter().collect::<String>()
    )
}

/// A field that the server names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// A JSON pointer into the object.
    pub(super) pointer: String,
    /// Whether the kind has no such field.
    pub(super) is_unknown: bool,
}

/// The fields that the server names, as they are in the object that it refuses.
pub(super) fn fields(why: &str, object: &Value) -> Vec<Named> {
    let mut found: Vec<Named> = Vec::new();
    for (before, behind) in FIELDS {
        for rest in why.split(before).skip(1) {
            let Some((text, _)) = rest.split_once(behind) else {
                continue;
            };
            let (path, is_unknown) = match before {
                "unknown field \"" => (text, true),
                // `DeploymentSpec.spec.replicas`
                "into Go struct field " => (text.split_once('.').map_or("", |(_, path)| path), false),
                // `Deployment): .spec.contianers: `
                "Kind=" => (
                    text.rsplit_once(": .")
                        .map_or("", |(_, path)| path.trim_end_matches(": ")),
                    true,
                ),
                _ => (text.trim_start_matches(['[', '*', ' ', '\n']), false),
            };
            let named = pointer(path, object).map(|pointer| Named { pointer, is_unknown });
            found.extend(named.filter(|named| found.iter().all(|one| one.pointer != named.pointer)));
        }
    }
    found
}

/// `spec.containers[0].image` as a JSON pointer; `None` if it leads nowhere in the object.
fn pointer(path: &str, object: &Value) -> Option<String> {
    let mut pointer = String::new();
    let mut rest = path.trim_start_matches('.');
    while !rest.is_empty() {
        let part = if let Some(inner) = rest.strip_prefix('[') {
            let (inner, behind) = inner.split_once(']')?;
            rest = behind;
            match inner.split_once('=') {
                Some((key, value)) => {
                    let items = object.pointer(&pointer)?.as_array()?;
                    let value = value.trim_matches('"');
                    let is_it = |item: &Value| item.get(key).and_then(Value::as_str) == Some(value);
                    items.iter().position(is_it)?.to_string()
                }
                None => inner.trim_matches('"').to_owned(),
            }
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let part = rest[..end].to_owned();
            rest = &rest[end..];
            part
        };
        rest = rest.strip_prefix('.').unwrap_or(rest);
        pointer = format!("{pointer}/{}", part.replace('~', "~0").replace('/', "~1"));
    }
    let above = pointer.rsplit_once('/')?.0;
    object.pointer(above).map(|_| pointer)
}

/// What the API server says of a claim, and what to do.
const OF_CLAIMS: [(&str, &str); 4] = [
    (
        "can not be less than",
        "volumes do not shrink: write the size that the claim has; for a smaller one, make a new claim and copy the data",
    ),
    (
        "must support resize",
        "write the size that the claim has: its StorageClass does not let volumes grow (`allowVolumeExpansion`)",
    ),
    (
        "bound persistent volume claims can be expanded",
        "write the size that the claim has until a pod uses it: it has no volume yet",
    ),
    (
        "is immutable",
        "write what the claim has, or make a new claim and copy the data: what is deleted with a claim does not come back",
    ),
];

/// Where a claim says its size.
pub(super) const SIZE: &str = "/spec/resources/requests/storage";

/// What to do about a claim of a volume that the server refuses: making it again would delete what the volume has.
pub(super) fn of_claim(id: &ObjectId, why: &str) -> Option<&'static str> {
    if id.kind != "PersistentVolumeClaim" || !id.group.is_empty() {
        return None;
    }
    OF_CLAIMS
        .iter()
        .find(|(words, _)| why.contains(words))
        .map(|(_, hint)| *hint)
}

/// Whether the server refuses an object only since fields of it cannot be changed.
pub(in crate::operations) fn is_immutable(why: &str) -> bool {
    const WORDS: [&str; 3] = ["is immutable", "cannot change roleRef", "updates to statefulset spec"];
    let says = |text: &str| WORDS.iter().any(|words| text.contains(words));
    // Making the object again would not help against the others.
    // Several causes are a list; the same characters may be in an object that is quoted.
    let is_cause = |text: &&str| text.split(' ').next().is_some_and(|word| word.ends_with(':'));
    let mut causes = why.split(" * ").skip(1).filter(is_cause);
    says(why) && causes.all(says) && !why.contains("does not match template")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_busy_server_refuses_nothing() {
        assert!(is_no_answer("the API server did not answer within 30 s"));
        assert!(!is_no_answer("error: a bad one"));
    }

    #[test]
    fn what_the_server_says_names_fields() {
        let object = json!({ "spec": { "replicas": "2", "template": { "spec": { "contianers": [], "containers": [{ "name": "a" }, { "name": "b" }] } } },
            "metadata": { "labels": {} } });
        for (why, expected) in [
            (
                "error: error validating \"STDIN\": error validating data: [unknown field \"spec.template.spec.contianers\", unknown field \"spec.template.spec.containers[1].imag\"]; if you choose to ignore these errors, turn validation off with --validate=false",
                &[
                    ("/spec/template/spec/contianers", true),
                    ("/spec/template/spec/containers/1/imag", true),
                ][..],
            ),
            (
                "Error from server (BadRequest): failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec.template.spec.containers[name=\"b\"].imag: field not declared in schema",
                &[("/spec/template/spec/containers/1/imag", true)],
            ),
            (
                "Error from server (BadRequest): Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
                &[("/spec/replicas", false)],
            ),
            (
                "The Deployment \"web\" is invalid: spec.template.spec.containers[0].image: Required value",
                &[("/spec/template/spec/containers/0/image", false)],
            ),
            (
                "The Deployment \"web\" is invalid: * spec.replicas: Invalid value: 2: no",
                &[("/spec/replicas", false)],
            ),
            (
                "The Deployment \"web\" is invalid: metadata.labels[a/b]: Invalid value",
                &[("/metadata/labels/a~1b", false)],
            ),
            ("unknown field \"spec.nowhere.a\"", &[]),
            ("admission webhook \"a\" denied the request: no", &[]),
        ] {
            let found = fields(why, &object);
            let found: Vec<(&str, bool)> = found.iter().map(|one| (one.pointer.as_str(), one.is_unknown)).collect();
            assert_eq!(found, expected, "{why}");
        }
    }

    #[test]
    fn words_of_kubectl_itself_are_left_out() {
        let long = format!("The Job is invalid: {}: field is immutable", "x".repeat(5000));
        let short = format!(
            "The Job is invalid: {} … {}: field is immutable",
            "x".repeat(380),
            "x".repeat(380)
        );
        assert_eq!(plain(&long), short);
        for (why, expected) in [
            (
                "error: error validating \"STDIN\": error validating data: unknown field \"spec.a\"; if you choose to ignore these errors, turn validation off with --validate=false",
                "unknown field \"spec.a\"",
            ),
            ("Error from server (Forbidden): no", "Error from server (Forbidden): no"),
        ] {
            assert_eq!(plain(why), expected);
        }
    }

    #[test]
    fn only_what_cannot_be_changed_may_be_made_again() {
        for (why, expected) in [
            ("data: Forbidden: field is immutable when `immutable` is set", true),
            (
                "The RoleBinding \"a\" is invalid: roleRef: Invalid value: cannot change roleRef",
                true,
            ),
            (
                "The StatefulSet \"a\" is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
                true,
            ),
            (
                "The Deployment \"web\" is invalid: spec.template.metadata.labels: Invalid value: {\"app\":\"wbe\"}: `selector` does not match template `labels`",
                false,
            ),
            (
                "The Deployment \"web\" is invalid: * spec.template.metadata.labels: Invalid value: {}: `selector` does not match template `labels` * spec.selector: Invalid value: {}: field is immutable",
                false,
            ),
            (
                "The Job \"a\" is invalid: * spec.template: Invalid value: {}: field is immutable * spec.parallelism: Invalid value: -1: must be greater than or equal to 0",
                false,
            ),
            (
                "The Job \"a\" is invalid: spec.template: Invalid value: {\"cron\":\"0 0 * * 4\"}: field is immutable",
                true,
            ),
            (
                "The Job \"a\" is invalid: * spec.template: Invalid value: {}: field is immutable * spec.selector: field is immutable",
                true,
            ),
        ] {
            assert_eq!(is_immutable(why), expected, "{why}");
        }
    }
}
