//! What is moved, also to another file system.

use super::*;
use crate::change::MovePath;

async fn moved(from: &Path, to: &Path) -> StepAnswer {
    let [from, path] = [from, to].map(|path| path.to_string_lossy().into_owned());
    let Ownership { owner, group } = owner();
    let step = Step::MovePath(MovePath {
        from,
        path,
        owner,
        group,
    });
    let folder = Folder::new();
    let mut answers = folder.perform(&change(vec![step], Vec::new()), false).await;
    answers.remove(0)
}

#[tokio::test]
async fn a_tree_is_moved_whole_and_nothing_is_replaced() {
    let here = Folder::new();
    let elsewhere = tempfile::tempdir_in("/dev/shm").expect("a folder");
    let device = |path: &Path| std::fs::metadata(path).expect("there").dev();
    assert_ne!(device(here.folder.path()), device(elsewhere.path()), "two file systems");
    for target in [here.folder.path(), elsewhere.path()] {
        let (from, to) = (here.folder.path().join("from"), target.join("to it"));
        std::fs::create_dir_all(from.join("sub")).expect("made");
        std::fs::write(from.join("sub/f"), "x").expect("written");
        std::os::unix::fs::symlink("sub/f", from.join("l")).expect("linked");
        let answer = moved(&from, &to).await;
        assert_eq!(answer.end, StepEnd::Done, "{}", said(&answer));
        assert_eq!(std::fs::read_to_string(to.join("l")).expect("there"), "x");
        assert!(!from.exists());

        std::fs::create_dir(&from).expect("made");
        let answer = moved(&from, &to).await;
        assert!(matches!(answer.end, StepEnd::Failed { .. }), "{:?}", answer.end);
        assert!(from.is_dir() && to.join("sub/f").is_file());
        std::fs::remove_dir(&from).expect("removed");
        std::fs::remove_dir_all(&to).expect("removed");
    }
    let left = |path: &Path| std::fs::read_dir(path).expect("there").count();
    assert_eq!((left(here.folder.path()), left(elsewhere.path())), (0, 0));
}
