//! Examples of what a Docker engine has.

use std::collections::BTreeMap;

use super::text;
use crate::facts::docker::{BuildCache, Drivers, HeldImage, HeldNetwork, HeldVolume, Stops, Usage, UsingContainer};
use crate::facts::{Fact, FactKey};

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
