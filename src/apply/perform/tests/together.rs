//! Files that are written together.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::change::{End, OneOfMany, ResolvedPath, groups};
use crate::remote::StepGroup;

impl Folder {
    fn resolved(&self, name: &str) -> Expect {
        let path = self.path(name);
        let end = match std::fs::metadata(&path) {
            Ok(found) => End::Present {
                number: None,
                owner: owner().owner,
                mode: found.permissions().mode() & 0o7777,
                links: 1,
            },
            Err(_) => End::Absent,
        };
        Expect::ResolvedPath(Box::new(ResolvedPath {
            path,
            above: Vec::new(),
            is_open: false,
            end,
            in_place: false,
            safe: None,
        }))
    }

    /// The change of a file as it is now.
    fn planned(&self, name: &str, content: &str, mode: u32) -> ResourceChange {
        let path = self.path(name);
        let expect = match std::fs::read(&path) {
            Ok(bytes) => Expect::File {
                attributes: attributes(super::mode(&path)),
                digest: Some(sha256_hex(&bytes)),
                path,
            },
            Err(_) => Expect::Absent { path },
        };
        change(
            vec![self.write(name, content.as_bytes(), mode)],
            vec![self.resolved(name), expect],
        )
    }

    async fn perform_together(&self, changes: &[ResourceChange]) -> (usize, Vec<StepEnd>) {
        let steps: Vec<StepScript> = changes
            .iter()
            .flat_map(|change| scripts(change, StepOptions::default()))
            .collect();
        let files: Vec<Option<OneOfMany<'_>>> = changes.iter().flat_map(one_of_many).collect();
        let steps: Vec<StepScript> = steps
            .into_iter()
            .zip(changes.iter().flat_map(|change| &change.steps))
            .map(|(script, step)| StepScript {
                already: step.already(),
                ..script
            })
            .collect();
        let groups: Vec<StepGroup> = groups(&files)
            .into_iter()
            .map(|of| StepGroup {
                script: together(&files[of.clone()].iter().flatten().copied().collect::<Vec<_>>(), None),
                of,
                not_begun: None,
            })
            .collect();
        let mut connection = Connection::local(Path::new("/bin/sh")).await.expect("a shell");
        let request = LockRequest {
            path: self.path("lock"),
            ..LockRequest::new("a test")
        };
        let mut writer = connection.lock(&request).await.expect("the lock");
        let mut told = Vec::new();
        let performed = writer
            .perform_grouped(&steps, &groups, &[], &mut |place, news| {
                if let StepNews::Through(answer) = news {
                    assert_eq!(place, told.len());
                    told.push(answer.end);
                }
            })
            .await;
        let round_trips = writer.round_trips();
        let (answers, _) = performed.expect("answers");
        connection.close().await;
        let ends: Vec<StepEnd> = answers.iter().map(|answer| answer.end).collect();
        assert_eq!(ends, told);
        (usize::try_from(round_trips).expect("few"), ends)
    }
}

fn one_of_many(change: &ResourceChange) -> Vec<Option<OneOfMany<'_>>> {
    let steps = steps_with_paths(change);
    steps
        .map(|(step, resolved)| OneOfMany::of(step, resolved, &change.expect))
        .collect()
}

const NAMES: [&str; 12] = [
    "a",
    "a b",
    "$HOME",
    "-n",
    "*",
    "é",
    ".hidden",
    "..b",
    "it's",
    "sub/a",
    "sub/.b",
    "sub/deep/c",
];

#[tokio::test]
async fn all_of_them_are_written_and_replaced() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("sub/deep")).expect("made");
    let long = format!("sub/{}", "x".repeat(200));
    let names: Vec<&str> = NAMES.into_iter().chain([long.as_str()]).collect();
    for (content, mode) in [("one", 0o640), ("two", 0o604), ("two", 0o4755)] {
        let changes: Vec<ResourceChange> = names
            .iter()
            .map(|name| folder.planned(name, &format!("{content} {name}"), mode))
            .collect();
        let (_, ends) = folder.perform_together(&changes).await;
        assert_eq!(ends, vec![StepEnd::Done; names.len()]);
        for name in &names {
            let path = folder.path(name);
            assert_eq!(
                std::fs::read_to_string(&path).expect("there"),
                format!("{content} {name}")
            );
            assert_eq!(super::mode(&path), mode, "{name}");
        }
    }
    let left = std::process::Command::new("find")
        .arg(folder.folder.path())
        .output()
        .expect("find runs");
    assert!(!String::from_utf8_lossy(&left.stdout).contains(".homelab-"));
}

#[tokio::test]
async fn new_directories_come_along() {
    use StepEnd::{Done, Skipped, Stale};
    let within = |folder: &Folder| {
        let directory = |name: &str, mode: u32| {
            let step = Step::MakeDirectory(MakeDirectory {
                path: folder.path(name),
                attributes: attributes(mode),
                keeps: false,
            });
            let absent = Expect::Absent {
                path: folder.path(name),
            };
            change(vec![step], vec![folder.resolved(name), absent])
        };
        vec![
            directory("d", 0o755),
            directory("d/e f", 0o2750),
            folder.planned("d/a", "x", 0o644),
            folder.planned("d/e f/b", "x", 0o644),
        ]
    };
    let folder = Folder::new();
    let (round_trips, ends) = folder.perform_together(&within(&folder)).await;
    assert_eq!((round_trips, ends), (2, vec![Done; 4]));
    assert_eq!(
        (super::mode(&folder.path("d")), super::mode(&folder.path("d/e f"))),
        (0o755, 0o2750)
    );
    assert_eq!(std::fs::read_to_string(folder.path("d/e f/b")).expect("there"), "x");

    // Something else is there now: nothing of the group is left when they run one by one.
    let folder = Folder::new();
    let changes = within(&folder);
    std::fs::create_dir(folder.path("d")).expect("made");
    std::fs::set_permissions(folder.path("d"), std::fs::Permissions::from_mode(0o755)).expect("set");
    std::fs::write(folder.path("d/a"), "other").expect("written");
    let (_, ends) = folder.perform_together(&changes).await;
    assert_eq!(ends, [Done, Done, Stale, Skipped]);
    assert_eq!(std::fs::read_to_string(folder.path("d/a")).expect("there"), "other");

    // Directories alone.
    let folder = Folder::new();
    let mut changes = within(&folder);
    changes.truncate(2);
    changes.extend(within(&folder).into_iter().take(1).map(|mut change| {
        let path = folder.path("d/g");
        change.steps = vec![Step::MakeDirectory(MakeDirectory {
            path: path.clone(),
            attributes: attributes(0o700),
            keeps: false,
        })];
        change.expect = vec![folder.resolved("d/g"), Expect::Absent { path }];
        change
    }));
    assert_eq!(folder.perform_together(&changes).await, (2, vec![Done; 3]));
    assert_eq!(super::mode(&folder.path("d/g")), 0o700);
}

#[tokio::test]
async fn a_group_is_one_script() {
    let folder = Folder::new();
    let changes = |content: &str| ["a", "b", "c"].map(|name| folder.planned(name, content, 0o644));
    let (together, _) = folder.perform_together(&changes("one")).await;
    let inode = |name: &str| std::fs::metadata(folder.path(name)).expect("there").ino();
    let before = inode("a");
    let (again, _) = folder.perform_together(&changes("two")).await;
    assert_eq!((together, again), (2, 2), "the lock and one frame");
    assert_ne!(inode("a"), before, "it is replaced, not written to");
}

#[tokio::test]
async fn what_does_not_fit_is_written_one_by_one() {
    use StepEnd::{Done, Skipped, Stale};
    type Disturb = fn(&Folder);
    let cases: &[(Disturb, [StepEnd; 4], &str)] = &[
        (|_| {}, [Done; 4], "nnnn"),
        (
            |folder| std::fs::write(folder.path("c"), "o").expect("written"),
            [Done, Done, Stale, Skipped],
            "nnoo",
        ),
        (
            |folder| std::fs::set_permissions(folder.path("d"), std::fs::Permissions::from_mode(0o600)).expect("set"),
            [Done, Done, Done, Stale],
            "nnno",
        ),
        (
            |folder| std::fs::write(folder.path("d"), "x").expect("written"),
            [Done, Done, Done, Stale],
            "nnnx",
        ),
        (
            |folder| std::os::unix::fs::symlink("/nowhere", folder.path("a")).expect("linked"),
            [Stale, Skipped, Skipped, Skipped],
            "---o",
        ),
        // As if the group had been cut off after its first rename.
        (
            |folder| {
                std::fs::write(folder.path("a"), "n").expect("written");
                std::fs::set_permissions(folder.path("a"), std::fs::Permissions::from_mode(0o644)).expect("set");
            },
            [Done; 4],
            "nnnn",
        ),
    ];
    for (disturb, ends, contents) in cases {
        let folder = Folder::new();
        std::fs::write(folder.path("d"), "o").expect("written");
        std::fs::set_permissions(folder.path("d"), std::fs::Permissions::from_mode(0o644)).expect("set");
        let changes = ["a", "b", "c", "d"].map(|name| folder.planned(name, "n", 0o644));
        disturb(&folder);
        assert_eq!(folder.perform_together(&changes).await.1, ends, "{contents}");
        let found: String = ["a", "b", "c", "d"]
            .map(|name| std::fs::read_to_string(folder.path(name)).unwrap_or_else(|_| "-".to_owned()))
            .concat();
        assert_eq!(found, *contents);
        assert!(!folder.listing().iter().any(|name| name.starts_with(".homelab")));
    }
}

#[test]
fn only_files_without_a_way_of_their_own_are_grouped() {
    let folder = Folder::new();
    let usual = || folder.planned("a", "x", 0o644);
    let with = |adapt: fn(&mut WriteFile)| {
        let mut change = usual();
        if let Some(Step::WriteFile(file)) = change.steps.first_mut() {
            adapt(file);
        }
        change
    };
    let on = |adapt: fn(&mut ResolvedPath)| {
        let mut change = usual();
        if let Some(Expect::ResolvedPath(resolved)) = change.expect.first_mut() {
            adapt(resolved);
        }
        change
    };
    let cases = [
        (usual(), true),
        (with(|file| file.backup = true), false),
        (with(|file| file.validate = Some(vec!["true".to_owned()])), false),
        (with(|file| file.attributes.owner = "1000".to_owned()), false),
        (with(|file| file.content = Content::of_digest("0")), false),
        (on(|resolved| resolved.is_open = true), false),
        (on(|resolved| resolved.in_place = true), false),
        (on(|resolved| resolved.end = End::Unknown), false),
        (folder.planned("a\\b", "x", 0o644), false),
        (
            ResourceChange {
                expect: vec![folder.resolved("a")],
                ..usual()
            },
            false,
        ),
    ];
    for (change, is_grouped) in &cases {
        assert_eq!(one_of_many(change)[0].is_some(), *is_grouped, "{change:?}");
    }
    let other_mode = folder.planned("e", "x", 0o600);
    let few = ["a", "b", "c", "d"].map(|name| folder.planned(name, "x", 0o644));
    let files = |changes: &[&ResourceChange]| -> Vec<std::ops::Range<usize>> {
        groups(
            &changes
                .iter()
                .flat_map(|change| one_of_many(change))
                .collect::<Vec<_>>(),
        )
    };
    let apart = files(&[&few[0], &few[1], &few[2], &other_mode, &few[3]]);
    assert_eq!((apart.len(), &apart[0]), (1, &(0..3)));
    assert!(files(&[&few[0], &few[1], &other_mode]).is_empty());
    assert_eq!(
        files(&[&few[0], &few[1], &few[2], &few[0], &few[1], &few[2]]),
        [0..3, 3..6]
    );
}
