//! The schemas against files that are right, and against files that are wrong.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::LazyLock;

use jsonschema::Validator;

use super::*;
use crate::error::habits;
use crate::operations::OPERATIONS;

mod loader;

static VALIDATORS: LazyLock<Vec<Validator>> =
    LazyLock::new(|| FileKind::ALL.iter().map(|kind| validator(*kind)).collect());

fn validator(kind: FileKind) -> Validator {
    let schema: Json = serde_json::from_str(&kind.document()).expect("JSON");
    jsonschema::draft7::new(&schema).expect("a valid schema")
}

/// What is wrong with a file, in the words of the validator.
fn mistakes(kind: FileKind, text: &str) -> Vec<String> {
    let file: Json = toml::from_str(text).expect("valid TOML");
    let index = FileKind::ALL.iter().position(|one| *one == kind).expect("one of all");
    let mistakes = VALIDATORS[index].iter_errors(&file);
    mistakes
        .map(|mistake| format!("{}: {mistake:.200}", mistake.instance_path))
        .collect()
}

#[track_caller]
fn accepts(kind: FileKind, text: &str) {
    let mistakes = mistakes(kind, text);
    assert!(mistakes.is_empty(), "{}: {text}\n{mistakes:?}", kind.name());
}

#[track_caller]
fn refuses(kind: FileKind, text: &str) {
    assert!(!mistakes(kind, text).is_empty(), "{} accepts: {text}", kind.name());
}

/// The files of the project at `root`.
fn files_of(root: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = ["inventories", "group_data", "deploys", "tasks", "templates"]
        .map(|name| root.join(name))
        .into();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("readable").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path().strip_prefix(root).expect("below").to_path_buf());
            }
        }
    }
    files
}

/// The keys of all tables in a schema.
fn keys_in(schema: &Json, found: &mut BTreeSet<String>) {
    match schema {
        Json::Object(parts) => {
            if let Some(Json::Object(properties)) = parts.get("properties") {
                found.extend(properties.keys().cloned());
            }
            parts.values().for_each(|part| keys_in(part, found));
        }
        Json::Array(parts) => parts.iter().for_each(|part| keys_in(part, found)),
        _ => {}
    }
}

#[test]
fn habits_lead_to_keys_that_exist() {
    const LATER: [&str; 5] = ["env", "timeout", "retries", "on_error", "handler"];
    let mut known: BTreeSet<String> = LATER.map(str::to_owned).into();
    for kind in FileKind::ALL {
        keys_in(&serde_json::from_str(&kind.document()).expect("JSON"), &mut known);
    }
    for key in habits::own_keys() {
        assert!(known.contains(key), "{key}");
    }
}

#[test]
fn the_files_of_this_repository_and_of_a_new_project_fit() {
    for (folder, fewest) in [("", 8), ("src/starter/files", 6)] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut looked_at = 0;
        for path in files_of(&root) {
            let Some(kind) = FileKind::of(&path) else { continue };
            accepts(kind, &std::fs::read_to_string(root.join(&path)).expect("readable"));
            looked_at += 1;
        }
        assert!(looked_at >= fewest, "{looked_at} files");
    }
}

#[test]
fn the_examples_of_the_language_fit() {
    let page = include_str!("../../docs/language.md");
    let blocks = page
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let mut looked_at = 0;
    for block in blocks {
        let path = block.lines().next().unwrap_or_default().trim_start_matches("# ");
        let kind = FileKind::of(Path::new(path)).unwrap_or_else(|| panic!("`{path}` is not a file of a project"));
        accepts(kind, block);
        looked_at += 1;
    }
    assert!(looked_at >= 6, "{looked_at} examples");
}

#[test]
fn the_examples_of_operations_fit() {
    for definition in OPERATIONS {
        accepts(FileKind::Task, definition.example);
    }
}

#[test]
fn all_of_the_language_fits() {
    accepts(
        FileKind::Inventory,
        "groups = ['a']\n[lab]\nmemory = 512\n[hosts.a]\nlab = { image = 'debian:12' }\n[hosts.b]\nlab = true\ndata = { x = [1] }\n\
         connection = { become = 'sudo', jump = ['a'], port = 22 }\n",
    );
    accepts(FileKind::GroupData, "a = 1\nb = { hosts = '{{ a }}' }\n");
    accepts(
        FileKind::Deploy,
        "hosts = ['a']\ntasks = ['b', { task = 'c', name = 'd', when = 'x', for_each = 'y', vars = { z = '{{ item }}' }, tags = ['t'] }]",
    );
    accepts(
        FileKind::Deploy,
        "description = 'x'\n[[stage]]\nname = 'first'\nhosts = ['a']\ntasks = ['b']\nserial = 1\nmax_fail = 0\noptional = true\n",
    );
    accepts(
        FileKind::Task,
        "required = ['a.b']\nwhen = 'a'\ntags = ['t']\n[vars]\nx = '10m'\n[[operation]]\ninclude = 'a/b'\nwhen = true\n\
         for_each = [{ name = 'n', more = 1 }]\nvars = { y = 1 }\ntags = ['u']\n[[operation]]\nop = 'server.shell'\n\
         commands = ['true']\nalways = '{{ always }}'\ntags = ['v']\nbecome = true\nbecome_user = '{{ user }}'\nfor_each = 'users'\n",
    );
    accepts(
        FileKind::Task,
        "[[operation]]\nop = 'apt.packages'\npackages = '{{ packages }}'\nlock_timeout = '{{ patience }}s'\n",
    );
    accepts(
        FileKind::Stack,
        "[defaults]\nimage = 'caddy:2'\n[[sites]]\nhost = 'a'\nupstream = 'caddy:80'\nkind = 'mtls'\ntls = false\nextra = 1\n[backup]\ncommand = ['sh']\nkeep = 3\nat = '01:30'\n",
    );
}

#[test]
fn what_is_wrong_is_refused() {
    for text in [
        "",
        "[hosts]\n",
        "[hosts.a]\nadress = 'x'\n",
        "[hosts.a]\ngroups = 'x'\n",
        "[hosts.a]\nlab = 'yes'\n",
        "[hosts.a]\nconnection = { become = 'su' }\n",
        "[hosts.a]\nconnection = { port = 70000 }\n",
        "[hosts.a]\ndata = { facts = 1 }\n",
        "[hosts.a]\nconnection = { keep = '5m' }\n",
    ] {
        refuses(FileKind::Inventory, text);
    }
    refuses(FileKind::GroupData, "item = 1\n");
    for text in [
        "hosts = ['a']\n",
        "hosts = ['a']\ntasks = ['b']\nserial = 1\n",
        "hosts = ['a']\ntasks = [{ name = 'b' }]\n",
        "hosts = ['a']\ntasks = [{ task = 'b', become = 1 }]\n",
        "tasks = ['b']\n[[stage]]\nname = 'x'\nhosts = ['a']\ntasks = ['b']\n",
        "[[stage]]\nhosts = ['a']\ntasks = ['b']\n",
        "[[stage]]\nname = 'x'\nhosts = ['a']\ntasks = ['b']\nserial = 0\n",
    ] {
        refuses(FileKind::Deploy, text);
    }
    for text in [
        "x = 1\n",
        "[site]\nupstream = 'a:1'\n",
        "[[sites]]\nupstream = 'a:1'\n",
        "[[sites]]\nhost = 'a'\nupstream = 'a:1'\nkind = 'wan'\n",
        "[backup]\ncommand = ['a']\nat = '24:00'\n",
        "[on_change.x]\nservice = 'a'\n",
        "[on_change.x]\nsignal = 'HUP'\naction = 'none'\n",
        "[on_change.x]\naction = 'stop'\n",
        "[files.x]\nmode = 400\n",
        "[directories.x]\nowner = 'a'\n",
    ] {
        refuses(FileKind::Stack, text);
    }
}

#[test]
fn wrong_tasks_are_refused() {
    for entry in [
        "packages = ['a']",
        "op = 'apt.package'\npackages = ['a']",
        "op = 'apt.packages'\npackage = ['a']",
        "op = 'apt.packages'",
        "op = 'apt.packages'\npackages = 'a'",
        "op = 'apt.packages'\npackages = ['a']\npresent = 'yes'",
        "op = 'apt.packages'\npackages = ['a']\nlock_timeout = '30'",
        "op = 'apt.packages'\npackages = ['a']\nwhen = '{{ x }}'",
        "op = 'apt.packages'\npackages = ['a']\nfor_each = [1]",
        "op = 'files.file'\npath = '/x'\nmode = '999'",
        "op = 'files.file'\npath = '/x'\nmode = 644",
        "op = 'verify.tcp'\nport = 'ssh'",
        "op = 'systemd.service'\nservice = 'cron'\nstate = 'restarted'",
        "include = 'a/b'\nop = 'apt.update'",
        "include = 'a/b'\nbecome = 1",
    ] {
        refuses(FileKind::Task, &format!("[[operation]]\n{entry}\n"));
    }
    refuses(FileKind::Task, "become = 1\n");
}

#[test]
fn mistakes_are_blamed_on_the_key() {
    let misspelt = mistakes(
        FileKind::Task,
        "[[operation]]\nop = 'apt.packages'\npackages = ['a']\npresnt = true\n",
    );
    assert!(
        matches!(&misspelt[..], [one] if one.starts_with("/operation/0: \"presnt\" is not one of")),
        "{misspelt:?}"
    );
    let missing = mistakes(FileKind::Task, "[[operation]]\nop = 'apt.packages'\n");
    assert_eq!(missing, ["/operation/0: \"packages\" is a required property"]);
}

#[test]
fn keys_that_have_no_effect_yet_are_refused() {
    let operation = "[[operation]]\nop = 'files.put'\ndest = '/etc/motd'\ncontent = 'x'\n";
    accepts(FileKind::Task, operation);
    refuses(FileKind::Task, &format!("{operation}capture = 'token'\n"));
}

#[test]
fn a_captured_value_has_its_own_keys() {
    let capture = "[[operation]]\ncapture = 'token'\nfile = '/etc/token'\n";
    accepts(FileKind::Task, capture);
    let create = "[operation.create]\nop = 'server.shell'\ncommands = ['true']\n";
    accepts(
        FileKind::Task,
        &format!("{capture}select = '/a'\nsecret = true\nmode = '0640'\nwhen = true\n{create}"),
    );
    for wrong in [
        capture.replace("file = '/etc/token'\n", ""),
        format!("{capture}secret = 'x'\n"),
        format!("{capture}{create}crates = '/x'\n"),
    ] {
        refuses(FileKind::Task, &wrong);
    }
}

#[test]
fn a_handler_has_its_own_keys() {
    let handler = "[[handler]]\nname = 'x'\nop = 'systemd.service'\nservice = 'y'\nstate = 'restarted'\n";
    accepts(FileKind::Task, handler);
    accepts(FileKind::Task, &format!("{handler}flush = 'stage'\n"));
    for wrong in [
        handler.replace("name = 'x'\n", ""),
        format!("{handler}notify = ['z']\n"),
        format!("{handler}flush = 'never'\n"),
        "[[handler]]\nname = 'x'\nop = 'verify.tcp'\nport = 22\n".to_owned(),
        "[[operation]]\nop = 'files.put'\ndest = '/x'\ncontent = 'x'\nflush = 'stage'\n".to_owned(),
    ] {
        refuses(FileKind::Task, &wrong);
    }
}

#[test]
fn every_key_is_described() {
    for kind in FileKind::ALL {
        let schema = kind.schema();
        assert!(schema.get("description").is_some(), "{}", kind.name());
        for key in Parameter::all_of(&schema) {
            assert!(!key.description.is_empty(), "{}: {key:?}", kind.name());
        }
    }
    for key in common_keys() {
        assert!(
            !key.description.is_empty() && !key.kind.contains("any value"),
            "{key:?}"
        );
    }
}

#[test]
fn schemas_refer_to_nothing_and_stay_within_draft_7() {
    for kind in FileKind::ALL {
        let document = kind.document();
        for word in ["$ref", "$defs", "\"null\"", "unevaluatedProperties", "2020-12"] {
            assert!(!document.contains(word), "{}: {word}", kind.name());
        }
        assert_eq!(FileKind::named(kind.name()), Some(*kind));
    }
}
