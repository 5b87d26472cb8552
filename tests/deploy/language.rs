//! Commands about the language itself: they need neither a host nor, but for where to write, a project.

use serde_json::Value;

use crate::support::project::Project;

#[test]
fn operations_are_listed_and_told_about() {
    let project = Project::of(&[]);
    let listed = project.homelab(&["operations"]).expect(0).stdout;
    let names = homelab::operations::OPERATIONS.iter().map(|one| one.name);
    assert!(names.clone().all(|name| listed.contains(name)), "{listed}");
    let told = project.homelab(&["operations", "systemd.service"]).expect(0).stdout;
    assert!(
        told.contains("state   \"started\", \"stopped\", \"restarted\" or \"reloaded\"\n"),
        "{told}"
    );
    let json = project.homelab(&["operations", "--format", "json"]).expect(0).stdout;
    let document: Value = serde_json::from_str(&json).unwrap();
    let of_programs: Vec<&str> = document["operations"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    assert_eq!(of_programs, names.collect::<Vec<_>>());
}

#[test]
fn a_misspelt_operation_is_told_with_what_was_meant() {
    let project = Project::of(&[]);
    for format in ["text", "json"] {
        let ran = project
            .homelab(&["operations", "apt.pakages", "--format", format])
            .expect(3);
        assert_eq!(ran.stdout, "");
        assert!(ran.stderr.contains("did you mean `apt.packages`?"), "{}", ran.stderr);
    }
}

#[test]
fn schemas_are_written_into_the_project_or_elsewhere() {
    let project = Project::of(&[("inventories/dev.toml", "[hosts.alpha]\n"), ("tasks/a/b.toml", "")]);
    let mut below = project.command(&["schema"]);
    below.current_dir(project.root().join("tasks/a"));
    assert!(below.output().unwrap().status.success());
    project.homelab(&["schema", "--directory", "elsewhere/deep"]).expect(0);
    for kind in ["inventory", "group_data", "deploy", "task", "stack"] {
        let read =
            |folder: &str| std::fs::read_to_string(project.root().join(folder).join(format!("{kind}.json"))).unwrap();
        let printed = project.homelab(&["schema", kind]).expect(0).stdout;
        assert_eq!(read(".homelab/schema"), printed);
        assert_eq!(read("elsewhere/deep"), printed);
        let schema: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    }
    project.homelab(&["schema", "tasks"]).expect(3);
    let nowhere = Project::of(&[]).homelab(&["schema"]).expect(3);
    assert!(
        nowhere.stderr.contains("not in a homelab project"),
        "{}",
        nowhere.stderr
    );
}
