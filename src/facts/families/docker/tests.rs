use super::*;

fn network(name: &str) -> FactKey {
    FactKey::DockerNetwork(name.to_owned())
}

fn volume(name: &str) -> FactKey {
    FactKey::DockerVolume(name.to_owned())
}

fn container(name: &str) -> FactKey {
    FactKey::DockerContainer(name.to_owned())
}

/// What Docker 26.1 of Debian 13 said.
const ANSWER: &str = r#"engine running
container "web"	"lan"	"media,/srv"
container "old,web/alias"	"bridge"	""
network {"Name":"lan","Id":"74f8","Created":"2026-11-29T19:36:48.154836452Z","Scope":"local","Driver":"bridge","EnableIPv6":false,"IPAM":{"Driver":"default","Options":{},"Config":[{"Subnet":"10.99.0.0/24","AuxiliaryAddresses":{"x":"10.99.0.5"}}]},"Internal":false,"Attachable":false,"Ingress":false,"ConfigFrom":{"Network":""},"ConfigOnly":false,"Containers":{},"Options":{"com.docker.network.bridge.name":"hltry0"},"Labels":{"a":"b"}}
network {"Name":"plain","Id":"6ff4","Created":"2026-11-29T19:36:48.400088927Z","Scope":"local","Driver":"bridge","EnableIPv6":false,"IPAM":{"Driver":"default","Options":{},"Config":[{"Subnet":"172.19.0.0/16","Gateway":"172.19.0.1"}]},"Internal":false,"Attachable":false,"Ingress":false,"ConfigFrom":{"Network":""},"ConfigOnly":false,"Containers":{},"Options":{},"Labels":{}}
volume {"CreatedAt":"2026-11-29T19:36:48Z","Driver":"local","Labels":{"x":"y"},"Mountpoint":"/var/lib/docker/volumes/media/_data","Name":"media","Options":{"device":"tmpfs","type":"tmpfs"},"Scope":"local"}
end
"#;

fn texts<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

#[test]
fn networks_and_volumes_are_read_with_who_uses_them() {
    let keys = [
        FactKey::DockerEngine,
        network("lan"),
        network("plain"),
        network("gone"),
        volume("media"),
        volume("gone"),
    ];
    let facts = parse(&keys, 0, ANSWER.as_bytes()).expect("readable");
    let lan = Network {
        id: Known::Yes("74f8".to_owned()),
        driver: "bridge".to_owned(),
        subnets: Known::Yes(vec![Subnet {
            subnet: "10.99.0.0/24".to_owned(),
            aux_addresses: texts([("x", "10.99.0.5")]),
            ..Subnet::default()
        }]),
        options: texts([("com.docker.network.bridge.name", "hltry0")]),
        labels: texts([("a", "b")]),
        internal: false,
        attachable: false,
        ipv6: false,
        containers: vec!["web".to_owned()],
    };
    let media = Volume {
        driver: "local".to_owned(),
        options: texts([("device", "tmpfs"), ("type", "tmpfs")]),
        labels: texts([("x", "y")]),
        containers: vec!["web".to_owned()],
    };
    assert_eq!(facts[0].1, Fact::DockerEngine(Engine::Running));
    assert_eq!(facts[1].1, Fact::DockerNetwork(vec![lan]));
    let Fact::DockerNetwork(plain) = &facts[2].1 else {
        panic!("{facts:?}")
    };
    let subnets = Known::Yes(vec![Subnet {
        subnet: "172.19.0.0/16".to_owned(),
        gateway: Some("172.19.0.1".to_owned()),
        ..Subnet::default()
    }]);
    assert_eq!((&plain[0].subnets, plain[0].containers.len()), (&subnets, 0));
    assert_eq!(facts[3].1, Fact::DockerNetwork(Vec::new()));
    assert_eq!(facts[4].1, Fact::DockerVolume(Some(media)));
    assert_eq!(facts[5].1, Fact::DockerVolume(None));
}

#[test]
fn what_others_write_is_no_line_of_the_answer() {
    let forged = r#"container "a"	"lan"	"v1"	"running"	"x:1"	"s\ncontainer \"zz\"\t"	"y\nvolume {\"Name\":\"v3\",\"Driver\":\"local\"}\nimage caddy"	"True"
container no JSON	[1]
"#;
    let answer = format!("engine running\n{forged}end\n");
    let facts = parse(&[volume("v3"), container("a"), container("zz")], 0, answer.as_bytes()).expect("readable");
    assert_eq!(facts[0].1, Fact::DockerVolume(None));
    assert!(matches!(&facts[1].1, Fact::DockerContainer(Some(one)) if one.state == "running"));
    assert_eq!(facts[2].1, Fact::DockerContainer(None));
}

#[test]
fn fixed_addresses_are_read_with_the_container_that_has_them() {
    let answer = r#"engine running
endpoint ["/b","02:42:0a:14:00:77",{"lan":{"IPAMConfig":null,"MacAddress":"02:42:0A:14:00:77"},"other":{"IPAMConfig":{},"MacAddress":"02:42:0a:15:00:02"}}]
endpoint ["/a",null,{"lan":{"IPAMConfig":{"IPv4Address":"10.20.0.9","IPv6Address":""},"MacAddress":""}}]
end
"#;
    let keys = ["lan", "other"].map(|name| FactKey::DockerEndpoints(name.to_owned()));
    let facts = parse(&keys, 0, answer.as_bytes()).expect("readable");
    let endpoint = |container: &str, address: Option<&str>, mac: Option<&str>| Endpoint {
        container: container.to_owned(),
        addresses: address.into_iter().map(str::to_owned).collect(),
        mac: mac.map(str::to_owned),
    };
    let lan = vec![
        endpoint("a", Some("10.20.0.9"), None),
        endpoint("b", None, Some("02:42:0a:14:00:77")),
    ];
    assert_eq!(facts[0].1, Fact::DockerEndpoints(lan));
    assert_eq!(facts[1].1, Fact::DockerEndpoints(vec![endpoint("b", None, None)]));
}

#[test]
fn two_networks_of_one_name_are_both_read_and_null_is_empty() {
    let answer = r#"engine running
network {"Name":"lan","Id":"1","Driver":"bridge","IPAM":{"Config":null},"Options":null,"Labels":null}
network {"Name":"lan","Id":"2","Driver":"bridge","IPAM":null}
volume {"Name":"data","Driver":"local","Labels":null,"Options":null}
end
"#;
    let facts = parse(&[network("lan"), volume("data")], 0, answer.as_bytes()).expect("readable");
    assert!(matches!(&facts[0].1, Fact::DockerNetwork(networks) if networks.len() == 2));
    assert!(matches!(&facts[1].1, Fact::DockerVolume(Some(volume)) if volume.options.is_empty()));
}

#[test]
fn each_state_of_the_engine_is_read() {
    let absent = |has_state, has_command| {
        Fact::DockerEngine(Engine::Absent {
            data_root: "/srv/docker".to_owned(),
            has_state,
            has_command,
        })
    };
    for (answer, expected) in [
        ("engine absent /srv/docker", absent(false, false)),
        ("command\nengine absent /srv/docker", absent(false, true)),
        ("engine state /srv/docker", absent(true, false)),
        ("engine command", Fact::DockerEngine(Engine::WithoutCommand)),
        (
            "engine stopped it died",
            Fact::DockerEngine(Engine::Stopped("it died".to_owned())),
        ),
        ("engine denied no", Fact::Denied("no".to_owned())),
    ] {
        let facts = parse(&[FactKey::DockerEngine], 0, answer.as_bytes()).expect("readable");
        assert_eq!(facts[0].1, expected, "{answer}");
    }
    let facts = parse(&[network("lan")], 0, b"engine running\nfailed why\n").expect("readable");
    assert_eq!(facts[0].1, Fact::Denied("why".to_owned()));
    assert!(parse(&[FactKey::DockerEngine], 0, b"engine what\n").is_err());
    assert!(parse(&[FactKey::DockerEngine], 0, b"").is_err());
}

#[test]
fn images_are_found_by_tag_and_by_digest_with_the_containers_of_each() {
    let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
    let (old, new, pinned) = (digest("1"), digest("2"), format!("app@{}", digest("d")));
    let container = |name: &str, image: &str| {
        format!("container \"{name}\"\t\"lan\"\t\"\"\t\"running\"\t\"{image}\"\t\"\"\t\"\"\t\"\"")
    };
    let answer = [
        "engine running".to_owned(),
        container("by-name", "docker.io/library/app:1"),
        container("by-id", &new),
        container("of-old", &old),
        format!("image app 1 <none> {new}"),
        format!("image app 1 {} {new}", digest("d")),
        format!("image ghcr.io/x/app 1 {} {new}", digest("e")),
        format!("image <none> <none> <none> {old}"),
        "end".to_owned(),
    ]
    .join("\n");
    let keys = ["app:1", &pinned, "app:2", "other:1"].map(|name| FactKey::DockerImage(name.to_owned()));
    let facts = parse(&keys, 0, answer.as_bytes()).expect("readable");
    let image = |containers: &[&str]| {
        Fact::DockerImage(Some(Image {
            id: Known::Yes(new.clone()),
            digests: Known::Yes(vec![digest("d"), digest("e")]),
            containers: containers.iter().map(|name| (*name).to_owned()).collect(),
        }))
    };
    assert_eq!(facts[0].1, image(&["by-id", "by-name"]));
    assert_eq!(facts[1].1, image(&["by-id"]));
    assert_eq!(facts[2].1, Fact::DockerImage(None));
    assert_eq!(facts[3].1, Fact::DockerImage(None));
}

#[test]
fn a_container_is_found_by_name_and_by_its_service() {
    let answer = "engine running\n\
        container \"shop-web-10\"\t\"lan\"\t\"\"\t\"running\"\t\"app:1\"\t\"shop\"\t\"web\"\t\"False\"\n\
        container \"shop-web-2\"\t\"lan\"\t\"\"\t\"running\"\t\"app:1\"\t\"shop\"\t\"web\"\t\"False\"\n\
        container \"shop-web-1\"\t\"lan\"\t\"\"\t\"exited\"\t\"app:1\"\t\"shop\"\t\"web\"\t\"False\"\n\
        container \"shop-job-run-1\"\t\"lan\"\t\"\"\t\"running\"\t\"app:1\"\t\"shop\"\t\"job\"\t\"True\"\n\
        end\n";
    let keys = ["shop-web-1", "shop/web", "shop/job", "web"].map(|name| FactKey::DockerContainer(name.to_owned()));
    let facts = parse(&keys, 0, answer.as_bytes()).expect("readable");
    let found = |name: &str, state: &str| {
        Fact::DockerContainer(Some(docker::Container {
            name: name.to_owned(),
            state: state.to_owned(),
        }))
    };
    assert_eq!(facts[0].1, found("shop-web-1", "exited"));
    assert_eq!(facts[1].1, found("shop-web-2", "running"));
    assert_eq!(facts[2].1, Fact::DockerContainer(None));
    assert_eq!(facts[3].1, Fact::DockerContainer(None));
}

#[test]
fn all_that_the_engine_has_is_read_with_its_age() {
    let anonymous = "8d501ea5b775610784c9866c4652b8e70a74fe96cddb7b4bebeaddd60e44497d";
    let answer = format!(
        r#"engine running
now 1796004800
user ["/web","running","2026-11-30T02:00:00.15Z","0001-01-01T00:00:00Z","sha256:2222",{{}},[],{{"lan":{{"IPAMConfig":null}}}}]
user ["/shop-job-1","exited","2026-11-29T22:27:22.1Z","2026-11-30T02:11:30.6Z","sha256:1111",{{"com.docker.compose.service":"job","com.docker.compose.oneoff":"False"}},[{{"Type":"bind","Source":"/srv"}},{{"Type":"volume","Name":"{anonymous}"}}],{{"bridge":null}}]
own ["/shop-job-1",4096]
held [{{"Id":"sha256:1111","RepoTags":["a:1"],"RepoDigests":["a@sha256:9a0b"],"Created":"2020-01-01T00:00:00Z","Metadata":{{"LastTagTime":"2026-11-30T02:13:19Z"}},"Size":131350600}}]
held [{{"Id":"sha256:2222","RepoTags":[],"RepoDigests":null,"Metadata":{{"LastTagTime":"0001-01-01T00:00:00Z"}},"Size":1}}]
link [{{"Name":"lan","Id":"6ff4","Created":"2026-11-30T02:13:10.2Z","Scope":"local"}}]
link [{{"Name":"overlay","Id":"6ff5","Created":"2026-11-30T02:13:10.2Z","Scope":"swarm"}}]
store [{{"Name":"{anonymous}","CreatedAt":"2026-11-30T02:13:20Z","Driver":"local","Labels":null}}]
store [{{"Name":"media","Driver":"local","Labels":{{}}}}]
filled {anonymous} 12
cache {{"Active":"1","Reclaimable":"1.2GB","Size":"2GB","TotalCount":"4","Type":"Build Cache"}}
cache {{"Active":"1","Reclaimable":"3GB","Size":"2GB","TotalCount":"9","Type":"Images"}}
end
"#
    );
    let keys = [FactKey::DockerUsage, FactKey::DockerBuildCache];
    let facts = parse(&keys, 0, answer.as_bytes()).expect("readable");
    let usage = docker::Usage {
        containers: vec![
            docker::UsingContainer {
                name: "web".to_owned(),
                is_running: true,
                age: 800,
                image: "sha256:2222".to_owned(),
                networks: vec!["lan".to_owned()],
                ..docker::UsingContainer::default()
            },
            docker::UsingContainer {
                name: "shop-job-1".to_owned(),
                is_service: true,
                age: 110,
                size: Some(4096),
                image: "sha256:1111".to_owned(),
                networks: vec!["bridge".to_owned()],
                volumes: vec![anonymous.to_owned()],
                ..docker::UsingContainer::default()
            },
        ],
        images: vec![
            docker::HeldImage {
                id: "sha256:1111".to_owned(),
                tags: vec!["a:1".to_owned()],
                digests: vec!["a@sha256:9a0b".to_owned()],
                age: 1,
                size: 131_350_600,
            },
            docker::HeldImage {
                id: "sha256:2222".to_owned(),
                age: 63_931_601_600,
                size: 1,
                ..docker::HeldImage::default()
            },
        ],
        networks: vec![docker::HeldNetwork {
            name: "lan".to_owned(),
            id: "6ff4".to_owned(),
            age: 10,
        }],
        volumes: vec![docker::HeldVolume {
            name: anonymous.to_owned(),
            age: 0,
            size: Some(12_288),
        }],
    };
    assert_eq!(facts[0].1, Fact::DockerUsage(usage));
    let cache = docker::BuildCache {
        entries: 3,
        size: "1.2GB".to_owned(),
    };
    assert_eq!(facts[1].1, Fact::DockerBuildCache(cache));
}

/// Runs the probe with a `docker` of these lines of shell.
fn asked(keys: &[FactKey], docker: Option<&str>, dockerd: bool) -> Vec<Fact> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    };
    if let Some(text) = docker {
        write("docker", text);
    }
    if dockerd {
        write("dockerd", "exit 1");
    }
    let text = probe(keys).replace("PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin\n", "");
    let programs = super::super::check::tests::programs(&["sh", "timeout", "tr", "cut", "sed", "cat"]);
    let path = format!("{}:{}", folder.path().display(), programs.path().display());
    let output = std::process::Command::new("sh")
        .args(["-c", &text])
        .env("PATH", path)
        .output()
        .expect("sh runs");
    let facts = parse(keys, 0, &output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {output:?}");
    });
    facts.into_iter().map(|(_, fact)| fact).collect()
}

#[test]
fn only_what_is_asked_for_is_inspected() {
    let docker = r#"case "$*" in
"ps "*) printf 'container "web"\t"lan"\t""\n';;
"network ls --quiet --no-trunc --filter name=^lan\$") printf '%s\n' 1 3;;
"network inspect --format network {{json .}} 1 3") for i in 1 3; do printf 'network {"Name":"lan","Id":"%s","Driver":"bridge"}\n' $i; done;;
"volume ls --quiet --filter name=^data\\.1\$");;
*) echo "unexpected $*"; exit 1;;
esac"#;
    let facts = asked(
        &[FactKey::DockerEngine, network("lan"), volume("data.1")],
        Some(docker),
        true,
    );
    assert_eq!(facts[0], Fact::DockerEngine(Engine::Running));
    assert!(
        matches!(&facts[1], Fact::DockerNetwork(networks) if networks.len() == 2),
        "{facts:?}"
    );
    assert_eq!(facts[2], Fact::DockerVolume(None));
}

#[test]
fn an_engine_that_does_not_answer_is_told_from_one_that_is_not_there() {
    let state = |docker, dockerd| asked(&[FactKey::DockerEngine], docker, dockerd).remove(0);
    let silent = "echo 'Cannot connect to the Docker daemon'; exit 1";
    let stopped = Fact::DockerEngine(Engine::Stopped("Cannot connect to the Docker daemon".to_owned()));
    assert_eq!(state(Some(silent), true), stopped);
    assert!(matches!(
        state(Some(silent), false),
        Fact::DockerEngine(Engine::Absent { has_command: true, .. })
    ));
    assert!(matches!(
        state(None, false),
        Fact::DockerEngine(Engine::Absent { has_command: false, .. })
    ));
    assert_eq!(state(None, true), Fact::DockerEngine(Engine::WithoutCommand));
    let denied = "echo 'permission denied while trying to connect'; exit 1";
    assert!(matches!(state(Some(denied), true), Fact::Denied(_)));
    let failing = r#"case "$*" in "ps "*) exit 0;; *) echo broken; exit 1;; esac"#;
    let facts = asked(&[FactKey::DockerEngine, network("lan")], Some(failing), true);
    assert_eq!(facts[1], Fact::Denied("broken".to_owned()));
}

/// What Docker 26.1 says of a container, of the one that it replaces, and who has ports.
const MADE: &str = r#"engine running
Error: No such container: lost
made ["/web","65dc","exited",3,"caddy:2.10","sha256:2b59",["caddy","run"],"caddy",{"443/tcp":[{"HostIp":"::1","HostPort":"443"}],"80/tcp":[{"HostIp":"","HostPort":"8080"}]},{"lan":{"NetworkID":"a99d"},"bridge":{"NetworkID":"a99e"}},["/srv/www:/www:ro","5c95f43b8a1b6c1bb1ac5b8bb6bd3a5eb0c6cd6e9a2f3ec9d5d2b3c6c9f0d1e2:/data"],["192.0.2.53"],{"MaximumRetryCount":3,"Name":"on-failure"},null]
made ["/web.homelab-previous","65dd","running",0,"caddy:2.9","sha256:2b58",null,"",{},{"bridge":{"NetworkID":"a99e"}},null,null,{"MaximumRetryCount":0,"Name":""},""]
made ["/old","65de","running",0,"caddy:2.9","sha256:2b58",null,"",{},{},null,null,{"MaximumRetryCount":0,"Name":"always"},"shop"]
wish web 65dc 9f86
previous web 65dd
wish old 0000 9f87
holder ["web","","0.0.0.0:8080->80/tcp, :::8080->80/tcp"]
listens tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=1,fd=3))
end
"#;

fn details(name: &str) -> FactKey {
    FactKey::DockerDetails(name.to_owned())
}

#[test]
fn containers_are_read_as_they_were_created() {
    let keys = [
        details("web"),
        details("old"),
        details("lost"),
        FactKey::DockerPublished,
    ];
    let facts = parse(&keys, 0, MADE.as_bytes()).expect("readable");
    let Fact::DockerDetails(Some(web)) = &facts[0].1 else {
        panic!("{:?}", facts[0]);
    };
    assert_eq!(web.ports, ["8080:80/tcp", "[::1]:443:443/tcp"]);
    assert_eq!(web.networks, ["bridge", "lan"]);
    assert_eq!(web.volumes, ["/srv/www:/www:ro"], "anonymous ones are left out");
    assert_eq!((web.restart.as_str(), web.exit_code), ("on-failure:3", 3));
    assert_eq!((web.wish.as_deref(), web.is_unfinished), (Some("9f86"), true));
    let Fact::DockerDetails(Some(old)) = &facts[1].1 else {
        panic!("{:?}", facts[1]);
    };
    assert_eq!(
        (old.wish.as_deref(), old.project.as_deref()),
        (None, Some("shop")),
        "another container had its name"
    );
    assert_eq!(facts[2].1, Fact::DockerDetails(None));
    let Fact::DockerPublished(published) = &facts[3].1 else {
        panic!("{:?}", facts[3]);
    };
    assert_eq!((published.containers.len(), published.listeners.len()), (1, 1));

    // A container of someone else may be called so.
    let facts = parse(
        &keys,
        0,
        MADE.replace("previous web 65dd", "previous web 65df").as_bytes(),
    )
    .expect("readable");
    let Fact::DockerDetails(Some(web)) = &facts[0].1 else {
        panic!("{:?}", facts[0]);
    };
    assert!(!web.is_unfinished);

    // Who may not read what was asked for cannot compare.
    let facts = parse(&keys, 0, MADE.replace("wish web", "unwished\nwish web").as_bytes()).expect("readable");
    assert!(matches!(facts[0].1, Fact::Denied(_)));
}
