//! Backups of stacks: made, kept, copied away and restored on a host, and what is said if one fails.

use crate::deploy::people::{inventory, settle};
use crate::support::host::Host;
use crate::support::project::{Project, Ran};

/// `beta` is a backup server once it is in that group.
const INVENTORY: &str = "[hosts.alpha]
lab = { image = 'debian:13-docker', registry = true }
groups = ['services']
[hosts.beta]
lab = { image = 'debian:13' }
groups = []
";
const DEPLOY: &str = "hosts = ['alpha']
tasks = [
  'docker/backups',
  { task = 'test/stack', for_each = 'stacks', vars = { stack = '{{ item }}' } },
]
";
const TASK: &str = "required = ['vars.stack']
[[operation]]
op = 'docker.compose'
stack = '{{ vars.stack }}'
within = '1m'

[[operation]]
include = 'docker/backup'
vars = { stack = '{{ vars.stack }}' }
when = 'catalogue[vars.stack].backup is not none'
";
const DATA: &str = "stacks_path = '/opt/stacks'
stacks = ['notes', 'database', 'plain']
[backups]
path = '/var/backups/stacks'
copy = ['sh', '-c', 'mkdir -p /srv/copies/$STACK && cp $FILE /srv/copies/$STACK']
alert = ['sh', '-c', 'cat >/srv/alert']
[backups.server]
path = '/srv/backup-copies'
days = 60
keep = 2
";
const NOTES: &str = "services:
  app: { image: 'busybox:1.37', command: [sleep, infinity], init: true, volumes: ['data:/data'] }
volumes: { data: }
";
/// A note that says `fail` is one that cannot be backed up.
const NOTES_STACK: &str = r#"[backup]
service = "app"
command = ["sh", "-c", "if grep -q fail /data/note; then echo no note today >&2; exit 7; fi; tar -C /data -c ."]
restore = ["tar", "-C", "/data", "-x"]
keep = 2
at = "01:10"
"#;
const DATABASE: &str = "services:
  db:
    image: postgres:17
    environment: { POSTGRES_PASSWORD: geheim, POSTGRES_DB: papers }
    volumes: ['data:/var/lib/postgresql/data']
    healthcheck: { test: [CMD, pg_isready, -U, postgres, -h, 127.0.0.1], interval: 1s, start_period: 30s }
volumes: { data: }
";
const DATABASE_STACK: &str = r#"[backup]
service = "db"
command = ["pg_dump", "-U", "postgres", "--clean", "--if-exists", "papers"]
restore = ["psql", "-U", "postgres", "-d", "papers", "-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null"]
restart = []
"#;

/// The tasks and templates are those of this repository.
fn project() -> Project {
    let project = Project::of(&[
        ("inventories/dev.toml", INVENTORY),
        ("deploys/all.toml", DEPLOY),
        ("tasks/test/stack.toml", TASK),
        ("group_data/all.toml", DATA),
        ("group_data/services.toml", ""),
        ("templates/services/notes/compose.yaml", NOTES),
        ("templates/services/notes/stack.toml", NOTES_STACK),
        ("templates/services/database/compose.yaml", DATABASE),
        ("templates/services/database/stack.toml", DATABASE_STACK),
        ("templates/services/plain/compose.yaml", &NOTES.replace("app", "plain")),
    ]);
    for file in [
        "tasks/docker/backups.toml",
        "tasks/docker/backup.toml",
        "templates/backup/homelab-backup",
        "templates/backup/homelab-alert.j2",
        "templates/backup/backups.conf.j2",
        "templates/backup/stack.j2",
        "templates/backup/homelab-backup-copy",
        "templates/backup/homelab-backup-receive",
        "templates/backup/authorized_keys.j2",
        "templates/backup/known-hosts.j2",
        "templates/backup/receive.conf.j2",
        "templates/backup/servers.j2",
        "tasks/backup/key.toml",
        "tasks/backup/receive.toml",
        "tasks/backup/send.toml",
    ] {
        let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        project.write(file, std::fs::read(own).unwrap());
    }
    project
}

fn deploy(project: &Project, more: &[&str]) -> Ran {
    project
        .homelab(&[&["deploy", "dev", "all", "--yes"], more].concat())
        .expect(0)
}

fn backup(project: &Project, arguments: &[&str]) -> Ran {
    let (command, rest) = arguments.split_first().unwrap();
    project.homelab(&[&["backup", command, "dev", "alpha"], rest].concat())
}

/// The names of the backups of a stack, by the host itself.
fn names(host: &Host<'_>, stack: &str) -> Vec<String> {
    let listed = host.inside(&format!("ls /var/backups/stacks/{stack}"));
    listed
        .lines()
        .map(|name| name.trim_end_matches(".gz").to_owned())
        .collect()
}

fn note(host: &Host<'_>, text: &str) {
    host.inside(&format!("docker exec notes-app-1 sh -c 'echo {text} >/data/note'"));
}

fn metric(host: &Host<'_>, name: &str) -> String {
    let line = format!("sed -n 's/^{name}{{stack=\"notes\"}} //p' /var/lib/prometheus/node-exporter/*notes.prom");
    host.inside(&line).trim().to_owned()
}

#[test]
fn backups_are_made_kept_copied_and_restored() {
    let project = project();
    let host = project.up("dev", "alpha");
    host.inside("mkdir -p /var/lib/prometheus/node-exporter");
    let refused = backup(&project, &["list"]).expect(3);
    assert!(refused.stderr.contains("no backups are set up"), "{}", refused.stderr);
    deploy(&project, &[]);
    assert!(deploy(&project, &[]).stdout.contains("nothing to do"));
    let timer = host.inside("systemctl list-timers --all backup-notes.timer");
    assert!(timer.contains("01:10:00"), "{timer}");
    assert_eq!(
        host.inside("stat -c %a /var/backups/stacks /etc/homelab/backups/notes"),
        "700\n600\n"
    );

    note(&host, "one");
    let made = backup(&project, &["run", "notes"]).expect(0);
    let first = names(&host, "notes").remove(0);
    assert!(
        made.stdout.starts_with(&format!("alpha: made {first}.gz (")),
        "{}",
        made.stdout
    );
    assert_eq!(
        host.inside("cd /var/backups/stacks && stat -c %a notes notes/*"),
        "700\n600\n"
    );
    assert_eq!(
        host.inside("gzip -dc /var/backups/stacks/notes/*.gz | tar -xO ./note"),
        "one\n"
    );
    assert_eq!(metric(&host, "homelab_backup_success"), "1");
    let listed = backup(&project, &["list"]).expect(0);
    assert!(
        listed.stdout.contains(&format!("  notes  {first}  ")),
        "{}",
        listed.stdout
    );
    let json = backup(&project, &["list", "notes", "--format", "json"])
        .expect(0)
        .stdout;
    assert!(json.contains(&format!("\"name\": \"{first}\"")), "{json}");

    // A later one, and a third: the oldest goes, and each has a copy.
    note(&host, "two");
    backup(&project, &["run", "notes"]).expect(0);
    note(&host, "three");
    backup(&project, &["run", "notes"]).expect(0);
    let kept = names(&host, "notes");
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(!kept.contains(&first), "{kept:?}");
    assert_eq!(host.inside("ls /srv/copies/notes | wc -l"), "3\n");

    // The newest, then one by its name; the service gets its data back with a restart.
    let started = "docker inspect -f '{{.State.StartedAt}}' notes-app-1";
    let before = host.inside(started);
    note(&host, "lost");
    let asked = backup(&project, &["restore", "notes"]).expect(3);
    assert!(asked.stderr.contains("use `--yes`"), "{}", asked.stderr);
    assert_eq!(host.inside("docker exec notes-app-1 cat /data/note"), "lost\n");
    let restored = backup(&project, &["restore", "notes", "--yes"]).expect(0);
    assert!(
        restored.stdout.contains("alpha: restarted app\n"),
        "{}",
        restored.stdout
    );
    assert_eq!(host.inside("docker exec notes-app-1 cat /data/note"), "three\n");
    assert_ne!(host.inside(started), before);
    backup(&project, &["restore", "notes", "--from", &kept[0], "--yes"]).expect(0);
    assert_eq!(host.inside("docker exec notes-app-1 cat /data/note"), "two\n");
    assert!(deploy(&project, &[]).stdout.contains("nothing to do"));

    wrong_names(&project);
    what_fails(&project, &host, &kept);
    a_database(&project, &host);
    as_a_user(&project, &host);
    on_a_second_host(&project, &host);
    leaving(&project, &host);
}

fn wrong_names(project: &Project) {
    for (arguments, expected) in [
        (&["run", "notse"][..], "did you mean `notes`?"),
        (&["run", "plain"], "the stack `plain` has no `[backup]`"),
        (
            &["restore", "plain", "--yes"],
            "add it to `templates/services/plain/stack.toml`",
        ),
        (
            &["restore", "notes", "--from", "2020-01-01T00-00-00Z", "--yes"],
            "unknown backup",
        ),
        (
            &["restore", "database", "--yes"],
            "homelab backup run dev alpha database",
        ),
    ] {
        let ran = backup(project, arguments).expect(3);
        assert!(ran.stderr.contains(expected), "{arguments:?}: {}", ran.stderr);
    }
    let ran = project.homelab(&["backup", "list", "dev", "alhpa"]).expect(3);
    assert!(ran.stderr.contains("did you mean `alpha`?"), "{}", ran.stderr);
}

/// The command, its output, the copy and the file: a failure is told, and the old backups stay.
fn what_fails(project: &Project, host: &Host<'_>, kept: &[String]) {
    let succeeded = metric(host, "homelab_backup_last_success_timestamp_seconds");
    assert!(succeeded.parse::<u64>().unwrap() > 1_700_000_000, "{succeeded}");
    note(host, "fail");
    let failed = backup(project, &["run", "notes"]).expect(1);
    assert!(failed.stderr.contains("no note today"), "{}", failed.stderr);
    assert!(failed.stderr.contains("ended with 7"), "{}", failed.stderr);
    host.wait_until("grep -q 'no note today' /srv/alert", std::time::Duration::from_secs(20));
    assert!(
        host.inside("head -1 /srv/alert")
            .starts_with("backup-notes.service failed on ")
    );
    assert_eq!(metric(host, "homelab_backup_success"), "0");
    assert_eq!(metric(host, "homelab_backup_last_success_timestamp_seconds"), succeeded);
    assert_eq!(names(host, "notes"), kept, "the good ones stay");
    assert!(!host.is("ls -A /var/backups/stacks/notes | grep unfinished"));

    // What stays of a run that was cut off goes with the next one.
    host.inside("mkdir /var/backups/stacks/notes/.unfinished; echo x >/var/backups/stacks/notes/.unfinished/backup.gz");
    note(host, "four");
    host.inside("mv /srv/copies /srv/gone; touch /srv/copies");
    let failed = backup(project, &["run", "notes"]).expect(1);
    assert!(failed.stderr.contains("`backups.copy`"), "{}", failed.stderr);
    assert_eq!(names(host, "notes")[0], kept[1], "the backup itself was made");
    assert!(!host.is("ls -A /var/backups/stacks/notes | grep unfinished"));
    host.inside("rm /srv/copies; mv /srv/gone /srv/copies");

    // A full disk.
    host.inside("mount -t tmpfs -o size=64k none /mnt && cp -a /var/backups/stacks/notes /mnt && mount --bind /mnt/notes /var/backups/stacks/notes");
    let before = names(host, "notes");
    host.inside("docker exec notes-app-1 dd if=/dev/urandom of=/data/large bs=1k count=300");
    backup(project, &["run", "notes"]).expect(1);
    assert_eq!(names(host, "notes"), before);
    assert!(!host.is("ls -A /var/backups/stacks/notes | grep unfinished"));
    host.inside("umount /var/backups/stacks/notes /mnt; docker exec notes-app-1 rm /data/large");

    // A damaged file changes nothing.
    host.inside("printf x >/var/backups/stacks/notes/2999-01-01T00-00-00Z.gz");
    let damaged = backup(project, &["restore", "notes", "--yes"]).expect(1);
    assert!(damaged.stderr.contains("damaged"), "{}", damaged.stderr);
    host.inside("rm /var/backups/stacks/notes/2999*");
    assert_eq!(host.inside("docker exec notes-app-1 cat /data/note"), "four\n");

    // While a deploy holds the host.
    host.start(
        "exec 9>>/run/homelab.lock; flock 9; echo anna@desk >/run/homelab.lock; echo $$ >/run/held; exec sleep 300",
    );
    host.wait_until("test -s /run/held", std::time::Duration::from_secs(20));
    let locked = backup(project, &["restore", "notes", "--yes"]).expect(5);
    assert!(locked.stderr.contains("anna@desk"), "{}", locked.stderr);
    host.inside("kill $(cat /run/held)");

    // systemd refuses a sixth start within ten seconds; one that is asked for is made all the same.
    host.inside("for start in 1 2 3 4 5 6 7; do systemctl start backup-notes.service; done 2>/dev/null || true");
    backup(project, &["run", "notes"]).expect(0);
    // One that cannot start tells why, not what an earlier one said.
    host.inside("cd /etc/systemd/system; mv backup-notes.service /root; systemctl daemon-reload");
    let gone = backup(project, &["run", "notes"]).expect(1);
    assert!(gone.stderr.contains("not found"), "{}", gone.stderr);
    assert!(!gone.stderr.contains("made "), "{}", gone.stderr);
    host.inside("mv /root/backup-notes.service /etc/systemd/system; systemctl daemon-reload");
}

/// The real server: what was there before the backup is there again, and nothing else.
fn a_database(project: &Project, host: &Host<'_>) {
    let sql = |line: &str| {
        host.inside(&format!(
            "docker exec database-db-1 psql -U postgres -d papers -Atqc \"{line}\""
        ))
    };
    sql("create table papers (title text); insert into papers values ('invoice'), ('contract')");
    backup(project, &["run", "database"]).expect(0);
    sql("delete from papers; insert into papers values ('wrong')");
    let restored = backup(project, &["restore", "database", "--yes"]).expect(0);
    assert!(!restored.stdout.contains("restarted"), "{}", restored.stdout);
    assert_eq!(sql("select title from papers order by 1"), "contract\ninvoice\n");
}

/// As on a machine that one logs in to as a user with `sudo`.
fn as_a_user(project: &Project, host: &Host<'_>) {
    let in_people = |arguments: &[&str]| project.homelab(&[&["backup"], arguments].concat());
    settle(host, project, "");
    let denied = in_people(&["list", "people", "alpha"]).expect(3);
    assert!(denied.stderr.contains("become = \"sudo\""), "{}", denied.stderr);
    host.inside("echo 'anna ALL=(root) NOPASSWD: ALL' >/etc/sudoers.d/anna");
    inventory(host, project, "become = 'sudo'");
    in_people(&["run", "people", "alpha", "database"]).expect(0);
    in_people(&["restore", "people", "alpha", "database", "--yes"]).expect(0);
    let listed = in_people(&["list", "people", "alpha", "database"]).expect(0);
    assert!(listed.stdout.contains("alpha (2 backups)"), "{}", listed.stdout);
}

/// Each backup is on the backup server too, byte for byte, and the key of the host can do nothing else there.
fn on_a_second_host(project: &Project, host: &Host<'_>) {
    let server = &Host::of(project, "dev", "beta");
    project.write("inventories/dev.toml", INVENTORY.replace("[]", "['backup_servers']"));
    project.write("group_data/backup_servers.toml", "");
    let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("deploys/backups.toml");
    project.write("deploys/backups.toml", std::fs::read(own).unwrap());
    // Names of lab hosts are not known to each other.
    host.inside(&format!("echo '{} beta' >>/etc/hosts", server.address()));
    deploy(project, &[]);
    let unknown = backup(project, &["run", "notes"]).expect(1);
    assert!(
        unknown.stderr.contains("run the deploy `backups`"),
        "{}",
        unknown.stderr
    );

    project.homelab(&["deploy", "dev", "backups", "--yes"]).expect(0);
    let again = project.homelab(&["deploy", "dev", "backups", "--yes"]).expect(0);
    assert!(again.stdout.contains("nothing to do on 2 hosts"), "{}", again.stdout);
    assert!(deploy(project, &[]).stdout.contains("nothing to do"));
    assert_eq!(host.inside("stat -c %a /etc/homelab/backup-key"), "600\n");

    // The new one, and the one whose copy failed.
    backup(project, &["run", "notes"]).expect(0);
    let digests = "sha256sum *.gz | sort";
    let here = format!("cd /var/backups/stacks/notes && {digests}");
    let there = format!("cd /srv/backup-copies/alpha/notes && {digests}");
    assert_eq!(host.inside(&here).lines().count(), 2);
    assert_eq!(host.inside(&here), server.inside(&there));
    assert_eq!(
        server.inside("cd /srv/backup-copies && stat -c '%a %U' . alpha alpha/notes alpha/notes/*.gz | sort -u"),
        "600 homelab-backup\n700 homelab-backup\n"
    );
    let listed = backup(project, &["list", "notes"]).expect(0);
    assert_eq!(listed.stdout.matches("copy on beta").count(), 2, "{}", listed.stdout);

    let ssh = "ssh -F none -i /etc/homelab/backup-key -o BatchMode=yes -o UserKnownHostsFile=/etc/homelab/backup-known-hosts \
               -o HostKeyAlias=beta homelab-backup@beta";
    let (taken, empty) = (
        names(host, "notes").remove(0),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    );
    for (command, expected) in [
        ("cat /etc/passwd", "are taken"),
        ("list ../../etc", "not the name of a stack"),
        ("put notes ../x.gz 00", "not the name of a backup"),
        ("put notes 2020-01-01T00-00-00Z.gz 00", "did not arrive whole"),
        (&format!("put notes {taken}.gz {empty}"), "already"),
    ] {
        let ran = host.try_inside(&format!("{ssh} '{command}' </dev/null"));
        let said = crate::support::project::text(&ran.stderr);
        assert!(!ran.status.success() && said.contains(expected), "{command}: {said}");
    }
    assert_eq!(
        host.inside(&here),
        server.inside(&there),
        "nothing more, and nothing else"
    );
    assert!(!server.is("ls -A /srv/backup-copies/alpha/notes | grep unfinished"));

    // A server that takes none: the run fails and says so, and the next one makes up for it.
    server.inside("chmod 0 /srv/backup-copies");
    host.inside("rm /srv/alert");
    let failed = backup(project, &["run", "notes"]).expect(1);
    assert!(failed.stderr.contains("was not copied to beta"), "{}", failed.stderr);
    host.wait_until(
        "grep -q 'not copied to beta' /srv/alert",
        std::time::Duration::from_secs(20),
    );
    assert_eq!(metric(host, "homelab_backup_success"), "0");
    server.inside("chmod 700 /srv/backup-copies; touch -d '61 days ago' /srv/backup-copies/alpha/notes/*.gz");
    backup(project, &["run", "notes"]).expect(0);
    // What is too old goes when the next ones are taken.
    assert_eq!(host.inside(&here), server.inside(&there));
    old_copies(host, server, ssh);
}

/// The newest two stay however old they are, by when they came and not by name, and one that was cut off harms no copy.
fn old_copies(host: &Host<'_>, server: &Host<'_>, ssh: &str) {
    let folder = "cd /srv/backup-copies/alpha/shop";
    let put = |year: &str| {
        let digest = format!("printf {year} | sha256sum | cut -d' ' -f1");
        host.inside(&format!(
            "printf {year} | {ssh} put shop {year}-01-01T00-00-00Z.gz $({digest})"
        ));
        server.inside(&format!("{folder} && head -c 9 *.gz"))
    };
    for year in ["2001", "2099", "2002"] {
        put(year);
        server.inside(&format!("{folder} && touch -d '61 days ago' {year}*"));
    }
    // Between the second name and the removal of the first.
    server.inside(&format!("{folder} && ln 2002* .unfinished"));
    let kept = put("2003");
    assert!(kept.contains("\n2002") && kept.contains("\n2003"), "{kept}");
    assert_eq!(kept.matches("==>").count(), 2, "{kept}");
}

/// A stack that leaves the list: its timer goes with `--prune`, its backups stay.
fn leaving(project: &Project, host: &Host<'_>) {
    project.write("group_data/all.toml", DATA.replace("'notes', ", ""));
    let pruned = deploy(project, &["--prune"]);
    assert!(pruned.stdout.contains("backup-notes.timer"), "{}", pruned.stdout);
    assert!(!host.is("ls /etc/systemd/system /etc/homelab/backups | grep notes"));
    assert!(!host.is("systemctl list-timers --all | grep backup-notes"));
    let left = backup(project, &["list", "notes"]).expect(0);
    assert!(left.stdout.contains("alpha (2 backups)"), "{}", left.stdout);
    let gone = backup(project, &["restore", "notes", "--yes"]).expect(3);
    assert!(gone.stderr.contains("is not backed up on this host"), "{}", gone.stderr);
    // The next backup of any stack forgets its metric.
    backup(project, &["run", "database"]).expect(0);
    assert!(!host.is("ls /var/lib/prometheus/node-exporter | grep notes"));
    assert!(deploy(project, &[]).stdout.contains("nothing to do"));
}
