//! A deploy of many operations whose connection is cut at the host's answers and at single bytes between them, by a proxy.
//!
//! The proxy sees one encrypted stream: sshd acts on whole packets only, so a cut within one is a cut before it. What the host
//! has sent is lost after the cut, and what homelab has sent may run to its end.
//!
//! `scripts/chaos` makes more cuts than a test run does (`HOMELAB_CUTS`, `HOMELAB_CUTS_SEED`).

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};

use crate::deploy::repository::{Package, fetch_lists, only_repository, publish};
use crate::support::host::Host;
use crate::support::project::{Project, Ran};
use crate::support::proxy::{Burst, Fault, Place, Proxy, Way};

/// How many cuts a test run makes.
const CUTS: usize = 6;
/// By when a run has ended that lost its connection.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long nothing passes before both ends see that the connection is closed.
const SILENCE: Duration = Duration::from_secs(1);
/// Of so many cuts, one comes before anything is changed.
const EARLY: usize = 6;

/// Each of these operations changes with each value.
const TASK: &str = r#"
[[operation]]
op = "files.directory"
path = "/srv/cuts"
mode = "{{ '0750' if odd else '0755' }}"

[[operation]]
op = "server.group"
group = "crew"
present = "{{ odd }}"

[[operation]]
op = "server.user"
user = "anna"
comment = "{{ value }}"

[[operation]]
op = "files.put"
dest = "/srv/cuts/small"
content = "{{ value }}\n"
user = "{{ 'daemon' if odd else 'games' }}"
mode = "{{ '0640' if odd else '0604' }}"

[[operation]]
op = "files.put"
dest = "/srv/cuts/large"
src = "{{ 'large-odd' if odd else 'large-even' }}"
mode = "0600"

[[operation]]
op = "files.line"
path = "/etc/cuts/lines"
line = "value = {{ value }}"
matching = "^value"

[[operation]]
op = "files.block"
path = "/etc/cuts/block"
content = "value = {{ value }}"

[[operation]]
op = "files.replace"
path = "/etc/cuts/replaced"
matching = "value-\\d+"
replace = "{{ value }}"

[[operation]]
op = "files.json"
path = "/etc/cuts/merged.json"
merge = { value = "{{ value }}" }

[[operation]]
op = "files.link"
path = "/srv/cuts/link"
target = "{{ value }}"

[[operation]]
op = "apt.packages"
packages = ["slow"]
present = "{{ odd }}"

[[operation]]
op = "server.etc_hosts"
address = "10.0.0.7"
names = ["{{ value }}"]

[[operation]]
op = "server.sysctl"
key = "net.ipv4.ip_default_ttl"
value = "{{ 61 if odd else 62 }}"
guard = false

[[operation]]
op = "server.shell"
commands = ["sleep 0.2; echo {{ value }} >/srv/cuts/made.new && mv /srv/cuts/made.new /srv/cuts/made"]
unless = "grep -qx {{ value }} /srv/cuts/made"
touches = ["/srv/cuts/made"]
notify = ["note it"]

[[operation]]
op = "files.put"
dest = "/etc/systemd/system/cuts.service"
content = """
[Service]
ExecStartPre=/bin/sh -c 'cat /etc/cuts/app.conf >>/srv/starts'
ExecStart=/bin/sleep infinity
# {{ value }}
[Install]
WantedBy=multi-user.target
"""

[[operation]]
op = "files.template"
dest = "/etc/cuts/app.conf"
src = "app.conf.j2"
mode = "0640"
notify = ["restart cuts"]

[[operation]]
op = "files.put"
dest = "/etc/cuts/extra.conf"
content = "{{ value }}\n"
notify = ["restart cuts"]

[[operation]]
op = "systemd.service"
service = "cuts"
state = "started"
enabled = true

[[operation]]
op = "systemd.timer"
unit = "cuts-timer"
on_calendar = "{{ 'daily' if odd else 'weekly' }}"
command = "true"

[[operation]]
op = "files.put"
dest = "/etc/cuts/one"
content = "{{ value }}\n"

[[operation]]
op = "files.put"
dest = "/etc/cuts/two"
content = "{{ value }}\n"

[[handler]]
name = "restart cuts"
op = "systemd.service"
service = "cuts"
state = "restarted"

[[handler]]
name = "note it"
op = "server.shell"
commands = ["echo {{ value }} >>/srv/noted"]
touches = ["/srv/noted"]
"#;

const TEMPLATE: &str = "{{ value }}\n";

/// Small enough to be quick: one file, one handler, and something slow between them.
const OWING: &str = r#"
[[operation]]
op = "files.put"
dest = "/etc/systemd/system/cuts.service"
content = """
[Service]
ExecStartPre=/bin/sh -c 'cat /etc/cuts/app.conf >>/srv/starts'
ExecStart=/bin/sleep infinity
"""

[[operation]]
op = "files.put"
dest = "/etc/cuts/app.conf"
content = "{{ value }}\n"
notify = ["restart cuts"]

[[operation]]
op = "server.shell"
commands = ["sleep 0.3; echo {{ value }} >/etc/cuts/one"]
unless = "grep -qx {{ value }} /etc/cuts/one"
touches = ["/etc/cuts/one"]

[[operation]]
op = "systemd.service"
service = "cuts"
state = "started"

[[handler]]
name = "restart cuts"
op = "systemd.service"
service = "cuts"
state = "restarted"
"#;

/// Something on the host: its name, what prints it, and what that prints with a value (its word, and whether it is odd).
type Thing = (&'static str, &'static str, fn(&str, bool) -> String);

const THINGS: &[Thing] = &[
    ("directory", "stat -c '%a %U' /srv/cuts", |_, odd| {
        format!("{} root", if odd { 750 } else { 755 })
    }),
    ("group", "getent group crew | cut -d: -f1", |_, odd| {
        if odd { "crew".into() } else { String::new() }
    }),
    ("user", "getent passwd anna | cut -d: -f5", |value, _| value.into()),
    (
        "small",
        "stat -c '%U %a' /srv/cuts/small; cat /srv/cuts/small",
        |value, odd| format!("{} {value}", if odd { "daemon 640" } else { "games 604" }),
    ),
    (
        "large",
        "stat -c '%U %a %s' /srv/cuts/large; tr -d 'a\\n' </srv/cuts/large | wc -c",
        |_, odd| format!("root 600 {LARGE} {}", if odd { LARGE } else { 0 }),
    ),
    (
        "line",
        "stat -c '%U %a' /etc/cuts/lines; cat /etc/cuts/lines",
        |value, _| format!("root 640 # kept value = {value} end"),
    ),
    (
        "block",
        "stat -c '%U %a' /etc/cuts/block; grep -v '^#' /etc/cuts/block",
        |value, _| format!("root 640 kept value = {value}"),
    ),
    (
        "replaced",
        "stat -c '%U %a' /etc/cuts/replaced; cat /etc/cuts/replaced",
        |value, _| format!("root 640 it is {value} now"),
    ),
    (
        "merged",
        "stat -c '%U %a' /etc/cuts/merged.json; tr -d ' \\n' </etc/cuts/merged.json",
        |value, _| format!("root 640 {{\"kept\":1,\"value\":\"{value}\"}}"),
    ),
    ("link", "readlink /srv/cuts/link", |value, _| value.into()),
    (
        "package",
        "dpkg --audit; dpkg-query -W -f '${db:Status-Abbrev}' slow",
        |_, odd| {
            if odd { "ii".into() } else { String::new() }
        },
    ),
    ("hosts", "grep 10.0.0.7 /etc/hosts | tr -s ' \\t' ' '", |value, _| {
        format!("10.0.0.7 {value}")
    }),
    ("kernel", "cat /proc/sys/net/ipv4/ip_default_ttl", |_, odd| {
        if odd { "61".into() } else { "62".into() }
    }),
    (
        "kernel file",
        "stat -c '%U %a' /etc/sysctl.d/60-homelab.conf; cat /etc/sysctl.d/60-homelab.conf",
        |_, odd| format!("root 644 net.ipv4.ip_default_ttl = {}", if odd { 61 } else { 62 }),
    ),
    ("made", "cat /srv/cuts/made", |value, _| value.into()),
    (
        "unit",
        "stat -c '%U %a' /etc/systemd/system/cuts.service; grep '^#' /etc/systemd/system/cuts.service; wc -l </etc/systemd/system/cuts.service",
        |value, _| format!("root 644 # {value} 6"),
    ),
    (
        "configuration",
        "stat -c '%U %a' /etc/cuts/app.conf; cat /etc/cuts/app.conf",
        |value, _| format!("root 640 {value}"),
    ),
    (
        "timer",
        "grep OnCalendar /etc/systemd/system/cuts-timer.timer",
        |_, odd| format!("OnCalendar={}", if odd { "daily" } else { "weekly" }),
    ),
    ("one", "stat -c '%U %a' /etc/cuts/one; cat /etc/cuts/one", |value, _| {
        format!("root 644 {value}")
    }),
    ("two", "stat -c '%U %a' /etc/cuts/two; cat /etc/cuts/two", |value, _| {
        format!("root 644 {value}")
    }),
    (
        "extra",
        "stat -c '%U %a' /etc/cuts/extra.conf; cat /etc/cuts/extra.conf",
        |value, _| format!("root 644 {value}"),
    ),
];

const OWING_THINGS: &[Thing] = &[
    (
        "configuration",
        "stat -c '%U %a' /etc/cuts/app.conf; cat /etc/cuts/app.conf",
        |value, _| format!("root 644 {value}"),
    ),
    ("one", "cat /etc/cuts/one", |value, _| value.into()),
];

/// The size of the large file.
const LARGE: usize = 300_000;

/// Waits until nothing of homelab is left on the host but its state, and prints what is left all the same: temporary files, its lock,
/// processes of a login, units.
const REST: &str = r#"n=0
while :; do
left=$(find /srv /etc /opt /run /var /tmp /root /home -xdev -name '.homelab-*' 2>/dev/null)
flock -n /run/homelab.lock true || left="$left lock"
for p in /proc/[0-9]*; do ! grep -qs 'session-.*[.]scope' "$p/cgroup" || left="$left process:$(tr '\0' ' ' <"$p/cmdline")"; done
left="$left$(systemctl list-units --all --no-legend 'homelab-*')"
[ -n "$left" ] || exit 0
n=$((n + 1))
[ "$n" -lt 150 ] || { echo "$left"; exit 0; }
sleep 0.2
done"#;

/// A project, its host, and the proxy on the way.
struct Cuts<'a> {
    project: &'a Project,
    host: Host<'a>,
    proxy: Proxy,
    things: &'static [Thing],
    number: usize,
    problems: Vec<String>,
    half_written: usize,
    leftovers: usize,
    restarts: BTreeMap<usize, usize>,
    owed: usize,
    counts: BTreeMap<&'static str, BTreeMap<Option<i32>, usize>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Close,
    Silence,
    Kill,
    Interrupt,
}

impl How {
    fn word(self) -> &'static str {
        match self {
            Self::Close => "closed",
            Self::Silence => "silent",
            Self::Kill => "killed",
            Self::Interrupt => "Ctrl-C",
        }
    }
}

/// The lab host, and a proxy that the inventory `cut` goes through.
fn through_proxy(project: &Project) -> (Host<'_>, Proxy) {
    let host = project.up("dev", "alpha");
    let lab = &homelab::lab::addresses(project.root(), "dev").unwrap()["alpha"];
    let proxy = Proxy::to(format!("{}:{}", lab.address, lab.port).parse().unwrap());
    let port = proxy.port();
    let known_hosts = fs::read_to_string(&lab.known_hosts).unwrap();
    let known_hosts = known_hosts.replace(&lab.address, &format!("[127.0.0.1]:{port}"));
    project.write("inventories/known_hosts", known_hosts);
    let inventory = format!(
        "[connection]\nuser = 'root'\nidentity_file = '{}'\n[hosts.alpha]\naddress = '127.0.0.1'\nconnection = {{ port = {port} }}\n",
        lab.identity_file.display()
    );
    project.write("inventories/cut.toml", inventory);
    (host, proxy)
}

impl<'a> Cuts<'a> {
    fn begin(project: &'a Project, things: &'static [Thing]) -> Self {
        let (host, proxy) = through_proxy(project);
        only_repository(&host);
        let slow = Package {
            name: "slow",
            version: "1",
            postinst: "sleep 0.2",
            ..Package::default()
        };
        publish(&host, &[slow]);
        fetch_lists(&host);
        host.inside(
            "mkdir /etc/cuts && cd /etc/cuts && printf '# kept\\nvalue = value-0\\nend\\n' >lines && echo kept >block && \
             echo 'it is value-0 now' >replaced && printf '{\"kept\": 1}\\n' >merged.json && chmod 640 *",
        );
        // What finds processes that are left would find this one.
        let own = host.on("cat /proc/self/cgroup");
        assert!(own.contains("session-"), "{own}");
        let mut cuts = Self {
            project,
            host,
            proxy,
            things,
            number: 0,
            problems: Vec::new(),
            half_written: 0,
            leftovers: 0,
            restarts: BTreeMap::new(),
            owed: 0,
            counts: BTreeMap::new(),
        };
        cuts.next_value();
        project.homelab(&["deploy", "cut", "all", "--yes"]).expect(0);
        cuts.compare("the first deploy", false);
        assert_eq!(cuts.problems, [""; 0]);
        cuts
    }

    fn value(&self) -> String {
        format!("value-{}", self.number)
    }

    fn is_odd(number: usize) -> bool {
        number % 2 == 1
    }

    fn next_value(&mut self) {
        self.number += 1;
        let odd = Self::is_odd(self.number);
        let text = format!("value = '{}'\nodd = {odd}\n", self.value());
        self.project.write("group_data/all.toml", text);
    }

    /// Deploys a further value without a fault. Returns the moments at which a run like that can be cut: before it changes anything,
    /// and afterwards.
    fn record(&mut self) -> [Vec<Place>; 2] {
        self.next_value();
        self.proxy.begin(None);
        self.project.homelab(&["deploy", "cut", "all", "--dry-run"]).expect(0);
        let reading = self.proxy.bursts().len();
        self.proxy.begin(None);
        self.project.homelab(&["deploy", "cut", "all", "--yes"]).expect(0);
        let bursts = self.proxy.bursts();
        self.compare("a whole run", false);
        let (early, late) = bursts.split_at(reading.min(bursts.len() / 2));
        let answers = early.iter().filter(|burst| burst.way == Way::ToClient).count();
        let all = [places(early, 0), places(late, answers)];
        say(&format!(
            "{} bursts, {reading} of them before changes; {:?} places",
            bursts.len(),
            all.each_ref().map(Vec::len)
        ));
        all
    }

    fn starts(&self) -> Vec<String> {
        let starts = self.host.inside("cat /srv/starts 2>/dev/null || true");
        starts.lines().map(str::to_owned).collect()
    }

    /// Compares all things with their new state, or with the old one too; whether each is in one of them.
    fn compare(&mut self, when: &str, or_old: bool) -> bool {
        let mut script = String::new();
        for (name, look, _) in self.things {
            let _ = writeln!(
                script,
                "printf '%s\\t%s\\n' '{name}' \"$({{ {look}; }} 2>/dev/null | tr '\\n' ' ')\""
            );
        }
        let found = self.host.inside(&script);
        let mut are_whole = true;
        for ((name, _, state), line) in self.things.iter().zip(found.lines()) {
            let is = line.split_once('\t').unwrap_or_default().1.trim();
            let at = |number: usize| state(&format!("value-{number}"), Self::is_odd(number));
            if is != at(self.number) && !(or_old && is == at(self.number - 1)) {
                self.problems
                    .push(format!("{when}: {name} is `{is}`, and not `{}`", at(self.number)));
                are_whole = false;
            }
        }
        are_whole
    }

    fn is_at_rest(&mut self, when: &str) {
        let left = self.host.inside(REST);
        if !left.trim().is_empty() {
            self.leftovers += 1;
            self.note(format!("{when}: left on the host: {}", left.trim()));
        }
    }

    /// One run with a fault, the run that goes on, and the one after it.
    ///
    /// With `waits`, the host comes to rest before the next run; otherwise that begins at once.
    fn round(&mut self, place: Place, how: How, waits: bool) {
        let before = self.starts();
        self.next_value();
        let when = format!("{} at {place:?} ({})", self.value(), how.word());
        let process = Arc::new(AtomicU32::new(0));
        let fault = match how {
            How::Close => Fault::Close,
            How::Silence => Fault::Silence(SILENCE),
            How::Kill | How::Interrupt => {
                let process = Arc::clone(&process);
                let name = if how == How::Kill { "-KILL" } else { "-INT" };
                Fault::Call(Box::new(move || signal(name, process.load(Ordering::SeqCst))))
            }
        };
        self.proxy.begin(Some((place, fault)));
        let mut command = self.project.command(&["deploy", "cut", "all", "--yes"]);
        let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        process.store(run.id(), Ordering::SeqCst);
        let code = self.end_of(&mut run, &when);
        let word = if self.proxy.has_happened() {
            how.word()
        } else {
            "not reached"
        };
        *self.counts.entry(word).or_default().entry(code).or_default() += 1;
        say(&format!("{when}: {word}, exit {code:?}"));
        self.proxy.begin(None);
        if waits {
            self.is_at_rest(&when);
            let are_whole = self.compare(&when, true);
            self.half_written += usize::from(!are_whole);
        }
        let next = ["deploy", "cut", "all", "--yes", "--lock-wait", "60s"];
        let next = self.project.homelab(&next);
        let when = format!("{when}, the next run");
        if next.code != Some(0) {
            self.note(format!("{when}: {}", shown(&next)));
        }
        self.owed += usize::from(next.stdout.contains("owed since an earlier run"));
        self.compare(&when, false);
        let starts = self.starts();
        let new = starts.len() - before.len();
        *self.restarts.entry(new).or_default() += 1;
        if starts[before.len()..] != [self.value()] {
            let starts = &starts[before.len()..];
            self.problems
                .push(format!("{when}: starts with {starts:?}: {}", shown(&next)));
        }
        let quiet = self.project.homelab(&["deploy", "cut", "all", "--yes"]);
        if quiet.code != Some(0) || !quiet.stdout.starts_with("nothing to do") {
            self.note(format!("{when}, the run after: {}", shown(&quiet)));
        }
        let owed = self.host.inside("ls -A /var/lib/homelab/owed 2>/dev/null || true");
        if !owed.is_empty() {
            self.note(format!("{when}: still owed: {owed}"));
        }
        self.is_at_rest(&when);
    }

    /// Something that is not as it should be; the rounds go on, so that all is found.
    fn note(&mut self, problem: String) {
        say(&problem);
        self.problems.push(problem);
    }

    fn end_of(&mut self, run: &mut Child, when: &str) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = run.try_wait().unwrap() {
                return status.code();
            }
            if start.elapsed() > PATIENCE {
                self.problems
                    .push(format!("{when}: the run did not end in {PATIENCE:?}"));
                run.kill().unwrap();
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[track_caller]
    fn report(&self) {
        say(&format!(
            "{} cuts: {:?}; half-written {}, leftovers {}, restarts of the service for its change: {:?}, owed and shown by the next run {}",
            self.restarts.values().sum::<usize>(),
            self.counts,
            self.half_written,
            self.leftovers,
            self.restarts,
            self.owed,
        ));
        assert!(self.problems.is_empty(), "{}", self.problems.join("\n\n"));
    }
}

/// Shows how far a long run is.
fn say(line: &str) {
    if number("HOMELAB_CUTS").is_some() {
        let _ = writeln!(io::stdout(), "{line}");
    }
}

/// How a run ended, without most of a long review.
fn shown(ran: &Ran) -> String {
    let end = ran.stdout.chars().count().saturating_sub(2500);
    let end: String = ran.stdout.chars().skip(end).collect();
    format!("exit {:?}\n…{end}\n{}", ran.code, ran.stderr)
}

fn signal(name: &str, process: u32) {
    let _ = Command::new("kill").args([name, &process.to_string()]).status();
}

/// The moments within these bursts: at each answer of the host, of which `answers` came before, and within what is sent either way.
fn places(bursts: &[Burst], mut answers: usize) -> Vec<Place> {
    let mut places = BTreeSet::new();
    for burst in bursts {
        if burst.way == Way::ToClient {
            places.insert(Place::Answer(answers));
            answers += 1;
        }
        for at in [1, burst.length / 2, burst.length - 1, burst.length] {
            places.insert(Place::Byte(burst.way, burst.from + at.max(1)));
        }
    }
    places.into_iter().collect()
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().and_then(|text| text.parse().ok())
}

/// How many cuts, and where their choice begins.
fn wanted() -> (usize, StdRng) {
    let seed = number("HOMELAB_CUTS_SEED").unwrap_or_else(rand::random);
    let cuts = number("HOMELAB_CUTS").map_or(CUTS, |cuts| usize::try_from(cuts).unwrap());
    say(&format!("{cuts} cuts, seed {seed}"));
    (cuts, StdRng::seed_from_u64(seed))
}

#[test]
fn a_deploy_that_is_cut_anywhere_is_finished_by_the_next_run() {
    let (cuts, mut random) = wanted();
    let project = Project::with_task(TASK);
    project.write("templates/app.conf.j2", TEMPLATE);
    project.write("templates/large-odd", vec![b'b'; LARGE]);
    project.write("templates/large-even", vec![b'a'; LARGE]);
    let mut state = Cuts::begin(&project, THINGS);
    let [early, mut late] = state.record();
    late.shuffle(&mut random);
    let mut late = late.iter().cycle();
    for round in 0..cuts {
        let place = if round % EARLY == EARLY - 1 {
            early.choose(&mut random)
        } else {
            late.next()
        };
        let how = [How::Close, How::Silence, How::Interrupt, How::Kill][round % 4];
        state.round(*place.unwrap(), how, random.random_bool(0.7));
    }
    let noted = state.host.inside("sort -u /srv/noted | wc -l");
    assert_eq!(
        noted.trim(),
        state.number.to_string(),
        "a handler that is a command ran for each value"
    );
    state.report();
}

#[test]
fn a_restart_is_made_once_wherever_the_stream_is_cut_before_it() {
    let (cuts, mut random) = wanted();
    let project = Project::with_task(OWING);
    let mut state = Cuts::begin(&project, OWING_THINGS);
    let [_, mut late] = state.record();
    late.shuffle(&mut random);
    for (round, place) in late.iter().cycle().take(cuts).enumerate() {
        let how = [How::Kill, How::Close, How::Interrupt, How::Silence][round % 4];
        state.round(*place, how, random.random_bool(0.5));
    }
    state.report();
}

/// A guarded file, and then something slow.
const GUARDED: &str = r#"
[[operation]]
op = "files.put"
dest = "/etc/ssh/sshd_config.d/10-cuts.conf"
content = "ClientAliveInterval 0\n"

[[operation]]
op = "server.shell"
commands = ["touch /srv/begun; sleep 5; touch /srv/ended"]
creates = "/srv/ended"
touches = ["/srv/ended"]
"#;

#[test]
fn a_link_that_is_lost_without_an_end_keeps_neither_the_lock_nor_the_guard() {
    let project = Project::with_task(GUARDED);
    let (host, proxy) = through_proxy(&project);
    let guarded = ["deploy", "cut", "all", "--yes", "--guard-within", "5s"];
    let mut command = project.command(&guarded);
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    host.wait_until("test -e /srv/begun", Duration::from_secs(30));
    proxy.lose();
    run.kill().unwrap();
    run.wait().unwrap();
    host.wait_until("test -e /srv/ended", Duration::from_secs(20));
    assert!(!host.is("flock -n /run/homelab.lock true"), "sshd has noticed nothing");
    assert!(host.is("test -e /etc/ssh/sshd_config.d/10-cuts.conf"));
    // The host frees the lock by itself, and then takes back what nothing confirmed.
    host.wait_until("flock -n /run/homelab.lock true", Duration::from_secs(120));
    host.wait_until("test ! -e /etc/ssh/sshd_config.d/10-cuts.conf", Duration::from_secs(30));
    let told = project.homelab(&guarded).expect(0).stdout;
    assert!(
        told.contains("the lock-out guard of an earlier run went back"),
        "{told}"
    );
    let quiet = project.homelab(&guarded).expect(0).stdout;
    assert!(quiet.starts_with("nothing to do"), "{quiet}");
    host.is_left_in_order();
}
