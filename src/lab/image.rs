//! The images of the lab: a minimal Debian, pulled or built on this machine, on which a script installs a server or the apt
//! cache.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bollard::body_try_stream;
use bollard::errors::Error;
use bollard::models::{ContainerConfig, ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CommitContainerOptionsBuilder, CreateImageOptionsBuilder, ListContainersOptionsBuilder, WaitContainerOptions,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use super::container::START;
use super::engine::{Engine, is_status, refused};
use super::error::LabError;
use super::events::{Events, ImageStep, LabEvent};
use super::program::Program;
use super::sources::{self, Mirror};
use super::spec::LabHost;
use super::{kubernetes, lock, naming};

/// What all scripts begin with.
const PACKAGES: &str = include_str!("images/packages.sh");
/// The script that installs a server.
const SERVER_RECIPE: &str = include_str!("images/server.sh");
/// The script at [`START`].
const START_SCRIPT: &str = include_str!("images/start.sh");
/// What PID 1 becomes when systemd has shut down.
const SHUTDOWN_SCRIPT: &str = include_str!("images/shutdown.sh");
/// What the script of a server continues with where it has Docker.
const DOCKER_RECIPE: &str = include_str!("images/docker.sh");
/// What the script of a server continues with where pods can run.
const KUBERNETES_RECIPE: &str = include_str!("images/kubernetes.sh");
/// Where the folder with the lab's Kubernetes is while such an image is built.
const KUBERNETES_PARTS: &str = "/run/homelab-lab-kubernetes";
/// The script that installs the apt cache.
const APT_CACHE_RECIPE: &str = include_str!("images/apt_cache.sh");
/// The script that installs the registry, how images get into it, and which.
const REGISTRY_RECIPE: [&str; 3] = [
    include_str!("images/registry.sh"),
    include_str!("images/registry_store.sh"),
    include_str!("images/registry_images.sh"),
];
/// The program of the images that stand in for servers.
const STAND_IN: &str = include_str!("images/stand_in.py");
/// The certificates that this machine trusts, for what is downloaded while an image is built: a network may have an authority of
/// its own. The place in the container where they are then.
const AUTHORITIES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/run/machine-authorities.crt"];
/// The repository of server images.
const SERVER: &str = "debian";
/// Label of the containers in which images are built.
const BUILD_LABEL: &str = "homelab.lab.build";
/// How long to wait for a registry before the image is built here instead.
const REGISTRY_PATIENCE: Duration = Duration::from_secs(10);

/// A release of Debian that the lab supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Release {
    number: &'static str,
    suite: &'static str,
}

const RELEASES: [Release; 2] = [
    Release {
        number: "13",
        suite: "trixie",
    },
    Release {
        number: "12",
        suite: "bookworm",
    },
];

/// A server with a Docker engine: the release whose packages have all that it needs.
const WITH_DOCKER: &str = "debian:13-docker";

/// The recipe of the image that a host asks for.
pub(super) fn recipe_for(host: &LabHost) -> Result<Recipe, LabError> {
    let mirror = || sources::machine_mirror(Path::new("/etc/apt"));
    recipe_of(&host.image, host.kubernetes, mirror).ok_or_else(|| LabError::UnknownImage {
        host: host.name.clone(),
        image: host.image.clone(),
    })
}

fn recipe_of(image: &str, with_kubernetes: bool, mirror: impl FnOnce() -> Mirror) -> Option<Recipe> {
    let [newest, ..] = RELEASES;
    let (release, docker) = if image == WITH_DOCKER {
        (newest, DOCKER_RECIPE)
    } else {
        let wanted = image.strip_prefix("debian:")?;
        (RELEASES.into_iter().find(|release| release.number == wanted)?, "")
    };
    let server = format!("{}{docker}", server_recipe());
    if !with_kubernetes {
        return Some(Recipe::of(release, mirror(), SERVER, &server));
    }
    // Other programs are another image.
    let recipe = format!("{server}# {}\n{KUBERNETES_RECIPE}", kubernetes::name());
    let recipe = Recipe::of(release, mirror(), SERVER, &recipe);
    Some(Recipe {
        parts: Some(kubernetes::folder()),
        ..recipe
    })
}

/// How to build an image. Its name contains a digest of the script, so a changed recipe is a new image.
pub(super) struct Recipe {
    release: Release,
    mirror: Mirror,
    script: String,
    /// Whether it makes a server; if not, the apt cache or the registry.
    makes_server: bool,
    /// A folder of this machine that the script copies from, at [`KUBERNETES_PARTS`].
    pub(super) parts: Option<PathBuf>,
    /// The image's name and tag.
    pub(super) image: String,
}

impl Recipe {
    /// The recipe for the apt cache; `None` if the mirror uses https, which cannot be cached.
    pub(super) fn apt_cache() -> Option<Self> {
        Self::apt_cache_of(sources::machine_mirror(Path::new("/etc/apt")))
    }

    fn apt_cache_of(mirror: Mirror) -> Option<Self> {
        let [release, ..] = RELEASES;
        let cached = mirror.archive.starts_with("http://");
        cached.then(|| Self::of(release, mirror, "apt-cache", APT_CACHE_RECIPE))
    }

    /// The recipe for the registry.
    pub(super) fn registry() -> Self {
        let [release, ..] = RELEASES;
        let [server, store, images] = REGISTRY_RECIPE;
        let recipe = format!(
            "{server}{store}{}{images}",
            written("/usr/local/lib/stand_in.py", STAND_IN)
        );
        let mirror = sources::machine_mirror(Path::new("/etc/apt"));
        Self::of(release, mirror, "registry", &recipe)
    }

    /// The recipe for an image that only has files of packages, in `/parts`.
    pub(super) fn parts(script: &str) -> Self {
        let [release, ..] = RELEASES;
        Self::of(release, sources::machine_mirror(Path::new("/etc/apt")), "parts", script)
    }

    fn of(release: Release, mirror: Mirror, repository: &str, recipe: &str) -> Self {
        let Release { number, suite } = release;
        let Mirror { archive, security } = &mirror;
        let script = format!("suite={suite}\narchive={archive}\nsecurity={security}\n{PACKAGES}{recipe}");
        let digest = naming::hex_of(script.as_bytes(), 5);
        let image = format!("homelab-lab/{repository}:{number}-{digest}");
        Self {
            release,
            mirror,
            script,
            makes_server: repository == SERVER,
            parts: None,
            image,
        }
    }

    fn pulled_base(&self) -> String {
        format!("debian:{}", self.release.number)
    }

    fn built_base(&self) -> String {
        let origin = naming::hex_of(self.mirror.archive.as_bytes(), 5);
        format!("homelab-lab/bare:{}-{origin}", self.release.number)
    }
}

/// The recipe of a server, with the programs that start it and shut it down.
fn server_recipe() -> String {
    let program = |path: &str, text: &str| format!("{}chmod 0755 {path}\n", written(path, text));
    let start = program(START, START_SCRIPT);
    let shutdown = program("\"$shutdown\"", SHUTDOWN_SCRIPT);
    // Diverted, so that an upgrade of systemd leaves it.
    format!(
        "{SERVER_RECIPE}\n{start}shutdown=$(dpkg -L systemd | grep '/systemd-shutdown$')\n\
         dpkg-divert --local --rename --divert \"$shutdown.homelab-lab\" --add \"$shutdown\"\n{shutdown}"
    )
}

/// The lines of a script that write a file.
fn written(path: &str, text: &str) -> String {
    format!("cat > {path} <<'HOMELAB_LAB'\n{text}HOMELAB_LAB\n")
}

/// Builds the image unless the engine has it.
pub(super) async fn ensure(engine: &Engine, recipe: &Recipe, events: &Events<'_>) -> Result<(), LabError> {
    if present(engine, &recipe.image).await? {
        return Ok(());
    }
    let _lock = lock::hold(lock::IMAGES).await?;
    // Another run may have built it in the meantime.
    if present(engine, &recipe.image).await? {
        return Ok(());
    }
    let started = Instant::now();
    let base = base(engine, recipe, events).await?;
    if recipe.makes_server {
        report(events, recipe, ImageStep::Provisioning);
    }
    provision(engine, recipe, &base).await?;
    report(
        events,
        recipe,
        ImageStep::Made {
            took: started.elapsed(),
        },
    );
    Ok(())
}

fn report(events: &Events<'_>, recipe: &Recipe, step: ImageStep) {
    events.report(LabEvent::Image {
        image: recipe.image.clone(),
        step,
    });
}

async fn present(engine: &Engine, image: &str) -> Result<bool, LabError> {
    match engine.docker.inspect_image(image).await {
        Ok(_) => Ok(true),
        Err(error) if is_status(&error, 404) => Ok(false),
        Err(error) => Err(refused(image, "look for the image")(error)),
    }
}

/// A minimal Debian: one that the engine has, or else from a registry, or else built on this machine.
async fn base(engine: &Engine, recipe: &Recipe, events: &Events<'_>) -> Result<String, LabError> {
    let (pulled, built) = (recipe.pulled_base(), recipe.built_base());
    for image in [&pulled, &built] {
        if present(engine, image).await? {
            return Ok(image.clone());
        }
    }
    report(events, recipe, ImageStep::Pulling { base: pulled.clone() });
    match pull(engine, recipe).await {
        Ok(()) => Ok(pulled),
        Err(reason) => {
            report(events, recipe, ImageStep::PullFailed { base: pulled, reason });
            report(
                events,
                recipe,
                ImageStep::Bootstrapping {
                    archive: recipe.mirror.archive.clone(),
                },
            );
            bootstrap(engine, recipe, &built).await?;
            Ok(built)
        }
    }
}

/// Pulls Debian's image. The error is only a text, since a machine that cannot reach a registry is normal.
async fn pull(engine: &Engine, recipe: &Recipe) -> Result<(), String> {
    let options = CreateImageOptionsBuilder::new()
        .from_image("debian")
        .tag(recipe.release.number)
        .build();
    let mut progress = engine.docker.create_image(Some(options), None, None);
    loop {
        match tokio::time::timeout(REGISTRY_PATIENCE, progress.next()).await {
            Err(_) => return Err(format!("no response for {} s", REGISTRY_PATIENCE.as_secs())),
            Ok(None) => return Ok(()),
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(Error::DockerResponseServerError { message, .. }))) => return Err(message),
            Ok(Some(Err(error))) => return Err(error.to_string()),
        }
    }
}

/// Builds a minimal Debian from the machine's mirror and imports it as `image`.
async fn bootstrap(engine: &Engine, recipe: &Recipe, image: &str) -> Result<(), LabError> {
    let disk = |source| LabError::Disk {
        action: "write",
        path: std::env::temp_dir(),
        source,
    };
    let folder = tempfile::tempdir().map_err(disk)?;
    let archive = folder.path().join("root.tar");
    run_mmdebstrap(recipe, image, &archive).await?;
    import(engine, image, &archive).await
}

async fn run_mmdebstrap(recipe: &Recipe, image: &str, archive: &Path) -> Result<(), LabError> {
    let program = Program {
        name: "mmdebstrap",
        action: "build a minimal Debian",
    };
    let suite = recipe.release.suite;
    let mut command = Command::new(program.name);
    command
        .args(["--variant=minbase", suite])
        .arg(archive)
        .arg(format!("deb {} {suite} main", recipe.mirror.archive));
    program.run(image, command).await
}

async fn import(engine: &Engine, image: &str, archive: &Path) -> Result<(), LabError> {
    const CHUNK: usize = 1 << 20;
    let file = tokio::fs::File::open(archive).await;
    let file = file.map_err(|source| LabError::Disk {
        action: "read",
        path: archive.to_path_buf(),
        source,
    })?;
    let chunks = stream::try_unfold(file, |mut file| async move {
        let mut chunk = bytes::BytesMut::with_capacity(CHUNK);
        let read = file.read_buf(&mut chunk).await?;
        Ok::<_, std::io::Error>((read > 0).then(|| (chunk.freeze(), file)))
    });
    let (repository, tag) = image.split_once(':').unwrap_or((image, "latest"));
    let options = CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo(repository)
        .tag(tag)
        .build();
    let done = engine
        .patient
        .create_image(Some(options), Some(body_try_stream(chunks)), None);
    done.try_for_each(|_| async { Ok(()) })
        .await
        .map_err(refused(image, "import the image"))
}

/// Runs the recipe in a container of `base` and commits the result as an image.
async fn provision(engine: &Engine, recipe: &Recipe, base: &str) -> Result<(), LabError> {
    let image = recipe.image.as_str();
    remove_leftovers(engine, image).await?;
    let [here, there] = AUTHORITIES;
    let trusted = Path::new(here).exists().then(|| format!("{here}:{there}:ro"));
    let parts = recipe.parts.as_ref();
    let parts = parts.map(|folder| format!("{}:{KUBERNETES_PARTS}:ro", folder.display()));
    let body = ContainerCreateBody {
        image: Some(base.to_owned()),
        host_config: Some(HostConfig {
            binds: Some(trusted.into_iter().chain(parts).collect()),
            ..HostConfig::default()
        }),
        cmd: Some(["sh", "-c", &recipe.script].map(str::to_owned).to_vec()),
        labels: Some(HashMap::from([(BUILD_LABEL.to_owned(), image.to_owned())])),
        ..ContainerCreateBody::default()
    };
    let created = engine
        .docker
        .create_container(None, body)
        .await
        .map_err(refused(image, "create a container"))?;
    let outcome = provision_in(engine, recipe, &created.id).await;
    let removed = engine.remove(image, &created.id).await;
    outcome.and(removed)
}

async fn provision_in(engine: &Engine, recipe: &Recipe, id: &str) -> Result<(), LabError> {
    let image = recipe.image.as_str();
    engine.start(image, id).await?;
    let ended = engine
        .patient
        .wait_container(id, None::<WaitContainerOptions>)
        .try_for_each(|_| async { Ok(()) })
        .await;
    match ended {
        Ok(()) => commit(engine, recipe, id).await,
        Err(Error::DockerContainerWaitError { code, .. }) => Err(LabError::ToolFailed {
            subject: image.to_owned(),
            program: "sh",
            action: "install the image's packages",
            status: format!("exit status: {code}"),
            source: engine.last_lines(id).await,
        }),
        Err(error) => Err(refused(image, "wait for the container that builds it")(error)),
    }
}

async fn commit(engine: &Engine, recipe: &Recipe, id: &str) -> Result<(), LabError> {
    let (repository, tag) = recipe.image.split_once(':').unwrap_or((&recipe.image, "latest"));
    let options = CommitContainerOptionsBuilder::new()
        .container(id)
        .repo(repository)
        .tag(tag)
        .build();
    // Without this, the image would keep the recipe as its command.
    let config = ContainerConfig {
        cmd: Some(vec!["/lib/systemd/systemd".to_owned()]),
        ..ContainerConfig::default()
    };
    let done = engine.patient.commit_container(options, config).await;
    done.map(|_| ()).map_err(refused(&recipe.image, "commit the image"))
}

/// Removes containers that killed runs left behind. One that still runs may belong to another run.
async fn remove_leftovers(engine: &Engine, image: &str) -> Result<(), LabError> {
    let wanted = |text: &str| vec![text.to_owned()];
    let mut filters = HashMap::from([("label".to_owned(), wanted(&format!("{BUILD_LABEL}={image}")))]);
    filters.insert(
        "status".to_owned(),
        ["created", "exited", "dead"].map(str::to_owned).to_vec(),
    );
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let listed = engine
        .docker
        .list_containers(Some(options))
        .await
        .map_err(refused(image, "list containers"))?;
    for id in listed.into_iter().filter_map(|container| container.id) {
        engine.remove(image, &id).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(image: &str) -> LabHost {
        LabHost {
            name: "alpha".into(),
            image: image.into(),
            memory: None,
            registry: false,
            kubernetes: false,
            models: false,
            helm: false,
        }
    }

    #[test]
    fn only_tested_releases_are_supported() {
        let suite = |image: &str| recipe_for(&host(image)).unwrap().release.suite;
        assert_eq!(suite("debian:13"), "trixie");
        assert_eq!(suite("debian:12"), "bookworm");
        assert_eq!(suite("debian:13-docker"), "trixie");
        for other in ["debian:11", "debian", "ubuntu:24.04", "13", "debian:12-docker"] {
            let error = recipe_for(&host(other)).err().unwrap();
            assert_eq!(error.to_string(), format!("alpha: unknown lab image `{other}`"));
        }
    }

    #[test]
    fn a_server_with_docker_is_another_image_that_installs_it() {
        let plain = recipe_of("debian:13", false, Mirror::default).unwrap();
        let docker = recipe_of("debian:13-docker", false, Mirror::default).unwrap();
        assert!(docker.image.starts_with("homelab-lab/debian:13-"), "{}", docker.image);
        assert_ne!(docker.image, plain.image);
        assert!(docker.makes_server);
        let more = docker.script.strip_prefix(&plain.script).unwrap();
        assert!(more.contains("install docker.io"), "{more}");
    }

    #[test]
    fn a_server_for_kubernetes_is_another_image_that_copies_its_programs() {
        for image in ["debian:13", "debian:12", "debian:13-docker"] {
            let plain = recipe_of(image, false, Mirror::default).unwrap();
            let kubernetes = recipe_of(image, true, Mirror::default).unwrap();
            assert_ne!(kubernetes.image, plain.image);
            assert_eq!((plain.parts, kubernetes.parts), (None, Some(kubernetes::folder())));
            let more = kubernetes.script.strip_prefix(&plain.script).unwrap();
            assert!(more.contains(&format!("cp -r {KUBERNETES_PARTS}/images")), "{more}");
            assert!(more.contains(&kubernetes::name()), "{more}");
        }
    }

    #[test]
    fn there_is_no_apt_cache_for_a_mirror_with_https() {
        let image = Recipe::apt_cache_of(Mirror::default()).unwrap().image;
        assert!(image.starts_with("homelab-lab/apt-cache:13-"), "{image}");
        let encrypted = Mirror {
            archive: "https://near.example/debian".into(),
            ..Mirror::default()
        };
        assert!(Recipe::apt_cache_of(encrypted).is_none());
    }

    #[test]
    fn another_mirror_or_release_is_another_image() {
        let recipe = |image, mirror| recipe_of(image, false, || mirror).unwrap();
        let plain = recipe("debian:13", Mirror::default());
        assert!(plain.image.starts_with("homelab-lab/debian:13-"), "{}", plain.image);
        assert_eq!(plain.image, recipe("debian:13", Mirror::default()).image);
        let near = Mirror {
            archive: "http://near.example/debian".into(),
            ..Mirror::default()
        };
        assert_ne!(plain.image, recipe("debian:13", near).image);
        assert_ne!(plain.image, recipe("debian:12", Mirror::default()).image);
        assert!(
            plain
                .script
                .starts_with("suite=trixie\narchive=http://deb.debian.org/debian\n"),
            "{}",
            plain.script
        );
    }
}
