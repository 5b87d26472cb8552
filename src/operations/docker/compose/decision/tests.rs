use super::*;
use crate::content::Content;
use crate::facts::compose::{Build, Image, ProjectNetwork, ProjectVolume, Record, RecordedBuild, RecordedService};
use crate::operations::docker::compose::build::ContextFiles;
use crate::operations::docker::compose::stack::StackFile;

const FILE: &str = "/opt/stacks/web/conf/a";

/// A project of `app`, of `side` in its network, of `shop`, which depends on `app` and restarts with it, and of the one-shot `job`.
struct Host {
    config: Config,
    now: Project,
    files: BTreeMap<String, String>,
    changed: BTreeSet<String>,
    on_change: Rules<OnChange>,
    builds: BTreeMap<String, BuildInputs>,
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn container(service: &str, number: u32) -> Container {
    Container {
        id: format!("{service}-{number}"),
        name: format!("web-{service}-{number}"),
        service: text(service),
        number,
        hash: format!("hash of {service}"),
        image: text("sha256:1"),
        state: ContainerState::Running,
        binds: ["/opt/stacks/web/conf", FILE].map(text).into(),
        ..Container::default()
    }
}

fn service(name: &str) -> Service {
    Service {
        hash: format!("hash of {name}"),
        image: Some(text("demo:1")),
        ..Service::default()
    }
}

impl Host {
    fn new() -> Self {
        let mut app = service("app");
        app.networks.insert(text("lan"));
        app.volumes.insert(text("/data"), text("data"));
        app.mounted.insert(text("/opt/stacks/web/conf"));
        let mut side = service("side");
        side.shares.insert(text("app"));
        let mut shop = service("shop");
        shop.depends_on.insert(text("app"), true);
        let mut job = service("job");
        job.depends_on.insert(text("app"), false);
        job.restart = Some(text("no"));
        let services = [("app", app), ("side", side), ("shop", shop), ("job", job)];
        let mut own = container("app", 1);
        own.networks.insert(text("web_lan"), text("n1"));
        own.volumes.insert(text("/data"), text("web_data"));
        let mut ended = container("job", 1);
        ended.state = ContainerState::Exited;
        let network = ProjectNetwork {
            name: text("web_lan"),
            ..ProjectNetwork::default()
        };
        let volume = ProjectVolume {
            name: text("web_data"),
            ..ProjectVolume::default()
        };
        Self {
            config: Config {
                services: services.map(|(name, service)| (text(name), service)).into(),
                networks: [(text("lan"), network)].into(),
                volumes: [(text("data"), volume)].into(),
                ..Config::default()
            },
            now: Project {
                containers: vec![own, container("side", 1), container("shop", 1), ended],
                networks: [(text("web_lan"), [text("n1")].into())].into(),
                images: vec![image("1", "sha256:1")],
                ..Project::default()
            },
            files: [(text(FILE), text("d1"))].into(),
            changed: BTreeSet::new(),
            on_change: Rules::default(),
            builds: BTreeMap::new(),
        }
    }

    fn of(&mut self, service: &str) -> &mut Container {
        let mut all = self.now.containers.iter_mut();
        all.find(|one| one.service == service).expect("it has a container")
    }

    fn service(&mut self, name: &str) -> &mut Service {
        self.config.services.get_mut(name).expect("it is there")
    }

    fn without(&mut self, service: &str) {
        self.now.containers.retain(|one| one.service != service);
    }

    /// What homelab recorded of `app`, with this digest of its file.
    fn recorded(&mut self, container: &str, hash: &str, digest: &str) {
        let app = RecordedService {
            inline: None,
            containers: [text(container)].into(),
            hash: text(hash),
            mounted: [(text(FILE), text(digest))].into(),
            build: None,
        };
        self.now.record = Some(Record {
            services: [(text("app"), app)].into(),
        });
    }

    /// Changes what homelab recorded of a service.
    fn record(&mut self, service: &str, change: impl FnOnce(&mut RecordedService)) {
        let record = self.now.record.get_or_insert_default();
        change(record.services.entry(text(service)).or_default());
    }

    fn decided(&self) -> Vec<Decision> {
        decide(&Situation {
            project: "web",
            directory: "/opt/stacks/web",
            config: &self.config,
            on_change: &self.on_change,
            now: &self.now,
            held: &Held::default(),
            renewed: &BTreeSet::new(),
            builds: &self.builds,
            files: &self.files,
            changed: &self.changed,
            removes_orphans: true,
        })
    }

    /// What happens, in words.
    fn shown(&self) -> String {
        let pending = self.decided().into_iter().filter(|one| one.what != What::Nothing);
        let words = pending.map(|one| {
            let image = match one.image {
                Obtain::Nothing => "",
                Obtain::Pull => "pull and ",
                Obtain::Build => "build and ",
            };
            format!("{}: {image}{}", one.service, words(&one.what))
        });
        words.collect::<Vec<_>>().join("; ")
    }
}

fn image(tag: &str, id: &str) -> Image {
    Image {
        repository: text("demo"),
        tag: Some(text(tag)),
        digest: None,
        id: text(id),
    }
}

fn words(what: &What) -> String {
    let cause = |cause: &Cause| match cause {
        Cause::Configuration => text("configuration"),
        Cause::Image { from, to } => format!("image {from} {}", to.as_deref().unwrap_or("later")),
        Cause::Network(name) => format!("network {name}"),
        Cause::Volume(path) => format!("volume {path}"),
        Cause::Inline => text("inline"),
        Cause::Mount(path) => format!("mount {path}"),
        Cause::Shares(other) => format!("shares {other}"),
        Cause::Outlived(other) => format!("outlived {other}"),
        Cause::DependsOn(other) => format!("depends on {other}"),
        Cause::RenewedVolume(name) => format!("renewed volume {name}"),
        Cause::Built => text("built"),
        Cause::Files(paths) => format!("files {}", paths.iter().cloned().collect::<Vec<_>>().join(" ")),
    };
    match what {
        What::Nothing => text("nothing"),
        What::Create => text("create"),
        What::Recreate(why) => format!("recreate ({})", cause(why)),
        What::Scale { from, to } => format!("scale {from} {to}"),
        What::Restart(why) => format!("restart ({})", cause(why)),
        What::Reload { by, files } => {
            let by: Vec<String> = by.iter().map(Reload::described).collect();
            format!(
                "reload {} ({})",
                by.join(" "),
                files.iter().cloned().collect::<Vec<_>>().join(" ")
            )
        }
        What::Start => text("start"),
        What::Remove => text("remove"),
    }
}

/// What happens after `change` of a host on which nothing is to do.
fn after(change: impl Fn(&mut Host)) -> String {
    let mut host = Host::new();
    change(&mut host);
    host.shown()
}

/// What follows for the others when `app` gets another container.
const WITH_NEW_APP: &str = "shop: restart (depends on app); side: recreate (shares app)";

#[test]
fn a_project_that_is_as_it_should_be_is_left_alone() {
    assert_eq!(after(|_| ()), "");
}

#[test]
fn a_service_is_recreated_for_what_a_container_cannot_change() {
    type Change = fn(&mut Host);
    let cases: [(Change, &str); 9] = [
        (|host| host.service("app").hash = text("other"), "configuration"),
        (
            |host| host.now.images[0].id = text("sha256:2"),
            "image sha256:1 sha256:2",
        ),
        (|host| host.of("app").networks.clear(), "network web_lan"),
        (
            |host| drop(host.now.networks.insert(text("web_lan"), [text("n2")].into())),
            "network web_lan",
        ),
        (|host| host.now.networks.clear(), "network web_lan"),
        (
            |host| drop(host.of("app").volumes.insert(text("/data"), text("old_data"))),
            "volume /data",
        ),
        (|host| host.of("app").volumes.clear(), "volume /data"),
        // One reason is enough, the first.
        (
            |host| {
                host.service("app").hash = text("other");
                host.of("app").networks.clear();
                host.changed.insert(text(FILE));
            },
            "configuration",
        ),
        // What homelab recorded of another container says nothing of this one.
        (
            |host| {
                host.service("app").hash = text("other");
                host.recorded("app-0", "other", "d1");
            },
            "configuration",
        ),
    ];
    for (change, why) in cases {
        let mut host = Host::new();
        change(&mut host);
        let app = host
            .decided()
            .into_iter()
            .find(|one| one.service == "app")
            .expect("app");
        assert_eq!(words(&app.what), format!("recreate ({why})"));
    }
}

#[test]
fn a_network_has_no_id_in_a_container_that_does_not_run() {
    let shown = after(|host| {
        host.of("app").networks.insert(text("web_lan"), String::new());
    });
    assert_eq!(
        shown,
        "app: recreate (network web_lan); ".to_owned() + WITH_NEW_APP,
        "one that runs"
    );
    let shown = after(|host| {
        let app = host.of("app");
        app.networks.insert(text("web_lan"), String::new());
        app.state = ContainerState::Created;
    });
    assert_eq!(shown, "app: start; side: restart (shares app)");
}

#[test]
fn others_follow_a_service_that_they_live_with() {
    let shown = after(|host| host.service("app").hash = text("other"));
    assert_eq!(shown, format!("app: recreate (configuration); {WITH_NEW_APP}"));
    // A plain `depends_on` is no reason, and neither is a chain of them.
    let shown = after(|host| host.service("shop").hash = text("other"));
    assert_eq!(shown, "shop: recreate (configuration)");
    let shown = after(|host| {
        host.service("job").shares.insert(text("side"));
        host.service("app").hash = text("other");
    });
    assert_eq!(
        shown,
        format!("app: recreate (configuration); job: recreate (shares side); {WITH_NEW_APP}")
    );
    // One that does not run either is started after what it lives in.
    let shown = after(|host| {
        host.changed.extend([text(FILE)]);
        let side = host.of("side");
        side.state = ContainerState::Exited;
        side.exit_code = 143;
    });
    assert_eq!(
        shown,
        format!("app: restart (files {FILE}); shop: restart (depends on app); side: restart (shares app)")
    );
    // A service that did not exist restarts nothing that depends on it, but what shares its network needs the new one.
    let shown = after(|host| host.without("app"));
    assert_eq!(shown, "app: create; side: recreate (shares app)");
}

#[test]
fn a_service_is_restarted_if_what_it_lives_in_was_started_since() {
    let times = |app: &str, side: &str| {
        after(|host| {
            host.of("app").started = text(app);
            host.of("side").started = text(side);
        })
    };
    let (early, late) = ("2026-11-29T22:15:39.1Z", "2026-11-29T22:15:40.05Z");
    assert_eq!(times(early, late), "");
    assert_eq!(times(late, early), "side: restart (outlived app)");
    // Volumes stay.
    let shown = after(|host| {
        host.service("shop").volumes_from.insert(text("app"));
        host.of("app").started = text(late);
        host.of("side").started = text(late);
        host.of("shop").started = text(early);
    });
    assert_eq!(shown, "");
    let shown = after(|host| {
        host.service("job").volumes_from.insert(text("app"));
        host.service("app").hash = text("other");
    });
    assert_eq!(
        shown,
        format!("app: recreate (configuration); job: recreate (shares app); {WITH_NEW_APP}")
    );
}

#[test]
fn a_service_without_containers_is_created_with_the_image_that_it_needs() {
    assert_eq!(after(|host| host.without("shop")), "shop: create");
    let shown = after(|host| {
        host.without("shop");
        host.service("shop").image = Some(text("demo:2"));
    });
    assert_eq!(shown, "shop: pull and create");
    let shown = after(|host| {
        host.without("shop");
        host.service("shop").image = None;
        host.service("shop").build = Some(Build::default());
    });
    assert_eq!(shown, "shop: build and create");
    // The image of a container that runs has lost its name.
    let shown = after(|host| host.service("shop").image = Some(text("demo:2")));
    assert_eq!(shown, "shop: pull and recreate (image sha256:1 later)");
    let shown = after(|host| {
        host.service("shop").image = None;
        host.service("shop").build = Some(Build::default());
        host.now.images.push(Image {
            repository: text("web-shop"),
            tag: Some(text("latest")),
            digest: None,
            id: text("sha256:1"),
        });
    });
    assert_eq!(shown, "");
}

#[test]
fn a_service_gets_another_container_for_another_content_of_a_config() {
    let mut host = Host::new();
    host.service("job").inline = Some(text("c1"));
    // Nothing is known of a container that homelab has not recorded.
    assert_eq!(host.shown(), "");
    host.recorded("app-1", "", "d1");
    host.record("job", |of| of.containers = [text("job-1")].into());
    assert_eq!(host.shown(), "job: recreate (inline)");
    host.record("job", |of| of.inline = Some(text("c1")));
    assert_eq!(host.shown(), "");
    host.service("job").inline = None;
    assert_eq!(host.shown(), "job: recreate (inline)");
}

/// compose hashes the name of a secret, and not which file it is.
#[test]
fn a_service_gets_another_container_if_another_path_is_to_be_mounted() {
    let mut host = Host::new();
    host.service("app")
        .mounted
        .insert(text("/opt/stacks/web/secrets/other"));
    let expected = "app: recreate (mount /opt/stacks/web/secrets/other); shop: restart (depends on app); side: recreate (shares app)";
    assert_eq!(host.shown(), expected);
}

#[test]
fn a_service_is_restarted_for_a_file_that_is_mounted_into_it() {
    let changed = format!("app: restart (files {FILE}); shop: restart (depends on app); side: restart (shares app)");
    let shown = after(|host| host.changed.extend([text(FILE)]));
    assert_eq!(shown, changed);
    let shown = after(|host| host.changed.extend([text("/opt/stacks/web/.env")]));
    assert_eq!(shown, "", "it is not mounted");
    // A run that was cut off has written the file, and has not restarted the service.
    assert_eq!(after(|host| host.recorded("app-1", "", "d0")), changed);
    assert_eq!(after(|host| host.recorded("app-1", "", "d1")), "");
    assert_eq!(
        after(|host| host.recorded("app-0", "", "d0")),
        "",
        "it was recreated since"
    );
    // A file that is gone.
    let shown = after(|host| {
        host.recorded("app-1", "", "d1");
        host.files.clear();
    });
    assert_eq!(shown, changed);
}

#[test]
fn a_container_that_homelab_created_alone_has_another_hash_than_compose_says() {
    let shown = after(|host| {
        host.of("app").hash = text("without depends_on");
        host.recorded("app-1", "hash of app", "d1");
    });
    assert_eq!(shown, "");
}

#[test]
fn a_container_that_should_run_is_started() {
    use ContainerState::{Created, Dead, Exited, Paused, Restarting};
    for (state, exit_code, restart, starts) in [
        (Exited, 0, Some("unless-stopped"), true),
        (Exited, 0, Some("always"), true),
        (Exited, 0, Some("on-failure"), false),
        (Exited, 1, Some("on-failure"), true),
        (Exited, 0, None, false),
        (Exited, 137, None, true),
        (Exited, 0, Some("no"), false),
        (Exited, 1, Some("no"), true),
        (Dead, 1, None, true),
        (Created, 0, Some("no"), true),
        (Paused, 0, Some("always"), true),
        (Restarting, 1, Some("always"), false),
    ] {
        let shown = after(|host| {
            host.service("shop").restart = restart.map(text);
            let container = host.of("shop");
            container.state = state;
            container.exit_code = exit_code;
        });
        let expected = if starts { "shop: start" } else { "" };
        assert_eq!(shown, expected, "{state:?} {exit_code} {restart:?}");
    }
}

#[test]
fn a_service_has_as_many_containers_as_it_says() {
    assert_eq!(after(|host| host.service("shop").replicas = Some(2)), "shop: scale 1 2");
    assert_eq!(after(|host| host.service("shop").replicas = Some(0)), "shop: scale 1 0");
    let shown = after(|host| {
        host.service("shop").replicas = Some(0);
        host.without("shop");
    });
    assert_eq!(shown, "");
}

#[test]
fn what_the_project_does_not_have_any_more_is_removed() {
    let shown = after(|host| drop(host.config.services.remove("job")));
    assert_eq!(shown, "job: remove");
    let shown = after(|host| {
        host.config.services.remove("job");
        host.config.disabled.insert(text("job"));
    });
    assert_eq!(shown, "", "its profile is not asked for");
    let mut host = Host::new();
    host.config.services.remove("job");
    let situation = Situation {
        project: "web",
        directory: "/opt/stacks/web",
        config: &host.config,
        on_change: &host.on_change,
        now: &host.now,
        held: &Held::default(),
        renewed: &BTreeSet::new(),
        builds: &host.builds,
        files: &host.files,
        changed: &host.changed,
        removes_orphans: false,
    };
    assert!(decide(&situation).iter().all(|one| one.what == What::Nothing));
}

#[test]
fn a_stack_says_what_a_change_of_its_files_does() {
    let with = |rule: &str, change: &dyn Fn(&mut Host)| {
        after(|host| {
            let written = format!("[on_change.\"conf/*\"]\n{rule}\n");
            host.on_change = StackFile::parse(&written).expect("valid").on_change;
            host.changed.extend([text(FILE)]);
            change(host);
        })
    };
    let as_is = |_: &mut Host| {};
    assert_eq!(with("action = 'none'", &as_is), "");
    assert_eq!(
        with("signal = 'HUP'", &as_is),
        format!("app: reload signal HUP ({FILE})")
    );
    assert_eq!(
        with("reload = ['app', 'reload']", &as_is),
        format!("app: reload `app reload` ({FILE})")
    );
    assert_eq!(
        with("action = 'recreate'", &as_is),
        format!("app: recreate (files {FILE}); {WITH_NEW_APP}")
    );
    // A service that is named and does not mount the file; the one that does is restarted as ever.
    assert_eq!(
        with("service = 'job'\naction = 'restart'", &as_is),
        format!(
            "app: restart (files {FILE}); job: restart (files {FILE}); shop: restart (depends on app); side: restart (shares app)"
        )
    );
    // Whatever else happens to it makes it read its files.
    let stopped = |host: &mut Host| {
        host.of("app").state = ContainerState::Exited;
        host.of("app").exit_code = 1;
    };
    assert!(with("signal = 'HUP'", &stopped).starts_with("app: start; "));
    let other = |host: &mut Host| host.of("app").hash = text("other");
    assert!(with("signal = 'HUP'", &other).starts_with("app: recreate (configuration); "));
    // One that is mounted alone stays the old one until a restart.
    let alone = |host: &mut Host| host.service("app").mounted = [text(FILE)].into();
    assert!(with("signal = 'HUP'", &alone).starts_with(&format!("app: restart (files {FILE}); ")));
    // One that has ended needs none.
    let ended = |host: &mut Host| host.service("job").mounted = [text("/opt/stacks/web/conf")].into();
    assert_eq!(
        with("service = ['app', 'job']\nsignal = 'HUP'", &ended),
        format!("app: reload signal HUP ({FILE})")
    );
}

#[test]
fn an_image_is_built_again_when_what_it_is_built_from_differs() {
    let with = |change: &dyn Fn(&mut Host)| {
        after(|host| {
            host.service("shop").build = Some(Build {
                context: text("/opt/stacks/web/shop"),
                ..Build::default()
            });
            let content = Content::new(b"FROM scratch".as_slice());
            let contents = [(text("/opt/stacks/web/shop/Dockerfile"), (&content, false))].into();
            let inputs = ContextFiles { contents }.inputs_of(&host.config.services["shop"]);
            host.builds = [(text("shop"), inputs.expect("in the stack"))].into();
            change(host);
        })
    };
    let recorded = |host: &mut Host, digest: Option<&str>, image: &str| {
        let digest = digest.map_or_else(|| host.builds["shop"].digest.clone(), text);
        let shop = RecordedService {
            containers: [text("shop-1")].into(),
            hash: text("hash of shop"),
            build: Some(RecordedBuild {
                digest,
                image: text(image),
            }),
            ..RecordedService::default()
        };
        host.now.record = Some(Record {
            services: [(text("shop"), shop)].into(),
        });
    };
    // One that others have built is taken as it is.
    assert_eq!(with(&|_| {}), "");
    assert_eq!(with(&|host| recorded(host, None, "sha256:1")), "");
    let built = "shop: build and recreate (built)";
    assert_eq!(with(&|host| recorded(host, Some("other"), "sha256:1")), built);
    assert_eq!(
        with(&|host| recorded(host, None, "sha256:2")),
        built,
        "someone else has built it since"
    );
    assert_eq!(
        with(&|host| host.changed = [text("/opt/stacks/web/shop/Dockerfile")].into()),
        built
    );
    assert_eq!(
        with(&|host| host.changed = [text("/opt/stacks/web/shop/gone")].into()),
        built
    );
    assert_eq!(
        with(&|host| host.changed = [text("/opt/stacks/web/compose.yaml")].into()),
        ""
    );
    assert_eq!(
        with(&|host| {
            host.without("shop");
            recorded(host, Some("other"), "sha256:1");
        }),
        "shop: build and create"
    );
}
