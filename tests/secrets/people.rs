//! Teams: people who are added and removed.

use super::{CANARY, Lab, Person, changed_lines};

/// The public key that `init` prints.
fn public_key(person: &Person, lab: &Lab) -> String {
    let told = person.run(lab, &["secrets", "init"]).expect(0).out;
    let line = told.lines().find_map(|line| line.strip_prefix("your public key: "));
    line.unwrap().to_owned()
}

#[test]
fn a_second_person_is_added_and_removed() {
    let lab = Lab::new();
    let anna = Person::who_begins("anna", &lab);
    anna.set(&lab, "grafana.password", CANARY);
    let bela = Person::new("bela");
    let key = public_key(&bela, &lab);
    bela.get(&lab, "grafana.password").expect(3).says(&key);
    anna.run(&lab, &["secrets", "recipients", "add", "bela", &key])
        .expect(0)
        .says("`bela` can decrypt from now on; encrypted 2 secrets again in group_data/all.toml, .lab-key.age");
    assert_eq!(bela.get(&lab, "grafana.password").expect(0).out, CANARY);
    assert!(
        bela.run(&lab, &["secrets", "init"])
            .expect(0)
            .out
            .contains("you can decrypt")
    );
    let listed = bela.run(&lab, &["secrets", "recipients"]).expect(0).out;
    assert!(
        listed.contains("  anna\n") && listed.contains(&format!("{key}  bela\n")),
        "{listed}"
    );

    let old = lab.read("group_data/all.toml");
    let recipients = lab.read(".age-recipients");
    anna.run(&lab, &["secrets", "recipients", "remove", "bela"])
        .expect(0)
        .says("git's history");
    bela.get(&lab, "grafana.password").expect(3).says("for other keys");
    assert_eq!(anna.get(&lab, "grafana.password").expect(0).out, CANARY);
    assert_eq!(changed_lines(&recipients, &lab.read(".age-recipients")), (2, 0));
    // What is in git's history still opens, as the message says.
    lab.write("group_data/all.toml", &old);
    assert_eq!(bela.get(&lab, "grafana.password").expect(0).out, CANARY);
}

#[test]
fn nothing_is_written_unless_all_secrets_can_be_encrypted_again() {
    let lab = Lab::new();
    let anna = Person::who_begins("anna", &lab);
    anna.set(&lab, "grafana.password", CANARY);
    anna.set(&lab, "grafana.token", CANARY);
    lab.change("token = ", "other = ");
    let files = || (lab.read("group_data/all.toml"), lab.read(".age-recipients"));
    let before = files();
    let bela = Person::new("bela");
    let key = public_key(&bela, &lab);
    anna.run(&lab, &["secrets", "recipients", "add", "bela", &key])
        .expect(3)
        .says("cannot decrypt `grafana.other`");
    anna.run(&lab, &["secrets", "recipients", "remove", "anna"])
        .expect(3)
        .says("last recipient");
    // No person locks themselves out, or lets in a person who cannot prove a key.
    bela.run(&lab, &["secrets", "rekey"])
        .expect(3)
        .says("you are not in `.age-recipients`");
    let private = std::fs::read_to_string(bela.identity()).unwrap();
    let private = private.lines().last().unwrap();
    anna.run(&lab, &["secrets", "recipients", "add", "bela", private])
        .expect(3)
        .says("this is a private key");
    anna.run(&lab, &["secrets", "recipients", "add", "bela", &key[..key.len() - 1]])
        .expect(3)
        .says("a character is missing or wrong");
    assert_eq!(files(), before);
}

#[test]
fn who_is_no_recipient_is_told_so() {
    let lab = Lab::new();
    let anna = Person::who_begins("me", &lab);
    let bela = Person::new("me");
    // The name of the first recipient is not suggested again.
    let told = bela.run(&lab, &["secrets", "init"]).expect(0).out;
    assert!(told.contains("recipients add YOUR_NAME age1"), "{told}");
    let warning = "you cannot decrypt it yourself";
    for arguments in [
        &["secrets", "set", "group_data/all.toml", "token"][..],
        &["secrets", "generate", "group_data/all.toml", "other"],
        &["secrets", "set", "templates/x.age"],
    ] {
        bela.pipe(&lab, arguments, CANARY).expect(0).says(warning);
        let by_anna = match arguments[1] {
            "generate" => [arguments, &["--replace"]].concat(),
            _ => arguments.to_vec(),
        };
        let told = anna.pipe(&lab, &by_anna, CANARY).expect(0);
        assert!(!told.err.contains(warning), "{}", told.err);
    }
}

#[test]
fn secrets_for_the_recipients_of_another_day_are_counted() {
    let lab = Lab::new();
    let anna = Person::who_begins("anna", &lab);
    anna.set(&lab, "grafana.password", CANARY);
    anna.pipe(&lab, &["secrets", "set", "templates/x.age"], CANARY)
        .expect(0);
    let key = public_key(&Person::new("bela"), &lab);
    anna.run(&lab, &["secrets", "recipients", "add", "bela", &key])
        .expect(0);
    let checked = anna.run(&lab, &["check"]).expect(0);
    assert!(!checked.out.contains("recipients"), "{}", checked.out);
    // As `remove` leaves it when it is killed: the recipients come first.
    let old = lab.read("group_data/all.toml");
    let (file, lab_key) = (lab.read("templates/x.age"), lab.read(".lab-key.age"));
    anna.run(&lab, &["secrets", "recipients", "remove", "bela"]).expect(0);
    lab.write("templates/x.age", &file);
    anna.run(&lab, &["check"])
        .expect(0)
        .says("1 secret is not encrypted for the recipients of today: run `homelab secrets rekey`");
    lab.write("group_data/all.toml", &old);
    lab.write(".lab-key.age", &lab_key);
    anna.run(&lab, &["check"])
        .expect(0)
        .says("3 secrets are not encrypted for the recipients of today");
    anna.run(&lab, &["secrets", "rekey"]).expect(0);
    let checked = anna.run(&lab, &["check"]).expect(0);
    assert!(!checked.out.contains("recipients"), "{}", checked.out);
}

#[test]
fn what_a_killed_command_left_is_no_file_of_the_project_and_is_removed() {
    let lab = Lab::new();
    let anna = Person::who_begins("anna", &lab);
    anna.set(&lab, "grafana.password", CANARY);
    // As a command leaves them that is killed while it writes: half of a file, in the folder of the whole one.
    let left = [".homelab-unfinished-a1", "templates/.homelab-unfinished-b2"];
    let in_use = "group_data/.homelab-unfinished-c3";
    for name in left.iter().chain([&in_use]) {
        lab.write(name, "half");
    }
    let held = std::fs::File::open(lab.root().join(in_use)).unwrap();
    held.lock().unwrap();
    anna.run(&lab, &["check"]).expect(0);
    anna.run(&lab, &["secrets", "rekey"]).expect(0);
    for name in left {
        assert!(!lab.root().join(name).exists(), "{name}");
    }
    // Another command writes it right now.
    assert!(lab.root().join(in_use).exists());
    drop(held);
    anna.get(&lab, "grafana.password").expect(0);
    assert!(!lab.root().join(in_use).exists());
}
