use crate::change::{Outcome, Step};
use crate::facts::account::{User, UserFact};
use crate::facts::{Fact, FactKey, Identity};
use crate::plan::visible::Asked;
use crate::plan::{Build, Snapshot, build};
use crate::project::{Filter, load, select};
use crate::secret::DigestKey;
use crate::value::Known;

/// The `become` settings of each place, the outermost first.
struct Said<'a> {
    entry: &'a str,
    task: &'a str,
    include: &'a str,
    included: &'a str,
    operation: &'a str,
}

const NOTHING: Said<'_> = Said {
    entry: "",
    task: "",
    include: "",
    included: "",
    operation: "",
};

/// The plan of a shell command in an included task, on a host that has every user.
fn plan(said: &Said<'_>, op: &str) -> Build {
    let root = tempfile::tempdir().expect("a folder");
    let entry = if said.entry.is_empty() {
        String::new()
    } else {
        format!(", {}", said.entry)
    };
    let files = [
        ("inventories/dev.toml", "[hosts.web]\n".to_owned()),
        (
            "deploys/site.toml",
            format!("hosts = ['*']\ntasks = [{{ task = 't/outer'{entry} }}]\n"),
        ),
        (
            "tasks/t/outer.toml",
            format!("{}\n[[operation]]\ninclude = 't/inner'\n{}\n", said.task, said.include),
        ),
        (
            "tasks/t/inner.toml",
            format!("{}\n[[operation]]\n{op}\n{}\n", said.included, said.operation),
        ),
    ];
    for (path, text) in files {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("mkdir");
        std::fs::write(path, text).expect("write");
    }
    let selection =
        select(&load(root.path()).expect("valid"), "dev", "site", &Filter::default()).expect("a host and a task");
    let mut snapshot = Snapshot::default();
    let key = DigestKey::random();
    let mut built = build(&selection, &snapshot, &key);
    while let Some(keys) = built.missing.get("web") {
        let facts = snapshot.facts.entry("web".to_owned()).or_default();
        for key in keys {
            facts.insert(key.clone(), answer(key));
        }
        built = build(&selection, &snapshot, &key);
    }
    built
}

fn answer(key: &FactKey) -> Fact {
    let known = |text: &str| Known::Yes(text.to_owned());
    match key {
        FactKey::System => Fact::System(Box::default()),
        FactKey::User(name) => Fact::User(UserFact::Present(User {
            uid: Known::Yes(1),
            group: known(name),
            home: known("/"),
            shell: known("/bin/sh"),
            comment: known(""),
            groups: [].into(),
            elsewhere: None,
        })),
        FactKey::Package(_) => Fact::Package(crate::facts::package::PackageFact::installed(known("1"))),
        other => panic!("{other:?} is asked for"),
    }
}

fn runs_as(said: &Said<'_>) -> Identity {
    let built = plan(said, "op = 'server.shell'\ncommands = ['id']\nalways = true");
    assert_eq!(built.mistakes, []);
    match &built.plan.hosts[0].operations[0].outcome {
        Outcome::Change(changes) => match &changes[0].steps[..] {
            [Step::Run(command)] => command.by.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn user(name: &str) -> Identity {
    Identity::User(name.to_owned())
}

#[test]
fn the_nearest_place_says_which_user_to_run_as() {
    let mut said = NOTHING;
    assert_eq!(runs_as(&said), Identity::Own);
    said.entry = "become_user = 'entry'";
    assert_eq!(runs_as(&said), user("entry"));
    said.task = "become_user = 'task'";
    assert_eq!(runs_as(&said), user("task"));
    said.include = "become_user = 'include'";
    assert_eq!(runs_as(&said), user("include"));
    said.included = "become_user = 'included'";
    assert_eq!(runs_as(&said), user("included"));
    said.operation = "become_user = 'operation'";
    assert_eq!(runs_as(&said), user("operation"));
}

#[test]
fn a_nearer_place_replaces_all_that_a_farther_one_says() {
    let farther = Said {
        entry: "become_user = 'entry'",
        ..NOTHING
    };
    let by = |operation| runs_as(&Said { operation, ..farther });
    assert_eq!(by("become = false"), Identity::LoginUser);
    assert_eq!(by("become = true"), Identity::Root);
}

#[test]
fn what_cannot_run_as_others_is_left_alone_from_above_and_refused_in_place() {
    let packages = "op = 'apt.packages'\npackages = ['jq']";
    let inherited = Said {
        task: "become_user = 'task'",
        ..NOTHING
    };
    assert_eq!(plan(&inherited, packages).mistakes, []);
    let own = Said {
        operation: "become_user = 'task'",
        ..NOTHING
    };
    let mistakes = plan(&own, packages).mistakes;
    assert_eq!(
        mistakes[0].diagnostic.to_string(),
        "tasks/t/inner.toml:5:15: `apt.packages` does not support `become_user`"
    );
}

#[test]
fn a_value_from_above_that_does_not_fit_is_reported_where_it_is_written() {
    let said = Said {
        entry: "become_user = '{{ 1 + 2 }}'",
        ..NOTHING
    };
    let shell = "op = 'server.shell'\ncommands = ['id']\nalways = true";
    let mistakes = plan(&said, shell).mistakes;
    assert_eq!(
        mistakes[0].diagnostic.to_string(),
        "deploys/site.toml:2:44: `become_user` of `server.shell` must be the name of a user"
    );
}

/// Text of a host that comes to a command by a way that its template does not show.
#[test]
fn unquoted_text_of_a_host_is_found_by_what_it_says() {
    let asked = Asked::default();
    asked.note_text("$(id)");
    asked.note_text("word");
    asked.note_text("Anna Smith");
    assert_eq!(asked.unquoted("echo $(id)", "echo {{ x }}"), Some("$(id)".to_owned()));
    assert_eq!(asked.unquoted("echo '$(id)'", "echo {{ x }}"), None);
    assert_eq!(
        asked.unquoted("echo '$(id)' $(id)", "echo {{ x }}"),
        Some("$(id)".to_owned())
    );
    assert_eq!(asked.unquoted("echo $(id)", "echo $(id)"), None);
    assert_eq!(asked.unquoted("echo word", "echo {{ x }}"), None);
    assert_eq!(
        asked.unquoted("echo Anna Smith", "echo {{ x }}"),
        Some("Anna Smith".to_owned())
    );
}
