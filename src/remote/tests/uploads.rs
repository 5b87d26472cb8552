//! Contents of every size, over both kinds of second channel.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::super::script::{self, Delivery};
use super::super::upload::Upload;
use super::*;

#[tokio::test]
async fn contents_arrive_byte_for_byte() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let two_megabytes: Vec<u8> = (0..2_000_000_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect();
    let contents: [&[u8]; 9] = [
        b"",
        b"a\0b",
        b"no newline",
        b"one\r\ntwo\r\n",
        &every_byte,
        &two_megabytes[..128 * 1024],
        &two_megabytes[..=128 * 1024],
        &two_megabytes,
        b"last\n",
    ];
    for shell in Shells::all().paths {
        let folder = tempfile::tempdir().unwrap();
        let path = |index: usize| folder.path().join(format!("it's {index}"));
        let mut host = Connection::local(&shell).await.unwrap();
        let mut writer = host.lock(&request(folder.path())).await.unwrap();
        let before = writer.round_trips();
        let steps: Vec<_> = contents
            .iter()
            .enumerate()
            .map(|(index, content)| writing(&path(index), content))
            .collect();
        let answers = perform(&mut writer, &steps).await;
        assert_eq!(ends(&answers), [StepEnd::Done; 9], "{answers:?}");
        assert_eq!(
            writer.round_trips() - before,
            3,
            "one, and one more for each large content"
        );
        for (index, content) in contents.iter().enumerate() {
            assert!(
                std::fs::read(path(index)).unwrap() == *content,
                "{shell:?} content {index}"
            );
        }
        // A large content first, alone, and in a row.
        let before = writer.round_trips();
        let large = writing(&path(7), &two_megabytes);
        let answers = perform(&mut writer, &[large.clone(), large]).await;
        assert_eq!(ends(&answers), [StepEnd::Done; 2]);
        assert_eq!(writer.round_trips() - before, 3);
        assert!(perform(&mut writer, &[]).await.is_empty());
        let open = writer
            .read(&[Probe::for_test("ls -l /proc/$$/fd; true")])
            .await
            .unwrap();
        let open = text(&open[0].stdout);
        assert!(
            !open.lines().any(|one| ["6", "7", "8"].contains(&one)),
            "{shell:?} keeps open {open}"
        );
        host.close().await;
    }
}

#[tokio::test]
async fn a_short_upload_never_reaches_the_body() {
    let shells = Shells::all();
    for (shell, is_named) in shells.paths.iter().flat_map(|shell| [(shell, false), (shell, true)]) {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        let mut host = Connection::local(shell).await.unwrap();
        let mut frame = host.channel.frame();
        let short = StepScript {
            stage: is_named.then(|| folder.path().join("staged").to_str().unwrap().to_owned()),
            ..writing(&target, &vec![b'x'; 200_000])
        };
        frame.stage(&short).unwrap();
        let frame = frame.finish();
        assert_eq!(host.ask(frame, "staging").await.unwrap().outcome, "staged");
        let command = script::pump_command(host.channel.shell().unwrap());
        let arrives = Content::new(vec![b'x'; 150_000]);
        let mut upload = Upload::begin(&arrives).unwrap();
        let mut told = 0;
        host.second_channel
            .pump(&Privilege::LoginUser, &command, &mut upload, &mut |sent| told = sent)
            .await
            .unwrap();
        let mut frame = host.channel.frame();
        assert_eq!(told, 150_000);
        frame.step(&short, Delivery::Staged).unwrap();
        let frame = frame.finish();
        let tagged = host.ask(frame, "writing").await.unwrap();
        assert_eq!((tagged.outcome.as_str(), tagged.status), ("failed", 1));
        assert!(
            text(&tagged.output).contains("only 150000 of 200000 bytes"),
            "{}",
            text(&tagged.output)
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        host.close().await;
    }
}

#[tokio::test]
async fn a_connection_that_ends_amid_an_upload_leaves_no_file() {
    for shell in Shells::all().paths {
        let folder = tempfile::tempdir().unwrap();
        let staged = folder.path().join(".homelab-0123456789abcdef");
        let mut host = Connection::local(&shell).await.unwrap();
        let mut frame = host.channel.frame();
        let one = StepScript {
            stage: Some(staged.to_str().unwrap().to_owned()),
            ..writing(&folder.path().join("target"), &vec![b'x'; 200_000])
        };
        frame.stage(&one).unwrap();
        let frame = frame.finish();
        assert_eq!(host.ask(frame, "staging").await.unwrap().outcome, "staged");
        assert!(staged.exists());
        let process = host.channel.shell().unwrap();
        host.close().await;
        for _ in 0..100 {
            if !Path::new(&format!("/proc/{process}")).exists() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(!staged.exists(), "{shell:?}");
    }
}

#[tokio::test]
async fn what_a_host_that_lost_power_kept_of_an_upload_goes_with_the_next() {
    for shell in Shells::all().paths {
        let folder = tempfile::tempdir().unwrap();
        let [left, young, other] = [
            ".homelab-0123456789abcdef",
            ".homelab-fedcba9876543210",
            ".homelab-notes",
        ]
        .map(|name| folder.path().join(name));
        for path in [&left, &young, &other] {
            std::fs::write(path, "x").unwrap();
        }
        for path in [&left, &other] {
            let touched = Command::new("touch")
                .args(["-d", "2 hours ago"])
                .arg(path)
                .status()
                .unwrap();
            assert!(touched.success());
        }
        let mut host = Connection::local(&shell).await.unwrap();
        let mut writer = host.lock(&request(folder.path())).await.unwrap();
        let large = StepScript {
            stage: Some(
                folder
                    .path()
                    .join(".homelab-0000000000000001")
                    .to_str()
                    .unwrap()
                    .to_owned(),
            ),
            content: Some(Content::new(vec![b'x'; 200_000])),
            ..step(format!(
                "mv -- \"$staged\" {}",
                quote(folder.path().join("target").to_str().unwrap())
            ))
        };
        assert_eq!(ends(&perform(&mut writer, &[large]).await), [StepEnd::Done]);
        host.close().await;
        assert!(!left.exists() && young.exists() && other.exists(), "{shell:?}");
        assert_eq!(std::fs::metadata(folder.path().join("target")).unwrap().len(), 200_000);
    }
}

#[tokio::test]
async fn without_room_for_temporary_files_large_contents_go_in_the_frame() {
    // bash needs that room for its own heredocs; the others do not.
    for program in ["dash", "busybox"] {
        let folder = tempfile::tempdir().unwrap();
        let shell = folder.path().join("sh");
        symlink(find(program), &shell).unwrap();
        // Commands before the prologue are what a login shell's start-up files are: they set this up.
        let wrapper = folder.path().join("wrapper");
        let script = format!("#!/bin/sh\nTMPDIR=/nonexistent exec {} \"$@\"\n", shell.display());
        write_program(&wrapper, &script);
        let mut host = Connection::local(&wrapper).await.unwrap();
        let mut writer = host.lock(&request(folder.path())).await.unwrap();
        let target = folder.path().join("target");
        let answers = perform(&mut writer, &[writing(&target, &vec![b'x'; 300_000])]).await;
        assert_eq!(answers[0].end, StepEnd::Done, "{program} {}", text(&answers[0].output));
        assert_eq!(std::fs::read(&target).unwrap().len(), 300_000);
        host.close().await;
    }
}
