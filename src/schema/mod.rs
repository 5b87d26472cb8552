//! JSON Schemas (draft 7) of the files that people write, so that editors complete them and mark mistakes.
//!
//! They are made from the structs that are read and from the table of operations. What this version refuses is not in them.

mod data;
mod deploy;
mod entry;
mod inventory;
mod stack;
mod task;

use std::path::Path;

use schemars::Schema;
use serde_json::{Map, Value as Json};

use crate::operations::{Parameter, schema_of};

/// A kind of file of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// `inventories/<name>.toml`.
    Inventory,
    /// `group_data/<group>.toml`.
    GroupData,
    /// `deploys/<name>.toml`.
    Deploy,
    /// `tasks/<folder>/<name>.toml`.
    Task,
    /// `templates/services/<stack>/stack.toml`.
    Stack,
}

impl FileKind {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Inventory, Self::GroupData, Self::Deploy, Self::Task, Self::Stack];

    /// The name, also that of the schema's file, without `.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::GroupData => "group_data",
            Self::Deploy => "deploy",
            Self::Task => "task",
            Self::Stack => "stack",
        }
    }

    /// The kind that is called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The kind of the file at `path`, which is relative to the project's root.
    pub fn of(path: &Path) -> Option<Self> {
        if path.extension()? != "toml" {
            return None;
        }
        match path.components().next()?.as_os_str().to_str()? {
            "inventories" => Some(Self::Inventory),
            "group_data" => Some(Self::GroupData),
            "deploys" => Some(Self::Deploy),
            "tasks" => Some(Self::Task),
            "templates" if path.file_name()? == "stack.toml" => Some(Self::Stack),
            _ => None,
        }
    }

    /// The schema of such a file.
    pub fn schema(self) -> Schema {
        match self {
            Self::Inventory => schema_of::<inventory::Inventory>(),
            Self::GroupData => schema_of::<data::Data>(),
            Self::Deploy => schema_of::<deploy::Deploy>(),
            Self::Task => schema_of::<task::Task>(),
            Self::Stack => schema_of::<stack::Stack>(),
        }
    }

    /// The schema as the text of a file.
    pub fn document(self) -> String {
        let mut document = Map::new();
        document.insert("$schema".to_owned(), "http://json-schema.org/draft-07/schema#".into());
        document.insert("title".to_owned(), format!("homelab: {}", self.name()).into());
        if let Json::Object(keys) = self.schema().to_value() {
            document.extend(keys);
        }
        format!("{:#}\n", Json::Object(document))
    }
}

/// The keys that every operation may carry beside its own parameters.
pub fn common_keys() -> Vec<Parameter> {
    Parameter::all_of(&schema_of::<entry::OperationKeys>())
}

#[cfg(test)]
mod tests;
