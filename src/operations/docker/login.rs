//! `docker.login`: the password that a user of the host has for a registry.
//!
//! ```toml
//! [[operation]]
//! op = "docker.login"
//! registry = "ghcr.io"
//! username = "anna"
//! password = "{{ registry_token }}"
//! ```
//!
//! Docker keeps it in `~/.docker/config.json`. It is written only if the registry takes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize as _};
use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::{Map, Value, json};

use super::command::Docker;
use super::engine;
use crate::change::{Attribute, Attributed, Before, Command, NotKnown, Outcome, ResourceKind, Step, Stop};
use crate::content::{Content, Input};
use crate::facts::FactKey;
use crate::facts::account::{User, UserFact, in_home, usual_home};
use crate::facts::overlay::FactScope;
use crate::facts::path::parent;
use crate::operations::files::directory::{Directory, plan_one as plan_directory};
use crate::operations::files::edited_file::EditedFile;
use crate::operations::files::parameters::path_and_ancestors;
use crate::operations::files::whole_file::{FileWish, WishedContent, plan_file};
use crate::operations::parameters::check_account_name;
use crate::operations::work::Work;
use crate::operations::{Define, Operation, PlanContext};
use crate::quote::quote;
use crate::secret::Secret;
use crate::value::{Known, Text};

/// The registry that Docker means where none is written.
const DOCKER_HUB: &str = "docker.io";

/// Under which name Docker keeps the password for it.
const DOCKER_HUB_ENTRY: &str = "https://index.docker.io/v1/";

/// Parameters of `docker.login`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Login {
    /// The registry, such as `"ghcr.io"` or `"registry.lan:5000"`.
    #[serde(default = "docker_hub")]
    registry: String,
    /// Name of the account at the registry.
    username: String,
    /// Its password or token. It is never shown, and reaches Docker on its standard input.
    password: Text,
    /// User of the host who gets it, as a file in the home directory. What runs as root, such as `docker.image`, uses that of `root`.
    #[serde(default = "root")]
    user: String,
}

fn docker_hub() -> String {
    DOCKER_HUB.to_owned()
}

fn root() -> String {
    "root".to_owned()
}

impl Define for Login {
    const NAME: &'static str = "docker.login";
    const SUMMARY: &'static str = "Keep a password for a registry, as `docker login` does";
    const MAIN_ARGUMENT: &'static str = "registry";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "docker.login"
registry = "ghcr.io"
username = "anna"
password = "{{ registry_token }}"
"#;
}

impl Operation for Login {
    fn needs(&self) -> Vec<FactKey> {
        let usual = in_home(&usual_home(&self.user), PASSWORDS);
        let mut needs = path_and_ancestors(&usual);
        needs.push(FactKey::Content(usual));
        needs.push(FactKey::User(self.user.clone()));
        needs
    }

    fn touches(&self, context: &PlanContext<'_>) -> Vec<FactScope> {
        let file = match context.user(&self.user) {
            Ok(UserFact::Present(user)) => user.file(PASSWORDS),
            _ => None,
        };
        let Some(file) = file else {
            return vec![FactScope::Tree(usual_home(&self.user))];
        };
        let folder = parent(&file).to_owned();
        let paths = [folder, file].into_iter();
        paths.map(|path| FactScope::Key(FactKey::Path(path))).collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        let user = match context.user(&self.user)? {
            UserFact::Present(user) => user,
            UserFact::Absent => {
                let title = format!("unknown user `{}`", self.user);
                return Err(context
                    .refuse("user", title, "not on the host, and no earlier operation creates it")
                    .hint(format!(
                        "create it first: `op = \"server.user\"`, `user = \"{}\"`",
                        self.user
                    )));
            }
        };
        let Some(path) = user.file(PASSWORDS) else {
            return Err(Stop::NotKnown {
                key: FactKey::User(self.user.clone()),
                cause: match context.predicted_by(&FactKey::User(self.user.clone())) {
                    Some(operation) => NotKnown::Since(operation, "its home directory is not known yet".to_owned()),
                    None => NotKnown::NotGathered,
                },
            });
        };
        context.on_scratch(|scratch| self.write(scratch, &path, &user))
    }
}

/// Where Docker keeps the passwords of a user, below the home directory.
const PASSWORDS: &str = ".docker/config.json";

impl Login {
    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        check_account_name(context, "user", &self.user)?;
        let is_plain = |character: char| character.is_ascii_alphanumeric() || ".-_:[]".contains(character);
        if self.registry.is_empty() || !self.registry.chars().all(is_plain) || self.registry.starts_with('-') {
            let title = format!("`{}` is not a valid name of a registry", self.registry);
            return Err(context
                .refuse("registry", title, "a host, with a port if it needs one")
                .hint("write it as in the name of an image, such as `ghcr.io` or `registry.lan:5000`"));
        }
        if self.username.is_empty() || self.username.contains([':', '\n', '\0']) {
            let title = format!("`{}` is not a valid name of an account", self.username.escape_debug());
            return Err(context
                .refuse("username", title, "no `:` and no line break")
                .hint("write the name that the registry knows"));
        }
        let password = self.password();
        if !context.has_stand_ins() && (password.is_empty() || password.contains(['\n', '\r', '\0'])) {
            let title = "`password` must be one line of text";
            return Err(context
                .refuse("password", title, "Docker takes no other")
                .hint("write the password or token alone"));
        }
        Ok(())
    }

    /// Without a line break at its end, which files with tokens have.
    fn password(&self) -> &str {
        self.password.expose().trim_end_matches(['\n', '\r'])
    }

    /// The name of its entry.
    fn entry(&self) -> &str {
        if self.registry == DOCKER_HUB {
            DOCKER_HUB_ENTRY
        } else {
            &self.registry
        }
    }

    fn write(&self, context: &PlanContext<'_>, path: &str, user: &User) -> Result<Outcome, Stop> {
        let group = match &user.group {
            Known::Yes(group) => Some(group.as_str()),
            Known::No(_) => None,
        };
        let mut work = Work::default();
        let file = EditedFile {
            comes_with_no_package: true,
            ..EditedFile::new(path, "user")
        };
        let text = file.text(context);
        let folder = context
            .resolve(parent(path))
            .unwrap_or_else(|_| parent(path).to_owned());
        let wish = Directory::of_user(&folder, &self.user, group, 0o700);
        let mut changes = Vec::new();
        plan_directory(context, &folder, Some(&wish), &mut changes, &mut work.since)?;
        work.add(context, Outcome::Change(changes));
        let old = self.settings(context, path, text?.as_deref())?;
        self.check_helper(context, path, &old)?;
        let auth = STANDARD.encode(format!("{}:{}", self.username, self.password()));
        let entry = json!({ "auth": auth });
        let is_same = old.get("auths").and_then(|all| all.get(self.entry())) == Some(&entry);
        let mut new = old.clone();
        if let Value::Object(entries) = new.entry("auths").or_insert_with(|| json!({})) {
            entries.insert(self.entry().to_owned(), entry);
        }
        let content = if is_same {
            // Owner and mode may differ all the same.
            file.text(context)?.unwrap_or_default()
        } else {
            written(&new)
        };
        let content = Text::from(Secret::new(content));
        let wish = FileWish {
            owner: Some(&self.user),
            group,
            mode: Some(0o600),
            ..FileWish::new(path, "user", WishedContent::Ready(Content::of_text(&content)))
        };
        let mut planned = plan_file(context, &wish)?;
        if !is_same {
            engine::runs(context, "registry", true)?;
            self.complete(context, &mut planned, &old, &new);
        }
        work.add(context, planned);
        Ok(work.outcome())
    }

    /// What Docker keeps for the user now.
    fn settings(&self, context: &PlanContext<'_>, path: &str, text: Option<&str>) -> Result<Map<String, Value>, Stop> {
        let text = text.unwrap_or_default();
        if text.trim().is_empty() {
            return Ok(Map::new());
        }
        let settings = serde_json::from_str(text).map_err(|error| error.to_string());
        let wrong = match settings {
            Ok(Value::Object(settings)) if settings.get("auths").is_none_or(Value::is_object) => return Ok(settings),
            Ok(_) => "it is another value than Docker writes".to_owned(),
            // The error names a place, and nothing of the text.
            Err(why) => why,
        };
        let title = format!("`{path}` cannot be read as settings of Docker");
        Err(context
            .refuse("user", title, wrong)
            .hint(format!("repair or remove it on the host; `{}` needs it", self.user)))
    }

    /// Refuses passwords that another program keeps: they cannot be compared.
    fn check_helper(&self, context: &PlanContext<'_>, path: &str, settings: &Map<String, Value>) -> Result<(), Stop> {
        let own = settings.get("credHelpers").and_then(|all| all.get(self.entry()));
        let helper = own.or_else(|| settings.get("credsStore")).and_then(Value::as_str);
        let Some(helper) = helper.filter(|helper| !helper.is_empty()) else {
            return Ok(());
        };
        let title = format!("`docker-credential-{helper}` keeps the passwords of `{}`", self.user);
        let label = format!("`{path}` says so");
        Err(context
            .refuse("user", title, label)
            .hint("remove `credsStore` or `credHelpers` there, or log in by hand"))
    }

    /// Has the registry asked before the file is written, and shows accounts in place of the text.
    fn complete(
        &self,
        context: &PlanContext<'_>,
        planned: &mut Outcome,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
    ) {
        for change in planned.changes_mut() {
            if change.id.kind != ResourceKind::File {
                continue;
            }
            let (before, after) = (accounts(old), accounts(new));
            if let Before::Present(attributes) = &mut change.before {
                show(attributes, &before);
            }
            if let Some(attributes) = &mut change.after {
                show(attributes, &after);
                if before == after {
                    attributes.insert("password", Attribute::known("changed"));
                }
            }
            change.steps.insert(0, Step::Run(self.trial(context)));
        }
    }

    /// Asks the registry. What Docker keeps of that is thrown away.
    fn trial(&self, context: &PlanContext<'_>) -> Command {
        let login = Docker::new(&["login", "--password-stdin"])
            .option("--username", Some(&self.username))
            .text();
        let registry = if self.registry == DOCKER_HUB {
            String::new()
        } else {
            format!(" {}", quote(&self.registry))
        };
        let script = format!(
            "export DOCKER_CONFIG\nDOCKER_CONFIG=$(mktemp -d) || exit\n\
             trap 'rm -rf -- \"$DOCKER_CONFIG\"' EXIT\n\
             {login}{registry} >/dev/null"
        );
        let input = Input::secret(self.password().as_bytes(), context.digests());
        Command {
            input: Some(input),
            ..Command::new(format!("docker login {}", self.registry), script)
        }
    }
}

fn written(settings: &Map<String, Value>) -> String {
    let mut text = Vec::new();
    // As Docker writes it.
    let formatter = PrettyFormatter::with_indent(b"\t");
    let written = settings.serialize(&mut Serializer::with_formatter(&mut text, formatter));
    written.map_or_else(|_| String::new(), |()| String::from_utf8_lossy(&text).into_owned())
}

/// The accounts that settings have passwords of.
fn accounts(settings: &Map<String, Value>) -> String {
    let entries = settings.get("auths").and_then(Value::as_object).into_iter().flatten();
    let shown = entries.map(|(registry, entry)| {
        let registry = if registry == DOCKER_HUB_ENTRY {
            DOCKER_HUB
        } else {
            registry
        };
        let auth = entry.get("auth").and_then(Value::as_str).unwrap_or_default();
        let decoded = STANDARD
            .decode(auth)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        match decoded.as_deref().and_then(|text| text.split_once(':')) {
            Some((account, _)) => format!("{account} at {registry}"),
            None => registry.to_owned(),
        }
    });
    let shown: Vec<String> = shown.collect();
    shown.join(", ")
}

/// Shows `accounts` in place of the content of the file.
fn show(attributes: &mut Attributed, accounts: &str) {
    if attributes.shift_remove("content").is_some() {
        attributes.shift_insert(0, "logins", Attribute::known(accounts));
    }
}
