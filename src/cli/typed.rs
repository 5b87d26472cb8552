//! The part of a command that is already typed, for completion.

use clap_complete::engine::CompletionCandidate as Candidate;
use homelab::project::{DeployOutline, InventoryOutline, Outline, find_root, outline};

/// The arguments before the one being typed, and the current project.
pub(super) struct Typed {
    words: Vec<String>,
    pub(super) project: Outline,
}

impl Typed {
    pub(super) fn read() -> Option<Self> {
        let root = find_root(&std::env::current_dir().ok()?)?;
        let words = std::env::args_os().skip_while(|word| word != "--").skip(1);
        let mut words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
        // If the shell does not say which word is being typed, it is the last one.
        let index = std::env::var("_CLAP_COMPLETE_INDEX")
            .ok()
            .and_then(|index| index.parse().ok());
        words.truncate(index.unwrap_or(words.len().saturating_sub(1)));
        // An inventory may have the same name as the program or a command.
        let commands = if words
            .get(1)
            .is_some_and(|word| ["lab", "inventory"].contains(&word.as_str()))
        {
            3
        } else {
            2
        };
        words.drain(..commands.min(words.len()));
        Some(Self {
            words,
            project: outline(&root),
        })
    }

    /// The typed inventory.
    pub(super) fn inventory(&self) -> Option<&InventoryOutline> {
        self.words.iter().find_map(|word| self.project.inventories.get(word))
    }

    /// The typed deploy.
    pub(super) fn deploy(&self) -> Option<&DeployOutline> {
        self.words.iter().rev().find_map(|word| self.project.deploys.get(word))
    }

    /// Names in the typed inventory, or in all inventories.
    pub(super) fn of_inventories(&self, names: fn(&InventoryOutline) -> &Vec<String>) -> Vec<Candidate> {
        match self.inventory() {
            Some(inventory) => names(inventory).iter().map(Candidate::new).collect(),
            None => self
                .project
                .inventories
                .values()
                .flat_map(names)
                .map(Candidate::new)
                .collect(),
        }
    }

    /// The inventories with lab hosts.
    pub(super) fn labs(&self) -> Vec<Candidate> {
        let labs = self
            .project
            .inventories
            .iter()
            .filter(|(_, inventory)| !inventory.lab_hosts.is_empty());
        labs.map(|(name, _)| Candidate::new(name)).collect()
    }
}
