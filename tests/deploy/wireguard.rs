//! The stack `wg-easy`: a device gets through its tunnel. The pages are those of a stand-in, the tunnel is a real one in user space.

use std::time::Duration;

use crate::support::project::Project;

const PATIENCE: Duration = Duration::from_secs(30);

const INVENTORY: &str = "groups = ['development']
[hosts.box]
lab = { image = 'debian:13-docker', registry = true }
groups = ['services', 'docker']
[hosts.box.data]
docker.networks = [{ name = 'reverse_proxy_net' }]
stacks = ['wg-easy']
stack_settings.wg-easy = { endpoint = 'vpn.example', user_space = true }
";

const DEPLOY: &str = "hosts = ['services']
tasks = ['docker/networks', 'docker/folder', 'docker/backups', { task = 'docker/stack', for_each = 'stacks', vars = { stack = '{{ item }}' } }]
";

#[test]
fn a_device_gets_through_the_tunnel() {
    let project = &Project::of_this_repository();
    project.write(".env", "HOMELAB_LAB_KEY=the-key-of-a-test-only\n");
    project.write(".gitignore", "/.env\n");
    project.write("inventories/dev.toml", INVENTORY);
    project.write("deploys/vpn.toml", DEPLOY);
    let host = &project.up("dev", "box");
    // Other machines have it.
    host.inside("mkdir -p /dev/net; mknod /dev/net/tun c 10 200");
    project.homelab(&["deploy", "dev", "vpn", "--yes"]).expect(0);
    let again = project.homelab(&["deploy", "dev", "vpn", "--yes"]).expect(0);
    assert!(again.stdout.contains("nothing to do on 1 host"), "{}", again.stdout);
    let mode = host.inside("stat -c %a /opt/stacks/wg-easy/wg-easy.env");
    assert_eq!(mode, "600\n", "it has the password");
    let inner = "docker exec wg-easy-wg-easy-1";
    assert_eq!(
        host.inside(&format!("{inner} wget -qO- http://127.0.0.1:51821/")),
        "wg-easy"
    );

    // A device: a network of its own, with a way to the host and nothing else.
    host.inside(
        "DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends wireguard-go wireguard-tools iputils-ping >/dev/null
         ip netns add device; ip link add way type veth peer name eth0 netns device; ip addr add 10.99.0.1/24 dev way; ip link set way up
         ip -n device addr add 10.99.0.2/24 dev eth0; ip -n device link set eth0 up
         ip netns exec device wireguard-go wg1; wg genkey >/root/key
         ip -n device addr add 10.8.0.2/32 dev wg1; ip -n device link set wg1 up; ip -n device route add 10.8.0.0/24 dev wg1",
    );
    let device = host.inside("wg pubkey </root/key");
    let server = host.inside(&format!("{inner} wg show wg0 public-key"));
    let ping = "ip netns exec device ping -c 1 -W 2 10.8.0.1";
    host.inside(&format!(
        "ip netns exec device wg set wg1 private-key /root/key peer {} endpoint 10.99.0.1:51820 allowed-ips 10.8.0.0/24",
        server.trim()
    ));
    assert!(!host.is(ping), "the server does not know the device yet");
    host.inside(&format!(
        "{inner} wg set wg0 peer {} allowed-ips 10.8.0.2/32",
        device.trim()
    ));
    host.wait_until(ping, PATIENCE);
    let shaken = host.inside(&format!("{inner} wg show wg0 latest-handshakes | cut -f 2"));
    assert!(shaken.trim().parse::<u64>().is_ok_and(|at| at > 0), "{shaken}");
}
