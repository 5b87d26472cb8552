//! The registry of the lab, which tests give repositories of their own: other tests use it at the same time.

use super::docker::docker;
use super::host::Host;

const REPOSITORIES: &str = "/srv/registry/docker/registry/v2/repositories";

pub(crate) struct Registry {
    container: String,
}

impl Registry {
    /// The one that a host uses: labs of other versions may have others.
    pub(crate) fn of(host: &Host<'_>) -> Self {
        let address = host.inside("sed -n 's/ .* # homelab lab registry$//p' /etc/hosts");
        let listed = docker(&["ps", "-q", "--filter", "label=homelab.lab.registry"]);
        let format = "{{.NetworkSettings.IPAddress}}";
        let container = listed
            .lines()
            .find(|id| docker(&["inspect", "-f", format, id]).trim() == address.trim())
            .unwrap();
        Self {
            container: container.to_owned(),
        }
    }

    fn run(&self, line: &str) {
        let line = format!("set -e; cd {REPOSITORIES}; {line}");
        docker(&["exec", &self.container, "sh", "-c", &line]);
    }

    /// Makes a repository that has the images of another one.
    pub(crate) fn copy(&self, from: &str, to: &str) {
        self.run(&format!("rm -rf '{to}'; mkdir -p '{to}'; cp -a '{from}/.' '{to}'"));
    }

    /// Adds the images of another repository, and moves a tag to the one that has `other` as its tag there.
    pub(crate) fn move_tag(&self, repository: &str, tag: &str, from: &str, other: &str) {
        self.run(&format!(
            "for part in _layers _manifests/revisions; do cp -a '{from}'/$part/. '{repository}'/$part; done; \
             cp '{from}/_manifests/tags/{other}/current/link' '{repository}/_manifests/tags/{tag}/current/link'"
        ));
    }

    pub(crate) fn remove(&self, repository: &str) {
        self.run(&format!("rm -rf '{repository}'"));
    }
}
