#!/bin/sh
# Runs nginx, has it load its configuration again when the kubelet has replaced it, and rotates its log.
set -u
configuration=/etc/homelab-nginx/nginx.conf
log=/var/log/nginx/access.log
most=16777216

# The kubelet replaces a whole folder by moving this link.
versions() {
    readlink /etc/homelab-nginx/..data
    readlink /mnt/config/..data
}

loaded=$(versions)
nginx -e stderr -c "$configuration" -g 'daemon off;' &
nginx=$!
# Requests that have begun are answered.
trap 'kill -QUIT "$nginx"' TERM INT QUIT
while kill -0 "$nginx" 2>/dev/null; do
    sleep 1 &
    wait "$!"
    now=$(versions)
    if [ "$now" != "$loaded" ]; then
        loaded=$now
        # What nginx refuses changes nothing: the earlier configuration serves on.
        if nginx -e stderr -t -q -c "$configuration"; then
            kill -HUP "$nginx"
            echo 'start: nginx loads its configuration again'
        else
            echo 'start: nginx refuses the new configuration and keeps the earlier one'
        fi
    fi
    if [ "$(stat -c %s "$log" 2>/dev/null || echo 0)" -gt "$most" ]; then
        mv "$log" "$log.1"
        kill -USR1 "$nginx"
    fi
done
wait "$nginx"
