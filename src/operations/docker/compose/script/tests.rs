use super::*;

fn orders() -> Orders<'static> {
    Orders {
        project: "web",
        directory: "/opt/stacks/web",
        within: Duration::from_secs(120),
        settle: Duration::from_secs(3),
        ..Orders::default()
    }
}

fn changed(files: &[(&str, bool)]) -> ChangedPaths {
    let files = files.iter().map(|(path, was_there)| ((*path).to_owned(), *was_there));
    ChangedPaths {
        files: files.collect(),
        directories: ["/opt/stacks".to_owned(), "/opt/stacks/web".to_owned()].into(),
    }
}

/// The lines of the text that call compose to change something.
fn calls(orders: &Orders<'_>) -> Vec<String> {
    let text = orders.text();
    let go = &text[text.find("hl_go() {").expect("it is there")..text.find("hl_record() {").expect("it is there")];
    let lines = go
        .lines()
        .filter(|line| line.starts_with("hl_compose") || line.starts_with("docker"));
    lines
        .map(|line| line.trim_end_matches(" || return").to_owned())
        .collect()
}

fn removed() -> Removed<'static> {
    Removed {
        id: "5912",
        name: "web-old-1",
        runs: true,
    }
}

#[test]
fn compose_is_told_exactly_which_services_to_change() {
    let options = ["-f".to_owned(), "a b.yaml".to_owned()];
    let orders = Orders {
        options: &options,
        created: vec!["app"],
        recreated: vec!["side"],
        restarted: vec!["shop"],
        recreated_later: vec!["vpn"],
        restarted_later: vec!["web"],
        removed: vec!["old"],
        removed_containers: vec![removed()],
        ..orders()
    };
    assert_eq!(
        calls(&orders),
        [
            "docker stop 5912 >/dev/null && docker rename 5912 web-old-1-removed",
            "hl_compose -f 'a b.yaml' -p web up -d --no-deps --no-build --pull never --force-recreate app side",
            "hl_compose -f 'a b.yaml' -p web restart --no-deps shop",
            "hl_compose -f 'a b.yaml' -p web up -d --no-deps --no-build --pull never --force-recreate vpn",
            "hl_compose -f 'a b.yaml' -p web restart --no-deps web",
        ]
    );
    assert!(orders.text().contains("hl_wait app side shop vpn web\n"));
}

#[test]
fn going_back_puts_back_what_was_there_and_removes_what_is_new() {
    let orders = Orders {
        created: vec!["app"],
        recreated: vec!["side"],
        removed: vec!["old"],
        removed_containers: vec![removed()],
        images: [("demo:1".to_owned(), "sha256:1".to_owned())].into(),
        changed: changed(&[("/opt/stacks/web/compose.yaml", true), ("/opt/stacks/web/new", false)]),
        ..orders()
    };
    let text = orders.back();
    let put_back = "for f in /opt/stacks/web/compose.yaml; do hl_put_back \"$f\"; done\nfor f in /opt/stacks/web/new; do hl_gone \"$f\"; done\n";
    assert!(text.contains(put_back), "{text}");
    assert!(text.contains("docker tag sha256:1 demo:1"), "{text}");
    assert!(text.contains("for s in app; do"), "{text}");
    assert!(
        text.contains("docker rename 5912 web-old-1; } && docker start 5912"),
        "{text}"
    );
    let directories = "for f in /opt/stacks/web /opt/stacks; do hl_empty \"$f\"; done\n";
    assert!(text.contains(directories), "{text}");
    let old = "hl_compose -p web up -d --no-deps --no-build --pull never --force-recreate side";
    assert!(text.contains(old), "{text}");
}

#[test]
fn the_text_is_one_for_a_shell() {
    let orders = Orders {
        created: vec!["app"],
        recreated: vec!["side"],
        started: vec!["job"],
        restarted: vec!["shop"],
        removed: vec!["old"],
        removed_containers: vec![removed()],
        mounted: [("app", vec!["/opt/stacks/web/it's".to_owned()])].into(),
        changed: changed(&[("/opt/stacks/web/it's", true)]),
        binds: ["/srv/it's".to_owned()].into(),
        scaled: vec![("job", 2)],
        ..orders()
    };
    let pull = orders.changed.back_after("docker pull x");
    for text in [orders.text(), self::orders().text(), pull] {
        let checked = std::process::Command::new("sh").args(["-n", "-c", &text]).output();
        let checked = checked.expect("sh runs");
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}

#[test]
fn services_read_their_files_again_and_are_restarted_with_the_old_ones() {
    let by = [
        Reload::Command(vec!["caddy".to_owned(), "re load".to_owned()]),
        Reload::Signal("HUP".to_owned()),
    ];
    let by = by.into();
    let orders = Orders {
        reloaded: vec![("app", &by)],
        changed: changed(&[("/opt/stacks/web/conf/a", true)]),
        ..orders()
    };
    let text = orders.text();
    let go = &text[text.find("hl_go() {").expect("it is there")..text.find("hl_record() {").expect("it is there")];
    assert!(
        go.contains("hl_exec app caddy 're load' || return\nhl_signal app HUP || return\n"),
        "{go}"
    );
    assert!(go.contains("hl_wait app\n"), "{go}");
    let back = orders.back();
    assert!(
        back.contains("{ hl_signal app HUP || hl_compose -p web restart --no-deps app; }"),
        "{back}"
    );
    assert!(back.contains("code=117;"), "{back}");
    let checked = std::process::Command::new("sh").args(["-n", "-c", &text]).output();
    assert!(checked.expect("sh runs").status.success());
}
