//! What the keys of a service may hold, as the specification of compose says it.
//!
//! Newer versions of compose know more keys. So an unknown key is a mistake only if it is probably another one.

use std::ops::Range;

use super::yaml::{Entry, Node, NodeKind};
use crate::error::closest;

/// What a value may be.
pub(super) struct Shape {
    scalar: Scalar,
    /// Of each item, if it may be a list.
    list: Option<&'static Shape>,
    table: Option<Keys>,
}

/// What a value without parts may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scalar {
    No,
    /// `key:` without a value.
    Empty,
    /// No number, and not `true` or `false`.
    Text,
    TextOrEmpty,
    /// No `true` and no `false`.
    TextOrNumber,
    /// `true`, `false`, or a variable that says so.
    Truth,
    Any,
}

/// The keys of a table.
#[derive(Clone, Copy)]
pub(super) enum Keys {
    /// Others than these may be newer ones.
    Known(&'static [(&'static str, Shape)]),
    /// Any, of this shape.
    Each(&'static Shape),
    Any,
}

/// What does not have its shape.
pub(super) struct Misfit {
    pub(super) place: Range<usize>,
    /// The keys that lead to it, without those of lists.
    pub(super) path: Vec<String>,
    /// Its position in the list that the path leads to, counted from 1.
    pub(super) item: Option<usize>,
    pub(super) kind: MisfitKind,
}

pub(super) enum MisfitKind {
    /// What it must be, what it is, and what to do.
    Type {
        expected: String,
        found: String,
        hint: String,
    },
    /// The last key of the path, and what to do.
    UnknownKey { hint: String },
}

const fn shape(scalar: Scalar, list: Option<&'static Shape>, table: Option<Keys>) -> Shape {
    Shape { scalar, list, table }
}

const fn table(keys: &'static [(&'static str, Shape)]) -> Shape {
    shape(Scalar::No, None, Some(Keys::Known(keys)))
}

/// A list of texts, or of tables with these keys.
const fn items(item: &'static Shape) -> Shape {
    shape(Scalar::No, Some(item), None)
}

const TEXT: Shape = shape(Scalar::Text, None, None);
const NUMBER: Shape = shape(Scalar::TextOrNumber, None, None);
const TRUTH: Shape = shape(Scalar::Truth, None, None);
const ANY_SCALAR: Shape = shape(Scalar::Any, None, None);
const TEXTS: Shape = items(&TEXT);
const NUMBERS: Shape = items(&NUMBER);
const TEXT_OR_TEXTS: Shape = shape(Scalar::Text, Some(&TEXT), None);
const COMMAND: Shape = shape(Scalar::TextOrEmpty, Some(&TEXT), None);
/// Names with values: `NAME: value`, or a list of `NAME=value`.
const PAIRS: Shape = shape(Scalar::No, Some(&TEXT), Some(Keys::Each(&ANY_SCALAR)));
const OPTIONS: Shape = shape(Scalar::No, None, Some(Keys::Each(&NUMBER_OR_EMPTY)));
const NUMBER_OR_EMPTY: Shape = shape(Scalar::TextOrNumber, None, None);
const ANY_TABLE: Shape = shape(Scalar::No, None, Some(Keys::Any));
const ANY: Shape = shape(Scalar::Any, Some(&ANY_ITEM), Some(Keys::Any));
const ANY_ITEM: Shape = shape(Scalar::Any, None, Some(Keys::Any));

/// The keys of a service.
pub(super) const SERVICE: Keys = Keys::Known(&[
    ("annotations", PAIRS),
    ("attach", TRUTH),
    ("blkio_config", ANY_TABLE),
    ("build", shape(Scalar::Text, None, Some(Keys::Known(BUILD)))),
    ("cap_add", TEXTS),
    ("cap_drop", TEXTS),
    ("cgroup", TEXT),
    ("cgroup_parent", TEXT),
    ("command", COMMAND),
    ("configs", items(&GRANT)),
    ("container_name", TEXT),
    ("cpu_count", NUMBER),
    ("cpu_percent", NUMBER),
    ("cpu_period", NUMBER),
    ("cpu_quota", NUMBER),
    ("cpu_rt_period", NUMBER),
    ("cpu_rt_runtime", NUMBER),
    ("cpu_shares", NUMBER),
    ("cpus", NUMBER),
    ("cpuset", TEXT),
    ("credential_spec", ANY_TABLE),
    (
        "depends_on",
        shape(Scalar::No, Some(&TEXT), Some(Keys::Each(&DEPENDENCY))),
    ),
    ("deploy", shape(Scalar::Empty, None, Some(Keys::Known(DEPLOY)))),
    ("develop", ANY),
    ("device_cgroup_rules", TEXTS),
    ("devices", items(&ANY_ITEM)),
    ("dns", TEXT_OR_TEXTS),
    ("dns_opt", TEXTS),
    ("dns_search", TEXT_OR_TEXTS),
    ("domainname", TEXT),
    ("entrypoint", COMMAND),
    ("env_file", shape(Scalar::Text, Some(&ENV_FILE), None)),
    ("environment", PAIRS),
    ("expose", NUMBERS),
    ("extends", shape(Scalar::Text, None, Some(Keys::Any))),
    ("external_links", TEXTS),
    ("extra_hosts", shape(Scalar::No, Some(&TEXT), Some(Keys::Any))),
    ("gpus", ANY),
    ("group_add", NUMBERS),
    ("healthcheck", table(HEALTHCHECK)),
    ("hostname", TEXT),
    ("image", TEXT),
    ("init", TRUTH),
    ("ipc", TEXT),
    ("isolation", TEXT),
    ("label_file", TEXT_OR_TEXTS),
    ("labels", PAIRS),
    ("links", TEXTS),
    ("logging", table(LOGGING)),
    ("mac_address", TEXT),
    ("mem_limit", NUMBER),
    ("mem_reservation", NUMBER),
    ("mem_swappiness", NUMBER),
    ("memswap_limit", NUMBER),
    ("models", ANY),
    ("network_mode", TEXT),
    (
        "networks",
        shape(Scalar::No, Some(&TEXT), Some(Keys::Each(&OWN_NETWORK))),
    ),
    ("oom_kill_disable", TRUTH),
    ("oom_score_adj", NUMBER),
    ("pid", shape(Scalar::TextOrEmpty, None, None)),
    ("pids_limit", NUMBER),
    ("platform", TEXT),
    ("ports", items(&PORT)),
    ("post_start", ANY),
    ("pre_start", ANY),
    ("pre_stop", ANY),
    ("privileged", TRUTH),
    ("profiles", TEXTS),
    ("provider", ANY_TABLE),
    ("pull_policy", TEXT),
    ("pull_refresh_after", TEXT),
    ("read_only", TRUTH),
    ("restart", TEXT),
    ("runtime", TEXT),
    ("scale", NUMBER),
    ("secrets", items(&GRANT)),
    ("security_opt", TEXTS),
    ("shm_size", NUMBER),
    ("stdin_open", TRUTH),
    ("stop_grace_period", TEXT),
    ("stop_signal", TEXT),
    ("storage_opt", ANY_TABLE),
    ("sysctls", PAIRS),
    ("tmpfs", TEXT_OR_TEXTS),
    ("tty", TRUTH),
    (
        "ulimits",
        shape(
            Scalar::No,
            None,
            Some(Keys::Each(&shape(Scalar::TextOrNumber, None, Some(Keys::Any)))),
        ),
    ),
    ("umask", ANY),
    ("use_api_socket", TRUTH),
    ("user", TEXT),
    ("userns_mode", TEXT),
    ("uts", TEXT),
    ("volumes", items(&MOUNT)),
    ("volumes_from", TEXTS),
    ("working_dir", TEXT),
]);

const BUILD: &[(&str, Shape)] = &[
    ("additional_contexts", PAIRS),
    ("args", PAIRS),
    ("cache_from", TEXTS),
    ("cache_to", TEXTS),
    ("context", TEXT),
    ("dockerfile", TEXT),
    ("dockerfile_inline", TEXT),
    ("entitlements", TEXTS),
    ("extra_hosts", ANY),
    ("isolation", TEXT),
    ("labels", PAIRS),
    ("network", TEXT),
    ("no_cache", TRUTH),
    ("no_cache_filter", TEXT_OR_TEXTS),
    ("platforms", TEXTS),
    ("privileged", TRUTH),
    ("provenance", ANY),
    ("pull", TRUTH),
    ("sbom", ANY),
    ("secrets", items(&GRANT)),
    ("shm_size", NUMBER),
    ("ssh", ANY),
    ("tags", TEXTS),
    ("target", TEXT),
    ("ulimits", ANY),
];

const DEPLOY: &[(&str, Shape)] = &[
    ("endpoint_mode", TEXT),
    ("labels", PAIRS),
    ("mode", TEXT),
    ("placement", ANY),
    ("replicas", NUMBER),
    ("resources", table(RESOURCES)),
    ("restart_policy", ANY),
    ("rollback_config", ANY),
    ("update_config", ANY),
];

const RESOURCES: &[(&str, Shape)] = &[("limits", table(LIMITS)), ("reservations", table(RESERVATIONS))];

const LIMITS: &[(&str, Shape)] = &[("cpus", NUMBER), ("memory", TEXT), ("pids", NUMBER)];

const RESERVATIONS: &[(&str, Shape)] = &[
    ("cpus", NUMBER),
    ("devices", ANY),
    ("generic_resources", ANY),
    ("memory", TEXT),
];

const HEALTHCHECK: &[(&str, Shape)] = &[
    ("disable", TRUTH),
    ("interval", TEXT),
    ("retries", NUMBER),
    ("start_interval", TEXT),
    ("start_period", TEXT),
    ("test", TEXT_OR_TEXTS),
    ("timeout", TEXT),
];

const LOGGING: &[(&str, Shape)] = &[("driver", TEXT), ("options", OPTIONS)];

const DEPENDENCY: Shape = table(&[("condition", TEXT), ("required", TRUTH), ("restart", TRUTH)]);

const ENV_FILE: Shape = shape(
    Scalar::Text,
    None,
    Some(Keys::Known(&[("format", TEXT), ("path", TEXT), ("required", TRUTH)])),
);

/// A secret or config of a service.
const GRANT: Shape = shape(
    Scalar::Text,
    None,
    Some(Keys::Known(&[
        ("gid", TEXT),
        ("mode", NUMBER),
        ("source", TEXT),
        ("target", TEXT),
        ("uid", TEXT),
    ])),
);

const OWN_NETWORK: Shape = shape(
    Scalar::Empty,
    None,
    Some(Keys::Known(&[
        ("aliases", TEXTS),
        ("driver_opts", ANY_TABLE),
        ("gw_priority", NUMBER),
        ("interface_name", TEXT),
        ("ipv4_address", TEXT),
        ("ipv6_address", TEXT),
        ("link_local_ips", TEXTS),
        ("mac_address", TEXT),
        ("priority", NUMBER),
        ("use_service_name_alias", TRUTH),
    ])),
);

const PORT: Shape = shape(
    Scalar::TextOrNumber,
    None,
    Some(Keys::Known(&[
        ("app_protocol", TEXT),
        ("host_ip", TEXT),
        ("mode", TEXT),
        ("name", TEXT),
        ("protocol", TEXT),
        ("published", NUMBER),
        ("target", NUMBER),
    ])),
);

const MOUNT: Shape = shape(
    Scalar::Text,
    None,
    Some(Keys::Known(&[
        ("bind", ANY),
        ("consistency", TEXT),
        ("image", ANY),
        ("read_only", TRUTH),
        ("source", TEXT),
        ("target", TEXT),
        ("tmpfs", ANY),
        ("type", TEXT),
        ("volume", ANY),
    ])),
);

/// Keys of services that people write who mean others, and what to write.
const HABITS: &[(&str, &str)] = &[
    ("args", "write it below `build`"),
    ("bind", "use `volumes`"),
    ("cmd", "use `command`"),
    ("context", "write it below `build`"),
    ("dockerfile", "write it below `build`"),
    ("env", "use `environment`"),
    ("envs", "use `environment`"),
    ("interval", "write it below `healthcheck`"),
    (
        "limits",
        "write it below `deploy: { resources: … }`, or use `mem_limit` and `cpus`",
    ),
    ("memory", "use `mem_limit`"),
    ("mounts", "use `volumes`"),
    ("net", "use `network_mode`"),
    ("publish", "use `ports`"),
    ("replicas", "use `scale`, or write it below `deploy`"),
    ("resources", "write it below `deploy`"),
    ("restart_policy", "use `restart`"),
    ("retries", "write it below `healthcheck`"),
    ("start_period", "write it below `healthcheck`"),
    ("test", "write it below `healthcheck`"),
    ("timeout", "write it below `healthcheck`"),
];

/// The first part of a table that does not have its shape.
pub(super) fn misfit(entries: &[Entry], keys: Keys) -> Option<Misfit> {
    entries.iter().find_map(|entry| {
        let found = match keys {
            Keys::Any => None,
            Keys::Each(shape) => of_value(&entry.value, shape, &entry.key),
            Keys::Known(known) => match known.iter().find(|(key, _)| *key == entry.key) {
                Some((_, shape)) => of_value(&entry.value, shape, &entry.key),
                None => unknown_key(entry, known),
            },
        };
        found.map(|mut found| {
            // A value that is not there has no place.
            if found.place.is_empty() {
                found.place = entry.place.clone();
            }
            found.path.insert(0, entry.key.clone());
            found
        })
    })
}

fn unknown_key(entry: &Entry, known: &[(&str, Shape)]) -> Option<Misfit> {
    let key = entry.key.as_str();
    if key.starts_with("x-") {
        return None;
    }
    let is_service = known.iter().any(|(key, _)| *key == "image") && known.iter().any(|(key, _)| *key == "restart");
    let habit = HABITS.iter().find(|(one, _)| is_service && *one == key);
    let lower = key.to_lowercase().replace('-', "_");
    let near = || closest(&lower, known.iter().map(|(key, _)| *key));
    let hint = match habit {
        Some((_, hint)) => (*hint).to_owned(),
        None => format!("did you mean `{}`?", near()?),
    };
    Some(Misfit {
        place: entry.place.clone(),
        path: Vec::new(),
        item: None,
        kind: MisfitKind::UnknownKey { hint },
    })
}

fn of_value(value: &Node, shape: &Shape, key: &str) -> Option<Misfit> {
    // A tag such as `!reset` changes what compose makes of it.
    if value.is_tagged {
        return None;
    }
    let wrong = |found: String, hint: String| {
        let kind = MisfitKind::Type {
            expected: shape.expected(),
            found,
            hint,
        };
        Some(Misfit {
            place: value.place.clone(),
            path: Vec::new(),
            item: None,
            kind,
        })
    };
    match &value.kind {
        NodeKind::Scalar { text, .. } => {
            let sort = Sort::of(value);
            if shape.takes(sort) {
                return None;
            }
            wrong(sort.described(text), shape.advice(sort, key, text))
        }
        NodeKind::List(items) => match shape.list {
            Some(item) => items.iter().enumerate().find_map(|(at, one)| {
                let mut found = of_value(one, item, key)?;
                found.item = Some(at + 1).filter(|_| found.path.is_empty());
                Some(found)
            }),
            None => wrong("a list".to_owned(), shape.advice(Sort::List, key, "")),
        },
        NodeKind::Table(entries) => match shape.table {
            Some(keys) => misfit(entries, keys),
            None => wrong("a table".to_owned(), shape.advice(Sort::Table, key, "")),
        },
    }
}

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Nothing,
    Truth,
    Number,
    Text,
    List,
    Table,
}

impl Sort {
    fn of(value: &Node) -> Self {
        match &value.kind {
            NodeKind::List(_) => Self::List,
            NodeKind::Table(_) => Self::Table,
            NodeKind::Scalar { is_plain: false, .. } => Self::Text,
            NodeKind::Scalar { .. } if value.is_null() => Self::Nothing,
            NodeKind::Scalar { text, .. }
                if matches!(text.as_str(), "true" | "True" | "TRUE" | "false" | "False" | "FALSE") =>
            {
                Self::Truth
            }
            NodeKind::Scalar { text, .. } if is_number(text) => Self::Number,
            NodeKind::Scalar { .. } => Self::Text,
        }
    }

    fn described(self, text: &str) -> String {
        match self {
            Self::Nothing => "nothing".to_owned(),
            Self::Truth => format!("the boolean `{text}`"),
            Self::Number => format!("the number `{text}`"),
            Self::Text => format!("the string `{text}`"),
            Self::List => "a list".to_owned(),
            Self::Table => "a table".to_owned(),
        }
    }
}

/// Whether a text without quotes is a number.
fn is_number(text: &str) -> bool {
    let is_sign = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    text.bytes().all(is_sign) && text.bytes().any(|byte| byte.is_ascii_digit()) && text.parse::<f64>().is_ok()
}

impl Shape {
    fn takes(&self, sort: Sort) -> bool {
        match self.scalar {
            Scalar::No => false,
            Scalar::Empty => sort == Sort::Nothing,
            Scalar::Text => sort == Sort::Text,
            Scalar::TextOrEmpty => matches!(sort, Sort::Text | Sort::Nothing),
            Scalar::TextOrNumber => matches!(sort, Sort::Text | Sort::Number),
            Scalar::Truth => matches!(sort, Sort::Text | Sort::Truth),
            Scalar::Any => true,
        }
    }

    fn expected(&self) -> String {
        let scalar = match self.scalar {
            Scalar::No | Scalar::Empty => None,
            Scalar::Text | Scalar::TextOrEmpty | Scalar::Any => Some("a string"),
            Scalar::TextOrNumber => Some("a number or a string"),
            Scalar::Truth => Some("`true` or `false`"),
        };
        let list = self.list.map(|_| "a list");
        let table = self.table.map(|_| "a table");
        let words: Vec<&str> = scalar.into_iter().chain(list).chain(table).collect();
        words.join(" or ")
    }

    /// What to write instead.
    fn advice(&self, sort: Sort, key: &str, text: &str) -> String {
        match sort {
            Sort::Nothing => "add a value, or remove the key".to_owned(),
            Sort::Number | Sort::Truth if self.scalar == Scalar::Text => format!("write it in quotes: `\"{text}\"`"),
            Sort::Text | Sort::Number | Sort::Truth if self.list.is_some() && self.table.is_none() => {
                format!("write a list: `{key}: [\"{text}\"]`")
            }
            Sort::Text if self.list.is_some() => match text.split_once('=') {
                Some((name, value)) => format!("write `{key}: {{ {name}: \"{value}\" }}`"),
                None => format!("write a list: `{key}: [\"{text}\"]`"),
            },
            _ if self.scalar == Scalar::No && self.list.is_none() => {
                "write its keys below it, two spaces further in".to_owned()
            }
            Sort::Table if self.scalar == Scalar::Text && self.list.is_none() => {
                "put it in quotes if it is one text: `NAME: value` is a table".to_owned()
            }
            Sort::Table if self.list.is_some() => "write a list: begin each item with `- `".to_owned(),
            _ => format!("write {}", self.expected()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::yaml::parse;
    use super::*;

    fn found(service: &str) -> Option<String> {
        let file = parse(service).expect("YAML");
        let misfit = misfit(file.entries(), SERVICE)?;
        let place = &service[misfit.place];
        let item = misfit.item.map(|at| format!("[{at}]")).unwrap_or_default();
        let path = misfit.path.join(".") + &item;
        Some(match misfit.kind {
            MisfitKind::Type { expected, found, hint } => {
                format!("{path} at {place}: {expected}, not {found}; {hint}")
            }
            MisfitKind::UnknownKey { hint } => format!("{path} at {place}: {hint}"),
        })
    }

    #[test]
    fn what_compose_refuses_is_found() {
        for (service, expected) in [
            (
                "enviroment: { A: b }",
                "enviroment at enviroment: did you mean `environment`?",
            ),
            ("Image: demo", "Image at Image: did you mean `image`?"),
            (
                "depends-on: [a]",
                "depends-on at depends-on: did you mean `depends_on`?",
            ),
            ("env: { A: b }", "env at env: use `environment`"),
            (
                "healthcheck: { tests: x }",
                "healthcheck.tests at tests: did you mean `test`?",
            ),
            (
                "deploy: { resources: { limit: {} } }",
                "deploy.resources.limit at limit: did you mean `limits`?",
            ),
            (
                "build: { contexts: . }",
                "build.contexts at contexts: did you mean `context`?",
            ),
            (
                "ports: [{ target: 80, publish: 80 }]",
                "ports.publish at publish: did you mean `published`?",
            ),
            (
                "volumes: [{ type: bind, readonly: true }]",
                "volumes.readonly at readonly: did you mean `read_only`?",
            ),
            (
                "networks: { lan: { alias: [a] } }",
                "networks.lan.alias at alias: did you mean `aliases`?",
            ),
            (
                "user: 1000",
                "user at 1000: a string, not the number `1000`; write it in quotes: `\"1000\"`",
            ),
            (
                "image: 1.2",
                "image at 1.2: a string, not the number `1.2`; write it in quotes: `\"1.2\"`",
            ),
            (
                "restart: true",
                "restart at true: a string, not the boolean `true`; write it in quotes: `\"true\"`",
            ),
            (
                "cap_add: NET_ADMIN",
                "cap_add at NET_ADMIN: a list, not the string `NET_ADMIN`; write a list: `cap_add: [\"NET_ADMIN\"]`",
            ),
            (
                "ports: '80:80'",
                "ports at '80:80': a list, not the string `80:80`; write a list: `ports: [\"80:80\"]`",
            ),
            (
                "depends_on: db",
                "depends_on at db: a list or a table, not the string `db`; write a list: `depends_on: [\"db\"]`",
            ),
            (
                "environment: A=b",
                "environment at A=b: a list or a table, not the string `A=b`; write `environment: { A: \"b\" }`",
            ),
            (
                "environment: [{ A: b }]",
                "environment[1] at { A: b }: a string, not a table; put it in quotes if it is one text: `NAME: value` is a table",
            ),
            (
                "environment:",
                "environment at environment: a list or a table, not nothing; add a value, or remove the key",
            ),
            (
                "healthcheck: curl",
                "healthcheck at curl: a table, not the string `curl`; write its keys below it, two spaces further in",
            ),
            (
                "healthcheck: { interval: 5 }",
                "healthcheck.interval at 5: a string, not the number `5`; write it in quotes: `\"5\"`",
            ),
            (
                "volumes: { a: b }",
                "volumes at { a: b }: a list, not a table; write a list: begin each item with `- `",
            ),
            (
                "privileged: [a]",
                "privileged at [a]: `true` or `false`, not a list; write `true` or `false`",
            ),
            (
                "command: [run, 5]",
                "command[2] at 5: a string, not the number `5`; write it in quotes: `\"5\"`",
            ),
            (
                "depends_on: { db: }",
                "depends_on.db at db: a table, not nothing; add a value, or remove the key",
            ),
        ] {
            assert_eq!(found(service).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_compose_takes_is_left_alone() {
        for service in [
            "x-note: { any: thing }",
            "a_key_of_a_newer_compose: 1",
            "command:",
            "deploy:",
            "networks: { lan: , wan: { aliases: [a], priority: 5 } }",
            "environment: { A: , B: 1, C: true, D: text }",
            "environment: [A, B=c]",
            "user: '1000'",
            "user: 1000:1000",
            "user: !reset 5",
            "ports: !reset null",
            "ports: [80, '80:80', 22:22, { target: 80, published: '80-81' }]",
            "privileged: '${PRIVILEGED}'",
            "secrets: [{ source: a, mode: 0400 }]",
            "ulimits: { nofile: 5, nproc: { soft: 1, hard: 2 } }",
            "logging: { driver: x, options: { max-size: 5 } }",
            "extra_hosts: { a: [192.0.2.1] }",
            "dns: 1.1.1.1",
            "group_add: [5, a]",
        ] {
            assert_eq!(found(service), None, "{service}");
        }
    }
}
