//! Files and directories.

pub(super) mod block;
pub(super) mod copy;
pub(super) mod directory;
pub(super) mod download;
pub(super) mod edited_file;
pub(super) mod file;
pub(super) mod json;
pub(super) mod line;
pub(super) mod link;
pub(super) mod r#move;
pub(super) mod parameters;
pub(super) mod put;
pub(super) mod removal;
pub(super) mod replace;
pub(super) mod sync;
pub(super) mod template;
pub(super) mod text;
pub(super) mod unarchive;
pub(super) mod unit_lines;
pub(super) mod whole_file;

pub use directory::is_needed;
pub use sync::pattern_mistake;
