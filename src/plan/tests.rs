use super::*;
use crate::facts::Fact;
use crate::facts::account::{AccountDefaults, SkeletonEntry, SkeletonKind};
use crate::facts::apt::{InstallationFact, SimulatedInstall, Simulation};
use crate::facts::path::{Inode, InodeKind, PathFact};
use crate::facts::system::{Machine, SystemFacts};
use crate::project::{Filter, Selection, load, read, select};
use crate::secret::DigestKey;

/// A host as a table of facts; everything else is absent.
fn answer(key: &FactKey) -> Fact {
    match key {
        FactKey::System => Fact::System(Box::new(SystemFacts {
            machine: Machine {
                hostname: "web".to_owned(),
                ..Machine::default()
            },
            ..SystemFacts::default()
        })),
        FactKey::Path(path) if ["/", "/etc", "/etc/apt", "/home"].contains(&path.as_str()) => {
            Fact::Path(PathFact::Present(Inode {
                owner_id: None,
                group_id: None,
                kind: InodeKind::Directory,
                owner: "root".to_owned(),
                group: "root".to_owned(),
                mode: 0o755,
            }))
        }
        FactKey::PackageLists => Fact::PackageLists(crate::facts::apt::ListsFact {
            age: Some(7200),
            refreshed: false,
            outdated: false,
        }),
        FactKey::Check(_) => Fact::Check(crate::facts::check::CheckFact::Holds),
        FactKey::AccountDefaults => Fact::AccountDefaults(Box::new(defaults())),
        FactKey::Installation(wish) => Fact::Installation(InstallationFact::Possible(Simulation {
            installs: wish
                .packages
                .iter()
                .map(|name| SimulatedInstall {
                    name: name.clone(),
                    old: None,
                    new: "1.0".to_owned(),
                    automatic: false,
                })
                .collect(),
            ..Simulation::default()
        })),
        other => other.absent().expect("a fact for what is always there"),
    }
}

fn defaults() -> AccountDefaults {
    AccountDefaults {
        home_base: "/home".to_owned(),
        shell: "/bin/sh".to_owned(),
        private_groups: true,
        group: "users".to_owned(),
        home_mode: 0o700,
        skeleton: vec![SkeletonEntry {
            path: ".profile".to_owned(),
            mode: 0o644,
            kind: SkeletonKind::File(crate::value::Known::Yes(b"umask 022\n".to_vec())),
        }],
    }
}

fn run_of(task: &str) -> Selection {
    run_with(task, &[])
}

fn folder_of(task: &str, further: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    let project = [
        ("inventories/dev.toml", "[hosts.web]"),
        ("deploys/site.toml", "hosts = ['*']\ntasks = ['t/t']"),
        ("group_data/all.toml", "names = ['a', 'b']\non = true"),
        ("tasks/t/t.toml", task),
    ];
    for (path, text) in project.iter().chain(further).copied() {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("mkdir");
        std::fs::write(path, text).expect("write");
    }
    root
}

fn run_with(task: &str, further: &[(&str, &str)]) -> Selection {
    let root = folder_of(task, further);
    let project = load(root.path()).expect("valid");
    select(&project, "dev", "site", &Filter::default()).expect("hosts and tasks")
}

/// Plans as a run does: facts in rounds.
fn settle(run: &Selection) -> (Build, usize) {
    let key = DigestKey::random();
    let mut known = Snapshot::default();
    let mut rounds = 0;
    loop {
        let build = build(run, &known, &key);
        if build.missing.is_empty() || rounds == 3 || !build.mistakes.is_empty() {
            return (build, rounds);
        }
        rounds += 1;
        for (host, keys) in &build.missing {
            let facts = known.facts.entry(host.clone()).or_default();
            for key in keys {
                facts.insert(key.clone(), answer(key));
            }
        }
    }
}

fn outcomes(build: &Build) -> Vec<(String, &Outcome)> {
    build.plan.hosts[0]
        .operations
        .iter()
        .map(|operation| (operation.id.slug().to_owned(), &operation.outcome))
        .collect()
}

fn mistakes(task: &str) -> Vec<String> {
    let root = folder_of(task, &[]);
    let checked = check(&read(root.path()), &CheckRequest::default()).expect("the deploy is there");
    checked
        .mistakes
        .iter()
        .map(|found| found.diagnostic.to_string())
        .collect()
}

#[test]
fn later_operations_see_what_earlier_ones_do() {
    let task = "[[operation]]\nop = 'files.directory'\npath = '/srv'\n\
        [[operation]]\nop = 'files.file'\npath = '/srv/x'\n\
        [[operation]]\nop = 'files.line'\npath = '/srv/x'\nline = 'y'\n\
        [[operation]]\nname = 'again'\nop = 'files.line'\npath = '/srv/x'\nline = 'y'\n";
    let (build, rounds) = settle(&run_of(task));
    assert_eq!(build.mistakes, []);
    assert_eq!(rounds, 1);
    let outcomes = outcomes(&build);
    assert!(matches!(outcomes[0].1, Outcome::Change(_)));
    assert!(matches!(outcomes[1].1, Outcome::Change(_)));
    assert!(matches!(outcomes[2].1, Outcome::Change(_)));
    assert_eq!(outcomes[3], ("again".to_owned(), &Outcome::Unchanged));
}

#[test]
fn an_account_and_its_files_are_planned_on_a_host_that_has_none_of_them() {
    let task = "[[operation]]\nop = 'server.group'\ngroup = 'media'\n\
        [[operation]]\nop = 'server.user'\nuser = 'ann'\ngroups = ['media']\n\
        [[operation]]\nop = 'files.directory'\npath = '/home/ann/bin'\nuser = 'ann'\ngroup = 'media'\n\
        [[operation]]\nop = 'files.template'\nsrc = 'x.j2'\ndest = '/home/ann/bin/x'\nuser = 'ann'\ngroup = 'ann'\n\
        [[operation]]\nname = 'again'\nop = 'server.user'\nuser = 'ann'\ngroups = ['media']\n\
        [[operation]]\nop = 'files.line'\npath = '/home/ann/.profile'\nline = 'umask 022'\n";
    let (build, rounds) = settle(&run_with(
        task,
        &[("templates/x.j2", "{{ names | join(' ') }} on {{ host }}\n")],
    ));
    assert_eq!(build.mistakes, []);
    assert!(rounds <= 2, "{rounds} rounds");
    let outcomes = outcomes(&build);
    for (name, outcome) in &outcomes[..4] {
        assert!(matches!(outcome, Outcome::Change(_)), "{name}: {outcome:?}");
    }
    assert_eq!(outcomes[4], ("again".to_owned(), &Outcome::Unchanged));
    assert_eq!(outcomes[5].1, &Outcome::Unchanged, "the skeleton's file is known");
}

#[test]
fn after_a_package_whole_files_are_ensured_and_lines_deferred() {
    let task = "[[operation]]\nop = 'apt.packages'\npackages = ['p']\n\
        [[operation]]\nop = 'files.put'\ndest = '/etc/apt/mine'\ncontent = 'x'\n\
        [[operation]]\nop = 'files.line'\npath = '/etc/apt/theirs'\nline = 'y'\n\
        [[operation]]\nop = 'systemd.service'\nservice = 'p'\nstate = 'started'\n\
        [[operation]]\nop = 'files.put'\ndest = '/srv'\ncontent = 'x'\n";
    let (build, rounds) = settle(&run_of(task));
    assert_eq!(build.mistakes, []);
    assert_eq!(rounds, 2, "the second round asks apt what it would do");
    let outcomes = outcomes(&build);
    assert!(matches!(outcomes[0].1, Outcome::Change(_)));
    assert!(matches!(outcomes[1].1, Outcome::Ensure { .. }), "{:?}", outcomes[1]);
    let Outcome::Deferred { waits_for, why, .. } = outcomes[2].1 else {
        panic!("{:?}", outcomes[2])
    };
    assert_eq!(waits_for[0].slug(), "apt.packages p");
    assert_eq!(why, "path `/etc/apt/theirs`: a package may create it");
    assert!(matches!(outcomes[3].1, Outcome::Ensure { .. }), "{:?}", outcomes[3]);
    assert!(matches!(outcomes[4].1, Outcome::Change(_)), "{:?}", outcomes[4]);
}

#[test]
fn conditions_and_items_decide_what_is_planned() {
    let task = "[[operation]]\nop = 'files.directory'\nfor_each = 'names'\npath = '/srv/{{ item }}'\nwhen = \"item != 'a'\"\n\
        [[operation]]\nop = 'files.directory'\npath = '/no'\nwhen = 'not on'\n\
        [[operation]]\nop = 'files.directory'\npath = '/{{ facts.hostname }}'\nwhen = \"facts.hostname == 'web'\"\n";
    let (build, rounds) = settle(&run_of(task));
    assert_eq!(rounds, 2, "what facts name is asked for in the second round");
    let names: Vec<String> = outcomes(&build).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["files.directory /srv/b[b]", "files.directory /web"]);
    let skipped: Vec<&str> = build.plan.hosts[0]
        .skipped
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(
        skipped,
        ["t/t / files.directory /srv/{{ item }}[a]", "t/t / files.directory /no"]
    );
}

#[test]
fn mistakes_are_found_without_a_host() {
    let cases = [
        (
            "[[operation]]\nop = 'files.directory'\npath = '/x'\n[[operation]]\nop = 'apt.packages'\npackages = ['a', 3]",
            "tasks/t/t.toml:6:18: item 2 of `packages` of `apt.packages` must be a string",
        ),
        (
            "[[operation]]\nop = 'files.directory'\npth = '/x'",
            "tasks/t/t.toml:3:1: unknown parameter `pth` of `files.directory`",
        ),
        (
            "[[operation]]\nop = 'files.directory'\npath = '{{ nope }}'",
            "tasks/t/t.toml:3:12: `nope` is undefined",
        ),
        (
            "[[operation]]\nop = 'files.directory'\npath = '/x'\nwhen = '{{ on }}'",
            "tasks/t/t.toml:4:8: unexpected braces around an expression",
        ),
        (
            "[[operation]]\nop = 'files.directory'\npath = '/x'\nwhen = 'names'",
            "tasks/t/t.toml:4:8: `when` must be true or false",
        ),
        (
            "[[operation]]\nop = 'files.directory'\npath = '/x'\nfor_each = 'on'",
            "tasks/t/t.toml:4:12: `for_each` must be a list",
        ),
        (
            "[[operation]]\nop = 'apt.packages'\npackages = '{{ on }}'",
            "group_data/all.toml:2:6: `packages` of `apt.packages` must be a list of strings",
        ),
    ];
    for (task, expected) in cases {
        let found = mistakes(task);
        assert!(
            found.iter().any(|mistake| mistake.starts_with(expected)),
            "{task}\n{found:#?}"
        );
    }
    let twice = mistakes(
        "[[operation]]\nop = 'files.directory'\npath = '/x'\n[[operation]]\nop = 'files.directory'\npath = '/x'",
    );
    assert_eq!(
        twice,
        ["tasks/t/t.toml:5:6: duplicate operation name `files.directory /x`"]
    );
}

#[test]
fn a_default_name_has_what_tells_operations_apart() {
    let unit = "[[operation]]\nop = 'systemd.unit'\nunit = 'counter'\npresent = false\n";
    let block = "[[operation]]\nop = 'files.block'\npath = '/srv/x'\npresent = false\n";
    let task = format!("{unit}{unit}drop_in = 'limits'\n{block}{block}marker = '# {{mark}} nas'\n");
    let (build, _) = settle(&run_of(&task));
    let names: Vec<&str> = build.plan.hosts[0].operations.iter().map(|one| one.id.slug()).collect();
    assert_eq!(
        names,
        [
            "systemd.unit counter",
            "systemd.unit counter limits",
            "files.block /srv/x",
            "files.block /srv/x # {mark} nas"
        ]
    );
}

#[test]
fn what_is_done_is_not_planned_again_and_new_drift_departs_from_the_review() {
    let task = "[[operation]]\nop = 'files.put'\ndest = '/srv'\ncontent = 'x'\n[[operation]]\nop = 'files.put'\ndest = '/opt'\ncontent = 'x'";
    let run = run_of(task);
    let (reviewed, _) = settle(&run);
    let first = &reviewed.plan.hosts[0].operations[0];
    let mut known = Snapshot::default();
    known.done.entry("web".to_owned()).or_default().insert(first.id.clone());
    let rest = build(&run, &known, &DigestKey::random());
    assert_eq!(rest.plan.hosts[0].operations.len(), 1);
    assert_eq!(rest.plan.hosts[0].operations[0].id.slug(), "files.put /opt");

    let second = &reviewed.plan.hosts[0].operations[1];
    assert_eq!(compare(second, second), Ok(()));
    let mut unchanged = second.clone();
    unchanged.outcome = Outcome::Unchanged;
    assert_eq!(compare(second, &unchanged), Ok(()));
    assert!(compare(&unchanged, second).is_err());
    let mut deferred = second.clone();
    deferred.outcome = Outcome::Deferred {
        waits_for: Vec::new(),
        why: String::new(),
        touches: vec![crate::facts::overlay::FactScope::Key(FactKey::Path("/opt".to_owned()))],
        preview: Vec::new(),
    };
    assert_eq!(compare(&deferred, second), Ok(()));
    assert!(compare(&deferred, first).is_err());
}

#[test]
fn the_plan_knows_no_runtime_and_no_clock() {
    let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut looked_at = 0;
    for folder in ["plan", "facts", "operations", "change", "project", "template", "value"] {
        let mut folders = vec![sources.join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("readable").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).expect("readable");
                for word in ["tokio::", "async fn", "SystemTime", "Instant::"] {
                    let own = path.ends_with("plan/tests.rs");
                    assert!(own || !text.contains(word), "{} names {word}", path.display());
                }
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 25, "{looked_at} files");
}

#[test]
fn a_stored_plan_is_read_as_it_was_and_its_files_lie_beside_it() {
    let task = "[[operation]]\nop = 'files.directory'\npath = '/srv'\n\
        [[operation]]\nop = 'files.put'\ndest = '/srv/text'\ncontent = 'text'\n\
        [[operation]]\nop = 'files.put'\ndest = '/srv/large'\nsrc = 'large'\n\
        [[operation]]\nop = 'files.template'\ndest = '/srv/rendered'\nsrc = 'x.j2'\n\
        [[operation]]\nop = 'files.line'\npath = '/srv/text'\nline = 'y'\n\
        [[operation]]\nop = 'files.file'\npath = '/srv/file'\n\
        [[operation]]\nop = 'files.link'\npath = '/srv/link'\ntarget = 'file'\n\
        [[operation]]\nop = 'server.group'\ngroup = 'deploy'\n\
        [[operation]]\nop = 'server.user'\nuser = 'deploy'\n\
        [[operation]]\nop = 'apt.update'\n\
        [[operation]]\nop = 'apt.packages'\npackages = ['jq']\n\
        [[operation]]\nop = 'apt.upgrade'\n\
        [[operation]]\nop = 'systemd.service'\nservice = 'jq'\nstate = 'started'\n\
        [[operation]]\nop = 'server.shell'\nname = 'any'\nalways = true\ncommands = ['true']\n\
        [[operation]]\nop = 'verify.tcp'\nport = 22\n\
        [[operation]]\nop = 'verify.http'\nurl = 'http://localhost/'\n";
    let large = "x".repeat(1_500_000);
    let further = [("templates/large", large.as_str()), ("templates/x.j2", "{{ names }}")];
    let root = folder_of(task, &further);
    let project = load(root.path()).expect("valid");
    let selection = select(&project, "dev", "site", &Filter::default()).expect("hosts and tasks");
    let (mut build, _) = settle(&selection);
    assert_eq!(build.mistakes, []);
    assert_eq!(build.plan.hosts[0].operations.len(), 16);
    let text = serde_json::to_string(&build.plan).expect("a plan can be stored");
    assert!(text.len() < 500_000, "{}", text.len());
    let mut back: Plan = serde_json::from_str(&text).expect("and read");
    assert_eq!(back, build.plan);
    let store = tempfile::tempdir().expect("a folder");
    for content in build.plan.contents() {
        let bytes = content.bytes().unwrap_or(large.as_bytes());
        std::fs::write(store.path().join(content.sha256()), bytes).expect("written");
    }
    let mut sizes = Vec::new();
    for content in back.contents() {
        let path = store.path().join(content.sha256());
        content.attach("the stored file", &path);
        sizes.push((content.size(), std::fs::metadata(path).expect("stored").len()));
    }
    assert!(
        sizes.len() >= 4 && sizes.iter().all(|(size, stored)| size == stored),
        "{sizes:?}"
    );
}

#[test]
fn only_a_capture_that_comes_later_is_used_before_it_is_there() {
    let user = "[[operation]]\nop = 'files.put'\ndest = '/etc/x'\ncontent = '{{ captured.token }}'\n";
    let capture = "[[operation]]\ncapture = 'token'\nfile = '/etc/token'\n";
    let too_early = "`captured.token` is used before it is there";
    let titles = |tasks: &str, maker: &str| -> Vec<String> {
        let deploy = format!("hosts = ['*']\ntasks = [{tasks}]");
        let run = run_with(user, &[("deploys/site.toml", &deploy), ("tasks/t/made.toml", maker)]);
        let (build, _) = settle(&run);
        build
            .mistakes
            .into_iter()
            .map(|mistake| mistake.diagnostic.title)
            .collect()
    };
    assert_eq!(titles("'t/t', 't/made'", capture), [too_early]);
    let skipped = format!("when = 'not on'\n{capture}");
    let by_use = "{ task = 't/made', when = 'not on' }, 't/t'";
    for (tasks, maker) in [
        ("'t/made', 't/t'", capture),
        ("'t/made', 't/t'", &skipped),
        (by_use, capture),
    ] {
        let found = titles(tasks, maker);
        assert!(!found.iter().any(|title| title == too_early), "{tasks}: {found:?}");
    }
    // One mistake, and none that follows from it.
    let lacking = format!("required = ['nothing']\n{capture}");
    let found = titles("'t/made', 't/t'", &lacking);
    assert_eq!(found, ["task `t/made` requires `nothing`"]);
}

#[test]
fn a_value_that_no_entry_makes_is_a_mistake_without_a_host() {
    let user = "[[operation]]\nop = 'files.put'\ndest = '/etc/x'\ncontent = '{{ captured.token }}'\n";
    let create = "create = { op = 'server.shell', commands = ['date'] }\n";
    let capture = "[[operation]]\ncapture = 'token'\nfile = '{{ folder }}/token'\n";
    let titles = |maker: String, made: &str| -> Vec<String> {
        let deploy = format!("hosts = ['*']\ntasks = [{made}, 't/t']");
        let inventory = "[hosts.a]\ndata = { folder = '/srv', stacks = ['web'], on = false }";
        let above = "required = ['vars.stack']\n[[operation]]\ninclude = 't/made'\nwhen = \"vars.stack == 'db'\"\n";
        let mut files = vec![
            ("inventories/dev.toml", inventory),
            ("deploys/site.toml", deploy.as_str()),
            ("tasks/t/made.toml", maker.as_str()),
        ];
        files.extend(made.contains("t/above").then_some(("tasks/t/above.toml", above)));
        let root = folder_of(user, &files);
        let checked = check(&crate::project::read(root.path()), &CheckRequest::default()).expect("an inventory");
        checked
            .mistakes
            .into_iter()
            .map(|found| found.diagnostic.title)
            .collect()
    };
    let nothing_makes_it = "`captured.token` is used on host `a`, where nothing makes it";
    let by_stacks = "{ task = 't/above', for_each = 'stacks', vars = { stack = '{{ item }}' } }";
    for (maker, made) in [
        (format!("{capture}when = 'on'\n{create}"), "'t/made'"),
        (format!("{capture}{create}"), "{ task = 't/made', when = 'on' }"),
        (format!("{capture}{create}"), by_stacks),
    ] {
        assert_eq!(titles(maker, made), [nothing_makes_it], "{made}");
    }
    for (maker, made) in [
        (format!("{capture}{create}"), "'t/made'"),
        // What only reads a file says nothing of who makes it.
        (format!("{capture}when = 'on'\n"), "'t/made'"),
        // A host may say that it is wanted.
        (format!("{capture}when = 'facts.cpus > 1'\n{create}"), "'t/made'"),
        (
            format!("{capture}{create}"),
            "{ task = 't/above', vars = { stack = 'web' } }, { task = 't/above', name = 'b', vars = { stack = 'db' } }",
        ),
    ] {
        let found = titles(maker, made);
        assert!(found.is_empty(), "{made}: {found:?}");
    }
}

#[test]
fn the_images_of_a_stack_are_known_unless_its_compose_file_is_not() {
    let task = "[[operation]]\ncapture = 'token'\nfile = '/srv/token'\n\
        create = { op = 'server.shell', commands = ['x'] }\n\
        [[operation]]\nop = 'docker.compose'\nstack = 'web'\nproject_directory = '/opt/web'\n";
    let compose = "services: { app: { image: 'demo:1', env_file: [app.env] } }\n";
    let rendered = "services: { app: { image: 'demo:1', user: '{{ captured.token }}' } }\n";
    for (files, image, is_whole) in [
        (
            vec![("compose.yaml", compose), ("app.env.j2", "{{ captured.token }}")],
            true,
            true,
        ),
        (vec![("compose.yaml.j2", rendered)], false, false),
    ] {
        let paths: Vec<(String, &str)> = files
            .into_iter()
            .map(|(name, text)| (format!("templates/services/web/{name}"), text))
            .collect();
        let further: Vec<(&str, &str)> = paths.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let root = folder_of(task, &further);
        let used = images_in_use(&load(root.path()).expect("valid"), "dev").expect("an inventory");
        assert_eq!(used.images.contains_key("demo:1"), image, "{used:?}");
        assert_eq!(used.is_whole(), is_whole, "{used:?}");
    }
}
