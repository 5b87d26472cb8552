# What pods need, for the Kubernetes of the lab: containerd, runc and network plugins of Debian 12, in both releases. They are not
# packages of the host, so no unit of theirs starts, and Docker's own are left alone.
no_starts
fetch
install iptables libseccomp2 conntrack
support=/usr/local/lib/homelab-lab-kubernetes
old=$(mktemp -d)
chmod 0755 "$old"
mkdir -p "$old/lists/partial" "$old/files" "$support/bin" "$support/cni"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive bookworm main" > "$old/sources.list"
# What is installed would win over it, as on a host with Docker.
bookworm() {
    apt-get -q -o Acquire::Retries=3 -o Dir::Etc::sourcelist="$old/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State::lists="$old/lists" -o Dir::State::status=/dev/null -o APT::Sandbox::User=root "$@"
}
bookworm update
(cd "$old" && bookworm download containerd runc containernetworking-plugins)
for package in "$old"/*.deb; do
    dpkg-deb -x "$package" "$old/files"
done
for program in containerd containerd-shim-runc-v2 ctr; do
    cp "$old/files/usr/bin/$program" "$support/bin"
done
cp "$old/files/usr/sbin/runc" "$support/bin"
for plugin in bridge host-local loopback portmap; do
    cp "$old/files/usr/lib/cni/$plugin" "$support/cni"
done
rm -rf "$old"
cp -r /run/homelab-lab-kubernetes/images "$support/images"
# What only those need who ask for it: `lab:gpu.tar`.
rm "$support/images/gpu.tar"

# What a real machine has and a container lacks, at each boot.
cat > "$support/prepare" <<'PREPARE'
#!/bin/sh
# Put here by the lab (homelab lab up): makes what the kubelet looks for. It runs at each boot.
set -u
[ -e /dev/kmsg ] || mknod -m 0600 /dev/kmsg c 1 11
# The host has no part of these hierarchies, but the kubelet takes all that are mounted for its own.
for hierarchy in hugetlb net_cls net_prio net_cls,net_prio perf_event; do
    ! mountpoint -q "/sys/fs/cgroup/$hierarchy" || umount "/sys/fs/cgroup/$hierarchy"
done
# The kubelet would set these on the whole machine. It finds them as it wants them.
files=/run/homelab-lab/kernel
mkdir -p "$files"
while read -r name value; do
    path=/proc/sys/$name
    file=$files/$(echo "$name" | tr / .)
    ! mountpoint -q "$path" || umount "$path"
    echo "$value" > "$file"
    mount --bind "$file" "$path"
done <<VALUES
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
VALUES
PREPARE
chmod 0755 "$support/prepare"
cat > /etc/systemd/system/homelab-lab-kubernetes.service <<UNIT
# Put here by the lab (homelab lab up).
[Unit]
Description=What Kubernetes needs of a lab host
DefaultDependencies=no
Before=basic.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=$support/prepare

[Install]
WantedBy=basic.target
UNIT
systemctl enable homelab-lab-kubernetes.service
tidy_server
