//! Mistakes in the project or on the command line: each is told with its place and a way out, and no host hears of it.

use std::io::ErrorKind;
use std::net::TcpListener;

use crate::support::project::Project;

/// A project whose host is a port of this machine that must not be connected to.
pub(crate) struct Guarded {
    pub(crate) project: Project,
    door: TcpListener,
}

const DEPLOY: &str = "hosts = ['alpha']\ntasks = ['test/files']\n";
const TASK: &str = "[[operation]]\nop = 'files.put'\ndest = '/etc/motd'\ncontent = 'x'\n";

impl Guarded {
    pub(crate) fn new() -> Self {
        let door = TcpListener::bind("127.0.0.1:0").unwrap();
        door.set_nonblocking(true).unwrap();
        let guarded = Self {
            project: Project::of(&[("deploys/all.toml", DEPLOY), ("tasks/test/files.toml", TASK)]),
            door,
        };
        guarded.project.write("inventories/dev.toml", guarded.inventory(""));
        guarded
    }

    /// The inventory with `more` among the settings of its only host.
    pub(crate) fn inventory(&self, more: &str) -> String {
        let port = self.door.local_addr().unwrap().port();
        format!("[connection]\nport = {port}\n\n[hosts.alpha]\naddress = '127.0.0.1'\n{more}")
    }

    /// Runs the tool, which must find a mistake before it goes to any host, and say `expected`.
    #[track_caller]
    pub(crate) fn refuses(&self, arguments: &[&str], expected: &[&str]) {
        let ran = self.project.homelab(arguments).expect(3);
        for part in expected {
            assert!(ran.stderr.contains(part), "no `{part}` in:\n{}", ran.stderr);
        }
        assert_eq!(ran.stdout, "", "reports go to stdout, mistakes to stderr");
        assert!(!self.was_knocked_at(), "{arguments:?}: a connection was made");
    }

    fn was_knocked_at(&self) -> bool {
        match self.door.accept() {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                false
            }
        }
    }
}

const DRY_RUN: &[&str] = &["deploy", "dev", "all", "--dry-run"];

#[test]
fn the_door_would_notice_a_connection() {
    let guarded = Guarded::new();
    let mut child = guarded.project.command(DRY_RUN).spawn().unwrap();
    let knocked = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        guarded.was_knocked_at()
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(knocked);
}

#[test]
fn a_mistake_in_a_file_is_told_with_its_place_and_what_was_probably_meant() {
    let put = "[[operation]]\nop = 'files.put'\n";
    let cases: &[(&str, String, &[&str])] = &[
        (
            "tasks/test/files.toml",
            format!("{put}dest = '/etc/motd'\ncontnt = 'x'\n"),
            &["contnt", "tasks/test/files.toml:4:1", "did you mean `content`?"],
        ),
        (
            "tasks/test/files.toml",
            "[[operation]]\nop = 'files.putt'\ndest = '/etc/motd'\n".to_owned(),
            &[
                "unknown operation `files.putt`",
                "tasks/test/files.toml:2:6",
                "did you mean `files.put`?",
            ],
        ),
        (
            "tasks/test/files.toml",
            format!("{TASK}\n{put}dest = '/etc/issue'\ncontent = ['x']\n"),
            &["tasks/test/files.toml:9:11", "string"],
        ),
        (
            "tasks/test/files.toml",
            format!("{put}dest = '/etc/motd'\ncontent = \"{{{{ greetng }}}}\"\n"),
            &[
                "`greetng` is undefined",
                "tasks/test/files.toml:4:15",
                "did you mean `greeting`?",
            ],
        ),
        (
            "tasks/test/files.toml",
            format!("{put}dest = '/etc/motd'\nsrc = 'motd.txt'\n"),
            &[
                "`templates/motd.txt` does not exist",
                "tasks/test/files.toml:4:7",
                "did you mean `motd.text`?",
            ],
        ),
        (
            "tasks/test/files.toml",
            format!("{put}dest = 'etc/motd'\ncontent = 'x'\n"),
            &["`etc/motd` is not a valid path", "tasks/test/files.toml:3:8"],
        ),
        (
            "deploys/all.toml",
            "hosts = ['alpha']\ntasks = ['test/file']\n".to_owned(),
            &[
                "unknown task `test/file`",
                "deploys/all.toml:2:10",
                "did you mean `test/files`?",
            ],
        ),
        (
            "deploys/all.toml",
            "hosts = ['alhpa']\ntasks = ['test/files']\n".to_owned(),
            &[
                "`alhpa` matches nothing",
                "deploys/all.toml:1:10",
                "did you mean `alpha`?",
            ],
        ),
        (
            "deploys/all.toml",
            "host = ['alpha']\ntasks = ['test/files']\n".to_owned(),
            &["deploys/all.toml:1:1", "did you mean `hosts`?"],
        ),
        (
            "group_data/al.toml",
            "greeting = 'hello'\n".to_owned(),
            &["group_data/al.toml:1:1", "no host is in group `al`"],
        ),
        (
            "group_data/all.toml",
            "greeting = 'hello\n".to_owned(),
            &["group_data/all.toml:1:"],
        ),
    ];
    for (path, text, expected) in cases {
        let guarded = Guarded::new();
        guarded.project.write("templates/motd.text", "hello\n");
        guarded.project.write("group_data/all.toml", "greeting = 'hello'\n");
        guarded.project.write(path, text);
        guarded.refuses(DRY_RUN, expected);
        guarded.refuses(&["deploy", "dev", "all", "--yes"], expected);
    }
}

#[test]
fn a_mistake_in_the_inventory_is_told_with_its_place() {
    let guarded = Guarded::new();
    guarded
        .project
        .write("inventories/dev.toml", guarded.inventory("adress = '127.0.0.2'\n"));
    guarded.refuses(
        DRY_RUN,
        &["adress", "inventories/dev.toml:6:1", "did you mean `address`?"],
    );
    guarded
        .project
        .write("inventories/dev.toml", guarded.inventory("groups = ['web']\n"));
    guarded.refuses(
        DRY_RUN,
        &[
            "unknown group `web`",
            "inventories/dev.toml:6:11",
            "group_data/web.toml",
        ],
    );
}

#[test]
fn a_mistake_on_the_command_line_is_told_with_what_was_probably_meant() {
    let guarded = Guarded::new();
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["deploy", "dve", "all", "--dry-run"],
            &["unknown inventory `dve`", "inventories/dve.toml", "did you mean `dev`?"],
        ),
        (
            &["deploy", "all", "dev", "--dry-run"],
            &[
                "`all` is a deploy, and `dev` is an inventory",
                "the inventory comes first: `dev all`",
            ],
        ),
        (
            &["deploy", "dev", "al", "--dry-run"],
            &["unknown deploy `al`", "deploys/al.toml", "did you mean `all`?"],
        ),
        (
            &["deploy", "dev", "all", "--dry-run", "--limit", "alhpa"],
            &[
                "`--limit alhpa` matches no host of deploy `all`",
                "did you mean `alpha`?",
            ],
        ),
        (
            &[
                "deploy",
                "dev",
                "all",
                "--dry-run",
                "--limit",
                "alpha",
                "--limit",
                "beta",
            ],
            &["`--limit beta` matches no host"],
        ),
        (
            &["deploy", "dev", "all", "--dry-run", "--only", "test/flies"],
            &[
                "`--only test/flies` matches no task or item of this deploy",
                "did you mean `test/files`?",
            ],
        ),
        (&["deploy", "dev", "all", "--dry-runn"], &["--dry-runn", "--dry-run"]),
        (&["deploy", "dev"], &["DEPLOY"]),
    ];
    for (arguments, expected) in cases {
        guarded.refuses(arguments, expected);
    }
}

#[test]
fn without_a_terminal_consent_must_be_given_beforehand() {
    Guarded::new().refuses(&["deploy", "dev", "all"], &["--yes", "--dry-run"]);
}

#[test]
fn outside_a_project_the_error_says_what_a_project_is() {
    let project = Project::of(&[("notes.txt", "")]);
    let ran = project.homelab(DRY_RUN).expect(3);
    assert!(ran.stderr.contains("inventories"), "{}", ran.stderr);
}

/// Deploys to an address of this machine and expects that it cannot be reached.
#[track_caller]
fn unreachable(project: &Project, expected: &[&str]) {
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(4);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    for part in expected {
        assert!(said.contains(part), "no `{part}` in:\n{said}");
    }
}

#[test]
fn a_host_that_does_not_answer_is_named_with_its_address() {
    let guarded = Guarded::new();
    // Another test may get a port that was just given back.
    let nobody = "[hosts.alpha]\naddress = '127.0.0.1'\nconnection = { port = 1 }\n";
    guarded.project.write("inventories/dev.toml", nobody);
    unreachable(&guarded.project, &["alpha", "127.0.0.1", "connection refused"]);
}

#[test]
fn a_lab_host_that_is_not_up_is_told_before_anything_is_tried() {
    let project = Project::with_task(TASK);
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(3);
    for part in [
        "lab host `alpha` is not up",
        "inventories/dev.toml:1:8",
        "`homelab lab up dev`",
    ] {
        assert!(ran.stderr.contains(part), "no `{part}` in:\n{}", ran.stderr);
    }
}

#[test]
fn a_host_whose_key_is_unknown_or_has_changed_is_not_touched() {
    let project = Project::with_task(TASK);
    let host = project.up("dev", "alpha");
    let before = host.inside("sha256sum /etc/motd");

    // The same machine, but not as the lab's host: nothing vouches for its key.
    let address = host.address();
    project.write(
        "inventories/foreign.toml",
        format!("[hosts.alpha]\naddress = '{address}'\nconnection = {{ user = 'root' }}\n"),
    );
    let ran = project.homelab(&["deploy", "foreign", "all", "--yes"]).expect(4);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("alpha") && said.contains("unknown host key"), "{said}");

    host.on("rm /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; systemctl restart ssh");
    let offered = host.inside("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub");
    let fingerprint = offered.split(' ').nth(1).unwrap();
    unreachable(&project, &["alpha", "its host key has changed", fingerprint]);
    assert_eq!(host.inside("sha256sum /etc/motd"), before);
}
