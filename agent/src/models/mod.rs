//! Starts, stops and watches the units that run models.

mod activity;
mod folder;
mod idle;
mod routes;
mod run;
mod settings;

pub use activity::{Reports, Standing};
pub use folder::{Folder, FolderError, Model};
pub use idle::stop_idle;
pub use routes::{Models, router};
pub use run::serve;
pub use settings::{Monitoring, Settings};
