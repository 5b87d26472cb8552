# Turns a bare Debian into the machine that lab hosts start from.

# What a machine does in its first boot, and with the first package, is done once for all hosts of the image.
tidy_server() {
    tidy
    # Who may not write apt's caches would otherwise read all lists anew each time.
    apt-cache gencaches > /dev/null
    # systemd does what is due after /usr has changed, such as the linker's cache: packages did that.
    touch /etc/.updated /var/.updated
}

cat > /etc/apt/sources.list.d/debian.sources <<SOURCES
Types: deb
URIs: $archive
Suites: $suite $suite-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: $security
Suites: $suite-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
rm -f /etc/apt/sources.list

fetch
apt-get -q -y -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io upgrade
install systemd systemd-sysv dbus libpam-systemd polkitd openssh-server ca-certificates iproute2 iputils-ping procps \
    sudo kmod less tzdata

# No first-boot questions, no second owner of the network that Docker has set up, no modules loaded into a kernel that is shared.
for unit in systemd-firstboot.service systemd-networkd.service systemd-networkd.socket \
    systemd-networkd-wait-online.service systemd-modules-load.service; do
    ln -sf /dev/null "/etc/systemd/system/$unit"
done

# The host's own apt runs would hold the package lock just when a deploy wants it. The timers stay what they are on a
# server, enabled and active; only their hour never comes.
for timer in apt-daily apt-daily-upgrade; do
    mkdir -p "/etc/systemd/system/$timer.timer.d"
    cat > "/etc/systemd/system/$timer.timer.d/homelab-lab.conf" <<'DROPIN'
# Put here by the lab (homelab lab up): this throw-away host does not run apt by itself.
[Timer]
OnCalendar=
OnCalendar=2190-01-01 00:00
RandomizedDelaySec=0
Persistent=false
DROPIN
done

# Nothing here has to survive a power failure.
echo force-unsafe-io > /etc/dpkg/dpkg.cfg.d/homelab-lab

# A post-quantum key exchange costs more than all the rest of a login, and protects nothing on this machine. Newer versions
# have one that is cheap.
mkdir -p /etc/ssh/sshd_config.d
exchanges=curve25519-sha256
case " $(ssh -Q KexAlgorithms | tr '\n' ' ')" in
    *' mlkem768x25519-sha256 '*) exchanges=mlkem768x25519-sha256,$exchanges ;;
esac
cat > /etc/ssh/sshd_config.d/homelab-lab.conf <<SSHD
# Put here by the lab (homelab lab up): logins to this throw-away host are quick.
KexAlgorithms $exchanges
SSHD

# A user's own systemd ends ten seconds after the last login, and takes longer to start than a login does.
mkdir -p /etc/systemd/logind.conf.d
cat > /etc/systemd/logind.conf.d/homelab-lab.conf <<'LOGIND'
# Put here by the lab (homelab lab up): the next login need not start it again.
[Login]
UserStopDelaySec=10min
LOGIND

# Packages come through the cache that lab hosts share where that answers within a second, else from the mirror.
mkdir -p /etc/homelab-lab
: > /etc/homelab-lab/apt-cache
cat > /usr/local/lib/homelab-lab-apt-proxy <<PROXY
#!/bin/sh
# Put here by the lab (homelab lab up): tells apt by which proxy it reaches the address that is its argument.
mirrors='$archive/ $security/'
probe='$archive/dists/$suite/InRelease'
PROXY
cat >> /usr/local/lib/homelab-lab-apt-proxy <<'PROXY'
answers() {
    timeout 1 bash -c 'exec 3<>"/dev/tcp/$1/$2" && printf "HEAD %s HTTP/1.0\r\nHost: %s\r\n\r\n" "$3" "$4" >&3 &&
        read -r _ status _ <&3 && [ "$status" = 200 ]' bash "$address" "$port" "$probe" "$authority" 2>/dev/null
}
address= port=
read -r address port 2>/dev/null < /etc/homelab-lab/apt-cache
authority=${probe#http://} authority=${authority%%/*}
for mirror in $mirrors; do
    case "$1" in "$mirror"*) ;; *) continue ;; esac
    case "$mirror" in https:*) break ;; esac
    [ -n "$port" ] && answers && { echo "http://$address:$port/"; exit; }
    break
done
echo DIRECT
PROXY
chmod 0755 /usr/local/lib/homelab-lab-apt-proxy
cat > /etc/apt/apt.conf.d/95homelab-lab-apt-cache <<'CONF'
// Put here by the lab (homelab lab up): packages that another lab host has fetched are not fetched again.
Acquire::http::Proxy-Auto-Detect "/usr/local/lib/homelab-lab-apt-proxy";
CONF

# Every host gets its own keys and its own machine id from the lab before it boots.
rm -f /etc/ssh/ssh_host_*
: > /etc/machine-id

tidy_server
