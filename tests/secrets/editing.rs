//! `homelab secrets edit`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{CANARY, Lab, Person, Told, changed_lines};

/// Every file below a folder.
fn below(folder: &Path) -> Vec<String> {
    let found = Command::new("find").arg(folder).args(["-type", "f"]).output().unwrap();
    String::from_utf8(found.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn only_what_was_changed_is_encrypted_again() {
    let lab = Lab::new();
    let anna = Person::who_begins("anna", &lab);
    anna.set(&lab, "grafana.password", CANARY);
    anna.set(&lab, "grafana.token", "two\nlines \"quoted\" ''' \\");
    let before = lab.read("group_data/all.toml");
    // Seen by the editor: the clear text, in a file and a folder of its own.
    let seen = anna.home.path().join("seen");
    let look = format!(
        "cp \"$1\" {0}; stat -c %a \"$1\" \"${{1%/*}}\" >{0}.modes",
        seen.display()
    );
    Told::of(anna.editing(&lab, &look).output().unwrap())
        .expect(0)
        .says("nothing was changed");
    let text = fs::read_to_string(&seen).unwrap();
    assert!(
        text.starts_with("#: ") && text.contains(&format!("password = \"DEC[age,{CANARY}]\"")),
        "{text}"
    );
    assert_eq!(fs::read_to_string(seen.with_extension("modes")).unwrap(), "600\n700\n");
    assert_eq!(lab.read("group_data/all.toml"), before);

    let change =
        "sed -i 's/DEC\\[age,correct/DEC[age,wrong/; s/port = .*/port = 4000/; s/\"root\"/\"DEC[age,toor]\"/' \"$1\"";
    Told::of(anna.editing(&lab, change).output().unwrap())
        .expect(0)
        .says("encrypted admin, grafana.password");
    let after = lab.read("group_data/all.toml");
    assert_eq!(changed_lines(&before, &after), (3, 3), "{after}");
    assert!(!after.contains("#: ") && !after.contains("DEC["), "{after}");
    assert_eq!(anna.get(&lab, "admin").expect(0).out, "toor");
    assert_eq!(
        anna.get(&lab, "grafana.password").expect(0).out,
        CANARY.replace("correct", "wrong")
    );
    assert_eq!(
        anna.get(&lab, "grafana.token").expect(0).out,
        "two\nlines \"quoted\" ''' \\"
    );
    assert_eq!(below(&anna.runtime()), Vec::<String>::new());
}

#[test]
fn what_is_no_toml_is_refused_without_being_shown() {
    let lab = Lab::new();
    let anna = Person::who_begins("anna", &lab);
    anna.set(&lab, "grafana.password", CANARY);
    let before = lab.read("group_data/all.toml");
    let spoil = "sed -i 's/\\[age,\\(.*\\)\\]\"/[age,\\1]/' \"$1\"";
    let told = Told::of(anna.editing(&lab, spoil).output().unwrap())
        .expect(3)
        .says("of the edited text");
    assert!(!told.out.contains(CANARY), "{}", told.out);
    let failing = Told::of(anna.editing(&lab, "echo x >>\"$1\"; exit 1").output().unwrap());
    failing.expect(3).says("nothing was changed");
    assert_eq!(lab.read("group_data/all.toml"), before);
    // The first text, and not that of the editor that failed.
    assert_eq!(below(&anna.runtime()).len(), 1);
}

#[test]
fn a_crash_writes_no_memory_to_disk() {
    let lab = Lab::new();
    let anna = Person::who_begins("anna", &lab);
    let seen = anna.home.path().join("limits");
    let look = format!("cat /proc/$PPID/limits >{}", seen.display());
    Told::of(anna.editing(&lab, &look).output().unwrap()).expect(0);
    let limits = fs::read_to_string(seen).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
}

#[test]
fn a_killed_edit_leaves_no_clear_text() {
    let lab = Lab::new();
    let anna = Person::who_begins("anna", &lab);
    anna.set(&lab, "grafana.password", CANARY);
    let before = below(lab.root());
    let ready = anna.home.path().join("ready");
    let made = Command::new("mkfifo").arg(&ready).status().unwrap();
    assert!(made.success());
    // The editor says that it has the file, and goes on for as long as there is one.
    let editor = format!(
        "echo \"$1\" >{}; while [ -e \"$1\" ]; do sleep 0.05; done",
        ready.display()
    );
    for signal in ["-KILL", "-TERM"] {
        let mut editing = anna.editing(&lab, &editor);
        let mut child = editing.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let path = fs::read_to_string(&ready).unwrap();
        assert!(fs::read_to_string(path.trim()).unwrap().contains(CANARY));
        let killed = Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
        child.wait().unwrap();
        while Path::new(path.trim()).exists() {
            std::thread::yield_now();
        }
        assert_eq!(below(&anna.runtime()), Vec::<String>::new(), "{signal}");
        assert_eq!(below(lab.root()), before, "{signal}");
    }
}

#[test]
fn an_edited_text_that_nobody_can_be_asked_about_is_kept() {
    let lab = Lab::new();
    let anna = Person::who_begins("anna", &lab);
    anna.set(&lab, "grafana.password", CANARY);
    let before = lab.read("group_data/all.toml");
    let told = Told::of(anna.editing(&lab, "echo 'new = [' >>\"$1\"").output().unwrap())
        .expect(3)
        .says("the edited text is kept in")
        .says("unclosed list");
    assert!(
        !told.err.contains(CANARY) && !told.err.contains("mistakes"),
        "{}",
        told.err
    );
    assert_eq!(lab.read("group_data/all.toml"), before);
    let kept = below(&anna.runtime());
    let [path] = kept.as_slice() else { panic!("{kept:?}") };
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(CANARY) && text.ends_with("new = [\n"), "{text}");
    // As the hint says.
    assert!(
        told.err
            .contains(&format!("EDITOR='cp {path}' homelab secrets edit group_data/all.toml")),
        "{}",
        told.err
    );
    fs::write(path, text.replace("new = [", "new = \"DEC[age,other]\"")).unwrap();
    let mut again = anna.command(&lab, &["secrets", "edit", "group_data/all.toml"]);
    again
        .env("EDITOR", format!("cp {path}"))
        .env("XDG_RUNTIME_DIR", anna.runtime());
    Told::of(again.output().unwrap()).expect(0).says("encrypted");
    assert!(!lab.read("group_data/all.toml").contains("other"));
}

#[test]
fn without_a_terminal_and_an_editor_nothing_is_decrypted() {
    let lab = Lab::new();
    let anna = Person::who_begins("anna", &lab);
    anna.set(&lab, "grafana.password", CANARY);
    anna.pipe(&lab, &["secrets", "set", "templates/x.age"], CANARY)
        .expect(0);
    for file in ["group_data/all.toml", "templates/x.age"] {
        let told = anna.run(&lab, &["secrets", "edit", file]).expect(3);
        let told = told.says("no terminal for an editor");
        assert!(!told.out.contains(CANARY) && !told.err.contains(CANARY));
    }
}
