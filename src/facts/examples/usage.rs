//! Examples of what a Docker engine has.

use std::collections::BTreeMap;

use super::text;
use crate::facts::docker::{
    BuildCache, Details, Drivers, HeldImage, HeldNetwork, HeldVolume, Published, Stops, Usage, UsingContainer,
};
use crate::facts::port::{Holder, Ports};
use crate::facts::{Fact, FactKey};

fn details() -> Details {
    Details {
        id: text("4f06"),
        state: text("running"),
        exit_code: 1,
        image: text("caddy:2.10"),
        image_id: text("sha256:74f8"),
        command: vec![text("caddy"), text("run")],
        user: text("caddy"),
        ports: vec![text("80:80/tcp")],
        networks: vec![text("bridge")],
        volumes: vec![text("data:/data")],
        dns: vec![text("192.0.2.53")],
        restart: text("unless-stopped"),
        project: Some(text("web")),
        wish: Some(text("9f86")),
        is_unfinished: true,
    }
}

pub(super) fn examples() -> Vec<(FactKey, Vec<Fact>)> {
    let usage = Usage {
        containers: vec![UsingContainer {
            name: text("old"),
            is_running: false,
            is_service: true,
            age: 60,
            size: Some(1 << 20),
            image: text("sha256:74f8"),
            networks: vec![text("lan")],
            volumes: vec![text("media")],
        }],
        images: vec![HeldImage {
            id: text("sha256:74f8"),
            tags: vec![text("caddy:2.9")],
            digests: vec![text("caddy@sha256:9a0b")],
            age: 86_400,
            size: 1 << 30,
        }],
        networks: vec![HeldNetwork {
            name: text("lan"),
            id: text("6ff4"),
            age: 1,
        }],
        volumes: vec![HeldVolume {
            name: text("0a0b"),
            age: 1,
            size: Some(4096),
        }],
    };
    let cache = BuildCache {
        entries: 3,
        size: text("1.2GB"),
    };
    vec![
        (
            FactKey::DockerDetails(text("web")),
            vec![
                Fact::DockerDetails(None),
                Fact::DockerDetails(Some(Box::new(details()))),
            ],
        ),
        (
            FactKey::DockerPublished,
            vec![
                Fact::DockerPublished(Published::default()),
                Fact::DockerPublished(Published {
                    containers: vec![Holder {
                        container: text("web"),
                        project: None,
                        ports: Ports::published("80:80").into_iter().collect(),
                    }],
                    listeners: Vec::new(),
                }),
            ],
        ),
        (
            FactKey::DockerSubnets,
            vec![
                Fact::DockerSubnets(BTreeMap::new()),
                Fact::DockerSubnets([(text("lan"), vec![text("10.20.0.0/24")])].into()),
            ],
        ),
        (
            FactKey::DockerDrivers,
            vec![
                Fact::DockerDrivers(Drivers::default()),
                Fact::DockerDrivers(Drivers {
                    networks: vec![text("bridge")],
                    volumes: vec![text("local")],
                }),
            ],
        ),
        (
            FactKey::DockerStops,
            vec![
                Fact::DockerStops(Stops::default()),
                Fact::DockerStops(Stops {
                    running: vec![text("web")],
                    is_live: true,
                }),
            ],
        ),
        (
            FactKey::DockerUsage,
            vec![Fact::DockerUsage(Usage::default()), Fact::DockerUsage(usage)],
        ),
        (
            FactKey::DockerBuildCache,
            vec![
                Fact::DockerBuildCache(BuildCache::default()),
                Fact::DockerBuildCache(cache),
            ],
        ),
    ]
}
