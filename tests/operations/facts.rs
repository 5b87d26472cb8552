//! What the host of a case answers: facts in short form, and what every host has unless the case says otherwise.

use std::collections::{BTreeMap, BTreeSet};

use homelab::facts::{Fact, FactKey};
use homelab::secret::sha256_hex;
use libtest_mimic::Failed;
use serde::Deserialize as _;
use serde_json::{Map, Value as Json, json};

use super::case::Case;

/// What is at the top of every Debian.
const DIRECTORIES: &[&str] = &[
    "/", "/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr", "/var",
];

/// Programs of every Debian.
const PROGRAMS: [&str; 9] = [
    "/bin/bash",
    "/bin/sleep",
    "/bin/true",
    "/bin/sh",
    "/usr/bin/bash",
    "/usr/bin/sleep",
    "/usr/bin/true",
    "/usr/bin/sh",
    "/usr/sbin/nologin",
];

/// Where homelab records what it wrote.
const RECORDS: &str = "/var/lib/homelab/sync/";

/// The answers of a case's host.
pub(super) struct Answers<'a> {
    case: &'a Case,
    /// By family and key.
    given: BTreeMap<(String, String), Json>,
    used: BTreeSet<(String, String)>,
    /// Whether it answers what it does not know with "absent".
    is_lenient: bool,
}

impl<'a> Answers<'a> {
    pub(super) fn of(case: &'a Case) -> Self {
        let mut given = BTreeMap::new();
        for (family, facts) in &case.facts {
            let facts = serde_json::to_value(facts).expect("TOML fits into JSON");
            match facts {
                // These have no further key.
                facts if is_single(family) => drop(given.insert((family.clone(), String::new()), facts)),
                Json::Object(facts) => given.extend(facts.into_iter().map(|(key, fact)| ((family.clone(), key), fact))),
                other => drop(given.insert((family.clone(), String::new()), other)),
            }
        }
        Self {
            case,
            given,
            used: BTreeSet::new(),
            is_lenient: false,
        }
    }

    /// Answers of a host on which nothing is that the case does not name.
    pub(super) fn lenient(case: &'a Case) -> Self {
        Self {
            is_lenient: true,
            ..Self::of(case)
        }
    }

    /// What the host answers to a question of the plan.
    ///
    /// Errors: the case has no such fact, or it is not valid.
    pub(super) fn answer(&mut self, key: &FactKey) -> Result<Fact, Failed> {
        let (family, name) = family_and_name(key);
        let place = (family.clone(), name.clone());
        let short = match self.given.get(&place) {
            Some(given) => given.clone(),
            None => self
                .usual(&family, &name)
                .or_else(|| self.is_lenient.then(|| nothing(&family)))
                .ok_or_else(|| self.unanswered(key, &family, &name))?,
        };
        self.used.insert(place);
        let value = written_out(&family, &name, &short)
            .map_err(|error| format!("{}: {key}: {}", self.case.name, error.message().unwrap_or_default()))?;
        let (family, value) = match value {
            Json::Object(mut fields) if fields.len() == 1 && fields.contains_key("denied") => {
                ("denied".to_owned(), fields.remove("denied").unwrap_or_default())
            }
            value => (family, value),
        };
        let fact = Json::Object(Map::from_iter([(family, value)]));
        Fact::deserialize(&fact).map_err(|error| format!("{}: {key}: {error}: {fact}", self.case.name).into())
    }

    fn unanswered(&self, key: &FactKey, family: &str, name: &str) -> String {
        let given = if name.is_empty() {
            format!("`{family} = …` below [facts]")
        } else {
            format!("`\"{name}\" = …` below [facts.{family}]")
        };
        format!(
            "{}: the plan asks for {key}, but the case has no such fact: write {given}",
            self.case.name
        )
    }

    /// A fact of the case that nothing asked for.
    pub(super) fn unused(&self) -> Option<String> {
        let unused = self.given.keys().find(|place| !self.used.contains(*place));
        unused.map(|(family, name)| format!("{family} `{name}`"))
    }

    /// The facts of a host without given facts.
    fn usual(&self, family: &str, name: &str) -> Option<Json> {
        match family {
            "system" | "metadata" | "docker_subnets" | "docker_drivers" => Some(json!({})),
            "path" => self.usual_path(name),
            "group" => self.usual_group(name),
            "content" => self.content_of(name),
            "disk_location" => Some(json!("absent")),
            "misspelling" | "path_resolution" => Some(json!([])),
            "user_number" => Some(self.holder("user", "uid", name)),
            "group_number" => Some(self.holder("group", "gid", name)),
            "account_defaults" => Some(account_defaults()),
            "package_lists" => Some(json!({ "age": 60, "refreshed": false })),
            _ => None,
        }
    }

    /// The directories of every Debian, those above a path of the case, and the homes of its users.
    fn usual_path(&self, path: &str) -> Option<Json> {
        if let Some((user, _)) = self
            .users()
            .find(|(user, fact)| home(user, fact).as_deref() == Some(path))
        {
            let home = json!({ "directory": true, "owner": user, "group": user, "mode": "0700" });
            return Some(home);
        }
        if self.users().any(|(user, _)| path == format!("/home/{user}")) {
            return Some(json!("absent"));
        }
        if path.starts_with(RECORDS) {
            return Some(json!("absent"));
        }
        if PROGRAMS.contains(&path) {
            return Some(json!({ "file": "a program", "mode": "0755" }));
        }
        let is_directory = DIRECTORIES.contains(&path) || self.is_above_another(path);
        is_directory.then(|| json!("directory"))
    }

    /// The private group of a user of the case; `None` without the user.
    fn usual_group(&self, name: &str) -> Option<Json> {
        let (_, user) = self.users().find(|(user, _)| *user == name)?;
        if !user.is_object() {
            return Some(json!("absent"));
        }
        let gid = user.get("uid").cloned().unwrap_or_else(|| json!(1000));
        Some(json!({ "gid": gid, "primary_of": [name] }))
    }

    fn users(&self) -> impl Iterator<Item = (&String, &Json)> {
        let users = self.given.iter().filter(|((family, _), _)| family == "user");
        users.map(|((_, name), fact)| (name, fact))
    }

    fn is_above_another(&self, path: &str) -> bool {
        let prefix = if path == "/" {
            "/".to_owned()
        } else {
            format!("{path}/")
        };
        let paths = self.given.keys().filter(|(family, _)| family == "path");
        paths.into_iter().any(|(_, other)| other.starts_with(&prefix))
    }

    fn content_of(&self, path: &str) -> Option<Json> {
        let given = self.given.get(&("path".to_owned(), path.to_owned()));
        if given.is_none() && path.starts_with(RECORDS) {
            return Some(json!("absent"));
        }
        match given? {
            Json::Object(fields) => fields.get("file").map(|text| json!({ "bytes": text })),
            Json::String(word) if word == "absent" => Some(json!("absent")),
            _ => None,
        }
    }

    /// Who of the case has a number.
    fn holder(&self, family: &str, field: &str, number: &str) -> Json {
        let number = number.parse().ok();
        let holder = self
            .given
            .iter()
            .find(|((of, _), fact)| of == family && fact.get(field).and_then(Json::as_u64) == number);
        holder.map_or_else(|| json!("absent"), |((_, name), _)| json!(name))
    }
}

/// The fact of something that is not there.
fn nothing(family: &str) -> Json {
    match family {
        "installation" => json!({ "installs": [] }),
        "check" => json!("nothing answers"),
        "docker_engine" => json!("running"),
        "docker_network" => json!([]),
        "node_images" => json!({ "answers": {} }),
        "compose_config" => json!("no_files"),
        "kubernetes_object" => json!("not_asked"),
        "compose_project" | "docker_build_cache" | "docker_usage" | "entries" | "listing" => json!({}),
        _ => json!("absent"),
    }
}

/// The home directory of a user of the case; `None` without the user.
fn home(user: &str, fact: &Json) -> Option<String> {
    let given = fact.as_object()?.get("home").and_then(Json::as_str);
    Some(given.map_or_else(|| format!("/home/{user}"), str::to_owned))
}

/// Whether a family has one fact only.
fn is_single(family: &str) -> bool {
    FactKey::deserialize(&json!(family)).is_ok()
}

/// The family of a key, and what it is called in a case: what it holds, or how the tool shows it.
fn family_and_name(key: &FactKey) -> (String, String) {
    match serde_json::to_value(key).expect("a key can be stored") {
        Json::Object(fields) => {
            let (family, held) = fields.into_iter().next().expect("a family");
            let name = match held {
                Json::String(name) => name,
                Json::Number(number) => number.to_string(),
                _ if ["kubernetes_object", "helm_release"].contains(&family.as_str()) => key.to_string(),
                _ => key.to_string().trim_matches('`').trim().to_owned(),
            };
            (family, name)
        }
        family => (family.as_str().unwrap_or_default().to_owned(), String::new()),
    }
}

/// A fact of a case in full.
///
/// Errors: a short form has no such key.
fn written_out(family: &str, name: &str, short: &Json) -> Result<Json, Failed> {
    let Json::Object(given) = short else {
        return Ok(match (family, short.as_str()) {
            ("docker_engine", Some("absent")) => {
                json!({ "absent": { "data_root": "/var/lib/docker", "has_state": false } })
            }
            ("kubernetes_object", Some("absent")) => json!({ "asked": {} }),
            ("helm_release", Some("absent")) => json!({ "asked": { "program": "v3.19.5" } }),
            ("kubernetes_cluster", Some("k3s")) => cluster(&Map::new())?,
            (_, None | Some("absent")) => short.clone(),
            ("package", Some(version)) => package(&Map::from_iter([("version".to_owned(), json!(version))]))?,
            ("path", Some(kind)) => path(&Map::from_iter([(kind.to_owned(), json!(true))]))?,
            ("content", Some(text)) => json!({ "bytes": text }),
            ("check", Some(why)) if why != "holds" => json!({ "fails": why }),
            ("user_number" | "group_number", Some(name)) => json!({ "present": name }),
            _ => short.clone(),
        });
    };
    let is_full = [
        "asked",
        "answers",
        "silent",
        "present",
        "denied",
        "possible",
        "impossible",
        "unrefreshed",
        "provided",
    ];
    if is_full.iter().any(|key| given.contains_key(*key)) {
        return Ok(short.clone());
    }
    match family {
        "path" => path(given),
        "installation" => installation(given),
        "package" => package(given),
        "unit" => present(
            json!({
                "id": name, "load": "loaded", "active": "inactive", "sub": "", "enabled": "disabled",
                "service_type": "", "remains": false, "was_restarted": false, "can_start": true, "can_stop": true,
                "file": "", "needs_reload": false, "is_outdated": false, "lacks_command": false, "is_new": false, "source": "", "also": {}
            }),
            given,
        ),
        "user" => present(
            json!({
                "uid": 1000, "group": name, "home": format!("/home/{name}"), "shell": "/bin/sh", "comment": "",
                "groups": [], "elsewhere": null
            }),
            given,
        ),
        "group" => present(
            json!({ "gid": 1000, "members": [], "primary_of": [], "elsewhere": null }),
            given,
        ),
        "system" => system(given),
        "kubernetes_object" => Ok(json!({ "asked": given })),
        "kubernetes_cluster" => cluster(given),
        _ => Ok(short.clone()),
    }
}

/// A cluster that answers, with the kinds that cases use.
fn cluster(given: &Map<String, Json>) -> Result<Json, Failed> {
    let kinds = [
        ("", "v1", "Namespace", false),
        ("", "v1", "ConfigMap", true),
        ("", "v1", "Secret", true),
        ("", "v1", "Service", true),
        ("", "v1", "ServiceAccount", true),
        ("", "v1", "PersistentVolumeClaim", true),
        ("networking.k8s.io", "v1", "Ingress", true),
        ("apps", "v1", "Deployment", true),
        ("batch", "v1", "Job", true),
        ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", false),
    ];
    let kinds = kinds.map(|(group, version, kind, is_namespaced)| {
        json!({ "group": group, "version": version, "kind": kind, "is_namespaced": is_namespaced })
    });
    let usual = json!({
        "uid": "2539e575", "version": "v1.34.4+k3s1", "is_predicted": false, "namespaces": ["default", "kube-system"], "kinds": kinds,
        "versions": ["v1", "apps/v1", "batch/v1", "networking.k8s.io/v1", "apiextensions.k8s.io/v1"], "nodes": {}, "node_ports": {},
        "storage_classes": { "local-path": { "is_default": true } }
    });
    Ok(json!({ "answers": over(usual, given)? }))
}

fn present(usual: Json, given: &Map<String, Json>) -> Result<Json, Failed> {
    Ok(json!({ "present": over(usual, given)? }))
}

/// `usual` with what is given.
fn over(mut usual: Json, given: &Map<String, Json>) -> Result<Json, Failed> {
    let keys: Vec<String> = usual
        .as_object()
        .map(|usual| usual.keys().cloned().collect())
        .unwrap_or_default();
    has_only(given, &keys.iter().map(String::as_str).collect::<Vec<_>>())?;
    for (key, value) in given {
        usual[key] = value.clone();
    }
    Ok(usual)
}

fn has_only(given: &Map<String, Json>, keys: &[&str]) -> Result<(), Failed> {
    match given.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => Err(format!("`{key}` is not one of {}", keys.join(", ")).into()),
        None => Ok(()),
    }
}

/// `"directory"`, `{ file = "text" }` or `{ link = "target" }`, root's unless `owner` and `group` are given; with their numbers if `owner_id` and `group_id` are.
fn path(given: &Map<String, Json>) -> Result<Json, Failed> {
    has_only(
        given,
        &[
            "file",
            "link",
            "directory",
            "other",
            "owner",
            "group",
            "owner_id",
            "group_id",
            "mode",
        ],
    )?;
    let (kind, mode) = if let Some(text) = given.get("file") {
        let digest = text.as_str().map(|text| sha256_hex(text.as_bytes()));
        (json!({ "file": { "digest": digest } }), 0o644)
    } else if let Some(target) = given.get("link") {
        (json!({ "link": { "target": target } }), 0o777)
    } else if given.contains_key("other") {
        (json!("other"), 0o644)
    } else {
        (json!("directory"), 0o755)
    };
    let written = given.get("mode").and_then(Json::as_str);
    let mode = written.map_or(Ok(mode), |mode| u32::from_str_radix(mode, 8))?;
    let name = |key: &str| given.get(key).cloned().unwrap_or_else(|| json!("root"));
    Ok(
        json!({ "present": { "kind": kind, "owner": name("owner"), "group": name("group"), "mode": mode,
        "owner_id": given.get("owner_id"), "group_id": given.get("group_id") } }),
    )
}

/// `{ version = "1.7", status = "install ok half-configured", automatic = true }`, installed and wanted by default.
fn package(given: &Map<String, Json>) -> Result<Json, Failed> {
    let usual = json!({ "version": "1", "status": "install ok installed", "automatic": false });
    Ok(json!({ "listed": over(usual, given)? }))
}

/// `{ installs = ["jq 1.7", "libc6 2.40 → 2.41"], removes = ["exim4 4.98"], owned = ["/usr/bin/jq"] }`
fn installation(given: &Map<String, Json>) -> Result<Json, Failed> {
    has_only(
        given,
        &[
            "installs",
            "removes",
            "configures",
            "held",
            "downgrades",
            "providers",
            "owned",
        ],
    )?;
    let list = |key: &str| given.get(key).and_then(Json::as_array).cloned().unwrap_or_default();
    let words = |line: &Json| -> Vec<String> {
        let line = line.as_str().unwrap_or_default();
        line.split(' ').map(str::to_owned).collect()
    };
    let installs: Vec<Json> = list("installs")
        .iter()
        .map(|line| match &words(line)[..] {
            [name, old, _, new] => json!({ "name": name, "old": old, "new": new, "automatic": false }),
            words => json!({ "name": words[0], "new": words.get(1) }),
        })
        .collect();
    let removals: Vec<Json> = list("removes")
        .iter()
        .map(|line| json!({ "name": words(line)[0], "old": words(line).get(1) }))
        .collect();
    let providers = given.get("providers").cloned().unwrap_or_else(|| json!({}));
    Ok(json!({ "possible": {
        "installs": installs, "removals": removals, "configures": list("configures"), "held": list("held"),
        "downgrades": list("downgrades"), "providers": providers, "owned": list("owned")
    } }))
}

/// Debian 13 where root works; with `login`, a user who cannot become root unless `root = true`.
fn system(given: &Map<String, Json>) -> Result<Json, Failed> {
    has_only(given, &["login", "root", "machine", "unfinished"])?;
    let os = json!({ "id": "debian", "version": "13", "codename": "trixie", "name": "Debian GNU/Linux 13 (trixie)" });
    let mut machine = json!({ "os": os, "architecture": { "dpkg": "amd64", "uname": "x86_64" }, "init": "systemd" });
    for (key, value) in given.get("machine").and_then(Json::as_object).into_iter().flatten() {
        machine[key] = value.clone();
    }
    let login = given.get("login").and_then(Json::as_str).unwrap_or("root");
    let account = json!({ "user": login, "group": login });
    let mut session = json!({ "login": account });
    if login != "root" && given.get("root") != Some(&json!(true)) {
        session["unprivileged"] = json!({
            "account": account, "groups": [login], "state_folder": format!("/home/{login}/.local/state/homelab"),
            "jobs_are_hidden": false
        });
    }
    // The users that an earlier run did not create completely.
    let users = given.get("unfinished").and_then(Json::as_array).into_iter().flatten();
    let jobs: Vec<Json> = users
        .filter_map(Json::as_str)
        .map(|user| json!({ "id": format!("user-{user}"), "summary": "useradd", "state": "lost" }))
        .collect();
    Ok(json!({ "machine": machine, "session": session, "jobs": jobs }))
}

/// Those of Debian 13.
fn account_defaults() -> Json {
    json!({
        "home_base": "/home", "shell": "/bin/sh", "private_groups": true, "group": "users", "home_mode": 0o700,
        "skeleton": [{ "path": ".profile", "mode": 0o644, "kind": { "file": "umask 022\n" } }]
    })
}
