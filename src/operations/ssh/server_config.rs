//! `ssh.server_config`: settings of the SSH server, in a file of their own.
//!
//! ```toml
//! [[operation]]
//! op = "ssh.server_config"
//! filename = "10-keys-only"
//! settings = { PasswordAuthentication = false, PermitRootLogin = "prohibit-password" }
//! ```
//!
//! The review shows what `sshd -T` says before and after.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use super::server_refusal::refusal;
use crate::change::{Attribute, NotKnown, Outcome, ResourceKind, Stop};
use crate::content::Content;
use crate::facts::FactKey;
use crate::facts::inquiry::{Inquiry, InquiryFact, InquiryKey};
use crate::facts::overlay::FactScope;
use crate::facts::sshd::{Settings, Sshd};
use crate::operations::files::parameters::path_and_ancestors;
use crate::operations::files::removal::plan_unread;
use crate::operations::files::whole_file::{FileWish, WishedContent, plan_file};
use crate::operations::{Define, Demand, Operation, PlanContext};

/// Parameters of `ssh.server_config`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct ServerConfig {
    /// Name of the file in `/etc/ssh/sshd_config.d`, without `.conf`. sshd reads these files by name, and the first value counts.
    filename: String,
    /// Settings of sshd by their names, such as `{ PasswordAuthentication = false }`. A list stands for a line for each item.
    #[serde(default)]
    settings: BTreeMap<String, Setting>,
    /// `false` removes the file.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

/// The value of a setting.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
enum Setting {
    Truth(bool),
    Number(i64),
    Text(String),
    List(Vec<String>),
}

/// What does not fit has a place: an item of a list its own.
impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SettingVisitor;
        impl<'de> de::Visitor<'de> for SettingVisitor {
            type Value = Setting;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string, a whole number, true or false, or a list of strings")
            }

            fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Setting, E> {
                Ok(Setting::Truth(truth))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Setting, E> {
                Ok(Setting::Number(number))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Setting, E> {
                Ok(Setting::Text(text.to_owned()))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Setting, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Setting::List(list))
            }
        }
        deserializer.deserialize_any(SettingVisitor)
    }
}

impl Setting {
    fn values(&self) -> Vec<String> {
        match self {
            Self::Truth(truth) => vec![if *truth { "yes" } else { "no" }.to_owned()],
            Self::Number(number) => vec![number.to_string()],
            Self::Text(text) => vec![text.clone()],
            Self::List(items) => items.clone(),
        }
    }
}

impl Define for ServerConfig {
    const NAME: &'static str = "ssh.server_config";
    const SUMMARY: &'static str = "Set options of the SSH server, in a file of their own";
    const MAIN_ARGUMENT: &'static str = "filename";
    const INSTEAD_OF_SECRETS: Option<&'static str> = Some(
        "every user of the host can read this file: write one with `files.put`, `mode = \"0600\"` and `validate = [\"sshd\", \"-t\", \
         \"-f\", \"{path}\"]`, and notify a handler that reloads `ssh`",
    );
    const EXAMPLE: &'static str = r#"[[operation]]
op = "ssh.server_config"
filename = "10-keys-only"
settings = { PasswordAuthentication = false, KbdInteractiveAuthentication = false }
"#;
}

impl Operation for ServerConfig {
    fn needs(&self) -> Vec<FactKey> {
        let mut needs = path_and_ancestors(&self.path());
        if self.present {
            needs.push(FactKey::Inquiry(self.inquiry()));
        }
        needs
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(FactKey::Path(self.path()))]
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        let presence = Demand::presence(ResourceKind::File, &self.path(), self.present);
        let settings = self
            .settings
            .iter()
            .filter(|_| self.present)
            .filter_map(|(name, setting)| {
                let name = name.to_ascii_lowercase();
                let demand = |value: String| {
                    Demand::new(ResourceKind::File, SSHD, format!("setting {name}"), value).hint(ONE_VALUE)
                };
                (!LISTS.contains(&name.as_str())).then(|| demand(setting.values().join("\n")))
            });
        [presence].into_iter().chain(settings).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        if !self.present {
            return plan_unread(context, "filename", &self.path());
        }
        let effective = self.effective(context);
        let path = self.path();
        let wish = FileWish {
            owner: Some("root"),
            group: Some("root"),
            mode: Some(0o644),
            validate: Some(validator()),
            ..FileWish::new(
                &path,
                "filename",
                WishedContent::Ready(Content::new(self.text().into_bytes())),
            )
        };
        let outcome = plan_file(context, &wish)?;
        let effective = effective?;
        if let Ok(sshd) = &effective {
            self.check_effect(context, sshd, outcome == Outcome::Unchanged)?;
        }
        Ok(shown(outcome, effective))
    }
}

/// What `sshd -T` says: before and after, or why it is known only later.
type Effective = Result<Sshd, String>;

/// Where sshd's settings are, whichever file sets them.
const SSHD: &str = "/etc/ssh/sshd_config";

const ONE_VALUE: &str =
    "of two files that set this for sshd, the one whose name comes first counts: set it in one of them";

/// Settings of which every line counts, wherever it is (`sshd_config(5)`).
const LISTS: [&str; 10] = [
    "acceptenv",
    "allowgroups",
    "allowusers",
    "denygroups",
    "denyusers",
    "hostcertificate",
    "hostkey",
    "listenaddress",
    "port",
    "subsystem",
];

/// Accepts the new file in front of the whole configuration, as sshd will read it.
fn validator() -> Vec<String> {
    let script = "cat -- \"$1\" /etc/ssh/sshd_config | \"$(command -v sshd || echo /usr/sbin/sshd)\" -t -f /dev/stdin";
    ["sh", "-c", script, "sshd", "{path}"].map(str::to_owned).to_vec()
}

/// Adds what `sshd -T` says to the file's change.
fn shown(mut outcome: Outcome, effective: Effective) -> Outcome {
    let [change] = outcome.changes_mut() else {
        return outcome;
    };
    let (before, after) = match effective {
        Err(why) => {
            if let Some(after) = &mut change.after {
                after.insert("sshd -T", Attribute::Unknown(why));
            }
            return outcome;
        }
        Ok(sshd) => (sshd.now, sshd.then),
    };
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let said = |settings: &Settings, name: &String| match settings.get(name) {
        Some(values) => values.join(", "),
        None => "(none)".to_owned(),
    };
    let differing = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    let lines: Vec<String> = differing
        .map(|name| format!("{name} {} → {}", said(&before, name), said(&after, name)))
        .collect();
    if let (Some(attributes), false) = (&mut change.after, lines.is_empty()) {
        attributes.insert("sshd -T", Attribute::known(lines.join("\n")));
    }
    outcome
}

impl ServerConfig {
    fn path(&self) -> String {
        format!("/etc/ssh/sshd_config.d/{}.conf", self.filename)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (name, setting) in &self.settings {
            for value in setting.values() {
                let _ = writeln!(text, "{name} {value}");
            }
        }
        text
    }

    fn inquiry(&self) -> Inquiry {
        Inquiry::Sshd {
            file: self.path(),
            text: self.text(),
        }
    }

    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let plain = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
        if self.filename.is_empty()
            || self.filename.starts_with('.')
            || matches!(self.filename.rsplit_once('.'), Some((_, "conf")))
            || !self.filename.chars().all(plain)
        {
            let title = format!("`{}` is not a valid name", self.filename);
            return Err(context
                .refuse(
                    "filename",
                    title,
                    "use letters, digits, `_`, `.` and `-`; `.conf` is added",
                )
                .hint("write a name such as \"10-keys-only\""));
        }
        if !self.present {
            return Ok(());
        }
        if self.settings.is_empty() {
            return Err(context
                .refuse("filename", "missing `settings`", "the file would be empty")
                .hint("add `settings = { PasswordAuthentication = false }`, or `present = false`"));
        }
        Stop::unless_all(self.settings.iter().map(|(name, setting)| {
            let refuse = |title: String, label: &str| context.refuse_entry("settings", name, title, label);
            if name.is_empty() || !name.chars().all(|one| one.is_ascii_alphanumeric()) {
                return Err(refuse(
                    format!("`{name}` is not a setting of sshd"),
                    "must be one word of letters",
                ));
            }
            if ["match", "include"].contains(&name.to_ascii_lowercase().as_str()) {
                return Err(refuse(
                    format!("`{name}` is not supported in `settings`"),
                    "it changes what other lines mean",
                )
                .hint("write such a file with `files.put`, and `validate = [\"sshd\", \"-t\", \"-f\", \"{path}\"]`"));
            }
            let is_same = |other: &&String| other.eq_ignore_ascii_case(name);
            let mut before = self.settings.keys().take_while(|other| *other != name);
            if let Some(other) = before.find(is_same) {
                return Err(refuse(
                    format!("`{name}` and `{other}` are one setting"),
                    "sshd does not tell capitals apart, and only the first value counts",
                )
                .hint("remove one of the two; a list gives several values"));
            }
            let values = setting.values();
            if values.is_empty()
                || values
                    .iter()
                    .any(|value| value.trim().is_empty() || value.contains(char::is_control))
            {
                return Err(refuse(
                    format!("`{name}` has no valid value"),
                    "must be one line, and not empty",
                ));
            }
            Ok(())
        }))
    }

    /// Asks the host; an earlier operation may make the answer known only later.
    fn effective(&self, context: &PlanContext<'_>) -> Result<Effective, Stop> {
        match context.get(InquiryKey(&self.inquiry())) {
            Ok(InquiryFact::Said(bytes)) => Ok(Ok(Sshd::read(&bytes))),
            Ok(InquiryFact::Failed(_)) if context.is_installed_before("openssh-server") => {
                Ok(Err("an earlier operation installs the SSH server".to_owned()))
            }
            Ok(InquiryFact::Failed(why)) => {
                let lines = self.settings.iter();
                let names: Vec<&str> = lines
                    .flat_map(|(name, setting)| setting.values().into_iter().map(|_| name.as_str()))
                    .collect();
                Err(refusal(context, &why, &names))
            }
            Err(Stop::NotKnown {
                cause: NotKnown::Since(_, why),
                ..
            }) => Ok(Err(why)),
            Err(stop) => Err(stop),
        }
    }

    /// Refuses a file without effect: sshd does not read it, or something else comes first.
    fn check_effect(&self, context: &PlanContext<'_>, sshd: &Sshd, is_there: bool) -> Result<(), Stop> {
        // An `Include` of a file that is included itself may lead to it.
        let settings = if is_there && !sshd.is_included {
            &sshd.now
        } else {
            &sshd.then
        };
        let overridden = sshd.overridden(settings);
        let Some(other) = overridden.first() else {
            return Ok(());
        };
        if !sshd.is_included {
            let title = format!("sshd does not read `{}`", self.path());
            return Err(context
                .refuse("filename", title, "no `Include` in `/etc/ssh/sshd_config` names it")
                .hint("add the line `Include /etc/ssh/sshd_config.d/*.conf` at its beginning"));
        }
        let own = self
            .settings
            .keys()
            .find(|name| overridden.contains(name.to_ascii_lowercase().as_str()));
        let name = own.map_or(*other, String::as_str);
        let place = sshd.before.iter().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (path, number, text) = (parts.next()?, parts.next()?, parts.next()?.trim());
            let word = text.split(|one: char| one.is_whitespace() || one == '=').next()?;
            word.eq_ignore_ascii_case(name)
                .then(|| (path, format!("`{path}:{number}` says `{text}`")))
        });
        let title = format!("`{name}` has no effect: another file sets it first");
        let (path, label) = place.unwrap_or_else(|| {
            let said = settings.get(&name.to_ascii_lowercase()).map(|values| values.join(", "));
            ("", format!("`sshd -T` says `{}`", said.unwrap_or_default()))
        });
        let refused = match own {
            Some(name) => context.refuse_entry("settings", name, title, label),
            None => context.refuse("settings", title, label),
        };
        Err(refused.hint(if path == "/etc/ssh/sshd_config" {
            "the first value counts: remove that line, or have `Include` come before it"
        } else {
            "sshd reads `/etc/ssh/sshd_config.d` by name, and the first value counts: give this file a name before the other's"
        }))
    }
}
