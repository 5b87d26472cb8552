//! What `stack.toml` says of the files of a stack: to whom they belong, and what their change does to services.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::operations::PlanContext;
use crate::operations::files::parameters::Mode;
use crate::operations::files::sync::{Own, Rules};
use crate::operations::parameters::NumberOrText;
use crate::template::STACKS;
use crate::value::Known;

/// The name of the file, in the folder of its stack.
pub(super) const STACK_FILE: &str = "stack.toml";

/// What is said of files.
#[derive(Debug, Default)]
pub(super) struct StackFile {
    pub(super) files: Rules<Own>,
    /// Directories that services fill, by their paths below the project's directory.
    pub(super) directories: BTreeMap<String, Own>,
    pub(super) on_change: Rules<OnChange>,
    /// The services that `[backup]` names.
    pub(super) backed_up: BTreeSet<String>,
}

/// What a change of files does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OnChange {
    /// The services that it is about; if none is named, all that the files are mounted into.
    pub(super) services: BTreeSet<String>,
    pub(super) reaction: Reaction,
    /// A command in a container of the service that must accept the files before they replace those of before.
    pub(super) validate: Option<Vec<String>>,
}

/// What a service does when a file changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reaction {
    Nothing,
    Reload(Reload),
    Restart,
    Recreate,
}

/// How a service that runs reads its files again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reload {
    /// A command in its container.
    Command(Vec<String>),
    /// A signal to its container, such as `HUP`.
    Signal(String),
}

/// `stack.toml` as it is written; other keys are for templates.
#[derive(Default, Deserialize)]
struct Written {
    #[serde(default)]
    files: BTreeMap<String, WrittenOwn>,
    #[serde(default)]
    directories: BTreeMap<String, WrittenOwn>,
    #[serde(default)]
    on_change: BTreeMap<String, WrittenChange>,
    #[serde(default)]
    backup: WrittenBackup,
}

#[derive(Default, Deserialize)]
struct WrittenBackup {
    service: Option<String>,
    #[serde(default)]
    restart: Vec<String>,
}

#[derive(Deserialize)]
struct WrittenOwn {
    user: Option<NumberOrText>,
    group: Option<NumberOrText>,
    mode: Option<Mode>,
}

#[derive(Deserialize)]
struct WrittenChange {
    service: Option<Names>,
    reload: Option<Vec<String>>,
    signal: Option<String>,
    action: Option<Action>,
    validate: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Several(BTreeSet<String>),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Restart,
    Recreate,
    None,
}

impl StackFile {
    /// What the `stack.toml` of a stack says, if it has one; not known if it has a mistake, which was reported when the project was loaded.
    pub(super) fn read(context: &PlanContext<'_>, stack: &str) -> Known<Self> {
        let path = format!("{STACKS}/{stack}/{STACK_FILE}");
        let Some(text) = context.asset_text(&path) else {
            return Known::Yes(Self::default());
        };
        match Self::parse(text) {
            Ok(file) => Known::Yes(file),
            Err(why) => Known::No(format!("`templates/{path}` cannot be read: {why}")),
        }
    }

    /// Errors: the reason, for a person.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let written: Written = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        let on_change = written.on_change.into_iter();
        let on_change = on_change.map(|(pattern, change)| (pattern, change.read()));
        let directories = written.directories.into_iter();
        let name = |name: String| name.trim_matches('/').to_owned();
        Ok(Self {
            files: Rules::new(written.files.into_iter().map(|(name, own)| (name, own.read())))?,
            directories: directories.map(|(path, own)| (name(path), own.read())).collect(),
            on_change: Rules::new(on_change)?,
            backed_up: written
                .backup
                .service
                .into_iter()
                .chain(written.backup.restart)
                .collect(),
        })
    }
}

impl OnChange {
    /// Whether it says what this service does.
    pub(super) fn is_about(&self, service: &str) -> bool {
        self.services.is_empty() || self.services.contains(service)
    }
}

impl WrittenOwn {
    fn read(self) -> Own {
        Own {
            user: self.user.map(|user| user.0),
            group: self.group.map(|group| group.0),
            mode: self.mode,
        }
    }
}

impl WrittenChange {
    fn read(self) -> OnChange {
        let services = match self.service {
            None => BTreeSet::new(),
            Some(Names::One(name)) => [name].into(),
            Some(Names::Several(names)) => names,
        };
        let reaction = match (self.reload, self.signal, self.action) {
            (Some(words), _, _) => Reaction::Reload(Reload::Command(words)),
            (None, Some(signal), _) => Reaction::Reload(Reload::Signal(signal)),
            (None, None, Some(Action::None)) => Reaction::Nothing,
            (None, None, Some(Action::Recreate)) => Reaction::Recreate,
            (None, None, Some(Action::Restart) | None) => Reaction::Restart,
        };
        OnChange {
            services,
            reaction,
            validate: self.validate,
        }
    }
}

impl Reload {
    /// It in words, for a review.
    pub(super) fn described(&self) -> String {
        match self {
            Self::Command(words) => format!("`{}`", words.join(" ")),
            Self::Signal(signal) => format!("signal {signal}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
[defaults]
image = "caddy:2.10"

[files."secrets/*"]
user = 472
mode = "0400"

[files."secrets/{a,b}"]
group = "10001"

[directories."export/"]
mode = "0700"

[on_change."conf/**"]
service = "caddy"
reload = ["caddy", "reload"]
validate = ["caddy", "validate"]

[on_change."conf/deep/*.json"]
action = "none"

[on_change."acl"]
service = ["a", "b"]
signal = "HUP"
"#;

    #[test]
    fn the_longest_pattern_counts() {
        let file = StackFile::parse(FILE).expect("valid");
        let own = |path: &str| file.files.of(path).cloned().unwrap_or_default();
        assert_eq!(own("secrets/token").user.as_deref(), Some("472"));
        assert_eq!(own("secrets/token").mode, Some(Mode(0o400)));
        assert_eq!(own("secrets/a").group.as_deref(), Some("10001"));
        assert_eq!(own("secrets/a").mode, None);
        assert!(file.files.of("secrets/deep/token").is_none());
        assert!(file.directories.contains_key("export"));
        let reaction = |path: &str| file.on_change.of(path).map(|change| change.reaction.clone());
        let words = ["caddy".to_owned(), "reload".to_owned()].to_vec();
        assert_eq!(
            reaction("conf/deep/Caddyfile"),
            Some(Reaction::Reload(Reload::Command(words)))
        );
        assert_eq!(reaction("conf/deep/a.json"), Some(Reaction::Nothing));
        assert_eq!(
            reaction("acl"),
            Some(Reaction::Reload(Reload::Signal("HUP".to_owned())))
        );
        assert_eq!(reaction("other"), None);
        let validate = |path: &str| file.on_change.of(path).and_then(|change| change.validate.clone());
        assert_eq!(validate("conf/Caddyfile").expect("given"), ["caddy", "validate"]);
        assert_eq!(validate("conf/deep/a.json"), None);
    }
}
