//! What steps replace is kept, and put back as it was.

use super::open::{number, on_path, resolve};
use super::*;
use crate::change::{FileNumber, Kept, Previous};

fn previous(folder: &Folder) -> Previous {
    Previous::new(&folder.path("state"), "20260101T000000Z-00000000")
}

/// The steps of `change`, what they keep, and whether they must.
fn keeping(change: &ResourceChange, folder: &Folder, first: usize, must: bool) -> (Vec<StepScript>, Vec<Kept>) {
    let previous = previous(folder);
    let mut kept: Vec<Kept> = Vec::new();
    let scripts = super::super::scripts(change, StepOptions::default(), &mut |step, resolved| {
        let one = previous.before(step, resolved, first + kept.len())?;
        let one = if must { one.or_fail() } else { one };
        let script = one.script();
        kept.push(one);
        Some(Around {
            before: script,
            ..Around::default()
        })
    });
    (scripts, kept)
}

async fn put_back(shell: &str, folder: &Folder, kept: &[Kept]) -> Vec<StepAnswer> {
    let body = |kept: &Kept| kept.put_back().replace("sh ", &format!("{shell} "));
    let steps: Vec<StepScript> = kept
        .iter()
        .rev()
        .map(|kept| StepScript {
            body: body(kept),
            ..StepScript::default()
        })
        .collect();
    folder.perform_in(shell, &steps).await
}

/// Every name below the folder but homelab's own, with what is there: kind, mode, and content or target.
fn state(folder: &Folder) -> String {
    let script = "cd \"$1\" && find . -name state -prune -o ! -name lock ! -name . -printf '%P %y %m %l ' \
                  \\( -type f -exec sha256sum {} \\; -o -printf '\\n' \\) | sort";
    let output = std::process::Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(folder.folder.path())
        .output()
        .expect("sh runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A folder with one of each kind, and steps that change all of it.
fn steps(folder: &Folder) -> Vec<Step> {
    let at = |name: &str| folder.path(name);
    std::fs::write(at("f x"), b"old\0\n").expect("write");
    std::fs::set_permissions(at("f x"), std::fs::Permissions::from_mode(0o604)).expect("chmod");
    std::fs::write(at("gone"), "x").expect("write");
    std::os::unix::fs::symlink("f x", at("link")).expect("link");
    std::fs::create_dir(at("dir")).expect("mkdir");
    std::fs::write(at("dir/in"), "x").expect("write");
    std::fs::create_dir(at("tree")).expect("mkdir");
    std::fs::write(at("tree/in"), "x").expect("write");
    std::fs::write(at("large"), vec![b'x'; (16 << 20) + 1]).expect("write");
    let remove = |name: &str| Step::Remove(Remove { path: at(name) });
    let link = |name: &str, target: &str| {
        Step::Link(Link {
            path: at(name),
            target: target.to_owned(),
            owner: owner(),
        })
    };
    let directory = |name: &str| {
        Step::MakeDirectory(MakeDirectory {
            path: at(name),
            attributes: attributes(0o750),
            keeps: false,
        })
    };
    let set = |name: &str| {
        Step::SetAttributes(SetAttributes {
            path: at(name),
            attributes: attributes(0o711),
        })
    };
    vec![
        folder.write("f x", b"new", 0o640),
        folder.write("new", b"new", 0o640),
        folder.write("large", b"small", 0o640),
        // Twice: the first state counts.
        folder.write("f x", b"newer", 0o640),
        remove("gone"),
        link("link", "elsewhere"),
        link("new link", "elsewhere"),
        set("dir"),
        set("dir/in"),
        directory("new dir"),
        folder.write("new dir/in", b"new", 0o640),
        remove("tree"),
        // Where others may write, one that exists is refused.
        directory("dir"),
    ]
}

#[tokio::test]
async fn every_change_is_undone_and_a_second_time_changes_nothing() {
    for shell in ["dash", "bash"] {
        for open in [false, true] {
            let folder = Folder::new();
            let steps = steps(&folder);
            let before = state(&folder);
            let mut kept = Vec::new();
            for step in steps.into_iter().take(if open { 12 } else { 13 }) {
                let path = step.path().expect("a path").to_owned();
                let mut resolved = resolve(&path);
                resolved.is_open = open;
                let change = on_path(step, resolved);
                let (scripts, one) = keeping(&change, &folder, kept.len(), true);
                let answers = folder.perform_in(shell, &scripts).await;
                assert_eq!(answers[0].end, StepEnd::Done, "{shell} {path}: {}", said(&answers[0]));
                kept.extend(one);
            }
            assert_ne!(state(&folder), before);
            for turn in 1..=2 {
                for (answer, kept) in put_back(shell, &folder, &kept).await.iter().zip(kept.iter().rev()) {
                    let text = said(answer);
                    assert_eq!(answer.end, StepEnd::Done, "{shell} {open} {turn} {}: {text}", kept.path);
                }
                assert_eq!(state(&folder), before, "{shell} {open} {turn}");
            }
            assert_eq!(mode(&folder.path("state/previous")), 0o700);
        }
    }
}

#[tokio::test]
async fn what_cannot_be_kept_stops_only_what_must_be_put_back() {
    let folder = Folder::new();
    let pipe = folder.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo runs").success());
    let remove = change(vec![Step::Remove(Remove { path: pipe.clone() })], Vec::new());
    let (scripts, _) = keeping(&remove, &folder, 0, true);
    let answers = folder.perform_in("sh", &scripts).await;
    assert_eq!(answers[0].end, StepEnd::Failed { status: 1 });
    let why = format!("{pipe} cannot be kept, so it is not changed: it is neither a file nor a link\n");
    assert_eq!(said(&answers[0]), why);
    assert!(Path::new(&pipe).exists());
    let (scripts, kept) = keeping(&remove, &folder, 1, false);
    assert_eq!(folder.perform_in("sh", &scripts).await[0].end, StepEnd::Done);
    let answers = put_back("sh", &folder, &kept).await;
    assert_eq!(answers[0].end, StepEnd::Failed { status: 1 });
    assert_eq!(
        said(&answers[0]),
        format!("{pipe} was not kept: it is neither a file nor a link\n")
    );
}

#[tokio::test]
async fn a_file_written_in_place_is_put_back_in_place() {
    let folder = Folder::new();
    let path = folder.path("hosts");
    std::fs::write(&path, "old").expect("write");
    let mut resolved = resolve(&path);
    (resolved.is_open, resolved.in_place) = (false, true);
    let change = on_path(folder.write("hosts", b"new", 0o640), resolved);
    let (inode, before) = (number(&path), state(&folder));
    let (scripts, kept) = keeping(&change, &folder, 0, true);
    assert_eq!(folder.perform_in("sh", &scripts).await[0].end, StepEnd::Done);
    assert_ne!(state(&folder), before);
    assert_eq!(put_back("sh", &folder, &kept).await[0].end, StepEnd::Done);
    assert_eq!((number(&path), state(&folder)), (inode, before));
}

#[tokio::test]
async fn nothing_is_put_back_through_a_directory_that_was_swapped() {
    let folder = Folder::new();
    let at = |name: &str| folder.path(name);
    for step in ["write", "set"] {
        let parent = at(step);
        std::fs::create_dir(&parent).expect("mkdir");
        let path = format!("{parent}/f");
        std::fs::write(&path, "old").expect("write");
        let made = if step == "write" {
            folder.write("write/f", b"new", 0o640)
        } else {
            super::open::set(path.clone(), 0o600)
        };
        let (scripts, kept) = keeping(
            &on_path(made, resolve(&path)),
            &folder,
            usize::from(step == "set"),
            true,
        );
        assert_eq!(folder.perform_in("sh", &scripts).await[0].end, StepEnd::Done);
        std::fs::rename(&parent, at(&format!("{step} aside"))).expect("rename");
        std::fs::create_dir(at(&format!("{step} other"))).expect("mkdir");
        std::fs::write(at(&format!("{step} other/f")), "other").expect("write");
        std::os::unix::fs::symlink(at(&format!("{step} other")), &parent).expect("link");
        let before = state(&folder);
        let answers = put_back("sh", &folder, &kept).await;
        let why = said(&answers[0]);
        assert!(why.ends_with("changed meanwhile; nothing was done\n"), "{step}: {why}");
        assert_eq!(state(&folder), before);
    }
    // A file that took the place of the reviewed one gets no owner.
    let path = at("file");
    std::fs::write(&path, "old").expect("write");
    let change = on_path(super::open::set(path.clone(), 0o600), resolve(&path));
    let (scripts, kept) = keeping(&change, &folder, 2, true);
    assert_eq!(folder.perform_in("sh", &scripts).await[0].end, StepEnd::Done);
    let reviewed: FileNumber = number(&path);
    std::fs::write(at("other"), "x").expect("write");
    std::fs::rename(&path, at("aside")).expect("rename");
    std::fs::rename(at("other"), &path).expect("rename");
    assert_ne!(number(&path), reviewed);
    let answers = put_back("sh", &folder, &kept).await;
    assert!(said(&answers[0]).ends_with("changed meanwhile; nothing was done\n"));
}

#[tokio::test]
async fn only_the_latest_runs_keep_what_they_replaced() {
    let folder = Folder::new();
    let runs = folder.path("state/previous");
    for day in 1..=40 {
        std::fs::create_dir_all(format!("{runs}/202601{day:02}T000000Z-00000000/0000")).expect("mkdir");
    }
    std::fs::create_dir_all(format!("{runs}/own")).expect("mkdir");
    let previous = Previous::new(&folder.path("state"), "20260201T000000Z-00000000");
    let body = previous.of_file(&folder.path("absent"), 0).script();
    let step = StepScript {
        body,
        ..StepScript::default()
    };
    assert_eq!(folder.perform_in("sh", &[step]).await[0].end, StepEnd::Done);
    let mut left: Vec<String> = std::fs::read_dir(&runs)
        .expect("readable")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    left.sort();
    assert_eq!(left.len(), 31 + 1 + 1, "{left:?}");
    assert_eq!(left[0], "20260110T000000Z-00000000");
}

/// The message names homelab's own folder, not the file that was about to change.
#[test]
fn what_cannot_be_kept_names_the_folder_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    // Nothing can be made below a file, as on a full disk.
    std::fs::write(&state, "").expect("write");
    let previous = Previous::new(&state.to_string_lossy(), "20260101T000000Z-00000000");
    let script = previous.of_file("/etc/hostname", 1).script();
    let ran = std::process::Command::new("sh")
        .args(["-c", &script])
        .output()
        .expect("sh runs");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(!ran.status.success());
    assert!(
        said.contains("/etc/hostname was not changed: homelab could not write to"),
        "{said}"
    );
    assert!(said.contains(&format!("df {}/previous", state.display())), "{said}");
}
