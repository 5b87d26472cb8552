//! Starting one host: create or start its container, then wait until it has booted and accepts logins.

use std::process::Stdio;
use std::time::{Duration, Instant};

use bollard::models::ContainerStateStatusEnum as Status;
use tokio::process::Command;
use tokio::time::{sleep, timeout_at};

use super::engine::{Container, Engine};
use super::error::{LabError, LastLines};
use super::events::{Events, HostStep};
use super::keys::{self, Access};
use super::spec::{LabAddress, LabHost, LabSpec};
use super::state::Folder;
use super::{container, login, naming};
use crate::secret::WithoutSecrets as _;

const BOOT_SECONDS: u64 = 120;
const LOGIN_SECONDS: u64 = 20;
const POLL: Duration = Duration::from_millis(150);

/// A host whose container runs.
pub(super) struct Running {
    pub(super) id: String,
    pub(super) address: String,
    pub(super) was_running: bool,
}

/// Creates the container of `host` from `image`, or starts it; a running one is kept as it is.
pub(super) async fn ensure_running(
    engine: &Engine,
    folder: &Folder,
    (spec, host): (&LabSpec, &LabHost),
    image: &str,
    found: Option<&Container>,
    events: &Events<'_>,
) -> Result<Running, LabError> {
    let name = host.name.as_str();
    let (id, was_running) = match found {
        Some(container) if container.status == Status::RUNNING => {
            keys::access(folder, &spec.inventory, name).await?;
            events.host(name, HostStep::AlreadyRunning);
            (container.id.clone(), true)
        }
        Some(container) if container.status == Status::PAUSED => {
            keys::access(folder, &spec.inventory, name).await?;
            engine.unpause(name, &container.id).await?;
            events.host(name, HostStep::Started);
            (container.id.clone(), false)
        }
        Some(container) if container.status == Status::EXITED => {
            keys::access(folder, &spec.inventory, name).await?;
            engine.start(name, &container.id).await?;
            events.host(name, HostStep::Started);
            (container.id.clone(), false)
        }
        // Never booted, or half removed: it holds no data worth keeping.
        Some(container) => {
            engine.remove(name, &container.id).await?;
            (create(engine, folder, (spec, host), image, events).await?, false)
        }
        None => (create(engine, folder, (spec, host), image, events).await?, false),
    };
    if found.is_some_and(|container| container.image_tag.as_deref().is_some_and(|tag| tag != image)) {
        events.host(name, HostStep::Outdated);
    }
    let address = address_of(engine, name, &id).await?;
    Ok(Running {
        id,
        address,
        was_running,
    })
}

async fn create(
    engine: &Engine,
    folder: &Folder,
    (spec, host): (&LabSpec, &LabHost),
    image: &str,
    events: &Events<'_>,
) -> Result<String, LabError> {
    let name = host.name.as_str();
    // A new machine has a new key, as a real one would.
    folder.forget_host_key(&spec.inventory, name)?;
    let access = keys::access(folder, &spec.inventory, name).await?;
    let body = container::body(spec, host, image, engine.cgroup);
    let id = engine.create(name, &naming::container_name(spec, name), body).await?;
    let machine_id = keys::machine_id();
    let archive = archive(&access, Some(&machine_id)).map_err(|source| packing(folder, source))?;
    engine.upload(name, &id, archive).await?;
    engine.start(name, &id).await?;
    events.host(name, HostStep::Created);
    Ok(id)
}

fn packing(folder: &Folder, source: std::io::Error) -> LabError {
    LabError::Disk {
        action: "pack the keys of",
        path: folder.identity_file(),
        source,
    }
}

/// The keys and the machine id that a host gets, as a tar archive for its root folder.
fn archive(access: &Access, machine_id: Option<&str>) -> std::io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut folder = tar::Header::new_gnu();
    folder.set_entry_type(tar::EntryType::Directory);
    folder.set_mode(0o700);
    folder.set_size(0);
    builder.append_data(&mut folder, "root/.ssh/", std::io::empty())?;
    let mut file = |path: &str, mode: u32, content: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, content.as_bytes())
    };
    file("root/.ssh/authorized_keys", 0o600, &access.authorized_key)?;
    file("etc/ssh/ssh_host_ed25519_key", 0o600, &access.host_key)?;
    file("etc/ssh/ssh_host_ed25519_key.pub", 0o644, &access.host_key_public)?;
    if let Some(machine_id) = machine_id {
        file("etc/machine-id", 0o444, machine_id)?;
    }
    builder.into_inner()
}

async fn address_of(engine: &Engine, host: &str, id: &str) -> Result<String, LabError> {
    let address = engine.inspect(host, id).await?.and_then(|container| container.address);
    match address {
        Some(address) => Ok(address),
        None => Err(LabError::Ended {
            host: host.to_owned(),
            source: engine.last_lines(id).await,
        }),
    }
}

/// Waits until the host has booted and accepts a login with the lab's key.
pub(super) async fn wait_ready(
    engine: &Engine,
    folder: &Folder,
    inventory: &str,
    running: &Running,
    address: &LabAddress,
    events: &Events<'_>,
) -> Result<(), LabError> {
    let host = address.host.as_str();
    let started = Instant::now();
    let booted = wait_booted(engine, host, &running.id).await?;
    if running.was_running && try_login(address).await?.is_err() {
        // The keys on this machine were lost or replaced. The engine, not the network, copies the new ones into the host.
        renew_access(engine, folder, inventory, (host, &running.id)).await?;
        events.host(host, HostStep::AccessRenewed);
    }
    wait_login(address).await?;
    events.host(
        host,
        HostStep::Ready {
            address: address.address.clone(),
            took: started.elapsed(),
        },
    );
    if booted == Boot::Degraded {
        events.host(
            host,
            HostStep::Degraded {
                units: failed_units(engine, host, &running.id).await?,
            },
        );
    }
    Ok(())
}

async fn renew_access(
    engine: &Engine,
    folder: &Folder,
    inventory: &str,
    (host, id): (&str, &str),
) -> Result<(), LabError> {
    let access = keys::access(folder, inventory, host).await?;
    let archive = archive(&access, None).map_err(|source| packing(folder, source))?;
    engine.upload(host, id, archive).await?;
    let restarted = engine
        .execute(host, id, &["systemctl", "restart", "ssh.service"])
        .await?;
    restarted.succeeded(host, "systemctl", "restart sshd")
}

/// The state of a host's boot, as systemd reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Boot {
    Booting,
    /// Booted, without failed units.
    Running,
    /// Booted, with failed units.
    Degraded,
}

/// The state of the host's boot, and systemd's own word for it.
pub(super) async fn boot_state(engine: &Engine, host: &str, id: &str) -> Result<(Boot, String), LabError> {
    ask_systemd(engine, host, id, &["systemctl", "is-system-running"]).await
}

async fn ask_systemd(engine: &Engine, host: &str, id: &str, command: &[&str]) -> Result<(Boot, String), LabError> {
    let asked = engine.execute(host, id, command).await?;
    let boot = match asked.output.trim() {
        "running" => Boot::Running,
        "degraded" => Boot::Degraded,
        _ => Boot::Booting,
    };
    Ok((boot, asked.output))
}

async fn wait_booted(engine: &Engine, host: &str, id: &str) -> Result<Boot, LabError> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(BOOT_SECONDS);
    loop {
        // systemd answers when it has booted. Before it takes questions, the command fails at once.
        let wait = ask_systemd(engine, host, id, &["systemctl", "is-system-running", "--wait"]);
        let asked = timeout_at(deadline, wait).await;
        // In a container that has just exited no command can run. Report the exit, not the failed command.
        if !engine
            .inspect(host, id)
            .await?
            .is_some_and(|container| container.runs())
        {
            return Err(LabError::Ended {
                host: host.to_owned(),
                source: engine.last_lines(id).await,
            });
        }
        let Ok(asked) = asked else {
            return Err(too_slow(host, "booting", BOOT_SECONDS, "systemd has not finished"));
        };
        let (boot, seen) = asked?;
        if boot != Boot::Booting {
            return Ok(boot);
        }
        if tokio::time::Instant::now() > deadline {
            return Err(too_slow(host, "booting", BOOT_SECONDS, &seen));
        }
        sleep(POLL).await;
    }
}

async fn wait_login(address: &LabAddress) -> Result<(), LabError> {
    let deadline = Instant::now() + Duration::from_secs(LOGIN_SECONDS);
    loop {
        let Err(seen) = try_login(address).await? else {
            return Ok(());
        };
        if Instant::now() > deadline {
            return Err(too_slow(&address.host, "logging in", LOGIN_SECONDS, &seen));
        }
        sleep(POLL).await;
    }
}

fn too_slow(host: &str, waited_for: &'static str, seconds: u64, seen: &str) -> LabError {
    LabError::TooSlow {
        host: host.to_owned(),
        waited_for,
        seconds,
        source: LastLines::of(seen),
    }
}

/// Logs in once; the inner error is the output of `ssh`.
async fn try_login(address: &LabAddress) -> Result<Result<(), String>, LabError> {
    let mut command = Command::new("ssh");
    command
        .args(login::ssh_arguments(address, &["true".to_owned()]))
        .without_secrets()
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = command.output().await.map_err(|source| LabError::ToolMissing {
        subject: address.host.clone(),
        program: "ssh",
        action: "log in",
        source,
    })?;
    let stderr = || String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(if output.status.success() { Ok(()) } else { Err(stderr()) })
}

async fn failed_units(engine: &Engine, host: &str, id: &str) -> Result<Vec<String>, LabError> {
    let command = [
        "systemctl",
        "list-units",
        "--state=failed",
        "--plain",
        "--no-legend",
        "--no-pager",
    ];
    let listed = engine.execute(host, id, &command).await?;
    let units = listed.output.lines().filter_map(|line| line.split_whitespace().next());
    Ok(units.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn keys_arrive_with_the_modes_that_sshd_asks_for() {
        let access = Access {
            authorized_key: "ssh-ed25519 A\n".into(),
            host_key: "private".into(),
            host_key_public: "public".into(),
        };
        let packed = archive(&access, Some("id\n")).unwrap();
        let mut seen = Vec::new();
        for entry in tar::Archive::new(packed.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            seen.push((path, entry.header().mode().unwrap(), content));
        }
        let expected = [
            ("root/.ssh/", 0o700, ""),
            ("root/.ssh/authorized_keys", 0o600, "ssh-ed25519 A\n"),
            ("etc/ssh/ssh_host_ed25519_key", 0o600, "private"),
            ("etc/ssh/ssh_host_ed25519_key.pub", 0o644, "public"),
            ("etc/machine-id", 0o444, "id\n"),
        ];
        let expected: Vec<_> = expected
            .map(|(path, mode, text)| (path.to_owned(), mode, text.to_owned()))
            .into();
        assert_eq!(seen, expected);
    }
}
