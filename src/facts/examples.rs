//! An example of every key and every fact: each is stored and read without loss.

mod compose;
mod helm;
mod k3s;
mod kernel;
mod kubernetes;
mod node_images;
mod own_units;
mod usage;
mod zfs;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::account::{AccountDefaults, Group, GroupFact, SkeletonEntry, SkeletonKind, User, UserFact};
use super::apt::{InstallationFact, ListsFact, SimulatedInstall, SimulatedRemoval, Simulation};
use super::archive::Archive;
use super::calendar::CalendarFact;
use super::check::{CheckFact, FileCheck, HttpCheck, ProgramCheck};
use super::docker::{Container, Endpoint, Engine, Image, Network, Subnet, Volume};
use super::git::{Target, WorkingTree};
use super::http::{Answer, Question, Request};
use super::inquiry::{Inquiry, InquiryFact};
use super::kubernetes::{ObjectsCheck, Until};
use super::overlay::{Effect, FactScope};
use super::owed::Owed;
use super::package::PackageFact;
use super::path::{ContentFact, Entries, EntryKind, Inode, InodeKind, Listing, Metadata, PathFact};
use super::place::{DiskLocation, Room};
use super::session::{Account, Session, Unprivileged};
use super::system::{Architecture, Disk, Job, JobState, Machine, OperatingSystem, SystemFacts};
use super::unit::{Reload, UnitFact, UnitState};
use super::{AptVerb, Check, Fact, FactKey, Facts, Identity, Installation};
use crate::template::NamedFact;
use crate::value::Known;

fn calendar() -> [(FactKey, Vec<Fact>); 1] {
    let facts = vec![
        Fact::Calendar(CalendarFact::Next(text("Mon 2026-11-30 01:30:00 UTC"))),
        Fact::Calendar(CalendarFact::Wrong(text("Invalid argument"))),
    ];
    [(FactKey::Calendar(text("daily")), facts)]
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| text(name)).collect()
}

fn account(name: &str) -> Account {
    Account {
        user: text(name),
        group: text(name),
    }
}

fn docker_network() -> Network {
    Network {
        id: Known::Yes(text("74f8")),
        driver: text("bridge"),
        subnets: Known::Yes(vec![Subnet {
            subnet: text("10.99.0.0/24"),
            gateway: Some(text("10.99.0.1")),
            ip_range: None,
            aux_addresses: [(text("x"), text("10.99.0.5"))].into(),
        }]),
        options: [(text("com.docker.network.bridge.name"), text("lan0"))].into(),
        labels: [(text("a"), text("b"))].into(),
        internal: true,
        attachable: false,
        ipv6: false,
        containers: vec![text("web")],
    }
}

fn system() -> SystemFacts {
    SystemFacts {
        made: Vec::new(),
        machine: Machine {
            os: OperatingSystem {
                id: text("debian"),
                version: text("13"),
                codename: text("trixie"),
                name: text("Debian GNU/Linux 13 (trixie)"),
                family: text("debian"),
            },
            architecture: Architecture {
                dpkg: text("amd64"),
                uname: text("x86_64"),
            },
            hostname: text("web"),
            kernel: text("6.12"),
            cpus: 2,
            memory: 1 << 32,
            disks: vec![Disk {
                name: text("sda"),
                size: 1 << 40,
            }],
            addresses: vec![text("10.0.0.1")],
            init: text("systemd"),
            user_id: 1000,
            reboot_required: Some(vec![text("libc6")]),
        },
        unreadable: [(text("kernel"), text("the host says nothing of the kind"))].into(),
        session: Session {
            login: account("anna"),
            unprivileged: Some(Unprivileged {
                account: account("web"),
                groups: names(&["web", "adm"]),
                state_folder: text("/home/web/.local/state/homelab"),
                jobs_are_hidden: true,
            }),
            reader: None,
        },
        owed: vec![Owed {
            file: text("0123456789abcdef"),
            place: Some("site".to_owned()),
            project: Some(text("lab")),
            handler: text("web/proxy / restart it"),
            op: text("systemd.service"),
            parameters: Some([("service".to_owned(), "proxy".into())].into_iter().collect()),
            unit: Some(text("proxy.service")),
            starts: true,
        }],
        unreadable_files: Vec::new(),
        open_runs: Vec::new(),
        locked_by: Some(text("anna@desk since 2026-11-28T08:00:00Z")),
        jobs: [
            JobState::Running,
            JobState::Lost,
            JobState::Ended {
                code: 100,
                output: text("E: one"),
            },
        ]
        .map(|state| Job {
            id: text("0a"),
            summary: text("apt-get upgrade"),
            state,
        })
        .to_vec(),
    }
}

fn installation(verb: AptVerb) -> FactKey {
    FactKey::Installation(Installation {
        verb,
        packages: vec![text("nginx")],
        recommends: true,
        auto_remove: false,
        refreshed: true,
        without: [text("apache2")].into(),
        manual: [text("openssl")].into(),
        deb: None,
    })
}

fn answer_examples() -> impl Iterator<Item = (FactKey, Vec<Fact>)> {
    let answers = [
        Answer::Came {
            status: 200,
            body: b"{}".to_vec(),
        },
        Answer::Part(text("it is larger than 4 MiB")),
        Answer::None(text("no connection")),
    ];
    let request = Request {
        method: text("get"),
        ..Request::get("http://db/")
    };
    let key = FactKey::Answer(Question(Box::new(request)));
    [(key, answers.map(Fact::Answer).to_vec())].into_iter()
}

fn inquiry_examples() -> impl Iterator<Item = (FactKey, Vec<Fact>)> {
    let request = Request {
        method: text("get"),
        ..Request::get("http://db/")
    };
    let inquiries = [
        Inquiry::Download(Box::new(request)),
        Inquiry::Sshd {
            file: text("/etc/ssh/sshd_config.d/a.conf"),
            text: text("port 22"),
        },
        Inquiry::HostKeys {
            host: text("db"),
            port: 22,
        },
        Inquiry::Nftables {
            file: text("/etc/nftables.conf"),
            text: Some(text("flush ruleset")),
        },
        Inquiry::Archive(Box::new(Archive {
            src: text("/srv/a.tar"),
            digest: text("00ff"),
            dest: text("/srv/a"),
            strip: 1,
            exclude: vec![text("*.md")],
        })),
        Inquiry::Extracted { dest: text("/srv/a") },
        Inquiry::OwedFor {
            unit: text("app.service"),
            record: text("/var/lib/homelab/owed/0123456789abcdef"),
        },
        Inquiry::Instances {
            template: text("worker@.service"),
        },
        Inquiry::Explanation(Box::new(kubernetes::workloads())),
        Inquiry::WorkingTree(Box::new(WorkingTree {
            src: text("/srv/a.git"),
            dest: text("/srv/a"),
            user: Some(text("anna")),
            target: Target::Tag(text("v1")),
            submodules: true,
        })),
    ];
    let facts = vec![
        Fact::Inquiry(InquiryFact::Said(b"text".to_vec())),
        Fact::Inquiry(InquiryFact::Failed(text("no answer"))),
    ];
    inquiries
        .into_iter()
        .map(move |inquiry| (FactKey::Inquiry(inquiry), facts.clone()))
}

fn checks() -> [Check; 6] {
    [
        Check::Tcp {
            host: text("db"),
            port: 5432,
        },
        Check::Http(Box::new(HttpCheck {
            request: Request {
                method: text("options"),
                ca: Some(text("/etc/ca.pem")),
                ..Request::get("http://db/")
            },
            status: 200,
            contains: Some(text("ok")),
            json: Some(text("{}")),
        })),
        Check::File(Box::new(FileCheck {
            path: text("/etc/x"),
            present: true,
            mode: Some(0o644),
            ..FileCheck::default()
        })),
        Check::Program(Box::new(ProgramCheck {
            words: vec![text("id"), text("-un")],
            exit_code: 1,
            contains: Some(text("anna")),
            by: Identity::Own,
            env: super::Environment::default(),
        })),
        Check::Objects(Box::new(ObjectsCheck {
            objects: kubernetes::workloads(),
            until: Until::Condition {
                name: text("available"),
                status: text("true"),
            },
        })),
        Check::Command {
            script: text("true").into(),
            by: Identity::User(text("anna")),
            env: super::Environment::default(),
            shown: super::Shown::default(),
        },
    ]
}

fn inode(kind: InodeKind) -> Fact {
    Fact::Path(PathFact::Present(Inode {
        owner_id: None,
        group_id: None,
        kind,
        owner: text("root"),
        group: text("root"),
        mode: 0o644,
    }))
}

fn file(digest: Known<String>) -> Fact {
    inode(InodeKind::File { digest })
}

fn user() -> User {
    User {
        uid: Known::Yes(33),
        group: Known::Yes(text("web")),
        home: Known::No(text("`useradd` decides")),
        shell: Known::Yes(text("/bin/sh")),
        comment: Known::Yes(String::new()),
        groups: names(&["adm"]),
        elsewhere: Some(text("ldap")),
    }
}

fn group() -> Group {
    Group {
        gid: Known::No(text("`groupadd` decides")),
        members: names(&["anna"]),
        primary_of: BTreeSet::new(),
        elsewhere: None,
    }
}

fn defaults() -> AccountDefaults {
    let entry = |path: &str, kind| SkeletonEntry {
        path: text(path),
        mode: 0o755,
        kind,
    };
    AccountDefaults {
        home_base: text("/home"),
        shell: text("/bin/sh"),
        private_groups: true,
        group: text("users"),
        home_mode: 0o700,
        skeleton: vec![
            entry("d", SkeletonKind::Directory),
            entry("f", SkeletonKind::File(Known::Yes(b"umask 022\n".to_vec()))),
            entry("b", SkeletonKind::File(Known::Yes(vec![0xff, 0]))),
            entry("h", SkeletonKind::File(Known::No(text("too large")))),
            entry("l", SkeletonKind::Link(text("f"))),
        ],
    }
}

/// The examples of facts about paths.
fn of_paths() -> Vec<(FactKey, Vec<Fact>)> {
    vec![
        (
            FactKey::Path(text("/etc/x")),
            vec![
                Fact::Path(PathFact::Absent),
                file(Known::Yes(text("00ff"))),
                file(Known::No(text("may not be read"))),
                inode(InodeKind::Directory),
                inode(InodeKind::Link { target: text("y") }),
                inode(InodeKind::Other),
            ],
        ),
        (
            FactKey::Content(text("/etc/x")),
            vec![
                Fact::Content(ContentFact::Absent),
                Fact::Content(ContentFact::TooLarge),
                Fact::Content(ContentFact::Bytes(b"a = \"b\"\n".to_vec())),
                Fact::Content(ContentFact::Bytes(vec![0xff, 0])),
            ],
        ),
        (
            FactKey::DiskLocation(text("/etc/x")),
            vec![
                Fact::DiskLocation(None),
                Fact::DiskLocation(Some(DiskLocation {
                    device: 42,
                    inode: 7,
                    links: 1,
                    allocated: 4096,
                    room: Some(Room {
                        block: 4096,
                        bytes: Some((1 << 40, 1 << 30)),
                        files: None,
                    }),
                    is_closed: false,
                })),
            ],
        ),
        (
            FactKey::Metadata(text("/etc/x")),
            vec![
                Fact::Metadata(Metadata::default()),
                Fact::Metadata(Metadata {
                    without_flags: false,
                    flags: text("i"),
                    is_mount: true,
                    read_only: Some(text("/etc")),
                }),
            ],
        ),
        (
            FactKey::Entries(text("/srv/x")),
            vec![
                Fact::Entries(Entries::default()),
                Fact::Entries(Entries {
                    count: 3,
                    has_mounts: true,
                    digest: None,
                }),
            ],
        ),
        (
            FactKey::Listing(text("/srv/x")),
            vec![
                Fact::Listing(Listing::default()),
                Fact::Listing(Listing {
                    unusable: ["x\ny"].map(str::to_owned).into(),
                    entries: [(text("a"), EntryKind::Directory), (text("a/b"), EntryKind::File)].into(),
                    is_complete: false,
                }),
            ],
        ),
        (
            FactKey::PathResolution(text("/lib/x")),
            vec![
                Fact::PathResolution(Vec::new()),
                Fact::PathResolution(vec![text("/"), text("/lib"), text("/usr/lib/x")]),
            ],
        ),
    ]
}

/// What may be known under a key of each kind.
fn examples() -> Vec<(FactKey, Vec<Fact>)> {
    let lists = |age, refreshed| {
        Fact::PackageLists(ListsFact {
            age,
            refreshed,
            outdated: refreshed,
        })
    };
    let lost = text("E: no");
    let mut examples = of_paths();
    examples.extend([
        (FactKey::System, vec![Fact::System(Box::new(system()))]),
        (
            FactKey::Package(text("nginx")),
            vec![
                Fact::Package(PackageFact::Absent),
                Fact::Package(PackageFact::installed(Known::Yes(text("1.2-3")))),
                Fact::Package(PackageFact::Listed {
                    version: Known::Yes(text("1.2-3")),
                    status: "hold reinstreq half-configured".parse().expect("a status"),
                    automatic: true,
                }),
                Fact::Package(PackageFact::Provided {
                    by: [(text("nginx-light"), true)].into(),
                }),
            ],
        ),
        (
            FactKey::Misspelling(text("ngnix")),
            vec![Fact::Misspelling(Vec::new()), Fact::Misspelling(vec![text("nginx")])],
        ),
        (
            installation(AptVerb::Install),
            vec![
                Fact::Installation(InstallationFact::Possible(Simulation {
                    installs: vec![SimulatedInstall {
                        name: text("nginx"),
                        old: Some(text("1.1")),
                        new: text("1.2"),
                        automatic: true,
                    }],
                    removals: vec![SimulatedRemoval {
                        name: text("apache2"),
                        old: text("2.4"),
                    }],
                    configures: vec![text("nginx-common")],
                    held: vec![text("libc6")],
                    downgrades: vec![text("libpcre3")],
                    providers: [(text("httpd"), vec![text("nginx")])].into(),
                    owned: Arc::new(names(&["/usr/sbin/nginx"])),
                })),
                Fact::Installation(InstallationFact::NoLists),
                Fact::Installation(InstallationFact::Interrupted),
                Fact::Installation(InstallationFact::Unrefreshed { output: lost.clone() }),
                Fact::Installation(InstallationFact::Impossible {
                    output: lost,
                    near: [(text("ngnix"), vec![text("nginx")])].into(),
                }),
            ],
        ),
        (installation(AptVerb::Reinstall), Vec::new()),
        (installation(AptVerb::Remove), Vec::new()),
        (installation(AptVerb::Upgrade), Vec::new()),
        (installation(AptVerb::FullUpgrade), Vec::new()),
        (FactKey::PackageLists, vec![lists(None, false), lists(Some(60), true)]),
        unit_example(),
        (
            FactKey::Reload(text("ssh.service")),
            vec![Fact::Reload(true), Fact::Reload(false)],
        ),
    ]);
    examples
        .into_iter()
        .chain(account_examples())
        .chain(inquiry_examples())
        .chain(answer_examples())
        .chain(kernel::examples())
        .chain(kubernetes::examples())
        .chain(helm::examples())
        .chain(docker_examples())
        .chain(usage::examples())
        .chain(zfs::examples())
        .chain(k3s::examples())
        .chain(node_images::examples())
        .chain(own_units::examples())
        .chain(calendar())
        .chain(compose::examples())
        .chain(checks().map(|check| {
            let facts = vec![
                Fact::Check(CheckFact::Holds),
                Fact::Check(CheckFact::Fails(text("no answer"))),
                Fact::Check(CheckFact::Impossible(text("tesst: not found"))),
                Fact::Denied(text("`anna` may not work as `web`")),
            ];
            (FactKey::Check(check), facts)
        }))
        .collect()
}

fn docker_examples() -> Vec<(FactKey, Vec<Fact>)> {
    vec![
        (
            FactKey::DockerEngine,
            vec![
                Fact::DockerEngine(Engine::Absent {
                    data_root: text("/var/lib/docker"),
                    has_state: true,
                    has_command: false,
                }),
                Fact::DockerEngine(Engine::WithoutCommand),
                Fact::DockerEngine(Engine::Stopped(text("it failed"))),
                Fact::DockerEngine(Engine::Running),
            ],
        ),
        (
            FactKey::DockerNetwork(text("lan")),
            vec![
                Fact::DockerNetwork(Vec::new()),
                Fact::DockerNetwork(vec![docker_network()]),
            ],
        ),
        (
            FactKey::DockerVolume(text("media")),
            vec![
                Fact::DockerVolume(None),
                Fact::DockerVolume(Some(Volume {
                    driver: text("local"),
                    options: [(text("type"), text("nfs"))].into(),
                    labels: [(text("a"), text("b"))].into(),
                    containers: vec![text("web")],
                })),
            ],
        ),
        (
            FactKey::DockerImage(text("caddy:2.10")),
            vec![
                Fact::DockerImage(None),
                Fact::DockerImage(Some(Image {
                    id: Known::Yes(text("sha256:74f8")),
                    digests: Known::Yes(vec![text("sha256:9a0b")]),
                    containers: vec![text("web")],
                })),
            ],
        ),
        (
            FactKey::DockerEndpoints(text("lan")),
            vec![
                Fact::DockerEndpoints(Vec::new()),
                Fact::DockerEndpoints(vec![Endpoint {
                    container: text("web"),
                    addresses: vec![text("10.20.0.9")],
                    mac: Some(text("02:42:0a:14:00:77")),
                }]),
            ],
        ),
        (
            FactKey::DockerContainer(text("web")),
            vec![
                Fact::DockerContainer(None),
                Fact::DockerContainer(Some(Container {
                    name: text("web"),
                    state: text("running"),
                })),
            ],
        ),
    ]
}

fn unit_example() -> (FactKey, Vec<Fact>) {
    (
        FactKey::Unit(text("ssh.service")),
        vec![
            Fact::Unit(UnitFact::Absent),
            Fact::Unit(UnitFact::Present(UnitState {
                id: text("ssh.service"),
                load: text("loaded"),
                active: text("active"),
                sub: text("running"),
                enabled: text("enabled"),
                service_type: text("notify"),
                remains: false,
                was_restarted: true,
                can_start: true,
                can_stop: true,
                file: text("/etc/systemd/system/ssh.service"),
                needs_reload: true,
                is_outdated: true,
                lacks_command: false,
                has_drop_ins: true,
                reload: Reload::Possible,
                is_new: false,
                source: text("/etc/init.d/ssh"),
                also: [(text("ssh.socket"), text("disabled"))].into(),
            })),
        ],
    )
}

fn account_examples() -> Vec<(FactKey, Vec<Fact>)> {
    vec![
        (
            FactKey::User(text("anna")),
            vec![Fact::User(UserFact::Absent), Fact::User(UserFact::Present(user()))],
        ),
        (
            FactKey::Group(text("web")),
            vec![Fact::Group(GroupFact::Absent), Fact::Group(GroupFact::Present(group()))],
        ),
        (
            FactKey::UserNumber(33),
            vec![Fact::UserNumber(None), Fact::UserNumber(Some(text("web")))],
        ),
        (
            FactKey::GroupNumber(33),
            vec![Fact::GroupNumber(None), Fact::GroupNumber(Some(text("web")))],
        ),
        (
            FactKey::AccountDefaults,
            vec![Fact::AccountDefaults(Box::new(defaults()))],
        ),
    ]
}

/// Stored as JSON, as a plan is, and as TOML, as a case is.
fn stored<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) -> String {
    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    struct Document<T> {
        value: T,
    }
    let json = serde_json::to_string(value).expect("can be stored");
    assert_eq!(serde_json::from_str::<T>(&json).expect("can be read"), *value, "{json}");
    let document = Document { value };
    let toml = toml::to_string(&document).expect("can be stored");
    assert_eq!(
        toml::from_str::<Document<T>>(&toml).expect("can be read").value,
        *value,
        "{toml}"
    );
    json
}

/// Removes the names of kinds of Kubernetes, which are the cluster's words.
fn without_kinds(value: &mut serde_json::Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, _| !["kind", "names"].contains(&name.as_str()));
        fields.values_mut().for_each(without_kinds);
    }
}

#[test]
fn every_key_and_every_fact_is_stored_without_loss() {
    let mut all = Facts::default();
    for (key, facts) in examples() {
        let mut name = serde_json::from_str(&stored(&key)).expect("JSON");
        without_kinds(&mut name);
        let name = name.to_string();
        assert!(!name.contains(char::is_uppercase), "{name}");
        for fact in facts {
            stored(&fact);
            stored(&Effect::Set(key.clone(), fact.clone()));
            all.insert(key.clone(), fact);
        }
    }
    stored(&all);
    let owned = FactScope::Owned(Arc::new(names(&["/etc/x"])));
    for scope in [
        FactScope::Key(FactKey::System),
        FactScope::MayComeWithPackages,
        FactScope::Containers,
        FactScope::Docker,
        FactScope::Kubernetes,
        FactScope::Everything,
        owned,
    ] {
        stored(&Effect::Forget(scope, text("why")));
    }
}

#[test]
fn every_kind_has_its_example() {
    let examples = examples();
    let kinds: BTreeSet<String> = examples.iter().map(|(key, _)| kind(key)).collect();
    let all: BTreeSet<String> = FactKey::KINDS.iter().map(|kind| text(kind)).collect();
    assert_eq!(kinds, all);
    for (key, facts) in examples {
        if let Some(absent) = key.absent() {
            assert!(facts.contains(&absent), "{key}: an example of what is absent");
            assert_eq!(facts.iter().filter(|fact| key.is_absent(fact)).count(), 1, "{key}");
        }
        let of_others = facts.iter().filter(|fact| !matches!(fact, Fact::Denied(_)));
        assert!(of_others.into_iter().all(|fact| kind(fact) == kind(&key)), "{key}");
    }
}

/// The name of the variant.
fn kind(value: &impl std::fmt::Debug) -> String {
    let shown = format!("{value:?}");
    shown.split(['(', ' ']).next().unwrap_or_default().to_owned()
}

#[test]
fn a_family_is_asked_once_and_its_keys_stand_together() {
    let keys: BTreeSet<FactKey> = examples().into_iter().map(|(key, _)| key).collect();
    let subjects: Vec<&str> = super::questions(&keys).iter().map(super::Question::subject).collect();
    let mut in_order: Vec<&str> = keys
        .iter()
        .map(|key| super::questions::family_of(key).subject)
        .collect();
    in_order.dedup();
    assert_eq!(subjects, in_order);
}

#[test]
fn what_a_unit_is_and_whether_it_can_be_reloaded_are_asked_apart() {
    let unit = text("a.service");
    let keys = BTreeSet::from([FactKey::Unit(unit.clone()), FactKey::Reload(unit.clone())]);
    let asked = super::questions(&keys);
    assert_eq!(asked.len(), 2);
    let reload = asked[1].parse(0, b"CanReload=yes\n").expect("readable");
    assert_eq!(reload, [(FactKey::Reload(unit), Fact::Reload(true))]);
}

#[test]
fn templates_find_what_they_ask_for_by_name() {
    for family in super::InTemplates::all() {
        assert_eq!(
            super::InTemplates::find(family.family).map(|found| found.family),
            Some(family.family)
        );
        let key = (family.key)("name");
        let absent = key.absent().expect("what has a name may be absent");
        assert!(matches!(family.described(&absent), NamedFact::Absent), "{key}");
        let facts = examples().into_iter().find(|(example, _)| kind(example) == kind(&key));
        let seen = facts
            .expect("an example")
            .1
            .iter()
            .any(|fact| match family.described(fact) {
                NamedFact::Present(attributes) => {
                    let names: BTreeSet<&str> = attributes.keys().copied().collect();
                    names == family.attributes.iter().copied().collect()
                }
                _ => false,
            });
        assert!(seen, "{key}: an example with all attributes");
    }
}

#[test]
fn what_is_stored_can_be_read_by_people() {
    assert_eq!(stored(&FactKey::Path(text("/etc/x"))), r#"{"path":"/etc/x"}"#);
    assert_eq!(stored(&Fact::Path(PathFact::Absent)), r#"{"path":"absent"}"#);
    assert_eq!(
        stored(&file(Known::Yes(text("00ff")))),
        r#"{"path":{"present":{"kind":{"file":{"digest":"00ff"}},"owner":"root","group":"root","mode":420}}}"#
    );
    assert_eq!(
        stored(&Fact::Content(ContentFact::Bytes(b"x\n".to_vec()))),
        r#"{"content":{"bytes":"x\n"}}"#
    );
    assert_eq!(stored(&Fact::UserNumber(None)), r#"{"user_number":"absent"}"#);
}
