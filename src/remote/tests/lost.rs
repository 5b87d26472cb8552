//! A link that is lost without an end: the shell on the host ends by itself.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use futures_util::future::join_all;

use super::super::connection::Connection;
use super::super::lock::LockRequest;
use super::{Shells, ends, perform, request, step};
use crate::content::Content;
use crate::remote::{StepEnd, StepScript};

const SHORT: Duration = Duration::from_secs(3);

fn is_free(lock: &LockRequest) -> bool {
    let tried = Command::new("flock").args(["-n", &lock.path, "true"]).status();
    tried.unwrap().success()
}

#[tokio::test]
async fn a_shell_that_hears_nothing_of_homelab_frees_the_lock_and_leaves_no_file() {
    let shells = Shells::all();
    join_all(shells.paths.iter().map(|shell| async move {
        let folder = tempfile::tempdir().unwrap();
        let lock = LockRequest {
            lost_after: SHORT,
            ..request(folder.path())
        };
        let mut host = Connection::local(shell).await.unwrap();
        host.lock(&lock).await.unwrap();
        let staged = folder.path().join(".homelab-0123456789abcdef");
        let upload = StepScript {
            stage: Some(staged.to_str().unwrap().to_owned()),
            content: Some(Content::new(vec![b'x'; 200_000])),
            ..step("cat")
        };
        let mut frame = host.channel.frame();
        frame.stage(&upload).unwrap();
        let frame = frame.finish();
        assert_eq!(host.ask(frame, "staging").await.unwrap().outcome, "staged");
        assert!(staged.exists() && !is_free(&lock));
        let process = host.channel.shell().unwrap();
        host.channel.show_life(None);
        for _ in 0..600 {
            if is_free(&lock) && !staged.exists() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(is_free(&lock), "{shell:?}");
        assert!(!staged.exists(), "{shell:?}");
        host.close().await;
        assert!(!Path::new(&format!("/proc/{process}")).exists(), "{shell:?}");
    }))
    .await;
}

#[tokio::test]
async fn a_shell_that_is_at_work_or_hears_of_homelab_goes_on() {
    let shells = Shells::all();
    join_all(shells.paths.iter().map(|shell| async move {
        let folder = tempfile::tempdir().unwrap();
        let lock = LockRequest {
            lost_after: SHORT,
            ..request(folder.path())
        };
        let mut host = Connection::local(shell).await.unwrap();
        let process = host.channel.process().unwrap();
        let mut writer = host.lock(&lock).await.unwrap();
        // Longer than it would wait for signs of life.
        let steps = [step("sleep 7"), step("true")];
        assert_eq!(
            ends(&perform(&mut writer, &steps).await),
            [StepEnd::Done; 2],
            "{shell:?}"
        );
        tokio::time::sleep(SHORT * 3).await;
        assert_eq!(
            ends(&perform(&mut writer, &steps[1..]).await),
            [StepEnd::Done],
            "{shell:?}"
        );
        let children = || std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap();
        assert_ne!(children(), "", "{shell:?}: a process looks whether the link is lost");
        writer.release().await.unwrap();
        for _ in 0..100 {
            if children().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(children(), "", "{shell:?}");
        host.close().await;
    }))
    .await;
}
