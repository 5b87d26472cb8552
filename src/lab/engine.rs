//! The calls to the workstation's Docker engine that the lab needs.

use std::collections::{BTreeMap, HashMap};
use std::env;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum, SystemInfoCgroupVersionEnum,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder, InspectContainerOptions,
    ListContainersOptionsBuilder, ListVolumesOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptions, UploadToContainerOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, Docker, body_full};
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::container::{CgroupVersion, IMAGE_LABEL};
use super::error::{LabError, LastLines};
use super::spec::LabSpec;
use super::{lock, naming};

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
/// Long enough for anything but images on a busy machine.
const TIMEOUT_SECONDS: u64 = 120;
/// Long enough for the engine to commit or import an image on a slow disk.
const IMAGE_TIMEOUT: Duration = Duration::from_secs(300);

/// A client of the engine, with the control groups of its machine.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    pub(super) docker: Docker,
    /// For calls about images, which take longer.
    pub(super) patient: Docker,
    pub(super) cgroup: CgroupVersion,
}

/// A container as the lab sees it.
#[derive(Clone, Debug)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) status: ContainerStateStatusEnum,
    /// The address on the engine's bridge, while it runs.
    pub(super) address: Option<String>,
    /// The image's name from the inventory.
    pub(super) image: Option<String>,
    pub(super) labels: HashMap<String, String>,
    /// The image that it was created from.
    pub(super) image_tag: Option<String>,
    pub(super) started_at: Option<String>,
}

impl Container {
    /// Whether it runs, paused or not.
    pub(super) fn runs(&self) -> bool {
        matches!(
            self.status,
            ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::PAUSED
        )
    }
}

/// The exit code and the output of a command in a container.
#[derive(Debug)]
pub(super) struct Executed {
    pub(super) code: i64,
    pub(super) output: String,
}

impl Executed {
    /// Errors: the exit code is not 0. `program` was run to `action`.
    pub(super) fn succeeded(self, subject: &str, program: &'static str, action: &'static str) -> Result<(), LabError> {
        if self.code == 0 {
            return Ok(());
        }
        Err(LabError::ToolFailed {
            subject: subject.to_owned(),
            program,
            action,
            status: format!("exit status: {}", self.code),
            source: LastLines::of(&self.output),
        })
    }
}

/// Turns the engine's error into one about `subject`.
pub(super) fn refused(subject: &str, action: &'static str) -> impl FnOnce(Error) -> LabError {
    let subject = subject.to_owned();
    move |source| LabError::Engine {
        subject,
        action,
        source,
    }
}

fn socket() -> Result<String, LabError> {
    match env::var("DOCKER_HOST") {
        Ok(address) if !address.is_empty() => match address.strip_prefix("unix://") {
            Some(path) => Ok(path.to_owned()),
            None => Err(LabError::EngineElsewhere { address }),
        },
        _ => Ok(DEFAULT_SOCKET.to_owned()),
    }
}

impl Engine {
    /// Connects to this machine's engine.
    pub(super) async fn connect() -> Result<Self, LabError> {
        let address = socket()?;
        let unreachable = |source| LabError::EngineUnreachable {
            address: address.clone(),
            source,
        };
        let docker = Docker::connect_with_unix(&address, TIMEOUT_SECONDS, API_DEFAULT_VERSION).map_err(unreachable)?;
        let docker = docker.negotiate_version().await.map_err(unreachable)?;
        let info = docker.info().await.map_err(unreachable)?;
        let cgroup = match info.cgroup_version {
            Some(SystemInfoCgroupVersionEnum::_2) => CgroupVersion::Two,
            // Engines that are too old to report it support only the first.
            _ => CgroupVersion::One,
        };
        let patient = docker.clone().with_timeout(IMAGE_TIMEOUT);
        Ok(Self {
            docker,
            patient,
            cgroup,
        })
    }

    /// The containers of a lab, by host.
    pub(super) async fn containers(&self, spec: &LabSpec) -> Result<BTreeMap<String, Container>, LabError> {
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&naming::label_filter(spec))
            .build();
        let listed = self.docker.list_containers(Some(options)).await;
        let listed = listed.map_err(refused(&spec.inventory, "list the lab's containers"))?;
        let mut found = BTreeMap::new();
        for summary in listed {
            let host = summary.labels.and_then(|mut labels| labels.remove(naming::HOST_LABEL));
            let (Some(host), Some(id)) = (host, summary.id) else {
                continue;
            };
            // It may have been removed between the two calls.
            if let Some(container) = self.inspect(&host, &id).await? {
                found.insert(host, container);
            }
        }
        Ok(found)
    }

    /// A container's current state; `None` if it does not exist.
    pub(super) async fn inspect(&self, host: &str, id: &str) -> Result<Option<Container>, LabError> {
        match self.docker.inspect_container(id, None::<InspectContainerOptions>).await {
            Ok(details) => Ok(Some(container_of(id, details))),
            Err(error) if is_status(&error, 404) => Ok(None),
            Err(error) => Err(refused(host, "inspect its container")(error)),
        }
    }

    /// Creates a container and returns its id.
    pub(super) async fn create(&self, host: &str, name: &str, body: ContainerCreateBody) -> Result<String, LabError> {
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        match self.docker.create_container(Some(options), body).await {
            Ok(created) => Ok(created.id),
            Err(error) if is_status(&error, 409) => Err(LabError::NameTaken {
                host: host.to_owned(),
                container: name.to_owned(),
            }),
            Err(error) => Err(refused(host, "create its container")(error)),
        }
    }

    /// Starts a container; does nothing if it runs already.
    pub(super) async fn start(&self, host: &str, id: &str) -> Result<(), LabError> {
        let _turn = lock::hold(lock::NETWORK).await?;
        self.docker
            .start_container(id, None)
            .await
            .map_err(refused(host, "start its container"))
    }

    /// Unpauses a container.
    pub(super) async fn unpause(&self, host: &str, id: &str) -> Result<(), LabError> {
        self.docker
            .unpause_container(id)
            .await
            .map_err(refused(host, "unpause its container"))
    }

    /// Removes a container with its volumes, running or not; does nothing if it does not exist.
    pub(super) async fn remove(&self, host: &str, id: &str) -> Result<(), LabError> {
        let _turn = lock::hold(lock::NETWORK).await?;
        let options = RemoveContainerOptionsBuilder::new().v(true).force(true).build();
        match self.docker.remove_container(id, Some(options)).await {
            Err(error) if !is_status(&error, 404) => Err(refused(host, "remove its container")(error)),
            _ => Ok(()),
        }
    }

    /// Removes leftover volumes of the lab, such as those of a container that was removed by hand.
    pub(super) async fn remove_volumes(&self, spec: &LabSpec) -> Result<(), LabError> {
        let options = ListVolumesOptionsBuilder::new()
            .filters(&naming::label_filter(spec))
            .build();
        let listed = self.docker.list_volumes(Some(options)).await;
        let listed = listed.map_err(refused(&spec.inventory, "list the lab's volumes"))?;
        for volume in listed.volumes.unwrap_or_default() {
            match self
                .docker
                .remove_volume(&volume.name, None::<RemoveVolumeOptions>)
                .await
            {
                Err(error) if !is_status(&error, 404) => {
                    return Err(refused(&spec.inventory, "remove a volume of the lab")(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Unpacks a tar archive in a container's root folder.
    pub(super) async fn upload(&self, host: &str, id: &str, archive: Vec<u8>) -> Result<(), LabError> {
        let options = UploadToContainerOptionsBuilder::new().path("/").build();
        let sent = self
            .docker
            .upload_to_container(id, Some(options), body_full(archive.into()))
            .await;
        sent.map_err(refused(host, "copy files into its container"))
    }

    /// What is at `path` in a container, as a tar archive.
    pub(super) async fn download(&self, host: &str, id: &str, path: &str) -> Result<Vec<u8>, LabError> {
        let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
        let read = self.docker.download_from_container(id, Some(options));
        let whole = read.try_fold(Vec::new(), |mut whole, part| async move {
            whole.extend_from_slice(&part);
            Ok(whole)
        });
        whole.await.map_err(refused(host, "copy files out of its container"))
    }

    /// Runs a command in a container.
    pub(super) async fn execute(&self, host: &str, id: &str, command: &[&str]) -> Result<Executed, LabError> {
        let failed = || refused(host, "run a command in its container");
        let options = CreateExecOptions {
            cmd: Some(command.to_vec()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let created = self.docker.create_exec(id, options).await.map_err(failed())?;
        let started = self.docker.start_exec(&created.id, None).await.map_err(failed())?;
        let mut text = String::new();
        if let StartExecResults::Attached { mut output, .. } = started {
            while let Some(chunk) = output.try_next().await.map_err(failed())? {
                text.push_str(&String::from_utf8_lossy(&chunk.into_bytes()));
            }
        }
        let ended = self.docker.inspect_exec(&created.id).await.map_err(failed())?;
        Ok(Executed {
            code: ended.exit_code.unwrap_or(-1),
            output: text,
        })
    }

    /// The last lines that a container printed.
    pub(super) async fn last_lines(&self, id: &str) -> LastLines {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail("40").build();
        let mut text = String::new();
        let mut lines = self.docker.logs(id, Some(options));
        // These lines only explain another error, so a failure to read them is ignored.
        while let Some(Ok(line)) = lines.next().await {
            text.push_str(&log_text(line));
        }
        LastLines::of(&text)
    }
}

fn log_text(line: LogOutput) -> String {
    String::from_utf8_lossy(&line.into_bytes()).into_owned()
}

/// Whether the engine answered with this HTTP status.
pub(super) fn is_status(error: &Error, status: u16) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code, .. } if *status_code == status)
}

fn container_of(id: &str, details: ContainerInspectResponse) -> Container {
    let state = details.state.unwrap_or_default();
    let config = details.config.unwrap_or_default();
    let labels = config.labels.unwrap_or_default();
    let networks = details
        .network_settings
        .and_then(|settings| settings.networks)
        .unwrap_or_default();
    let address = networks
        .into_values()
        .filter_map(|network| network.ip_address)
        .find(|address| !address.is_empty());
    Container {
        id: id.to_owned(),
        status: state.status.unwrap_or(ContainerStateStatusEnum::EMPTY),
        address,
        image: labels.get(IMAGE_LABEL).cloned(),
        labels,
        image_tag: config.image,
        started_at: state.started_at,
    }
}
