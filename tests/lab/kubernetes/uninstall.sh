#!/bin/sh
# Removes k3s from a host, with its data.
k3s-killall.sh
for unit in /etc/systemd/system/k3s*.service; do
    [ ! -e "$unit" ] || systemctl disable "${unit##*/}" 2> /dev/null
    rm -f "$unit" "$unit.env"
done
systemctl daemon-reload
systemctl reset-failed 'k3s*' 2> /dev/null
rm -rf /etc/rancher /var/lib/rancher /var/lib/kubelet /var/log/pods /var/log/containers
for name in k3s kubectl crictl ctr k3s-killall.sh k3s-uninstall.sh; do rm -f "/usr/local/bin/$name"; done
