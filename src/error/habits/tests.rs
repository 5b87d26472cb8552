use std::collections::BTreeMap;

use super::*;

const OPERATIONS: &[&str] = &[
    "apt.packages",
    "apt.sources_file",
    "crontab.crontab",
    "docker.container",
    "files.file",
    "files.line",
    "files.put",
    "files.sync",
    "git.repo",
    "server.shell",
    "systemd.service",
    "systemd.timer",
];

#[test]
fn an_operation_is_found_by_its_name_its_family_or_the_end_of_its_name() {
    for (word, answer) in [
        ("lineinfile", "did you mean `files.line`?"),
        ("ansible.builtin.copy", "did you mean `files.put`?"),
        ("server.packages", "did you mean `apt.packages`?"),
        ("files.rsync", "did you mean `files.sync`?"),
        ("package::install", "did you mean `apt.packages`?"),
        ("ansible.builtin.git", "did you mean `git.repo`?"),
    ] {
        assert_eq!(operation(word, OPERATIONS).as_deref(), Some(answer), "{word}");
    }
    for (word, part) in [
        ("server.cron", "crontab"),
        ("apt.repo", "apt.sources_file"),
        ("git.worktree", "server.shell"),
        ("podman.anything", "docker.container"),
        ("pip.packages", "installer"),
        ("systemd.restart", "[[handler]]"),
    ] {
        let hint = operation(word, OPERATIONS).unwrap_or_default();
        assert!(hint.contains(part), "{word}: {hint}");
    }
    assert_eq!(
        operation("server.cron", OPERATIONS).as_deref(),
        Some("did you mean `crontab.crontab`?")
    );
    assert_eq!(
        operation("community.docker.docker_compose_v2", &["docker.compose"]).as_deref(),
        Some("did you mean `docker.compose`?")
    );
    assert_eq!(operation("files.putt", OPERATIONS), None);
}

#[test]
fn a_key_is_suggested_only_where_there_is_one() {
    let hint = |word: &str, known: &[&str]| key(word, None, known);
    assert_eq!(
        hint("loop", &["op", "for_each"]).as_deref(),
        Some("did you mean `for_each`?")
    );
    assert_eq!(hint("owner", &["service"]), None);
    assert_eq!(
        hint("command", &["commands"]).as_deref(),
        Some("did you mean `commands`?")
    );
    assert!(hint("delegate_to", &[]).is_some());
    let connection = |known: &[&str]| hint("port", known).is_some_and(|hint| hint.contains("connection"));
    assert!(connection(&["address", "connection"]) && !connection(&["service"]));
}

#[test]
fn the_value_of_a_key_decides_what_is_meant() {
    let hint = |value: &str, known: &[&str]| key("state", Some(value), known).unwrap_or_default();
    let package = ["packages", "present"];
    assert_eq!(hint("absent", &package), "write `present = false`");
    assert_eq!(hint("present", &package), "remove it: `present = true` is the default");
    assert!(hint("latest", &package).contains("`apt.upgrade`"));
    assert!(hint("directory", &["path", "present"]).contains("files.directory"));
    assert_eq!(hint("odd", &package), "did you mean `present`?");
    assert_eq!(hint("absent", &["commands"]), "");
}

#[test]
fn an_operation_as_a_key_is_written_as_op() {
    for (word, operation) in [
        ("copy", "files.put"),
        ("apt", "apt.packages"),
        ("server.shell", "server.shell"),
    ] {
        let hint = operation_as_key(word, OPERATIONS).unwrap_or_default();
        assert!(hint.contains(&format!("`op = \"{operation}\"`")), "{word}: {hint}");
    }
    assert_eq!(operation_as_key("content", OPERATIONS), None);
}

#[test]
fn names_options_and_patterns_are_answered() {
    assert_eq!(name("inventory_hostname").as_deref(), Some("did you mean `host.name`?"));
    assert_eq!(name("yes").as_deref(), Some("write `true`"));
    assert!(name("ansible_default_ipv4").is_some_and(|hint| hint.contains("facts")));
    assert!(function("lookup").is_some() && function("len").is_some() && name("mine").is_none());
    assert!(option("--check").is_some_and(|hint| hint.contains("--dry-run")));
    assert_eq!(
        pattern("web:dns").as_deref(),
        Some("separate patterns with commas: `web,dns`")
    );
    assert!(pattern("web:&dns").is_some_and(|hint| hint.contains("intersections")));
    assert!(pattern("@site.retry").is_some() && pattern("web").is_none());
}

#[test]
fn every_answer_can_be_given() {
    let tables = [
        operations::OPERATIONS,
        keys::KEYS,
        templates::NAMES,
        templates::FILTERS,
        templates::TESTS,
        templates::FUNCTIONS,
        templates::METHODS,
    ];
    for table in tables {
        let mut answered: BTreeMap<&str, Vec<Answer>> = BTreeMap::new();
        for (words, answer) in table {
            for word in words.split_whitespace() {
                let before = answered.entry(word).or_default();
                let is_free = before.iter().all(|one| match one {
                    Do(_) => false,
                    Own(known) | If(known, _) | Its(known, _) => {
                        !matches!(answer, Own(own) | If(own, _) | Its(own, _) if own == known)
                    }
                });
                assert!(is_free, "{word}");
                before.push(*answer);
            }
        }
    }
}
