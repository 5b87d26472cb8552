//! The page on the language: its examples are one project, and each thing that it says the tool says is what it says.

use std::collections::BTreeMap;

use crate::support::host::Host;
use crate::support::project::{Project, Ran};

const PAGE: &str = include_str!("../../docs/language.md");

/// A block of the page: what stands behind its fence, and what is in it.
#[derive(Clone, Copy, Debug)]
struct Block {
    kind: &'static str,
    text: &'static str,
}

/// Every block of the page on the language, in order.
fn blocks() -> Vec<Block> {
    blocks_of(PAGE)
}

fn blocks_of(page: &'static str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut rest = page;
    while let Some((_, begun)) = rest.split_once("\n```") {
        let (kind, inside) = begun.split_once('\n').unwrap();
        let (text, after) = inside.split_once("\n```\n").unwrap();
        blocks.push(Block { kind, text });
        rest = after;
    }
    assert_eq!(
        blocks.len() * 2,
        page.matches("\n```").count(),
        "a fence without another"
    );
    blocks
}

fn of_kind(kind: &str) -> impl Iterator<Item = Block> {
    blocks().into_iter().filter(move |block| block.kind == kind)
}

/// The file that a block names in its first line, and its content; of a template without that line.
fn file(block: Block) -> (String, String) {
    let (first, rest) = block.text.split_once('\n').unwrap_or((block.text, ""));
    let path = first
        .trim_start_matches(['{', '#', ' '])
        .trim_end_matches(['}', '#', ' ']);
    let text = if block.kind == "jinja" { rest } else { block.text };
    (path.to_owned(), format!("{text}\n"))
}

/// The project that the examples are.
fn project() -> Project {
    project_of(PAGE)
}

fn project_of(page: &'static str) -> Project {
    let project = Project::of(&[]);
    let mut files = BTreeMap::new();
    let of_project = |block: &Block| ["toml", "jinja"].contains(&block.kind);
    for block in blocks_of(page).into_iter().filter(of_project) {
        let (path, text) = file(block);
        project.write(&path, &text);
        assert_eq!(files.insert(path, text), None, "two examples are one file");
    }
    assert!(files.len() >= 6, "{:?}", files.keys());
    project
}

#[test]
fn what_the_pages_for_those_who_move_here_show_is_valid() {
    for page in [
        include_str!("../../docs/from-pyinfra.md"),
        include_str!("../../docs/from-ansible.md"),
    ] {
        let project = project_of(page);
        let told = project.homelab(&["check"]).expect(0).stdout;
        assert_eq!(told, "no problems found (2 hosts checked without connecting)\n");
    }
}

#[test]
fn every_block_is_of_a_kind_that_is_tried() {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for block in blocks() {
        *counts.entry(block.kind).or_default() += 1;
    }
    // The first, without a kind, is the tree of a project's folders.
    let tried = ["", "console", "jinja", "text", "toml", "toml refused"];
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), tried);
    assert_eq!(counts[""], 1);
    assert_eq!(counts["text"], counts["toml refused"], "each refusal has its error");
}

#[test]
fn the_examples_are_one_project_without_a_mistake() {
    let project = project();
    let told = project.homelab(&["check"]).expect(0).stdout;
    assert!(told.starts_with("no problems found (4 hosts checked"), "{told}");
    for inventory in ["home", "dev"] {
        for deploy in ["site", "rolling"] {
            // As far as the question, which gets no answer.
            let ran = project.homelab(&["deploy", inventory, deploy]).expect(3);
            assert!(ran.stderr.contains("cannot ask for confirmation"), "{}", ran.stderr);
        }
    }
}

#[test]
fn every_task_on_the_page_is_used_by_a_deploy_on_it() {
    let project = homelab::project::load(project().root()).unwrap();
    let mut used: Vec<&str> = Vec::new();
    let deploys = project.deploys.values().flat_map(|deploy| &deploy.stages);
    let mut waiting: Vec<_> = deploys.flat_map(|stage| &stage.tasks).collect();
    while let Some(one) = waiting.pop() {
        used.push(&one.task.name);
        waiting.extend(project.tasks[&one.task.name].includes());
    }
    let unused: Vec<_> = project
        .tasks
        .keys()
        .filter(|name| !used.contains(&name.as_str()))
        .collect();
    assert!(unused.is_empty(), "never deployed: {unused:?}");
}

#[test]
fn what_the_page_shows_as_refused_is_refused_in_these_words() {
    let blocks = blocks();
    for pair in blocks.windows(2).filter(|pair| pair[0].kind == "toml refused") {
        let project = project();
        let (path, text) = file(pair[0]);
        project.write(&path, text);
        assert_eq!(pair[1].kind, "text", "{path}: its error must follow");
        let told = project.homelab(&["check"]).expect(3).stderr;
        assert_eq!(told.trim_end(), pair[1].text, "{path}");
    }
}

#[test]
fn commands_on_the_page_tell_what_it_says() {
    let project = project();
    let mut tried = 0;
    for block in of_kind("console") {
        for part in format!("\n{}", block.text).split("\n$ homelab ").skip(1) {
            let (command, expected) = part.split_once('\n').unwrap();
            let words: Vec<&str> = command.split(' ').collect();
            assert_eq!(
                project.homelab(&words).expect(0).stdout.trim_end(),
                expected,
                "{command}"
            );
            tried += 1;
        }
    }
    assert!(tried > 0);
}

#[test]
fn the_options_on_the_page_match_what_is_on_it_and_others_do_not() {
    let project = project();
    let check = |options: &str| {
        let plain = options.replace('\'', "");
        let words: Vec<&str> = plain.split(' ').collect();
        project.homelab(&[&["check", "home", "site"], &words[..]].concat())
    };
    let cells = PAGE.lines().filter(|line| line.starts_with("| `--"));
    let options = cells.flat_map(|line| line.split('|').nth(1).unwrap().split('`').skip(1).step_by(2));
    let mut tried = 0;
    for one in options {
        assert!(check(one).expect(0).stdout.starts_with("no problems found"), "{one}");
        tried += 1;
    }
    assert!(tried >= 9, "{tried}");
    for wrong in [
        "--limit bxo",
        "--only system/bsae",
        "--only services/folder:grafna",
        "--only grafna",
        "--tags pakages",
        "--data backup",
    ] {
        let told = check(wrong).expect(3).stderr;
        assert!(
            told.contains(&format!("`{wrong}`")) && told.contains("hint: "),
            "{told}"
        );
    }
}

fn deploy(project: &Project, name: &str) -> Ran {
    project.homelab(&["deploy", "dev", name, "--yes"]).expect(0)
}

#[test]
fn the_examples_deploy_to_lab_hosts_and_then_have_nothing_to_do() {
    let project = project();
    let large = project.up("dev", "box-dev");
    let small = Host::of(&project, "dev", "dns-dev");
    assert!(
        !large.is("dpkg -s tree") && !small.is("dpkg -s tree"),
        "the test would show nothing"
    );
    deploy(&project, "site");
    deploy(&project, "rolling");
    is_as_the_page_says(&large, &small);
    for name in ["site", "rolling"] {
        let again = deploy(&project, name);
        assert!(again.stdout.starts_with("nothing to do"), "{name}: {}", again.stdout);
    }
    large.is_left_in_order();
    small.is_left_in_order();
}

fn is_as_the_page_says(large: &Host<'_>, small: &Host<'_>) {
    for host in [large, small] {
        assert!(host.is("dpkg -s tree"));
        // Three are kept: the second item is for more.
        assert_eq!(host.inside("ls /srv/backup"), "daily\n");
        let key = host.inside("stat -c '%U %a' /home/backup-runner/.ssh /home/backup-runner/.ssh/id_ed25519");
        assert_eq!(key, "backup-runner 700\nbackup-runner 600\n");
        assert_eq!(host.inside("systemctl is-active greeter"), "active\n");
        assert_eq!(host.inside("cat /etc/greeter.conf"), "unattended monitored\n");
        let token = host.inside("cat /etc/demo-token");
        assert_eq!(token.trim_end().len(), 32);
        assert_eq!(
            host.inside("cat /etc/demo.conf"),
            format!("token = {}\n", token.trim_end())
        );
    }
    let motd = "box-dev keeps 3 backups, and is unattended, monitored.\n";
    assert_eq!(large.inside("cat /etc/motd"), motd);
    let settings = "# grafana as grafana:11\ndomain = grafana.dev.example\n";
    assert_eq!(large.inside("cat /srv/stacks/grafana/grafana.ini"), settings);
    let sites = "grafana.dev.example -> grafana:3000\n";
    assert_eq!(large.inside("cat /srv/stacks/caddy/sites"), sites);
    assert!(!small.is("test -e /srv/stacks"));
    let name = small.inside(". /etc/os-release; printf %s \"$PRETTY_NAME\"");
    let neighbours = format!("dns-dev of development is at {}, with {name}\n", small.address());
    assert_eq!(large.inside("cat /etc/neighbours"), neighbours);
    assert!(!small.is("test -e /etc/neighbours"), "it is not in that stage");
}
