//! A container, as it was created, and the ports that containers and programs have.

use serde::{Deserialize, Serialize};

use super::is_about_engine;
use crate::facts::kind::{DependsOn, Key, Subject};
use crate::facts::port::{Holder, Listener};

/// The folder, which only root can enter, with a file for each container of an operation: its id, and the digest of what was asked for.
pub const WISHES: &str = "/var/lib/homelab/containers";

/// The name of a container while another one is tried in its place.
pub fn set_aside(name: &str) -> String {
    format!("{name}.homelab-previous")
}

/// The container of this name, as it was created.
#[derive(Clone, Copy)]
pub struct DetailsKey<'a>(pub &'a str);

/// What is known about a container without the values of its variables, which may be secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    pub id: String,
    /// What Docker says of it: `running`, `exited` and the like.
    pub state: String,
    /// That of its last end.
    pub exit_code: i32,
    /// The name of its image, as it was given.
    pub image: String,
    /// The id of its image.
    pub image_id: String,
    pub command: Vec<String>,
    pub user: String,
    /// Such as `127.0.0.1:8080:80/tcp`.
    pub ports: Vec<String>,
    pub networks: Vec<String>,
    /// Such as `/srv/www:/www:ro`; without anonymous ones.
    pub volumes: Vec<String>,
    pub dns: Vec<String>,
    /// Such as `unless-stopped`.
    pub restart: String,
    /// The compose project that it is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The digest of what an operation asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wish: Option<String>,
    /// Whether a run was cut off that tried another one in its place.
    pub is_unfinished: bool,
}

impl<'a> Key<'a> for DetailsKey<'a> {
    type Fact = Option<Box<Details>>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("Docker container `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<Option<Box<Details>>> {
        Some(None)
    }

    fn may_come_with_packages(self) -> bool {
        false
    }

    fn is_outdated_by(self, _known: &Option<Box<Details>>, changed: Subject<'_>) -> bool {
        is_about_engine(changed)
    }
}

/// Who has ports of the host.
#[derive(Clone, Copy)]
pub struct PublishedKey;

/// The containers that run, and the programs that listen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Published {
    pub containers: Vec<Holder>,
    pub listeners: Vec<Listener>,
}

impl Key<'_> for PublishedKey {
    type Fact = Published;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        "who has ports of the host".to_owned()
    }

    fn subject(self) -> Subject<'static> {
        Subject::Other
    }

    fn absent() -> Option<Published> {
        Some(Published::default())
    }

    fn may_come_with_packages(self) -> bool {
        false
    }

    fn is_outdated_by(self, _known: &Published, changed: Subject<'_>) -> bool {
        is_about_engine(changed)
    }
}
