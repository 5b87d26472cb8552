# Turns a bare Debian into the apt cache that lab hosts share.
fetch
install nginx

# Only the mirrors that lab hosts use are reached, so it leads nowhere else.
mirrors= upstreams=
for uri in "$archive" "$security"; do
    authority=${uri#http://} authority=${authority%%/*}
    case "$uri $mirrors" in
        https:* | *"\"$authority\""*) continue ;;
    esac
    name=mirror_$(printf '%s' "$authority" | tr -c 'a-zA-Z0-9' _)
    mirrors="$mirrors \"$authority\" $name;"
    upstreams="$upstreams upstream $name { server $authority; keepalive 8; }"
done

cat > /etc/nginx/nginx.conf <<NGINX
worker_processes 2;
error_log /dev/stderr warn;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
    log_format cache '\$remote_addr \$upstream_cache_status \$status \$body_bytes_sent \$upstream_bytes_received \$request';
    access_log /dev/stdout cache;
    server_tokens off;
    sendfile on;
    tcp_nopush on;
    map \$http_host \$mirror { default ""; $mirrors }
    $upstreams
    # A page where a package was asked for comes from a machine in between, such as the login of a guest network.
    map \$upstream_http_content_type \$is_page { default ""; ~^text/html 1; }
    proxy_cache_path /var/cache/packages levels=1:2 keys_zone=packages:8m max_size=4g inactive=60d use_temp_path=off;
    proxy_http_version 1.1;
    proxy_set_header Host \$http_host;
    proxy_set_header Connection "";
    proxy_connect_timeout 5s;
    proxy_max_temp_file_size 0;
    server {
        listen 3142;
        if (\$mirror = "") { return 403; }
        # What never changes under its name: packages, and indexes named after their digest.
        location ~ (/pool/.+[.]u?deb|/by-hash/SHA(256|512)/[0-9a-f]+)\$ {
            proxy_cache packages;
            proxy_cache_key \$http_host\$uri;
            proxy_cache_valid 200 365d;
            proxy_ignore_headers Cache-Control Expires Set-Cookie Vary X-Accel-Expires;
            proxy_no_cache \$is_page;
            # apt-get -o Acquire::http::No-Cache=true puts a fresh copy in the place of one that went bad.
            proxy_cache_bypass \$http_pragma;
            # Hosts that ask for the same thing at once wait for the first of them.
            proxy_cache_lock on;
            proxy_cache_lock_timeout 20s;
            proxy_cache_lock_age 60s;
            proxy_pass http://\$mirror;
        }
        # Everything else is the mirror's own answer, of this moment.
        location / {
            proxy_pass http://\$mirror;
        }
    }
}
NGINX

# A machine that lost its power may have kept a part of a file: what is not as long as it says is fetched again.
cat > /usr/local/sbin/apt-cache-clean <<'CLEAN'
#!/usr/bin/perl -n0
chomp;
open my $file, '<:raw', $_ or next;
read $file, my $head, 16384;
my $key = index $head, "\nKEY: ";
my $end = $key < 0 ? -1 : index $head, "\r\n\r\n", $key;
my ($length) = $head =~ /\r\nContent-Length: *(\d+)\r\n/i;
unlink $_ unless $end >= 0 && defined $length && -s $file == $end + 4 + $length;
CLEAN

cat > /usr/local/sbin/apt-cache <<'START'
#!/bin/sh
set -eu
find /var/cache/packages -type f -print0 | /usr/local/sbin/apt-cache-clean
chown www-data: /var/cache/packages
# Names of mirrors are looked up when this is read; their addresses change in time.
( while sleep 3600; do nginx -s reload; done ) &
exec nginx -g 'daemon off;'
START
chmod 0755 /usr/local/sbin/apt-cache /usr/local/sbin/apt-cache-clean
mkdir -p /var/cache/packages

tidy
rm -rf /var/lib/apt/lists/*
