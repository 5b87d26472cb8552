//! How operations read the files of the project's `templates` folder.

use std::sync::Arc;

use super::context::PlanContext;
use crate::change::{Outcome, Stop};
use crate::content::{Assets, Content, EncryptedFile, Undecrypted};
use crate::error::{Diagnostic, Origin, SourceFile, closest, suggestion};
use crate::facts::overlay::{FactScope, OperationId};
use crate::facts::system::SystemKey;
use crate::secret::encrypted_value;
use crate::value::{Known, Text, Why, Withheld};

/// What the names of the project's certificates begin with where operations name a file.
pub const CERTIFICATE: &str = "pki:";

/// What the names of parts of the on-host agent begin with where operations name a file.
pub const AGENT: &str = "agent:";

/// The name among the project's files of a part of the agent for an architecture.
pub fn agent_asset(part: &str, architecture: &str) -> String {
    format!("{AGENT}{part}-{architecture}")
}

/// What to do about a certificate that operations name as `path` and that does not exist.
pub fn certificate_hint(assets: &Assets, path: &str) -> String {
    let name = path.strip_prefix(CERTIFICATE).unwrap_or(path);
    let near = closest(path, assets.names().filter(|name| name.starts_with(CERTIFICATE)));
    match (near, name, name.rsplit_once('.')) {
        (Some(near), ..) => format!("did you mean `{near}`?"),
        (None, "ca" | "leaves", _) => "`homelab pki init` makes a certificate authority".to_owned(),
        (None, _, Some((name, "crt" | "key"))) => format!("`homelab pki issue {name}` makes it"),
        _ => "write `pki:ca`, `pki:leaves`, `pki:NAME.crt` or `pki:NAME.key`".to_owned(),
    }
}

/// A template of the project with the host's data.
pub(super) enum Rendered {
    Known(Text),
    Later(Later),
}

/// A template that uses a value which is not known yet.
pub(super) struct Later {
    /// Its text with `(known after apply)` in place of what comes of the value; `None` if there is none.
    pub(super) outline: Option<Text>,
    pub(super) why: String,
    /// Whether an operation of this run makes the value.
    pub(super) is_made: bool,
}

impl PlanContext<'_> {
    /// The paths of the files of the project's `templates` folder.
    pub fn asset_names(&self) -> impl Iterator<Item = &str> {
        self.assets.names()
    }

    /// Refuses a path that is not in the project's `templates` folder, and an encrypted file that cannot be decrypted.
    pub fn require_asset(&self, argument: &str, path: &str) -> Result<(), Stop> {
        if let Some(file) = self.assets.encrypted(path) {
            return self.decrypted(argument, file).map(drop);
        }
        if self.assets.contains(path) {
            return Ok(());
        }
        if path.starts_with(CERTIFICATE) {
            let mistake = self.mistake(argument, format!("`{path}` does not exist"), "no such certificate");
            let hint = certificate_hint(self.assets, path);
            return Err(Stop::Refused(Box::new(mistake.hint(hint))));
        }
        let title = format!("`templates/{path}` does not exist");
        let bare = path.trim_start_matches("templates/");
        let without_end = bare.strip_suffix(EncryptedFile::SUFFIX);
        if let Some(name) = without_end.filter(|name| self.assets.encrypted(name).is_some()) {
            let title = format!("`{path}` is the encrypted file");
            let mistake = self.mistake(argument, title, "operations use what is in it");
            return Err(Stop::Refused(Box::new(mistake.hint(format!("write `{name}`")))));
        }
        let mistake = self.mistake(argument, title, "no such file in the project");
        let hint = if self.assets.contains(bare) {
            Some(format!("paths start below `templates/`: write `{bare}`"))
        } else {
            suggestion(path, self.asset_names())
        };
        Err(Stop::Refused(Box::new(
            mistake.hint(hint.unwrap_or_else(|| format!("create `templates/{path}`"))),
        )))
    }

    /// Whether the file can be executed in the project.
    pub fn is_executable_asset(&self, path: &str) -> bool {
        self.assets.is_executable(path)
    }

    /// Whether the file is encrypted in the project.
    pub fn is_encrypted_asset(&self, path: &str) -> bool {
        self.assets.encrypted(path).is_some()
    }

    /// The content of a file in the project's `templates` folder, which anyone may see. Of a large file it computes only the
    /// digest.
    ///
    /// Errors: the file does not exist, cannot be read, or is encrypted.
    pub fn asset(&self, argument: &str, path: &str) -> Result<Content, Stop> {
        if let Some(file) = self.assets.encrypted(path) {
            let title = format!("`{argument}` of this operation cannot be an encrypted file");
            let label = format!("`{}` is encrypted", file.name());
            return Err(self
                .refuse(argument, title, label)
                .hint("use a file that is not a secret; `files.put` copies secret files"));
        }
        self.require_asset(argument, path)?;
        self.refuse_encrypted_value(argument, path)?;
        match (self.assets.get(path), self.assets.large(path)) {
            (Some(bytes), _) => Ok(Content::new(bytes.clone())),
            (None, Some(file)) => Content::of_file(file).map_err(|error| {
                let mistake = self.mistake(argument, format!("cannot read `{}`", file.name()), "used here");
                Stop::Refused(Box::new(mistake.because(error.to_string())))
            }),
            (None, None) => Ok(Content::new(Vec::new())),
        }
    }

    /// A file of the project outside `templates/`, if there is one of this name. It computes only the digest.
    ///
    /// Errors: the file cannot be read.
    pub(super) fn kept(&self, argument: &str, name: &str) -> Result<Option<Content>, Stop> {
        let Some(file) = self.assets.large(name) else {
            return Ok(None);
        };
        let content = Content::of_file(file).map_err(|error| {
            let mistake = self.mistake(argument, format!("cannot read `{}`", file.name()), "used here");
            Stop::Refused(Box::new(mistake.because(error.to_string())))
        })?;
        Ok(Some(content))
    }

    /// The part of the on-host agent that `path` names, for the architecture of the host. `part` is the one that the operation takes.
    ///
    /// Errors: it takes another part, or this one is not built.
    pub(super) fn agent_part(&self, argument: &str, path: &str, part: &'static str) -> Result<Content, Stop> {
        if path.strip_prefix(AGENT) != Some(part) {
            let title = format!("`{path}` is not a part of the agent that this operation takes");
            let refused = self.refuse(argument, title, "cannot be used here");
            return Err(refused.hint(format!("write `{AGENT}{part}`")));
        }
        let architecture = self.get(SystemKey)?.machine.architecture.dpkg;
        if let Some(content) = self.kept(argument, &agent_asset(part, &architecture))? {
            return Ok(content);
        }
        let title = format!("the agent is not built for `{architecture}`, the architecture of this host");
        let command = if part == "binary" { "build" } else { part };
        Err(self
            .refuse(
                argument,
                title,
                "not in `.homelab/agent` of the project, or of another version of homelab",
            )
            .hint(format!("run `homelab agent {command} --architecture {architecture}`")))
    }

    /// The name of the image of the on-host agent, with its tag.
    ///
    /// Errors: it is not built.
    pub(super) fn agent_image(&self, argument: &str) -> Result<String, Stop> {
        let path = format!("{AGENT}image");
        let images = self.agent_part(argument, &path, "image")?.archived_images();
        let images = images.map_err(|why| {
            let refused = self.refuse(argument, format!("`{path}` cannot be read"), why.to_string());
            refused.hint("run `homelab agent image`")
        })?;
        let mut names = images.into_iter().flat_map(|image| image.names);
        Ok(names.next().unwrap_or_default())
    }

    /// The text of a file that no host gets, if there is such a file.
    pub fn asset_text(&self, path: &str) -> Option<&str> {
        std::str::from_utf8(self.assets.get(path)?).ok()
    }

    /// Refuses a file with an encrypted value of data: the host would get that as it is.
    fn refuse_encrypted_value(&self, argument: &str, path: &str) -> Result<(), Stop> {
        let Some((text, place)) = self
            .asset_text(path)
            .and_then(|text| Some((text, encrypted_value(text)?)))
        else {
            return Ok(());
        };
        let name = format!("templates/{path}");
        let place = Origin::new(&SourceFile::new(&name, text), place);
        let hint = if path.ends_with(Assets::TEMPLATE_SUFFIX) {
            "put the value into data with `homelab secrets set`, and write `{{ NAME }}` here".to_owned()
        } else {
            format!(
                "put the value into data with `homelab secrets set`, write `{{{{ NAME }}}}` here, and call the file `{name}{}`",
                Assets::TEMPLATE_SUFFIX
            )
        };
        let mistake = Diagnostic::new(format!("`{name}` has an encrypted value"))
            .at(&place, "only data is decrypted: the host would get this text")
            .at(self.origin_of(argument), "used here")
            .hint(hint);
        Err(Stop::Refused(Box::new(mistake)))
    }

    /// The same for an operation that shows no secret.
    ///
    /// Errors: the file does not exist, cannot be read, or cannot be decrypted.
    pub fn asset_or_secret(&self, argument: &str, path: &str) -> Result<Content, Stop> {
        match self.assets.encrypted(path) {
            Some(_) if self.is_past_secrets() => Ok(Content::of_secret(&Arc::from([]))),
            Some(file) => self.decrypted(argument, file).map(Content::of_secret),
            None => self.asset(argument, path),
        }
    }

    fn decrypted<'f>(&self, argument: &str, file: &'f EncryptedFile) -> Result<&'f Arc<[u8]>, Stop> {
        file.content().map_err(|why| match why {
            Undecrypted::NeedsKey => Stop::Withheld(Withheld::Key),
            Undecrypted::Mistake(mistake) => {
                let place = self.origin_of(argument);
                Stop::Refused(Box::new((**mistake).clone().at(place, "used here")))
            }
        })
    }

    /// Renders a template of the project's `templates` folder with the host's data.
    ///
    /// `Known::No` if the template uses an unknown value. Errors: the template is not valid; the mistake names the place in the
    /// template and the argument.
    pub fn render_asset(&self, argument: &str, path: &str) -> Result<Known<Text>, Stop> {
        Ok(match self.rendered(argument, path)? {
            Ok(text) => Known::Yes(text),
            Err(why) => Known::No(why.to_string()),
        })
    }

    /// The same, with what is known of a text that uses an unknown value.
    ///
    /// Errors: as of [`Self::render_asset`].
    pub(super) fn render_or_outline(&self, argument: &str, path: &str) -> Result<Rendered, Stop> {
        Ok(match self.rendered(argument, path)? {
            Ok(text) => Rendered::Known(text),
            Err(why) => Rendered::Later(Later {
                outline: self.outline(path),
                is_made: matches!(why, Why::After(_)),
                why: format!("`templates/{path}` uses an unknown value: {why}"),
            }),
        })
    }

    fn rendered(&self, argument: &str, path: &str) -> Result<Result<Text, Why>, Stop> {
        self.require_asset(argument, path)?;
        self.refuse_encrypted_value(argument, path)?;
        let at_argument =
            |mistake: Diagnostic| Stop::Refused(Box::new(mistake.at(self.origin_of(argument), "rendered here")));
        let rendered = self.scope.render_file(self.assets, path).map_err(at_argument)?;
        match &rendered {
            Err(Why::Withheld(withheld)) => {
                let text = self.is_past_secrets().then(|| self.outline(path)).flatten();
                return text.map(Ok).ok_or_else(|| Stop::Withheld(withheld.clone()));
            }
            Err(Why::After(after)) => self.await_operation(OperationId(after.operation.clone())),
            Ok(_) | Err(Why::Later(_)) => {}
        }
        Ok(rendered)
    }

    fn outline(&self, path: &str) -> Option<Text> {
        self.scope.standing_in().render_file(self.assets, path).ok()?.ok()
    }

    /// The outcome of an operation that waits for a value which the template at `path` uses: what `plan` makes of the text is a
    /// preview, with `(known after apply)` in place of what comes of the value.
    pub(super) fn after_template(
        &self,
        path: &str,
        why: String,
        touches: Vec<FactScope>,
        plan: impl FnOnce(Content) -> Result<Outcome, Stop>,
    ) -> Outcome {
        let planned = self.outline(path).and_then(|text| plan(Content::of_text(&text)).ok());
        Outcome::Deferred {
            waits_for: Vec::new(),
            why,
            touches,
            preview: planned.map(Outcome::into_preview).unwrap_or_default(),
        }
    }
}
