#!/bin/sh
# Put here by the lab (homelab lab up), in the place of systemd's own program of this name, which is beside it. PID 1 becomes
# it when all units are stopped. A container whose PID 1 ends is off, so for a reboot PID 1 goes on.
real=$0.homelab-lab
verb=${1:-}
if [ $$ != 1 ] || [ "$verb" != reboot ] && [ "$verb" != kexec ]; then
    exec "$real" "$@"
fi
here=/run/homelab-lab
exec < /dev/null

# All other processes end.
kill -s TERM -- -1
sleep 1
kill -s KILL -- -1

# What was mounted since the start, the last first, and the old boot id.
mounts=$(cat $here/mounts) cgroup=$(cat $here/cgroup) address=$(cat $here/address) gateway=$(cat $here/gateway)
cut -d ' ' -f 5 /proc/self/mountinfo | tac | while read -r mount; do
    case "
$mounts
" in *"
$mount
"*) ;; *) umount -l "$mount" ;; esac
done 2> /dev/null
while umount /proc/sys/kernel/random/boot_id; do :; done 2> /dev/null
find /run /tmp -xdev -mindepth 1 -delete 2> /dev/null

# Other interfaces and the firewall are not there after a boot, and the address of this one is as before.
for interface in $(ls /sys/class/net); do
    case $interface in lo | eth0) ;; *) ip link delete "$interface" ;; esac
done 2> /dev/null
for tables in iptables ip6tables; do
    for table in filter nat mangle raw; do
        $tables -t $table -F
        $tables -t $table -X
    done
done > /dev/null 2>&1
nft flush ruleset > /dev/null 2>&1
if [ -n "$address" ]; then
    ip address flush dev eth0
    ip address add "$address" brd + dev eth0
    ip link set eth0 up
    [ -z "$gateway" ] || ip route replace default via "$gateway"
fi

exec /usr/local/lib/homelab-lab-start "$cgroup" again
