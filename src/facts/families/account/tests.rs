use super::*;
use crate::facts::account::{SkeletonEntry, SkeletonKind};
use crate::facts::{Facts, questions};

const DEBIAN_13: &str = "root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
_apt:x:42:65534::/nonexistent:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
setup:x:1000:1000:Set Up,,,:/home/setup:/bin/bash
guest:x:1001:4242::/home/guest:
groups
root:x:0:
adm:x:4:setup,guest
users:x:100:
setup:x:1000:
nogroup:x:65534:
";

const DEFAULTS: &str = "defaults
GROUP=100
HOME=/home
INACTIVE=-1
EXPIRE=
SHELL=/bin/sh
SKEL=/etc/skel
CREATE_MAIL_SPOOL=no
LOG_INIT=yes
UMASK=022
HOME_MODE=0700
USERGROUPS_ENAB=yes
skeleton
f 644 2 .profile

YQo=
d 755 4096 .config


l 777 6 .config/a link
../x y

f 640 70000 .large

large
";

fn user(name: &str) -> FactKey {
    FactKey::User(name.to_owned())
}

fn read(keys: &[FactKey], answer: &str) -> Facts {
    let mut facts = Facts::default();
    for (key, fact) in parse(keys, 0, answer.as_bytes()).expect("readable") {
        facts.insert(key, fact);
    }
    facts
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn users_and_groups_are_joined() {
    let keys = [user("setup"), user("none"), FactKey::UserNumber(7)];
    let facts = read(&keys, DEBIAN_13);
    let setup = User {
        uid: Known::Yes(1000),
        group: Known::Yes("setup".to_owned()),
        home: Known::Yes("/home/setup".to_owned()),
        shell: Known::Yes("/bin/bash".to_owned()),
        comment: Known::Yes("Set Up,,,".to_owned()),
        groups: names(&["adm"]),
        elsewhere: None,
    };
    assert_eq!(facts.get(&user("setup")), Some(&Fact::User(UserFact::Present(setup))));
    assert_eq!(facts.get(&user("none")), Some(&Fact::User(UserFact::Absent)));
    assert_eq!(facts.get(&FactKey::UserNumber(7)), Some(&Fact::UserNumber(None)));
    let group = Group {
        gid: Known::Yes(65534),
        members: BTreeSet::new(),
        primary_of: names(&["_apt", "nobody"]),
        elsewhere: None,
    };
    let key = FactKey::Group("nogroup".to_owned());
    assert_eq!(facts.get(&key), Some(&Fact::Group(GroupFact::Present(group))));
    assert_eq!(
        facts.get(&FactKey::GroupNumber(4)),
        Some(&Fact::GroupNumber(Some("adm".to_owned())))
    );
}

#[test]
fn a_primary_group_without_a_name_is_a_number() {
    let facts = read(&[], DEBIAN_13);
    let Some(Fact::User(UserFact::Present(guest))) = facts.get(&user("guest")) else {
        panic!("guest")
    };
    assert_eq!(guest.group, Known::Yes("4242".to_owned()));
    assert_eq!(guest.shell, Known::Yes(String::new()));
}

#[test]
fn reads_what_a_new_user_gets() {
    let facts = read(&[FactKey::AccountDefaults], &format!("{DEBIAN_13}{DEFAULTS}"));
    let Some(Fact::AccountDefaults(defaults)) = facts.get(&FactKey::AccountDefaults) else {
        panic!("defaults")
    };
    assert_eq!(defaults.home_base, "/home");
    assert_eq!(defaults.group, "users");
    assert_eq!(defaults.home_mode, 0o700);
    assert!(defaults.private_groups);
    let entry = |path: &str, mode: u32, kind: SkeletonKind| SkeletonEntry {
        path: path.to_owned(),
        mode,
        kind,
    };
    assert_eq!(
        defaults.skeleton,
        [
            entry(".profile", 0o644, SkeletonKind::File(Known::Yes(b"a\n".to_vec()))),
            entry(".config", 0o755, SkeletonKind::Directory),
            entry(".config/a link", 0o777, SkeletonKind::Link("../x y".to_owned())),
            entry(
                ".large",
                0o640,
                SkeletonKind::File(Known::No("the file is too large to read for the plan".to_owned()))
            ),
        ]
    );
    let umask = DEFAULTS
        .replace("HOME_MODE=0700\n", "")
        .replace("UMASK=022", "UMASK=027");
    let facts = read(&[FactKey::AccountDefaults], &format!("{DEBIAN_13}{umask}"));
    let Some(Fact::AccountDefaults(defaults)) = facts.get(&FactKey::AccountDefaults) else {
        panic!("defaults")
    };
    assert_eq!(defaults.home_mode, 0o750);
}

#[test]
fn what_is_no_database_is_told() {
    let unreadable = |answer: &str| parse(&[], 0, answer.as_bytes()).expect_err("unreadable").what;
    assert_eq!(unreadable("root:x:0\ngroups\n"), "`getent passwd` printed `root:x:0`");
    assert_eq!(unreadable("groups\nroot:x:y:\n"), "`getent group` printed `root:x:y:`");
    assert_eq!(unreadable(""), "missing section `groups`");
    let keys = [FactKey::AccountDefaults];
    assert!(parse(&keys, 0, format!("{DEBIAN_13}defaults\nskeleton\n").as_bytes()).is_err());
    assert!(parse(&keys, 127, b"").expect_err("unreadable").what.contains("getent"));
}

/// Against this machine, which has users, groups and a skeleton of its own.
#[test]
fn reads_what_this_machine_prints() {
    let keys = BTreeSet::from([user("root"), user("no-such"), FactKey::AccountDefaults]);
    let question = questions(&keys).remove(0);
    let output = std::process::Command::new("sh")
        .arg("-c")
        .arg(question.probe().text())
        .output()
        .expect("sh runs");
    let facts = question
        .parse(output.status.code().expect("an exit"), &output.stdout)
        .expect("readable");
    let fact = |wanted: &FactKey| {
        let found = facts.iter().find(|(key, _)| key == wanted);
        found.map(|(_, fact)| fact.clone()).expect("answered")
    };
    assert!(matches!(fact(&user("root")), Fact::User(UserFact::Present(root)) if root.uid == Known::Yes(0)));
    assert_eq!(fact(&user("no-such")), Fact::User(UserFact::Absent));
    let Fact::AccountDefaults(defaults) = fact(&FactKey::AccountDefaults) else {
        panic!("defaults")
    };
    for entry in &defaults.skeleton {
        if let SkeletonKind::File(Known::Yes(bytes)) = &entry.kind {
            let path = std::path::Path::new("/etc/skel").join(&entry.path);
            assert_eq!(bytes, &std::fs::read(path).expect("readable"));
        }
    }
    assert!(defaults.skeleton.iter().any(|entry| entry.path == ".profile"));
}
