# Turns a bare Debian into the registry that lab hosts pull images from.

# What the images start from, before anything is installed here.
work=$(mktemp -d)
cp /var/lib/dpkg/status "$work/status"
mkdir "$work/debian"
tar --one-file-system -C / -c --exclude=.$work --exclude=./usr/share/doc --exclude=./usr/share/man --exclude=./usr/share/locale \
    --exclude=./var/lib/apt --exclude=./var/cache --exclude=./var/log --exclude=./tmp --exclude=./run --exclude=./root \
    --exclude=./usr/sbin/policy-rc.d --exclude=./etc/apt . | tar -C "$work/debian" -x
mkdir -p "$work/debian/var/log" "$work/debian/var/cache" "$work/debian/run" "$work/debian/root"
mkdir -m 1777 "$work/debian/tmp"

fetch
install docker-registry busybox-static openssl ca-certificates

# The registry answers under the names of the registries of the world. Only lab hosts that ask for it trust its certificate: its
# authority was made in here, signs nothing else, and its key is gone.
hosts='registry-1.docker.io ghcr.io lscr.io quay.io registry.lab'
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

# The same images once more at registry.lab:5000, for who logs in: user `lab`, password `private`.
sed 's/:443/:5000/' registry.yml > private.yml
printf 'auth:\n  htpasswd: { realm: homelab lab, path: /etc/homelab-lab/htpasswd }\n' >> private.yml
perl -e 'print "lab:", crypt("private", "\$2b\$05\$homelab.lab.registry.u"), "\n"' > htpasswd
grep -q '^lab:[$]2b[$]05[$].\{50\}' htpasswd || { echo 'cannot hash the password of the private registry'; exit 1; }
