//! The files that a project is read from.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use super::bundle::{Bundle, BundledFile};
use super::large::measured;
use crate::agent;
use crate::content::{
    Assets, CHARTS, DOWNLOADS, EncryptedFile, LAB, ProjectFolder, Refused, lab_archives, lab_files, read_in_place,
};
use crate::error::Diagnostic;
use crate::project::{LargeCopy, name_of};
use crate::secrets::{CERTIFICATES, LAB_KEY_FILE, RECIPIENTS_FILE};

/// The folders of a project that are copied, but for large files of [`TEMPLATES`] and [`CHARTS`].
const FOLDERS: &[&str] = &[
    "inventories",
    "group_data",
    "deploys",
    "tasks",
    TEMPLATES,
    CHARTS,
    CERTIFICATES,
];
const TEMPLATES: &str = "templates";
/// The files beside them.
const FILES: &[&str] = &[RECIPIENTS_FILE, LAB_KEY_FILE];
/// No larger file is read whole, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The files of the project at `root`, as they are now. What is encrypted there stays so.
///
/// Errors: a file that cannot be read.
pub fn gather_files(root: &Path) -> Result<Bundle, Diagnostic> {
    let folder = ProjectFolder::new(root);
    let mut bundle = Bundle {
        name: name_of(root),
        ..Bundle::default()
    };
    for name in FOLDERS {
        for found in folder.list(name) {
            let path = found.shown.to_string_lossy().into_owned();
            let place = found.place.map_err(|refused| unreadable(&path, &refused))?;
            add(&mut bundle, path, &place)?;
        }
    }
    for name in FILES {
        let found = folder
            .find(Path::new(name))
            .map_err(|refused| unreadable(name, &refused))?;
        if let Some(place) = found {
            add(&mut bundle, (*name).to_owned(), &place)?;
        }
    }
    for found in folder.list(DOWNLOADS) {
        let path = found.shown.to_string_lossy().into_owned();
        found.place.map_err(|refused| unreadable(&path, &refused))?;
        bundle.large.push(unmeasured(path));
    }
    let mut built = Assets::default();
    agent::add_to(&mut built, &folder);
    let of_agent = built.all_large().map(|file| file.name().to_owned());
    let of_lab = lab_files().chain(lab_archives()).map(|file| format!("{LAB}/{file}"));
    let of_lab = of_lab.filter(|path| matches!(folder.find(Path::new(path)), Ok(Some(_))));
    bundle.large.extend(of_lab.chain(of_agent).map(unmeasured));
    Ok(bundle)
}

fn add(bundle: &mut Bundle, path: String, place: &Path) -> Result<(), Diagnostic> {
    let failed = |error: std::io::Error| unreadable(&path, &Refused::Io(error));
    let metadata = place.metadata().map_err(failed)?;
    let is_executable = metadata.permissions().mode() & 0o100 != 0;
    if metadata.len() > Assets::LARGEST_IN_MEMORY && is_sent_as_it_is(&path) {
        bundle.large.push(large(path, place, is_executable)?);
        return Ok(());
    }
    let bytes = read_in_place(place, LARGEST).map_err(|refused| unreadable(&path, &refused))?;
    bundle.files.insert(
        path,
        BundledFile {
            bytes: Arc::from(bytes),
            is_executable,
        },
    );
    Ok(())
}

/// Whether a file is neither rendered nor parsed nor decrypted.
fn is_sent_as_it_is(path: &str) -> bool {
    let is_read = [Assets::TEMPLATE_SUFFIX, EncryptedFile::SUFFIX, ".toml"]
        .iter()
        .any(|ending| path.ends_with(ending));
    path.starts_with(CHARTS) || path.starts_with(TEMPLATES) && !is_read
}

fn large(path: String, place: &Path, is_executable: bool) -> Result<LargeCopy, Diagnostic> {
    let (sha256, size) = measured(place).map_err(|refused| unreadable(&path, &refused))?;
    Ok(LargeCopy {
        sha256,
        size,
        is_executable,
        ..unmeasured(path)
    })
}

/// A file that may be huge: it is read through only if the plan uses it.
fn unmeasured(path: String) -> LargeCopy {
    LargeCopy {
        path,
        sha256: String::new(),
        size: 0,
        is_used: false,
        is_executable: false,
    }
}

fn unreadable(path: &str, refused: &Refused) -> Diagnostic {
    Diagnostic::new(format!("cannot read `{path}`"))
        .because(refused.to_string())
        .hint("a saved plan has all files of the project: run `homelab check`, and correct or remove this one")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::content::Content;
    use crate::project::{Project, read_copy, read_with};
    use crate::saved::Unpacked;
    use crate::secret::sha256_hex;
    use crate::secrets::Access;

    const LARGE: usize = 1024 * 1024 + 1;

    /// A project with a file of each kind, and its agent's path.
    fn project() -> (tempfile::TempDir, String) {
        let root = tempfile::tempdir().expect("a folder");
        let of_lab = b"program".as_slice();
        let large = vec![1; LARGE];
        for (path, bytes) in [
            (
                "inventories/dev.toml",
                b"[hosts.web]\naddress = \"192.0.2.1\"\n".as_slice(),
            ),
            ("templates/motd.j2", b"hello\n"),
            ("templates/large.bin", &large),
            ("charts/web/Chart.yaml", b"name: web\n"),
            ("charts/web/large.bin", &large),
            ("downloads/used.tar", b"used"),
            ("downloads/other.tar", b"other"),
            (".homelab/lab/k3s-v1.34.4+k3s1", of_lab),
            (".homelab/lab/k3s-v1.34.4+k3s1.sha256", sha256_hex(of_lab).as_bytes()),
            (".homelab/lab/answer.tar", b"image"),
        ] {
            let place = root.path().join(path);
            fs::create_dir_all(place.parent().expect("a folder")).expect("created");
            fs::write(place, bytes).expect("writable");
        }
        let agent = agent::offer_for_test(root.path(), b"agent");
        (root, agent)
    }

    fn names(project: &Project) -> Vec<String> {
        let mut names: Vec<String> = project.assets.names().map(str::to_owned).collect();
        names.sort();
        names
    }

    fn copy(bundle: &Bundle, home: Option<&Path>) -> (Unpacked, Project) {
        let unpacked = bundle.unpack(home, false).expect("unpacked");
        let loaded = read_copy(&unpacked.copied, Access::Withheld);
        assert!(loaded.mistakes.is_empty(), "{:?}", loaded.mistakes);
        (unpacked, loaded.project)
    }

    #[test]
    fn a_copy_has_every_kind_of_file_and_only_those_that_are_used_must_stay() {
        let (root, agent) = project();
        let home = root.path();
        let mut bundle = gather_files(home).expect("gathered");
        let (unpacked, copied) = copy(&bundle, Some(home));
        let in_place = read_with(home, Access::Withheld).project;
        assert_eq!(names(&copied), names(&in_place));
        for name in [
            "motd.j2",
            "large.bin",
            "chart:web/Chart.yaml",
            "chart:web/large.bin",
            "download:used.tar",
            "lab:k3s-v1.34.4+k3s1",
            "lab:answer.tar",
            "agent:binary-amd64",
        ] {
            assert!(copied.assets.contains(name), "{name}");
        }
        // Those are read by the plan.
        let used = [
            "chart:web/Chart.yaml",
            "chart:web/large.bin",
            "download:used.tar",
            "agent:binary-amd64",
        ];
        for name in used {
            Content::of_file(copied.assets.large(name).expect("there")).expect("read");
        }
        bundle.note_used(&copied.assets);
        drop(unpacked);
        let large = |bundle: &Bundle| -> Vec<(String, bool)> {
            bundle.large.iter().map(|one| (one.path.clone(), one.is_used)).collect()
        };
        let expected = [
            ("templates/large.bin", false),
            ("charts/web/large.bin", true),
            ("downloads/used.tar", true),
            (agent.as_str(), true),
        ];
        assert_eq!(
            large(&bundle),
            expected.map(|(path, is_used)| (path.to_owned(), is_used))
        );

        // What is used elsewhere or not at all may go, and the copy of a small file stays as it was.
        fs::remove_file(home.join("downloads/other.tar")).expect("removed");
        fs::remove_file(home.join("templates/large.bin")).expect("removed");
        fs::write(home.join("charts/web/Chart.yaml"), "name: other\n").expect("writable");
        assert!(bundle.check_large(Some(home)).is_ok());
        let (_unpacked, applied) = copy(&bundle, Some(home));
        let chart = applied.assets.large("chart:web/Chart.yaml").expect("there");
        assert_eq!(fs::read(chart.path()).expect("read"), b"name: web\n");
        assert!(!applied.assets.contains("large.bin") && applied.assets.contains("download:used.tar"));
        // Without the project, what is used is missing.
        assert!(bundle.check_large(None).is_err());
        for path in ["charts/web/large.bin", "downloads/used.tar", agent.as_str()] {
            let was = fs::read(home.join(path)).expect("read");
            fs::write(home.join(path), "changed").expect("writable");
            let mistakes = bundle.check_large(Some(home)).expect_err("refused").0;
            assert_eq!(mistakes.len(), 1, "{path}");
            assert!(mistakes[0].title.contains(path), "{}", mistakes[0].title);
            fs::write(home.join(path), was).expect("writable");
        }
    }

    #[test]
    fn an_agent_of_other_sources_is_not_offered() {
        let (root, agent) = project();
        fs::write(root.path().join(format!("{agent}.built")), "0a1b 0123456789ab\n").expect("writable");
        let bundle = gather_files(root.path()).expect("gathered");
        assert!(bundle.large.iter().all(|one| one.path != agent));
    }
}
