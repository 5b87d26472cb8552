#!/bin/sh
# Ends k3s with all its pods, and takes back what they did to the network.
for unit in /etc/systemd/system/k3s*.service; do
    [ ! -e "$unit" ] || systemctl stop "${unit##*/}"
done
# A shim is the parent of the processes of a pod.
for shim in $(pgrep -f 'containerd-shim-runc-v2 .*/run/k3s/containerd'); do
    kill -9 $(pgrep -P "$shim") "$shim" 2> /dev/null
done
for below in /run/k3s /var/lib/kubelet /run/netns/cni-; do
    cut -d ' ' -f 5 /proc/self/mountinfo | grep "^$below" | sort -r | while read -r mount; do umount -l "$mount"; done
done
for namespace in $(ip netns list 2> /dev/null | grep -o '^cni-[^ ]*'); do ip netns delete "$namespace"; done
ip link delete cni0 2> /dev/null
ip route show | grep -o '^10\.42\.[^ ]* via' | while read -r network _; do ip route delete "$network"; done
for tables in iptables ip6tables; do
    $tables-save | grep -v 'KUBE-\|CNI-\|pods leave' | $tables-restore
done
rm -rf /run/k3s /var/lib/cni
# The control groups of pods.
for folder in /sys/fs/cgroup/*"$(sed -n 's/^[0-9]*:memory://p' /proc/1/cgroup | sed 's,/init.scope$,,')"/kubepods; do
    [ ! -d "$folder" ] || find "$folder" -depth -type d -exec rmdir {} +
done
exit 0
