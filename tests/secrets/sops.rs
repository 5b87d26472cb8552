//! Files that the real `sops` encrypted, from `tests/secrets/sops/`: see the README there.

use std::path::Path;

use super::{Lab, Person, Told};

const FILES: &str = "tests/secrets/sops";
const KEY: &str = include_str!("sops/key.txt");

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILES).join(name);
    std::fs::read_to_string(path).unwrap()
}

/// What a check says with the key of the files, and the text of `name` as the file of the group `all`.
fn checked(name: &str, text: &str) -> Told {
    let lab = Lab::new();
    lab.write(
        &format!("group_data/all.sops.{}", name.rsplit('.').next().unwrap()),
        text,
    );
    let mut command = Person::new("ci").command(&lab, &["check"]);
    Told::of(command.env("SOPS_AGE_KEY", KEY).output().unwrap())
}

#[test]
fn files_of_sops_are_read_and_need_their_key() {
    for name in ["data.yaml", "data.json", "only-encrypted.yaml"] {
        let told = checked(name, &file(name)).expect(0);
        assert_eq!(
            told.out, "no problems found (1 host checked without connecting)\n",
            "{name}"
        );
    }
    let lab = Lab::new();
    lab.write("group_data/all.sops.yaml", &file("data.yaml"));
    let reviewer = Person::new("reviewer");
    reviewer
        .run(&lab, &["check"])
        .expect(0)
        .says("secrets were not decrypted");
    reviewer
        .run(&lab, &["deploy", "dev", "site", "--dry-run"])
        .expect(3)
        .says("no private key to decrypt `database.password`");
    let bela = Person::who_begins("bela", &Lab::new());
    bela.run(&lab, &["deploy", "dev", "site", "--dry-run"])
        .expect(3)
        .says("cannot decrypt `group_data/all.sops.yaml`")
        .says("--add-age age1");
}

#[test]
fn a_file_that_was_changed_without_sops_is_refused() {
    let text = file("data.yaml");
    let plain = "comment_unencrypted: shown";
    assert!(text.contains(plain), "{text}");
    checked("x.yaml", &text.replace(plain, "comment_unencrypted: other"))
        .expect(3)
        .says("it was changed without sops");
    // A value that is moved to another key.
    checked("x.yaml", &text.replace("    password:", "    motd:"))
        .expect(3)
        .says("it was changed without sops");
    checked("x.yaml", "a: 1\n").expect(3).says("is not encrypted");
    checked("x.yaml", "a: [\n").expect(3).says("not valid YAML");
    let without = text.replace("    age:\n", "    other:\n");
    checked("x.yaml", &without).expect(3).says("has no recipients of age");
    checked("x.yaml", &file("both.yaml"))
        .expect(3)
        .says("`admin` is set in two files of one group");
}
