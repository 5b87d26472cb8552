use std::fmt::Write as _;

use super::*;
use crate::facts::account::{User, UserFact};
use crate::facts::journal::parse;
use crate::facts::path::{Inode, Listing};
use crate::facts::unit::UnitState;
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
        owner_id: None,
        group_id: None,
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

fn content(path: &str, text: &str) -> (FactKey, Fact) {
    let bytes = ContentFact::Bytes(text.as_bytes().to_vec());
    (FactKey::Content(path.to_owned()), Fact::Content(bytes))
}

fn list_of(package: &str, paths: &str) -> (FactKey, Fact) {
    content(&format!("/var/lib/dpkg/info/{package}.list"), paths)
}

fn webby() -> User {
    User {
        uid: Known::Yes(900),
        group: Known::Yes("webby".to_owned()),
        home: Known::Yes("/".to_owned()),
        shell: Known::Yes("/bin/false".to_owned()),
        comment: Known::Yes(String::new()),
        groups: BTreeSet::new(),
        elsewhere: None,
    }
}

/// A unit that runs.
fn unit(name: &str) -> (FactKey, Fact) {
    let state = UnitState {
        id: name.to_owned(),
        active: "active".to_owned(),
        ..UnitState::default()
    };
    (FactKey::Unit(name.to_owned()), Fact::Unit(UnitFact::Present(state)))
}

fn no_unit(name: &str) -> (FactKey, Fact) {
    (FactKey::Unit(name.to_owned()), Fact::Unit(UnitFact::Absent))
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
            rollback_keys(&run, &self.facts)
                .iter()
                .all(|key| self.facts.get(key).is_some()),
            "{:?}",
            rollback_keys(&run, &self.facts)
        );
        rollback(&run, Some(&self.key), &self.facts, overwritten)
    }
}

#[test]
fn a_file_goes_back_from_what_was_kept_and_its_service_is_restarted() {
    let case = Case::new([
        (path("/etc/x"), file("new")),
        (path("/kept/etc/x"), file("old")),
        unit("x.service"),
    ]);
    let change = format!(
        r#""kind":"file","name":"/etc/x","action":"update","was":"present","digest":"{}","kept":"/kept/etc/x","notifies":[{{"handler":"t / h","unit":"x.service"}}]"#,
        case.digest("new")
    );
    let back = case.back(&[change], &[]);
    assert_eq!(
        back.tasks,
        [
            "[[operation]]\nop = \"files.copy\"\nsrc = \"/kept/etc/x\"\ndest = \"/etc/x\"\nuser = \"root\"\ngroup = \"adm\"\nmode = \"0640\"\n\
             notify = [\"x.service\"]\n\n[[handler]]\nop = \"systemd.service\"\nservice = \"x.service\"\nname = \"x.service\"\nstate = \"restarted\"\n"
        ]
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
    assert_eq!(back.tasks, [""; 0]);
    assert_eq!(
        back.stays,
        ["file /etc/x stays: it was changed since; `--overwrite /etc/x` takes it back anyway"]
    );
    let back = case.back(&[change], &["/etc/x".to_owned()]);
    assert_eq!(
        back.tasks,
        ["[[operation]]\nop = \"files.file\"\npath = \"/etc/x\"\npresent = false\n"]
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
        let task = back.tasks.concat();
        assert_eq!(task.contains("files.directory"), goes, "{task}");
        assert_eq!(back.stays.is_empty(), goes, "{:?}", back.stays);
    }
}

#[test]
fn units_get_their_states_and_new_ones_go() {
    let unit = "/etc/systemd/system/x.service";
    let case = Case::new([(path(unit), file("new")), no_unit("x.service")]);
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
        back.tasks,
        [
            "[[operation]]\nop = \"systemd.unit\"\nunit = \"x.service\"\npresent = false\n\n\
             [[operation]]\nop = \"systemd.service\"\nservice = \"cron.service\"\nstate = \"started\"\nenabled = true\n"
        ]
    );
    assert_eq!(back.stays, ["command touch /x stays: what a command did is not known"]);
}

#[test]
fn a_package_is_held_again_or_let_go() {
    for (before, after, present) in [("held", "not held", true), ("not held", "held", false)] {
        let change = format!(
            r#""kind":"package","name":"jq","action":"update","was":"present","before":{{"hold":"{before}"}},"after":{{"hold":"{after}"}}"#
        );
        let back = rollback(&run(&[change]), None, &Facts::default(), &[]);
        let expected = format!("[[operation]]\nop = \"apt.hold\"\npackages = [\"jq\"]\npresent = {present}\n");
        assert_eq!((back.tasks, back.stays), (vec![expected], Vec::new()));
    }
}

/// apt removes no package that is held.
#[test]
fn a_package_that_was_installed_and_held_is_let_go_and_removed() {
    let changes = [
        r#""kind":"package","name":"sl","action":"create","was":"absent","after":{"version":"5"}"#.to_owned(),
        r#""kind":"package","name":"sl","action":"update","was":"present","before":{"hold":"not held"},"after":{"hold":"held"}"#.to_owned(),
    ];
    let back = rollback(&run(&changes), None, &Facts::default(), &[]);
    let removal = |op: &str| format!("[[operation]]\nop = \"{op}\"\npackages = [\"sl\"]\npresent = false\n");
    assert_eq!(back.tasks, [removal("apt.hold"), removal("apt.packages")]);
}

#[test]
fn the_mask_of_a_unit_goes_before_its_package() {
    let case = Case::new([list_of("rsync", "/usr/lib/systemd/system/rsync.service")]);
    let changes = [
        r#""kind":"package","name":"rsync","action":"create","was":"absent","after":{"version":"3"}"#.to_owned(),
        r#""kind":"unit","name":"rsync.service","action":"update","was":"unknown","before":{"enabled":"enabled"},"after":{"enabled":"masked"}"#.to_owned(),
    ];
    let tasks = case.back(&changes, &[]).tasks;
    assert_eq!(
        tasks,
        [
            "[[operation]]\nop = \"systemd.service\"\nservice = \"rsync.service\"\nmasked = false\n",
            "[[operation]]\nop = \"apt.packages\"\npackages = [\"rsync\"]\npresent = false\n"
        ]
    );
}

#[test]
fn a_unit_is_masked_again_or_unmasked() {
    for (before, after, lines) in [
        ("enabled", "masked", "masked = false\nenabled = true\n"),
        ("disabled", "masked", "masked = false\nenabled = false\n"),
        ("static", "masked", "masked = false\n"),
        ("masked", "disabled", "masked = true\n"),
        ("masked-runtime", "enabled", "masked = true\n"),
    ] {
        let change = format!(
            r#""kind":"unit","name":"cron.service","action":"update","was":"present","before":{{"active":"inactive","enabled":"{before}"}},"after":{{"active":"inactive","enabled":"{after}"}}"#
        );
        let task = rollback(&run(&[change]), None, &Facts::default(), &[]).tasks.concat();
        let expected = format!("[[operation]]\nop = \"systemd.service\"\nservice = \"cron.service\"\n{lines}");
        assert_eq!(task, expected, "{before} {after}");
    }
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
        back.tasks,
        ["[[operation]]\nop = \"apt.packages\"\npackages = [\"jq\"]\npresent = false\n"]
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
        let task = case.back(&[change], &[]).tasks.concat();
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
        back.tasks,
        ["[[operation]]\nop = \"server.sysctl\"\nkey = \"vm.swappiness\"\nvalue = \"60\"\npersist = false\n"]
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

/// The run put a package on the host and changed its configuration: the unit goes with the package.
#[test]
fn a_unit_that_goes_with_its_package_is_not_restarted() {
    let drop_in = "/etc/systemd/system/db.service.d/x.conf";
    let changes = |case: &Case| {
        let notifies =
            r#""notifies":[{"handler":"t / h","unit":"db.service"},{"handler":"t / i","unit":"other.service"}]"#;
        [
            r#""kind":"package","name":"db","action":"create","was":"absent","after":{"version":"1"}"#.to_owned(),
            format!(
                r#""kind":"file","name":"/etc/db.conf","action":"update","was":"unknown","digest":"{}","kept":"/kept/etc/db.conf",{notifies}"#,
                case.digest("new")
            ),
            format!(
                r#""kind":"file","name":"{drop_in}","action":"create","was":"absent","digest":"{}""#,
                case.digest("more")
            ),
            r#""kind":"unit","name":"db.service","action":"update","was":"unknown","after":{"active":"active"}"#
                .to_owned(),
        ]
    };
    for (list, alias, stays) in [
        ("/usr\n/lib/systemd/system/db.service\n", None, false),
        (
            "/usr/lib/systemd/system/db-server.service\n",
            Some("db-server.service"),
            false,
        ),
        ("/etc/init.d/db\n", None, false),
        ("/usr/bin/db\n", None, true),
    ] {
        let (_, fact) = unit(alias.unwrap_or("db.service"));
        let case = Case::new([
            (path("/etc/db.conf"), file("new")),
            (path("/kept/etc/db.conf"), file("old")),
            content("/kept/etc/was", "kept\n"),
            (path(drop_in), file("more")),
            (FactKey::Unit("db.service".to_owned()), fact),
            unit("other.service"),
            list_of("db", list),
        ]);
        let back = case.back(&changes(&case), &[]);
        let [first, last] = back.tasks.as_slice() else {
            panic!("{:?}", back.tasks)
        };
        assert!(
            last.contains("apt.packages") && !first.contains("apt.packages"),
            "{first}{last}"
        );
        assert!(first.contains("name = \"other.service\""), "{first}");
        assert_eq!(first.contains("\"db.service\"\nname"), stays, "{list}: {first}");
        assert_eq!(first.contains("state = \"started\""), stays, "{list}: {first}");
        assert_eq!(back.stays.is_empty(), !stays, "{:?}", back.stays);
    }
}

/// The run removed a service, and with it what the service needs.
#[test]
fn a_unit_that_lacks_what_it_needs_does_not_come_back() {
    let removed =
        |name: &str| format!(r#""kind":"file","name":"{name}","action":"remove","was":"present","kept":"/kept{name}""#);
    let state = |name: &str| {
        format!(
            r#""kind":"unit","name":"{name}","action":"update","was":"present","before":{{"active":"active","enabled":"enabled"}},"after":{{"active":"inactive","enabled":"disabled"}}"#
        )
    };
    let [service, timer] = ["/etc/systemd/system/web.service", "/etc/systemd/system/web.timer"];
    let program = "/opt/web";
    for (user, program_kept, is_there, says) in [
        (UserFact::Absent, true, false, "its user `webby` is not on the host"),
        (
            UserFact::Present(webby()),
            false,
            false,
            "its program `/opt/web` is not on the host",
        ),
        (UserFact::Present(webby()), true, true, ""),
    ] {
        let mut facts = vec![
            (path(service), Fact::Path(PathFact::Absent)),
            (path(timer), Fact::Path(PathFact::Absent)),
            (path(&format!("/kept{service}")), file("unit")),
            (path(&format!("/kept{timer}")), file("timer")),
            content(
                &format!("/kept{service}"),
                "[Service]\nUser=webby\nExecStart=/opt/web\n",
            ),
            content(&format!("/kept{timer}"), "[Timer]\nOnCalendar=daily\n"),
            (path(program), Fact::Path(PathFact::Absent)),
            (FactKey::User("webby".to_owned()), Fact::User(user)),
            no_unit("web.service"),
            no_unit("web.timer"),
        ];
        let mut changes = vec![
            state("web.timer"),
            removed(timer),
            state("web.service"),
            removed(service),
        ];
        if program_kept {
            facts.push((path(&format!("/kept{program}")), file("program")));
            changes.push(removed(program));
        }
        let back = Case::new(facts).back(&changes, &[]);
        let task = back.tasks.concat();
        for there in [service, timer, "service = \"web.service\"", "service = \"web.timer\""] {
            assert_eq!(task.contains(there), is_there, "{there}: {task}");
        }
        let told = back.stays.join("\n");
        assert_eq!(told.is_empty(), is_there, "{told}");
        assert!(is_there || told.contains(says), "{told}");
        assert!(
            is_there || told.contains("file /etc/systemd/system/web.timer stays removed: it starts `web.service`"),
            "{told}"
        );
    }
}

/// The file of a template goes back; what it needs for an instance is said of that.
#[test]
fn an_instance_that_lacks_what_it_needs_is_not_started() {
    let file_name = "/etc/systemd/system/inst@.service";
    let removed =
        format!(r#""kind":"file","name":"{file_name}","action":"remove","was":"present","kept":"/kept{file_name}""#);
    let state = r#""kind":"unit","name":"inst@svc.service","action":"update","was":"present","before":{"active":"active"},"after":{"active":"inactive"}"#;
    let facts = vec![
        (path(file_name), Fact::Path(PathFact::Absent)),
        (path(&format!("/kept{file_name}")), file("unit")),
        content(
            &format!("/kept{file_name}"),
            "[Service]\nUser=%i\nExecStart=-\"/bin/sh\" -c x\n",
        ),
        (path("/bin/sh"), file("program")),
        (path("/usr/bin/sh"), file("program")),
        (FactKey::User("svc".to_owned()), Fact::User(UserFact::Absent)),
        no_unit("inst@svc.service"),
    ];
    let back = Case::new(facts).back(&[state.to_owned(), removed], &[]);
    let task = back.tasks.concat();
    assert!(task.contains(file_name) && !task.contains("inst@svc"), "{task}");
    let told = back.stays.join("\n");
    assert!(
        told.contains("unit inst@svc.service stays: its user `svc` is not on the host"),
        "{told}"
    );
}

#[test]
fn rules_that_were_loaded_are_loaded_again() {
    let conf = "/etc/nftables.conf";
    let loaded = format!(r#""kind":"firewall rules","name":"{conf}","action":"update","was":"present""#);
    let case = Case::new([
        (path(conf), file("new")),
        (path("/kept/etc/nftables.conf"), file("table ip {{ x }} {}\n")),
        content("/kept/etc/nftables.conf", "table ip {{ x }} {}\n"),
    ]);
    let written = |was: &str, kept: &str| {
        format!(
            r#""kind":"file","name":"{conf}","action":"update","was":"{was}","digest":"{}"{kept}"#,
            case.digest("new")
        )
    };
    let back = case.back(
        &[
            loaded.clone(),
            written("present", r#","kept":"/kept/etc/nftables.conf""#),
        ],
        &[],
    );
    assert_eq!(
        back.tasks,
        [
            "[[operation]]\nop = \"nftables.rules\"\nfile = \"/etc/nftables.conf\"\nuser = \"root\"\ngroup = \"adm\"\nmode = \"0640\"\n\
             content = \"\"\"\n{% raw %}table ip {{ x }} {}\n{% endraw %}\"\"\"\n"
        ]
    );
    assert_eq!(back.stays, [""; 0]);
    let back = case.back(&[loaded.clone(), written("absent", "")], &[]);
    let task = back.tasks.concat();
    assert!(
        task.contains("nftables.rules") && task.contains("present = false"),
        "{task}"
    );
    // Without the file, nothing says what was loaded before.
    let back = case.back(&[loaded], &[]);
    assert_eq!(
        back.stays,
        [
            "firewall rules of /etc/nftables.conf stay as they are: they stay loaded until their file is loaded again, with `nft -f`"
        ]
    );
}

#[test]
fn what_is_said_fits_what_happened() {
    let changes = [
        r#""kind":"user","name":"ann","action":"remove","was":"present""#.to_owned(),
        r#""kind":"user","name":"bob","action":"create","was":"absent""#.to_owned(),
        r#""kind":"user","name":"cyd","action":"update","was":"present""#.to_owned(),
        r#""kind":"packages that come along with","name":"nginx","action":"create","was":"absent""#.to_owned(),
    ];
    let mut stays = rollback(&run(&changes), None, &Facts::default(), &[]).stays;
    stays.sort();
    assert_eq!(
        stays,
        [
            "packages that came along with nginx stay: `apt-get autoremove` removes those that nothing needs any more",
            "user ann stays removed: accounts do not come back: create it with a task, or by hand",
            "user bob stays: accounts stay, since files may belong to them",
            "user cyd stays: changes of accounts are not taken back",
        ]
    );
}

/// A package might have brought the file. The host knew whether it was there.
#[test]
fn what_only_the_host_knew_to_be_absent_goes() {
    for (noted, goes) in [("absent\n", true), ("not kept: it is large\n", false)] {
        let case = Case::new([
            (path("/etc/x"), file("new")),
            (path("/kept/1/old"), Fact::Path(PathFact::Absent)),
            content("/kept/1/was", noted),
        ]);
        let change = format!(
            r#""kind":"file","name":"/etc/x","action":"create","was":"unknown","digest":"{}","kept":"/kept/1/old""#,
            case.digest("new")
        );
        let back = case.back(&[change], &[]);
        assert_eq!(back.tasks.len(), usize::from(goes), "{:?}", back.tasks);
        assert_eq!(back.stays.is_empty(), goes, "{:?}", back.stays);
    }
}
