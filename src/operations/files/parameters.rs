//! Parameters that the operations on files share.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::change::Stop;
use crate::facts::FactKey;
use crate::facts::path::{ancestors, parent};
use crate::operations::PlanContext;

pub(in crate::operations) use crate::operations::parameters::check_path;

/// Permission bits, written as a string in octal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::operations) struct Mode(pub(in crate::operations) u32);

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ModeVisitor;
        impl de::Visitor<'_> for ModeVisitor {
            type Value = Mode;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a mode as a string of octal digits, such as \"0644\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Mode, E> {
                u32::from_str_radix(text, 8)
                    .ok()
                    .filter(|mode| *mode <= 0o7777 && (3..=5).contains(&text.len()))
                    .map(Mode)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(ModeVisitor)
    }
}

impl JsonSchema for Mode {
    fn schema_name() -> Cow<'static, str> {
        "Mode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "title": "a mode such as \"0644\"",
            "pattern": "^(0[0-7]{4}|[0-7]{3,4})$",
        })
    }
}

/// A mode as it is written in TOML.
pub(in crate::operations) fn octal(mode: u32) -> String {
    format!("{mode:04o}")
}

/// Refuses a `user` or `group` that is not a plain name or number.
pub(in crate::operations) fn check_owners(
    context: &PlanContext<'_>,
    user: Option<&str>,
    group: Option<&str>,
) -> Result<(), Stop> {
    check_owner(context, "user", user)?;
    check_owner(context, "group", group)
}

fn check_owner(context: &PlanContext<'_>, argument: &str, name: Option<&str>) -> Result<(), Stop> {
    let Some(name) = name else { return Ok(()) };
    let plain = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    if name.is_empty() || name.starts_with('-') || !name.chars().all(plain) {
        let wrong = "use letters, digits, `.`, `_` and `-`";
        return Err(context
            .refuse(argument, format!("`{name}` is not a valid {argument} name"), wrong)
            .hint("write it as `ls -l` shows it on the host"));
    }
    Ok(())
}

/// Refuses what is no SHA-256.
pub(in crate::operations) fn check_sha256(
    context: &PlanContext<'_>,
    argument: &str,
    digest: Option<&str>,
) -> Result<(), Stop> {
    match digest {
        Some(digest) if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) => Err(context
            .refuse(
                argument,
                format!("`{digest}` is not a SHA-256"),
                "must be 64 hexadecimal digits",
            )
            .hint("write what `sha256sum` prints in front of the name")),
        _ => Ok(()),
    }
}

/// Programs that change the host's network by what they read, unless one of these options says otherwise. The view in which a
/// validator runs has the host's network.
const LOADERS: [(&str, [&str; 2]); 3] = [
    ("nft", ["-c", "--check"]),
    ("iptables-restore", ["-t", "--test"]),
    ("ip6tables-restore", ["-t", "--test"]),
];

/// Refuses a `validate` without a command, and one that does more than validate.
pub(super) fn check_validate(context: &PlanContext<'_>, validate: Option<&[String]>) -> Result<(), Stop> {
    let Some([program, arguments @ ..]) = validate else {
        return match validate {
            Some(_) => Err(context
                .refuse("validate", "`validate` is empty", "must be a command and its arguments")
                .hint("write a command such as `[\"nginx\", \"-t\"]`, or remove it")),
            None => Ok(()),
        };
    };
    let name = program.rsplit('/').next().unwrap_or(program);
    match LOADERS.iter().find(|(loader, _)| *loader == name) {
        Some((_, options)) if !arguments.iter().any(|argument| is_given(argument, *options)) => Err(context
            .refuse(
                "validate",
                format!("`{name}` would load the file instead of validating it"),
                "loads what it reads, also in a dry run",
            )
            .hint(format!("add `{}`", options[0]))),
        _ => Ok(()),
    }
}

/// Whether an argument is the option, by its long name or among short ones.
fn is_given(argument: &str, [short, long]: [&str; 2]) -> bool {
    let letters = argument.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
    argument == long || letters.is_some_and(|letters| letters.contains(&short[1..]))
}

/// The facts that say what is at `path` and above it, and where links lead.
pub(in crate::operations) fn path_and_ancestors(path: &str) -> Vec<FactKey> {
    let mut needs = link_and_ancestors(path);
    needs.push(FactKey::PathResolution(path.to_owned()));
    needs
}

/// The same without following a link at `path` itself.
pub(in crate::operations) fn link_and_ancestors(path: &str) -> Vec<FactKey> {
    ancestors(path)
        .into_iter()
        .chain([path.to_owned()])
        .map(FactKey::Path)
        .chain([FactKey::PathResolution(parent(path).to_owned())])
        .collect()
}
