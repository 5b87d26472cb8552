use std::fmt::Write as _;

use super::*;
use crate::facts::journal::parse;
use crate::facts::path::{Inode, Listing};
use crate::secret::sha256_hex;

const HEADER: &str = r#"journal 
{"run":"20260101T000000Z-0","at":"2026-01-01T00:00:00Z","who":"a@b","inventory":"dev","deploy":"all","plan":"x","version":"0"}
"#;

fn run(changes: &[String]) -> Run {
    let mut text = HEADER.to_owned();
    for (number, change) in changes.iter().enumerate() {
        let _ = writeln!(
            text,
            "{{\"change\":{number},\"operation\":\"t / x\",\"steps\":1,{change}}}"
        );
        let _ = writeln!(text, "{{\"step\":{number},\"end\":\"done\",\"status\":0}}");
    }
    parse(&(text + "{\"ended\":\"converged\"}\n")).remove(0).0
}

fn file(text: &str) -> Fact {
    Fact::Path(PathFact::Present(Inode {
        kind: InodeKind::File {
            digest: Known::Yes(sha256_hex(text.as_bytes())),
        },
        owner: "root".to_owned(),
        group: "adm".to_owned(),
        mode: 0o640,
    }))
}

fn path(path: &str) -> FactKey {
    FactKey::Path(path.to_owned())
}

struct Case {
    key: DigestKey,
    facts: Facts,
}

impl Case {
    fn new(facts: impl IntoIterator<Item = (FactKey, Fact)>) -> Self {
        let mut all = Facts::default();
        for (key, fact) in facts {
            all.insert(key, fact);
        }
        Self {
            key: DigestKey::random(),
            facts: all,
        }
    }

    fn digest(&self, text: &str) -> String {
        self.key.digest(&sha256_hex(text.as_bytes())).0
    }

    fn back(&self, changes: &[String], overwritten: &[String]) -> Rollback {
        let run = run(changes);
        assert!(
            rollback_keys(&run).iter().all(|key| self.facts.get(key).is_some()),
            "{:?}",
            rollback_keys(&run)
        );
        rollback(&run, Some(&self.key), &self.facts, overwritten)
    }
}

#[test]
fn a_file_goes_back_from_what_was_kept_and_its_service_is_restarted() {
    let case = Case::new([(path("/etc/x"), file("new")), (path("/kept/etc/x"), file("old"))]);
    let change = format!(
        r#""kind":"file","name":"/etc/x","action":"update","was":"present","digest":"{}","kept":"/kept/etc/x","notifies":[{{"handler":"t / h","unit":"x.service"}}]"#,
        case.digest("new")
    );
    let back = case.back(&[change], &[]);
    assert_eq!(
        back.task.as_deref(),
        Some(
            "[[operation]]\nop = \"files.copy\"\nsrc = \"/kept/etc/x\"\ndest = \"/etc/x\"\nuser = \"root\"\ngroup = \"adm\"\nmode = \"0640\"\n\
             notify = [\"x.service\"]\n\n[[handler]]\nop = \"systemd.service\"\nservice = \"x.service\"\nname = \"x.service\"\nstate = \"restarted\"\n"
        )
    );
    assert_eq!(back.stays, [""; 0]);
}

#[test]
fn what_was_changed_since_stays_unless_it_is_named() {
    let case = Case::new([(path("/etc/x"), file("by hand"))]);
    let change = format!(
        r#""kind":"file","name":"/etc/x","action":"create","was":"absent","digest":"{}""#,
        case.digest("new")
    );
    let back = case.back(std::slice::from_ref(&change), &[]);
    assert_eq!(back.task, None);
    assert_eq!(
        back.stays,
        ["file /etc/x stays: it was changed since; `--overwrite /etc/x` takes it back anyway"]
    );
    let back = case.back(&[change], &["/etc/x".to_owned()]);
    assert_eq!(
        back.task.as_deref(),
        Some("[[operation]]\nop = \"files.file\"\npath = \"/etc/x\"\npresent = false\n")
    );
}

#[test]
fn a_new_directory_goes_if_nothing_else_is_in_it() {
    let listing = |name: &str| {
        let mut listing = Listing::default();
        listing.entries.insert("a".to_owned(), EntryKind::File);
        listing.entries.insert(name.to_owned(), EntryKind::File);
        Fact::Listing(listing)
    };
    for (other, goes) in [("a", true), ("b", false)] {
        let case = Case::new([
            (path("/srv/d"), Fact::Path(PathFact::Absent)),
            (path("/srv/d/a"), file("new")),
            (FactKey::Listing("/srv/d".to_owned()), listing(other)),
        ]);
        let changes = [
            r#""kind":"directory","name":"/srv/d","action":"create","was":"absent""#.to_owned(),
            format!(
                r#""kind":"file","name":"/srv/d/a","action":"create","was":"absent","digest":"{}""#,
                case.digest("new")
            ),
        ];
        let back = case.back(&changes, &[]);
        let task = back.task.expect("a file goes");
        assert_eq!(task.contains("files.directory"), goes, "{task}");
        assert_eq!(back.stays.is_empty(), goes, "{:?}", back.stays);
    }
}

#[test]
fn units_get_their_states_and_new_ones_go() {
    let unit = "/etc/systemd/system/x.service";
    let case = Case::new([
        (path(unit), file("new")),
        (FactKey::Unit("x.service".to_owned()), Fact::Unit(UnitFact::Absent)),
    ]);
    let changes = [
        format!(
            r#""kind":"file","name":"{unit}","action":"create","was":"absent","digest":"{}""#,
            case.digest("new")
        ),
        r#""kind":"unit","name":"x.service","action":"create","was":"absent","after":{"active":"active"}"#.to_owned(),
        r#""kind":"unit","name":"cron.service","action":"update","was":"present","before":{"active":"active","enabled":"enabled"},"after":{"active":"inactive","enabled":"disabled"}"#.to_owned(),
        r#""kind":"unit","name":"ssh.service","action":"update","was":"present","before":{"active":"active"},"after":{"active":"restarted"}"#.to_owned(),
        r#""kind":"command","name":"touch /x","action":"update","was":"present""#.to_owned(),
    ];
    let back = case.back(&changes, &[]);
    assert_eq!(
        back.task.as_deref(),
        Some(
            "[[operation]]\nop = \"systemd.unit\"\nunit = \"x.service\"\npresent = false\n\n\
             [[operation]]\nop = \"systemd.service\"\nservice = \"cron.service\"\nstate = \"started\"\nenabled = true\n"
        )
    );
    assert_eq!(back.stays, ["command touch /x stays: what a command did is not known"]);
}

#[test]
fn a_package_is_removed_or_gets_the_version_that_apt_still_has() {
    let changes = [
        r#""kind":"package","name":"jq","action":"create","was":"absent","after":{"version":"1.7"}"#.to_owned(),
        r#""kind":"package","name":"curl","action":"update","was":"present","before":{"version":"1"},"after":{"version":"2"}"#.to_owned(),
    ];
    let run = run(&changes);
    let back = rollback(&run, None, &Facts::default(), &[]);
    assert_eq!(
        back.task.as_deref(),
        Some("[[operation]]\nop = \"apt.packages\"\npackages = [\"jq\"]\npresent = false\n")
    );
    assert_eq!(back.stays, ["package curl stays: apt cannot install `curl=1` any more"]);
}

#[test]
fn what_reviews_hid_stays_hidden() {
    for (before, after, hides) in [
        ("[secret]", "[text]", true),
        ("[text]", "[secret]", true),
        ("[text]", "[text]", false),
    ] {
        let case = Case::new([(path("/etc/x"), file("new")), (path("/kept/etc/x"), file("old"))]);
        let content = format!(r#""before":{{"content":"{before}"}},"after":{{"content":"{after}"}}"#);
        let change = format!(
            r#""kind":"file","name":"/etc/x","action":"update","was":"present","digest":"{}","kept":"/kept/etc/x",{content}"#,
            case.digest("new")
        );
        let task = case.back(&[change], &[]).task.expect("a task");
        assert_eq!(task.contains("sensitive = true"), hides, "{task}");
    }
}

#[test]
fn the_kernel_and_what_is_mounted_go_back() {
    let parameter = || FactKey::KernelParameter("/proc/sys/vm/swappiness".to_owned());
    let changes = [
        r#""kind":"kernel parameter","name":"vm.swappiness","action":"update","was":"present","before":{"value":"60"},"after":{"value":"10"}"#.to_owned(),
        r#""kind":"mount","name":"/mnt","action":"create","was":"absent""#.to_owned(),
    ];
    let value = |value: &str| Fact::KernelParameter(Some(value.to_owned()));
    let mounted = || (FactKey::Mount("/mnt".to_owned()), Fact::Mount(None));
    let case = Case::new([(parameter(), value("10")), mounted()]);
    let back = case.back(&changes, &[]);
    assert_eq!(
        back.task.as_deref(),
        Some("[[operation]]\nop = \"server.sysctl\"\nkey = \"vm.swappiness\"\nvalue = \"60\"\npersist = false\n")
    );
    let case = Case::new([(parameter(), value("30")), mounted()]);
    let back = case.back(&changes, &[]);
    assert_eq!(
        back.stays,
        [
            "kernel parameter vm.swappiness stays: it was changed since; `--overwrite vm.swappiness` takes it back anyway"
        ]
    );
}
