//! What a project has of the agent, for its operations.

use std::fs;
use std::path::Path;

use super::error::AgentError;
use super::machine::{create_private, disk, write_whole};
use super::parts::{ARCHITECTURES, Part};
use super::source;
use crate::content::{Assets, ProjectFolder};
use crate::operations::agent_asset;

/// The folder of a project with what was built for it.
const FOLDER: &str = ".homelab/agent";

/// Puts a part into the project, and returns its path there.
pub(super) fn offer(
    root: &Path,
    (part, architecture): (Part, &str),
    from: &Path,
    sha256: &str,
) -> Result<String, AgentError> {
    let folder = root.join(FOLDER);
    // A project may come from someone else: nothing elsewhere is replaced.
    if let Some(link) = folder
        .ancestors()
        .take_while(|path| *path != root)
        .find(|path| path.is_symlink())
    {
        return Err(AgentError::Linked {
            path: link.to_path_buf(),
        });
    }
    create_private(&folder)?;
    write_whole(&folder.join(".gitignore"), b"*\n")?;
    let path = format!("{FOLDER}/{}", part.file(architecture));
    let to = root.join(&path);
    let bytes = fs::read(from).map_err(disk("read", from))?;
    write_whole(&to, &bytes)?;
    let note = format!("{sha256} {}\n", source::name());
    write_whole(&root.join(note_of(&path)), note.as_bytes())?;
    Ok(path)
}

/// Where each part is in a project, and its name among the files that operations use.
pub fn offered() -> impl Iterator<Item = (String, String)> {
    Part::ALL.into_iter().flat_map(|part| {
        ARCHITECTURES.into_iter().map(move |architecture| {
            let path = format!("{FOLDER}/{}", part.file(architecture));
            (path, agent_asset(part.name(), architecture))
        })
    })
}

/// Adds what is there to the files that operations use. What another homelab built of other sources is left out.
pub fn add_to(assets: &mut Assets, files: &ProjectFolder) {
    if !files.root().join(FOLDER).is_dir() {
        return;
    }
    for part in Part::ALL {
        for architecture in ARCHITECTURES {
            let shown = format!("{FOLDER}/{}", part.file(architecture));
            // Whatever is wrong with it, `homelab agent build` writes it again.
            let found = [shown.clone(), note_of(&shown)].map(|path| files.find(Path::new(&path)));
            let [Ok(Some(place)), Ok(Some(note))] = found else {
                continue;
            };
            let note = fs::read_to_string(note).unwrap_or_default();
            let size = place.metadata().map_or(0, |metadata| metadata.len());
            if let Some((sha256, name)) = note.trim().split_once(' ')
                && name == source::name()
            {
                let measured = (sha256.to_owned(), size);
                assets.insert_measured(agent_asset(part.name(), architecture), &shown, &place, measured);
            }
        }
    }
}

/// Where digest and sources of a part are noted.
fn note_of(path: &str) -> String {
    format!("{path}.built")
}

/// Puts a program of these bytes into a project, and returns its path there.
#[cfg(test)]
pub fn offer_for_test(root: &Path, bytes: &[u8]) -> String {
    let from = root.join("built-agent");
    fs::write(&from, bytes).expect("writable");
    let sha256 = crate::secret::sha256_hex(bytes);
    offer(root, (Part::Binary, "amd64"), &from, &sha256).expect("offered")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_built_is_offered_until_the_sources_are_others() {
        let root = tempfile::tempdir().unwrap();
        let from = root.path().join("built");
        fs::write(&from, "program").unwrap();
        let path = offer(root.path(), (Part::Binary, "amd64"), &from, "0a1b").unwrap();
        let names = || {
            let mut assets = Assets::default();
            add_to(&mut assets, &ProjectFolder::new(root.path()));
            assets.names().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(names(), ["agent:binary-amd64"]);
        fs::write(root.path().join(note_of(&path)), "0a1b 0123456789ab\n").unwrap();
        assert!(names().is_empty(), "{:?}", names());
    }

    #[test]
    fn a_link_is_not_followed_out_of_the_project() {
        let [root, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let from = other.path().join("built");
        fs::write(&from, "program").unwrap();
        std::os::unix::fs::symlink(other.path(), root.path().join(".homelab")).unwrap();
        let refused = offer(root.path(), (Part::Binary, "amd64"), &from, "0a1b").unwrap_err();
        assert!(matches!(refused, AgentError::Linked { .. }), "{refused:?}");
        assert!(!other.path().join("agent").exists());
    }
}
