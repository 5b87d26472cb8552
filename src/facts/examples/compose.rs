//! Examples of facts about compose projects.

use std::collections::BTreeMap;

use super::super::compose::{
    Build, Config, ConfigFact, Container, ContainerState, Files, Health, Image, NetworkSettings, PlannedFile, Project,
    ProjectFiles, ProjectNetwork, ProjectVolume, Record, RecordedBuild, RecordedService, Service,
};
use super::super::docker::{RegistryAnswer, Volume};
use super::super::port::{Holder, Listener, Ports};
use super::{Fact, FactKey, names, text};

fn network_settings() -> NetworkSettings {
    NetworkSettings {
        driver: Some(text("macvlan")),
        internal: true,
        attachable: true,
        ipv6: Some(true),
        options: [(text("parent"), text("d41d"))].into(),
        subnets: vec![text("10.0.0.0/24")],
    }
}

fn project() -> Project {
    Project {
        containers: vec![Container {
            id: text("5912"),
            name: text("web-app-1"),
            service: text("app"),
            number: 1,
            hash: text("e84e"),
            image: text("sha256:89fc"),
            image_name: text("caddy:2.10"),
            state: ContainerState::Running,
            exit_code: 0,
            started: text("2026-11-29T22:15:40.000139877Z"),
            health: Some(Health::Healthy),
            directory: text("/opt/stacks/web"),
            networks: [(text("lan"), text("b399"))].into(),
            volumes: [(text("/data"), text("web_data"))].into(),
            binds: names(&["/opt/stacks/web/one.conf"]),
        }],
        networks: [(text("lan"), names(&["b399"]))].into(),
        own_networks: names(&["web_default"]),
        network_settings: [(text("web_default"), network_settings())].into(),
        images: vec![Image {
            repository: text("caddy"),
            tag: Some(text("2.10")),
            digest: None,
            id: text("sha256:89fc"),
        }],
        others: vec![Holder {
            container: text("proxy"),
            project: Some(text("caddy")),
            ports: Ports::published("80:80").into_iter().collect(),
        }],
        listeners: Ports::published("127.0.0.53:53:53/udp")
            .map(|port| Listener {
                program: Some(text("systemd-resolve")),
                port,
            })
            .into_iter()
            .collect(),
        record: Some(Record {
            services: [(
                text("app"),
                RecordedService {
                    containers: names(&["5912"]),
                    hash: text("e84e"),
                    mounted: [(text("/opt/stacks/web/one.conf"), text("2c8b"))].into(),
                    inline: Some(text("3c6e")),
                    build: Some(RecordedBuild {
                        digest: text("9d11"),
                        image: text("sha256:89fc"),
                    }),
                },
            )]
            .into(),
        }),
    }
}

fn config() -> Config {
    Config {
        services: [(
            text("app"),
            Service {
                hash: text("e84e"),
                image: Some(text("caddy:2.10")),
                build: Some(Build {
                    context: text("/opt/stacks/web"),
                    dockerfile: None,
                    digest: text("0a1b"),
                }),
                container_name: Some(text("caddy")),
                restart: Some(text("unless-stopped")),
                replicas: Some(2),
                shares: names(&["vpn"]),
                volumes_from: names(&["data"]),
                depends_on: [(text("vpn"), true)].into(),
                networks: names(&["default"]),
                ports: vec![text("8080:80")],
                mounted: names(&["/opt/stacks/web/one.conf"]),
                files: names(&["/opt/stacks/web/one.conf"]),
                volumes: [(text("/data"), text("data"))].into(),
                inline: Some(text("3c6e")),
                from_environment: Some(text("token")),
                binds: [(text("/etc/one.conf"), text("/opt/stacks/web/one.conf"))].into(),
                user: Some(text("1000")),
                has_health_check: true,
            },
        )]
        .into(),
        networks: [(
            text("default"),
            ProjectNetwork {
                name: text("web_default"),
                is_external: false,
                settings: network_settings(),
            },
        )]
        .into(),
        volumes: [(
            text("data"),
            ProjectVolume {
                name: text("web_data"),
                is_external: false,
                driver: Some(text("local")),
                options: [(text("type"), text("74f8"))].into(),
            },
        )]
        .into(),
        disabled: names(&["debug"]),
        unset_variables: ["TAG".to_owned()].into(),
    }
}

fn volume() -> Volume {
    Volume {
        driver: text("local"),
        options: BTreeMap::new(),
        labels: [(text("com.docker.compose.project"), text("web"))].into(),
        containers: vec![text("web-app-1")],
    }
}

pub(super) fn examples() -> impl Iterator<Item = (FactKey, Vec<Fact>)> {
    let files = Files {
        project: text("web"),
        directory: text("/opt/stacks/web"),
        compose_files: vec![text("compose.yaml")],
        profiles: vec![text("debug")],
        planned: vec![PlannedFile {
            path: text("/opt/stacks/web/compose.yaml"),
            is_removed: false,
            text: None,
        }],
    };
    let read = [
        ConfigFact::NoFiles,
        ConfigFact::NoCompose,
        ConfigFact::Refused(text("service `app` has no image")),
        ConfigFact::Read(Box::new(config())),
    ];
    [
        (
            FactKey::ComposeProject(text("web")),
            vec![
                Fact::ComposeProject(Box::default()),
                Fact::ComposeProject(Box::new(project())),
            ],
        ),
        (
            FactKey::ComposeConfig(ProjectFiles(Box::new(files))),
            read.into_iter().map(Fact::ComposeConfig).collect(),
        ),
        (
            FactKey::ProjectVolumes(text("web")),
            vec![
                Fact::ProjectVolumes(BTreeMap::new()),
                Fact::ProjectVolumes([(text("web_data"), volume())].into()),
            ],
        ),
        (
            FactKey::RegistryImage(text("caddy:2.10")),
            vec![
                Fact::RegistryImage(RegistryAnswer::Digest(text("sha256:9a0b"))),
                Fact::RegistryImage(RegistryAnswer::Refused(text("manifest unknown"))),
                Fact::RegistryImage(RegistryAnswer::NotAsked(text("it has no Docker engine"))),
            ],
        ),
    ]
    .into_iter()
}
