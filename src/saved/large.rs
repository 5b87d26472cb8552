//! Files that are too large to be in a plan.

use std::collections::BTreeMap;
use std::path::Path;

use crate::content::{ProjectFolder, Refused, open_in_place};
use crate::project::LargeCopy;
use crate::secret::sha256_hex_of;

/// The SHA-256 and the size of a file.
///
/// Errors: it cannot be read.
pub(super) fn measured(place: &Path) -> Result<(String, u64), Refused> {
    let file = open_in_place(place)?;
    Ok(sha256_hex_of(file)?)
}

/// The large files that are not as they were, each with what is wrong.
pub(super) fn changed(home: &Path, large: &[&LargeCopy]) -> BTreeMap<String, String> {
    let folder = ProjectFolder::new(home);
    let wrong = large.iter().filter_map(|one| {
        let place = match folder.find(Path::new(&one.path)) {
            Ok(Some(place)) => place,
            Ok(None) => return Some((one.path.clone(), "it is not there".to_owned())),
            Err(refused) => return Some((one.path.clone(), refused.to_string())),
        };
        let why = match measured(&place) {
            Ok((sha256, size)) if sha256 == one.sha256 && size == one.size => return None,
            Ok((sha256, _)) => format!("its SHA-256 is {sha256}, and was {}", one.sha256),
            Err(refused) => refused.to_string(),
        };
        Some((one.path.clone(), why))
    });
    wrong.collect()
}
