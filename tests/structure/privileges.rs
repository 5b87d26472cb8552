//! What the containers of this repository's own services may do. `docs/services.md` has a row for each of them, which is made from the
//! compose files: nothing gets more rights, or loses its health check, without a change of the page.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use homelab::operations::{YamlNode, parse_yaml};

/// A service of a stack that a rule does not hold for, and why.
type Exception = (&'static str, &'static str, &'static str);

/// The page has these reasons.
const NO_HEALTH_CHECK: &[Exception] = &[
    ("logs", "loki", "no program for it"),
    ("dockge", "dockge", "of its image"),
];
const NEW_PRIVILEGES: &[Exception] = &[("pihole", "pihole", "its server gets capabilities from its file")];
const ALL_CAPABILITIES: &[Exception] = &[("pihole", "pihole", "its start gives capabilities to a file")];
const HOST_NETWORK: &[Exception] = &[("pihole", "pihole", "DHCP hears broadcasts only there")];
const SOCKET: &[Exception] = &[
    ("docker-proxy", "docker-proxy", "it is the proxy that lets others read"),
    ("dockge", "socket", "it is the proxy of Dockge"),
];
/// Ports that others than the machine itself reach.
const OPEN_PORTS: &[Exception] = &[
    ("caddy", "80:80", "sites, redirected to https"),
    ("caddy", "443:443", "sites"),
    ("caddy", "443:443/udp", "sites by HTTP/3"),
    ("mosquitto", "1883:1883", "sensors; the broker asks for a password"),
    ("wg-easy", "x:x/udp", "the tunnel itself"),
];
const CAPABILITIES: &[&str] = &[
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "KILL",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETGID",
    "SETUID",
];

/// What is wrong with the compose files below `templates/services`, the rows that the page should have, and the exceptions that nothing
/// needs.
pub(crate) fn found(top: &Path) -> Found {
    let mut found = Found::default();
    let folder = top.join("templates/services");
    let mut stacks: Vec<_> = fs::read_dir(folder).expect("readable").flatten().collect();
    stacks.sort_by_key(fs::DirEntry::path);
    for stack in stacks {
        let path = stack.path().join("compose.yaml.j2");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = stack.file_name().to_string_lossy().into_owned();
        for branch in [0, 1] {
            found.read(&name, &rendered(&text, branch));
        }
    }
    for (list, exceptions) in [
        ("NO_HEALTH_CHECK", NO_HEALTH_CHECK),
        ("NEW_PRIVILEGES", NEW_PRIVILEGES),
        ("ALL_CAPABILITIES", ALL_CAPABILITIES),
        ("HOST_NETWORK", HOST_NETWORK),
        ("SOCKET", SOCKET),
        ("OPEN_PORTS", OPEN_PORTS),
    ] {
        for (stack, what, _) in exceptions {
            if !found.used.contains(&(list, (*stack).to_owned(), (*what).to_owned())) {
                found
                    .wrong
                    .push(format!("take {stack}/{what} from `{list}`: nothing needs it"));
            }
        }
    }
    found
}

#[derive(Default)]
pub(crate) struct Found {
    pub(crate) wrong: Vec<String>,
    /// For each service: stack and service, user, capabilities, whether its files are read-only, ports, health check.
    pub(crate) rows: BTreeSet<String>,
    used: BTreeSet<(&'static str, String, String)>,
}

impl Found {
    /// Whether a rule does not hold here, which counts as a use of the exception.
    fn is_excepted(&mut self, list: &'static str, exceptions: &[Exception], stack: &str, what: &str) -> bool {
        let is = exceptions.iter().any(|(of, name, _)| (*of, *name) == (stack, what));
        if is {
            self.used.insert((list, stack.to_owned(), what.to_owned()));
        }
        is
    }

    fn read(&mut self, stack: &str, text: &str) {
        let file = parse_yaml(text).unwrap_or_else(|broken| panic!("{stack}: {}\n{text}", broken.why));
        let services = file.get("services").unwrap_or_else(|| panic!("{stack}: no services"));
        for service in services.entries() {
            self.service(stack, &service.key, &service.value);
        }
    }

    fn service(&mut self, stack: &str, name: &str, node: &YamlNode) {
        let text = |key: &str| node.get(key).and_then(|value| value.text()).map(str::to_owned);
        let texts = |key: &str| -> Vec<String> {
            let items = node.get(key).map(|value| value.texts()).unwrap_or_default();
            items.into_iter().map(|(text, _)| text.to_owned()).collect()
        };
        let mut wrong = Vec::new();
        if node.get("healthcheck").is_none() && !self.is_excepted("NO_HEALTH_CHECK", NO_HEALTH_CHECK, stack, name) {
            wrong.push("no `healthcheck`".to_owned());
        }
        if !texts("security_opt").contains(&"no-new-privileges:true".to_owned())
            && !self.is_excepted("NEW_PRIVILEGES", NEW_PRIVILEGES, stack, name)
        {
            wrong.push("no `no-new-privileges:true`".to_owned());
        }
        if texts("cap_drop") != ["ALL"] && !self.is_excepted("ALL_CAPABILITIES", ALL_CAPABILITIES, stack, name) {
            wrong.push("no `cap_drop: [ALL]`".to_owned());
        }
        let added = texts("cap_add").into_iter();
        let unknown = added.filter(|one| !CAPABILITIES.contains(&one.as_str()));
        wrong.extend(unknown.map(|one| format!("`cap_add: {one}`")));
        if text("privileged").is_some_and(|value| value != "false") {
            wrong.push("`privileged`".to_owned());
        }
        if text("network_mode").is_some() && !self.is_excepted("HOST_NETWORK", HOST_NETWORK, stack, name) {
            wrong.push("`network_mode`".to_owned());
        }
        for key in ["pid", "ipc", "userns_mode"]
            .into_iter()
            .filter(|key| text(key).is_some())
        {
            wrong.push(format!("`{key}`"));
        }
        let mounts = texts("volumes").into_iter().chain(texts("devices"));
        if mounts.into_iter().any(|mount| mount.contains("docker.sock"))
            && !self.is_excepted("SOCKET", SOCKET, stack, name)
        {
            wrong.push("Docker's socket".to_owned());
        }
        for port in texts("ports")
            .into_iter()
            .filter(|port| !port.starts_with("127.0.0.1:"))
        {
            if !self.is_excepted("OPEN_PORTS", OPEN_PORTS, stack, &port) {
                wrong.push(format!("port {port} is published"));
            }
        }
        self.wrong
            .extend(wrong.iter().map(|what| format!("{stack}/{name}: {what}")));
        self.rows.insert(row(stack, name, node, &texts));
    }
}

/// The row of a service on the page.
fn row(stack: &str, name: &str, node: &YamlNode, texts: &dyn Fn(&str) -> Vec<String>) -> String {
    let text = |key: &str| node.get(key).and_then(|value| value.text());
    let place = if stack == name {
        stack.to_owned()
    } else {
        format!("{stack}: {name}")
    };
    let user = text("user").map_or_else(String::new, |user| user.split(':').next().unwrap_or(user).to_owned());
    let capabilities = match texts("cap_drop").as_slice() {
        [all] if all == "ALL" => texts("cap_add")
            .iter()
            .map(|one| format!("`{one}`"))
            .collect::<Vec<_>>()
            .join(" "),
        _ => "Docker's".to_owned(),
    };
    let read_only = if text("read_only") == Some("true") { "yes" } else { "" };
    let excepted = NO_HEALTH_CHECK
        .iter()
        .find(|(of, service, _)| (*of, *service) == (stack, name));
    let health = match excepted {
        _ if node.get("healthcheck").is_some() => "yes",
        Some((_, _, why)) => why,
        None => "none",
    };
    format!("| {place} | {user} | {capabilities} | {read_only} | {health} |")
}

/// A template without its tags, as YAML: of each condition the first branch, or what is behind `else`; `x` for each value.
fn rendered(template: &str, branch: usize) -> String {
    // The lines of the branches of each open condition, within those of the file.
    let mut open: Vec<Vec<Vec<String>>> = vec![vec![Vec::new()]];
    for line in template.lines() {
        let tag = line.trim_start().strip_prefix("{%");
        let word = tag.and_then(|tag| tag.trim_start_matches('-').split_whitespace().next());
        match word {
            Some("if") if !line.contains("endif") => open.push(vec![Vec::new()]),
            Some("else" | "elif") => open.last_mut().expect("an open condition").push(Vec::new()),
            Some("endif") => {
                let mut branches = open.pop().expect("an open condition");
                let taken = branches.swap_remove(branch.min(branches.len() - 1));
                last(&mut open).extend(taken);
            }
            Some(_) => {}
            None => last(&mut open).push(values(line)),
        }
    }
    last(&mut open).join("\n")
}

fn last(open: &mut [Vec<Vec<String>>]) -> &mut Vec<String> {
    open.last_mut()
        .and_then(|branches| branches.last_mut())
        .expect("a branch")
}

/// A line with `x` for each value.
fn values(line: &str) -> String {
    let mut parts = line.split("{{");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, rest) = part.split_once("}}").unwrap_or(("", part));
        out.push('x');
        out.push_str(rest);
    }
    out
}

#[test]
fn what_is_wrong_is_found() {
    let read = |text: &str| {
        let mut found = Found::default();
        found.read("web", text);
        (found.wrong, found.rows)
    };
    let good = "services:\n  app:\n    cap_drop: [ALL]\n    security_opt: ['no-new-privileges:true']\n    healthcheck: { test: [CMD, 'true'] }\n";
    let (wrong, rows) = read(good);
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(rows.first().map(String::as_str), Some("| web: app |  |  |  | yes |"));
    for (before, after, expected) in [
        ("    healthcheck:", "    labels:", "no `healthcheck`"),
        (
            "no-new-privileges:true",
            "seccomp:unconfined",
            "no `no-new-privileges:true`",
        ),
        ("[ALL]", "[NET_RAW]", "no `cap_drop: [ALL]`"),
        ("    cap_drop", "    privileged: true\n    cap_drop", "`privileged`"),
        (
            "    cap_drop",
            "    cap_add: [SYS_ADMIN]\n    cap_drop",
            "`cap_add: SYS_ADMIN`",
        ),
        ("    cap_drop", "    network_mode: host\n    cap_drop", "`network_mode`"),
        ("    cap_drop", "    pid: host\n    cap_drop", "`pid`"),
        (
            "    cap_drop",
            "    ports: ['9000:9000']\n    cap_drop",
            "port 9000:9000 is published",
        ),
        (
            "    cap_drop",
            "    volumes: ['/run/docker.sock:/s:ro']\n    cap_drop",
            "Docker's socket",
        ),
        (
            "    cap_drop",
            "    volumes: [{ type: bind, source: /run/docker.sock, target: /s }]\n    cap_drop",
            "Docker's socket",
        ),
    ] {
        let (wrong, _) = read(&good.replace(before, after));
        assert_eq!(wrong, [format!("web/app: {expected}")], "{after}");
    }
    let local = good.replace("    cap_drop", "    ports: ['127.0.0.1:9000:9000']\n    cap_drop");
    assert!(read(&local).0.is_empty());
}

#[test]
fn both_branches_of_a_condition_are_read() {
    let template = "a: {{ b }}\n{%- if c %}\nd: 1\n{%- else %}\nd: 2\n{%- endif %}\n{%- if e %}\nf: {{ g }}:{{ h }}\n{%- endif %}\n";
    assert_eq!(rendered(template, 0), "a: x\nd: 1\nf: x:x");
    assert_eq!(rendered(template, 1), "a: x\nd: 2\nf: x:x");
}
