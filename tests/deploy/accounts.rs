//! An account and what belongs to it, on an empty host of each Debian: planned in full, made, kept, repaired, and removed.

use crate::deploy::review::{Review, applied};
use crate::support::host::Host;
use crate::support::project::Project;

const BOTH: &str = "[hosts.alpha]\nlab = true\n[hosts.beta]\nlab = { image = 'debian:12' }\n";

const PRESENT: &str = "
[[operation]]
op = 'server.group'
group = 'media'
gid = 1500

[[operation]]
op = 'server.group'
group = 'readers'

[[operation]]
op = 'server.user'
user = 'player'
uid = 1600
group = 'media'
groups = ['readers', 'video']
home = '/srv/player'
shell = '/bin/sh'
comment = 'plays films'

[[operation]]
op = 'server.user'
user = 'guest'

[[operation]]
op = 'files.directory'
path = '/srv/player/etc'
user = 'player'
group = 'media'
mode = '0750'

[[operation]]
op = 'files.template'
src = 'player.conf.j2'
dest = '/srv/player/etc/player.conf'
user = 'player'
group = 'media'
mode = '0640'

[[operation]]
op = 'files.link'
path = '/etc/player.conf'
target = '/srv/player/etc/player.conf'
";

const ABSENT: &str = "
[[operation]]
op = 'files.link'
path = '/etc/player.conf'
present = false

[[operation]]
op = 'files.file'
path = '/srv/player/etc/player.conf'
present = false

[[operation]]
op = 'server.user'
user = 'player'
present = false
remove_home = true

[[operation]]
op = 'server.user'
user = 'guest'
present = false
remove_home = true

[[operation]]
op = 'server.group'
group = 'media'
present = false

[[operation]]
op = 'server.group'
group = 'readers'
present = false
";

const TEMPLATE: &str = "host={{ host.name }}\nscreens={{ screens | join(',') }}\n";

pub(crate) fn project(task: &str) -> Project {
    let project = Project::with_task(task);
    project.write("inventories/dev.toml", BOTH);
    project.write("group_data/all.toml", "screens = ['left', 'right']\n");
    project.write("deploys/all.toml", "hosts = ['*']\ntasks = ['test/files']\n");
    project.write("templates/player.conf.j2", TEMPLATE);
    project
}

/// Both hosts, the newer Debian first.
pub(crate) fn both(project: &Project) -> [Host<'_>; 2] {
    let newer = project.up("dev", "alpha");
    [newer, Host::of(project, "dev", "beta")]
}

#[track_caller]
fn dry_run(project: &Project, code: i32) -> String {
    let arguments = ["deploy", "dev", "all", "--dry-run", "--detailed-exitcode"];
    project.homelab(&arguments).expect(code).stdout
}

#[track_caller]
fn nothing_is_left_to_do(project: &Project) {
    dry_run(project, 0);
    let again = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
}

/// What stands behind the mark of each resource of the review, on both hosts; the first is that of `alpha`.
#[track_caller]
fn reviewed(review: &str) -> Vec<String> {
    let mut resources = Review(review).resources();
    // What is equal on both is told once.
    if !review.contains("the same on alpha, beta") {
        let of_beta = resources.split_off(resources.len() / 2);
        assert_eq!(resources, of_beta, "{review}");
    }
    resources
}

/// Applies; what was applied is what the review said, on each host.
#[track_caller]
fn apply(project: &Project, review: &[String]) {
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    let mut applied = applied(&ran.stdout);
    let mut promised: Vec<String> = [review, review]
        .concat()
        .iter()
        .map(|one| one[2..].to_owned())
        .collect();
    applied.sort();
    promised.sort();
    assert_eq!(applied, promised, "{}", ran.stdout);
}

/// In the host's own words.
fn is_made(host: &Host<'_>) {
    assert_eq!(
        host.inside("getent passwd player"),
        "player:x:1600:1500:plays films:/srv/player:/bin/sh\n"
    );
    assert_eq!(host.inside("id -u player"), "1600\n");
    let groups = host.inside("id -Gn player | tr ' ' '\\n' | sort");
    assert_eq!(groups, "media\nreaders\nvideo\n");
    assert_eq!(host.inside("getent group media"), "media:x:1500:\n");
    assert_eq!(
        host.inside("id -gn guest; stat -c '%U %G %F' /home/guest"),
        "guest\nguest guest directory\n"
    );
    assert!(host.is("cmp /etc/skel/.profile /home/guest/.profile"));
    let owned = "stat -c '%a %U %G %F' /srv/player/etc /srv/player/etc/player.conf";
    assert_eq!(
        host.inside(owned),
        "750 player media directory\n640 player media regular file\n"
    );
    assert_eq!(
        host.inside("readlink /etc/player.conf"),
        "/srv/player/etc/player.conf\n"
    );
    let name = host.inside("sed -n s/^host=//p /etc/player.conf");
    assert!(["alpha\n", "beta\n"].contains(&name.as_str()), "{name}");
    assert_eq!(host.inside("tail -n 1 /etc/player.conf"), "screens=left,right\n");
    // The user itself can read it, and a stranger cannot.
    assert!(host.is("setpriv --reuid player --regid nogroup --clear-groups cat /etc/player.conf"));
    assert!(!host.is("setpriv --reuid nobody --regid nogroup --clear-groups cat /etc/player.conf"));
}

#[test]
fn an_account_with_its_files_is_made_mended_and_removed() {
    let project = project(PRESENT);
    let hosts = both(&project);
    let empty: Vec<String> = hosts.iter().map(accounts).collect();
    let review = dry_run(&project, 2);
    let all = [
        "+ group media",
        "+ group readers",
        "+ user player",
        "+ directory /srv/player",
        "+ user guest",
        "+ group guest",
        "+ directory /home/guest",
        "+ directory /srv/player/etc",
        "+ file /srv/player/etc/player.conf",
        "+ link /etc/player.conf",
    ];
    assert_eq!(reviewed(&review), all, "complete, without a `?`: {review}");
    let before: Vec<String> = hosts.iter().map(accounts).collect();
    assert_eq!(before, empty, "the dry run");
    apply(&project, &all.map(str::to_owned));
    hosts.iter().for_each(is_made);
    nothing_is_left_to_do(&project);

    drift_is_shown_and_mended(&project, &hosts);

    project.write("tasks/test/files.toml", ABSENT);
    let gone = reviewed(&dry_run(&project, 2));
    let expected = [
        "- link /etc/player.conf",
        "- file /srv/player/etc/player.conf",
        "- user player",
        "- directory /srv/player",
        "- user guest",
        "- group guest",
        "- directory /home/guest",
        "- group media",
        "- group readers",
    ];
    assert_eq!(gone, expected);
    apply(&project, &gone);
    for (host, empty) in hosts.iter().zip(&empty) {
        assert_eq!(accounts(host), *empty);
        assert!(host.is("[ ! -e /srv/player ] && [ ! -e /home/guest ] && [ ! -L /etc/player.conf ]"));
    }
    nothing_is_left_to_do(&project);
}

fn drift_is_shown_and_mended(project: &Project, hosts: &[Host<'_>]) {
    for host in hosts {
        for line in [
            "usermod -s /bin/false player",
            "gpasswd -d player readers",
            "chmod 0777 /srv/player/etc",
            "ln -sfn /dev/null /etc/player.conf",
        ] {
            host.inside(line);
        }
    }
    let review = dry_run(project, 2);
    let expected = [
        "~ user player",
        "~ directory /srv/player/etc",
        "~ link /etc/player.conf",
    ];
    assert_eq!(reviewed(&review), expected, "{review}");
    for part in [
        "groups video → readers, video, shell /bin/false → /bin/sh",
        "mode 0777 → 0750",
        "target /dev/null → /srv/player/etc/player.conf",
    ] {
        assert!(review.contains(part), "no `{part}` in:\n{review}");
    }
    apply(project, &expected.map(str::to_owned));
    hosts.iter().for_each(is_made);
    nothing_is_left_to_do(project);

    // A group's number: what it owns has no name meanwhile.
    for host in hosts {
        host.inside("groupmod -g 1999 media");
    }
    let review = dry_run(project, 2);
    let group = reviewed(&review);
    assert_eq!(group.first().map(String::as_str), Some("~ group media"), "{review}");
    assert!(review.contains("gid 1999 → 1500"), "{review}");
    apply(project, &group);
    hosts.iter().for_each(is_made);
    nothing_is_left_to_do(project);
}

/// Users, groups and their passwords' state, as the host's own database functions give them.
pub(crate) fn accounts(host: &Host<'_>) -> String {
    host.inside("getent passwd; getent group; getent gshadow; getent shadow | cut -d : -f 1,2")
}

#[test]
fn a_user_whose_home_cannot_be_made_is_made_by_the_next_run() {
    let project = project(
        "[[operation]]\nop = 'server.shell'\ncommands = ['mount -o remount,ro /srv/ro', 'rm /srv/later']\nonly_if = 'test -e /srv/later'\n\
         touches = ['/srv/other']\n\n[[operation]]\nop = 'server.user'\nuser = 'ro'\nhome = '/srv/ro/ro'\n",
    );
    let hosts = both(&project);
    let nothing_is_made = || {
        for host in &hosts {
            assert!(
                !host.is("getent passwd ro || getent group ro"),
                "nothing is made by halves"
            );
            host.inside("mount -o remount,rw /srv/ro");
        }
    };
    for host in &hosts {
        host.inside("mkdir /srv/ro && mount -t tmpfs -o ro,mode=755 none /srv/ro");
    }
    let refused = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(3);
    assert!(refused.stderr.contains("read-only"), "{}", refused.stderr);
    nothing_is_made();
    // And if that comes about after the review.
    for host in &hosts {
        host.inside("touch /srv/later");
    }
    let failed = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1);
    assert!(failed.stdout.contains("Read-only file system"), "{}", failed.stdout);
    nothing_is_made();
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    for host in &hosts {
        assert_eq!(host.inside("stat -c '%U:%G' /srv/ro/ro/.profile"), "ro:ro\n");
    }
    nothing_is_left_to_do(&project);
}
