//! What the documentation and the example project say is accepted.

use std::collections::BTreeMap;

use crate::project::Project;

/// A project without a mistake gets as far as the question for consent, which nobody is there to answer; and no
/// connection has been made until then.
#[track_caller]
fn is_accepted(project: &Project, inventory: &str, deploy: &str) {
    let ran = project.homelab(&["deploy", inventory, deploy]).expect(3);
    assert!(ran.stderr.contains("cannot ask for consent"), "{}", ran.stderr);
}

/// The examples of the page on the language, by the file that each names in its first line.
fn examples() -> BTreeMap<String, String> {
    let page = include_str!("../../docs/language.md");
    let mut files = BTreeMap::new();
    for block in page
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
    {
        let path = block.lines().next().unwrap().trim_start_matches("# ").to_owned();
        assert!(
            files.insert(path, block.to_owned()).is_none(),
            "two examples are one file"
        );
    }
    files
}

#[test]
fn the_examples_of_the_language_are_one_valid_project() {
    let project = Project::of(&[]);
    let examples = examples();
    assert!(examples.len() >= 6, "{examples:?}");
    for (path, text) in &examples {
        project.write(path, text);
    }
    is_accepted(&project, "home", "site");
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
    for place in crate::not_yet::PLACES {
        for (key, _) in place.keys {
            assert!(last.contains(&format!("`{key}`")), "{key} is not listed");
        }
    }
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
