use std::process::Command;

use super::*;
use crate::facts::made::{Kind, LENGTH, Made, Subject, file_of, prefix_of};
use crate::secret::sha256_hex;

fn creation(kind: Kind, name: &str, digest: Option<&str>) -> Creation {
    Creation::new(kind, name, digest.map(str::to_owned)).expect("a name")
}

fn sh(text: &str) -> String {
    let ran = Command::new("sh").args(["-c", text]).output().expect("sh runs");
    assert!(ran.status.success() && ran.stderr.is_empty(), "{ran:?} {text}");
    String::from_utf8(ran.stdout).expect("text")
}

fn file() -> String {
    file_of(("lab", "dev"), "all", "alpha")
}

fn at<'a>(state_folder: &'a str, file: &'a str, run: &'a str, key: &'a DigestKey) -> Remembering<'a> {
    Remembering {
        state_folder,
        file,
        run,
        key,
    }
}

/// What is remembered, as a run finds it: the first line, and the details.
fn remembered(state: &str, file: &str) -> (BTreeSet<String>, Vec<Found>) {
    let first = sh(&format!("head -n 1 {state}/made/{file} 2>/dev/null || true"));
    let made = Made::read(&format!("{file} {}", first.trim())).expect("readable");
    let found = parse(&sh(probe(state, [file], &made.digests).text()));
    (made.digests, found)
}

#[test]
fn what_is_created_is_remembered_until_it_is_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().to_str().expect("a path");
    let key = DigestKey::random();
    let change = |made: &[&Creation], perhaps: &[&Creation], gone: &[&Creation]| {
        let all = |some: &[&Creation]| some.iter().map(|one| (*one).clone()).collect();
        let update = Update {
            made: all(made),
            perhaps: all(perhaps),
            gone: gone.iter().map(|one| digest(&one.subject())).collect(),
            ..Update::default()
        };
        sh(&update.script(&at(state, &file(), "R1", &key)));
        let (digests, found) = remembered(state, &file());
        let found: Vec<Creation> = found.into_iter().map(|one| one.creation).collect();
        let expected: BTreeSet<String> = found.iter().map(|one| digest(&one.subject())).collect();
        assert_eq!(digests, expected);
        found
    };
    let odd = Creation {
        is_secret: true,
        ..creation(Kind::File, "/etc/it's a \\ \"name\" $x", None)
    };
    let entry = creation(Kind::Cron, "root tidy  up", Some("x"));
    assert_eq!(change(&[&odd], &[], &[]), std::slice::from_ref(&odd));
    assert_eq!(change(&[&entry], &[], &[]), [entry.clone(), odd.clone()]);
    let renewed = creation(Kind::Cron, "root tidy  up", Some("y"));
    assert_eq!(change(&[&renewed], &[], &[]), [renewed.clone(), odd.clone()]);
    let unknown = creation(Kind::File, "/etc/unknown", None);
    assert_eq!(change(&[], &[], &[&odd, &unknown]), std::slice::from_ref(&renewed));
    // Only what is new then.
    let there = creation(Kind::Directory, state, None);
    let new = creation(Kind::File, "/nowhere/new", None);
    assert_eq!(change(&[], &[&there, &new], &[]), [new.clone(), renewed.clone()]);
    // What goes leaves the files of other deploys too.
    let other = file_of(("lab", "dev"), "other", "alpha");
    let update = Update {
        made: vec![there],
        gone: [&new, &renewed].map(|one| digest(&one.subject())).into(),
        ..Update::default()
    };
    sh(&update.script(&at(state, &other, "R1", &key)));
    let left: Vec<_> = std::fs::read_dir(folder.path().join("made"))
        .expect("there")
        .flatten()
        .collect();
    assert_eq!(
        left.iter().map(std::fs::DirEntry::file_name).collect::<Vec<_>>(),
        [other.as_str()]
    );
}

#[test]
fn a_file_of_which_the_content_is_as_written_is_known() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().to_str().expect("a path");
    let key = DigestKey::random();
    let path = format!("{state}/app.conf");
    std::fs::write(&path, "a").expect("written");
    let written = key.digest(&sha256_hex(b"a")).0;
    let update = Update {
        made: vec![creation(Kind::File, &path, Some(&written))],
        ..Update::default()
    };
    sh(&update.script(&at(state, &file(), "R1", &key)));
    let (_, found) = remembered(state, &file());
    assert!(found[0].is_there);
    assert!(found[0].is_as_written(&sha256_hex(b"a")) && !found[0].is_as_written(&sha256_hex(b"b")));
    std::fs::remove_file(&path).expect("removed");
    assert!(!remembered(state, &file()).1[0].is_there);
}

/// A run writes a file anew and puts the old one back, or is cut off before it could.
#[test]
fn what_was_put_back_is_as_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().to_str().expect("a path");
    let write = |key: &DigestKey, text: &str| {
        let written = key.digest(&sha256_hex(text.as_bytes())).0;
        let update = Update {
            made: vec![creation(Kind::File, "/etc/x", Some(&written))],
            ..Update::default()
        };
        sh(&update.script(&at(state, &file(), "R1", key)));
    };
    let put_back = |key: &DigestKey| {
        let update = Update {
            undone: BTreeSet::from([digest(&Subject::Path("/etc/x".to_owned()))]),
            ..Update::default()
        };
        sh(&update.script(&at(state, &file(), "R1", key)));
    };
    let as_written = |text: &str| {
        let (digests, found) = remembered(state, &file());
        assert_eq!((digests.len(), found.len()), (1, 1));
        found[0].is_as_written(&sha256_hex(text.as_bytes()))
    };
    let keys = [(); 5].map(|()| DigestKey::random());
    write(&keys[0], "one");
    // Twice in one run, which is cut off.
    write(&keys[1], "two");
    write(&keys[1], "three");
    assert!(as_written("one") && as_written("three") && !as_written("two") && !as_written("by hand"));
    // Runs that put it back, again and again.
    for key in &keys[2..4] {
        write(key, "four");
        put_back(key);
        assert!(as_written("three") && !as_written("four"));
    }
    // A new file that was put back is not there.
    let update = Update {
        gone: BTreeSet::from([digest(&Subject::Path("/etc/x".to_owned()))]),
        ..Update::default()
    };
    sh(&update.script(&at(state, &file(), "R1", &keys[4])));
    write(&keys[4], "five");
    put_back(&keys[4]);
    assert!(remembered(state, &file()).1.is_empty());
}

#[test]
fn what_comes_back_is_remembered_as_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().to_str().expect("a path");
    let key = DigestKey::random();
    let written = key.digest(&sha256_hex(b"x")).0;
    let path = creation(Kind::File, "/etc/it's  odd", Some(&written));
    let cron = creation(Kind::Cron, "ann tidy  up", Some(&written));
    let other = creation(Kind::Cron, "bob tidy", Some(&written));
    let all = [&path, &cron, &other];
    let update = Update {
        made: all.map(Clone::clone).to_vec(),
        ..Update::default()
    };
    sh(&update.script(&at(state, &file(), "R1", &key)));
    let update = Update {
        gone: all.iter().map(|one| digest(&one.subject())).collect(),
        ..Update::default()
    };
    sh(&update.script(&at(state, &file(), "R2", &DigestKey::random())));
    assert!(remembered(state, &file()).1.is_empty());
    let back = |run: &str, digests: &[&Creation], users: &[&str]| {
        let update = Update {
            returning: Some(Returning {
                run: run.to_owned(),
                digests: digests.iter().map(|one| digest(&one.subject())).collect(),
                cron_users: users.iter().map(|user| (*user).to_owned()).collect(),
            }),
            ..Update::default()
        };
        sh(&update.script(&at(state, "", "R3", &DigestKey::random())));
        let found = remembered(state, &file()).1;
        assert!(found.iter().all(|one| one.is_as_written(&sha256_hex(b"x"))));
        found.into_iter().map(|one| one.creation).collect::<Vec<_>>()
    };
    // Of a run that forgot nothing.
    assert_eq!(back("R1", &[&path], &["ann"]), []);
    assert_eq!(back("R2", &[&path], &[]), std::slice::from_ref(&path));
    assert_eq!(back("R2", &[], &["ann"]), [cron, path]);
}

#[test]
fn every_run_reads_a_few_bytes_for_each_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().to_str().expect("a path");
    let update = Update {
        made: (0..200)
            .map(|number| creation(Kind::File, &format!("/etc/{number}"), None))
            .collect(),
        ..Update::default()
    };
    sh(&update.script(&at(state, &file(), "R1", &DigestKey::random())));
    let text = std::fs::read_to_string(format!("{state}/made/{}", file())).expect("written");
    assert_eq!(text.lines().next().map(str::len), Some(200 * LENGTH));
}

#[test]
fn only_such_files_are_read() {
    for said in [
        "0123456789abcdef {}",
        "made-x/y 0",
        "made-0a ",
        "made-000000000000-../../../x a",
    ] {
        assert_eq!(Made::read(said), None, "{said}");
    }
    assert_eq!(
        Made::read(&format!("{} abcde", file()))
            .expect("readable")
            .digests
            .len(),
        1
    );
    assert!(file().starts_with(&prefix_of("lab", "dev")) && !file().starts_with(&prefix_of("lab", "prod")));
    let path = |name: &str| digest(&Subject::Path(name.to_owned()));
    assert_ne!(path("x"), digest(&Subject::Package("x".to_owned())));
    for name in ["", " x", "x\ny", "x\u{7}"] {
        assert_eq!(Creation::new(Kind::File, name, None), None, "{name:?}");
    }
}
