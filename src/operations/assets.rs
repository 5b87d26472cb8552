//! The files of the project's `templates` folder, as operations see them.

use super::PlanContext;
use crate::change::Stop;
use crate::content::Content;
use crate::error::{Diagnostic, suggestion};
use crate::value::Known;

impl PlanContext<'_> {
    /// The paths of the files of the project's `templates` folder.
    pub fn asset_names(&self) -> impl Iterator<Item = &str> {
        self.assets.names()
    }

    /// A refusal that points at the argument that names a file of the project's `templates` folder which is not there.
    pub fn require_asset(&self, argument: &str, path: &str) -> Result<(), Stop> {
        if self.assets.contains(path) {
            return Ok(());
        }
        let title = format!("`templates/{path}` does not exist");
        let mistake = self.mistake(argument, title, "no such file in the project");
        let bare = path.trim_start_matches("templates/");
        let hint = if self.assets.contains(bare) {
            Some(format!("paths start below `templates/`: write `{bare}`"))
        } else {
            suggestion(path, self.asset_names())
        };
        Err(Stop::Refused(Box::new(
            mistake.hint(hint.unwrap_or_else(|| format!("write `templates/{path}`"))),
        )))
    }

    /// What a file of the project's `templates` folder holds, named by an argument. A large one is read through for its digest.
    ///
    /// Errors: there is no such file, or it cannot be read.
    pub fn asset(&self, argument: &str, path: &str) -> Result<Content, Stop> {
        self.require_asset(argument, path)?;
        match (self.assets.get(path), self.assets.large(path)) {
            (Some(bytes), _) => Ok(Content::new(bytes.clone())),
            (None, Some(file)) => Content::of_file(file).map_err(|error| {
                let mistake = self.mistake(argument, format!("cannot read `{}`", file.name()), "used here");
                Stop::Refused(Box::new(mistake.because(error.to_string())))
            }),
            (None, None) => Ok(Content::new(Vec::new())),
        }
    }

    /// A file of the project's `templates` folder rendered over the host's data, named by an argument.
    ///
    /// Not known where the template looks at something that is not. Errors: invalid template, at its own
    /// place and at the argument's.
    pub fn render_asset(&self, argument: &str, path: &str) -> Result<Known<String>, Stop> {
        self.require_asset(argument, path)?;
        let at_argument =
            |mistake: Diagnostic| Stop::Refused(Box::new(mistake.at(self.origin_of(argument), "rendered here")));
        self.scope.render_file(self.assets, path).map_err(at_argument)
    }
}
