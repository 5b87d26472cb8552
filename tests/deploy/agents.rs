//! The agents of this repository's own project, on hosts of both releases: what they do over HTTP, and what they are refused.

mod http;

use std::fs;
use std::time::Duration;

use self::http::{Answer, Caller};
use crate::support::docker::docker;
use crate::support::host::Host;
use crate::support::project::Project;

const HOSTS: [(&str, &str); 2] = [("old", "debian:12"), ("new", "debian:13")];
/// A program that runs until it is stopped stands in for one that runs a model.
const MODELS: &str = "agents.models.command = '/usr/bin/sleep infinity'
agents.models.idle_minutes = 1
agents.models.check_seconds = 5
agents.power.fractions = true
agent_models.tiny.port = 8198
agent_models.large-one.port = 8199
";
const DEPLOY: [&str; 4] = ["deploy", "dev", "agents", "--yes"];

/// A project with the agents on hosts that this machine may reach, and no other.
fn project() -> Project {
    let project = Project::of_this_repository();
    project.write(".env", "HOMELAB_LAB_KEY=the-key-of-a-test-only\n");
    project.write(".gitignore", "/.env\n/.homelab\n");
    inventory(&project, MODELS);
    project
}

fn inventory(project: &Project, data: &str) {
    let hosts = HOSTS.map(|(name, image)| {
        format!(
            "[hosts.{name}]\nlab = {{ image = '{image}' }}\ngroups = ['agents']\n[hosts.{name}.data]\n\
             agents.power.listen = ['{{{{ host.address }}}}']\nagents.power.clients = ['172.17.0.1']\n\
             agents.models.listen = ['{{{{ host.address }}}}']\nagents.models.clients = ['172.17.0.1']\n{data}"
        )
    });
    let text = format!("groups = ['development']\n{}", hosts.concat());
    project.write("inventories/dev.toml", text);
}

#[test]
fn data_that_cannot_work_is_refused_before_anything_is_changed() {
    let project = project();
    for (data, said) in [
        (
            "agent_models.a.port = 8198\nagent_models.b.port = 8198",
            "the model `b` has port 8198",
        ),
        ("agent_models.a.port = 5003", "the model `a` has port 5003"),
        ("agent_models.a.port = 0", "`port` of the model `a`"),
        ("agent_models.a.port = '8198'", "`port` of the model `a`"),
        ("agent_models.'*'.port = 8198", "the name of a model"),
        ("agent_models.'../x'.port = 8198", "the name of a model"),
        ("agent_models.'a b'.port = 8198", "the name of a model"),
        ("agent_models.A.port = 8198", "the name of a model"),
        ("agent_models.'a.socket'.port = 8198", "is named like a unit"),
        ("agent_models.a = { port = 8198, prot = 1 }", "unknown key `prot`"),
        (
            "agent_models.a = { port = 8198, environment = { PORT = '1' } }",
            "without PORT",
        ),
        (
            "agent_models.a = { port = 8198, environment = { A = \"x\\ny\" } }",
            "`environment.A`",
        ),
        ("agents.models.command = 'ollama serve'", "`agents.models.command`"),
        ("agents.power.ports = [5002]", "port 5002 is there twice"),
        ("agents.models.ports = []", "at least one port"),
        ("agents.path = '/config/../etc'", "`agents.path`"),
    ] {
        inventory(&project, &format!("{data}\n"));
        let refused = project.homelab(&["check"]).expect(3);
        assert!(refused.stderr.contains(said), "{data}: {}", refused.stderr);
    }
    let open = "groups = ['development']\n[hosts.nas]\naddress = '192.0.2.30'\ngroups = ['agents']\n\
                data = { agents = { power = { listen = ['192.0.2.30'] } } }\n";
    project.write("inventories/dev.toml", open);
    let refused = project.homelab(&["check"]).expect(3);
    assert!(refused.stderr.contains("needs `clients`"), "{}", refused.stderr);
}

#[test]
fn hosts_are_powered_off_and_run_models_over_http() {
    let project = project();
    project.homelab(&["lab", "up", "dev"]).expect(0);
    // Nothing is changed without the program.
    let refused = project.homelab(&DEPLOY).expect(3);
    assert!(
        refused.stderr.contains("homelab agent build --architecture amd64"),
        "{}",
        refused.stderr
    );
    project.homelab(&["agent", "build"]).expect(0);
    let [old, new] = HOSTS.map(|(name, _)| Host::of(&project, "dev", name));
    an_old_systemd_is_refused(&project, &old);
    taken_ports_are_found(&project, &old);
    leftovers_of_before(&old);
    let data = format!("{MODELS}agents.migrate = true\n");
    inventory(&project, &data);
    project.homelab(&DEPLOY).expect(0);
    for host in [&old, &new] {
        check_exposure(host);
    }
    assert!(!old.is("systemctl cat inference-service.service"));
    assert!(
        !old.is("ls /var/lib/home-lab-services/inference-service-venv || ls /config/HomeLabSmith/inference-service")
    );
    let again = project.homelab(&DEPLOY).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    let status = project.homelab(&["status", "dev"]).expect(0).stdout;
    for unit in [
        "home-lab-power.service active (running)",
        "home-lab-models.socket active (running)",
    ] {
        assert_eq!(status.matches(unit).count(), 2, "{unit}: {status}");
    }
    for host in [&old, &new] {
        calls_are_checked(host);
        shutdowns_are_scheduled(host);
        others_are_refused(host);
        models_are_started_and_stopped(host);
    }
    // No other machine reaches the port.
    let other = format!("timeout 3 bash -c '</dev/tcp/{}/5001'", old.address());
    assert!(!new.is(&other));
    an_update_restarts_once(&project, [&old, &new]);
    for host in [&old, &new] {
        // It was started more than a minute ago by then, and no report said that it is used.
        let patience = Duration::from_secs(120);
        host.wait_until("! systemctl is-active -q 'model@large\\x2done.service'", patience);
    }
    power_off([&old, &new]);
}

/// What an earlier set-up leaves.
fn leftovers_of_before(host: &Host<'_>) {
    host.inside(
        "useradd --system --home-dir /var/lib/home-lab-services --shell /bin/false home-lab-services
         mkdir -p /var/lib/home-lab-services/inference-service-venv/bin /config/HomeLabSmith/inference-service
         echo x >/config/HomeLabSmith/inference-service/inference_service.py
         printf '[Service]\\nExecStart=/usr/bin/sleep infinity\\nUser=home-lab-services\\n[Install]\\nWantedBy=multi-user.target\\n' \
             >/etc/systemd/system/inference-service.service
         systemctl daemon-reload && systemctl enable --now inference-service.service",
    );
}

fn taken_ports_are_found(project: &Project, host: &Host<'_>) {
    host.inside("apt-get -qq install --no-install-recommends python3-minimal >/dev/null");
    host.start("exec python3 -c \"import socket,time; s=socket.create_server(('127.0.0.1',5001)); time.sleep(600)\"");
    host.wait_until("ss -Hltn 'sport = :5001' | grep -q 5001", Duration::from_secs(10));
    let failed = project.homelab(&["deploy", "dev", "agents", "--yes", "--limit", "old"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let all = format!("{}{}", failed.stdout, failed.stderr);
    assert!(all.contains("another program listens: port 5001: python3"), "{all}");
    assert!(!host.is("getent passwd home-lab-models"), "something was changed");
    host.inside("pkill python3");
}

/// The package of systemd is said to be an older one.
fn an_old_systemd_is_refused(project: &Project, host: &Host<'_>) {
    host.inside(
        "cp /var/lib/dpkg/status /root/status
         sed -i '/^Package: systemd$/,/^$/s/^Version: .*/Version: 239-1/' /var/lib/dpkg/status",
    );
    let refused = project
        .homelab(&["deploy", "dev", "agents", "--yes", "--limit", "old"])
        .expect(3);
    assert!(
        refused.stderr.contains("systemd 239-1 is too old"),
        "{}",
        refused.stderr
    );
    host.inside("mv /root/status /var/lib/dpkg/status");
}

fn check_exposure(host: &Host<'_>) {
    for (unit, most) in [("power", 0.5), ("models", 1.2)] {
        let said = host.inside(&format!(
            "systemd-analyze security --no-pager home-lab-{unit}.service | tail -1"
        ));
        let exposure = said.split_whitespace().find_map(|word| word.parse::<f64>().ok());
        assert!(exposure.is_some_and(|exposure| exposure <= most), "{unit}: {said}");
    }
}

fn power(host: &Host<'_>, role: &str) -> Caller {
    Caller::of(host, "power", 5001, role)
}

fn models(host: &Host<'_>, role: &str) -> Caller {
    Caller::of(host, "models", 5002, role)
}

fn calls_are_checked(host: &Host<'_>) {
    let caller = power(host, "operate");
    assert_eq!(caller.without_token().get("/health").code, 200);
    assert_eq!(caller.without_token().get("/shutdown/status").code, 401);
    assert_eq!(caller.with_token("wrong").get("/shutdown/status").code, 401);
    assert_eq!(models(host, "operate").get("/models").code, 200);
    assert_eq!(
        caller
            .with_token(&models(host, "operate").token)
            .get("/shutdown/status")
            .code,
        401
    );
    // Who may read may not change anything.
    assert_eq!(power(host, "read").post("/shutdown/schedule", "{}").code, 403);
    assert_eq!(
        caller
            .with_header("Origin: http://evil.example")
            .post("/shutdown/schedule", "{}")
            .code,
        403
    );
    let large = format!("{{\"minutes\": {}1}}", " ".repeat(5000));
    assert_eq!(caller.post("/shutdown/schedule", &large).code, 413);
    for (body, code) in [
        ("{\"minutes\": -5}", 400),
        ("{\"minutes\": \"5\"}", 400),
        ("[]", 400),
        ("{", 400),
    ] {
        assert_eq!(caller.post("/shutdown/schedule", body).code, code, "{body}");
    }
    assert!(caller.get("/metrics").body.contains("homelab_agent_requests_total"));
    assert_eq!(scheduled(host), "(st) \"\" 18446744073709551615");
}

/// What logind itself says of the next shutdown.
fn scheduled(host: &Host<'_>) -> String {
    let property = "busctl get-property org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager ScheduledShutdown";
    host.inside(property).trim().to_owned()
}

fn shutdowns_are_scheduled(host: &Host<'_>) {
    let caller = power(host, "operate");
    let first = caller.post("/shutdown/schedule", "{\"minutes\": 600}");
    assert_eq!(first.code, 200, "{first:?}");
    let at_first = scheduled(host);
    assert!(at_first.starts_with("(st) \"poweroff\" "), "{at_first}");
    // An earlier one comes first, and is what `cancel` takes.
    assert_eq!(caller.post("/shutdown/schedule", "{\"minutes\": 300}").code, 200);
    assert_ne!(scheduled(host), at_first);
    let next = power(host, "read").get("/shutdown/next");
    assert!(next.body.contains("scheduled_time"), "{next:?}");
    assert_eq!(caller.post("/shutdown/cancel", "{}").code, 200);
    assert_eq!(scheduled(host), at_first);
    // The agent remembers what it was told.
    host.inside("systemctl kill --signal=KILL home-lab-power.service");
    host.wait_until("systemctl is-active home-lab-power.service", Duration::from_secs(30));
    let next = caller.get("/shutdown/status");
    assert!(next.body.contains("\"has_shutdown\":true"), "{next:?}");
    assert_eq!(caller.post("/shutdown/cancel", "{}").code, 200);
    assert_eq!(caller.post("/shutdown/cancel", "{}").code, 404);
    assert_eq!(scheduled(host), "(st) \"\" 18446744073709551615");
    // A caller holds the host.
    host.start("exec systemd-inhibit --what=shutdown --mode=block --who=test --why=backup sleep 600");
    host.wait_until(
        "systemd-inhibit --list --no-legend | grep -q backup",
        Duration::from_secs(10),
    );
    let held = caller.post("/shutdown/schedule", "{\"minutes\": 600}");
    assert_eq!(held.code, 409, "{held:?}");
    assert!(held.body.contains("\"blocked_by\":[\"test (backup)\"]"), "{held:?}");
    host.inside("pkill -f '^sleep 600'");
    host.wait_until(
        "! systemd-inhibit --list --no-legend | grep -q backup",
        Duration::from_secs(10),
    );
}

fn others_are_refused(host: &Host<'_>) {
    let call = "busctl call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager";
    for user in ["nobody", "home-lab-models"] {
        assert!(
            !host.is(&format!(
                "runuser -u {user} -- {call} ScheduleShutdown st poweroff 99999999999999999"
            )),
            "{user}"
        );
    }
    let start =
        "busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager StartUnit ss";
    for unit in ["ssh.service", "model@x.socket", "model@a-b.service", "poweroff.target"] {
        assert!(
            !host.is(&format!("runuser -u home-lab-models -- {start} '{unit}' replace")),
            "{unit}"
        );
    }
    assert!(!host.is(&format!(
        "runuser -u home-lab-services -- {start} 'model@tiny.service' replace"
    )));
    assert_eq!(scheduled(host), "(st) \"\" 18446744073709551615");
}

fn models_are_started_and_stopped(host: &Host<'_>) {
    let caller = models(host, "operate");
    let listed = caller.get("/models");
    assert!(
        listed.body.contains("tiny") && listed.body.contains("8198"),
        "{listed:?}"
    );
    for name in ["tiny", "large-one"] {
        let started = caller.post(&format!("/models/{name}/start?wait=true"), "");
        assert_eq!(started.code, 200, "{started:?}");
        host.inside(&format!("systemctl is-active model@$(systemd-escape {name}).service"));
    }
    for name in [
        "*",
        "%2a",
        "..%2ftiny",
        "tiny.socket",
        "a%20b",
        "%5btiny%5d",
        "-x",
        "TINY",
    ] {
        let refused = caller.post(&format!("/models/{name}/stop"), "");
        assert!([400, 404].contains(&refused.code), "{name}: {refused:?}");
    }
    assert_eq!(caller.post("/models/nothing/report", "").code, 404);
    // The alias, as the monitor had it.
    let running = Caller::of(host, "models", 5003, "read").get("/models/running");
    assert!(
        running.body.contains("tiny") && running.body.contains("large-one"),
        "{running:?}"
    );
    let stopped = caller.post("/models/tiny/stop?wait=true", "");
    assert_eq!(stopped.code, 200, "{stopped:?}");
    assert!(!host.is("systemctl is-active model@tiny.service"));
    host.inside("systemctl is-active 'model@large\\x2done.service'");
}

/// The same program with a byte more is another one.
fn an_update_restarts_once(project: &Project, hosts: [&Host<'_>; 2]) {
    let units = ["home-lab-power.service", "home-lab-models.service"];
    let starts = |host: &Host<'_>, unit: &str| {
        let lines = host.inside(&format!("journalctl -q -o cat -u {unit} | grep -c '^Started' || true"));
        lines.trim().parse::<u32>().unwrap_or_default()
    };
    let counted = hosts.map(|host| units.map(|unit| starts(host, unit)));
    let path = project.root().join(".homelab/agent/homelab-agent-amd64");
    let mut program = fs::read(&path).unwrap();
    program.push(0);
    let digest = homelab::secret::sha256_hex(&program);
    fs::write(&path, &program).unwrap();
    let note = path.with_extension("built");
    let known = fs::read_to_string(&note).unwrap();
    let (_, sources) = known.trim().split_once(' ').unwrap();
    fs::write(&note, format!("{digest} {sources}\n")).unwrap();
    let updated = project.homelab(&DEPLOY).expect(0);
    assert!(
        updated.stdout.contains("/usr/local/lib/homelab/agent"),
        "{}",
        updated.stdout
    );
    for (host, before) in hosts.into_iter().zip(counted) {
        let now = units.map(|unit| starts(host, unit));
        assert_eq!(now, before.map(|starts| starts + 1));
        assert!(
            host.inside("sha256sum /usr/local/lib/homelab/agent")
                .starts_with(&digest)
        );
    }
    let again = project.homelab(&DEPLOY).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
}

/// A container that was powered off, not stopped or restarted, ends with this code.
fn power_off(hosts: [&Host<'_>; 2]) {
    for host in hosts {
        let answer: Answer = power(host, "operate").post("/shutdown/schedule", "{\"minutes\": 0.1}");
        assert_eq!(answer.code, 200, "{answer:?}");
    }
    for host in hosts {
        assert_eq!(docker(&["wait", host.container()]).trim(), "130");
    }
}
