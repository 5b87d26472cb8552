use super::*;

fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    let defaults = [
        (
            "inventories/dev.toml",
            "groups = ['development']\n[hosts.web]\ngroups = ['services']\n[hosts.db]\n",
        ),
        (
            "group_data/all.toml",
            "path = '/mnt'\ndocker = { root = '{{ path }}/d', keep = 1 }",
        ),
        ("group_data/development.toml", "docker = { keep = 2 }"),
        ("group_data/services.toml", "path = '/srv'"),
        ("deploys/site.toml", "hosts = ['*']\ntasks = ['a/b', 'a/c']"),
        ("tasks/a/b.toml", "[[operation]]\nop = 'files.directory'\npath = '/x'"),
        ("tasks/a/c.toml", "description = 'c'"),
    ];
    for (path, text) in defaults.iter().chain(files) {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("mkdir");
        std::fs::write(path, text).expect("write");
    }
    root
}

fn mistakes(files: &[(&str, &str)]) -> Vec<String> {
    let root = project(files);
    let mistakes = load(root.path()).expect_err("mistakes").0;
    mistakes
        .iter()
        .map(|mistake| match &mistake.hint {
            Some(hint) => format!("{mistake} | {hint}"),
            None => mistake.to_string(),
        })
        .collect()
}

#[test]
fn loads_selects_and_merges() {
    let root = project(&[]);
    let project = load(root.path()).expect("valid");
    let run = select(&project, "dev", "site", &Filter::default()).expect("hosts and tasks");
    assert_eq!(
        run.hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>(),
        ["web", "db"]
    );
    let path = |host: &SelectedHost| host.data["path"].value.as_str().map(str::to_owned);
    assert_eq!(path(&run.hosts[0]).as_deref(), Some("/srv"));
    assert_eq!(path(&run.hosts[1]).as_deref(), Some("/mnt"));
    let docker = run.hosts[0].data["docker"].value.as_table().expect("a table");
    assert_eq!(docker["keep"].value.kind, crate::value::Kind::Integer(2));
    assert!(docker.contains_key("root"));
    assert_eq!(run.tasks.len(), 2);
}

#[test]
fn groups_of_an_optional_stage_may_have_no_host() {
    let stages = |second: &str| {
        format!(
            "[[stage]]\nname = 'first'\nhosts = ['services']\ntasks = ['a/b']\n[[stage]]\nname = 'second'\ntasks = ['a/c']\n{second}\n"
        )
    };
    let selected = |deploy: &str| {
        let files = [("deploys/site.toml", deploy), ("group_data/spare.toml", "")];
        let root = project(&files);
        let project = load(root.path()).map_err(|mistakes| mistakes.0[0].title.clone())?;
        let run = select(&project, "dev", "site", &Filter::default()).map_err(|mistake| mistake.to_string())?;
        Ok::<_, String>(run.stages.into_iter().map(|stage| stage.hosts).collect::<Vec<_>>())
    };
    let web = || vec!["web".to_owned()];
    for (second, expected) in [
        ("hosts = ['spare']\noptional = true", Ok(vec![web(), Vec::new()])),
        ("hosts = ['spare', 'web']\noptional = true", Ok(vec![web(), web()])),
        (
            "hosts = ['*', '!spare']\noptional = true",
            Ok(vec![web(), vec!["web".to_owned(), "db".to_owned()]]),
        ),
        // Not optional, so the group of its file has to have a host.
        ("hosts = ['spare']", Err("no host is in group `spare`")),
        // A name that no file has may be misspelled.
        (
            "hosts = ['spare', 'spares']\noptional = true",
            Err("deploys/site.toml:8:19: `spares` matches nothing in inventory `dev`"),
        ),
    ] {
        assert_eq!(selected(&stages(second)), expected.map_err(str::to_owned), "{second}");
    }
    let nobody = "[[stage]]\nname = 'only'\nhosts = ['spare']\ntasks = ['a/b', 'a/c']\noptional = true";
    assert_eq!(
        selected(nobody),
        Err("deploys/site.toml:2:8: no stage of the deploy has a host in inventory `dev`".to_owned())
    );
}

#[test]
fn keys_that_are_not_here_are_named_with_their_hosts() {
    let inventory = "[connection]\nidentity_file = 'keys/none'\n[hosts.web]\ngroups = ['development', 'services']\n[hosts.db]\n\
        [hosts.nas]\nconnection = { identity_file = 'group_data/all.toml' }\n";
    let root = project(&[("inventories/dev.toml", inventory)]);
    let missing = read(root.path()).project.missing_keys();
    assert_eq!(
        missing.into_iter().collect::<Vec<_>>(),
        [("keys/none".to_owned(), vec!["dev/web".to_owned(), "dev/db".to_owned()])]
    );
}

#[test]
fn filters_say_what_they_leave_out() {
    let root = project(&[]);
    let project = load(root.path()).expect("valid");
    let filter = Filter {
        limit: vec!["w*".to_owned()],
        only: vec!["a/c".to_owned()],
        ..Filter::default()
    };
    let run = select(&project, "dev", "site", &filter).expect("hosts and tasks");
    assert_eq!(run.hosts_left_out, ["db"]);
    assert_eq!(run.tasks_left_out, ["a/b"]);
}

#[test]
fn who_wants_one_item_is_told_what_else_there_is() {
    let deploy = "hosts = ['*']\ntasks = ['a/b', { task = 'a/c', for_each = ['x', 'y'] }]";
    let root = project(&[("deploys/site.toml", deploy)]);
    let project = load(root.path()).expect("valid");
    let select_only = |only: &str| {
        let filter = Filter {
            only: vec![only.to_owned()],
            ..Filter::default()
        };
        select(&project, "dev", "site", &filter)
    };
    for only in ["x", "a/c:x"] {
        let run = select_only(only).expect("hosts and tasks");
        assert_eq!(run.tasks_left_out, ["a/b"], "{only}");
        assert_eq!(run.items_left_out_of, ["a/c"], "{only}");
    }
    assert!(select_only("a/c").expect("a task").items_left_out_of.is_empty());
    let refused = select_only("a/b:x").expect_err("it has no items");
    assert_eq!(
        refused.to_string(),
        "`--only a/b:x` matches no task or item of this deploy"
    );
}

#[test]
fn what_matches_nothing_is_an_error() {
    let root = project(&[]);
    let project = load(root.path()).expect("valid");
    let refused = |limit: &[&str], only: &[&str]| {
        let filter = Filter {
            limit: limit.iter().map(|one| (*one).to_owned()).collect(),
            only: only.iter().map(|one| (*one).to_owned()).collect(),
            ..Filter::default()
        };
        select(&project, "dev", "site", &filter)
            .expect_err("nothing matches")
            .to_string()
    };
    assert_eq!(refused(&["wbe"], &[]), "`--limit wbe` matches no host of deploy `site`");
    assert_eq!(
        refused(&[], &["a/d"]),
        "`--only a/d` matches no task or item of this deploy"
    );
    let error = select(&project, "dve", "site", &Filter::default()).expect_err("no inventory");
    assert_eq!(error.hint.as_deref(), Some("did you mean `dev`?"));
    let error = select(&project, "dev", "sites", &Filter::default()).expect_err("no deploy");
    assert_eq!(error.hint.as_deref(), Some("did you mean `site`?"));
}

#[test]
fn mistakes_name_their_place() {
    let cases: &[(&str, &str, &str)] = &[
        (
            "tasks/a/b.toml",
            "[[operation]]\nop = 'files.pt'",
            "tasks/a/b.toml:2:6: unknown operation `files.pt` | did you mean `files.put`?",
        ),
        (
            "tasks/a/b.toml",
            "[[operation]]\nname = 'x'",
            "tasks/a/b.toml:1:1: missing `op` | add `op = \"…\"`; `homelab operations` lists all operations",
        ),
        (
            "tasks/a/b.toml",
            "[[operation]]\nop = 'files.directory'\npath = '/x'\nnotify = ['y']",
            "tasks/a/b.toml:4:11: unknown handler `y` | add a `[[handler]]` with `name = \"y\"`, or name one of another task as \"folder/task:handler\"",
        ),
        (
            "tasks/a/b.toml",
            "descripton = 'x'",
            "tasks/a/b.toml:1:1: unknown key `descripton` in a task | did you mean `description`?",
        ),
        (
            "deploys/site.toml",
            "hosts = ['*']\ntasks = ['a/b', 'a/x']",
            "deploys/site.toml:2:17: unknown task `a/x` | did you mean `a/b`?",
        ),
        (
            "deploys/site.toml",
            "hosts = ['*']\ntasks = ['a/b', 3]",
            "deploys/site.toml:2:17: an entry of `tasks` must be a task's name, or a table with `task` | write `\"folder/name\"`, or `{ task = \"folder/name\" }`",
        ),
        (
            "deploys/site.toml",
            "hosts = []\ntasks = ['a/b']",
            "deploys/site.toml:1:9: `hosts` is empty | for all hosts of the inventory, write `hosts = [\"*\"]`",
        ),
        (
            "deploys/site.toml",
            "stage = []",
            "deploys/site.toml:1:9: `stage` is empty | write `[[stage]]` with `name`, `hosts` and `tasks`",
        ),
        (
            "deploys/site.toml",
            "hosts = ['*']\ntasks = [{ task = 'a/b', name = 'of {{ path }}' }]",
            "deploys/site.toml:2:33: the name of a task cannot be a template | write it without braces; items of `for_each` are distinguished anyway",
        ),
        (
            "group_data/all.toml",
            "facts = 1",
            "group_data/all.toml:1:1: `facts` is a reserved name | choose another name; reserved: host, hosts, groups, inventory, facts, item, vars, captured, catalogue, stack, pki",
        ),
        (
            "group_data/service.toml",
            "x = 1",
            "group_data/service.toml:1:1: no host is in group `service` | did you mean `services`?",
        ),
        (
            "inventories/dev.toml",
            "groups = ['developmen']\n[hosts.web]\ngroups = ['services']",
            "inventories/dev.toml:1:11: unknown group `developmen` | did you mean `development`?",
        ),
        (
            "inventories/dev.toml",
            "[hosts.web]\nadress = 'x'",
            "inventories/dev.toml:2:1: unknown key `adress` in a host | did you mean `address`?",
        ),
        (
            "inventories/dev.toml",
            "[hosts.web]\naddress = '-oProxyCommand=x'",
            "inventories/dev.toml:2:11: `-oProxyCommand=x` is not a valid address | write only a host name or an IP address; set `user` and `port` in `connection`",
        ),
        (
            "inventories/dev.toml",
            "[connection]\nkeep = '5m'\n[hosts.web]",
            "inventories/dev.toml:2:1: `keep` is not supported yet | remove it",
        ),
        (
            "inventories/dev.toml",
            "[hosts.web]\nconnection = { port = 'x' }",
            "inventories/dev.toml:2:23: `port` must be a whole number from 0 to 65535 | write a whole number from 0 to 65535",
        ),
    ];
    for (path, text, expected) in cases {
        let found = mistakes(&[(path, text)]);
        assert!(
            found.iter().any(|mistake| mistake == expected),
            "{path}: {text}\nexpected {expected}\nfound {found:#?}"
        );
    }
}

#[test]
fn several_mistakes_are_told_at_once() {
    let found = mistakes(&[
        ("tasks/a/b.toml", "[[operation]]\nop = 'x.y'\n[[operation]]\nop = 'z.w'"),
        ("group_data/all.toml", "a = \n"),
    ]);
    assert_eq!(found.len(), 3, "{found:#?}");
}

#[test]
fn a_mistake_in_a_stack_stops_only_deploys_that_use_it() {
    let task = |stack: &str| format!("[[operation]]\nop = 'docker.compose'\nproject_directory = '/opt/x'\n{stack}");
    let files = |template: &str| {
        [
            ("deploys/other.toml", "hosts = ['*']\ntasks = ['a/c', 'a/d']".to_owned()),
            ("tasks/a/b.toml", task("stack = 'web'")),
            ("tasks/a/c.toml", task("stack = 'db'")),
            (
                "tasks/a/d.toml",
                format!("[[operation]]\nop = 'files.template'\nsrc = '{template}'\ndest = '/x'"),
            ),
            ("templates/plain.j2", "plain".to_owned()),
            (
                "templates/all.j2",
                if template == "all.j2" {
                    "{% include 'services/web/app.env.j2' %}"
                } else {
                    ""
                }
                .to_owned(),
            ),
            ("templates/services/web/app.env.j2", "A={{ nothing }}".to_owned()),
            ("templates/services/db/compose.yaml", "services: {}".to_owned()),
        ]
    };
    let loaded = |template: &str, deploy: &str| {
        let files = files(template);
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let root = project(&files);
        let loaded = read(root.path()).for_deploy(deploy);
        loaded.map(|(_, others)| others).map_err(|mistakes| mistakes.0)
    };
    assert_eq!(loaded("plain.j2", "other"), Ok(1));
    let mistakes = loaded("plain.j2", "site").expect_err("it uses the stack");
    let places: Vec<&str> = mistakes[0]
        .labels
        .iter()
        .map(|label| label.origin.file.path.as_str())
        .collect();
    assert_eq!(places, ["templates/services/web/app.env.j2", "tasks/a/b.toml"]);
    assert!(
        loaded("services/web/app.env.j2", "other").is_err(),
        "it renders the file"
    );
    assert!(loaded("all.j2", "other").is_err(), "another template includes it");
}
