//! Secrets of a password manager.

use std::fs;

use super::{CANARY, Lab, Person};

#[test]
fn a_provider_is_asked_once_by_a_deploy_and_never_by_a_check() {
    let lab = Lab::new();
    let anna = Person::new("anna");
    lab.change("port = 3_000", "port = 3_000\npassword = \"SECRET[pass,lab/grafana]\"");
    anna.run(&lab, &["deploy", "dev", "site", "--dry-run"])
        .expect(3)
        .says("no provider `pass`")
        .says("group_data/all.toml:6:12")
        .says("[\"pass\", \"show\", \"{name}\"]");
    let asked = anna.home.path().join("asked");
    let script = format!("echo \"$1\" >>{}; echo {CANARY}; exit 1", asked.display());
    let configuration = format!("[secret_providers.pass]\ncommand = ['sh', '-c', '{script}', 'sh', '{{name}}']\n");
    let folder = anna.home.path().join(".config/homelab");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.toml"), configuration).unwrap();
    anna.run(&lab, &["check"]).expect(0).says("1 secret was not decrypted");
    anna.run(&lab, &["inventory", "explain", "nas", "grafana.password"])
        .expect(0);
    assert!(!asked.exists());
    // Refused before any connection, without what it printed.
    let told = anna
        .run(&lab, &["deploy", "dev", "site", "--dry-run"])
        .expect(3)
        .says("`pass` gave no secret");
    assert!(!told.out.contains(CANARY), "{}", told.out);
    assert_eq!(fs::read_to_string(&asked).unwrap(), "lab/grafana\n");
}
