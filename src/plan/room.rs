//! Compares the size of new files with the free space of file systems, as far as that can be known in advance.

use std::collections::BTreeMap;

use super::PlannedOperation;
use crate::change::{Action, Claim, Outcome, ResourceChange, ResourceKind, Step};
use crate::error::{Diagnostic, Origin};
use crate::facts::overlay::Effect;
use crate::facts::path::parent;
use crate::facts::place::{DiskLocation, Room, bytes};
use crate::facts::{Fact, FactKey, Facts};

/// The most files that an error names.
const NAMED: usize = 3;

/// The writes to one file system, in the order of the plan.
struct Account<'a> {
    /// The topmost known directory on it.
    mount: String,
    room: Room,
    /// Bytes used beyond the current use; negative if more was freed.
    taken: i128,
    /// The most bytes used at any time: a file is written next to the one that it replaces.
    most: i128,
    files: i128,
    most_files: i128,
    written: Vec<(u64, &'a str, &'a Origin)>,
}

/// The file systems of a host that are too small for the files to be written.
///
/// Files of packages are not counted, because apt does not say how large they are. Nothing is known after the first
/// operation that may do anything, such as a command of the user.
pub(super) fn shortages(operations: &[PlannedOperation], facts: &Facts) -> Vec<Diagnostic> {
    let mut accounts = BTreeMap::new();
    let mut sizes = BTreeMap::new();
    'plan: for operation in operations {
        if matches!(operation.outcome, Outcome::Deferred { .. }) {
            break;
        }
        for change in operation.changes() {
            if may_make_room(change) {
                break 'plan;
            }
            for claim in change.steps.iter().flat_map(Step::claims) {
                count(&mut accounts, &mut sizes, claim, &operation.origin, facts);
            }
        }
    }
    let is_root = match facts.get(&FactKey::System) {
        Some(Fact::System(system)) => system.machine.user_id == 0,
        _ => true,
    };
    accounts
        .values()
        .filter_map(|account| account.shortage(is_root))
        .collect()
}

/// Removed packages free space, and a command may do anything within its scopes.
fn may_make_room(change: &ResourceChange) -> bool {
    let goes = change.action == Action::Remove && change.id.kind == ResourceKind::Package;
    let is_free = change
        .steps
        .iter()
        .flat_map(Step::claims)
        .any(|claim| matches!(claim, Claim::Run { is_known: false, .. }));
    let forgets = change.effects.iter().any(|effect| matches!(effect, Effect::Forget(..)));
    goes || (is_free && forgets)
}

/// `sizes` are those of the files that the plan has written so far.
fn count<'a>(
    accounts: &mut BTreeMap<u64, Account<'a>>,
    sizes: &mut BTreeMap<&'a str, u64>,
    claim: Claim<'a>,
    origin: &'a Origin,
    facts: &Facts,
) {
    let (path, length) = match claim {
        Claim::Place { path, size, copies, .. } => {
            let of_file = |copied| {
                let written = sizes.get(copied).copied();
                written.or_else(|| location(copied, facts).map(|location| location.allocated))
            };
            let size = copies.and_then(of_file).unwrap_or(size);
            sizes.insert(path, size);
            (path, Some(size))
        }
        Claim::Remove { path } => (path, None),
        Claim::Attributes { .. } | Claim::Run { .. } => return,
    };
    let Some((device, room)) = room_above(path, facts) else {
        return;
    };
    let account = accounts.entry(device).or_insert_with(|| Account {
        mount: mount(path, device, facts),
        room,
        taken: 0,
        most: 0,
        files: 0,
        most_files: 0,
        written: Vec::new(),
    });
    let before = location(path, facts).map(|location| location.allocated);
    match length {
        Some(length) => account.write(path, length, before, origin),
        None => account.remove(before),
    }
}

fn location(path: &str, facts: &Facts) -> Option<DiskLocation> {
    match facts.get(&FactKey::DiskLocation(path.to_owned())) {
        Some(Fact::DiskLocation(location)) => *location,
        _ => None,
    }
}

/// The file system of the nearest existing directory above `path`.
fn room_above(path: &str, facts: &Facts) -> Option<(u64, Room)> {
    let mut above = path;
    loop {
        if above == "/" {
            return None;
        }
        above = parent(above);
        if let Fact::DiskLocation(Some(location)) = facts.get(&FactKey::DiskLocation(above.to_owned()))? {
            return Some((location.device, location.room?));
        }
    }
}

/// The uppermost directory above `path` that is on the same file system.
fn mount(path: &str, device: u64, facts: &Facts) -> String {
    let mut found = parent(path);
    let mut above = found;
    while above != "/" {
        above = parent(above);
        match location(above, facts) {
            Some(location) if location.device == device => found = above,
            Some(_) => break,
            None => {}
        }
    }
    // A directory that does not exist yet cannot be checked.
    let mut there = found;
    while location(there, facts).is_none() && there != "/" {
        there = parent(there);
    }
    there.to_owned()
}

impl<'a> Account<'a> {
    fn write(&mut self, path: &'a str, length: u64, before: Option<u64>, origin: &'a Origin) {
        let size = self.room.taken(length);
        self.most = self.most.max(self.taken + i128::from(size));
        self.most_files = self.most_files.max(self.files + 1);
        self.taken += i128::from(size) - i128::from(before.unwrap_or_default());
        self.files += i128::from(before.is_none());
        if length > 0 {
            self.written.push((length, path, origin));
        }
    }

    fn remove(&mut self, before: Option<u64>) {
        self.taken -= i128::from(before.unwrap_or_default());
        self.files -= 1;
    }

    fn shortage(&self, is_root: bool) -> Option<Diagnostic> {
        let free = self
            .room
            .bytes
            .map(|(root, others)| if is_root { root } else { others });
        let lacks = |most: i128, free: Option<u64>| free.filter(|free| most > i128::from(*free));
        let title = if let Some(free) = lacks(self.most, free) {
            format!(
                "not enough space on `{}`: {} needed, {} free",
                self.mount,
                bytes(self.most),
                bytes(free.into())
            )
        } else if let Some(free) = lacks(self.most_files, self.room.files) {
            format!(
                "not enough inodes on `{}`: {} needed, {free} free",
                self.mount, self.most_files
            )
        } else {
            return None;
        };
        let mut largest = self.written.clone();
        largest.sort_by_key(|(length, ..)| std::cmp::Reverse(*length));
        let mut mistake = Diagnostic::new(title);
        for (rank, (length, path, origin)) in largest.iter().take(NAMED).enumerate() {
            if rank == 0 {
                mistake = mistake.at(origin, "the largest file is set here");
            }
            mistake = mistake.because(format!("`{path}` needs {}", bytes((*length).into())));
        }
        Some(mistake.hint(format!(
            "free space there (see `df {mount}` and `df -i {mount}`); a file is written in full before it replaces the old one",
            mount = self.mount
        )))
    }
}

#[cfg(test)]
mod tests;
