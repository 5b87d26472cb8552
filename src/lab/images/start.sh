#!/bin/sh
# Put here by the lab (homelab lab up): makes a machine of the container, then becomes systemd. PID 1 runs it at each boot:
# when the container starts, and, as `again`, when systemd has shut down for a reboot.
set -u
cgroup=$1 again=${2:-}
here=/etc/homelab-lab

if [ -z "$again" ]; then
    # What Docker mounts on the workstation while it copies files must not show up here. Credentials of units need a shared
    # root.
    mount --make-rprivate /
    mount --make-rshared /
    # `/proc/sys` is read-only, since it is the workstation's, except for the network.
    mount --bind /proc/sys /proc/sys
    mount --bind /proc/sys/net /proc/sys/net
    mount -o remount,bind,ro /proc/sys
    # Docker mounts the container's part of cgroup v2 read-only. Not tested on a machine with cgroup v2 yet.
    [ "$cgroup" != 2 ] || mount -o remount,rw /sys/fs/cgroup

    # Docker mounts these three. Below are the host's own, which can be replaced, and which it keeps.
    servers=$(cat /etc/resolv.conf)
    name=$(cat /etc/hostname)
    for file in hosts hostname resolv.conf; do
        while umount "/etc/$file" 2> /dev/null; do :; done
    done
    if [ ! -e "$here/resolv.conf" ]; then
        printf '%s\n' "$name" > /etc/hostname
        printf '%s\n' '127.0.0.1 localhost' "127.0.1.1 $name" '' '::1 localhost ip6-localhost ip6-loopback' \
            'ff02::1 ip6-allnodes' 'ff02::2 ip6-allrouters' > /etc/hosts
        chmod 0644 /etc/hosts /etc/hostname /etc/resolv.conf
    fi
    # The workstation may have other name servers by now: only an unchanged file follows them.
    if [ ! -e "$here/resolv.conf" ] || cmp -s /etc/resolv.conf "$here/resolv.conf"; then
        printf '%s\n' "$servers" > /etc/resolv.conf
        cp /etc/resolv.conf "$here/resolv.conf"
    fi
fi

# The workstation's would say that there was no reboot.
mkdir -p /run/homelab-lab
printf '%s' "$cgroup" > /run/homelab-lab/cgroup
cat /proc/sys/kernel/random/uuid > /run/homelab-lab/boot_id
chmod 0444 /run/homelab-lab/boot_id
mount --bind /run/homelab-lab/boot_id /proc/sys/kernel/random/boot_id

# What there is before systemd starts stays mounted in a reboot, and the network is put back to it.
cut -d ' ' -f 5 /proc/self/mountinfo > /run/homelab-lab/mounts
ip -4 -o address show dev eth0 scope global 2>/dev/null | sed -n 's/.* inet \([^ ]*\).*/\1/p' > /run/homelab-lab/address
ip -4 route show default 2>/dev/null | sed -n 's/.* via \([^ ]*\).*/\1/p' > /run/homelab-lab/gateway

# systemd of Debian 13 starts on cgroup v1 only with this option; Debian 12 ignores it.
[ "$cgroup" != 1 ] || set -- SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1
[ "$cgroup" = 1 ] || set --
exec /lib/systemd/systemd "$@"
