//! `homelab pki` as people use it, its files read by OpenSSL.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use homelab::pki::{Pki, Wish, issue, renew};
use jiff::{SignedDuration, Timestamp};

use crate::schemas;

use super::{CANARY, Lab, Person, Told};

/// A project with a certificate authority, and who can decrypt its key.
fn with_authority() -> (Lab, Person) {
    let lab = Lab::new();
    let anna = Person::who_begins("anna", &lab);
    anna.run(&lab, &["pki", "init", "--name", "Our lab"])
        .expect(0)
        .says("created the certificate authority `Our lab`, valid until 20")
        .says("pki/ca.toml; commit it");
    (lab, anna)
}

/// What OpenSSL says of a file of the project or the home.
#[track_caller]
fn openssl(folder: &Path, arguments: &[&str], input: &str) -> Told {
    let mut command = Command::new("openssl");
    command.args(arguments).current_dir(folder).stdin(Stdio::piped());
    let spawned = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.expect("this test needs openssl: apt-get install openssl");
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Told {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Writes a certificate of the project as a file of its own.
fn pem(lab: &Lab, name: &str) -> String {
    let text = lab.read(&format!("pki/{name}.toml"));
    let start = text.find("-----BEGIN").unwrap();
    let end = text.find("-----END CERTIFICATE-----").unwrap();
    let file = format!("{name}.pem");
    lab.write(&file, &format!("{}-----END CERTIFICATE-----\n", &text[start..end]));
    file
}

/// Every file of the project with its text.
fn files(lab: &Lab) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![lab.root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.display().to_string(), fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn certificates_are_what_openssl_expects_and_their_keys_are_encrypted() {
    let (lab, anna) = with_authority();
    anna.run(&lab, &["pki", "issue", "anna-phone"])
        .expect(0)
        .says("issued the client certificate `anna-phone`, valid until 20")
        .says("pki/anna-phone.toml; commit it");
    anna.run(
        &lab,
        &[
            "pki",
            "issue",
            "nas",
            "--server",
            "nas.lan",
            "--server",
            "192.0.2.5",
            "--days",
            "90",
        ],
    )
    .expect(0)
    .says("issued the server certificate `nas`")
    .says("`src = \"pki:nas.key\"`");
    let names = ["ca", "anna-phone", "nas"].map(|name| pem(&lab, name));
    for (purpose, file) in [("sslclient", &names[1]), ("sslserver", &names[2])] {
        let verify = [
            "verify",
            "-x509_strict",
            "-CAfile",
            &names[0],
            "-purpose",
            purpose,
            file,
        ];
        openssl(lab.root(), &verify, "").expect(0).says("OK");
    }
    openssl(
        lab.root(),
        &["verify", "-CAfile", &names[0], "-purpose", "sslserver", &names[1]],
        "",
    )
    .expect(2);
    let text = |file: &str| {
        openssl(lab.root(), &["x509", "-noout", "-text", "-in", file], "")
            .expect(0)
            .out
    };
    let authority = text(&names[0]);
    for part in [
        "CN = Our lab",
        "CA:TRUE, pathlen:0",
        "Certificate Sign, CRL Sign",
        "prime256v1",
        "ecdsa-with-SHA256",
    ] {
        assert!(authority.contains(part), "no {part} in {authority}");
    }
    let server = text(&names[2]);
    assert!(server.contains("DNS:nas.lan, IP Address:192.0.2.5"), "{server}");
    // The keys are encrypted as other secrets, and readable as they are.
    let key = anna
        .run(&lab, &["secrets", "get", "pki/anna-phone.toml", "key"])
        .expect(0)
        .out;
    lab.write("key.pem", &key);
    let public = openssl(lab.root(), &["pkey", "-in", "key.pem", "-pubout"], "")
        .expect(0)
        .out;
    let of_certificate = openssl(lab.root(), &["x509", "-noout", "-pubkey", "-in", &names[1]], "")
        .expect(0)
        .out;
    assert_eq!(public, of_certificate);
    for (path, bytes) in files(&lab).iter().filter(|(path, _)| path.contains("/pki/")) {
        let text = String::from_utf8_lossy(bytes);
        assert!(
            !text.contains("PRIVATE KEY") && text.contains("key = \"ENC[age,"),
            "{path}"
        );
    }
    anna.run(&lab, &["check"]).expect(0);
    are_listed(&lab, &anna);
}

/// The certificates of `anna-phone` and `nas` are in both forms of the list.
fn are_listed(lab: &Lab, anna: &Person) {
    let list = anna.run(lab, &["pki", "list"]).expect(0).out;
    let kinds: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(kinds[0], ["NAME", "KIND", "SERIAL", "VALID", "UNTIL", "DAYS"]);
    let told: Vec<[&str; 3]> = kinds[1..].iter().map(|row| [row[0], row[1], row[4]]).collect();
    assert_eq!(
        told,
        [
            ["ca", "authority", "3650"],
            ["anna-phone", "client", "365"],
            ["nas", "server", "90"]
        ]
    );
    let json = anna.run(lab, &["pki", "list", "--format", "json"]).expect(0).out;
    schemas::check("certificates", &json);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        json["certificates"][2]["hosts"],
        serde_json::json!(["nas.lan", "192.0.2.5"])
    );
    assert_eq!(json["certificates"][1]["state"], "valid");
    let serial = openssl(lab.root(), &["x509", "-noout", "-serial", "-in", "anna-phone.pem"], "")
        .expect(0)
        .out;
    let told = json["certificates"][1]["serial"].as_str().unwrap();
    assert_eq!(serial.trim().to_lowercase(), format!("serial={told}"));
}

#[test]
fn a_pkcs12_file_opens_with_its_password_alone() {
    let (lab, anna) = with_authority();
    let modern = ["pki", "issue", "laptop", "--p12", "laptop.p12"];
    let told = anna
        .pipe(&lab, &modern, &format!("{CANARY}\n"))
        .expect(0)
        .says("wrote laptop.p12");
    assert!(!told.out.contains(CANARY), "{}", told.out);
    let info = |arguments: &[&str], password: &str| {
        let all = [&["pkcs12", "-noenc", "-info", "-passin", "stdin"], arguments].concat();
        openssl(lab.root(), &all, password)
    };
    let opened = info(&["-in", "laptop.p12"], CANARY).expect(0);
    for part in ["AES-256-CBC", "PRF hmacWithSHA256", "MAC: sha256"] {
        assert!(opened.err.contains(part), "no {part} in {}", opened.err);
    }
    let mode = fs::metadata(lab.root().join("laptop.p12"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);
    // The certificate, the authority, and the key.
    assert_eq!(opened.out.matches("-----BEGIN CERTIFICATE-----").count(), 2);
    let key = anna
        .run(&lab, &["secrets", "get", "pki/laptop.toml", "key"])
        .expect(0)
        .out;
    assert!(opened.out.contains(key.trim()), "another key");
    info(&["-in", "laptop.p12"], "guessed")
        .expect(1)
        .says("invalid password");
    // The same certificate for an old phone, with a password that is shown once.
    let legacy = ["pki", "export", "laptop", "old.p12", "--legacy", "--generate-password"];
    let told = anna.run(&lab, &legacy).expect(0);
    let password = told.out.trim().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(password.len(), 16, "{}", told.out);
    let opened = info(&["-legacy", "-in", "old.p12"], &password).expect(0);
    for part in ["pbeWithSHA1And3-KeyTripleDES-CBC", "MAC: sha1"] {
        assert!(opened.err.contains(part), "no {part} in {}", opened.err);
    }
    assert!(opened.out.contains(key.trim()), "another key");
    // Passwords of other alphabets.
    anna.pipe(&lab, &["pki", "export", "laptop", "umlaut.p12"], "größer")
        .expect(0);
    info(&["-in", "umlaut.p12"], "größer").expect(0);
}

#[test]
fn a_renewed_certificate_has_a_new_key_and_the_old_one_stays_valid() {
    let (lab, anna) = with_authority();
    anna.run(&lab, &["pki", "issue", "laptop", "--days", "20"]).expect(0);
    anna.run(&lab, &["pki", "issue", "phone", "--days", "300"]).expect(0);
    anna.run(&lab, &["check"])
        .expect(0)
        .says("certificate `laptop` expires in 20 days (20")
        .says("run `homelab pki renew laptop`");
    let json = anna.run(&lab, &["check", "--format", "json"]).expect(0);
    schemas::check("check", &json.out);
    let found: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let expiring = &found["expiring"][0];
    assert_eq!(
        (&expiring["name"], &expiring["kind"], &expiring["days_left"]),
        (&"laptop".into(), &"client".into(), &20.into())
    );
    let key = |name: &str| {
        let file = format!("pki/{name}.toml");
        anna.run(&lab, &["secrets", "get", &file, "key"]).expect(0).out
    };
    let (before, phone) = (key("laptop"), lab.read("pki/phone.toml"));
    anna.run(&lab, &["pki", "renew", "--within", "30d", "--days", "365"])
        .expect(0)
        .says("issued the client certificate `laptop`")
        .says("the old one is valid until 20");
    assert_ne!(key("laptop"), before);
    assert_eq!(lab.read("pki/phone.toml"), phone);
    let told = anna.run(&lab, &["check"]).expect(0);
    assert_eq!(told.out, "no problems found (1 host checked without connecting)\n");
    let read = Pki::read(lab.root());
    assert_eq!(read.pki.entries().nth(1).unwrap().accepted().count(), 2);
    anna.run(&lab, &["pki", "renew", "--within", "1w"])
        .expect(0)
        .says("no certificate expires within that time");
    // When the old one has expired, the next renewal forgets it. The new one is valid as long as the one before.
    let later = Timestamp::now() + SignedDuration::from_hours(24 * 21);
    // The keys of the person are found by variables, which belong to a process.
    let again = anna.run(&lab, &["pki", "renew", "laptop"]).expect(0);
    let _ = again.says("valid until 20");
    let entry = Pki::read(lab.root()).pki.entries().nth(1).unwrap().clone();
    assert_eq!(entry.former.len(), 2);
    assert!(entry.former[0].not_after < later && entry.former[1].not_after > later);
}

#[test]
fn a_revoked_certificate_leaves_a_record_and_its_name_is_free() {
    let (lab, anna) = with_authority();
    anna.run(&lab, &["pki", "issue", "phone"]).expect(0);
    anna.run(&lab, &["pki", "renew", "phone"]).expect(0);
    anna.run(&lab, &["pki", "revoke", "phone"])
        .expect(0)
        .says("revoked `phone` (2 certificates): pki/phone.toml")
        .says("this is the first one");
    let text = lab.read("pki/phone.toml");
    assert!(
        !text.contains("ENC[") && text.matches("[[revoked]]").count() == 2,
        "{text}"
    );
    anna.run(&lab, &["pki", "list"]).expect(0).says("revoked on 20");
    anna.run(&lab, &["check"]).expect(0);
    anna.run(&lab, &["pki", "revoke", "phone"])
        .expect(3)
        .says("was revoked already");
    anna.run(&lab, &["pki", "renew", "phone"])
        .expect(3)
        .says("homelab pki issue phone");
    anna.run(&lab, &["pki", "export", "phone", "x.p12"])
        .expect(3)
        .says("was revoked");
    anna.run(&lab, &["pki", "issue", "phone"])
        .expect(0)
        .says("2 earlier certificates of this name: revoked as before");
    let table = Pki::read(lab.root()).pki.table();
    let count = |key: &str| match &table[key].value.kind {
        homelab::value::Kind::List(items) => items.len(),
        _ => 0,
    };
    assert_eq!((count("leaves"), count("revoked")), (1, 2));
    anna.run(&lab, &["pki", "issue", "tablet"]).expect(0);
    let told = anna.run(&lab, &["pki", "revoke", "tablet"]).expect(0);
    assert!(!told.out.contains("the first one"), "{}", told.out);
}

#[test]
fn keys_of_certificates_are_encrypted_again_with_all_secrets() {
    let (lab, anna) = with_authority();
    anna.run(&lab, &["pki", "issue", "laptop"]).expect(0);
    let bela = Person::new("bela");
    let public = bela.run(&lab, &["secrets", "init"]).expect(0).out;
    let public = public
        .split_whitespace()
        .find(|word| word.starts_with("age1"))
        .unwrap()
        .to_owned();
    bela.run(&lab, &["pki", "issue", "tablet"])
        .expect(3)
        .says("cannot decrypt `key` of `pki/ca.toml`");
    anna.run(&lab, &["secrets", "recipients", "add", "bela", &public])
        .expect(0);
    bela.run(&lab, &["pki", "issue", "tablet"]).expect(0);
    bela.run(&lab, &["pki", "renew", "laptop"]).expect(0);
    anna.run(&lab, &["secrets", "get", "pki/tablet.toml", "key"]).expect(0);
    bela.run(&lab, &["check"]).expect(0);
    // A key belongs to its file.
    let text = lab.read("pki/tablet.toml");
    let key = |text: &str| text[text.find("ENC[").unwrap()..text.find("]\"\n").unwrap()].to_owned();
    lab.write(
        "pki/tablet.toml",
        &text.replace(&key(&text), &key(&lab.read("pki/laptop.toml"))),
    );
    anna.run(&lab, &["pki", "export", "tablet", "x.p12"])
        .expect(3)
        .says("it was encrypted for `\"pki/laptop\".key`");
}

#[test]
fn nothing_is_written_if_the_file_for_the_device_cannot_be() {
    let (lab, anna) = with_authority();
    lab.write("there.p12", "mine");
    let before = files(&lab);
    let refuses = |arguments: &[&str], input: &str, title: &str| {
        anna.pipe(&lab, arguments, input).expect(3).says(title);
        assert_eq!(files(&lab), before, "{arguments:?}");
    };
    refuses(
        &["pki", "issue", "a", "--p12", "there.p12"],
        "pw",
        "`there.p12` exists already",
    );
    refuses(
        &["pki", "issue", "a", "--p12", "no/where.p12"],
        "pw",
        "`no` is not a folder",
    );
    refuses(
        &["pki", "issue", "a", "--p12", "a.p12"],
        "",
        "no terminal to ask at, and standard input is empty",
    );
    refuses(
        &["pki", "issue", "a", "--p12", "a.p12"],
        "two\nlines",
        "is not one line of text",
    );
    refuses(&["pki", "issue", "a", "--legacy"], "", "`--legacy` needs `--p12`");
    // No file may grow: as on a full disk.
    let full = |arguments: &str| {
        let direct = anna.command(&lab, &[]);
        let line = format!(
            "trap '' XFSZ; ulimit -f 0; exec {} {arguments}",
            env!("CARGO_BIN_EXE_homelab")
        );
        let mut limited = Command::new("bash");
        limited.args(["-c", &line]).current_dir(lab.root()).stdin(Stdio::null());
        let variables = direct.get_envs().filter_map(|(name, value)| Some((name, value?)));
        Told::of(limited.env_clear().envs(variables).output().unwrap())
    };
    full("pki issue a --p12 a.p12 --generate-password")
        .expect(3)
        .says("cannot write `a.p12`");
    full("pki issue a").expect(3).says("cannot write `pki/a.toml`");
    assert_eq!(files(&lab), before);
    anna.run(&lab, &["pki", "issue", "a", "--p12", "a.p12", "--generate-password"])
        .expect(0);
}

#[test]
fn each_mistake_is_named_before_anything_changes() {
    let (lab, anna) = with_authority();
    anna.run(&lab, &["pki", "issue", "laptop"]).expect(0);
    let before = files(&lab);
    let long = "a".repeat(65);
    let cases: &[(&[&str], &str, &str)] = &[
        (&["init"], "`pki/ca.toml` exists already", "delete `pki/`"),
        (
            &["issue", "laptop"],
            "there is a certificate `laptop` already",
            "homelab pki renew laptop",
        ),
        (
            &["issue", "Laptop"],
            "differs from `laptop` only in upper and lower case",
            "choose another name",
        ),
        (&["issue", "../x"], "`../x` is not a valid name", "anna-phone"),
        (&["issue", "a b"], "`a b` is not a valid name", "letters, digits"),
        (&["issue", "größe"], "is not a valid name", "letters, digits"),
        (&["issue", ".hidden"], "it must begin with a letter or a digit", ""),
        (&["issue", ""], "it is empty", ""),
        (&["issue", &long], "it is longer than 64 characters", ""),
        (&["issue", "ca"], "`ca` is the certificate authority", ""),
        (
            &["issue", "x", "--days", "4000"],
            "longer than its authority",
            "` or less",
        ),
        (
            &["issue", "x", "--server", "a..b"],
            "`a..b` is not a name or address of a server",
            "nas.lan",
        ),
        (
            &["renew", "lptop"],
            "unknown certificate `lptop`",
            "did you mean `laptop`?",
        ),
        (&["renew", "ca"], "`ca` is the certificate authority", "delete `pki/`"),
        (
            &["revoke", "nobody"],
            "unknown certificate `nobody`",
            "available: `laptop`",
        ),
        (&["renew", "--within", "soon"], "write a number of days or weeks", ""),
        (&["renew"], "<NAME|--within", ""),
    ];
    for (arguments, title, hint) in cases {
        let all = [&["pki"], *arguments].concat();
        anna.run(&lab, &all).expect(3).says(title).says(hint);
        assert_eq!(files(&lab), before, "{arguments:?}");
    }
}

#[test]
fn a_project_without_what_it_takes_says_so() {
    let lab = Lab::new();
    let anna = Person::new("anna");
    let refuses = |person: &Person, arguments: &[&str], title: &str| {
        let before = files(&lab);
        person.run(&lab, arguments).expect(3).says(title);
        assert_eq!(files(&lab), before, "{arguments:?}");
    };
    refuses(
        &anna,
        &["pki", "init"],
        "no recipients: `.age-recipients` does not exist",
    );
    anna.run(&lab, &["secrets", "init"]).expect(0);
    refuses(
        &anna,
        &["pki", "issue", "laptop"],
        "no certificate authority: `pki/ca.toml` does not exist",
    );
    anna.run(&lab, &["pki", "list"]).expect(0).says("homelab pki init");
    anna.run(&lab, &["pki", "init"]).expect(0);
    refuses(
        &Person::new("bela"),
        &["pki", "issue", "laptop"],
        "no private key to decrypt with",
    );
    anna.run(&lab, &["pki", "issue", "laptop"]).expect(0);
    fs::remove_file(lab.root().join("pki/ca.toml")).unwrap();
    refuses(
        &anna,
        &["check"],
        "`pki/ca.toml` does not exist, and `pki/laptop.toml` does",
    );
    // Another authority, which did not sign it.
    fs::rename(lab.root().join("pki/laptop.toml"), lab.root().join("laptop")).unwrap();
    anna.run(&lab, &["pki", "init"]).expect(0);
    fs::rename(lab.root().join("laptop"), lab.root().join("pki/laptop.toml")).unwrap();
    refuses(
        &anna,
        &["check"],
        "another certificate authority signed `pki/laptop.toml`",
    );
    refuses(
        &anna,
        &["pki", "list"],
        "another certificate authority signed `pki/laptop.toml`",
    );
}

#[test]
fn a_damaged_file_is_named_with_its_place() {
    let (lab, anna) = with_authority();
    anna.run(&lab, &["pki", "issue", "laptop"]).expect(0);
    anna.run(&lab, &["pki", "issue", "phone"]).expect(0);
    let whole = lab.read("pki/laptop.toml");
    let key = whole.lines().find(|line| line.starts_with("key = ")).unwrap();
    let phone = lab.read("pki/phone.toml");
    let inner = |text: &str| text[text.find("-----BEGIN").unwrap()..text.find("\"\"\"\nkey").unwrap()].to_owned();
    let first = inner(&whole).lines().nth(1).unwrap().to_owned();
    let cases = [
        (
            whole.replace(&first, &first[4..]),
            "`certificate` in `pki/laptop.toml` cannot be read",
            "pki/laptop.toml:3:15",
        ),
        (
            whole.replace(&inner(&whole), "nothing\n"),
            "cannot be read",
            "not a whole certificate",
        ),
        (
            whole.replace(&inner(&whole), &inner(&phone)),
            "has the certificate of another name",
            "the certificate `phone`",
        ),
        (
            whole.replace(&inner(&whole), &inner(&lab.read("pki/ca.toml"))),
            "another kind of certificate",
            "pki/ca.toml",
        ),
        (
            whole.replace(key, ""),
            "missing `key` in `pki/laptop.toml`",
            "restore the file from git",
        ),
        (
            whole.replace(key, &format!("key = \"{CANARY}\"")),
            "`key` in `pki/laptop.toml`:",
            "is not encrypted",
        ),
        (
            whole.replace(key, &key.replace("YWdl", "YWRl")),
            "`key` is not a whole encrypted value",
            "pki/laptop.toml:",
        ),
        (
            format!("{whole}\n[[former]]\nfile = 1\n"),
            "unknown key `file` in `pki/laptop.toml`",
            "pki/laptop.toml:",
        ),
        (
            format!("{whole}\nrevoked = 1\n"),
            "`revoked` must be a list of tables",
            "[[revoked]]",
        ),
        (whole.replace("certificate =", "certificate"), "pki/laptop.toml", ":3:"),
    ];
    for (text, title, more) in cases {
        assert_ne!(text, whole, "{title}");
        lab.write("pki/laptop.toml", &text);
        let before = files(&lab);
        anna.run(&lab, &["check"]).expect(3).says(title).says(more);
        anna.run(&lab, &["pki", "renew", "phone"]).expect(3).says(title);
        assert_eq!(files(&lab), before);
    }
    // Names of files that are no names of certificates.
    lab.write("pki/laptop.toml", &whole);
    lab.write("pki/a b.toml", &phone);
    anna.run(&lab, &["check"])
        .expect(3)
        .says("`a b` is not a valid name")
        .says("pki/a b.toml");
}

#[test]
fn a_key_of_another_certificate_is_found_when_it_is_used() {
    let (lab, anna) = with_authority();
    anna.run(&lab, &["pki", "issue", "laptop"]).expect(0);
    anna.run(&lab, &["pki", "issue", "phone"]).expect(0);
    for name in ["laptop", "ca"] {
        let file = format!("pki/{name}.toml");
        let key = anna
            .run(&lab, &["secrets", "get", "pki/phone.toml", "key"])
            .expect(0)
            .out;
        let before = lab.read(&file);
        anna.pipe(&lab, &["secrets", "set", &file, "key"], &key).expect(0);
        let title = format!("the private key in `{file}` does not belong to its certificate");
        match name {
            "ca" => anna.run(&lab, &["pki", "issue", "new"]).expect(3).says(&title),
            _ => anna.run(&lab, &["pki", "export", name, "x.p12"]).expect(3).says(&title),
        };
        lab.write(&file, &before);
    }
    anna.run(&lab, &["pki", "issue", "new"]).expect(0);
}

#[test]
fn operations_and_templates_use_certificates_by_name() {
    let (lab, anna) = with_authority();
    anna.run(&lab, &["pki", "issue", "nas", "--server", "nas.lan"])
        .expect(0);
    let task = |src: &str, content: &str| {
        let operation = "[[operation]]\nop = \"files.put\"\n";
        let text = format!(
            "{operation}src = \"{src}\"\ndest = \"/etc/x\"\n\n{operation}content = \"{{{{ {content} }}}} {{{{ grafana.port }}}}\"\ndest = \"/etc/y\"\n"
        );
        lab.write("tasks/web.toml", &text);
    };
    for src in ["pki:ca", "pki:leaves", "pki:nas.crt", "pki:nas.key"] {
        task(src, "pki.ca");
        anna.run(&lab, &["check"]).expect(0);
    }
    // Those in force: the one that a renewal replaced is none of them.
    anna.run(&lab, &["pki", "renew", "nas"]).expect(0);
    let seen = homelab::value::to_json(&Pki::read(lab.root()).pki.table()).unwrap();
    let in_force = seen["certificates"].as_array().unwrap().iter();
    let described: Vec<_> = in_force
        .map(|one| (one["name"].as_str().unwrap(), one["kind"].as_str().unwrap()))
        .collect();
    assert_eq!(described, [("ca", "authority"), ("nas", "server")]);
    for (src, content, title, hint) in [
        (
            "pki:nsa.crt",
            "pki.ca",
            "`pki:nsa.crt` does not exist",
            "did you mean `pki:nas.crt`?",
        ),
        (
            "pki:television.key",
            "pki.ca",
            "`pki:television.key` does not exist",
            "`homelab pki issue television` makes it",
        ),
        ("pki:ca", "pki.key", "`pki.key`", "`pki` has no such attribute"),
    ] {
        task(src, content);
        anna.run(&lab, &["check"])
            .expect(3)
            .says(title)
            .says(hint)
            .says("tasks/web.toml:");
    }
    // The key alone needs a key.
    task("pki:nas.key", "pki.ca");
    let reviewer = Person::new("reviewer");
    reviewer
        .run(&lab, &["check"])
        .expect(0)
        .says("1 secret was not decrypted");
    fs::remove_dir_all(lab.root().join("pki")).unwrap();
    task("pki:ca", "pki.ca");
    anna.run(&lab, &["check"])
        .expect(3)
        .says("`pki:ca` does not exist")
        .says("the project has no certificate authority")
        .says("homelab pki init");
}

#[test]
fn files_of_certificates_are_written_whole_and_readable_for_the_team() {
    let (lab, anna) = with_authority();
    let mode = fs::metadata(lab.root().join("pki/ca.toml")).unwrap().mode() & 0o777;
    let of_others = fs::metadata(lab.root().join("group_data/all.toml")).unwrap().mode() & 0o777;
    assert_eq!(mode, of_others);
    let left = lab.root().join("pki/.homelab-unfinished-abc");
    fs::write(&left, "half").unwrap();
    anna.run(&lab, &["pki", "issue", "laptop"]).expect(0);
    assert!(!left.exists());
    let again: Vec<String> = (0..4).map(|number| format!("device-{number}")).collect();
    let children: Vec<_> = again
        .iter()
        .map(|name| {
            anna.command(&lab, &["pki", "issue", name])
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let text = anna.run(&lab, &["pki", "list"]).expect(0).out;
    assert_eq!(text.lines().count(), 7, "{text}");
}

/// What the library makes of a time that is past or to come.
#[test]
fn an_expired_authority_signs_nothing() {
    let (lab, _anna) = with_authority();
    let late = Timestamp::now() + SignedDuration::from_hours(24 * 365 * 11);
    let wish = Wish {
        name: "x".to_owned(),
        days: 1,
        hosts: Vec::new(),
    };
    let mistakes = issue(lab.root(), &wish, late).err().unwrap();
    assert!(
        mistakes.0[0]
            .title
            .starts_with("the certificate authority expired on 20"),
        "{mistakes:?}"
    );
    let mistakes = renew(lab.root(), "x", None, late).err().unwrap();
    assert_eq!(mistakes.0[0].title, "unknown certificate `x`");
    let expiring = Pki::read(lab.root()).pki.expiring(late, 30);
    assert_eq!(expiring.len(), 1);
    assert!(expiring[0].days < -300, "{expiring:?}");
}

/// Answers the questions of a command at a terminal, and returns its code and what was shown.
fn typed(person: &Person, lab: &Lab, arguments: &str, answers: &[&str]) -> (Option<i32>, String) {
    let direct = person.command(lab, &[]);
    let line = format!("{} {arguments}", env!("CARGO_BIN_EXE_homelab"));
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).current_dir(lab.root());
    let variables = direct.get_envs().filter_map(|(name, value)| Some((name, value?)));
    command
        .env_clear()
        .envs(variables)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut terminal = command.spawn().unwrap();
    let (mut screen, mut keys) = (terminal.stdout.take().unwrap(), terminal.stdin.take().unwrap());
    let mut shown = String::new();
    for answer in answers {
        let asked = shown.len();
        while !shown[asked..].trim_end_matches(' ').ends_with(':') {
            let mut chunk = [0; 256];
            let length = screen.read(&mut chunk).unwrap();
            assert_ne!(length, 0, "{shown}");
            shown.push_str(&String::from_utf8_lossy(&chunk[..length]));
        }
        keys.write_all(format!("{answer}\r").as_bytes()).unwrap();
    }
    screen.read_to_string(&mut shown).unwrap();
    (terminal.wait().unwrap().code(), shown)
}

#[test]
fn a_password_is_typed_twice_unseen_or_made() {
    let (lab, anna) = with_authority();
    let before = files(&lab);
    let (code, shown) = typed(&anna, &lab, "pki issue laptop --p12 a.p12", &[CANARY, "other"]);
    assert!(code == Some(3) && shown.contains("the two passwords differ"), "{shown}");
    assert_eq!(files(&lab), before);
    let (code, shown) = typed(&anna, &lab, "pki issue laptop --p12 a.p12", &[CANARY, CANARY]);
    assert!(code == Some(0) && !shown.contains(CANARY), "{shown}");
    let opens = |file: &str, password: &str| {
        let arguments = ["pkcs12", "-noenc", "-in", file, "-passin", "stdin"];
        openssl(lab.root(), &arguments, password).expect(0);
    };
    opens("a.p12", CANARY);
    let (code, shown) = typed(&anna, &lab, "pki export laptop b.p12", &[""]);
    let made = shown.trim().rsplit(' ').next().unwrap();
    assert!(code == Some(0) && made.len() == 16, "{shown}");
    opens("b.p12", made);
}
