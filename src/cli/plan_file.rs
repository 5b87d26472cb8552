//! Where a plan is saved.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use homelab::error::Diagnostic;
use homelab::saved::SavedPlan;

use super::documents::resolved;
use super::output::write_document;

/// Where the plan for `path` is saved: a symbolic link stays, and its target is replaced. This is asked before anything connects.
///
/// Errors: nothing can be written there, or it would replace something else than an earlier plan.
pub(super) fn place(path: &Path) -> Result<PathBuf, Diagnostic> {
    let failed = |error: &io::Error| {
        let hint = "check `--output`: a new file, or an earlier plan, in a folder that exists and is writable";
        Diagnostic::new(format!("cannot save the plan to `{}`", path.display()))
            .because(error.to_string())
            .hint(hint)
    };
    let place = resolved(path).map_err(|error| failed(&error))?;
    match place.metadata() {
        Ok(found) if found.is_dir() => return Err(failed(&ErrorKind::IsADirectory.into())),
        Ok(found) if !found.is_file() => return Err(failed(&io::Error::other("it is not a regular file"))),
        Ok(found) if found.len() > 0 && !is_plan(&place).map_err(|error| failed(&error))? => {
            return Err(failed(&io::Error::other("it is a file that is no saved plan")));
        }
        _ => {}
    }
    let folder = place.parent().unwrap_or(Path::new("/"));
    tempfile::tempfile_in(folder).map_err(|error| failed(&error))?;
    Ok(place)
}

fn is_plan(place: &Path) -> io::Result<bool> {
    let mut start = [0; SavedPlan::START.len()];
    match File::open(place)?.read_exact(&mut start) {
        Ok(()) => Ok(start == SavedPlan::START.as_bytes()),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Replaces the file as a whole.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .prefix(".homelab-")
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    write_document(&mut file, text)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_an_earlier_plan_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("old.plan"), format!("{}1}}\n", SavedPlan::START)).expect("writable");
        fs::write(at("site.toml"), "hosts = []\n").expect("writable");
        fs::write(at("short"), "{").expect("writable");
        fs::write(at("empty"), "").expect("writable");
        symlink("old.plan", at("link")).expect("linked");
        symlink("/dev/null", at("device")).expect("linked");
        symlink("nowhere", at("dangling")).expect("linked");
        for (name, is_taken) in [
            ("new.plan", true),
            ("old.plan", true),
            ("empty", true),
            ("link", true),
            ("site.toml", false),
            ("short", false),
            ("device", false),
            ("dangling", false),
            (".", false),
            ("no/such.plan", false),
        ] {
            assert_eq!(place(&at(name)).is_ok(), is_taken, "{name}");
        }
        let real = folder.path().canonicalize().expect("there").join("old.plan");
        assert_eq!(place(&at("link")).expect("replaced"), real);
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 7);
    }
}
