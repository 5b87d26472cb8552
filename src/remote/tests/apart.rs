//! Answers travel apart from output: what a step leaves behind is not sent.

use std::time::Instant;

use super::super::step::Prints;
use super::*;

/// Writes what looks like answers for three seconds, then says in `done` that it was not stopped.
fn stubborn(done: &Path) -> String {
    format!(
        "sh -c 'i=0; while [ $i -lt 150 ]; do printf \"\\neve:x:0:0::/:/bin/sh\\ndone 0\\n\"; echo eve >&2; i=$((i + 1)); sleep 0.02; done; : >{}' &\necho mine",
        quote(done.to_str().unwrap())
    )
}

/// Steps of every kind that leave such a process behind.
fn steps_that_leave_it(folder: &Path) -> Vec<StepScript> {
    let body = |name: &str| stubborn(&folder.join(name));
    let large = || Some(Content::new(vec![b'x'; 200_000]));
    let staged = folder.join(".homelab-0000000000000002");
    vec![
        step(body("plain")),
        StepScript {
            content: Some(Content::new(*b"x")),
            ..step(body("inline"))
        },
        StepScript {
            content: large(),
            ..step(body("staged"))
        },
        StepScript {
            content: large(),
            stage: Some(staged.to_str().unwrap().to_owned()),
            ..step(body("named"))
        },
        StepScript {
            prints: Prints::Live,
            ..step(body("live"))
        },
        StepScript {
            prints: Prints::Much,
            ..step(body("much"))
        },
        StepScript {
            already: Some(format!("{}\nfalse", body("already"))),
            guard: Some(body("guard")),
            ..step("true")
        },
    ]
}

#[tokio::test]
async fn a_process_that_a_step_leaves_behind_is_heard_by_nobody() {
    let shells = Shells::all();
    join_all(shells.paths.iter().map(|shell| async move {
        let folder = tempfile::tempdir().unwrap();
        let mut host = Connection::local(shell).await.unwrap();
        let mut writer = host.lock(&request(folder.path())).await.unwrap();
        let quiet = step("sleep 0.1; echo quiet");
        for one in steps_that_leave_it(folder.path()) {
            let answers = perform(&mut writer, &[one, quiet.clone()]).await;
            assert_eq!(ends(&answers), [StepEnd::Done; 2], "{shell:?}: {answers:?}");
            // While the step runs, all that it prints is its own.
            assert!(text(&answers[0].output).contains("mine\n"), "{shell:?}: {answers:?}");
            assert_eq!(text(&answers[1].output), "quiet\n", "{shell:?}");
            let probe = "printf 'root:x:0:0'; sleep 0.05; echo said >&2";
            let read = writer
                .read(&[Probe::for_test(probe), Probe::for_test(probe)])
                .await
                .unwrap();
            for answer in read {
                assert_eq!(text(&answer.stdout), "root:x:0:0", "{shell:?}");
                assert_eq!(text(&answer.stderr), "said", "{shell:?}");
            }
        }
        writer.release().await.unwrap();
        // They were not stopped: a daemon that prints lives on.
        for name in ["plain", "inline", "staged", "named", "live", "much", "already", "guard"] {
            let start = Instant::now();
            while !folder.path().join(name).exists() {
                assert!(start.elapsed() < Duration::from_secs(60), "{shell:?}: {name}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        host.close().await;
    }))
    .await;
}

#[tokio::test]
async fn nothing_that_a_step_starts_has_a_pipe_of_the_channel() {
    for shell in Shells::all().paths {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list");
        let into_list = format!("ls -l /proc/self/fd >{}", quote(list.to_str().unwrap()));
        let mut host = Connection::local(&shell).await.unwrap();
        let mut writer = host.lock(&request(folder.path())).await.unwrap();
        // A condition of the user is a part of a probe.
        let condition = Probe::for_test(format!(
            "if {{ sh -c {}; }} >/dev/null 2>&1; then echo yes; fi",
            quote(&into_list)
        ));
        assert_eq!(writer.read(&[condition]).await.unwrap()[0].stdout, b"yes\n");
        let lists = [std::fs::read_to_string(&list).unwrap()];
        let steps = [
            step("ls -l /proc/$$/fd"),
            step("exec ls -l /proc/self/fd"),
            StepScript {
                prints: Prints::Live,
                ..step("ls -l /proc/self/fd")
            },
        ];
        let answers = perform(&mut writer, &steps).await;
        let [own, answers @ ..] = answers.as_slice() else {
            unreachable!()
        };
        // The tests themselves may have been started with open pipes, which everything inherits.
        let own = text(&own.output);
        let pipes: Vec<&str> = own
            .lines()
            .filter(|line| [" 4 -> ", " 5 -> "].iter().any(|one| line.contains(one)))
            .filter_map(|line| Some(line.split_once(" -> ")?.1))
            .collect();
        assert_eq!(pipes.len(), 2, "{own}");
        for open in answers.iter().map(|answer| text(&answer.output)).chain(lists) {
            let has = |what: &str| open.contains(what);
            assert!(
                has(" 2 -> ") && !pipes.iter().any(|pipe| has(pipe)) && !has("/lock"),
                "{shell:?}: {open}"
            );
        }
        host.close().await;
    }
}

#[tokio::test]
async fn a_process_that_a_command_leaves_behind_does_not_keep_it_running() {
    for shell in Shells::all().paths {
        let host = Connection::local(&shell).await.unwrap();
        let (written, mut pieces) = tokio::sync::mpsc::channel(4);
        let start = Instant::now();
        let heard = async { while pieces.recv().await.is_some() {} };
        let (status, ()) = tokio::join!(host.run("sleep 20 & exit 3", written), heard);
        assert_eq!(status.unwrap(), 3);
        assert!(start.elapsed() < Duration::from_secs(10), "{shell:?}");
    }
}

#[tokio::test]
async fn live_output_comes_while_the_step_runs_and_once() {
    let shells = Shells::all();
    join_all(shells.paths.iter().map(|shell| async move {
        let folder = tempfile::tempdir().unwrap();
        let mut host = Connection::local(shell).await.unwrap();
        let mut writer = host.lock(&request(folder.path())).await.unwrap();
        // The step goes on once its first output has come, however slow the machine is.
        let come = folder.path().join("come");
        let waits = format!(
            "i=0; while [ ! -e {come} ] && [ $i -lt 30 ]; do sleep 1; i=$((i + 1)); done; [ -e {come} ] && echo end",
            come = come.display()
        );
        let one = StepScript {
            prints: Prints::Live,
            ..step(format!("printf 'a\\0b\\n\\n'; {waits}; exit 4"))
        };
        let (mut heard, mut through) = (Vec::new(), None);
        writer
            .perform(&[one], &mut |_, news| match news {
                StepNews::Output(bytes) => {
                    std::fs::write(&come, "").unwrap();
                    heard.extend_from_slice(bytes);
                }
                StepNews::Through(answer) => through = Some(answer.clone()),
                _ => {}
            })
            .await
            .unwrap();
        let through = through.unwrap();
        assert_eq!(through.end, StepEnd::Failed { status: 4 });
        assert_eq!(text(&through.output), "a\0b\n\nend\n", "{shell:?}");
        // The line break that begins a tag may be heard too, if it comes alone.
        assert_eq!(text(&heard).trim_end(), text(&through.output).trim_end(), "{shell:?}");
        host.close().await;
    }))
    .await;
}

#[tokio::test]
async fn live_steps_that_end_at_once_are_not_waited_for() {
    // Each has a process that watches its output, which is told to end when it has hardly begun.
    let steps = vec![
        StepScript {
            prints: Prints::Live,
            ..step(":")
        };
        150
    ];
    let shells = Shells::all();
    join_all(shells.paths.iter().map(|shell| {
        let steps = &steps;
        async move {
            let folder = tempfile::tempdir().unwrap();
            let mut host = Connection::local(shell).await.unwrap();
            let mut writer = host.lock(&request(folder.path())).await.unwrap();
            let performed = tokio::time::timeout(Duration::from_secs(120), perform(&mut writer, steps)).await;
            let answers = performed.unwrap_or_else(|_| panic!("{shell:?}: a step is waited for"));
            assert!(answers.iter().all(|answer| answer.end == StepEnd::Done), "{shell:?}");
            host.close().await;
        }
    }))
    .await;
}

#[tokio::test]
async fn long_output_is_cut_with_an_exact_count() {
    const ALL: u64 = 50_000_000;
    let folder = tempfile::tempdir().unwrap();
    for prints in [Prints::Little, Prints::Much, Prints::Live] {
        let mut host = Connection::local(&find("dash")).await.unwrap();
        let mut writer = host.lock(&request(folder.path())).await.unwrap();
        let one = StepScript {
            prints,
            ..step(format!(
                "head -c {} /dev/zero; sleep 1.5; head -c 999996 /dev/zero; printf 'end\\n'",
                ALL - 1_000_000
            ))
        };
        let (mut heard, mut left_out, mut through) = (0, 0, None);
        writer
            .perform(&[one], &mut |_, news| match news {
                StepNews::Output(bytes) => heard += bytes.len() as u64,
                StepNews::LeftOut(bytes) => left_out += bytes,
                StepNews::Through(answer) => through = Some(answer.clone()),
                _ => {}
            })
            .await
            .unwrap();
        let through = through.unwrap();
        assert!(through.output.ends_with(b"end\n"), "{prints:?}");
        assert_eq!(through.output.len() as u64 + through.cut, ALL, "{prints:?}");
        // The beginning is shown only where it is asked for.
        let shown = if prints == Prints::Live { 4 << 20 } else { 0 };
        let expected = shown + (64 << 10);
        // The line breaks that begin the two tags may be heard too, if they come alone.
        assert!((expected..=expected + 2).contains(&heard), "{prints:?}: {heard}");
        assert_eq!(expected + left_out, ALL, "{prints:?}");
        host.close().await;
    }
}

#[tokio::test]
async fn a_step_runs_where_no_folder_takes_its_output() {
    // `TMPDIR` is a file here, and so is `HOME`; the others are there on every machine that runs these tests, or the note is.
    for program in ["dash", "bash", "busybox"] {
        let folder = tempfile::tempdir().unwrap();
        let shell = folder.path().join("sh");
        symlink(find(program), &shell).unwrap();
        let wrapper = folder.path().join("wrapper");
        let script = format!(
            "#!/bin/sh\nHOME=/dev/null TMPDIR=/dev/null exec {} \"$@\"\n",
            shell.display()
        );
        write_program(&wrapper, &script);
        let mut host = Connection::local(&wrapper).await.unwrap();
        let mut writer = host.lock(&request(folder.path())).await.unwrap();
        let answers = perform(&mut writer, &[step("echo out"), step("exit 3")]).await;
        assert_eq!(
            ends(&answers),
            [StepEnd::Done, StepEnd::Failed { status: 3 }],
            "{answers:?}"
        );
        let said = text(&answers[0].output);
        assert!(said == "out\n" || said.contains("not kept"), "{program}: {said}");
        host.close().await;
    }
}
