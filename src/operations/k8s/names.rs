//! What parameters of these operations have in common.

use crate::change::Stop;
use crate::facts::kubernetes::{ObjectName, Objects};
use crate::operations::PlanContext;

use super::reach::api;

/// The objects that `objects`, `namespace` and `kubeconfig` name.
///
/// Errors: there are none, or a name cannot be one.
pub(super) fn named_objects(
    context: &PlanContext<'_>,
    objects: &[String],
    namespace: Option<&str>,
    kubeconfig: Option<&str>,
) -> Result<Objects, Stop> {
    let api = api(context, kubeconfig)?;
    if objects.is_empty() {
        return Err(context
            .refuse("objects", "`objects` is empty", "names no object")
            .hint("write `objects = [\"Deployment/NAME\"]`"));
    }
    check_namespace(context, namespace)?;
    let parsed = objects.iter().map(|text| {
        ObjectName::parse(text).map_err(|label| {
            let title = format!("`{text}` is not the name of an object");
            let hint = format!("write it like `{}`", example(text));
            context.refuse_item("objects", text, title, label).hint(hint)
        })
    });
    Ok(Objects {
        api,
        namespace: namespace.map(str::to_owned),
        names: parsed.collect::<Result<_, Stop>>()?,
    })
}

/// How a name is probably meant.
fn example(text: &str) -> String {
    let (kind, name) = text.split_once('/').unwrap_or(("", text));
    let full = match kind {
        "deploy" | "deployments" | "" => "Deployment",
        "sts" | "statefulset" | "statefulsets" => "StatefulSet",
        "ds" | "daemonset" | "daemonsets" => "DaemonSet",
        "pvc" | "persistentvolumeclaim" => "PersistentVolumeClaim",
        "po" | "pods" => "Pod",
        "no" | "nodes" => "Node",
        "cj" | "cronjob" | "cronjobs" => "CronJob",
        other => {
            let (first, rest) = other.split_at_checked(1).unwrap_or((other, ""));
            let name = if name.is_empty() { "NAME" } else { name };
            return format!("{}{rest}/{name}", first.to_ascii_uppercase());
        }
    };
    let is_name = !name.is_empty() && ObjectName::parse(&format!("Pod/{name}")).is_ok();
    format!("{full}/{}", if is_name { name } else { "NAME" })
}

/// Refuses a name that no namespace can have.
pub(in crate::operations) fn check_namespace(context: &PlanContext<'_>, namespace: Option<&str>) -> Result<(), Stop> {
    namespace.map_or(Ok(()), |name| check_name(context, "namespace", name, "a namespace"))
}

/// Refuses a name that no object can have (RFC 1123).
pub(in crate::operations) fn check_name(
    context: &PlanContext<'_>,
    argument: &str,
    name: &str,
    of: &str,
) -> Result<(), Stop> {
    let is_plain = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    let has_ends = name.starts_with(is_plain) && name.ends_with(is_plain);
    if has_ends
        && name.len() <= 253
        && name
            .chars()
            .all(|character| is_plain(character) || "-.".contains(character))
    {
        return Ok(());
    }
    let title = format!("`{name}` is not a valid name for {of}");
    let label = "use lower-case letters, digits, `-` and `.`, and start and end with a letter or digit";
    Err(context.refuse(argument, title, label).hint("correct the name"))
}

/// The namespace in words, for what a review shows.
pub(super) fn shown(name: &str, namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) => format!("{name} in {namespace}"),
        None => name.to_owned(),
    }
}
