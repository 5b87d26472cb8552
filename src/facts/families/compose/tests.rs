use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;
use crate::facts::compose::{Config, PlannedFile, ProjectFiles};
use crate::secret::Secret;

/// What compose 2.26.1 printed.
const CONFIG: &str = r#"{
  "name": "web",
  "networks": {
    "default": {
      "name": "web_default",
      "ipam": {}
    },
    "lan": {
      "name": "lan",
      "ipam": {},
      "external": true
    }
  },
  "secrets": {
    "token": {
      "name": "web_token",
      "file": "/opt/stacks/web/secrets/token"
    }
  },
  "services": {
    "app": {
      "command": [
        "sleep",
        "1000"
      ],
      "entrypoint": null,
      "environment": {
        "PW": "pa$$word",
        "network_mode": "service:app"
      },
      "healthcheck": {
        "test": [
          "CMD",
          "true"
        ],
        "interval": "1s"
      },
      "image": "demo:1",
      "networks": {
        "default": null,
        "lan": null
      },
      "ports": [
        {
          "mode": "ingress",
          "target": 80,
          "published": "8080",
          "protocol": "tcp"
        },
        {
          "mode": "ingress",
          "host_ip": "127.0.0.1",
          "target": 53,
          "published": "53",
          "protocol": "udp"
        }
      ],
      "secrets": [
        {
          "source": "token",
          "target": "/run/secrets/token"
        }
      ],
      "volumes": [
        {
          "type": "bind",
          "source": "/opt/stacks/web/conf",
          "target": "/conf",
          "read_only": true,
          "bind": {
            "create_host_path": true
          }
        },
        {
          "type": "volume",
          "source": "data",
          "target": "/data",
          "volume": {}
        }
      ]
    },
    "built": {
      "build": {
        "context": "/opt/stacks/web",
        "dockerfile": "Dockerfile"
      },
      "command": null,
      "deploy": {
        "replicas": 2,
        "resources": {},
        "placement": {}
      },
      "entrypoint": null,
      "networks": {
        "default": null
      },
      "restart": "no",
      "volumes_from": [
        "app:ro",
        "container:other"
      ]
    },
    "side": {
      "command": null,
      "depends_on": {
        "app": {
          "condition": "service_started",
          "restart": true,
          "required": true
        }
      },
      "entrypoint": null,
      "image": "demo:1",
      "network_mode": "service:app",
      "pid": "service:app"
    }
  },
  "volumes": {
    "data": {
      "name": "web_data",
      "driver_opts": {
        "type": "nfs"
      }
    }
  }
}"#;

/// What docker 26.1.5 printed.
const OF_ENGINE: &str = r#"container {"project":"web","service":"side","number":"1","one_off":"False","hash":"79a1","directory":"/opt/stacks/web","id":"cc49","name":"/web-side-1","image":"sha256:89fc","image_name":"demo:1","state":"running","exit_code":0,"started":"2026-11-29T22:17:36.817511339Z","health":null,"networks":[null],"volumes":[null],"binds":[null]}
container {"project":"web","service":"job","number":"1","one_off":"True","hash":"4b98","directory":"/opt/stacks/web","id":"bc8e","name":"/web-job-run-1","image":"sha256:89fc","image_name":"demo:1","state":"exited","exit_code":0,"started":"2026-11-29T22:17:37.071702832Z","health":null,"networks":[["web_default","28bd"],null],"volumes":[null],"binds":[null]}
container {"project":"web","service":"app","number":"1","one_off":"False","hash":"7569","directory":"/opt/stacks/web","id":"c494","name":"/web-app-1","image":"sha256:89fc","image_name":"demo:1","state":"running","exit_code":0,"started":"2026-11-29T22:17:39.24079888Z","health":"healthy","networks":[["lan","cbf0"],["web_default","28bd"],null],"volumes":[["/data","web_data"],null],"binds":["/opt/stacks/web/a b",null]}
image demo 1 <none> sha256:89fc
image <none> <none> <none> sha256:f775
network cbf0 lan
network 28bd web_default
settings ["web_default","bridge",false,false,false,null,["172.19.0.0/16",null],"web"]
holder ["web-app-1","web","0.0.0.0:8080->80/tcp, :::8080->80/tcp"]
holder ["caddy","","0.0.0.0:80->80/tcp"]
listens tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=1,fd=3))
record web container app c494
record web hash app 7569
record web mounted app 2c8b /opt/stacks/web/a b
"#;

fn key(planned: &[&str]) -> FactKey {
    let planned = planned.iter().map(|path| PlannedFile {
        path: (*path).to_owned(),
        is_removed: false,
        text: Some(Secret::new("text")),
    });
    FactKey::ComposeConfig(ProjectFiles(Box::new(Files {
        project: "web".to_owned(),
        directory: "/opt/stacks/web".to_owned(),
        compose_files: Vec::new(),
        profiles: Vec::new(),
        planned: planned.collect(),
    })))
}

fn project_key() -> FactKey {
    FactKey::ComposeProject("web".to_owned())
}

fn parsed(keys: &[FactKey], answer: &str) -> Vec<Fact> {
    let facts = parse(keys, 0, answer.as_bytes()).expect("readable");
    facts.into_iter().map(|(_, fact)| fact).collect()
}

fn read() -> Config {
    let answer = format!("hash 0 app 7569\nconfig 0 {}\nend\n", STANDARD.encode(CONFIG));
    match parsed(&[key(&[])], &answer).remove(0) {
        Fact::ComposeConfig(ConfigFact::Read(config)) => *config,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_project_is_read_without_its_secrets() {
    let config = read();
    let app = &config.services["app"];
    assert_eq!(app.hash, "7569");
    assert_eq!(app.image.as_deref(), Some("demo:1"));
    assert_eq!(app.ports, ["8080:80", "127.0.0.1:53:53/udp"]);
    let mounted: Vec<&String> = app.mounted.iter().collect();
    assert_eq!(mounted, ["/opt/stacks/web/conf", "/opt/stacks/web/secrets/token"]);
    assert_eq!(app.volumes, [("/data".to_owned(), "data".to_owned())].into());
    assert_eq!(app.networks, ["default".to_owned(), "lan".to_owned()].into());
    assert!(app.has_health_check && app.shares.is_empty());
    let side = &config.services["side"];
    assert_eq!(side.shares, ["app".to_owned()].into());
    assert_eq!(side.depends_on, [("app".to_owned(), true)].into());
    let built = &config.services["built"];
    assert!(built.build.is_some() && !built.has_health_check);
    assert_eq!((built.replicas, built.restart.as_deref()), (Some(2), Some("no")));
    assert_eq!(built.volumes_from, ["app".to_owned()].into());
    assert!(config.networks["lan"].is_external && !config.networks["default"].is_external);
    assert_eq!(config.volumes["data"].name, "web_data");
    let kept = serde_json::to_string(&config).expect("JSON");
    assert!(!kept.contains("word") && !kept.contains("nfs"), "{kept}");
}

#[test]
fn containers_are_read_with_what_they_use() {
    let fact = parsed(&[project_key()], &format!("{OF_ENGINE}end\n")).remove(0);
    let Fact::ComposeProject(project) = fact else {
        panic!("{fact:?}")
    };
    let names: Vec<&str> = project.containers.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(
        names,
        ["web-app-1", "web-side-1"],
        "that of `docker compose run` is none of the project's"
    );
    let app = &project.containers[0];
    assert_eq!(
        (app.state, app.health),
        (ContainerState::Running, Some(Health::Healthy))
    );
    assert_eq!(app.networks["lan"], "cbf0");
    assert_eq!(app.volumes["/data"], "web_data");
    assert_eq!(app.image_name, "demo:1");
    assert_eq!(app.binds, ["/opt/stacks/web/a b".to_owned()].into());
    assert_eq!(project.networks["lan"], ["cbf0".to_owned()].into());
    assert_eq!(project.image("demo:1"), Some("sha256:89fc"));
    assert_eq!(project.own_networks, ["web_default".to_owned()].into());
    assert_eq!(project.network_settings["web_default"].subnets, ["172.19.0.0/16"]);
    let others: Vec<_> = project
        .others
        .iter()
        .map(|one| (one.container.as_str(), one.ports.len()))
        .collect();
    assert_eq!(others, [("caddy", 1)]);
    assert_eq!(project.listeners[0].program.as_deref(), Some("sshd"));
    let record = project.record.expect("a record");
    let app = &record.services["app"];
    assert_eq!(app.mounted["/opt/stacks/web/a b"], "2c8b");
    assert_eq!((app.hash.as_str(), app.containers.len()), ("7569", 1));
}

#[test]
fn what_a_host_cannot_say_is_said() {
    let keys = [project_key(), key(&[]), key(&["/opt/stacks/web/.env"])];
    let config = |fact| Fact::ComposeConfig(fact);
    let absent = || Fact::ComposeProject(Box::default());
    let denied = |why: &str| Fact::Denied(why.to_owned());
    for (answer, expected) in [
        (
            "nocompose\nend\n",
            [absent(), config(ConfigFact::NoCompose), config(ConfigFact::NoCompose)],
        ),
        (
            "denied no permission\nconfig 1 none\nconfig 2 refused yaml: line 3\nend\n",
            [
                denied("no permission"),
                config(ConfigFact::NoFiles),
                config(ConfigFact::Refused("yaml: line 3".to_owned())),
            ],
        ),
        (
            "config 1 none\nnoview 111\nend\n",
            [
                absent(),
                config(ConfigFact::NoFiles),
                denied("reading compose files before they are written needs root"),
            ],
        ),
    ] {
        assert_eq!(parsed(&keys, answer), expected, "{answer}");
    }
    for answer in [
        "config 1 none\n",
        "config 1 none\nend\n",
        "config 1 e30K\nconfig 2 x\nend\n",
    ] {
        assert!(parse(&keys, 0, answer.as_bytes()).is_err(), "{answer}");
    }
}

/// What `hl_shared` makes of a configuration.
fn shared(json: &str, ids: &str) -> String {
    let script = format!("{HASHES}\nids='{ids}'\nhl_shared web");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = shell.spawn().expect("sh runs");
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(json.as_bytes())
        .expect("written");
    let output = child.wait_with_output().expect("ends");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn what_services_share_is_that_of_containers_in_what_is_hashed() {
    let shown = shared(CONFIG, "web app c494\nweb side cc49\nother app 0000");
    let changed: Vec<&str> = shown
        .lines()
        .zip(CONFIG.lines())
        .filter(|(new, old)| new != old)
        .map(|(new, _)| new.trim())
        .collect();
    assert_eq!(
        changed,
        [
            "\"container:c494:ro\",",
            "\"network_mode\": \"container:c494\",",
            "\"pid\": \"container:c494\""
        ]
    );
    assert_eq!(
        shared(CONFIG, "").trim_end(),
        CONFIG,
        "without containers nothing changes"
    );
}

#[test]
fn planned_files_are_read_in_a_view_and_others_are_not() {
    let view = "unshare -m";
    let only_there = probe(&[project_key(), key(&[])]);
    assert!(!only_there.contains(view));
    let planned = probe(&[key(&["/opt/stacks/web/.env"])]);
    assert!(planned.contains(view));
    assert!(planned.contains(&STANDARD.encode("text")) && !planned.contains("image ls"));
}

#[test]
fn what_compose_said_is_read_from_the_record() {
    let mut kept = read();
    let json = serde_json::to_string(&kept).expect("json");
    let answer = format!("hash 0 app other\nkept 0 {json}\nend\n");
    let facts = parsed(&[key(&[])], &answer);
    for (name, service) in &mut kept.services {
        service.hash = if name == "app" { "other" } else { "" }.to_owned();
    }
    assert_eq!(facts, [Fact::ComposeConfig(ConfigFact::Read(Box::new(kept)))]);
}

#[test]
fn whatever_compose_may_read_decides_whether_it_is_asked_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("compose.yaml"), "services: {}").expect("written");
    let digest = |ids: &str, options: &str| {
        let files = format!("{}\\n{}", path("compose.yaml").display(), path(".env").display());
        let script =
            format!("home=/nowhere ids='{ids}'\n{INPUTS}printf '{files}\\n' | hl_inputs web /opt/web {options}");
        let output = Command::new("sh").arg("-c").arg(script).output().expect("sh runs");
        String::from_utf8(output.stdout).expect("text")
    };
    let first = digest("web app 1\nother app 2", "");
    assert_eq!(first.trim().len(), 64, "{first}");
    assert_eq!(digest("other app 3\nweb app 1", ""), first, "of another project");
    assert_ne!(digest("web app 4", ""), first);
    assert_ne!(digest("web app 1", "--profile debug"), first);
    std::fs::write(path(".env"), "A=b").expect("written");
    let with_variables = digest("web app 1", "");
    assert_ne!(with_variables, first);
    std::fs::write(path("compose.yaml"), "services: { }").expect("written");
    assert_ne!(digest("web app 1", ""), with_variables);
}
