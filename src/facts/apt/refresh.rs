//! Package lists as they are on the mirrors now, without changing those of the host.
//!
//! A plan that begins with fetching the lists would know nothing of any package after that: so they are fetched aside, into
//! a folder that goes away with the probe, and apt is asked what it would do with them. The folder begins as a copy of the
//! host's own lists, so that only what is new is fetched.

use std::time::Duration;

/// Where the folder may be: memory first, for a disk would be left with traces.
const PLACES: &str = "/run /tmp";

/// Room that is left for others in such a place, beyond twice the size of the lists; in KiB.
const ROOM: u32 = 65_536;

/// The longest that fetching may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

/// The option by which apt-get is told of the lists that [`script`] fetched.
pub(super) const OPTION: &str = "-c \"$aside/apt.conf\" ";

/// Fetches the lists. `$failure` says why that failed, where it did.
///
/// Hooks of an update are left out: they are free to change the host. An unreachable mirror is given up sooner than by a real
/// update.
pub(super) fn script() -> String {
    format!(
        "lists=/var/lib/apt/lists failure=\n\
         size=$(du -sk $lists 2>/dev/null | cut -f1)\n\
         for place in {PLACES}; do\n\
         free=$(df -k --output=avail $place | sed 1d)\n\
         [ \"${{free:-0}}\" -gt $((${{size:-0}} * 2 + {ROOM})) ] && aside=$(mktemp -d -p $place --suffix=.homelab-lists) && break\n\
         done\n\
         if [ -z \"$aside\" ]; then failure='too little room in {PLACES}'; else\n\
         chmod 755 \"$aside\" && mkdir -m 1777 \"$aside/tmp\"\n\
         [ ! -d $lists ] || cp -a $lists \"$aside/lists\"\n\
         mkdir -p \"$aside/lists/partial\"\n\
         printf '%s\\n' '#clear APT::Update;' '#clear AptCli;' \"Dir::State::Lists \\\"$aside/lists\\\";\" \\\n\
         'Dir::Cache::pkgcache \"\"; Dir::Cache::srcpkgcache \"\";' 'APT::Update::Error-Mode \"any\";' \\\n\
         'Acquire::Retries \"0\"; Acquire::http::Timeout \"10\"; Acquire::https::Timeout \"10\";' > \"$aside/apt.conf\"\n\
         said=$(TMPDIR=\"$aside/tmp\" timeout {} apt-get -q -c \"$aside/apt.conf\" update 2>&1) || failure=${{said:-'it took too long'}}\n\
         fi\n",
        PATIENCE.as_secs()
    )
}
