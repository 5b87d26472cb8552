//! What Docker refuses while a deploy runs, on a host with an engine.

use crate::support::project::Project;

const INVENTORY: &str = "[hosts.box]\nlab = { image = 'debian:13-docker', registry = true }\n";

fn project(task: &str) -> Project {
    Project::of(&[
        ("inventories/dev.toml", INVENTORY),
        ("deploys/site.toml", "hosts = ['*']\ntasks = ['all']\n"),
        ("tasks/all.toml", task),
    ])
}

#[test]
fn a_network_that_cannot_be_created_again_comes_back_with_its_containers() {
    let project = project(
        "[[operation]]\nop = 'docker.network'\nnetwork = 'lan'\nsubnet = '10.62.0.0/24'\nlabels = { of = 'us' }\nopts = { 'com.docker.network.bridge.name' = 'taken0' }\nrecreate = true\n",
    );
    let host = project.up("dev", "box");
    host.inside(
        "docker network create --subnet 10.61.0.0/24 --opt com.docker.network.driver.mtu=1400 lan && \
         docker network create --opt com.docker.network.bridge.name=taken0 taken && \
         docker run -d --name runs --network lan --network-alias db --ip 10.61.0.9 busybox:1.37 sleep infinity && \
         docker create --name stands --network lan --network-alias web busybox:1.37 true",
    );
    let state = "docker network inspect -f '{{(index .IPAM.Config 0).Subnet}} {{.Options}} {{.Labels}}' lan; \
        docker inspect -f '{{.Name}} {{.State.Running}}{{with .NetworkSettings.Networks.lan}} {{.IPAddress}} {{index .Aliases 0}}{{end}}' runs stands; \
        docker exec runs ping -c 1 -W 2 db >/dev/null && echo 'finds itself'";
    let before = host.inside(state);
    assert!(before.contains("10.61.0.9 db"), "{before}");
    let failed = project.homelab(&["deploy", "dev", "site", "--yes"]).expect(1);
    let told = format!("{}{}", failed.stdout, failed.stderr);
    assert!(told.contains("same bridge name"), "{told}");
    assert_eq!(host.inside(state), before);

    // Where nothing is in its way, the new one has them too.
    host.inside("docker network rm taken");
    project.homelab(&["deploy", "dev", "site", "--yes"]).expect(0);
    let after = host.inside(state);
    let expected = "10.62.0.0/24 map[com.docker.network.bridge.name:taken0 com.docker.network.driver.mtu:1400] map[of:us]\n/runs true 10.62.0.2 db\n/stands false  web\nfinds itself";
    assert_eq!(after.trim_end(), expected);
}

#[test]
fn a_container_with_a_fixed_address_has_it_in_a_network_that_is_created_again() {
    let project =
        project("[[operation]]\nop = 'docker.network'\nnetwork = 'lan'\nlabels = { of = 'us' }\nrecreate = true\n");
    let host = project.up("dev", "box");
    host.inside(
        "docker network create --subnet 10.61.0.0/24 lan && \
         docker run -d --name late --network lan --ip 10.61.0.2 busybox:1.37 sleep infinity && \
         docker run -d --name early --network lan --mac-address 02:42:0a:3d:00:77 busybox:1.37 sleep infinity",
    );
    let deployed = project.homelab(&["deploy", "dev", "site", "--yes"]).expect(0);
    assert!(
        deployed.stdout.contains("MAC address 02:42:0a:3d:00:77 of early"),
        "{}",
        deployed.stdout
    );
    let address = "docker inspect -f '{{.NetworkSettings.Networks.lan.IPAMConfig.IPv4Address}} {{.NetworkSettings.Networks.lan.IPAddress}}' late";
    assert_eq!(host.inside(address).trim_end(), "10.61.0.2 10.61.0.2");
}

#[test]
fn what_takes_too_long_in_a_container_ends_there_too() {
    let project = project(
        "[[operation]]\nop = 'docker.exec'\ncontainer = 'box'\nalways = true\nwithin = '2s'\n\
         command = ['sh', '-c', 'trap \"\" TERM; sleep 987; sleep 988']\n",
    );
    let host = project.up("dev", "box");
    host.inside("docker run -d --name box busybox:1.37 sleep infinity");
    let failed = project.homelab(&["deploy", "dev", "site", "--yes"]).expect(1);
    let told = format!("{}{}", failed.stdout, failed.stderr);
    assert!(!told.contains("may still run"), "{told}");
    let left = host.inside("docker top box; docker inspect -f '{{.State.Running}}' box");
    assert!(
        !left.contains("sleep 98") && left.contains("sleep infinity\ntrue"),
        "{left}"
    );
}

#[test]
fn a_volume_keeps_its_data_if_its_driver_refuses_the_new_one() {
    let project =
        project("[[operation]]\nop = 'docker.volume'\nvolume = 'media'\nopts = { nonsense = 'x' }\nrecreate = true\n");
    let host = project.up("dev", "box");
    host.inside("docker volume create media && touch /var/lib/docker/volumes/media/_data/film");
    let failed = project.homelab(&["deploy", "dev", "site", "--yes"]).expect(1);
    let told = format!("{}{}", failed.stdout, failed.stderr);
    assert!(told.contains("nonsense"), "{told}");
    assert_eq!(
        host.inside("docker volume ls -q; ls /var/lib/docker/volumes/media/_data"),
        "media\nfilm\n"
    );
}

#[test]
fn an_image_that_the_registry_does_not_have_fails_and_nothing_else_runs() {
    let project = project(
        "[[operation]]\nop = 'docker.image'\nimage = 'busybox:0.1'\n\n\
         [[operation]]\nop = 'docker.network'\nnetwork = 'after'\n",
    );
    let host = project.up("dev", "box");
    let failed = project.homelab(&["deploy", "dev", "site", "--yes"]).expect(1);
    let told = format!("{}{}", failed.stdout, failed.stderr);
    assert!(told.contains("docker image pull busybox:0.1"), "{told}");
    assert!(told.contains("manifest unknown"), "{told}");
    assert_eq!(
        host.inside("docker network ls -q --filter name=after; docker image ls -q"),
        ""
    );
}
