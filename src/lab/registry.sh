# Turns a bare Debian into the registry that lab hosts pull images from. Runs once an image, as root, in a container without
# systemd. `suite`, `archive` and `security` are set by the lines put before this text.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod 0755 /usr/sbin/policy-rc.d

fetch() {
    apt-get -q -o Acquire::Retries=3 -o APT::Update::Error-Mode=any update
}

install() {
    apt-get -q -y --no-install-recommends -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io install "$@"
}

# A mirror behind https cannot be read before the certificates are there.
case "$archive$security" in
    *https:*) [ -e /etc/ssl/certs/ca-certificates.crt ] || { fetch; install ca-certificates; } ;;
esac
rm -f /etc/apt/sources.list.d/*
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive $suite main" > /etc/apt/sources.list
fetch
install docker-registry busybox-static openssl ca-certificates

# The registry answers under the names of the registries of the world. Only lab hosts that ask for it trust its certificate: its
# authority was made in here, signs nothing else, and its key is gone.
hosts='registry-1.docker.io ghcr.io lscr.io quay.io'
here=/etc/homelab-lab
mkdir -p "$here"
cd "$here"
printf '%s\n' "$hosts" > hosts
names=$(printf ',DNS:%s' $hosts)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj '/CN=homelab lab registry authority' \
    -addext 'basicConstraints=critical,CA:TRUE,pathlen:0' -addext 'keyUsage=critical,keyCertSign' \
    -keyout authority.key -out authority.crt 2> /dev/null
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=homelab lab registry' \
    -keyout registry.key -out registry.csr 2> /dev/null
printf 'subjectAltName=%s\n' "${names#,}" > extensions
openssl x509 -req -in registry.csr -CA authority.crt -CAkey authority.key -CAcreateserial -days 3650 -extfile extensions \
    -out registry.crt 2> /dev/null
rm -f authority.key authority.srl registry.csr extensions

cat > registry.yml <<'CONFIG'
version: 0.1
log: { level: warn }
storage:
  filesystem: { rootdirectory: /srv/registry }
  delete: { enabled: true }
http:
  addr: :443
  tls: { certificate: /etc/homelab-lab/registry.crt, key: /etc/homelab-lab/registry.key }
CONFIG

store=/srv/registry/docker/registry/v2
work=$(mktemp -d)
architecture=$(dpkg --print-architecture)

# Puts a file into the registry, and prints its digest.
blob() {
    digest=$(sha256sum < "$1")
    digest=${digest%% *}
    folder=$store/blobs/sha256/$(printf %.2s "$digest")/$digest
    mkdir -p "$folder"
    cp "$1" "$folder/data"
    printf 'sha256:%s' "$digest"
}

# link PATH DIGEST: a name for what is in the registry.
link() {
    mkdir -p "$store/repositories/$1"
    printf '%s' "$2" > "$store/repositories/$1/link"
}

# image NAME "TAG…" CONFIG: an image of one layer, the files in $work/root.
image() {
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$work/root" -c . > "$work/layer"
    diff=$(sha256sum < "$work/layer")
    gzip -n -9 -f "$work/layer"
    layer=$(blob "$work/layer.gz")
    printf '{"architecture":"%s","os":"linux","config":%s,"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
        "$architecture" "$3" "${diff%% *}" > "$work/config"
    config=$(blob "$work/config")
    type=application/vnd.docker
    printf '{"schemaVersion":2,"mediaType":"%s.distribution.manifest.v2+json","config":{"mediaType":"%s.container.image.v1+json","size":%s,"digest":"%s"},"layers":[{"mediaType":"%s.image.rootfs.diff.tar.gzip","size":%s,"digest":"%s"}]}' \
        "$type" "$type" "$(stat -c %s "$work/config")" "$config" "$type" "$(stat -c %s "$work/layer.gz")" "$layer" > "$work/manifest"
    manifest=$(blob "$work/manifest")
    link "$1/_layers/sha256/${config#sha256:}" "$config"
    link "$1/_layers/sha256/${layer#sha256:}" "$layer"
    link "$1/_manifests/revisions/sha256/${manifest#sha256:}" "$manifest"
    for tag in $2; do
        link "$1/_manifests/tags/$tag/current" "$manifest"
        link "$1/_manifests/tags/$tag/index/sha256/${manifest#sha256:}" "$manifest"
    done
}

# busybox: the real one, Debian's.
mkdir -p "$work/root/bin" "$work/root/etc" "$work/root/tmp" "$work/root/root"
cp /bin/busybox "$work/root/bin/busybox"
for applet in $(/bin/busybox --list); do
    [ "$applet" = busybox ] || ln -s busybox "$work/root/bin/$applet"
done
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' > "$work/root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' > "$work/root/etc/group"
chmod 1777 "$work/root/tmp"
path='"Env":["PATH=/bin"]'
image library/busybox 'latest 1.37' "{$path,\"Cmd\":[\"sh\"]}"

# A stand-in: it answers HTTP on port 80 as its namesake does, with the name of its container first.
cat > "$work/root/stand-in" <<'WHOAMI'
#!/bin/sh
mkdir -p /tmp/www
echo "Hostname: $(hostname)" > /tmp/www/index.html
exec httpd -f -p 80 -h /tmp/www
WHOAMI
chmod 0755 "$work/root/stand-in"
image traefik/whoami 'latest v1.11' \
    "{$path,\"Entrypoint\":[\"/stand-in\"],\"ExposedPorts\":{\"80/tcp\":{}},\"Labels\":{\"homelab.stand-in\":\"true\"}}"

rm -rf "$work"
apt-get clean
rm -rf /usr/sbin/policy-rc.d /var/lib/apt/lists/* /tmp/* /var/tmp/*
