//! The registry that lab hosts pull images from: one container on the engine, with its images in its image.
//!
//! It answers under the names of the registries of the world, so that hosts pull `busybox:1.37` as they would anywhere. What it
//! has is in `images/registry_images.sh`; what it lacks cannot be pulled on a host that uses it.

use std::collections::{BTreeMap, HashMap};

use bollard::models::ContainerCreateBody;
use futures_util::future::try_join_all;

use super::boot::Running;
use super::engine::Engine;
use super::error::LabError;
use super::events::Events;
use super::image::Recipe;
use super::shared::Shared;
use super::spec::LabSpec;

/// Its container, before the digest of its image: a registry with other images is another container.
const NAME: &str = "homelab-lab-registry";
/// Label of the container; its value is the container's name.
const LABEL: &str = "homelab.lab.registry";
const PORT: u16 = 443;
/// Serves its images to all, and on another port to who logs in.
const SERVE: &str = "docker-registry serve /etc/homelab-lab/private.yml & \
    exec docker-registry serve /etc/homelab-lab/registry.yml";

/// The registry as a host gets to know it.
pub(super) struct Registry {
    address: String,
    /// The names that it answers to.
    names: String,
    /// The certificate of its authority.
    certificate: String,
}

/// Starts the registry if needed.
pub(super) async fn ensure(engine: &Engine, events: &Events<'_>) -> Result<Registry, LabError> {
    let recipe = Recipe::registry();
    let digest = recipe.image.rsplit('-').next().unwrap_or_default();
    let name = format!("{NAME}-{digest}");
    let shared = Shared {
        title: "registry",
        name: &name,
        label: LABEL,
        port: PORT,
        recipe: &recipe,
        body: &|| body(&name, &recipe.image),
    };
    let address = shared.start(engine, events).await?;
    let read = |path: &'static str| {
        let name = name.as_str();
        async move {
            let read = engine.execute(name, name, &["cat", path]).await?;
            let text = read.output.clone();
            read.succeeded(name, "cat", "read its settings").map(|()| text)
        }
    };
    Ok(Registry {
        address: address.ip().to_string(),
        names: read("/etc/homelab-lab/hosts").await?,
        certificate: read("/etc/homelab-lab/authority.crt").await?,
    })
}

fn body(name: &str, image: &str) -> ContainerCreateBody {
    let command = ["sh", "-c", SERVE];
    ContainerCreateBody {
        hostname: Some(NAME.to_owned()),
        image: Some(image.to_owned()),
        cmd: Some(command.map(str::to_owned).to_vec()),
        labels: Some(HashMap::from([(LABEL.to_owned(), name.to_owned())])),
        ..ContainerCreateBody::default()
    }
}

/// Tells the host where the names lead, and whom to trust. The address of the registry may be another one after a restart of this
/// machine. An engine or a k3s that runs already is restarted: it keeps names and authorities for a while.
const SCRIPT: &str = "sed -i '/# homelab lab registry$/d' /etc/hosts && \
    printf '%s %s # homelab lab registry\\n' \"$1\" \"$(echo $2)\" >> /etc/hosts\n\
    certificate=/usr/local/share/ca-certificates/homelab-lab-registry.crt\n\
    known=/etc/ssl/certs/homelab-lab-registry.pem\n\
    printf %s \"$3\" | cmp -s - \"$certificate\" && [ -e \"$known\" ] && exit\n\
    mkdir -p \"${certificate%/*}\" && printf %s \"$3\" > \"$certificate\" && rm -f \"$known\" || exit\n\
    said=$(update-ca-certificates 2>&1) || { printf '%s\\n' \"$said\"; exit 1; }\n\
    ! pidof dockerd >/dev/null || timeout 90 systemctl restart docker.service || exit\n\
    for unit in k3s k3s-agent; do \
    ! systemctl -q is-active $unit.service || timeout 90 systemctl restart $unit.service || exit; done";

/// Has the hosts of `spec` that ask for it use the registry.
pub(super) async fn write(
    engine: &Engine,
    spec: &LabSpec,
    registry: &Registry,
    running: &BTreeMap<String, Running>,
) -> Result<(), LabError> {
    let users = spec.hosts.iter().filter(|host| host.registry);
    let ids = users.filter_map(|host| Some((host.name.as_str(), running.get(&host.name)?.id.as_str())));
    let writes = ids.map(|(host, id)| async move {
        let Registry {
            address,
            names,
            certificate,
        } = registry;
        let command = ["sh", "-c", SCRIPT, "sh", address, names, certificate];
        let written = engine.execute(host, id, &command).await?;
        written.succeeded(host, "sh", "write the address of the registry")
    });
    try_join_all(writes).await.map(drop)
}
