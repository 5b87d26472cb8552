//! Commands beside `deploy`: on hosts, about hosts, on the lab.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::docker::docker;
use crate::support::host::Host;
use crate::support::project::{Project, text};

const TWO: &[(&str, &str)] = &[(
    "inventories/dev.toml",
    "[hosts.alpha]\nlab = true\n[hosts.beta]\nlab = { image = 'debian:12' }\n",
)];

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}"))
}

#[test]
fn commands_run_on_hosts_and_hosts_are_looked_at_and_made_anew() {
    let project = Project::of(TWO);
    let alpha = project.up("dev", "alpha");
    exec_on_one_host_is_as_if_one_were_there(&project, &alpha);
    exec_is_heard_while_it_runs(&project);
    exec_passes_on_much(&project);
    exec_on_several_hosts_says_which_said_what(&project);
    facts_are_those_of_the_host(&project, &alpha);
    status_for_programs(&project);
    reset_makes_one_host_anew(&project);
}

fn exec_on_one_host_is_as_if_one_were_there(project: &Project, alpha: &Host<'_>) {
    let ran = project.homelab(&["exec", "dev", "alpha", "--", "printf", "%s|", "a b", "$HOME", "'", "*"]);
    assert_eq!(ran.expect(0).stdout, "a b|$HOME|'|*|");
    let ran = project.homelab(&["exec", "dev", "alpha", "--", "echo $HOME; echo bad >&2; cat; exit 42"]);
    let ran = ran.expect(42);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("/root\n", "bad\n"));
    let bytes = project
        .command(&["exec", "dev", "alpha", "--", r"printf '\000\377\033[1m'"])
        .output()
        .unwrap();
    assert_eq!(bytes.stdout, b"\0\xff\x1b[1m");
    project
        .homelab(&["exec", "dev", "alpha", "--", "touch", "/opt/made"])
        .expect(0);
    assert_eq!(alpha.inside("stat -c %a /opt/made"), "644\n");
    project.homelab(&["exec", "dev", "alpha"]).expect(3);
    let ran = project.homelab(&["exec", "dev", "alhpa", "--", "true"]).expect(3);
    assert!(ran.stderr.contains("did you mean `alpha`?"), "{}", ran.stderr);
}

/// A program that prints, waits and prints: when its first line and its end came.
fn first_line_and_end(project: &Project, pattern: &str, expected: &str) {
    let line = if expected.is_empty() {
        "echo first; echo aside >&2; sleep 3; echo last"
    } else {
        "[ $(uname -n) = beta ] || exit 0; echo first; echo aside >&2; sleep 3; echo last"
    };
    let start = Instant::now();
    let mut command = project.command(&["exec", "dev", pattern, "--", line]);
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines();
    let mut errors = BufReader::new(run.stderr.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), format!("{expected}first"));
    assert_eq!(errors.next().unwrap().unwrap(), format!("{expected}aside"));
    let heard = start.elapsed();
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    let took = start.elapsed();
    assert!(
        rest.last().unwrap().ends_with("last") && errors.all(|line| line.unwrap().ends_with("aside")),
        "{rest:?}"
    );
    assert!(run.wait().unwrap().success());
    let between = took.saturating_sub(heard);
    assert!(between > Duration::from_millis(2500), "{heard:?} {took:?}");
}

fn exec_is_heard_while_it_runs(project: &Project) {
    first_line_and_end(project, "alpha", "");
    first_line_and_end(project, "*", "beta: ");
    let one_line_each = project
        .homelab(&["exec", "dev", "*", "--", "printf one; printf two >&2"])
        .expect(0);
    assert!(
        one_line_each.stdout.contains("alpha: one\n"),
        "{}",
        one_line_each.stdout
    );
    assert!(one_line_each.stderr.contains("beta: two\n"), "{}", one_line_each.stderr);
}

fn exec_passes_on_much(project: &Project) {
    let line = "yes abcdefghi | head -c 5000000; yes 123456789 | head -c 3000000 >&2; exit 7";
    let output = project.command(&["exec", "dev", "alpha", "--", line]).output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    for (bytes, length, unit) in [
        (output.stdout, 5_000_000, &b"abcdefghi\n"[..]),
        (output.stderr, 3_000_000, b"123456789\n"),
    ] {
        assert_eq!(bytes.len(), length);
        assert!(bytes.chunks(unit.len()).all(|line| line == unit), "bytes were altered");
    }
    // The host is read no faster than this side is.
    let slow = format!(
        "'{}' exec dev alpha -- 'head -c 20000000 /dev/zero' | {{ sleep 2; wc -c; }}",
        env!("CARGO_BIN_EXE_homelab")
    );
    let counted = Command::new("sh")
        .args(["-c", &slow])
        .current_dir(project.root())
        .output()
        .unwrap();
    assert_eq!(text(&counted.stdout), "20000000\n");
}

fn exec_on_several_hosts_says_which_said_what(project: &Project) {
    let line = "echo one; echo two >&2; grep -q 13 /etc/debian_version";
    let ran = project.homelab(&["exec", "dev", "*", "--", line]).expect(1);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&ran.stdout), ["alpha: one", "beta: one"]);
    assert_eq!(sorted(&ran.stderr), ["alpha: two", "beta: exit code 1", "beta: two"]);
    project.homelab(&["exec", "dev", "alpha,beta", "--", "true"]).expect(0);
    let inventory = format!(
        "{}[hosts.gone]\naddress = '127.0.0.1'\nconnection = {{ port = 1 }}\n",
        TWO[0].1
    );
    project.write("inventories/dev.toml", inventory);
    let ran = project.homelab(&["exec", "dev", "*", "--", "true"]).expect(4);
    assert!(ran.stderr.contains("gone: cannot reach `127.0.0.1`"), "{}", ran.stderr);
    project.homelab(&["exec", "dev", "gone", "--", "true"]).expect(4);
    project.write("inventories/dev.toml", TWO[0].1);
}

fn facts_are_those_of_the_host(project: &Project, alpha: &Host<'_>) {
    let fact = |name: &str| project.homelab(&["facts", "dev", "alpha", name]).expect(0).stdout;
    assert_eq!(fact("kernel"), alpha.inside("uname -r"));
    assert_eq!(fact("os.codename"), "trixie\n");
    assert_eq!(
        project
            .homelab(&["facts", "dev", "beta", "os.version"])
            .expect(0)
            .stdout,
        "12\n"
    );
    // What is looked up by a name, which may have dots.
    assert_eq!(
        fact("users.nobody.shell"),
        alpha.inside("getent passwd nobody | cut -d: -f7")
    );
    assert_eq!(
        fact("packages.openssh-server.version"),
        alpha.inside("dpkg-query -W -f '${Version}\n' openssh-server")
    );
    assert_eq!(fact("packages.docker.io"), "none\n");
    let all = project.homelab(&["facts", "dev", "alpha"]).expect(0).stdout;
    assert!(
        all.contains("os.id = debian\n") && all.contains("hostname = alpha\n"),
        "{all}"
    );
    let document = json(
        &project
            .homelab(&["facts", "dev", "alpha", "--format", "json"])
            .expect(0)
            .stdout,
    );
    assert_eq!(
        document["architecture"]["dpkg"],
        alpha.inside("dpkg --print-architecture").trim()
    );
    let ran = project.homelab(&["facts", "dev", "alpha", "os.codenam"]).expect(3);
    assert!(ran.stderr.contains("did you mean `os.codename`?"), "{}", ran.stderr);
}

fn status_for_programs(project: &Project) {
    let status = |environment: &[(&str, &str)]| {
        let mut command = project.command(&["lab", "status", "dev", "--format", "json"]);
        json(&text(
            &command.envs(environment.iter().copied()).output().unwrap().stdout,
        ))
    };
    let document = status(&[]);
    assert_eq!(document["format_version"], 1);
    assert_eq!(document["hosts"][0]["state"], "running");
    assert_eq!(document["hosts"][1]["image"], "debian:12");
    let cache = &document["apt_cache"];
    let name = cache["name"].as_str().unwrap();
    let address = docker(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}:3142", name]);
    assert_eq!(cache["address"], address.trim());
    assert_eq!(status(&[("HOMELAB_LAB_APT_CACHE", "off")])["apt_cache"], Value::Null);
    let absent = status(&[("HOMELAB_LAB_APT_CACHE", "homelab-no-such-cache")]);
    assert_eq!(absent["apt_cache"]["state"], "absent");
}

fn reset_makes_one_host_anew(project: &Project) {
    let hosts = || ["alpha", "beta"].map(|name| Host::of(project, "dev", name));
    for host in hosts() {
        host.inside("echo mine >/opt/mine");
    }
    let key = |name: &str| {
        project
            .homelab(&["exec", "dev", name, "--", "cat /etc/ssh/ssh_host_ed25519_key.pub"])
            .expect(0)
    };
    let keys = ["alpha", "beta"].map(|name| key(name).stdout);
    let ran = project.homelab(&["lab", "reset", "dev", "beta"]).expect(0);
    assert!(
        ran.stderr.contains("beta: removed") && !ran.stderr.contains("alpha"),
        "{}",
        ran.stderr
    );
    let [alpha, beta] = hosts();
    assert_eq!(alpha.inside("cat /opt/mine"), "mine\n");
    assert!(!beta.is("test -e /opt/mine"));
    assert_eq!(key("alpha").stdout, keys[0]);
    assert_ne!(key("beta").stdout, keys[1]);
    project.homelab(&["lab", "reset", "dev"]).expect(0);
    assert!(!Host::of(project, "dev", "alpha").is("test -e /opt/mine"));
    let ran = project.homelab(&["lab", "reset", "dev", "gamma"]).expect(3);
    assert!(ran.stderr.contains("unknown lab host"), "{}", ran.stderr);
}
