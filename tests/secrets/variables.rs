//! `env('NAME')` where the variable is not set.

use super::{Lab, Person};

const TASK: &str = "[[operation]]\nop = \"files.put\"\ndest = \"/etc/x\"\ncontent = \"{{ env('PASSWORD') }}\"\n";
/// Nothing listens there.
const NOBODY: &str = "[hosts.nas]\naddress = \"127.0.0.1\"\nconnection = { port = 1 }\n";

#[test]
fn a_review_without_secrets_and_a_check_do_without_it() {
    let (lab, anna) = (Lab::new(), Person::new("anna"));
    lab.write("inventories/dev.toml", NOBODY);
    lab.write("tasks/web.toml", TASK);
    anna.run(&lab, &["check"])
        .expect(0)
        .says("variable `PASSWORD` is not set: what depends on it is not known here");
    anna.run(&lab, &["deploy", "dev", "site", "--dry-run"])
        .expect(3)
        .says("environment variable `PASSWORD` is not set")
        .says("tasks/web.toml:4:15")
        .says("`.env`")
        .says("`--dry-run --without-secrets` reviews the rest");
    anna.run(&lab, &["deploy", "dev", "site", "--dry-run", "--without-secrets"])
        .expect(4)
        .says("variable `PASSWORD` is not set");
    lab.write(".env", "PASSWORD=x\n");
    let told = anna.run(&lab, &["check"]).expect(0);
    assert_eq!(told.out, "no problems found (1 host checked without connecting)\n");
}

#[test]
fn a_connection_needs_it_and_a_check_does_not() {
    let (lab, anna) = (Lab::new(), Person::new("anna"));
    lab.write(
        "inventories/dev.toml",
        "[hosts.nas]\naddress = \"{{ env('ADDRESS') }}\"\n",
    );
    anna.run(&lab, &["check"])
        .expect(0)
        .says("variable `ADDRESS` is not set");
    let told = anna
        .run(&lab, &["deploy", "dev", "site", "--dry-run", "--without-secrets"])
        .expect(3)
        .says("environment variable `ADDRESS` is not set")
        .says("inventories/dev.toml:2:");
    assert!(!told.err.contains("reviews the rest"), "{}", told.err);
}
