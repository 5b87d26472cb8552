//! The files of the project's `templates` folder, as operations see them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::PlanContext;
use crate::change::Stop;
use crate::error::suggestion;
use crate::value::Known;

/// The files of the project's `templates` folder by path, read before planning.
pub type Assets = BTreeMap<String, Arc<[u8]>>;

impl PlanContext<'_> {
    /// A file of the project's `templates` folder.
    pub fn asset(&self, path: &str) -> Option<&Arc<[u8]>> {
        self.assets.get(path)
    }

    /// The paths of the files of the project's `templates` folder.
    pub fn asset_names(&self) -> impl Iterator<Item = &str> {
        self.assets.keys().map(String::as_str)
    }

    /// A file of the project's `templates` folder, or a refusal that points at the argument that names it.
    pub fn require_asset(&self, argument: &str, path: &str) -> Result<&Arc<[u8]>, Stop> {
        self.asset(path).ok_or_else(|| {
            let title = format!("`templates/{path}` does not exist");
            let mistake = self.mistake(argument, title, "no such file in the project");
            let bare = path.trim_start_matches("templates/");
            let hint = match self.asset(bare) {
                Some(_) => Some(format!("paths count from `templates/`: write `{bare}`")),
                None => suggestion(path, self.asset_names()),
            };
            Stop::Refused(Box::new(
                mistake.hint(hint.unwrap_or_else(|| format!("write `templates/{path}`"))),
            ))
        })
    }

    /// A file of the project's `templates` folder rendered over the host's data, named by an argument.
    ///
    /// Not known where the template looks at something that is not. Errors: a template that does not work, at its own
    /// place and at the argument's.
    pub fn render_asset(&self, argument: &str, path: &str) -> Result<Known<String>, Stop> {
        self.require_asset(argument, path)?;
        self.scope
            .render_file(self.assets, path)
            .map_err(|mistake| Stop::Refused(Box::new(mistake.at(self.origin_of(argument), "rendered here"))))
    }
}
