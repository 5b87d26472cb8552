//! Which links are followed.

use crate::change::{Outcome, Stop};
use crate::facts::path::InodeKind;
use crate::facts::{Fact, FactKey};
use crate::operations::testing::{Bench, inode};

/// The owner of the link, of its target and of its directory, the directory's mode, and whether it is followed.
const LINKS: &[(&str, &str, &str, u32, bool)] = &[
    ("root", "root", "root", 0o755, true),
    ("root", "anna", "anna", 0o755, true),
    ("root", "root", "root", 0o1777, true),
    ("anna", "anna", "anna", 0o755, true),
    ("anna", "root", "anna", 0o755, false),
    ("anna", "root", "root", 0o755, false),
    ("anna", "bob", "anna", 0o755, false),
    ("anna", "anna", "root", 0o1777, false),
    ("anna", "anna", "anna", 0o1777, true),
    ("anna", "anna", "root", 0o1775, true),
    ("anna", "bob", "root", 0o1777, false),
    ("1234", "1234", "1234", 0o755, true),
];

fn link(target: &str, owner: &str) -> Fact {
    let target = target.to_owned();
    inode(InodeKind::Link { target }, owner, 0o777)
}

fn key(path: &str) -> FactKey {
    FactKey::Path(path.to_owned())
}

fn refused(bench: &Bench) -> Option<String> {
    match bench.plan() {
        Ok(Outcome::Unchanged) => None,
        Err(Stop::Refused(mistake)) => Some(mistake.to_string()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_link_is_followed_if_root_or_the_owner_of_its_target_owns_it() {
    for (own, target, holder, mode, is_followed) in LINKS {
        // A directory at the end, and one on the way.
        for path in ["/in/link", "/in/link/below"] {
            let bench = Bench::named("files.directory", &format!("path = '{path}'"))
                .directory("/")
                .fact(key("/in"), inode(InodeKind::Directory, holder, *mode))
                .fact(key("/in/link"), link("/end", own))
                .fact(key("/end"), inode(InodeKind::Directory, target, 0o755))
                .fact(key("/end/below"), inode(InodeKind::Directory, target, 0o755));
            let found = refused(&bench);
            let expected =
                (!is_followed).then(|| format!("t.toml:1:8: `/in/link` is a link of `{own}`, which is not followed"));
            assert_eq!(found, expected, "{own} → {target} in {holder} {mode:o}");
        }
    }
}

#[test]
fn what_does_not_exist_yet_belongs_to_the_owner_of_the_directory_above() {
    let bench = |own: &str, above: &str| {
        Bench::named("files.directory", "path = '/in/link'")
            .directory("/")
            .fact(key("/in"), inode(InodeKind::Directory, "anna", 0o755))
            .fact(key("/in/link"), link("../home/new", own))
            .fact(key("/home"), inode(InodeKind::Directory, above, 0o755))
            .absent("/home/new")
    };
    assert!(bench("root", "root").plan().is_ok());
    assert!(bench("anna", "anna").plan().is_ok());
    assert!(refused(&bench("anna", "root")).is_some());
}

#[test]
fn each_link_on_the_way_counts() {
    // anna's link leads to root's own link, and that to a directory of root.
    let bench = Bench::named("files.directory", "path = '/a'")
        .directory("/")
        .fact(key("/a"), link("b", "anna"))
        .fact(key("/b"), link("c", "root"))
        .directory("/c");
    let mistake = refused(&bench).expect("refused");
    assert!(mistake.contains("`/a` is a link of `anna`"), "{mistake}");
    let endless = Bench::named("files.directory", "path = '/a'")
        .directory("/")
        .link("/a", "a");
    assert!(refused(&endless).expect("refused").contains("cannot be followed"));
}
