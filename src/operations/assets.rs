//! How operations read the files of the project's `templates` folder.

use super::context::PlanContext;
use crate::change::Stop;
use crate::content::Content;
use crate::error::{Diagnostic, suggestion};
use crate::value::{Known, Text};

impl PlanContext<'_> {
    /// The paths of the files of the project's `templates` folder.
    pub fn asset_names(&self) -> impl Iterator<Item = &str> {
        self.assets.names()
    }

    /// Refuses a path that is not in the project's `templates` folder.
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
            mistake.hint(hint.unwrap_or_else(|| format!("create `templates/{path}`"))),
        )))
    }

    /// The content of a file in the project's `templates` folder. Of a large file it computes only the digest.
    ///
    /// Errors: the file does not exist or cannot be read.
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

    /// Renders a template of the project's `templates` folder with the host's data.
    ///
    /// `Known::No` if the template uses an unknown value. Errors: the template is not valid; the mistake names the place in the
    /// template and the argument.
    pub fn render_asset(&self, argument: &str, path: &str) -> Result<Known<Text>, Stop> {
        self.require_asset(argument, path)?;
        let at_argument =
            |mistake: Diagnostic| Stop::Refused(Box::new(mistake.at(self.origin_of(argument), "rendered here")));
        self.scope.render_file(self.assets, path).map_err(at_argument)
    }
}
