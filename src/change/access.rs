//! The ways into a host, and what a change of them goes through: known by path and by unit.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::facts::path::is_below;

/// A way into a host that a change could close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// The SSH server.
    Ssh,
    /// Becoming root: `sudo` and `doas`.
    Privilege,
    /// Users, their passwords and PAM.
    Account,
    Firewall,
    Network,
    /// The host's own resolver: `sudo` and `sshd` may wait for it.
    Resolver,
    /// Whatever the project marks with `guard = true`.
    Marked,
}

/// Files and folders of each way in. A folder stands for everything in it.
const PATHS: &[(&str, Access)] = &[
    ("/etc/ssh", Access::Ssh),
    ("/etc/default/ssh", Access::Ssh),
    ("/etc/hosts.allow", Access::Ssh),
    ("/etc/hosts.deny", Access::Ssh),
    ("/etc/nologin", Access::Account),
    ("/etc/sudoers", Access::Privilege),
    ("/etc/sudoers.d", Access::Privilege),
    ("/etc/sudo.conf", Access::Privilege),
    ("/etc/doas.conf", Access::Privilege),
    ("/etc/pam.d", Access::Account),
    ("/etc/pam.conf", Access::Account),
    ("/etc/security", Access::Account),
    ("/etc/passwd", Access::Account),
    ("/etc/shadow", Access::Account),
    ("/etc/group", Access::Account),
    ("/etc/gshadow", Access::Account),
    ("/etc/shells", Access::Account),
    ("/etc/nsswitch.conf", Access::Account),
    ("/etc/sssd", Access::Account),
    ("/etc/nslcd.conf", Access::Account),
    ("/etc/nftables.conf", Access::Firewall),
    ("/etc/nftables.d", Access::Firewall),
    ("/etc/nftables", Access::Firewall),
    ("/etc/iptables", Access::Firewall),
    ("/etc/ufw", Access::Firewall),
    ("/etc/default/ufw", Access::Firewall),
    ("/etc/firewalld", Access::Firewall),
    ("/etc/shorewall", Access::Firewall),
    ("/etc/shorewall6", Access::Firewall),
    ("/etc/network", Access::Network),
    ("/etc/systemd/network", Access::Network),
    ("/run/systemd/network", Access::Network),
    ("/usr/local/lib/systemd/network", Access::Network),
    ("/usr/lib/systemd/network", Access::Network),
    ("/lib/systemd/network", Access::Network),
    ("/etc/systemd/networkd.conf", Access::Network),
    ("/etc/systemd/networkd.conf.d", Access::Network),
    ("/etc/netplan", Access::Network),
    ("/run/netplan", Access::Network),
    ("/usr/lib/netplan", Access::Network),
    ("/lib/netplan", Access::Network),
    ("/etc/NetworkManager", Access::Network),
    ("/run/NetworkManager", Access::Network),
    ("/usr/lib/NetworkManager", Access::Network),
    ("/etc/wpa_supplicant", Access::Network),
    ("/etc/iwd", Access::Network),
    ("/etc/dhcpcd.conf", Access::Network),
    ("/etc/dhcp", Access::Network),
    ("/etc/wireguard", Access::Network),
    // The parameters of the running kernel.
    ("/proc/sys/net", Access::Network),
    ("/etc/resolv.conf", Access::Resolver),
    ("/etc/resolvconf", Access::Resolver),
    ("/etc/resolvconf.conf", Access::Resolver),
    ("/etc/systemd/resolved.conf", Access::Resolver),
    ("/etc/systemd/resolved.conf.d", Access::Resolver),
];

/// Of the client, which is not for logging in.
const NOT_OF_THE_SERVER: &[&str] = &[
    "/etc/ssh/ssh_config",
    "/etc/ssh/ssh_config.d",
    "/etc/ssh/ssh_known_hosts",
    "/etc/ssh/ssh_known_hosts2",
];

/// Programs that write files of a way in, which a command seldom names.
const WRITERS: &[(&str, &[&str])] = &[
    ("ufw", &["/etc/ufw", "/etc/default/ufw"]),
    ("firewall-cmd", &["/etc/firewalld"]),
    ("netfilter-persistent", &["/etc/iptables"]),
    ("netplan", &["/etc/netplan"]),
    ("nmcli", &["/etc/NetworkManager"]),
    ("usermod", &["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow"]),
    ("gpasswd", &["/etc/group", "/etc/gshadow"]),
    ("passwd", &["/etc/passwd", "/etc/shadow"]),
    ("chpasswd", &["/etc/passwd", "/etc/shadow"]),
    ("chsh", &["/etc/passwd"]),
];

/// Units of each way in, without what follows the dot, or the `@`.
const UNITS: &[(&str, Access)] = &[
    ("ssh", Access::Ssh),
    ("sshd", Access::Ssh),
    ("nftables", Access::Firewall),
    ("ufw", Access::Firewall),
    ("netfilter-persistent", Access::Firewall),
    ("iptables", Access::Firewall),
    ("shorewall", Access::Firewall),
    ("shorewall6", Access::Firewall),
    ("firewalld", Access::Firewall),
    ("networking", Access::Network),
    ("ifup", Access::Network),
    ("systemd-networkd", Access::Network),
    ("NetworkManager", Access::Network),
    ("dhcpcd", Access::Network),
    ("wg-quick", Access::Network),
    ("wpa_supplicant", Access::Network),
    ("iwd", Access::Network),
    ("systemd-resolved", Access::Resolver),
    ("resolvconf", Access::Resolver),
];

/// Where unit files and their drop-ins are.
const UNIT_FOLDERS: &[&str] = &[
    "/etc/systemd/system/",
    "/run/systemd/system/",
    "/usr/local/lib/systemd/system/",
    "/usr/lib/systemd/system/",
    "/lib/systemd/system/",
];

impl Access {
    /// The way in that a file belongs to.
    pub fn of_path(path: &str) -> Option<Self> {
        let is_at = |place: &str| is_below(path, place);
        if NOT_OF_THE_SERVER.iter().any(|place| is_at(place)) {
            return None;
        }
        let known = PATHS.iter().find(|(place, _)| is_at(place)).map(|(_, access)| *access);
        known.or_else(|| {
            let rest = UNIT_FOLDERS.iter().find_map(|folder| path.strip_prefix(folder))?;
            Self::of_unit(rest.split('/').next().unwrap_or_default())
        })
    }

    /// The files that a command writes by the programs in it.
    pub fn written_by(command: &str) -> Vec<&'static str> {
        let is_between = |character: char| character.is_whitespace() || "/;&|()`\"'".contains(character);
        let words: BTreeSet<&str> = command.split(is_between).collect();
        let writers = WRITERS.iter().filter(|(program, _)| words.contains(program));
        writers.flat_map(|(_, paths)| paths.iter().copied()).collect()
    }

    /// The way in that a unit belongs to; `ssh`, `ssh.service` and `ssh.service.d` are the same.
    pub fn of_unit(unit: &str) -> Option<Self> {
        let name = unit.split(['.', '@']).next().unwrap_or_default();
        UNITS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, access)| *access)
    }

    /// The units that may have to be restarted when files of these go back.
    pub fn units(accesses: &BTreeSet<Self>) -> Vec<String> {
        let is_meant = |access: &Self| accesses.contains(access) || accesses.contains(&Self::Marked);
        let meant = UNITS.iter().filter(|(_, access)| is_meant(access));
        let mut units: Vec<String> = meant.map(|(name, _)| format!("{name}.service")).collect();
        if is_meant(&Self::Ssh) {
            units.push("ssh.socket".to_owned());
        }
        units.retain(|unit| !matches!(unit.as_str(), "ifup.service" | "wg-quick.service"));
        units
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_in_are_known_by_path() {
        for (path, access) in [
            ("/etc/ssh/sshd_config", Some(Access::Ssh)),
            ("/etc/ssh/sshd_config.d/10-port.conf", Some(Access::Ssh)),
            ("/etc/ssh/ssh_host_ed25519_key", Some(Access::Ssh)),
            ("/etc/ssh", Some(Access::Ssh)),
            ("/etc/ssh/ssh_config", None),
            ("/etc/ssh/ssh_config.d/x.conf", None),
            ("/etc/sshx", None),
            ("/etc/systemd/system/ssh.service.d/override.conf", Some(Access::Ssh)),
            ("/etc/systemd/system/sshd.service", Some(Access::Ssh)),
            ("/etc/systemd/system/shop.service", None),
            ("/usr/lib/systemd/system/ssh.service", Some(Access::Ssh)),
            ("/etc/systemd/system/ssh.socket.d/listen.conf", Some(Access::Ssh)),
            ("/etc/default/ssh", Some(Access::Ssh)),
            ("/etc/hosts.deny", Some(Access::Ssh)),
            ("/etc/sudoers.d/anna", Some(Access::Privilege)),
            ("/etc/doas.conf", Some(Access::Privilege)),
            ("/etc/pam.d/sshd", Some(Access::Account)),
            ("/etc/security/access.conf", Some(Access::Account)),
            ("/etc/nsswitch.conf", Some(Access::Account)),
            ("/etc/sssd/sssd.conf", Some(Access::Account)),
            ("/etc/nologin", Some(Access::Account)),
            ("/etc/nftables.conf", Some(Access::Firewall)),
            ("/etc/nftables.d/web.nft", Some(Access::Firewall)),
            ("/etc/iptables/rules.v4", Some(Access::Firewall)),
            ("/etc/ufw/user.rules", Some(Access::Firewall)),
            ("/etc/default/ufw", Some(Access::Firewall)),
            ("/etc/firewalld/zones/public.xml", Some(Access::Firewall)),
            ("/etc/shorewall/rules", Some(Access::Firewall)),
            ("/etc/netplan/50-x.yaml", Some(Access::Network)),
            ("/run/netplan/50-x.yaml", Some(Access::Network)),
            ("/etc/network/interfaces", Some(Access::Network)),
            ("/etc/network/interfaces.d/lan", Some(Access::Network)),
            ("/etc/network/if-up.d/route", Some(Access::Network)),
            ("/etc/systemd/network/10-lan.network", Some(Access::Network)),
            ("/etc/systemd/network/10-lan.network.d/x.conf", Some(Access::Network)),
            ("/run/systemd/network/10-lan.network", Some(Access::Network)),
            ("/etc/systemd/networkd.conf.d/x.conf", Some(Access::Network)),
            ("/etc/NetworkManager/NetworkManager.conf", Some(Access::Network)),
            (
                "/etc/NetworkManager/system-connections/lan.nmconnection",
                Some(Access::Network),
            ),
            ("/usr/lib/NetworkManager/conf.d/x.conf", Some(Access::Network)),
            ("/etc/wpa_supplicant/wpa_supplicant-wlan0.conf", Some(Access::Network)),
            ("/etc/wireguard/wg0.conf", Some(Access::Network)),
            ("/etc/dhcp/dhclient.conf", Some(Access::Network)),
            ("/etc/systemd/system/networking.service.d/x.conf", Some(Access::Network)),
            (
                "/etc/systemd/system/systemd-networkd.service.d/x.conf",
                Some(Access::Network),
            ),
            ("/proc/sys/net/ipv4/ip_forward", Some(Access::Network)),
            ("/proc/sys/vm/swappiness", None),
            ("/etc/resolv.conf", Some(Access::Resolver)),
            ("/etc/resolvconf/resolv.conf.d/base", Some(Access::Resolver)),
            ("/etc/systemd/resolved.conf", Some(Access::Resolver)),
            ("/etc/systemd/resolved.conf.d/dns.conf", Some(Access::Resolver)),
            // `sudo` and `sshd` do not depend on it.
            ("/etc/hosts", None),
            // Nothing is lost before the next boot, of which a new connection says nothing.
            ("/etc/fstab", None),
            ("/etc/network-manager", None),
            ("/etc/systemd/system/nginx.service.d/x.conf", None),
            ("/etc/motd", None),
        ] {
            assert_eq!(Access::of_path(path), access, "{path}");
        }
    }

    #[test]
    fn files_are_known_by_the_programs_that_write_them() {
        for (command, first) in [
            ("ufw --force enable", Some("/etc/ufw")),
            ("sh -c 'cd /tmp && /usr/sbin/ufw enable'", Some("/etc/ufw")),
            ("netfilter-persistent save", Some("/etc/iptables")),
            ("cat /etc/ufw.conf myufw", None),
            ("nft -f /etc/nftables.conf", None),
        ] {
            assert_eq!(Access::written_by(command).first().copied(), first, "{command}");
        }
    }

    #[test]
    fn ways_in_are_known_by_unit() {
        for (unit, access) in [
            ("ssh", Some(Access::Ssh)),
            ("ssh.socket", Some(Access::Ssh)),
            ("sshguard.service", None),
            ("sshd@3.service", Some(Access::Ssh)),
            ("wg-quick@wg0.service", Some(Access::Network)),
            ("networking.service", Some(Access::Network)),
            ("ifup@eth0.service", Some(Access::Network)),
            ("systemd-networkd.socket", Some(Access::Network)),
            ("NetworkManager.service", Some(Access::Network)),
            ("wpa_supplicant@wlan0.service", Some(Access::Network)),
            ("systemd-networkd-wait-online.service", None),
            ("systemd-resolved.service", Some(Access::Resolver)),
            ("nftables.service", Some(Access::Firewall)),
            ("ufw.service", Some(Access::Firewall)),
            ("firewalld.service", Some(Access::Firewall)),
            ("netfilter-persistent.service", Some(Access::Firewall)),
            ("nginx.service", None),
        ] {
            assert_eq!(Access::of_unit(unit), access, "{unit}");
        }
        let ssh = Access::units(&BTreeSet::from([Access::Ssh]));
        assert_eq!(ssh, ["ssh.service", "sshd.service", "ssh.socket"]);
        assert!(Access::units(&BTreeSet::from([Access::Privilege])).is_empty());
    }
}
