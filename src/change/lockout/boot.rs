//! A guard that is armed when the host goes down: the change goes back when it boots, before the services start that would load it.
//!
//! A unit in `/etc` does that, since what is in `/run` is gone then. It is there as long as the guard is armed.

use crate::quote::quote;

/// Where units are that outlive a boot.
const UNITS: &str = "/etc/systemd/system";
/// What starts the unit.
const WANTS: &str = "/etc/systemd/system/sysinit.target.wants";

/// What is said if a guard cannot be kept for the next boot.
const NOT_KEPT: &str = "the lock-out guard was not armed for a reboot, since `/etc/systemd/system` cannot be written";

/// Shell text that has the host go back when it boots. If it cannot be kept there, `$g/unkept` says so.
///
/// `Before` names the services that would load the change, some of which start before `sysinit.target`.
pub(super) fn at_boot() -> String {
    AT_BOOT.replace("NOT_KEPT", &quote(NOT_KEPT))
}

const AT_BOOT: &str = r#"b=homelab-guard-boot-${g##*/}.service w=/etc/systemd/system/sysinit.target.wants
mkdir -p -- "$w" && cat >"/etc/systemd/system/$b" <<END && chmod 0644 "/etc/systemd/system/$b" && ln -s "../$b" "$w/$b" || printf '%s\n' NOT_KEPT >"$g/unkept"
[Unit]
Description=homelab: take back a change that nothing confirmed
DefaultDependencies=no
RequiresMountsFor=$g
ConditionPathExists=$g/armed
After=local-fs.target
Wants=network-pre.target
Conflicts=shutdown.target
Before=sysinit.target network-pre.target shutdown.target systemd-sysctl.service nftables.service ufw.service netfilter-persistent.service iptables.service firewalld.service networking.service systemd-networkd.service systemd-resolved.service NetworkManager.service

[Service]
Type=oneshot
ExecStart=/bin/sh $g/back boot
END
sync -- "/etc/systemd/system/$b" "$g/back" 2>/dev/null
"#;

/// A shell function that ends that. systemd has the unit in memory if it loaded its files since.
pub(super) const END_AT_BOOT: &str = r#"unboot() {
b=homelab-guard-boot-${g##*/}.service
[ -e "/etc/systemd/system/$b" ] || return 0
rm -f -- "/etc/systemd/system/$b" "/etc/systemd/system/sysinit.target.wants/$b"
systemctl show -p Wants sysinit.target </dev/null | grep -q -F "$b" && systemctl daemon-reload </dev/null
}
"#;

/// What a guard leaves outside of its folder if it is killed.
pub fn boot_files(id: &str) -> [String; 2] {
    [UNITS, WANTS].map(|folder| format!("{folder}/homelab-guard-boot-{id}.service"))
}
