# Put before each script that makes an image of the lab from a bare Debian. They run once an image, as root, in a container without
# systemd. `suite`, `archive` and `security` are set by the lines put before this text.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

# Nothing is to start in here.
no_starts() {
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
    chmod 0755 /usr/sbin/policy-rc.d
}

fetch() {
    apt-get -q -o Acquire::Retries=3 -o APT::Update::Error-Mode=any update
}

install() {
    apt-get -q -y --no-install-recommends -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io install "$@"
}

tidy() {
    apt-get clean
    rm -f /usr/sbin/policy-rc.d
    rm -rf /var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log /tmp/* /var/tmp/*
}

no_starts

# Images made for containers switch off what a server has: package caches, services that start when installed.
rm -f /etc/apt/apt.conf.d/docker-* /etc/dpkg/dpkg.cfg.d/docker-* /etc/dpkg/dpkg.cfg.d/excludes

# A mirror behind https cannot be read before the certificates are there.
case "$archive$security" in
    *https:*) [ -e /etc/ssl/certs/ca-certificates.crt ] || { fetch; install ca-certificates; } ;;
esac
rm -f /etc/apt/sources.list.d/*
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive $suite main" > /etc/apt/sources.list
