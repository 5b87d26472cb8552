//! `apt.sources_file`: write a file of apt's sources.
//!
//! ```toml
//! [[operation]]
//! op = "apt.sources_file"
//! filename = "docker"
//! uris = ["https://download.docker.com/linux/debian"]
//! suites = ["{{ facts.os.codename }}"]
//! components = ["stable"]
//! signed_by = "/etc/apt/keyrings/docker.asc"
//! ```

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::change::{NotKnown, Outcome, ResourceKind, Stop};
use crate::content::Content;
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::facts::path::{PathFact, PathKey};
use crate::operations::files::parameters::{check_path, path_and_ancestors};
use crate::operations::files::removal::plan_unread;
use crate::operations::files::whole_file::{FileWish, WishedContent, plan_file};
use crate::operations::{Define, Demand, Operation, PlanContext};

/// Parameters of `apt.sources_file`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct SourcesFile {
    /// Name of the file in `/etc/apt/sources.list.d`, without `.sources`.
    filename: String,
    /// Where the packages are, such as `"https://download.docker.com/linux/debian"`.
    #[serde(default)]
    uris: Vec<String>,
    /// Names of releases, such as `"trixie"`; one that ends in `/` is the path of a repository without releases.
    #[serde(default)]
    suites: Vec<String>,
    /// Parts of the releases, such as `"main"`. A suite that ends in `/` has none.
    #[serde(default)]
    components: Vec<String>,
    /// `"deb"` for packages, `"deb-src"` for their sources.
    #[serde(default = "packages")]
    types: Vec<Type>,
    /// Architectures to use; default: those of the host.
    architectures: Option<Vec<String>>,
    /// File of the host with the keys that sign the repository, as `apt.key` writes it.
    signed_by: Option<String>,
    /// `false` keeps the file, but apt does not use it.
    #[serde(default = "crate::operations::parameters::yes")]
    enabled: bool,
    /// `false` removes the file.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
}

/// What a repository has.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
enum Type {
    Deb,
    DebSrc,
}

fn packages() -> Vec<Type> {
    vec![Type::Deb]
}

impl Define for SourcesFile {
    const NAME: &'static str = "apt.sources_file";
    const SUMMARY: &'static str = "Write a file of apt's sources";
    const MAIN_ARGUMENT: &'static str = "filename";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "apt.sources_file"
filename = "debian-backports"
uris = ["http://deb.debian.org/debian"]
suites = ["{{ facts.os.codename }}-backports"]
components = ["main"]
signed_by = "/usr/share/keyrings/debian-archive-keyring.gpg"
"#;
}

impl Operation for SourcesFile {
    fn needs(&self) -> Vec<FactKey> {
        let mut needs = path_and_ancestors(&self.path());
        needs.extend(self.signed_by.clone().filter(|_| self.present).map(FactKey::Path));
        needs
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Key(FactKey::Path(self.path()))]
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        vec![Demand::presence(ResourceKind::File, &self.path(), self.present)]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_filename(context, &self.filename)?;
        if !self.present {
            return plan_unread(context, Self::MAIN_ARGUMENT, &self.path());
        }
        self.check(context)?;
        self.check_keys(context)?;
        plan_file(
            context,
            &FileWish {
                owner: Some("root"),
                group: Some("root"),
                mode: Some(0o644),
                ..FileWish::new(
                    &self.path(),
                    "filename",
                    WishedContent::Ready(Content::new(self.text().into_bytes())),
                )
            },
        )
    }
}

/// Refuses a name of a file that apt would not read (sources.list(5)).
fn check_filename(context: &PlanContext<'_>, name: &str) -> Result<(), Stop> {
    let plain = |character: char| character.is_ascii_alphanumeric() || "_-.".contains(character);
    let label = if matches!(name.rsplit_once('.'), Some((_, "sources" | "list"))) {
        "`.sources` is added"
    } else if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        "apt reads only names of letters, digits, `_`, `-` and `.`"
    } else {
        return Ok(());
    };
    Err(context
        .refuse("filename", format!("`{name}` is not a valid name"), label)
        .hint("write a name such as \"docker\""))
}

impl SourcesFile {
    fn path(&self) -> String {
        format!("/etc/apt/sources.list.d/{}.sources", self.filename)
    }

    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        for (argument, words, example) in [
            ("uris", &self.uris, "[\"https://download.docker.com/linux/debian\"]"),
            ("suites", &self.suites, "[\"trixie\"]"),
        ] {
            if words.is_empty() {
                let title = format!("missing `{argument}`");
                return Err(context
                    .refuse("filename", title, "apt needs it")
                    .hint(format!("add `{argument} = {example}`")));
            }
        }
        if self.types.is_empty() {
            return Err(context
                .refuse("types", "`types` is empty", "apt needs one")
                .hint("remove it: `[\"deb\"]` is the default"));
        }
        let none = Vec::new();
        let architectures = self.architectures.as_ref().unwrap_or(&none);
        for (argument, words) in [
            ("uris", &self.uris),
            ("suites", &self.suites),
            ("components", &self.components),
            ("architectures", architectures),
        ] {
            let is_wrong =
                |word: &&String| word.is_empty() || word.contains(|one: char| one.is_whitespace() || one.is_control());
            if let Some(word) = words.iter().find(is_wrong) {
                let title = format!("`{word}` is not valid in `{argument}`");
                return Err(context
                    .refuse_item(argument, word, title, "must be one word")
                    .hint("write each word as an item of the list"));
            }
        }
        if let Some(uri) = self.uris.iter().find(|uri| !uri.contains(":/")) {
            let title = format!("`{uri}` is not a valid URI");
            return Err(context
                .refuse_item(
                    "uris",
                    uri,
                    title,
                    "must start with a scheme, such as `https://` or `file:/`",
                )
                .hint("write it as in a browser"));
        }
        let flat = self.suites.iter().filter(|suite| suite.ends_with('/')).count();
        match (flat, self.components.is_empty()) {
            (0, true) => Err(context
                .refuse("suites", "missing `components`", "a release has components")
                .hint("add `components = [\"main\"]`; the path of a repository without releases ends in `/`")),
            (0, false) | (_, true) => Ok(()),
            (_, false) => Err(context
                .refuse(
                    "components",
                    "a suite that ends in `/` has no components",
                    "apt refuses this",
                )
                .hint("remove `components`, or the `/` at the end of the suite")),
        }
    }

    /// Refuses keys that are not there: apt would refuse the repository.
    fn check_keys(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        let Some(path) = &self.signed_by else {
            return Err(context
                .refuse(
                    "filename",
                    "missing `signed_by`",
                    "apt would accept any key that it knows for another repository",
                )
                .hint("add `signed_by = \"/etc/apt/keyrings/NAME.asc\"`, and write that file with `apt.key`"));
        };
        check_path(context, "signed_by", path)?;
        match context.get(PathKey(path)) {
            Ok(PathFact::Absent) => Err(context
                .refuse(
                    "signed_by",
                    format!("`{path}` does not exist"),
                    "not on the host, and no earlier operation creates it",
                )
                .hint("write it first with `apt.key`")),
            Ok(PathFact::Present(_))
            | Err(Stop::NotKnown {
                cause: NotKnown::Since(..) | NotKnown::Denied(_),
                ..
            }) => Ok(()),
            Err(stop) => Err(stop),
        }
    }

    /// The file, in the format of deb822.
    fn text(&self) -> String {
        let types: Vec<String> = self.types.iter().map(|one| <&str>::from(*one).to_owned()).collect();
        let none = Vec::new();
        let mut text = String::new();
        if !self.enabled {
            text.push_str("Enabled: no\n");
        }
        for (name, words) in [
            ("Types", &types),
            ("URIs", &self.uris),
            ("Suites", &self.suites),
            ("Components", &self.components),
            ("Architectures", self.architectures.as_ref().unwrap_or(&none)),
        ] {
            if !words.is_empty() {
                let _ = writeln!(text, "{name}: {}", words.join(" "));
            }
        }
        if let Some(path) = &self.signed_by {
            let _ = writeln!(text, "Signed-By: {path}");
        }
        text
    }
}
