//! Why objects are not as they should be: what the cluster says of them, of their pods, and the last lines of their logs.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::api::Api;
use crate::quote::{quote, quoted_script};

/// Prints what there is to say of each chosen object, and of what belongs to it.
const OBJECTS: &str = include_str!("explanation/objects.gotmpl");
/// Prints the events of the object with the uid `$uid`.
const EVENTS: &str = include_str!("explanation/events.gotmpl");
/// Prints the containers of a list that are not ready.
const CONTAINERS: &str = include_str!("explanation/containers.gotmpl");
/// Asks for all of that in one call, and puts the logs and permissions in.
const SCRIPT: &str = include_str!("explanation/script.sh");
/// How long one call may take, in seconds.
const LONGEST: u32 = 20;

/// Objects of one namespace, by kind and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Objects {
    #[serde(default)]
    pub api: Api,
    /// `None` is that which is meant if none is given, and for kinds that are in no namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub names: Vec<ObjectName>,
}

/// The name of an object in its namespace: `Deployment/web`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectName {
    /// With its group, if it needs one: `Certificate.cert-manager.io`.
    pub kind: String,
    pub name: String,
}

impl ObjectName {
    /// Reads `Kind/name`.
    ///
    /// Errors: what is wrong, in words for a label.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (kind, name) = text.split_once('/').ok_or("there is no `/` in it")?;
        let is_kind = |character: char| character.is_ascii_alphanumeric() || ".-".contains(character);
        if !kind.starts_with(|first: char| first.is_ascii_uppercase()) || !kind.chars().all(is_kind) {
            return Err("the kind is that of a manifest, such as `Deployment`");
        }
        let is_name = |character: char| character.is_ascii_alphanumeric() || "-._:".contains(character);
        if !name.starts_with(|first: char| first.is_ascii_alphanumeric()) || !name.chars().all(is_name) {
            return Err("no object can have this name");
        }
        Ok(Self {
            kind: kind.to_owned(),
            name: name.to_owned(),
        })
    }

    /// The kind without its group.
    pub fn short_kind(&self) -> &str {
        self.kind.split('.').next().unwrap_or_default()
    }
}

impl TryFrom<String> for ObjectName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        Self::parse(&text)
    }
}

impl From<ObjectName> for String {
    fn from(name: ObjectName) -> Self {
        name.to_string()
    }
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.kind, self.name)
    }
}

impl std::fmt::Display for Objects {
    /// `Deployment/web and StatefulSet/db in shop`
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<String> = self.names.iter().map(ObjectName::to_string).collect();
        match names.split_last() {
            Some((last, [])) => write!(formatter, "{last}")?,
            Some((last, others)) => write!(formatter, "{} and {last}", others.join(", "))?,
            None => {}
        }
        match &self.namespace {
            Some(namespace) => write!(formatter, " in {namespace}"),
            None => Ok(()),
        }
    }
}

impl Objects {
    /// The words of a shell that start `kubectl` for their namespace.
    pub fn kubectl(&self) -> String {
        let namespace = self.namespace.iter().map(|name| format!(" -n {}", quote(name)));
        format!("{}{}", self.api.kubectl(), namespace.collect::<String>())
    }

    /// The words of a shell that name them.
    pub fn words(&self) -> String {
        let words = self.names.iter().map(|name| quote(&name.to_string()));
        words.collect::<Vec<_>>().join(" ")
    }

    /// Shell text that prints why they are not as they should be. It reads the cluster and changes nothing; what it prints is bounded,
    /// and has no signs that terminals act on.
    pub fn explanation(&self) -> String {
        let script = SCRIPT.replace("TEMPLATE", &quoted(&template(&self.names)));
        format!(
            "(\n{}hl_kubectl() {{ timeout -k 5 {LONGEST} {} \"$@\"; }}\nkubectl={}\n{script})\n",
            Api::path(),
            self.kubectl(),
            quoted(&self.api.kubectl()),
        )
    }
}

fn quoted(text: &str) -> String {
    quoted_script(text).map_or_else(|_| quote(text), std::borrow::Cow::into_owned)
}

/// The template of Go for `kubectl get`.
fn template(names: &[ObjectName]) -> String {
    let mut chosen = "or false".to_owned();
    for name in names {
        let _ = write!(
            chosen,
            " (and (eq .kind {:?}) (eq .metadata.name {:?}))",
            name.short_kind(),
            name.name
        );
    }
    let containers = |kind: &str, list: &str| {
        let text = CONTAINERS.trim_end_matches('\n');
        text.replace("KIND", kind).replace("LIST", list)
    };
    let events = |indent: &str| EVENTS.trim_end_matches('\n').replace("INDENT", indent);
    let mut text = OBJECTS
        .replace("CHOSEN", &chosen)
        .replace(
            "CONTAINERS(init)",
            &containers("init ", ".status.initContainerStatuses"),
        )
        .replace("CONTAINERS()", &containers("", ".status.containerStatuses"));
    for depth in [6, 4, 2] {
        let indent = " ".repeat(depth);
        text = text.replace(&format!("EVENTS({indent})"), &events(&indent));
    }
    for field in [".message", "."] {
        let printed = format!("{{{{printf \"%.4000s\" (or {field} \"\")}}}}");
        text = text.replace(&format!("TEXT({field})"), &printed);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_an_object_has_a_kind() {
        for (text, kind) in [
            ("Deployment/web", Some("Deployment")),
            ("Certificate.cert-manager.io/web", Some("Certificate")),
            ("ClusterRole/system:node", Some("ClusterRole")),
            ("deployment/web", None),
            ("web", None),
            ("Deployment/", None),
            ("Deployment/-o", None),
            ("Deployment/a b", None),
            ("Deploy;ment/a", None),
        ] {
            let parsed = ObjectName::parse(text);
            assert_eq!(parsed.as_ref().ok().map(ObjectName::short_kind), kind, "{text}");
        }
    }

    #[test]
    fn the_template_has_no_word_of_its_own_parts_left() {
        let names = ["Deployment/web", "Job/nightly"].map(|name| ObjectName::parse(name).expect("a name"));
        let text = template(&names);
        for word in ["CHOSEN", "CONTAINERS", "EVENTS", "TEXT", "KIND", "LIST", "INDENT"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
        assert!(
            text.contains(r#"(and (eq .kind "Job") (eq .metadata.name "nightly"))"#),
            "{text}"
        );
        assert_eq!(text.matches("{{").count(), text.matches("}}").count());
    }
}
