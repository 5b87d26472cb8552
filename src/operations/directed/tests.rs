use crate::change::{Attribute, NotKnown, Outcome, ResourceChange, Step, Stop};
use crate::facts::overlay::Effect;
use crate::facts::session::{Account, Session, Unprivileged};
use crate::facts::system::SystemFacts;
use crate::facts::{Fact, FactKey, Identity};
use crate::operations::testing::{Bench, change, refusal};

fn system(session: Session) -> Fact {
    Fact::System(Box::new(SystemFacts {
        session,
        ..SystemFacts::default()
    }))
}

fn account(name: &str) -> Account {
    Account {
        user: name.to_owned(),
        group: format!("{name}-group"),
    }
}

/// `anna` logged in, and became root if `is_root`.
fn by_anna(is_root: bool) -> Fact {
    system(Session {
        login: account("anna"),
        unprivileged: (!is_root).then(|| Unprivileged {
            account: account("anna"),
            groups: ["anna-group".to_owned()].into(),
            state_folder: "/s".to_owned(),
            jobs_are_hidden: false,
        }),
        reader: None,
    })
}

fn bench(op: &str, text: &str) -> Bench {
    Bench::named(op, text)
        .directory("/")
        .directory("/srv")
        .absent("/srv/x")
        .user("web", 33, "www", &[])
        .fact(FactKey::System, by_anna(true))
}

const PUT: &str = "dest = '/srv/x'\ncontent = 'x'\n";
const SHELL: &str = "commands = ['id']\nalways = true\n";

fn runs_as(change: &ResourceChange) -> &Identity {
    match &change.steps[..] {
        [Step::Run(run)] => &run.by,
        other => panic!("{other:?}"),
    }
}

fn owned(change: ResourceChange) -> (Attribute, Attribute) {
    let mut after = change.after.expect("created");
    let mut take = |name: &str| after.shift_remove(name).expect("an attribute");
    (take("owner"), take("group"))
}

fn known(owner: &str, group: &str) -> (Attribute, Attribute) {
    (Attribute::known(owner), Attribute::known(group))
}

#[test]
fn commands_run_as_the_given_user_and_the_review_shows_it() {
    for (line, by, shown) in [
        ("become_user = 'web'", Identity::User("web".to_owned()), Some("web")),
        ("become = false", Identity::LoginUser, Some("anna")),
        ("become = true", Identity::Root, None),
        ("", Identity::Own, None),
    ] {
        let change = change(bench("server.shell", &format!("{SHELL}{line}")).plan());
        assert_eq!(*runs_as(&change), by, "{line}");
        let after = change.after.expect("runs");
        assert_eq!(after.get("as"), shown.map(Attribute::known).as_ref(), "{line}");
    }
}

#[test]
fn conditions_run_as_the_same_user() {
    let bench = bench("server.shell", "commands = ['a']\nunless = 'b'\nbecome_user = 'web'");
    let check = FactKey::Check(crate::facts::Check::Command {
        script: "b".into(),
        by: Identity::User("web".to_owned()),
        env: crate::facts::Environment::default(),
        shown: crate::facts::Shown::default(),
    });
    assert_eq!(bench.missing(), std::slice::from_ref(&check));
    assert!(bench.needs().contains(&check) && bench.needs().contains(&FactKey::User("web".to_owned())));
}

#[test]
fn new_files_belong_to_the_given_user() {
    let new = |line: &str| owned(change(bench("files.put", &format!("{PUT}{line}")).plan()));
    assert_eq!(new("become_user = 'web'"), known("web", "www"));
    assert_eq!(new("become = false"), known("anna", "anna-group"));
    let grouped = bench("files.put", &format!("{PUT}become_user = 'web'\ngroup = 'adm'")).group("adm", 4, &[], &[]);
    assert_eq!(owned(change(grouped.plan())), known("web", "adm"));
    assert_eq!(new(""), known("root", "root"));
    let kept = bench("files.put", &format!("{PUT}mode = '0600'\nbecome_user = 'web'")).file("/srv/x", "x", 0o644);
    assert_eq!(owned(change(kept.plan())), known("root", "root"));
    let directory = bench("files.directory", "path = '/srv/x'\nbecome_user = 'web'");
    assert_eq!(owned(change(directory.plan())), known("web", "www"));
    let link = change(bench("files.link", "path = '/srv/x'\ntarget = 'y'\nbecome_user = 'web'").plan());
    assert!(matches!(&link.steps[..], [Step::Link(step)] if step.owner.owner == "web" && step.owner.group == "www"));
}

#[test]
fn without_root_new_files_belong_to_the_login_user() {
    let bench = bench("files.put", PUT).fact(FactKey::System, by_anna(false));
    assert_eq!(owned(change(bench.plan())), known("anna", "anna-group"));
}

#[test]
fn a_user_must_exist_unless_an_earlier_operation_creates_it() {
    for (op, text) in [("files.put", PUT), ("server.shell", SHELL)] {
        let text = format!("{text}become_user = 'new'");
        let unknown = bench(op, &text).no_user("new");
        assert_eq!(refusal(unknown.plan()).to_string(), "t.toml:3:15: unknown user `new`");
        let (key, created) = Bench::user_fact("new", "new");
        let created = bench(op, &text).no_user("new").after(Effect::Set(key, created));
        assert!(matches!(created.plan(), Ok(Outcome::Change(_))));
    }
    let from_package = bench("files.put", &format!("{PUT}become_user = 'new'"))
        .no_user("new")
        .package_may_create();
    assert!(matches!(
        from_package.plan(),
        Err(Stop::NotKnown {
            cause: NotKnown::Since(..),
            ..
        })
    ));
}

#[test]
fn refusals_name_what_is_wrong() {
    let refused = |bench: Bench| refusal(bench.plan()).to_string();
    let packages = "packages = ['jq']\n";
    assert_eq!(
        refused(bench("apt.packages", &format!("{packages}become_user = 'web'"))),
        "t.toml:2:15: `apt.packages` does not support `become_user`"
    );
    assert_eq!(
        refused(bench("apt.packages", &format!("{packages}become = false"))),
        "t.toml:2:10: `apt.packages` does not support `become`"
    );
    let root = bench("apt.packages", &format!("{packages}become = true")).package("jq", "1");
    assert_eq!(root.plan(), Ok(Outcome::Unchanged));
    assert_eq!(
        refused(bench(
            "server.shell",
            &format!("{SHELL}become = false\nbecome_user = 'web'")
        )),
        "t.toml:3:10: `become = false` and `become_user` cannot be used together"
    );
    assert_eq!(
        refused(bench("server.shell", &format!("{SHELL}become_user = '-x'"))),
        "t.toml:3:15: `-x` is not a valid user or group name"
    );
    let without_root = bench("server.shell", &format!("{SHELL}become = true")).fact(FactKey::System, by_anna(false));
    assert_eq!(refused(without_root), "t.toml:3:10: cannot become `root` on this host");
}
