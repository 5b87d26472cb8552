//! How the tool talks: in colour or not, into pipes that close, to a terminal, to a log.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::schemas;
use crate::support::host::Host;
use crate::support::project::{Project, text};

const ESCAPE: char = '\u{1b}';

fn put(path: &str) -> String {
    format!("[[operation]]\nop = 'files.put'\ndest = '{path}'\ncontent = 'x'\n")
}

fn shell(line: &str) -> String {
    format!("[[operation]]\nop = 'server.shell'\ncommands = ['{line}']\nalways = true\n")
}

/// `script` gives the tool a terminal of that size and passes on all that is written to it.
fn on_a_terminal(project: &Project, rows: u32, arguments: &str) -> (Option<i32>, String) {
    let homelab = env!("CARGO_BIN_EXE_homelab");
    let line = format!("stty rows {rows} cols 100; exec {homelab} {arguments}");
    let mut command = Command::new("script");
    command.args(["-q", "-e", "-c", &line, "/dev/null"]);
    command
        .current_dir(project.root())
        .env("TERM", "xterm")
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    (output.status.code(), text(&output.stdout))
}

#[test]
fn colour_is_for_terminals_unless_told_otherwise() {
    let project = Project::with_task(&put("/opt/x"));
    let _host = project.up("dev", "alpha");
    let dry_run = ["deploy", "dev", "all", "--dry-run"];
    let stdout = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = project.command(&[&dry_run[..], arguments].concat());
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        let output = command.envs(environment.iter().copied()).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        text(&output.stdout)
    };
    let is_coloured =
        |arguments: &[&str], environment: &[(&str, &str)]| stdout(arguments, environment).contains(ESCAPE);
    assert!(!is_coloured(&[], &[]));
    assert!(is_coloured(&["--color", "always"], &[]));
    assert!(is_coloured(&["--color=always"], &[("NO_COLOR", "1")]));
    assert!(is_coloured(&[], &[("CLICOLOR_FORCE", "1")]));
    assert!(!is_coloured(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]));
    let (code, terminal) = on_a_terminal(&project, 24, "deploy dev all --dry-run");
    assert_eq!(code, Some(0));
    assert!(terminal.contains("\u{1b}[32m+ file"), "{terminal}");
    let (_, terminal) = on_a_terminal(&project, 24, "deploy dev all --dry-run --color never");
    assert!(
        terminal.contains("+ file") && !terminal.contains("\u{1b}[32m"),
        "{terminal}"
    );
    // The texts are the same ones.
    let plain = anstream::adapter::strip_str(&stdout(&["--color", "always"], &[])).to_string();
    assert_eq!(plain, stdout(&[], &[]));
}

/// The exit code of the tool whose output, and errors with it, go to a reader that takes one line, or none.
fn into(project: &Project, arguments: &str, reader: &str) -> (i32, String) {
    let homelab = env!("CARGO_BIN_EXE_homelab");
    let line = format!("({homelab} {arguments} 2>&1; echo $? >code) | {reader}");
    let mut command = Command::new("sh");
    let output = command
        .args(["-c", &line])
        .current_dir(project.root())
        .output()
        .unwrap();
    let told = text(&output.stdout) + &text(&output.stderr);
    let code = std::fs::read_to_string(project.root().join("code")).unwrap();
    (code.trim().parse().unwrap(), told)
}

#[test]
fn a_reader_that_goes_away_ends_nothing() {
    let task: String = (0..300).map(|number| put(&format!("/opt/{number}"))).collect();
    let project = Project::with_task(&task);
    let host = project.up("dev", "alpha");
    let (code, told) = into(&project, "deploy dev all --dry-run", "head -n 1");
    assert_eq!((code, told.as_str()), (0, "alpha\n"));
    let (code, told) = into(&project, "deploy dev all --dry-run --detailed-exitcode", "true");
    assert_eq!((code, told.as_str()), (2, ""));
    for arguments in ["deploy dev nothing", "deploy", "--help", "lab status dev", "lab up dev"] {
        let (code, told) = into(&project, arguments, "true");
        assert!([0, 3].contains(&code), "{arguments}: {code}");
        assert_eq!(told, "", "{arguments}");
    }
    let (code, _) = into(&project, "deploy dev all --yes", "head -n 1");
    assert_eq!(code, 0);
    assert_eq!(host.inside("ls /opt | wc -l").trim(), "300");
}

#[test]
fn a_terminal_gets_a_window_that_goes_and_lines_that_stay() {
    let project = Project::with_task(&(put("/opt/first") + &shell("sleep 2") + &put("/opt/last")));
    let host = project.up("dev", "alpha");
    let (code, terminal) = on_a_terminal(&project, 24, "deploy dev all --yes");
    assert_eq!(code, Some(0), "{terminal}");
    assert!(
        terminal.contains("applying 0 of 1 host, 1 of 3 operations"),
        "{terminal}"
    );
    assert!(terminal.contains("alpha  sleep 2  1 s"), "{terminal}");
    assert_eq!(host.inside("ls /opt"), "first\nlast\n");
    // What a terminal would show in the end.
    let last_screen = terminal.rsplit("\u{1b}[2K").next().unwrap_or_default();
    assert!(
        last_screen.contains("converged") && !last_screen.contains("applying"),
        "{terminal:?}"
    );

    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert!(
        !ran.stderr.contains(ESCAPE) && !ran.stderr.contains("applying"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_log_has_a_sign_of_life_and_times() {
    let project = Project::with_task(&shell("sleep 32; echo through"));
    let host = project.up("dev", "alpha");
    let ran = project
        .homelab(&["deploy", "dev", "all", "--yes", "--verbose"])
        .expect(0);
    assert!(
        ran.stderr
            .contains("alpha: still running after 30 s: sleep 32; echo through\n"),
        "{}",
        ran.stderr
    );
    let converged = ran.stdout.lines().find(|line| line.starts_with("alpha  converged"));
    assert!(
        converged.is_some_and(|line| line.contains(" in 32.") || line.contains(" in 33.")),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout
            .lines()
            .any(|line| line.trim_start().starts_with("32.") && line.contains("sleep 32"))
    );
    host.is_left_in_order();
}

#[test]
fn ctrl_c_at_the_prompt_or_while_reading_leaves_nothing_behind() {
    let project = Project::with_task(&put("/opt/x"));
    let host = project.up("dev", "alpha");
    interrupted_at_the_prompt(&project, &host);
    let asks = "[[operation]]\nop = 'server.shell'\ncommands = ['true']\nunless = 'touch /tmp/asked; sleep 3; false'\n";
    project.write("tasks/test/files.toml", asks);
    let mut command = project.command(&["deploy", "dev", "all", "--dry-run"]);
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    host.wait_until("test -e /tmp/asked", Duration::from_secs(30));
    signal(run.id(), "INT");
    let start = Instant::now();
    let output = run.wait_with_output().unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert_eq!(
        text(&output.stderr),
        "condition: touch /tmp/asked; sleep 3; false\nnothing was changed\n"
    );
    nothing_is_left(&project, &host);
    interrupted_exec(&project, &host);
}

/// What it has said so far has been passed on; what runs on the host may go on, and it is said that it may.
fn interrupted_exec(project: &Project, host: &Host<'_>) {
    host.inside("rm -f /tmp/asked");
    let line = "echo begun; touch /tmp/asked; sleep 100; echo through";
    let mut command = project.command(&["exec", "dev", "alpha", "--", line]);
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    host.wait_until("test -e /tmp/asked", Duration::from_secs(30));
    signal(run.id(), "INT");
    let start = Instant::now();
    let output = run.wait_with_output().unwrap();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "begun\n");
    assert_eq!(
        text(&output.stderr),
        "interrupted: the command may continue on the hosts\n"
    );
    // A command that writes nothing does not notice that its reader is gone: that is what the words are about.
    host.inside("pkill -x sleep || true");
    nothing_is_left(project, host);
}

/// The prompt is there once the review is: a terminal that `script` made gets a Ctrl-C as a key.
fn interrupted_at_the_prompt(project: &Project, host: &Host<'_>) {
    let homelab = env!("CARGO_BIN_EXE_homelab");
    let line = format!("{homelab} deploy dev all");
    let waits = "n=0; until grep -qs 'y/N' seen || [ $n -gt 300 ]; do n=$((n+1)); sleep 0.1; done";
    let keys = format!("({waits}; printf '\\003'; sleep 1) | script -q -e -f -c '{line}' seen");
    let mut command = Command::new("sh");
    command
        .args(["-c", &keys])
        .current_dir(project.root())
        .env("TERM", "xterm");
    let output = command.output().unwrap();
    let terminal = text(&output.stdout);
    assert!(terminal.contains("Apply this to alpha? [y/N]"), "{terminal}");
    assert!(terminal.trim_end().ends_with("nothing was changed"), "{terminal}");
    assert_eq!(output.status.code(), Some(130), "{terminal}");
    nothing_is_left(project, host);
    assert!(!host.is("test -e /opt/x"));
}

fn signal(process: u32, name: &str) {
    let mut kill = Command::new("kill");
    assert!(
        kill.args([format!("-{name}"), process.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

/// No process of a connection is left here, nor on the host.
fn nothing_is_left(project: &Project, host: &Host<'_>) {
    let key = project.root().join(".homelab/lab/id_ed25519");
    let start = Instant::now();
    loop {
        let listed = Command::new("pgrep")
            .args(["-f", "-a", &key.to_string_lossy()])
            .output()
            .unwrap();
        if listed.stdout.is_empty() {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(5), "{}", text(&listed.stdout));
        std::thread::sleep(Duration::from_millis(50));
    }
    let sessions = "! pgrep -f '[s]shd-session:|[s]shd: root' && ! pgrep -x sleep";
    host.wait_until(sessions, Duration::from_secs(10));
}

#[test]
fn programs_get_one_document_that_is_the_same_each_time_and_holds_no_secret() {
    let private = "[[operation]]\nop = 'files.put'\ndest = '/opt/private'\ncontent = 'new-secret'\nmode = '0600'\nsensitive = true\n";
    let project = Project::with_task(&(put("/opt/x") + private));
    let host = project.up("dev", "alpha");
    host.inside("echo old-secret >/opt/private; chmod 600 /opt/private");
    let dry_run = ["deploy", "dev", "all", "--dry-run", "--format", "json"];
    let texts = [0, 1].map(|_| project.homelab(&dry_run).expect(0).stdout);
    assert_eq!(texts[0], texts[1]);
    assert!(
        !texts[0].contains("old-secret") && !texts[0].contains("new-secret"),
        "{}",
        texts[0]
    );
    let document: Value = serde_json::from_str(&texts[0]).unwrap();
    let operations = &document["hosts"][0]["operations"];
    assert_eq!(operations[0]["changes"][0]["before"], Value::Null);
    assert_eq!(operations[0]["changes"][0]["after"]["content"], "x");
    assert_eq!(operations[1]["changes"][0]["after_hidden"][0], "content");
    assert_eq!(operations[1]["changes"][0]["differs"][0], "content");

    schemas::check("review", &texts[0]);
    documents_are_written_beside_the_text(&project, &texts[0]);

    let ran = project
        .homelab(&["deploy", "dev", "all", "--yes", "--format", "json"])
        .expect(0);
    schemas::check("review", &ran.stdout);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let lines: Vec<&Value> = (0..2)
        .map(|at| &document["hosts"][0]["results"][at]["lines"][0]["end"])
        .collect();
    assert_eq!(lines, ["applied", "applied"]);
    assert_eq!(document["ends"]["converged"], 1);
    assert!(ran.stderr.contains("applied      file /opt/x"), "{}", ran.stderr);
    assert_eq!(host.inside("cat /opt/x /opt/private"), "xnew-secret");
    let again = project
        .homelab(&["deploy", "dev", "all", "--yes", "--format", "json"])
        .expect(0);
    let document: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(
        (&document["pending"], &document["dry_run"]),
        (&Value::Bool(false), &Value::Bool(false))
    );
    every_other_document_is_as_its_schema_says(&project, &host);
}

/// Each is asked twice: the same host gives the same bytes.
fn every_other_document_is_as_its_schema_says(project: &Project, host: &Host<'_>) {
    host.inside("chmod 600 /opt/x");
    let with_mode = put("/opt/x") + "mode = '0644'\n";
    project.write("tasks/test/files.toml", &with_mode);
    let commands: [(&str, i32, &[&str]); 8] = [
        ("drift", 2, &["drift", "dev", "all"]),
        ("history", 0, &["history", "dev"]),
        ("history", 0, &["history", "dev", "alpha", "last"]),
        ("status", 0, &["status", "dev"]),
        ("facts", 0, &["facts", "dev", "alpha"]),
        ("check", 0, &["check"]),
        ("lab_status", 0, &["lab", "status", "dev"]),
        ("operations", 0, &["operations"]),
    ];
    for (schema, code, command) in commands {
        let texts = [0, 1].map(|_| {
            let ran = project.homelab(&[command, &["--format", "json"]].concat());
            ran.expect(code).stdout
        });
        assert_eq!(texts[0], texts[1], "{command:?}");
        schemas::check(schema, &texts[0]);
    }
    project.write("tasks/test/files.toml", put("/opt/x") + "mod = '0644'\n");
    let refused = project.homelab(&["deploy", "dev", "all", "--dry-run", "--format", "json"]);
    schemas::check("refusal", &refused.expect(3).stdout);
    schemas::check(
        "check",
        &project.homelab(&["check", "--format", "json"]).expect(3).stdout,
    );
}

/// All formats from one run, none of them with a secret, and each as it would be on standard output.
fn documents_are_written_beside_the_text(project: &Project, json: &str) {
    let dry_run = ["deploy", "dev", "all", "--dry-run"];
    let files = ["x.md", "x.json", "x.html"];
    let into = files.map(|file| ["--format-into", file]).concat();
    let ran = project.homelab(&[&dry_run[..], &into].concat()).expect(0);
    assert_eq!(ran.stdout, project.homelab(&dry_run).expect(0).stdout);
    let [markdown, written_json, html] = files.map(|file| std::fs::read_to_string(project.root().join(file)).unwrap());
    assert_eq!(written_json, json);
    assert!(markdown.contains("- `+ file /opt/x`: `0644 root:root`\n"), "{markdown}");
    assert!(html.contains("file <b>/opt/x</b>"), "{html}");
    for (format, written) in [("markdown", &markdown), ("html", &html)] {
        let printed = project
            .homelab(&[&dry_run[..], &["--format", format]].concat())
            .expect(0);
        assert_eq!(&printed.stdout, written);
        assert!(
            !written.contains("old-secret") && !written.contains("new-secret"),
            "{written}"
        );
    }
    // Nothing is written next to them, and no file that cannot be written lets a run begin.
    for wrong in ["missing/x.md", "x.yaml", "tasks.md"] {
        std::fs::create_dir_all(project.root().join("tasks.md")).unwrap();
        let ran = project
            .homelab(&["deploy", "dev", "all", "--yes", "--format-into", wrong])
            .expect(3);
        assert!(ran.stdout.is_empty() && ran.stderr.contains(wrong), "{}", ran.stderr);
    }
    std::fs::remove_dir(project.root().join("tasks.md")).unwrap();
    let names = std::fs::read_dir(project.root()).unwrap();
    assert!(
        !names
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with(".homelab-"))
    );
}

/// The lines of standard error and how long before the end each came.
fn live(project: &Project) -> Vec<(String, Duration)> {
    let mut command = project.command(&["deploy", "dev", "all", "--yes", "--verbose"]);
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(run.stderr.take().unwrap()).lines();
    let told: Vec<(String, Instant)> = lines.map(|line| (line.unwrap(), Instant::now())).collect();
    let end = Instant::now();
    assert!(run.wait().unwrap().success(), "{told:?}");
    told.into_iter().map(|(line, at)| (line, end - at)).collect()
}

#[test]
fn long_steps_are_heard_while_they_run_if_asked_for() {
    let line = "echo one; sleep 3; printf two";
    let package = "[[operation]]\nop = 'apt.packages'\npackages = ['hello']\n";
    let project = Project::with_task(&(shell(line) + package));
    let host = project.up("dev", "alpha");
    // Whatever runs after a package is configured: it takes its time.
    host.inside("echo 'DPkg::Post-Invoke {\"sleep 3\";};' >/etc/apt/apt.conf.d/99slow");
    let told = live(&project);
    let early = |wanted: &str| {
        let (_, before) = told
            .iter()
            .find(|(line, _)| line.starts_with(wanted))
            .unwrap_or_else(|| panic!("{told:?}"));
        *before
    };
    assert!(early("alpha  | one") > Duration::from_secs(5), "{told:?}");
    assert!(
        early("alpha  | one") > early("alpha  | two") + Duration::from_secs(2),
        "{told:?}"
    );
    assert!(early("alpha  | Setting up hello") > Duration::from_secs(2), "{told:?}");
    assert_eq!(
        told.iter()
            .filter(|(line, _)| line.contains("Setting up hello"))
            .count(),
        1,
        "{told:?}"
    );
    assert_eq!(
        host.inside("dpkg-query -W -f '${Status}' hello"),
        "install ok installed"
    );
    host.is_left_in_order();
    assert!(!host.is("ls /var/lib/homelab/jobs | grep ."));
    assert!(!host.is("pgrep -x tail"));

    host.inside("apt-get -qq purge hello");
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert!(!ran.stderr.contains("  | "), "{}", ran.stderr);
}
