//! Reads the operating system, the machine, and jobs of earlier runs.

use std::collections::BTreeMap;

use super::session;
use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::grammar::Grammar;
use crate::facts::key::{Fact, FactKey};
use crate::facts::made::Made;
use crate::facts::mark::MARKS;
use crate::facts::owed::Owed;
use crate::facts::system::{
    Architecture, Disk, JOBS, Job, JobState, Machine, OperatingSystem, SystemFacts, SystemKey, user_record,
};
use crate::quote::check_user;

static SYSTEM: Family = Family {
    subject: "the system",
    probe: |_| probe(),
    allowance: no_allowance,
    parse,
};

impl Readable<'_> for SystemKey {
    const FAMILY: &'static Family = &SYSTEM;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// `key=value` lines; a value that is absent on the host is an empty one. Every run sends it: names are short.
fn probe() -> String {
    const SYSTEM: &str = r#"( . /etc/os-release; printf "os.id=%s\nos.version=%s\nos.codename=%s\nos.name=%s\nlike=%s\n" "$ID" "$VERSION_ID" "$VERSION_CODENAME" "$PRETTY_NAME" "$ID_LIKE" )
uname -snrm | { read -r s n r m; printf "system=%s\nuname=%s\nhostname=%s\nkernel=%s\n" "$s" "$m" "$n" "$r"; }
user=$(id -u); read -r v </proc/1/comm
printf "dpkg=%s\ncpus=%s\nuser=%s\ninit=%s\n" "$(dpkg --print-architecture 2>/dev/null)" "$(nproc 2>/dev/null)" "$user" "$v"
while read -r k v _; do [ "$k" = MemTotal: ] && echo "memory=$v" && break; done </proc/meminfo
for d in /sys/block/*/device; do d=${d%/device}; [ -r "$d/size" ] && read -r v <"$d/size" && printf "disk=%s %s\n" "${d##*/}" "$v"; done
[ ! -e /run/reboot-required ] || printf "reboot=%s\n" "$(sort -u /run/reboot-required.pkgs 2>/dev/null | tr "\n" " ")"
r() { v=; [ -f "$d$1" ] && read -r v <"$d$1"; }
for d in /var/lib/homelab/jobs/*/; do
[ -d "$d" ] || continue
j=${d%/}; j=${j##*/}; r summary; s=$v
if [ -f "$d/status" ]; then r status; printf "job=%s ended %s %s\n" "$j" "$v" "$s"; [ -f "$d/output" ] && tail -n 5 "$d/output" | sed s/^/job-output=/
elif r pid && tr "\0" " " <"/proc/$v/cmdline" | grep -q -F "$j"; then r=running; r shell && [ -e "/proc/$v/fd/9" ] && r=held; printf "job=%s %s 0 %s\n" "$j" $r "$s"
else printf "job=%s lost 0 %s\n" "$j" "$s"; fi
done 2>/dev/null
ip -o addr 2>/dev/null | while read -r _ i _ v _; do [ "$i" = lo ] || echo "address=${v%/*}"; done
"#;
    format!("{SYSTEM}{}{OWED}{LOCK}true", session::PROBE)
}

/// The records of handlers that are owed (`owed`), what deploys created (`made`), and the marks of runs that are not done ([`MARKS`]): the
/// first line of each file, with [`TORN`] behind one that has no end. What is no file counts as one without an end. `$state` is that of a user without root.
const OWED: &str = r#"for f in /var/lib/homelab/[mo]*/* "$state"/homelab/[mo]*/*;do w=;[ -e "$f" ]&&{ [ -f "$f" ]&&read -r w<"$f"||w=$w~;}&&printf "owed=%s\t%s\n" "$f" "$w";done
"#;

/// What stands behind a line without an end.
const TORN: char = '~';

/// Who holds the lock of the host: the file has the holder, the time and the shell, and its end is no reason to change the file.
const LOCK: &str = r#"for f in /run/homelab.lock "$state"/homelab/lock;do [ -f "$f" ]&&{ read -r w&&read -r v&&read -r k;}<"$f"&&[ "$k" != $$ ]&&[ "/proc/$k/fd/9" -ef "$f" ]&&printf "lock=%s since %s\n" "$w" "$v";done 2>/dev/null
"#;

fn parse(_keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let mut single: BTreeMap<String, String> = BTreeMap::new();
    let mut addresses = Vec::new();
    let mut disks = Vec::new();
    let mut facts = SystemFacts::default();
    let mut is_of_job = false;
    for line in lines(answer) {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        if key == "job" {
            let job = job(value);
            is_of_job = job.is_some();
            if !is_of_job {
                let name = value.split(' ').next().unwrap_or_default();
                facts.unreadable_files.push(format!("{JOBS}/{name}"));
            }
            facts.jobs.extend(job);
            continue;
        }
        if key == "job-output" {
            // What is no job has an output too.
            let last = facts.jobs.last_mut().filter(|_| is_of_job);
            if let Some(JobState::Ended { output, .. }) = last.map(|job| &mut job.state) {
                output.push_str(value);
                output.push('\n');
            }
            continue;
        }
        if key == "owed" {
            keep_record(value, &mut facts);
            continue;
        }
        if key == "lock" {
            facts.locked_by = Some(value.to_owned());
        } else if key == "address" {
            addresses.push(value.to_owned());
        } else if key == "disk" {
            disks.extend(disk(value));
        } else {
            single.insert(key.to_owned(), value.to_owned());
        }
    }
    let reboot_required = single
        .remove("reboot")
        .map(|packages| packages.split_whitespace().map(str::to_owned).collect());
    let session = session::parse(&single);
    let mut take = |key: &str| single.remove(key).unwrap_or_default();
    let id = take("os.id");
    let machine = Machine {
        os: OperatingSystem {
            family: OperatingSystem::family_of(&take("system"), &id, &take("like")),
            id,
            version: take("os.version"),
            codename: take("os.codename"),
            name: take("os.name"),
        },
        architecture: Architecture {
            dpkg: take("dpkg"),
            uname: take("uname"),
        },
        hostname: take("hostname").split('.').next().unwrap_or_default().to_owned(),
        kernel: take("kernel"),
        cpus: take("cpus").parse().unwrap_or_default(),
        memory: take("memory").parse::<u64>().unwrap_or_default() * 1024,
        disks,
        addresses,
        init: take("init"),
        user_id: take("user")
            .parse()
            .map_err(|_| UnreadableAnswer::new("`id -u` printed no number"))?,
        reboot_required,
    };
    (facts.machine, facts.session) = (machine, session);
    remove_invalid(&mut facts);
    Ok(vec![(FactKey::System, Fact::System(Box::new(facts)))])
}

/// Keeps what a line says of a record of homelab's own: its path, and its first line.
fn keep_record(said: &str, facts: &mut SystemFacts) {
    let (path, line) = said.split_once('\t').unwrap_or((said, ""));
    let (folder, name) = path.rsplit_once('/').unwrap_or_default();
    let of_folder = |name: &str| folder.ends_with(&format!("/{name}"));
    if of_folder("owed") {
        facts.owed.push(Owed::read(&format!("{name} {line}")));
    } else if of_folder("made") {
        let whole = line.trim_end_matches(TORN);
        let file = Made::read(&format!("{name} {whole}"));
        if file.is_none() || whole != line {
            facts.unreadable_files.push(path.to_owned());
        }
        facts.made.extend(file);
    } else if of_folder(MARKS) {
        facts.open_runs.push(path.to_owned());
    }
}

/// Takes out what is not such a fact.
fn remove_invalid(facts: &mut SystemFacts) {
    let machine = &mut facts.machine;
    let texts: [(&str, Grammar, &mut String); 10] = [
        ("os.id", Grammar::Word, &mut machine.os.id),
        ("os.version", Grammar::Word, &mut machine.os.version),
        ("os.codename", Grammar::Word, &mut machine.os.codename),
        ("os.name", Grammar::Text, &mut machine.os.name),
        ("os.family", Grammar::Word, &mut machine.os.family),
        ("architecture.dpkg", Grammar::Word, &mut machine.architecture.dpkg),
        ("architecture.uname", Grammar::Word, &mut machine.architecture.uname),
        ("hostname", Grammar::Name, &mut machine.hostname),
        ("kernel", Grammar::Name, &mut machine.kernel),
        ("init", Grammar::Name, &mut machine.init),
    ];
    let mut unreadable = BTreeMap::new();
    for (name, grammar, text) in texts {
        if let Err(why) = grammar.check(text) {
            unreadable.insert(name.to_owned(), why);
            text.clear();
        }
    }
    let mut check = |name: &str, grammar: Grammar, texts: &[&String]| {
        let why = texts.iter().find_map(|text| grammar.check(text).err());
        why.inspect(|why| {
            unreadable.insert(name.to_owned(), why.clone());
        })
        .is_some()
    };
    if check(
        "addresses",
        Grammar::Address,
        &machine.addresses.iter().collect::<Vec<_>>(),
    ) {
        machine.addresses.clear();
    }
    if check(
        "disks",
        Grammar::Name,
        &machine.disks.iter().map(|disk| &disk.name).collect::<Vec<_>>(),
    ) {
        machine.disks.clear();
    }
    if let Some(packages) = &mut machine.reboot_required
        && check(
            "reboot_required",
            Grammar::Package,
            &packages.iter().collect::<Vec<_>>(),
        )
    {
        packages.clear();
    }
    facts.unreadable = unreadable;
}

/// `name size`, the size in units of 512 bytes, whatever the disk's own are (sysfs-block in the kernel's documentation).
fn disk(line: &str) -> Option<Disk> {
    let (name, size) = line.split_once(' ')?;
    Some(Disk {
        name: name.to_owned(),
        size: size.parse::<u64>().ok()?.saturating_mul(512),
    })
}

/// `id state code summary`; an id that is no hex number is not ours.
fn job(line: &str) -> Option<Job> {
    let mut words = line.splitn(4, ' ');
    let (id, state, code, summary) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let is_hexadecimal = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_ours = id
        .strip_prefix(&user_record(""))
        .map_or_else(|| is_hexadecimal(id), |user| check_user(user).is_ok());
    if !is_ours {
        return None;
    }
    let state = match state {
        "running" => JobState::Running,
        "held" => JobState::Held,
        "lost" => JobState::Lost,
        "ended" => JobState::Ended {
            code: code.parse().ok()?,
            output: String::new(),
        },
        _ => return None,
    };
    Some(Job {
        id: id.to_owned(),
        summary: summary.to_owned(),
        state,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_this_machine_prints() {
        let output = std::process::Command::new("sh")
            .arg("-c")
            .arg(probe())
            .output()
            .expect("sh runs");
        let facts = parse(&[FactKey::System], 0, &output.stdout).expect("readable");
        let Fact::System(facts) = &facts[0].1 else {
            panic!("system facts")
        };
        let uname = std::process::Command::new("uname")
            .arg("-m")
            .output()
            .expect("uname runs");
        assert_eq!(
            facts.machine.architecture.uname,
            String::from_utf8_lossy(&uname.stdout).trim()
        );
        assert!(facts.machine.memory > 1 << 20, "{}", facts.machine.memory);
        assert!(facts.machine.cpus > 0);
        assert_ne!(facts.machine.os.id, "");
    }

    #[test]
    fn reads_debian_13() {
        let answer = b"os.id=debian\nos.version=13\nos.codename=trixie\nos.name=Debian GNU/Linux 13 (trixie)\ndpkg=amd64\n\
            uname=x86_64\nhostname=services-dev.lan\nkernel=6.12.0\ncpus=2\nuser=0\ninit=systemd\nmemory=2048\ndisk=sda 2048\naddress=172.17.0.2\n";
        let facts = parse(&[FactKey::System], 0, answer).expect("readable");
        let Fact::System(facts) = &facts[0].1 else {
            panic!("system facts")
        };
        assert_eq!(facts.machine.os.codename, "trixie");
        assert_eq!(facts.machine.os.family, "debian");
        assert_eq!(facts.machine.os.unsupported(), None);
        assert_eq!(facts.machine.hostname, "services-dev");
        assert_eq!(facts.machine.memory, 2_097_152);
        assert_eq!(facts.machine.disks[0].size, 1 << 20);
        assert_eq!(facts.machine.addresses, ["172.17.0.2"]);
    }

    #[test]
    fn the_family_is_that_of_the_kernel_or_of_what_the_system_is_like() {
        for (answer, family, unsupported) in [
            ("os.id=ubuntu\nlike=debian\nsystem=Linux\n", "debian", None),
            ("os.id=linuxmint\nlike=ubuntu debian\nsystem=Linux\n", "debian", None),
            ("os.id=rocky\nlike=rhel centos fedora\nsystem=Linux\n", "redhat", None),
            ("os.id=void\nsystem=Linux\n", "void", None),
            (
                "os.id=freebsd\nos.version=14.3\nsystem=FreeBSD\n",
                "freebsd",
                Some("FreeBSD"),
            ),
            ("system=Darwin\n", "darwin", Some("macOS")),
            ("system=Linux\n", "", None),
        ] {
            let facts = parse(&[FactKey::System], 0, format!("{answer}user=0\n").as_bytes()).expect("readable");
            let Fact::System(facts) = &facts[0].1 else {
                panic!("system facts")
            };
            let os = &facts.machine.os;
            assert_eq!(
                (os.family.as_str(), os.unsupported()),
                (family, unsupported),
                "{answer}"
            );
        }
    }

    #[test]
    fn tells_of_reboots_and_of_work_that_lost_its_connection() {
        let answer = b"user=0\nreboot=libc6 linux-image \njob=0a ended 100 apt-get upgrade\njob-output=E: one\njob-output=E: two\n\
            job=0b running 0 apt-get install jq\njob=0c lost 0 apt-get update\n";
        let facts = parse(&[FactKey::System], 0, answer).expect("readable");
        let Fact::System(facts) = &facts[0].1 else {
            panic!("system facts")
        };
        assert_eq!(facts.running_job().expect("one").id, "0b");
        assert_eq!(
            facts.notices(),
            [
                "an earlier run ended during `apt-get upgrade`, which has failed since with exit code 100: E: one E: two",
                "`apt-get install jq` is running, of another run that still goes on or was cut off during it",
                "an earlier run ended during `apt-get update`, which has disappeared without an exit code",
                "a reboot is required (by libc6, linux-image)",
            ]
        );
        for id in ["../x", "user-../x", "user-$(x)", "user-"] {
            let answer = format!("user=0\njob={id} lost 0 y\n");
            let facts = parse(&[FactKey::System], 0, answer.as_bytes()).expect("readable");
            let Fact::System(facts) = &facts[0].1 else {
                panic!("system facts")
            };
            assert!(facts.jobs.is_empty(), "{id}");
            let notice = &facts.notices()[0];
            assert!(
                notice.starts_with(&format!("`/var/lib/homelab/jobs/{id}` is no job of homelab")),
                "{notice}"
            );
        }
        let facts = parse(&[FactKey::System], 0, b"user=0\njob=user-ann lost 0 useradd\n").expect("readable");
        let Fact::System(facts) = &facts[0].1 else {
            panic!("system facts")
        };
        assert_eq!(facts.jobs[0].unfinished_user(), Some("ann"));
        assert!(facts.notices()[0].starts_with("user `ann` was not created completely"));
    }

    #[test]
    fn a_run_that_holds_the_lock_is_told_of_before_all_else() {
        let told = |answer: &str| {
            let facts = parse(&[FactKey::System], 0, format!("user=0\n{answer}").as_bytes()).expect("readable");
            match &facts[0].1 {
                Fact::System(facts) => (facts.notices(), facts.awaited()),
                other => panic!("{other:?}"),
            }
        };
        let lock = "lock=anna@desk since 2026-11-28T08:00:00Z\n";
        let run =
            "another run is changing this host (anna@desk since 2026-11-28T08:00:00Z): what is read here may change";
        assert_eq!(told(lock), (vec![run.to_owned()], None));
        let (notices, awaited) = told(&format!("job=0b running 0 apt-get install jq\n{lock}"));
        assert_eq!(notices, [run, "`apt-get install jq` of that run is running"]);
        let expected = "`apt-get install jq` of another run, which is changing this host";
        assert_eq!(awaited.as_deref(), Some(expected));
        // Its guard says it already.
        let (notices, awaited) = told(&format!("job=0c held 0 lock-out-guard\n{lock}"));
        assert!(
            notices.len() == 1 && notices[0].starts_with("another run is changing this host, and its lock-out guard")
        );
        assert_eq!(awaited, None);
    }

    #[test]
    fn the_holder_of_the_lock_is_known_by_its_shell() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("homelab.lock");
        let path = path.to_str().expect("text");
        let look = format!("state=/nowhere; {}", super::LOCK.replace("/run/homelab.lock", path));
        for (script, expected) in [
            (
                r#"exec 9>>"$1"; printf 'me\nnow\n%s\n' $$ >&9; sh -c "$2""#,
                "lock=me since now\n",
            ),
            // Its own.
            (r#"exec 9>>"$1"; printf 'me\nnow\n%s\n' $$ >&9; eval "$2""#, ""),
            // A shell that has ended, and one of an earlier version.
            (
                r#"sh -c 'exec 9>>"$1"; printf "me\nnow\n%s\n" $$ >&9' sh "$1"; sh -c "$2""#,
                "",
            ),
            (r#"exec 9>>"$1"; printf 'me\nnow\n' >&9; sh -c "$2""#, ""),
            (r#"sh -c "$2""#, ""),
        ] {
            let _ = std::fs::remove_file(path);
            let mut shell = std::process::Command::new("sh");
            let output = shell.args(["-c", script, "sh", path, &look]).output().expect("sh runs");
            assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{script}");
        }
    }

    #[test]
    fn files_that_cannot_be_read_are_told_by_their_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let made = "made-0123456789ab-0123456789ab";
        for (name, text) in [
            ("owed/0123456789abcdef", "{\"handler\":\"t / x\",\"op\":\"y\"}\n"),
            ("owed/0123456789abcde0", "{\"handler\":\"t / x\",\"op\":\"y\"}"),
            ("owed/0123456789abcde1", ""),
            (&format!("made/{made}"), "abcde12345\nmore"),
            ("made/made-0123456789ab-0123456789ac", "abcde123"),
            ("made/made-1 x", "abcde\n"),
            ("open/0123456789ab-whole", "20260101T000000Z-0\n"),
            ("more/any", "x\n"),
        ] {
            std::fs::create_dir_all(path(name).parent().expect("a folder")).expect("made");
            std::fs::write(path(name), text).expect("written");
        }
        let at = folder.path().to_str().expect("text");
        let look = format!("state=/nowhere\n{}", super::OWED.replace("/var/lib/homelab", at));
        let output = std::process::Command::new("sh")
            .args(["-c", &look])
            .output()
            .expect("sh runs");
        let answer = [&b"user=0\n"[..], &output.stdout].concat();
        let facts = parse(&[FactKey::System], 0, &answer).expect("readable");
        let Fact::System(facts) = &facts[0].1 else {
            panic!("system facts")
        };
        let owed: Vec<(&str, bool)> = facts
            .owed
            .iter()
            .map(|one| (one.file.as_str(), one.is_readable()))
            .collect();
        let expected = [
            ("0123456789abcde0", false),
            ("0123456789abcde1", false),
            ("0123456789abcdef", true),
        ];
        assert_eq!(owed, expected);
        let digests: Vec<usize> = facts.made.iter().map(|one| one.digests.len()).collect();
        assert_eq!(digests, [2, 1]);
        let open = path("open/0123456789ab-whole").display().to_string();
        assert_eq!(facts.open_runs, [open]);
        let torn = path("made/made-0123456789ab-0123456789ac").display().to_string();
        let odd = path("made/made-1 x").display().to_string();
        let notices = facts.notices();
        assert_eq!(notices.len(), 2);
        assert!(notices[0].contains(&format!("`{torn}` cannot be read")), "{notices:?}");
        assert!(notices[1].contains(&format!("`rm '{odd}'` on the host")), "{notices:?}");
    }

    #[test]
    fn what_is_no_such_fact_is_no_value() {
        let answer =
            b"user=0\nos.id=debian\nos.version=13;id\nos.name=A\x1b[2J\nhostname=$(id)\nkernel=-rf\ninit=a b\n\
            uname=x86_64\ndisk=sda 1\ndisk=`id` 1\naddress=192.0.2.1\naddress=$(id)\nreboot=libc6 a$b \n";
        let facts = parse(&[FactKey::System], 0, answer).expect("readable");
        let Fact::System(facts) = &facts[0].1 else {
            panic!("system facts")
        };
        let names: Vec<&str> = facts.unreadable.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "addresses",
                "disks",
                "hostname",
                "init",
                "kernel",
                "os.name",
                "os.version",
                "reboot_required"
            ]
        );
        assert_eq!(facts.machine.os.id, "debian");
        let text = serde_json::to_string(&facts.machine).expect("can be shown");
        assert!(
            !text.contains("id)") && !text.contains("-rf") && !text.contains('$'),
            "{text}"
        );
        assert!(facts.unreadable["hostname"].contains("$(id)"), "{:?}", facts.unreadable);
    }

    #[test]
    fn an_answer_without_a_user_is_unreadable() {
        assert!(parse(&[FactKey::System], 0, b"os.id=debian\n").is_err());
    }
}
