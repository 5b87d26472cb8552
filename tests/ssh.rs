//! The way to a host over a real SSH server: a private one on a loopback port, started and ended by each test.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use homelab::content::Content;
use homelab::remote::{
    Connection, LockRequest, Obstacle, RemoteError, StepAnswer, StepEnd, StepNews, StepScript, Target, Writer,
};
use tempfile::TempDir;

/// Runs a program that must succeed.
fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).stdin(Stdio::null()).status();
    let status = status.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(status.success(), "{program} {arguments:?}: {status}");
}

fn install_packages() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        run(
            concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/install-test-packages"),
            &[],
        );
        fs::create_dir_all("/run/sshd").expect("sshd needs its folder");
    });
}

/// A port that no other test of this process gets, below those that the kernel gives to outgoing connections: one of them
/// could take it before the server does.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 16_384 + (std::process::id() % 128) as u16 * 128;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

const LOGIN_KEY: &str = "log in %h";
const KNOWN_HOSTS: &str = "known 100%h hosts";

/// A private SSH server, and the keys to it.
struct Server {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Server {
    fn start() -> Self {
        Self::start_with("")
    }

    fn start_with(settings: &str) -> Self {
        install_packages();
        let folder = tempfile::tempdir().expect("a folder");
        for key in ["host", "other", "login", "stranger"] {
            let path = folder.path().join(key);
            let path = path.to_str().expect("a path");
            run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", key, "-f", path]);
        }
        let at = folder.path().display();
        let port = free_port();
        let configuration = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {at}/host\nAuthorizedKeysFile {at}/login.pub\n\
             PermitRootLogin prohibit-password\nPasswordAuthentication no\nStrictModes no\nUsePAM no\nPidFile none\n{settings}\n"
        );
        let file = folder.path().join("sshd_config");
        fs::write(&file, configuration).expect("written");
        let process = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).expect("a log"))
            .spawn()
            .expect("sshd starts");
        let server = Self { folder, port, process };
        // Names that `ssh` would split or expand.
        fs::rename(server.path("login"), server.path(LOGIN_KEY)).expect("renamed");
        server.write_known_hosts(KNOWN_HOSTS, "host");
        server.write_known_hosts("changed", "other");
        fs::write(server.path("none"), "").expect("written");
        until("sshd listens", || {
            fs::read_to_string(server.path("log")).is_ok_and(|log| log.contains("Server listening on"))
        });
        server
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_known_hosts(&self, file: &str, key: &str) {
        let public = fs::read_to_string(self.path(&format!("{key}.pub"))).expect("a key");
        fs::write(self.path(file), format!("[127.0.0.1]:{} {public}", self.port)).expect("written");
    }

    fn target(&self) -> Target {
        target(self.port, self.path(KNOWN_HOSTS), self.path(LOGIN_KEY))
    }

    fn lock(&self) -> LockRequest {
        LockRequest {
            path: self.path("lock").to_str().expect("a path").to_owned(),
            ..LockRequest::new("tests")
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn target(port: u16, known_hosts: PathBuf, identity: PathBuf) -> Target {
    Target {
        name: "pi".to_owned(),
        address: "127.0.0.1".to_owned(),
        port: Some(port),
        user: Some("root".to_owned()),
        identity_file: Some(identity),
        known_hosts: vec![known_hosts],
        connect_timeout: Duration::from_secs(5),
        ..Target::default()
    }
}

/// Waits for something that must happen soon.
fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !happened() {
        assert!(Instant::now() < deadline, "it did not happen in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn step(body: impl Into<String>) -> StepScript {
    StepScript {
        body: body.into(),
        ..StepScript::default()
    }
}

fn writing(path: &Path, content: Vec<u8>) -> StepScript {
    StepScript {
        content: Some(Content::new(content)),
        ..step(format!("cat >'{}'", path.display()))
    }
}

async fn perform(writer: &mut Writer<'_>, steps: &[StepScript]) -> Vec<StepAnswer> {
    writer.perform(steps, &mut |_, _| {}).await.expect("performed")
}

/// The error of an attempt to connect.
async fn failure(target: &Target) -> RemoteError {
    let mut connection = Connection::open(target).await.expect("started");
    let error = connection.ready().await.expect_err("it must not connect");
    connection.close().await;
    error
}

fn process_exists(process: u32) -> bool {
    // A zombie has ended; its parent has not asked yet.
    fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// The control socket among the arguments of an `ssh`.
fn control_socket(process: u32) -> PathBuf {
    let arguments = fs::read(format!("/proc/{process}/cmdline")).expect("a command line");
    let mut words = arguments.split(|byte| *byte == 0);
    words.find(|word| *word == b"-S").expect("-S");
    PathBuf::from(String::from_utf8(words.next().expect("a path").to_vec()).expect("text"))
}

#[tokio::test]
async fn unknown_and_changed_keys_are_refused() {
    let server = Server::start();
    let error = failure(&Target {
        known_hosts: vec![server.path("none")],
        ..server.target()
    })
    .await;
    assert!(matches!(error, RemoteError::HostKeyUnknown { .. }), "{error:?}");
    assert!(
        error.to_string().starts_with("pi: cannot connect to `[127.0.0.1]:"),
        "{error}"
    );

    let error = failure(&Target {
        known_hosts: vec![server.path("changed")],
        ..server.target()
    })
    .await;
    let RemoteError::HostKeyChanged { keys, .. } = &error else {
        panic!("{error:?}")
    };
    let print = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(server.path("host.pub"))
        .output()
        .unwrap();
    let print = String::from_utf8(print.stdout).unwrap();
    assert!(print.contains(keys.offered.as_ref().unwrap()), "{print} {keys:?}");
    let known_at = format!("{}:1", server.path("changed").display());
    assert_eq!(keys.known_at.as_ref(), Some(&known_at));
    assert_eq!(
        fs::read_to_string(server.path("none")).unwrap(),
        "",
        "nothing is learnt on the way"
    );
}

#[tokio::test]
async fn a_wrong_login_key_is_told_apart() {
    let server = Server::start();
    let stranger = Target {
        identity_file: Some(server.path("stranger")),
        ..server.target()
    };
    let error = failure(&stranger).await;
    assert!(matches!(error, RemoteError::AuthenticationFailed { .. }), "{error:?}");
}

#[tokio::test]
async fn hosts_that_cannot_be_reached_say_why() {
    let server = Server::start();
    let obstacle = |error: &RemoteError| match error {
        RemoteError::Unreachable { obstacle, .. } => *obstacle,
        other => panic!("{other:?}"),
    };
    let nobody = Target {
        port: Some(free_port()),
        ..server.target()
    };
    assert_eq!(obstacle(&failure(&nobody).await), Obstacle::Refused);

    let nameless = Target {
        address: "nonexistent.invalid".to_owned(),
        ..server.target()
    };
    assert_eq!(obstacle(&failure(&nameless).await), Obstacle::UnknownName);

    let black_hole = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = Target {
        port: Some(black_hole.local_addr().unwrap().port()),
        connect_timeout: Duration::from_secs(1),
        ..server.target()
    };
    let start = Instant::now();
    assert_eq!(obstacle(&failure(&silent).await), Obstacle::TimedOut);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[tokio::test]
async fn the_first_frame_is_the_first_round_trip() {
    let server = Server::start();
    let mut connection = Connection::open(&server.target()).await.unwrap();
    assert_eq!(connection.round_trips(), 0);
    let mut writer = connection.lock(&server.lock()).await.unwrap();
    assert_eq!(writer.round_trips(), 1, "the login and the first frame are one");
    let steps: Vec<_> = (0..50).map(|number| step(format!("echo {number}"))).collect();
    let answers = perform(&mut writer, &steps).await;
    assert_eq!(writer.round_trips(), 2, "fifty steps are one");
    assert_eq!(answers[49].output, b"49\n");
    let path = server.path("large");
    let content = vec![7; 2_000_000];
    let answers = perform(
        &mut writer,
        &[step("true"), writing(&path, content.clone()), step("true")],
    )
    .await;
    assert!(answers.iter().all(|answer| answer.end == StepEnd::Done), "{answers:?}");
    assert_eq!(writer.round_trips(), 4, "a large content takes one more");
    assert!(fs::read(&path).unwrap() == content);
    connection.close().await;
}

#[tokio::test]
async fn a_close_leaves_nothing_behind() {
    let server = Server::start();
    let mut connection = Connection::open(&server.target()).await.unwrap();
    connection.ready().await.unwrap();
    let process = connection.process().unwrap();
    let control = control_socket(process);
    assert!(fs::metadata(&control).unwrap().file_type().is_socket());
    let folder = fs::metadata(control.parent().unwrap()).unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    let start = Instant::now();
    connection.close().await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(!process_exists(process) && !control.exists());

    // Also where the connection is simply dropped, and where it never came about.
    let mut connection = Connection::open(&server.target()).await.unwrap();
    connection.ready().await.unwrap();
    let process = connection.process().unwrap();
    let control = control_socket(process);
    drop(connection);
    until("ssh ends", || !process_exists(process));
    assert!(!control.exists());
}

#[tokio::test]
async fn a_killed_ssh_ends_the_step_with_an_error_that_names_it() {
    let server = Server::start();
    let mut connection = Connection::open(&server.target()).await.unwrap();
    let process = connection.process().unwrap();
    let mut writer = connection.lock(&server.lock()).await.unwrap();
    let steps = [step("true"), step("sleep 3"), step("true")];
    let mut answered = 0;
    let mut on_answer = |_: usize, _: StepNews<'_>| {
        answered += 1;
        run("kill", &["-9", &process.to_string()]);
    };
    let error = writer.perform(&steps, &mut on_answer).await.unwrap_err();
    assert!(matches!(error, RemoteError::ConnectionLost { .. }), "{error:?}");
    assert_eq!(error.to_string(), "pi: connection lost while performing step 2 of 3");
    assert_eq!(answered, 1);
    connection.close().await;
}

#[tokio::test]
async fn a_host_without_second_sessions_gets_large_contents_in_pieces() {
    let server = Server::start_with("MaxSessions 1");
    let mut connection = Connection::open(&server.target()).await.unwrap();
    let mut writer = connection.lock(&server.lock()).await.unwrap();
    let path = server.path("large");
    let large = vec![b'x'; 3_000_000];
    let beside = StepScript {
        stage: Some(server.path("staged").to_str().unwrap().to_owned()),
        content: Some(Content::new(large.clone())),
        ..step(format!("mv -- \"$staged\" {}", server.path("moved").display()))
    };
    let answers = perform(&mut writer, &[writing(&path, large.clone()), beside]).await;
    assert!(answers.iter().all(|answer| answer.end == StepEnd::Done), "{answers:?}");
    assert!(fs::read(&path).unwrap() == large && fs::read(server.path("moved")).unwrap() == large);
    assert!(!server.path("staged").exists());
    connection.close().await;
}

#[tokio::test]
async fn noise_of_a_login_does_no_harm() {
    let server = Server::start_with("ForceCommand echo noise; echo more >&2; eval \"$SSH_ORIGINAL_COMMAND\"");
    let mut connection = Connection::open(&server.target()).await.unwrap();
    let mut writer = connection.lock(&server.lock()).await.unwrap();
    let path = server.path("large");
    let answers = perform(&mut writer, &[step("echo a"), writing(&path, vec![b'x'; 300_000])]).await;
    assert_eq!(answers[0].output, b"a\n");
    assert_eq!(answers[1].end, StepEnd::Done, "{answers:?}");
    assert_eq!(fs::read(&path).unwrap().len(), 300_000);
    connection.close().await;
}

/// Looks for `word` in the argument lists of all processes until told to stop; says how often it looked.
fn watch_argument_lists(word: &'static [u8], stop: &std::sync::atomic::AtomicBool) -> (usize, Vec<String>) {
    let mut rounds = 0;
    let mut found = Vec::new();
    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
        rounds += 1;
        for entry in fs::read_dir("/proc").expect("/proc").flatten() {
            let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if arguments.windows(word.len()).any(|window| window == word) {
                found.push(String::from_utf8_lossy(&arguments).into_owned());
            }
        }
    }
    (rounds, found)
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_are_in_no_argument_list() {
    // Looked for in both forms that travel: these bytes are a content, and the base64 of another.
    const WORD: &[u8] = b"c2VjcmV0LXdvcmQtdGhhdC1pcy1ub3doZXJl";
    let server = Server::start();
    let mut connection = Connection::open(&server.target()).await.unwrap();
    let mut writer = connection.lock(&server.lock()).await.unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let shared = std::sync::Arc::clone(&stop);
    let watcher = std::thread::spawn(move || watch_argument_lists(WORD, &shared));
    let small = WORD.repeat(100);
    let large = WORD.repeat(2_000_000 / WORD.len() + 1);
    for _ in 0..10 {
        let plain = StepScript {
            content: Some(Content::new(small.clone())),
            ..step("cat >/dev/null; sleep 0.02")
        };
        let encoded = StepScript {
            content: Some(Content::new(*b"secret-word-that-is-nowhere")),
            ..step("cat >/dev/null; sleep 0.02")
        };
        let path = server.path("large");
        let answers = perform(&mut writer, &[plain, encoded, writing(&path, large.clone())]).await;
        assert!(answers.iter().all(|answer| answer.end == StepEnd::Done), "{answers:?}");
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let (rounds, found) = watcher.join().unwrap();
    assert!(found.is_empty(), "{found:?}");
    assert!(rounds > 20, "looked only {rounds} times");
    connection.close().await;
}

#[test]
fn the_watcher_of_argument_lists_sees() {
    let mut sleeper = Command::new("sh")
        .args(["-c", "sleep 1; : visible-to-everybody-here"])
        .spawn()
        .unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let shared = std::sync::Arc::clone(&stop);
    let watcher = std::thread::spawn(move || watch_argument_lists(b"visible-to-everybody-here", &shared));
    sleeper.wait().unwrap();
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(!watcher.join().unwrap().1.is_empty());
}

/// Not a test of its own: the process that `a_killed_run_leaves_nothing_behind` kills.
#[tokio::test]
#[ignore = "run by another test"]
async fn holder_of_a_connection() {
    let Ok(server) = std::env::var("HOLDER_SERVER") else {
        return;
    };
    let (folder, port) = server.split_once(' ').unwrap();
    let at = |name: &str| Path::new(folder).join(name);
    let mut connection = Connection::open(&target(port.parse().unwrap(), at(KNOWN_HOSTS), at(LOGIN_KEY)))
        .await
        .unwrap();
    let lock = LockRequest {
        path: at("lock").to_str().unwrap().to_owned(),
        ..LockRequest::new("holder")
    };
    let process = connection.process().unwrap();
    let mut writer = connection.lock(&lock).await.unwrap();
    let announce = || {
        fs::write(at("announced.new"), process.to_string()).unwrap();
        fs::rename(at("announced.new"), at("announced")).unwrap();
    };
    if std::env::var_os("HOLDER_BUSY").is_some() {
        let steps = [
            step("true"),
            step(format!("sleep 2; echo finished >{folder}/finished")),
            step("sleep 100"),
        ];
        let _ = writer.perform(&steps, &mut |_, _| announce()).await;
    } else {
        announce();
        tokio::time::sleep(Duration::from_secs(100)).await;
    }
}

fn children_of(process: u32) -> Vec<u32> {
    let output = Command::new("ps")
        .args(["-o", "pid=", "--ppid", &process.to_string()])
        .output()
        .expect("ps");
    let listed = String::from_utf8(output.stdout).expect("text");
    listed
        .split_whitespace()
        .map(|word| word.parse().expect("a number"))
        .collect()
}

/// Kills a process that holds a connection, and says how long its `ssh` lived on.
fn kill_a_holder(server: &Server, busy: bool) -> Duration {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args(["--exact", "ssh::holder_of_a_connection", "--ignored"])
        .env(
            "HOLDER_SERVER",
            format!("{} {}", server.folder.path().display(), server.port),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if busy {
        command.env("HOLDER_BUSY", "1");
    }
    let mut holder = command.spawn().expect("started");
    let announced = server.path("announced");
    until("the holder is connected", || announced.exists());
    let process: u32 = fs::read_to_string(&announced)
        .expect("a number")
        .parse()
        .expect("a number");
    fs::remove_file(&announced).expect("removed");
    let control = control_socket(process);
    assert!(control.exists() && process_exists(process));
    let children = children_of(holder.id());
    assert!(children.contains(&process), "{children:?}");
    // As `kill -9` does.
    holder.kill().expect("killed");
    holder.wait().expect("ended");
    let start = Instant::now();
    until("ssh ends", || !process_exists(process));
    until("its socket is removed", || !control.exists());
    until("no child lives on", || {
        !children.iter().any(|child| process_exists(*child))
    });
    let lasted = start.elapsed();
    let lock = server.lock().path;
    until("the lock is free", || {
        Command::new("flock")
            .args(["-n", &lock, "true"])
            .status()
            .is_ok_and(|status| status.success())
    });
    lasted
}

#[test]
fn a_killed_run_leaves_nothing_behind() {
    let server = Server::start();
    let idle = kill_a_holder(&server, false);
    let busy = kill_a_holder(&server, true);
    let _ = writeln!(
        std::io::stderr(),
        "ssh outlived an idle run by {idle:?}, a busy one by {busy:?}"
    );
    assert!(
        idle < Duration::from_secs(1) && busy < Duration::from_secs(1),
        "{idle:?} {busy:?}"
    );
    // The step under way was finished on the host; the one after it never began.
    assert_eq!(fs::read_to_string(server.path("finished")).unwrap(), "finished\n");
    assert!(!server.path("begun").exists());
}
