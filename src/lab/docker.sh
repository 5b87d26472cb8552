
# A Docker engine with its command and `docker compose`. It does not start in here, and starts when the host boots.
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod 0755 /usr/sbin/policy-rc.d
fetch
install docker.io docker-cli docker-compose iptables
apt-get clean
rm -f /usr/sbin/policy-rc.d
rm -rf /var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log /tmp/* /var/tmp/*
