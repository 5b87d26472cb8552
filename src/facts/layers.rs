//! A view of a host in which everything that is written is thrown away, so that its own programs may look at files that are not
//! there yet.
//!
//! It is a mount namespace with a root of its own: an overlay over each writable file system of the host, with its changes in a
//! tmpfs that nothing else can reach. The host's root is detached from it. Kernel settings and control groups are mounted
//! read-only or not at all. Of the devices there are only those that keep nothing, and no file system lets others be opened: a user of
//! the host may have put a link to a disk where a program writes. A process namespace gives it a `/proc` of its own, and ends whatever a program leaves running. An
//! overlay does not lead to sockets, so programs cannot tell running daemons to do something. The network is the host's: a server's
//! configuration may name hosts that have to be found.
//!
//! What is mounted on the host and is not in the view is listed as hidden. Not listed are what the view has of its own (`/dev`, `/proc`,
//! parts of `/sys`), what has no files that a program could want (namespaces, the roots of containers, credentials of services), and what
//! root cannot read on the host either: a user's FUSE without `allow_other`.
//!
//! All of it ends with its processes, also with `kill -9`: there is nothing to clean up.

use std::time::Duration;

use crate::quote::quote;

/// The exit codes of [`in_layers`] if the host allows no such view.
pub const NO_ROOT: i32 = 111;
/// The host lacks a program for it.
pub const NO_PROGRAM: i32 = 112;
/// The host does not allow the mounts.
pub const NO_MOUNTS: i32 = 113;

/// Makes the view. `hidden` has the places of what could not be shown. Of what is mounted on one place, the last is seen. A part of a file
/// system that is mounted a second time is the same there too.
const MAKE: &str = r#"exec 3>&1 >/dev/null 2>&1
info=$(awk '{ last[$5] = NR; line[NR] = $0 } END { for (i = 1; i <= NR; i++) { split(line[i], f, " "); if (last[f[5]] == i) print line[i] } }' /proc/self/mountinfo)
for T in /mnt /media /srv /opt /home /boot ''; do
case $info in *" $T "*|*" $T/"*) ;; *) [ ! -d "$T" ] || [ -L "$T" ] || break ;; esac
done
[ -n "$T" ] && mount -t tmpfs -o mode=0700,size=256m homelab "$T" && mkdir "$T/n" || exit 113
i=0
layer() {
i=$((i + 1))
mkdir "$T/u$i" "$T/w$i" || return
set -- "$1" $(stat -c '%a %u:%g' -- "$1")
chown "$3" "$T/u$i" && chmod "$2" "$T/u$i" || return
( cd -- "$1" && mount -t overlay -o "nodev,lowerdir=.,upperdir=$T/u$i,workdir=$T/w$i" homelab "$T/n$1" )
}
gone() { printf '%s\n' "$at" >>"$T/hidden"; }
fixed() { mount --bind -- "$1" "$T/n$1" && mount -o remount,bind,ro,nodev -- "$T/n$1"; }
devices() {
mount -t tmpfs -o mode=0755,size=64m homelab "$T/n/dev" || return
for d in null zero full random urandom; do
: >"$T/n/dev/$d"; [ ! -c "/dev/$d" ] || mount --bind "/dev/$d" "$T/n/dev/$d" || return
done
ln -s /proc/self/fd "$T/n/dev/fd" && ln -s fd/0 "$T/n/dev/stdin" && ln -s fd/1 "$T/n/dev/stdout" && ln -s fd/2 "$T/n/dev/stderr" &&
mkdir -m 1777 "$T/n/dev/shm"
}
n='
'
plain() { case $1 in *\\*) printf "$(printf %s "$1" | sed 's/%/%%/g')" ;; *) printf %s "$1" ;; esac; }
twin() {
printf %s "$known" | while IFS='|' read -r of place; do
case "$device $top/" in "$of"/*) shown=$T/n${place%/}${top#"${of#* }"}; [ ! -e "$shown" ] || { printf %s "$shown"; break; } ;; esac
done
}
layer / && devices || exit 113
printf '%s\n' "$info" | {
known=
while read -r _ _ device top at _ rest; do
top=$(plain "$top/") top=${top%/} top=${top%/} at=$(plain "$at/") at=${at%/} at=${at%/}
kind=${rest#*- } kind=${kind%% *}
case $at in
'') known="$device $top|/$n"; continue ;;
/sys) fixed "$at" || exit 113; continue ;;
/var/lib/docker/volumes/*|/var/lib/containers/storage/volumes/*) ;;
/dev|/dev/*|/proc|/proc/*|/sys/*|/run/credentials/*|/var/lib/docker/*|/var/lib/containers/*|/var/lib/kubelet/*) continue ;;
esac
case $kind in
nsfs|fuse.lxcfs) continue ;;
fuse|fuse.*|fuseblk) case ${rest##* } in *,allow_other*|*,user_id=0,*) gone ;; esac; continue ;;
cgroup*) fixed "$at" || gone; continue ;;
autofs|nfs*|cifs|smb*|9p|ceph|glusterfs) gone; continue ;;
mqueue|hugetlbfs|devtmpfs|devpts|fusectl|proc|sysfs|securityfs|debugfs|tracefs|bpf|pstore|configfs) gone; continue ;;
esac
shown=$(twin)
known="$known$device $top|$at$n"
if [ -n "$shown" ]; then mount --bind -- "$shown" "$T/n$at" || gone
elif [ -d "$T/n$at" ]; then layer "$at" || fixed "$at" || gone
elif [ -f "$at" ] && [ -f "$T/n$at" ]; then cp -p -- "$at" "$T/n$at" || gone; fi
done
} || exit 113
hidden=$([ ! -e "$T/hidden" ] || head -n 8 "$T/hidden")
mount -t proc -o ro,nosuid,nodev,noexec proc "$T/n/proc" || exit 113
old=.homelab-$$
cd "$T/n" && mkdir "$old" && pivot_root . "$old" && cd / && umount -l "/$old" && rmdir "/$old" || exit 113
exec >&3 2>&1 3>&-
"#;

/// Shell text that runs `inner` as root in a throw-away view of the host, at most for `limit`, and ends with its exit code.
///
/// Content may be part of `inner`: it reaches the shell there by standard input. `$hidden` has a line there for each
/// mounted file system that is not to be seen.
pub fn in_layers(inner: &str, limit: Duration) -> String {
    format!(
        "(\n\
         [ \"$(id -u)\" = 0 ] || exit {NO_ROOT}\n\
         for need in unshare pivot_root mount umount timeout; do command -v $need >/dev/null || exit {NO_PROGRAM}; done\n\
         kill=--kill-child; unshare $kill true >/dev/null 2>&1 || kill=\n\
         unshare -m -p -u -i -f $kill true >/dev/null 2>&1 || exit {NO_MOUNTS}\n\
         printf '%s\\n' {text} | timeout -k 5 {seconds} unshare -m -p -u -i -f $kill sh\n\
         )",
        text = quote(&format!("{MAKE}{inner}")),
        seconds = limit.as_secs().max(1),
    )
}
