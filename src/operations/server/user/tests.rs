use super::*;
use crate::change::{Attribute, Expect, Risk};
use crate::facts::Fact;
use crate::facts::account::UserFact;
use crate::facts::overlay::Effect;
use crate::facts::path::{InodeKind, PathFact};
use crate::operations::testing::{Bench, change, inode, refusal, script};

const ANN: &str = "user = 'ann'";

/// A host without the user Ann.
fn without_ann(text: &str) -> Bench {
    Bench::new::<User>(text)
        .no_user("ann")
        .no_group("ann")
        .account_defaults(true)
        .directory("/")
        .directory("/home")
        .absent("/home/ann")
        .file("/bin/bash", "", 0o755)
        .file("/usr/bin/bash", "", 0o755)
}

/// A host with the user Ann in the groups `ann` and `adm`.
fn ann(text: &str) -> Bench {
    Bench::new::<User>(text)
        .user("ann", 1000, "ann", &["adm"])
        .group("ann", 1000, &[], &["ann"])
        .group("adm", 4, &["ann"], &[])
        .group("docker", 998, &[], &[])
        .account_defaults(true)
        .directory("/")
        .directory("/home")
        .directory("/home/ann")
        .file("/bin/bash", "", 0o755)
        .file("/usr/bin/bash", "", 0o755)
}

fn changes(outcome: Result<Outcome, Stop>) -> Vec<ResourceChange> {
    match outcome {
        Ok(Outcome::Change(changes)) => changes,
        other => panic!("changes expected: {other:?}"),
    }
}

fn named(changes: &[ResourceChange]) -> Vec<String> {
    let name = |change: &ResourceChange| format!("{} {}", change.id.kind, change.id.name);
    changes.iter().map(name).collect()
}

fn attribute_after(change: &ResourceChange, name: &str) -> Attribute {
    change.after.as_ref().expect("created")[name].clone()
}

/// What later operations see of a path.
fn seen(changes: &[ResourceChange], path: &str) -> Option<(InodeKind, String, u32)> {
    let effects = changes.iter().flat_map(|change| &change.effects);
    effects.into_iter().find_map(|effect| match effect {
        Effect::Set(FactKey::Path(at), Fact::Path(PathFact::Present(inode))) if at == path => {
            Some((inode.kind.clone(), inode.owner.clone(), inode.mode))
        }
        _ => None,
    })
}

const HOME_IS_POSSIBLE: &str = "mkdir -- /home/ann && rmdir -- /home/ann || exit\n";

/// The script that makes a user with a home directory.
fn recorded(useradd: &str) -> String {
    format!("{HOME_IS_POSSIBLE}{}", recorded_without_home(useradd))
}

fn recorded_without_home(useradd: &str) -> String {
    const RECORD: &str = "/var/lib/homelab/jobs/user-ann";
    format!(
        "mkdir -p {RECORD} && chmod 0700 /var/lib/homelab /var/lib/homelab/jobs && echo useradd >{RECORD}/summary || \
         exit\n{useradd}; code=$?\n[ $code != 0 ] && id -- ann >/dev/null 2>&1 || rm -rf {RECORD}\nexit $code"
    )
}

#[test]
fn a_new_user_gets_a_group_and_a_home_directory() {
    let created = changes(without_ann(ANN).plan());
    assert_eq!(named(&created), ["user ann", "group ann", "directory /home/ann"]);
    // A user without a home directory would count as complete in the next run.
    assert_eq!(script(&created[0]), recorded("useradd -U -m -- ann"));
    assert!(
        created[1].steps.is_empty() && created[2].steps.is_empty(),
        "useradd creates them"
    );
    assert!(matches!(attribute_after(&created[0], "uid"), Attribute::Unknown(_)));
    assert_eq!(attribute_after(&created[0], "shell"), Attribute::known("/bin/sh"));
    assert_eq!(attribute_after(&created[0], "home"), Attribute::known("/home/ann"));
    let home = (InodeKind::Directory, "ann".to_owned(), 0o700);
    assert_eq!(seen(&created, "/home/ann"), Some(home));
    let (kind, owner, mode) = seen(&created, "/home/ann/.profile").expect("copied from the skeleton");
    assert!(matches!(kind, InodeKind::File { .. }));
    assert_eq!((owner.as_str(), mode), ("ann", 0o644));
}

#[test]
fn all_parameters_are_passed_to_useradd() {
    let text = "user = 'ann'\nuid = 1500\ngroup = 'users'\ngroups = ['docker', 'adm']\nhome = '/srv/ann'\n\
        shell = '/bin/bash'\ncomment = 'Ann Other'\ncreate_home = false";
    let bench = without_ann(text).free_uid(1500).group("users", 100, &[], &[]);
    let created = change(bench.group("docker", 998, &[], &[]).group("adm", 4, &[], &[]).plan());
    assert_eq!(
        script(&created),
        recorded_without_home(
            "useradd -u 1500 -g users -G 'adm,docker' -d /srv/ann -s /bin/bash -c 'Ann Other' -M -- ann"
        )
    );
    assert_eq!(attribute_after(&created, "groups"), Attribute::known("adm, docker"));
    let member = created.effects.iter().any(|effect| {
        matches!(effect, Effect::Set(FactKey::Group(name), Fact::Group(GroupFact::Present(group)))
            if name == "docker" && group.members.contains("ann"))
    });
    assert!(member, "later operations see the member: {:?}", created.effects);
}

#[test]
fn system_users_get_no_home_directory_and_existing_groups_are_used() {
    let created = changes(without_ann("user = 'ann'\nsystem = true").plan());
    assert_eq!(named(&created), ["user ann", "group ann"]);
    assert_eq!(script(&created[0]), recorded_without_home("useradd -r -U -M -- ann"));
    let created = changes(without_ann(ANN).group("ann", 1000, &[], &[]).plan());
    assert_eq!(named(&created), ["user ann", "directory /home/ann"]);
    assert_eq!(script(&created[0]), recorded("useradd -g ann -m -- ann"));
    let created = changes(
        without_ann(ANN)
            .account_defaults(false)
            .group("users", 100, &[], &[])
            .plan(),
    );
    assert_eq!(script(&created[0]), recorded("useradd -g users -m -- ann"));
    let created = changes(without_ann(ANN).directory("/home/ann").plan());
    assert_eq!(
        named(&created),
        ["user ann", "group ann"],
        "the home directory exists already"
    );
}

#[test]
fn a_user_as_wanted_is_unchanged() {
    assert_eq!(ann(ANN).plan(), Ok(Outcome::Unchanged));
    let text = "user = 'ann'\nuid = 1000\ngroup = 'ann'\ngroups = ['adm']\nhome = '/home/ann'\nshell = '/bin/sh'";
    assert_eq!(ann(text).plan(), Ok(Outcome::Unchanged));
    assert_eq!(ann("user = 'ann'\ncreate_home = true").plan(), Ok(Outcome::Unchanged));
}

#[test]
fn a_new_shell_has_to_be_there() {
    const ZSH: &str = "user = 'ann'\nshell = '/usr/bin/zsh'";
    for bench in [without_ann(ZSH), ann(ZSH)] {
        let mistake = refusal(bench.absent("/usr/bin/zsh").plan());
        assert_eq!(mistake.title, "unknown program `/usr/bin/zsh`");
    }
    let changed = change(ann(ZSH).absent("/usr/bin/zsh").package_may_create().plan());
    assert_eq!(script(&changed), "usermod -s /usr/bin/zsh -- ann");
    // Who has it already keeps it.
    assert_eq!(ann("user = 'ann'\nshell = '/bin/sh'").plan(), Ok(Outcome::Unchanged));
}

#[test]
fn only_what_differs_is_changed() {
    let changed = change(ann("user = 'ann'\nshell = '/bin/bash'\ngroups = ['docker']").plan());
    assert_eq!(script(&changed), "usermod -s /bin/bash -G docker -- ann");
    assert!(matches!(&changed.before, Before::Present(before) if before["groups"] == Attribute::known("adm")));
    assert_eq!(attribute_after(&changed, "groups"), Attribute::known("docker"));
    let changed = change(ann("user = 'ann'\ngroups = ['docker']\nappend = true").plan());
    assert_eq!(script(&changed), "usermod -a -G docker -- ann");
    assert_eq!(attribute_after(&changed, "groups"), Attribute::known("adm, docker"));
    let changed = change(ann("user = 'ann'\ngroups = []").plan());
    assert_eq!(script(&changed), "usermod -G '' -- ann");
}

#[test]
fn a_missing_home_directory_is_created_only_on_request() {
    assert_eq!(ann(ANN).absent("/home/ann").plan(), Ok(Outcome::Unchanged));
    let created = change(ann("user = 'ann'\ncreate_home = true").absent("/home/ann").plan());
    assert_eq!(named(std::slice::from_ref(&created)), ["directory /home/ann"]);
    assert_eq!(attribute_after(&created, "owner"), Attribute::known("ann"));
}

#[test]
fn owners_are_not_changed_below_a_directory_of_another_user() {
    let at = |text: &str, home: &str| {
        let user = crate::facts::account::User {
            uid: Known::Yes(1000),
            group: Known::Yes("ann".to_owned()),
            home: Known::Yes(home.to_owned()),
            shell: Known::Yes("/bin/sh".to_owned()),
            comment: Known::Yes(String::new()),
            groups: ["adm".to_owned()].into(),
            elsewhere: None,
        };
        ann(text)
            .fact(FactKey::User("ann".to_owned()), Fact::User(UserFact::Present(user)))
            .group("users", 100, &[], &[])
            .free_uid(1500)
            .fact(
                FactKey::Path("/home/bob".to_owned()),
                inode(InodeKind::Directory, "bob", 0o755),
            )
            .directory("/home/bob/ann")
            .absent("/home/bob/none")
    };
    for (parameter, place) in [("uid = 1500", "t.toml:2:7"), ("group = 'users'", "t.toml:2:9")] {
        let text = format!("user = 'ann'\n{parameter}");
        assert_eq!(
            refusal(at(&text, "/home/bob/ann").plan()).to_string(),
            format!("{place}: other users can change the directory of `/home/bob/ann`")
        );
        for home in ["/home/ann", "/home/bob/none"] {
            let changed = change(at(&text, home).plan());
            assert!(script(&changed).starts_with("usermod "), "{home}");
            let is_expected = changed.expect.iter().any(|one| matches!(one, Expect::ResolvedPath(_)));
            assert_eq!(is_expected, home == "/home/ann", "{home}");
        }
    }
    // Nothing in the home directory is changed.
    let comment = change(at("user = 'ann'\ncomment = 'x'", "/home/bob/ann").plan());
    assert_eq!(script(&comment), "usermod -c x -- ann");
}

#[test]
fn an_unwanted_user_is_removed_with_its_group_and_files_are_kept() {
    let text = "user = 'ann'\npresent = false";
    assert_eq!(without_ann(text).plan(), Ok(Outcome::Unchanged));
    let removed = changes(ann(text).plan());
    assert_eq!(named(&removed), ["user ann", "group ann"]);
    assert!(removed.iter().all(|change| change.risk == Risk::Removal));
    assert_eq!(script(&removed[0]), "userdel -- ann");
    let removed = changes(ann(text).group("ann", 1000, &["bob"], &["ann"]).plan());
    assert_eq!(named(&removed), ["user ann"], "another user is in the group");
    let with_home = ann("user = 'ann'\npresent = false\nremove_home = true");
    assert_eq!(
        refusal(with_home.plan()).to_string(),
        "t.toml:3:15: cannot remove the home directory of `ann`",
        "root owns it"
    );
}

#[test]
fn what_a_package_may_create_is_ensured() {
    let outcome = without_ann(ANN).package_may_create().plan();
    let Ok(Outcome::Ensure { changes, since }) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(since.len(), 1);
    assert!(changes.iter().all(|change| matches!(change.before, Before::Unknown(_))));
    assert!(matches!(attribute_after(&changes[0], "groups"), Attribute::Unknown(_)));
}

/// One character more than Debian's tools take.
const LONG: &str = "ann456789012345678901234567890123";

#[test]
fn refusals_name_what_is_wrong() {
    let refused = |text: &str| {
        let bench = without_ann(text)
            .no_user("root")
            .no_group("docker")
            .no_user(LONG)
            .no_group(LONG);
        refusal(
            bench
                .fact(FactKey::UserNumber(7), Fact::UserNumber(Some("lp".to_owned())))
                .plan(),
        )
    };
    let group = refused("user = 'ann'\ngroups = ['docker']");
    assert_eq!(group.to_string(), "t.toml:2:11: unknown group `docker`");
    assert!(group.hint.is_some_and(|hint| hint.contains("server.group")));
    assert_eq!(
        refused("user = 'ann'\nuid = 7").to_string(),
        "t.toml:2:7: user id 7 is already in use"
    );
    for name in ["-ann", "", "a b", "a:b", "7"] {
        let expected = format!("t.toml:1:8: `{name}` is not a valid user or group name");
        assert_eq!(refused(&format!("user = '{name}'")).to_string(), expected);
    }
    assert_eq!(
        refused(&format!("user = '{LONG}'")).to_string(),
        format!("t.toml:1:8: `{LONG}` is not a valid name for a new user or group")
    );
    assert_eq!(
        refused("user = 'ann'\ncomment = 'a:b'").to_string(),
        "t.toml:2:11: `comment` must not contain `:` or a line break"
    );
    let superuser = Bench::new::<User>("user = 'root'\npresent = false").user("root", 0, "root", &[]);
    assert_eq!(
        refusal(superuser.plan()).to_string(),
        "t.toml:1:8: cannot remove `root`"
    );
}
