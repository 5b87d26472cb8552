//! What the documentation and the example project say is accepted.

use std::collections::BTreeSet;

use crate::project::Project;

/// A project without a mistake gets as far as the question for consent, which nobody is there to answer; and no
/// connection has been made until then.
#[track_caller]
fn is_accepted(project: &Project, inventory: &str, deploy: &str) {
    let ran = project.homelab(&["deploy", inventory, deploy]).expect(3);
    assert!(ran.stderr.contains("cannot ask for consent"), "{}", ran.stderr);
}

#[test]
fn every_operation_is_on_the_page_in_the_words_of_the_tool() {
    let page = include_str!("../../docs/language.md");
    let described: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let known = homelab::operations::OPERATIONS.iter();
    let expected: Vec<String> = known.map(|one| format!("`{}`: {}", one.name, one.summary)).collect();
    assert_eq!(described, expected);
}

#[test]
fn the_keys_said_not_to_be_in_this_version_are_those_that_are_refused() {
    let page = include_str!("../../docs/language.md");
    let (_, last) = page.split_once("## Not in this version").unwrap();
    let (list, _) = last.split_once("\n```").unwrap();
    let quoted: BTreeSet<&str> = list.split('`').skip(1).step_by(2).collect();
    // Where the keys belong, and what goes with them.
    let others = [
        "connection",
        "include",
        "notify",
        "handler",
        "state = \"restarted\"",
        "\"reloaded\"",
    ];
    let keys = crate::not_yet::PLACES.iter().flat_map(|place| place.keys);
    let refused: BTreeSet<&str> = keys.map(|(key, _)| *key).chain(others).collect();
    assert_eq!(quoted, refused);
}

#[test]
fn the_production_example_is_valid_without_a_connection() {
    is_accepted(&Project::of_this_repository(), "prod", "regular");
}

#[test]
fn the_example_of_each_operation_can_be_planned() {
    let examples = homelab::operations::OPERATIONS.iter().map(|one| one.example);
    // Two of them are the same file of the host.
    let tasks: Vec<String> = examples
        .enumerate()
        .map(|(index, text)| text.replace("/motd", &format!("/motd{index}")))
        .collect();
    let project = Project::with_task(&tasks.concat());
    for index in 0..tasks.len() {
        project.write(&format!("templates/etc/motd{index}"), "{{ host.name }}\n");
    }
    is_accepted(&project, "dev", "all");
}
