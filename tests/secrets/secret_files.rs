//! Files that are encrypted as a whole.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use super::{CANARY, Lab, Person};

const TASK: &str = r#"
[[operation]]
op = "files.put"
src = "tls/server.key"
dest = "/etc/server.key"

[[operation]]
op = "files.template"
src = "app.env.j2"
dest = "/etc/app.env"

[[operation]]
op = "files.sync"
src = "tls"
dest = "/srv/tls"
"#;

/// A project with encrypted files, and who can decrypt them.
fn with_files() -> (Lab, Person) {
    let lab = Lab::new();
    let anna = Person::who_begins("anna", &lab);
    lab.write("tasks/web.toml", TASK);
    anna.pipe(&lab, &["secrets", "set", "templates/tls/server.key.age"], CANARY)
        .expect(0)
        .says("encrypted templates/tls/server.key.age");
    let template = format!("PORT={{{{ grafana.port }}}}\nPW={CANARY}\n");
    anna.pipe(&lab, &["secrets", "set", "templates/app.env.j2.age"], &template)
        .expect(0);
    (lab, anna)
}

fn get(person: &Person, lab: &Lab, file: &str) -> Vec<u8> {
    let output = person.command(lab, &["secrets", "get", file]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn a_file_is_used_by_the_name_of_its_content_and_never_shown() {
    let (lab, anna) = with_files();
    let file = lab.read("templates/tls/server.key.age");
    assert!(file.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n"), "{file}");
    assert_eq!(get(&anna, &lab, "templates/tls/server.key.age"), CANARY.as_bytes());
    let told = anna.run(&lab, &["check"]).expect(0);
    assert_eq!(told.out, "no problems found (1 host checked without connecting)\n");
    // Any bytes.
    let mut bytes: Vec<u8> = (0..=255).collect();
    bytes.extend(CANARY.as_bytes());
    let mut set = anna.command(&lab, &["secrets", "set", "templates/tls/blob.age"]);
    let mut child = set.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &bytes).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(get(&anna, &lab, "templates/tls/blob.age"), bytes);
    anna.run(&lab, &["check"]).expect(0);
    // The encrypted file itself is not what operations use.
    lab.write(
        "tasks/web.toml",
        &TASK.replace("\"tls/server.key\"", "\"tls/server.key.age\""),
    );
    anna.run(&lab, &["check"])
        .expect(3)
        .says("`tls/server.key.age` is the encrypted file")
        .says("write `tls/server.key`");
}

#[test]
fn without_a_key_its_uses_are_named_before_anything_connects() {
    let (lab, anna) = with_files();
    let reviewer = Person::new("reviewer");
    reviewer
        .run(&lab, &["check"])
        .expect(0)
        .says("2 secrets were not decrypted");
    let told = reviewer.run(&lab, &["deploy", "dev", "site", "--dry-run"]).expect(3);
    let told = told
        .says("no private key to decrypt `templates/tls/server.key.age`")
        .says("tasks/web.toml:4:7")
        .says("no private key to decrypt `templates/app.env.j2.age`")
        .says("tasks/web.toml:9:7");
    assert!(!told.err.contains("192.0.2.1"), "{}", told.err);
    // A key of another person, and a file that was changed.
    let bela = Person::who_begins("bela", &Lab::new());
    bela.run(&lab, &["deploy", "dev", "site", "--dry-run"])
        .expect(3)
        .says("cannot decrypt `templates/app.env.j2.age`")
        .says("encrypted for other keys")
        .says("recipients add NAME age1");
    let file = lab.read("templates/tls/server.key.age");
    let middle = file.len() - 60;
    let other = if &file[middle..=middle] == "A" { "B" } else { "A" };
    let changed = format!("{}{other}{}", &file[..middle], &file[middle + 1..]);
    lab.write("templates/tls/server.key.age", &changed);
    anna.run(&lab, &["check"])
        .expect(3)
        .says("cannot decrypt `templates/tls/server.key.age`")
        .says("tasks/web.toml:4:7");
    lab.write("templates/tls/server.key.age", CANARY);
    reviewer
        .run(&lab, &["check"])
        .expect(3)
        .says("`templates/tls/server.key.age` was not made by age");
}

#[test]
fn a_clear_copy_beside_it_and_an_include_of_it_are_refused() {
    let (lab, anna) = with_files();
    lab.write("templates/tls/server.key", "clear");
    anna.run(&lab, &["check"])
        .expect(3)
        .says("`templates/tls/server.key` and `templates/tls/server.key.age` are one file");
    fs::remove_file(lab.root().join("templates/tls/server.key")).unwrap();
    lab.write("templates/open.j2", "{% include 'app.env.j2' %}\n");
    lab.write("tasks/web.toml", &TASK.replace("\"app.env.j2\"", "\"open.j2\""));
    anna.run(&lab, &["check"])
        .expect(3)
        .says("`templates/app.env.j2.age` is encrypted and cannot be included");
    // A mistake in one names the line, and shows nothing of it.
    for (text, says) in [
        (
            format!("A={CANARY}\nB={{{{ nope }}}} {CANARY}\n"),
            "templates/app.env.j2.age:2:6",
        ),
        (
            format!("A={CANARY}\n{{% if %}} {CANARY}\n"),
            "templates/app.env.j2.age:2:",
        ),
    ] {
        lab.write("tasks/web.toml", TASK);
        anna.pipe(&lab, &["secrets", "set", "templates/app.env.j2.age"], &text)
            .expect(0);
        let told = anna.run(&lab, &["check"]).expect(3).says(says);
        assert!(!format!("{}{}", told.out, told.err).contains(CANARY));
    }
}

#[test]
fn it_is_edited_and_encrypted_again_like_a_value() {
    let (lab, anna) = with_files();
    let editor = anna.home.path().join("editor");
    let edit = |script: &str, file: &str| {
        fs::write(&editor, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&editor, fs::Permissions::from_mode(0o700)).unwrap();
        let mut command: Command = anna.command(&lab, &["secrets", "edit", file]);
        command.env("EDITOR", &editor).env("XDG_RUNTIME_DIR", anna.runtime());
        super::Told::of(command.output().unwrap())
    };
    let before = lab.read("templates/app.env.j2.age");
    edit("true", "templates/app.env.j2.age")
        .expect(0)
        .says("nothing was changed");
    assert_eq!(lab.read("templates/app.env.j2.age"), before);
    edit("echo MORE=1 >>\"$1\"", "templates/app.env.j2.age").expect(0);
    let now = String::from_utf8(get(&anna, &lab, "templates/app.env.j2.age")).unwrap();
    assert!(now.ends_with("\nMORE=1\n") && now.contains(CANARY), "{now}");
    edit("echo new >\"$1\"", "templates/new.age").expect(0);
    assert_eq!(get(&anna, &lab, "templates/new.age"), b"new\n");
    assert_eq!(fs::read_dir(anna.runtime()).unwrap().count(), 0);

    let bela = Person::new("bela");
    let told = bela.run(&lab, &["secrets", "init"]).expect(0).out;
    let key = told.lines().find_map(|line| line.strip_prefix("your public key: "));
    let key = key.unwrap();
    anna.run(&lab, &["secrets", "recipients", "add", "bela", key]).expect(0);
    assert_eq!(get(&bela, &lab, "templates/tls/server.key.age"), CANARY.as_bytes());
    anna.run(&lab, &["secrets", "recipients", "remove", "anna"]).expect(3);
    bela.run(&lab, &["secrets", "recipients", "remove", "anna"]).expect(0);
    let told = anna
        .run(&lab, &["secrets", "get", "templates/tls/server.key.age"])
        .expect(3);
    told.says("encrypted for other keys");
    bela.run(&lab, &["check"]).expect(0);
}

#[test]
fn the_labs_key_is_the_same_for_everyone_who_can_decrypt() {
    let (lab, anna) = with_files();
    lab.change("port = 3_000", "port = 3_000\npassword = \"x\"");
    anna.set(&lab, "grafana.password", CANARY);
    let task = "[[operation]]\nop = \"files.put\"\ndest = \"/etc/x\"\n\
                content = \"{{ grafana.password | password_hash('sha512', salt='anna') }}\"\n";
    lab.write("tasks/web.toml", task);
    anna.run(&lab, &["check"]).expect(0);
    let key = lab.root().join(".lab-key.age");
    let encrypted = fs::read_to_string(&key).unwrap();
    anna.run(&lab, &["secrets", "init"]).expect(0);
    assert_eq!(fs::read_to_string(&key).unwrap(), encrypted);
    // For everyone who is added.
    let bela = Person::new("bela");
    let told = bela.run(&lab, &["secrets", "init"]).expect(0).out;
    let public = told.lines().find_map(|line| line.strip_prefix("your public key: "));
    anna.run(&lab, &["secrets", "recipients", "add", "bela", public.unwrap()])
        .expect(0)
        .says(".lab-key.age");
    bela.run(&lab, &["check"]).expect(0);
    let password = |person: &Person, purpose| person.run(&lab, &["secrets", "lab-password", purpose]).expect(0).out;
    let grafana = password(&anna, "grafana admin");
    assert_eq!(grafana.len(), 40);
    assert_eq!(grafana, password(&bela, "grafana admin"));
    assert_ne!(grafana, password(&bela, "grafana reader"));
    fs::remove_file(&key).unwrap();
    bela.run(&lab, &["secrets", "lab-password", "grafana admin"])
        .expect(3)
        .says("the lab has no key");
    bela.run(&lab, &["check"])
        .expect(3)
        .says("there is no key of the lab")
        .says("run `homelab secrets init`");
    bela.run(&lab, &["secrets", "init"])
        .expect(0)
        .says("created .lab-key.age");
    bela.run(&lab, &["check"]).expect(0);
}
