//! `homelab check` of a project of 200 files: how long a person or an editor waits.
//!
//! `cargo bench --bench check` prints the median and the slowest of 30 runs of the program, and of the library alone.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark may end at the first thing that is not as it should be"
)]
#![expect(clippy::print_stdout, reason = "figures are what it is for")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use homelab::plan::{CheckRequest, check};
use homelab::project::read;

const TASKS: usize = 120;
const TEMPLATES: usize = 60;
const GROUPS: usize = 10;
const DEPLOYS: usize = 7;
const HOSTS: usize = 10;
const RUNS: usize = 30;

fn main() {
    let project = tempfile::tempdir().unwrap();
    let files = generate(project.path());
    println!("{files} files, {HOSTS} hosts in each of 2 inventories, {DEPLOYS} deploys that share {TASKS} tasks");
    let program = times(|| {
        let ran = Command::new(env!("CARGO_BIN_EXE_homelab"))
            .arg("check")
            .current_dir(project.path())
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    });
    tell("the program", &program);
    let reading = times(|| assert!(read(project.path()).mistakes.is_empty()));
    tell("reading alone", &reading);
    let read = read(project.path());
    let planning = times(|| assert!(check(&read, &CheckRequest::default()).unwrap().mistakes.is_empty()));
    tell("planning alone", &planning);
}

fn times(run: impl Fn()) -> Vec<Duration> {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    times
}

fn tell(what: &str, times: &[Duration]) {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
    println!(
        "{what:<16} median {:.1} ms, slowest {:.1} ms",
        milliseconds(median),
        milliseconds(slowest)
    );
}

/// Writes the project, and gives the number of its files.
fn generate(root: &Path) -> usize {
    let mut files = 0;
    let mut write = |path: String, text: String| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        files += 1;
    };
    for inventory in ["home", "dev"] {
        let mut text = "groups = [\"group0\"]\n".to_owned();
        for host in 0..HOSTS {
            let group = 1 + host % (GROUPS - 1);
            let _ = write!(
                text,
                "\n[hosts.{inventory}{host}]\naddress = \"192.0.2.{host}\"\ngroups = [\"group{group}\"]\n"
            );
        }
        write(format!("inventories/{inventory}.toml"), text);
    }
    let mut all = "root = \"/srv\"\nport = 8000\nnames = [\"a\", \"b\", \"c\"]\n".to_owned();
    for task in 0..TASKS {
        let _ = write!(
            all,
            "\n[task{task}]\npath = \"{{{{ root }}}}/{task}\"\nenabled = true\nwords = [\"x\", \"y\"]\n"
        );
    }
    write("group_data/all.toml".to_owned(), all);
    for group in 0..GROUPS {
        write(format!("group_data/group{group}.toml"), format!("port = 80{group}0\n"));
    }
    for task in 0..TASKS {
        write(format!("tasks/t/task{task}.toml"), task_text(task));
    }
    for template in 0..TEMPLATES {
        let text =
            "# {{ host.name }}\n{% for name in names %}{{ name }} {{ port }}\n{% endfor %}{{ root }}\n".repeat(10);
        write(format!("templates/t/file{template}.j2"), text);
    }
    for deploy in 0..DEPLOYS {
        let tasks: Vec<String> = (deploy..TASKS)
            .step_by(DEPLOYS)
            .map(|task| format!("\"t/task{task}\""))
            .collect();
        write(
            format!("deploys/deploy{deploy}.toml"),
            format!("hosts = [\"*\"]\ntasks = [{}]\n", tasks.join(", ")),
        );
    }
    files
}

fn task_text(task: usize) -> String {
    let template = task % TEMPLATES;
    format!(
        r#"description = "task {task}"
when = "task{task}.enabled"

[[operation]]
op = "apt.packages"
packages = "{{{{ task{task}.words }}}}"

[[operation]]
op = "files.directory"
path = "{{{{ task{task}.path }}}}"
mode = "0755"

[[operation]]
op = "files.template"
src = "t/file{template}.j2"
dest = "{{{{ task{task}.path }}}}/file"

[[operation]]
op = "files.put"
for_each = "names"
dest = "{{{{ task{task}.path }}}}/{{{{ item }}}}"
content = "{{{{ host.name }}}} {{{{ port }}}}"
"#
    )
}
