//! `homelab secrets` as people use it: the binary, in a project, with a home of its own for each person.

mod certificates;
mod editing;
mod people;
mod places;
mod providers;
mod secret_files;
mod sops;
mod variables;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A secret that no output may show.
const CANARY: &str = "correct-horse-battery-staple";

const FILES: &[(&str, &str)] = &[
    ("inventories/dev.toml", "[hosts.nas]\naddress = \"192.0.2.1\"\n"),
    (
        "group_data/all.toml",
        "# Passwords\n\nadmin = \"root\"   # the user\n[grafana] # monitoring\nport = 3_000\n",
    ),
    ("deploys/site.toml", "hosts = [\"nas\"]\ntasks = [\"web\"]\n"),
    (
        "tasks/web.toml",
        "[[operation]]\nop = \"files.put\"\ncontent = \"{{ grafana.port }}\\n\"\ndest = \"/etc/x\"\n",
    ),
];

/// A project in a folder.
struct Lab(tempfile::TempDir);

/// A person with a home.
struct Person {
    name: &'static str,
    home: tempfile::TempDir,
}

/// What a run printed.
struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Lab {
    fn new() -> Self {
        let lab = Self(tempfile::tempdir().unwrap());
        for (path, text) in FILES {
            lab.write(path, text);
        }
        lab
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes `group_data/all.toml` with `from` replaced by `to`.
    fn change(&self, from: &str, to: &str) {
        let text = self.read("group_data/all.toml");
        assert!(text.contains(from), "{text}");
        self.write("group_data/all.toml", &text.replace(from, to));
    }
}

impl Person {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// A person with a key, the first recipient of the project.
    fn who_begins(name: &'static str, lab: &Lab) -> Self {
        let person = Self::new(name);
        person.run(lab, &["secrets", "init"]).expect(0);
        person
    }

    fn identity(&self) -> PathBuf {
        self.home.path().join(".config/homelab/identity.txt")
    }

    fn command(&self, lab: &Lab, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_homelab"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        command
            .args(arguments)
            .current_dir(lab.root())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.home.path())
            .env("USER", self.name)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, lab: &Lab, arguments: &[&str]) -> Told {
        Told::of(self.command(lab, arguments).output().unwrap())
    }

    /// Runs a command with `input` on its standard input.
    fn pipe(&self, lab: &Lab, arguments: &[&str], input: &str) -> Told {
        let mut command = self.command(lab, arguments);
        let piped = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        // A command that refuses does not read it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Told::of(child.wait_with_output().unwrap())
    }

    fn set(&self, lab: &Lab, key: &str, value: &str) {
        self.pipe(lab, &["secrets", "set", "group_data/all.toml", key], value)
            .expect(0);
    }

    fn get(&self, lab: &Lab, key: &str) -> Told {
        self.run(lab, &["secrets", "get", "group_data/all.toml", key])
    }

    /// Runs `homelab secrets edit` with the shell text `script` as the editor, which gets the file as `$1`.
    fn editing(&self, lab: &Lab, script: &str) -> Command {
        let editor = self.home.path().join("editor");
        fs::write(&editor, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&editor, fs::Permissions::from_mode(0o700)).unwrap();
        let mut command = self.command(lab, &["secrets", "edit", "group_data/all.toml"]);
        command.env("EDITOR", &editor).env("XDG_RUNTIME_DIR", self.runtime());
        command
    }

    /// A folder as a login makes it for each user.
    fn runtime(&self) -> PathBuf {
        let folder = self.home.path().join("run");
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        folder
    }
}

impl Told {
    fn of(output: Output) -> Self {
        let told = Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(
            !told.err.contains(CANARY) && !told.err.contains("AGE-SECRET-KEY-1"),
            "{}",
            told.err
        );
        told
    }

    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self
    }

    #[track_caller]
    fn says(self, text: &str) -> Self {
        let all = format!("{}{}", self.out, self.err);
        assert!(all.contains(text), "no {text:?} in:\n{all}");
        self
    }
}

/// The lines of two texts that differ, as `git diff` counts them.
fn changed_lines(before: &str, after: &str) -> (usize, usize) {
    let lines = |one: &str, other: &str| {
        let other: Vec<&str> = other.lines().collect();
        one.lines().filter(|line| !other.contains(line)).count()
    };
    (lines(before, after), lines(after, before))
}

#[test]
fn a_value_is_encrypted_in_place_and_the_rest_of_the_file_stays() {
    let lab = Lab::new();
    let anna = Person::who_begins("anna", &lab);
    let mode = fs::metadata(anna.identity()).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let before = lab.read("group_data/all.toml");
    anna.set(&lab, "grafana.password", &format!("{CANARY}\n"));
    let after = lab.read("group_data/all.toml");
    assert_eq!(changed_lines(&before, &after), (0, 1), "{after}");
    assert!(
        after.starts_with(&before) && after.contains("\npassword = \"ENC[age,"),
        "{after}"
    );
    assert_eq!(anna.get(&lab, "grafana.password").expect(0).out, CANARY);
    // A value that was in clear text: only the value changes, not what is around it.
    anna.set(&lab, "admin", CANARY);
    let after = lab.read("group_data/all.toml");
    assert_eq!(changed_lines(&before, &after), (1, 2), "{after}");
    assert!(
        after.contains("]\"   # the user\n") && !after.contains(CANARY),
        "{after}"
    );
    let told = anna.run(&lab, &["check"]).expect(0);
    assert!(!told.out.contains(CANARY), "{}", told.out);
}

#[test]
fn a_random_value_is_written_once() {
    let lab = Lab::new();
    let anna = Person::who_begins("anna", &lab);
    let generate = [
        "secrets",
        "generate",
        "group_data/all.toml",
        "grafana.token",
        "--length",
        "24",
    ];
    anna.run(&lab, &generate).expect(0);
    let first = anna.get(&lab, "grafana.token").expect(0).out;
    assert!(
        first.len() == 24 && first.chars().all(|one| one.is_ascii_alphanumeric()),
        "{first}"
    );
    anna.run(&lab, &generate).expect(3).says("use `--replace`");
    assert_eq!(anna.get(&lab, "grafana.token").expect(0).out, first);
    anna.run(&lab, &[&generate[..], &["--replace"]].concat()).expect(0);
    assert_ne!(anna.get(&lab, "grafana.token").expect(0).out, first);
}

#[test]
fn a_value_that_is_moved_to_another_key_is_refused_at_its_place() {
    let lab = Lab::new();
    let anna = Person::who_begins("anna", &lab);
    anna.set(&lab, "grafana.password", CANARY);
    lab.change("password = ", "motd = ");
    for command in [&["check"][..], &["deploy", "dev", "site", "--dry-run"]] {
        anna.run(&lab, command)
            .expect(3)
            .says("`grafana.motd` has the encrypted value of `grafana.password`")
            .says("group_data/all.toml:6:8");
    }
    anna.get(&lab, "grafana.motd").expect(3).says("`grafana.password`");
}

#[test]
fn without_a_key_a_check_says_what_it_left_out_and_a_deploy_is_refused() {
    let lab = Lab::new();
    let anna = Person::who_begins("anna", &lab);
    anna.set(&lab, "grafana.password", CANARY);
    anna.set(&lab, "grafana.token", CANARY);
    let reviewer = Person::new("reviewer");
    reviewer
        .run(&lab, &["check"])
        .expect(0)
        .says("2 secrets were not decrypted");
    anna.run(&lab, &["check"])
        .expect(0)
        .says("no problems found (1 host checked without connecting)\n");
    reviewer
        .run(&lab, &["deploy", "dev", "site", "--dry-run"])
        .expect(3)
        .says("no private key to decrypt `grafana.password` and another value")
        .says("group_data/all.toml:6:12")
        .says("HOMELAB_AGE_IDENTITY");
    // A key of another person.
    let elsewhere = Lab::new();
    let bela = Person::who_begins("bela", &elsewhere);
    bela.run(&lab, &["check"])
        .expect(0)
        .says("2 secrets were not decrypted");
    bela.run(&lab, &["deploy", "dev", "site", "--dry-run"])
        .expect(3)
        .says("your private key does not open `grafana.password`")
        .says("recipients add NAME age1");
}

#[test]
fn keys_come_from_the_variables_that_people_know() {
    let lab = Lab::new();
    let anna = Person::who_begins("anna", &lab);
    anna.set(&lab, "grafana.password", CANARY);
    let elsewhere = Person::new("ci");
    let get = ["secrets", "get", "group_data/all.toml", "grafana.password"];
    for variable in ["HOMELAB_AGE_IDENTITY", "SOPS_AGE_KEY_FILE"] {
        let mut command = elsewhere.command(&lab, &get);
        let told = Told::of(command.env(variable, anna.identity()).output().unwrap()).expect(0);
        assert_eq!(told.out, CANARY);
        let mut command = elsewhere.command(&lab, &get);
        Told::of(command.env(variable, "/nowhere").output().unwrap())
            .expect(3)
            .says("`/nowhere` does not exist");
    }
    let key = fs::read_to_string(anna.identity()).unwrap();
    for variable in ["HOMELAB_AGE_KEY", "SOPS_AGE_KEY"] {
        let mut command = elsewhere.command(&lab, &get);
        assert_eq!(
            Told::of(command.env(variable, &key).output().unwrap()).expect(0).out,
            CANARY
        );
    }
}

#[test]
fn a_private_key_that_others_could_get_is_refused() {
    let lab = Lab::new();
    let anna = Person::who_begins("anna", &lab);
    anna.set(&lab, "grafana.password", CANARY);
    fs::set_permissions(anna.identity(), fs::Permissions::from_mode(0o640)).unwrap();
    anna.get(&lab, "grafana.password").expect(3).says("chmod 600");
    fs::set_permissions(anna.identity(), fs::Permissions::from_mode(0o600)).unwrap();
    let inside = lab.root().join("key.txt");
    fs::copy(anna.identity(), &inside).unwrap();
    let with_inside = || {
        let mut command = anna.command(&lab, &["secrets", "get", "group_data/all.toml", "grafana.password"]);
        Told::of(command.env("HOMELAB_AGE_IDENTITY", &inside).output().unwrap())
    };
    // Without git nothing is committed.
    with_inside().expect(0);
    let init = Command::new("git")
        .args(["init", "--quiet"])
        .current_dir(lab.root())
        .status();
    assert!(init.unwrap().success());
    with_inside().expect(3).says("`key.txt` could be committed");
    lab.write(".gitignore", "key.txt\n");
    with_inside().expect(0);
}
