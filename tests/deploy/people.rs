//! A lab host as a machine that people log in to: `anna`, who is not root.

use crate::support::host::Host;
use crate::support::project::Project;

/// The password of `anna` on the host.
pub(crate) const PASSWORD: &str = "correct horse 'battery' $staple";

const TASK: &str = "[[operation]]\nop = 'files.put'\ndest = '/etc/small'\ncontent = 'small'\nmode = '0600'\n
[[operation]]\nop = 'files.put'\ndest = '/etc/large'\nsrc = 'large'\n";

/// A project whose deploy `all` puts a small and a large file that root owns.
pub(crate) fn project() -> Project {
    let project = Project::with_task(TASK);
    project.write("templates/large", large());
    project
}

/// More than fits in a frame.
pub(crate) fn large() -> Vec<u8> {
    (0..300_000_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect()
}

/// Makes `anna`, and the inventory `people` in which the same machine is logged in to as her.
pub(crate) fn settle(host: &Host<'_>, project: &Project, connection: &str) {
    host.inside(
        "useradd -m -s /bin/bash anna && install -d -m 700 -o anna -g anna /home/anna/.ssh && \
         install -m 600 -o anna -g anna /root/.ssh/authorized_keys /home/anna/.ssh/authorized_keys",
    );
    host.inside(&format!("chpasswd <<'END'\nanna:{PASSWORD}\nEND"));
    let address = &homelab::lab::addresses(project.root(), "dev").unwrap()["alpha"];
    let pinned = std::fs::read_to_string(&address.known_hosts).unwrap();
    project.write("inventories/known_hosts", pinned);
    inventory(host, project, connection);
}

/// Writes the inventory `people`.
pub(crate) fn inventory(host: &Host<'_>, project: &Project, connection: &str) {
    let lab = &homelab::lab::addresses(project.root(), "dev").unwrap()["alpha"];
    project.write(
        "inventories/people.toml",
        format!(
            "[connection]\nuser = 'anna'\nport = {}\nidentity_file = '{}'\n{connection}\n[hosts.alpha]\naddress = '{}'\n",
            lab.port,
            lab.identity_file.display(),
            host.address(),
        ),
    );
}

/// That both files are there as root's, and takes them away again.
#[track_caller]
pub(crate) fn is_deployed(host: &Host<'_>) {
    assert_eq!(
        host.inside("stat -c '%U %a %s' /etc/small /etc/large"),
        "root 600 5\nroot 644 300000\n"
    );
    let digest = host.inside("sha256sum </etc/large");
    assert_eq!(digest.split(' ').next().unwrap(), homelab::secret::sha256_hex(&large()));
    host.inside("rm /etc/small /etc/large");
}
