
# The images are written into the registry's files as a push would: that takes neither an engine nor a registry that runs.
store=/srv/registry/docker/registry/v2
architecture=$(dpkg --print-architecture)
docker=application/vnd.docker

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

# layer NAME: the files below $work/NAME, for images. The files themselves go.
mkdir "$work/layers"
layer() {
    tar --sort=name --mtime=@0 --numeric-owner -C "$work/$1" -c . > "$work/tar"
    rm -rf "${work:?}/$1"
    digest=$(sha256sum < "$work/tar")
    gzip -n -1 -f "$work/tar"
    printf '%s %s %s\n' "sha256:${digest%% *}" "$(blob "$work/tar.gz")" "$(stat -c %s "$work/tar.gz")" > "$work/layers/$1"
}

# packages NAME PACKAGE…: the files of packages and of what they need beside Debian's minimum. Their scripts do not run.
packages() {
    name=$1
    shift
    rm -rf "$work/archives"
    mkdir -p "$work/$name" "$work/archives/partial"
    install --download-only -o Dir::State::status="$work/status" -o Dir::Cache::archives="$work/archives" "$@" > /dev/null
    unpack "$name" "$work"/archives/*.deb
}

# unpack NAME FILE…
unpack() {
    name=$1
    shift
    for archive_file; do
        dpkg-deb -x "$archive_file" "$work/$name"
    done
    rm -rf "$work/$name/usr/share/doc" "$work/$name/usr/share/man" "$work/$name/usr/share/locale" "$work/$name/usr/share/lintian"
    # As a folder it would replace the link that Debian has there, and with it the shell.
    for merged in bin sbin lib lib64; do
        [ ! -e "$work/$name/$merged" ] || { echo "$name: a package has files in /$merged"; exit 1; }
    done
}

# account NAME USER UID: beside the accounts of Debian's minimum.
account() {
    mkdir -p "$work/$1/etc"
    for file in passwd group; do
        [ -e "$work/$1/etc/$file" ] || cp "/etc/$file" "$work/$1/etc/$file"
    done
    echo "$2:x:$3:$3::/:/usr/sbin/nologin" >> "$work/$1/etc/passwd"
    echo "$2:x:$3:" >> "$work/$1/etc/group"
}

# image NAME "TAG…" CONFIG LAYER…: an image for this machine's architecture, below an index, as today's images have.
image() {
    name=$1 tags=$2 settings=$3
    shift 3
    diffs= layers=
    for part; do
        read -r diff digest size < "$work/layers/$part"
        diffs="$diffs,\"$diff\""
        layers="$layers,{\"mediaType\":\"$docker.image.rootfs.diff.tar.gzip\",\"size\":$size,\"digest\":\"$digest\"}"
        link "$name/_layers/sha256/${digest#sha256:}" "$digest"
    done
    printf '{"created":"2026-01-01T00:00:00Z","architecture":"%s","os":"linux","config":%s,"rootfs":{"type":"layers","diff_ids":[%s]}}' \
        "$architecture" "$settings" "${diffs#,}" > "$work/config"
    config=$(blob "$work/config")
    link "$name/_layers/sha256/${config#sha256:}" "$config"
    printf '{"schemaVersion":2,"mediaType":"%s.distribution.manifest.v2+json","config":{"mediaType":"%s.container.image.v1+json","size":%s,"digest":"%s"},"layers":[%s]}' \
        "$docker" "$docker" "$(stat -c %s "$work/config")" "$config" "${layers#,}" > "$work/manifest"
    index "$name" "$tags" "$architecture"
}

# index NAME "TAG…" ARCHITECTURE: names for the manifest that was made last.
index() {
    manifest=$(blob "$work/manifest")
    link "$1/_manifests/revisions/sha256/${manifest#sha256:}" "$manifest"
    printf '{"schemaVersion":2,"mediaType":"%s.distribution.manifest.list.v2+json","manifests":[{"mediaType":"%s.distribution.manifest.v2+json","size":%s,"digest":"%s","platform":{"architecture":"%s","os":"linux"}}]}' \
        "$docker" "$docker" "$(stat -c %s "$work/manifest")" "$manifest" "$3" > "$work/index"
    index=$(blob "$work/index")
    link "$1/_manifests/revisions/sha256/${index#sha256:}" "$index"
    for tag in $2; do
        link "$1/_manifests/tags/$tag/current" "$index"
        link "$1/_manifests/tags/$tag/index/sha256/${index#sha256:}" "$index"
    done
}
