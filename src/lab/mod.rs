//! The lab: throw-away hosts to try deploys on. Each is a real Debian in a container of the workstation's Docker engine.
//!
//! [`Lab`] creates and removes them. [`addresses`] returns how to reach the hosts that are up; it reads the lab's state on
//! disk and needs no engine. Host keys are pinned before a host boots, so no key from the network is ever trusted.
//!
//! Lab hosts share an apt cache: the container `homelab-lab-apt-cache` with a volume of the same name. All labs on the
//! engine use it, and [`Lab::down`] keeps it. It stores packages and files named after their digest; package lists that
//! change are always fetched from the mirror, and so is everything from a mirror with https. A host tries the cache before
//! every apt run and uses the mirror if the cache does not answer within a second.
//!
//! Hosts with `registry = true` share a registry too, the container `homelab-lab-registry-…`: it has a few images, most of them
//! stand-ins, under their real names.
//!
//! - `HOMELAB_LAB_APT_CACHE` names another cache; `off` turns it off.
//! - `apt-get -o Acquire::http::No-Cache=true install …` replaces a broken file in the cache.
//! - `docker rm -f homelab-lab-apt-cache && docker volume rm homelab-lab-apt-cache` removes the cache.

mod apt_cache;
mod archive;
mod boot;
mod compiled;
mod container;
mod engine;
mod error;
mod events;
mod helm;
mod image;
mod keys;
mod kubernetes;
mod lock;
mod login;
mod models;
mod naming;
mod program;
mod registry;
mod shared;
mod sources;
mod spec;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;

use self::boot::{Boot, Running};
use self::engine::{Container, Engine};
use self::events::Events;
use self::image::Recipe;
use self::state::Folder;
use crate::content::{LAB_HELM, lab_helm_file};

pub use self::error::{LabError, LastLines};
pub use self::events::{HostStep, ImageStep, LabEvent};
pub use self::lock::hold_network;
pub use self::login::ssh_arguments;
pub use self::naming::project_id;
pub use self::spec::{AptCacheStatus, LabAddress, LabHost, LabSpec, LabState, LabStatus};

/// The lab of a project.
#[derive(Clone, Debug)]
pub struct Lab {
    engine: Engine,
    folder: Folder,
}

impl Lab {
    /// The lab of the project at `root`, on this machine's Docker engine.
    pub async fn connect(root: &Path) -> Result<Self, LabError> {
        Ok(Self {
            engine: Engine::connect().await?,
            folder: Folder::of(root),
        })
    }

    /// Starts every host of `spec` and waits until each has booted and accepts logins. Running hosts are kept as they are.
    pub async fn up(&self, spec: &LabSpec, listener: &mut dyn FnMut(LabEvent)) -> Result<Vec<LabAddress>, LabError> {
        let events = Events::to(listener);
        naming::check_names(spec)?;
        let recipes = recipes(spec)?;
        let _lock = self.lock(&events).await?;
        keys::ensure_identity(&self.folder).await?;
        if spec.hosts.iter().any(|host| host.kubernetes) {
            self.folder.offer_k3s(&kubernetes::ensure(&events).await?)?;
        }
        if spec.hosts.iter().any(|host| host.helm) {
            self.folder
                .offer_programs(&helm::ensure(&events).await?, LAB_HELM.map(lab_helm_file))?;
        }
        for recipe in recipes.values() {
            image::ensure(&self.engine, recipe, &events).await?;
        }
        if spec.hosts.iter().any(|host| host.models) {
            self.folder
                .offer_models(&models::ensure(&self.engine, &events).await?)?;
        }
        let cache = apt_cache::ensure(&self.engine, &events).await;
        let registry = if spec.hosts.iter().any(|host| host.registry) {
            Some(registry::ensure(&self.engine, &events).await?)
        } else {
            None
        };
        let found = self.engine.containers(spec).await?;
        let running = self.start_all(spec, &recipes, &found, &events).await?;
        apt_cache::write_address(&self.engine, cache.as_ref(), &running).await?;
        let ready = self.wait_all(spec, &running, &events).await?;
        // A host that starts writes its own /etc/hosts.
        if let Some(registry) = &registry {
            registry::write(&self.engine, spec, registry, &running).await?;
        }
        for host in spec.hosts.iter().filter(|host| host.kubernetes) {
            let names = kubernetes::STAND_INS;
            events.host(&host.name, HostStep::StandIns { names });
        }
        Ok(ready)
    }

    /// Removes every container of the lab of `spec`'s project and inventory, with its volumes and its state on disk. Images
    /// and the login key stay.
    pub async fn down(&self, spec: &LabSpec, listener: &mut dyn FnMut(LabEvent)) -> Result<(), LabError> {
        let events = Events::to(listener);
        naming::check_names(spec)?;
        let _lock = self.lock(&events).await?;
        let found = self.engine.containers(spec).await?;
        let removals = found.iter().map(|(host, container)| async {
            self.engine.remove(host, &container.id).await?;
            events.host(host, HostStep::Removed);
            Ok(())
        });
        join_all(removals).await.into_iter().collect::<Result<(), LabError>>()?;
        self.engine.remove_volumes(spec).await?;
        self.folder.forget(&spec.inventory)
    }

    /// Recreates `host`, or every host of `spec`: its data is lost, and it gets a new host key.
    pub async fn reset(
        &self,
        spec: &LabSpec,
        host: Option<&str>,
        listener: &mut dyn FnMut(LabEvent),
    ) -> Result<Vec<LabAddress>, LabError> {
        let is_meant = |name: &str| host.is_none_or(|host| name == host);
        self.remove(&spec.only(is_meant), listener).await?;
        self.up_only(spec, is_meant, listener).await
    }

    /// As [`Lab::up`], for the hosts of `spec` that `is_meant`, by name. Others stay as they are.
    pub async fn up_only(
        &self,
        spec: &LabSpec,
        is_meant: impl Fn(&str) -> bool,
        listener: &mut dyn FnMut(LabEvent),
    ) -> Result<Vec<LabAddress>, LabError> {
        // `up` reports the other hosts as not in the inventory, although they are.
        let is_kept = |event: &LabEvent| match event {
            LabEvent::Host {
                host,
                step: HostStep::NotInInventory,
            } => spec.hosts.iter().any(|one| one.name == *host),
            _ => false,
        };
        let mut filtered = |event: LabEvent| {
            if !is_kept(&event) {
                listener(event);
            }
        };
        self.up(&spec.only(is_meant), &mut filtered).await
    }

    async fn remove(&self, spec: &LabSpec, listener: &mut dyn FnMut(LabEvent)) -> Result<(), LabError> {
        let events = Events::to(listener);
        naming::check_names(spec)?;
        let _lock = self.lock(&events).await?;
        let found = self.engine.containers(spec).await?;
        for host in &spec.hosts {
            if let Some(container) = found.get(&host.name) {
                self.engine.remove(&host.name, &container.id).await?;
                events.host(&host.name, HostStep::Removed);
            }
        }
        Ok(())
    }

    /// The status of the apt cache that lab hosts share; `None` if it is turned off.
    pub async fn apt_cache(&self) -> Result<Option<AptCacheStatus>, LabError> {
        apt_cache::status(&self.engine).await
    }

    /// The status of each host of `spec`, and of hosts that still have a container but are no longer in the inventory.
    pub async fn status(&self, spec: &LabSpec) -> Result<Vec<LabStatus>, LabError> {
        naming::check_names(spec)?;
        let found = self.engine.containers(spec).await?;
        let wanted: BTreeMap<&str, &LabHost> = spec.hosts.iter().map(|host| (host.name.as_str(), host)).collect();
        let names: BTreeSet<&str> = wanted.keys().copied().chain(found.keys().map(String::as_str)).collect();
        let asked = names
            .into_iter()
            .map(|name| self.status_of(name, wanted.get(name).copied(), found.get(name)));
        join_all(asked).await.into_iter().collect()
    }

    async fn status_of(
        &self,
        name: &str,
        wanted: Option<&LabHost>,
        found: Option<&Container>,
    ) -> Result<LabStatus, LabError> {
        let state = match found {
            None => LabState::Absent,
            Some(container) if !container.runs() => LabState::Stopped,
            Some(container) => self.running_state(name, container).await?,
        };
        let up = found.filter(|container| container.runs());
        let had = found.and_then(|container| container.image.clone());
        Ok(LabStatus {
            host: name.to_owned(),
            state,
            address: up.and_then(|container| container.address.clone()),
            image: had
                .or_else(|| wanted.map(|host| host.image.clone()))
                .unwrap_or_default(),
            since: up.and_then(|container| container.started_at.as_deref()?.parse().ok()),
            in_inventory: wanted.is_some(),
        })
    }

    async fn running_state(&self, name: &str, container: &Container) -> Result<LabState, LabError> {
        use bollard::models::ContainerStateStatusEnum::PAUSED;
        if container.status == PAUSED {
            return Ok(LabState::Stopped);
        }
        let (boot, _) = boot::boot_state(&self.engine, name, &container.id).await?;
        Ok(if boot == Boot::Booting {
            LabState::Booting
        } else {
            LabState::Running
        })
    }

    /// Takes the lock of the project's lab; waits if another run holds it.
    async fn lock(&self, events: &Events<'_>) -> Result<File, LabError> {
        self.folder.create()?;
        let file = self.folder.lock_file()?;
        let failed = |source| LabError::Disk {
            action: "lock",
            path: self.folder.inventory(".lock"),
            source,
        };
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => events.report(LabEvent::Waiting),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
        locked.map_err(std::io::Error::other).flatten().map_err(failed)
    }

    /// Starts all containers concurrently, then saves their addresses, even if one of them failed.
    async fn start_all(
        &self,
        spec: &LabSpec,
        recipes: &BTreeMap<(&str, bool), Recipe>,
        found: &BTreeMap<String, Container>,
        events: &Events<'_>,
    ) -> Result<BTreeMap<String, Running>, LabError> {
        let starts = spec.hosts.iter().map(|host| async move {
            let image = recipes[&(host.image.as_str(), host.kubernetes)].image.as_str();
            let container = found.get(&host.name);
            let target = (spec, host);
            let started = boot::ensure_running(&self.engine, &self.folder, target, image, container, events).await;
            started.map(|running| (host.name.clone(), running))
        });
        let (mut running, mut first_error) = (BTreeMap::new(), None);
        for started in join_all(starts).await {
            match started {
                Ok((name, one)) => drop(running.insert(name, one)),
                Err(error) => drop(first_error.get_or_insert(error)),
            }
        }
        self.save_addresses(spec, &running, found, events)?;
        first_error.map_or(Ok(running), Err)
    }

    fn save_addresses(
        &self,
        spec: &LabSpec,
        running: &BTreeMap<String, Running>,
        found: &BTreeMap<String, Container>,
        events: &Events<'_>,
    ) -> Result<(), LabError> {
        let mut hosts = BTreeMap::new();
        for (name, container) in found {
            let wanted = spec.hosts.iter().any(|host| &host.name == name);
            let known = self.folder.host_key(&spec.inventory, name).exists();
            if let (false, true, Some(address)) = (wanted, known, &container.address) {
                hosts.insert(
                    name.clone(),
                    state::Host {
                        address: address.clone(),
                        port: 22,
                    },
                );
            }
            if !wanted {
                events.host(name, HostStep::NotInInventory);
            }
        }
        let started = running.iter().map(|(name, one)| {
            (
                name.clone(),
                state::Host {
                    address: one.address.clone(),
                    port: 22,
                },
            )
        });
        hosts.extend(started);
        self.folder.write_hosts(&spec.inventory, hosts)
    }

    async fn wait_all(
        &self,
        spec: &LabSpec,
        running: &BTreeMap<String, Running>,
        events: &Events<'_>,
    ) -> Result<Vec<LabAddress>, LabError> {
        let waits = running.iter().map(|(name, one)| async {
            let host = state::Host {
                address: one.address.clone(),
                port: 22,
            };
            let address = self.folder.address(&spec.inventory, name.clone(), host);
            boot::wait_ready(&self.engine, &self.folder, &spec.inventory, one, &address, events).await?;
            Ok(address)
        });
        join_all(waits).await.into_iter().collect()
    }
}

/// The recipe of each image that `spec` asks for, by its name and whether it is for Kubernetes.
fn recipes(spec: &LabSpec) -> Result<BTreeMap<(&str, bool), Recipe>, LabError> {
    let made = spec
        .hosts
        .iter()
        .map(|host| Ok(((host.image.as_str(), host.kubernetes), image::recipe_for(host)?)));
    made.collect()
}

/// How to reach the lab hosts of an inventory that are up, from the lab's state in the project at `root`.
pub fn addresses(root: &Path, inventory: &str) -> Result<BTreeMap<String, LabAddress>, LabError> {
    Folder::of(root).addresses(inventory)
}

/// How to reach the lab host `host` of `inventory` or, without one, of any inventory.
pub fn find_address(root: &Path, inventory: Option<&str>, host: &str) -> Result<LabAddress, LabError> {
    let folder = Folder::of(root);
    let searched = match inventory {
        Some(inventory) => vec![inventory.to_owned()],
        None => folder.inventories()?,
    };
    let (mut found, mut known) = (Vec::new(), Vec::new());
    for name in searched {
        for (candidate, address) in folder.addresses(&name)? {
            if candidate == host {
                found.push((name.clone(), address));
            } else {
                known.push(candidate);
            }
        }
    }
    if found.len() > 1 {
        let inventories = found.into_iter().map(|(name, _)| name).collect();
        return Err(LabError::Ambiguous {
            host: host.to_owned(),
            inventories,
        });
    }
    let not_up = || LabError::NotUp {
        host: host.to_owned(),
        inventory: inventory.map(str::to_owned),
        known,
    };
    found.pop().map(|(_, address)| address).ok_or_else(not_up)
}

/// Finds out whether a lab host answers, before `ssh` takes over this process: it may have been stopped since it was started.
///
/// Errors: nothing answers at its address.
pub fn check_answers(address: &LabAddress) -> Result<(), LabError> {
    /// A host that is booting accepts connections late.
    const PATIENCE: Duration = Duration::from_secs(3);
    let silent = |source| LabError::Silent {
        host: address.host.clone(),
        source,
    };
    let ip: IpAddr = match address.address.parse() {
        Ok(ip) => ip,
        // Only `ssh` knows what it is.
        Err(_) => return Ok(()),
    };
    TcpStream::connect_timeout(&SocketAddr::new(ip, address.port), PATIENCE).map_err(silent)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up(root: &Path, inventory: &str, host: &str) {
        let folder = Folder::of(root);
        let key = state::public_half(&folder.host_key(inventory, host));
        state::write(&key, b"ssh-ed25519 AAAA\n").unwrap();
        let state = state::Host {
            address: "172.17.0.9".to_owned(),
            port: 22,
        };
        folder
            .write_hosts(inventory, BTreeMap::from([(host.to_owned(), state)]))
            .unwrap();
    }

    #[test]
    fn a_host_is_found_without_its_inventory_unless_two_have_it() {
        let root = tempfile::tempdir().unwrap();
        let error = find_address(root.path(), None, "alpha").unwrap_err();
        assert_eq!(
            error.hint().unwrap(),
            "start it with `homelab lab up` and the name of its inventory"
        );
        up(root.path(), "dev", "alpha");
        assert_eq!(find_address(root.path(), None, "alpha").unwrap().address, "172.17.0.9");
        assert_eq!(
            find_address(root.path(), None, "alhpa").unwrap_err().hint().unwrap(),
            "did you mean `alpha`?"
        );
        up(root.path(), "other", "alpha");
        let error = find_address(root.path(), None, "alpha").unwrap_err();
        assert_eq!(
            error.to_string(),
            "alpha: several labs have a host of this name: dev, other"
        );
        assert!(find_address(root.path(), Some("other"), "alpha").is_ok());
    }
}
