//! Who else may change what is on the way to a path.

use crate::change::{End, Expect, FileNumber, Outcome, ResolvedPath};
use crate::facts::path::InodeKind;
use crate::facts::place::DiskLocation;
use crate::facts::{Fact, FactKey};
use crate::operations::testing::{Bench, inode};
use crate::secret::sha256_hex;
use crate::value::Known;

/// Path, owner, mode and device.
type Directory = (&'static str, &'static str, u32, u64);

/// Directories, and a file at the end.
fn bench(op: &str, directories: &[Directory], path: &str) -> Bench {
    let digest = Known::Yes(sha256_hex(b"old"));
    let file = inode(InodeKind::File { digest }, "root", 0o640);
    let bench = Bench::named(op, &format!("path = '{path}'\nmode = '0600'"));
    let bench = bench.fact(FactKey::Path(path.to_owned()), file);
    directories.iter().fold(bench, |bench, (path, owner, mode, device)| {
        let place = DiskLocation {
            device: *device,
            inode: 7,
            links: 2,
            allocated: 0,
            room: None,
            is_closed: false,
        };
        bench
            .fact(
                FactKey::Path((*path).to_owned()),
                inode(InodeKind::Directory, owner, *mode),
            )
            .fact(
                FactKey::DiskLocation((*path).to_owned()),
                Fact::DiskLocation(Some(place)),
            )
    })
}

fn resolve(bench: &Bench) -> ResolvedPath {
    let Ok(Outcome::Change(changes)) = bench.plan_with_resolved_paths() else {
        panic!("a change")
    };
    match &changes[0].expect[0] {
        Expect::ResolvedPath(resolved) => (**resolved).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_path_is_open_if_another_user_may_change_a_directory_on_it() {
    let root = ("/", "root", 0o755, 1);
    // The directories below the root, whether the path is open, and where uploads are safe.
    let cases: &[(&[Directory], bool, Option<&str>)] = &[
        (&[("/a", "root", 0o755, 1)], false, Some("/a")),
        (&[("/a", "anna", 0o755, 1)], true, Some("/")),
        (&[("/a", "anna", 0o500, 1)], true, Some("/")),
        (&[("/a", "root", 0o775, 1)], true, Some("/")),
        (&[("/a", "root", 0o757, 1)], true, Some("/")),
        (&[("/a", "anna", 0o755, 2)], true, None),
        (&[("/a", "anna", 0o1755, 1)], true, Some("/")),
        (&[("/a", "root", 0o1777, 1)], true, Some("/a")),
        (&[("/a", "root", 0o1777, 2)], true, Some("/a")),
        (
            &[("/a", "root", 0o1777, 1), ("/a/b", "root", 0o755, 1)],
            false,
            Some("/a/b"),
        ),
        (
            &[("/a", "root", 0o1777, 1), ("/a/b", "anna", 0o700, 1)],
            true,
            Some("/a"),
        ),
        (&[("/a", "root", 0o777, 1), ("/a/b", "root", 0o755, 1)], true, Some("/")),
        (&[("/a", "anna", 0o755, 1), ("/a/b", "root", 0o755, 1)], true, Some("/")),
        (
            &[("/a", "anna", 0o755, 1), ("/a/b", "root", 0o1777, 1)],
            true,
            Some("/"),
        ),
    ];
    for (below, is_open, safe) in cases {
        let directories: Vec<Directory> = std::iter::once(root).chain(below.iter().copied()).collect();
        let path = format!("{}/f", directories[directories.len() - 1].0);
        let resolved = resolve(&bench("files.file", &directories, &path));
        assert_eq!(
            (resolved.is_open, resolved.safe.as_deref()),
            (*is_open, *safe),
            "{below:?}"
        );
        assert_eq!(resolved.above.len(), directories.len());
        assert_eq!(
            resolved.above[1].number,
            Some(FileNumber {
                device: below[0].3,
                inode: 7
            })
        );
        assert!(
            matches!(
                resolved.end,
                End::Present {
                    number: None,
                    links: 1,
                    mode: 0o640,
                    ..
                }
            ),
            "{:?}",
            resolved.end
        );
    }
}

#[test]
fn attributes_of_a_file_with_several_names_are_not_set_where_others_may_create_names() {
    let names = |owner: &'static str, links: u64| {
        let directories = [("/", "root", 0o755, 1), ("/a", owner, 0o755, 1)];
        let place = DiskLocation {
            device: 1,
            inode: 9,
            links,
            allocated: 0,
            room: None,
            is_closed: false,
        };
        bench("files.file", &directories, "/a/f")
            .fact(
                FactKey::DiskLocation("/a/f".to_owned()),
                Fact::DiskLocation(Some(place)),
            )
            .plan_with_resolved_paths()
    };
    assert!(names("anna", 1).is_ok() && names("root", 2).is_ok());
    assert!(names("anna", 2).is_err());
}

#[test]
fn what_an_earlier_change_creates_has_no_number_yet() {
    let bench = Bench::named("files.directory", "path = '/a/b'\nuser = 'anna'")
        .directory("/")
        .absent("/a")
        .absent("/a/b")
        .user("anna", 1000, "anna", &[]);
    let Ok(Outcome::Change(changes)) = bench.plan_with_resolved_paths() else {
        panic!("two changes")
    };
    let Expect::ResolvedPath(resolved) = &changes[1].expect[0] else {
        panic!("{changes:?}")
    };
    assert_eq!(
        (
            resolved.above[1].path.as_str(),
            resolved.above[1].number,
            resolved.is_open
        ),
        ("/a", None, false)
    );
    assert_eq!(resolved.end, End::Absent);
}
