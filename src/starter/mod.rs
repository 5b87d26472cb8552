//! A new project, small and whole: it deploys to a throw-away host at once.

mod stack;

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::error::Diagnostic;
use crate::schema::FileKind;

pub use stack::{NewStack, WrittenStack, write_stack};

/// Where the schemas of a project lie.
const SCHEMA_FOLDER: &str = ".homelab/schema";

/// Each file with its path.
const FILES: &[(&str, &str)] = &[
    ("README.md", include_str!("files/README.md")),
    (".gitignore", include_str!("files/gitignore")),
    ("inventories/dev.toml", include_str!("files/inventories/dev.toml")),
    ("group_data/all.toml", include_str!("files/group_data/all.toml")),
    (
        "group_data/development.toml",
        include_str!("files/group_data/development.toml"),
    ),
    ("deploys/site.toml", include_str!("files/deploys/site.toml")),
    (
        "tasks/system/packages.toml",
        include_str!("files/tasks/system/packages.toml"),
    ),
    (
        "tasks/system/greeting.toml",
        include_str!("files/tasks/system/greeting.toml"),
    ),
    ("templates/motd.j2", include_str!("files/templates/motd.j2")),
];

/// What runs a project's workflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forge {
    GitHub,
    Forgejo,
    GitLab,
}

/// Writes the comment of a pull request.
const COMMENT: (&str, &str) = (".github/homelab-comment", include_str!("../../.github/homelab-comment"));

impl Forge {
    /// The files of the workflow that reviews pull requests and applies approved plans.
    fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::GitHub => &[
                (
                    ".github/workflows/review.yml",
                    include_str!("../../.github/workflows/review.yml"),
                ),
                COMMENT,
            ],
            Self::Forgejo => &[
                (
                    ".forgejo/workflows/review.yml",
                    include_str!("../../docs/ci/forgejo.yml"),
                ),
                COMMENT,
            ],
            Self::GitLab => &[(".gitlab-ci.yml", include_str!("../../docs/ci/gitlab.yml"))],
        }
    }
}

/// Writes a new project, with its schemas, to `folder`, which is made where it is missing; with a workflow if it has a forge.
///
/// Errors: there is something in it already, or it cannot be written to.
pub fn write_project(folder: &Path, forge: Option<Forge>) -> Result<(), Diagnostic> {
    check_empty(folder)?;
    let workflow = forge.map_or(&[][..], Forge::files);
    for (path, text) in FILES.iter().chain(workflow) {
        write(&folder.join(path), text)?;
    }
    if workflow.contains(&COMMENT) {
        make_executable(&folder.join(COMMENT.0))?;
    }
    write_project_schemas(folder).map(drop)
}

/// Writes the schemas of a project, and returns their folder.
///
/// Errors: it is, or is below, a symbolic link. A project may come from someone else: files elsewhere would be replaced.
pub fn write_project_schemas(root: &Path) -> Result<PathBuf, Diagnostic> {
    let folder = root.join(SCHEMA_FOLDER);
    let mut own = folder.ancestors().take_while(|path| *path != root);
    if let Some(link) = own.find(|path| path.is_symlink()) {
        let title = format!(
            "`{}` is a symbolic link: schemas are written into the project only",
            link.display()
        );
        return Err(Diagnostic::new(title).hint("remove the link; `--directory` writes the schemas to another folder"));
    }
    write_schemas(&folder)?;
    Ok(folder)
}

/// Writes the schema of every kind of file to `folder`.
///
/// Errors: it cannot be written to.
pub fn write_schemas(folder: &Path) -> Result<(), Diagnostic> {
    FileKind::ALL
        .iter()
        .try_for_each(|kind| write(&folder.join(format!("{}.json", kind.name())), &kind.document()))
}

/// A folder with a new git repository counts as empty.
fn check_empty(folder: &Path) -> Result<(), Diagnostic> {
    let shown = folder.display();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Diagnostic::new(format!("cannot read `{shown}`")).because(error.to_string())),
    };
    match entries.flatten().find(|entry| entry.file_name() != ".git") {
        None => Ok(()),
        Some(entry) => {
            let found = entry.file_name();
            let title = format!("`{shown}` is not empty: it contains `{}`", found.display());
            Err(Diagnostic::new(title).hint("choose an empty folder or a new one"))
        }
    }
}

fn make_executable(path: &Path) -> Result<(), Diagnostic> {
    let made = path.metadata().and_then(|found| {
        let mode = found.permissions().mode();
        // Who may read it may run it.
        fs::set_permissions(path, fs::Permissions::from_mode(mode | (mode & 0o444) >> 2))
    });
    made.map_err(|error| Diagnostic::new(format!("cannot write `{}`", path.display())).because(error.to_string()))
}

fn write(path: &Path, text: &str) -> Result<(), Diagnostic> {
    let written = write_file(path, text);
    written.map_err(|error| Diagnostic::new(format!("cannot write `{}`", path.display())).because(error.to_string()))
}

/// Replaces the file: what is at the path may be a link that leads elsewhere, or a named pipe.
fn write_file(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let permissions = fs::Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::load;

    #[test]
    fn a_new_project_is_without_a_mistake_and_names_its_schemas() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("new/lab");
        write_project(&root, None).expect("written");
        let project = load(&root).expect("no mistakes");
        assert!(project.deploys.contains_key("site"));
        let mut named = 0;
        for (path, text) in FILES {
            let Some(kind) = FileKind::of(Path::new(path)) else {
                continue;
            };
            let line = text.lines().next().unwrap_or_default();
            let schema = line.strip_prefix("#:schema ").expect("the first line names the schema");
            let target = root.join(path).parent().expect("a folder").join(schema);
            assert_eq!(fs::read_to_string(target).expect("is there"), kind.document(), "{path}");
            named += 1;
        }
        assert_eq!(named, 6);
    }

    #[test]
    fn a_project_has_the_workflow_of_its_forge() {
        for (forge, workflow, has_comment) in [
            (Forge::GitHub, ".github/workflows/review.yml", true),
            (Forge::Forgejo, ".forgejo/workflows/review.yml", true),
            (Forge::GitLab, ".gitlab-ci.yml", false),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            let root = folder.path().join("lab");
            write_project(&root, Some(forge)).expect("written");
            load(&root).expect("no mistakes");
            let text = fs::read_to_string(root.join(workflow)).expect("is there");
            assert!(text.contains("homelab apply"), "{workflow}");
            let comment = root.join(COMMENT.0).metadata();
            assert_eq!(comment.is_ok(), has_comment, "{workflow}");
            if let Ok(comment) = comment {
                assert_eq!(comment.permissions().mode() & 0o500, 0o500);
            }
        }
    }

    #[test]
    fn schemas_are_not_written_through_a_link() {
        for linked in [".homelab", ".homelab/schema"] {
            let folder = tempfile::tempdir().expect("a folder");
            let (root, elsewhere) = (folder.path().join("lab"), folder.path().join("elsewhere"));
            fs::create_dir_all(elsewhere.join("schema")).expect("made");
            fs::write(elsewhere.join("task.json"), "mine").expect("written");
            let link = root.join(linked);
            fs::create_dir_all(link.parent().expect("a folder")).expect("made");
            std::os::unix::fs::symlink(&elsewhere, &link).expect("linked");
            let refused = write_project_schemas(&root).expect_err("it is a link");
            assert!(
                refused.title.contains(&format!("{linked}` is a symbolic link")),
                "{refused}"
            );
            assert_eq!(
                fs::read_to_string(elsewhere.join("task.json")).expect("is there"),
                "mine"
            );
            assert_eq!(fs::read_dir(elsewhere.join("schema")).expect("readable").count(), 0);
        }
    }

    #[test]
    fn nothing_is_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("mine"), "x").expect("written");
        let refused = write_project(folder.path(), None).expect_err("it is not empty");
        assert!(refused.title.contains("is not empty: it contains `mine`"), "{refused}");
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
        let refused = write_project(&folder.path().join("mine"), None).expect_err("it is a file");
        assert!(refused.title.starts_with("cannot read"), "{refused}");
    }

    #[test]
    fn a_fresh_repository_is_as_good_as_empty() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join(".git")).expect("made");
        write_project(folder.path(), None).expect("written");
    }
}
