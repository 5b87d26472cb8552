//! Files, names and values that are wrong.

use super::{CANARY, Lab, Person};

#[test]
fn wrong_files_and_names_are_answered_with_what_was_meant() {
    let lab = Lab::new();
    let anna = Person::who_begins("anna", &lab);
    anna.set(&lab, "grafana.password", CANARY);
    let get = |file: &str, key: &str| anna.run(&lab, &["secrets", "get", file, key]).expect(3);
    get("all", "grafana.password").says("did you mean `group_data/all.toml`?");
    get("group_data/al.toml", "grafana.password").says("did you mean `group_data/all.toml`?");
    get("deploys/site.toml", "hosts").says("is not a file with data of hosts");
    get("../elsewhere.toml", "x").says("`../elsewhere.toml` is not in this project");
    let other = Lab::new();
    let file = other.root().join("group_data/all.toml");
    get(&file.to_string_lossy(), "admin").says("is not in this project");
    get("group_data/all.toml", "grafana.pasword").says("did you mean `grafana.password`?");
    get("group_data/all.toml", "admin").says("`admin` of `group_data/all.toml` is not encrypted");
    get("group_data/all.toml", "grafana").says("is not a string");
    get("group_data/all.toml", "grafana..x").says("`grafana..x` is not a dotted name");
    get("inventories/dev.toml", "password").says("write `hosts.NAME.data.password`");
    let set = |key: &str| anna.pipe(&lab, &["secrets", "set", "group_data/all.toml", key], "x");
    let before = lab.read("group_data/all.toml");
    set("grafana").expect(3).says("cannot set `grafana`");
    set("admin.x").expect(3).says("`admin` is a string there");
    set("users[0].password").expect(3).says("has no `users`");
    for name in ["host", "facts.x", "vars", "\"item\""] {
        set(name).expect(3).says("is a reserved name");
    }
    for name in ["true", "none", "in", "env", "range.x", "loop", "self"] {
        set(name).expect(3).says("cannot be the name of data");
    }
    assert_eq!(lab.read("group_data/all.toml"), before);
    let of_host = ["secrets", "set", "inventories/dev.toml", "hosts.nas.data.stack"];
    anna.pipe(&lab, &of_host, "x")
        .expect(3)
        .says("`stack` is a reserved name");
    anna.run(&lab, &["check"]).expect(0);
}

#[test]
fn a_host_has_secrets_of_its_own_and_lists_can_be_sorted() {
    let lab = Lab::new();
    let anna = Person::who_begins("anna", &lab);
    let set = [
        "secrets",
        "set",
        "inventories/dev.toml",
        "hosts.nas.data.grafana.password",
    ];
    anna.pipe(&lab, &set, CANARY).expect(0);
    let mut unknown = set;
    unknown[3] = "hosts.nass.data.grafana.password";
    anna.pipe(&lab, &unknown, CANARY)
        .expect(3)
        .says("`inventories/dev.toml` has no host `nass`");
    let value = lab.read("inventories/dev.toml");
    let value = value
        .split('"')
        .find(|part| part.starts_with("ENC[age,"))
        .unwrap()
        .to_owned();
    anna.run(&lab, &["check"]).expect(0);
    // The same data, for all hosts.
    lab.change("port = 3_000", &format!("port = 3_000\npassword = \"{value}\""));
    assert_eq!(anna.get(&lab, "grafana.password").expect(0).out, CANARY);
    lab.change(
        "admin = ",
        "users = [{ name = \"a\", password = \"\" }, { name = \"b\", password = \"\" }]\nadmin = ",
    );
    anna.set(&lab, "users[0].password", "first");
    anna.set(&lab, "users[1].password", "second");
    assert_eq!(anna.get(&lab, "users[1].password").expect(0).out, "second");
    anna.run(&lab, &["check"]).expect(0);
}

#[test]
fn values_that_are_not_whole_or_not_data_are_mistakes_of_the_project() {
    let lab = Lab::new();
    let anna = Person::who_begins("anna", &lab);
    anna.set(&lab, "grafana.password", CANARY);
    let good = lab.read("group_data/all.toml");
    let value = good.split('"').find(|part| part.starts_with("ENC[age,")).unwrap();
    let reviewer = Person::new("reviewer");
    let told = |value: &str| {
        lab.write(
            "group_data/all.toml",
            &format!("admin = \"root\"\ngrafana.port = 1\nx = \"{value}\"\n"),
        );
        // Whole or not is seen without a key.
        let told = reviewer.run(&lab, &["check"]).expect(3);
        lab.write("group_data/all.toml", &good);
        told
    };
    told("ENC[age,placeholder]").says("not base64");
    told("ENC[age,cGxhY2Vob2xkZXI=]").says("was not made by age");
    told(&value[..value.len() - 1]).says("does not end with `]`");
    told(&format!("Bearer {value}")).says("is only partly encrypted");
    told("ENC[AES256_GCM,data:x,type:str]").says("whole files of sops");
    let clear = told(&format!("DEC[age,{CANARY}]")).says("is a secret in clear text");
    assert!(!clear.out.contains(CANARY), "{}", clear.out);
    // Changed in one character: whole, but no key opens it.
    let middle = value.len() - 20;
    let other = if &value[middle..=middle] == "A" { "B" } else { "A" };
    let changed = format!("{}{other}{}", &value[..middle], &value[middle + 1..]);
    lab.write("group_data/all.toml", &good.replace(value, &changed));
    anna.run(&lab, &["check"]).expect(3).says("cut or changed");
    lab.write("group_data/all.toml", &good);
    let task = lab.read("tasks/web.toml");
    lab.write("tasks/web.toml", &task.replace("{{ grafana.port }}\\n", value));
    anna.run(&lab, &["check"])
        .expect(3)
        .says("encrypted values are data")
        .says("tasks/web.toml:3:11");
}

#[test]
fn commands_that_show_data_show_no_secret() {
    let lab = Lab::new();
    let anna = Person::who_begins("anna", &lab);
    anna.set(&lab, "grafana.password", CANARY);
    lab.change("[grafana]", "url = \"https://{{ grafana.password }}@x\"\n[grafana]");
    for command in [
        &["inventory", "show", "nas"][..],
        &["inventory", "explain", "nas", "grafana.password"],
        &["inventory", "explain", "nas", "url"],
        &["check", "--format", "json"],
    ] {
        let told = anna.run(&lab, command).expect(0);
        assert!(
            !told.out.contains(CANARY) && !told.out.contains("ENC[age,"),
            "{}",
            told.out
        );
    }
}
