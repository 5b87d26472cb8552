//! The current package lists of the mirrors, without changing those of the host.
//!
//! After an operation that fetches the lists, a plan could not know anything about packages. So the probe fetches the lists into a
//! temporary folder and lets apt simulate with them. The folder starts as a copy of the host's own lists, so that only newer ones
//! are fetched.

use std::time::Duration;

/// The candidates for the folder: memory first, since a disk keeps traces.
const PLACES: &str = "/run /tmp";

/// The free space that must remain there, beyond twice the size of the lists; in KiB.
const ROOM: u32 = 65_536;

/// The time limit for fetching.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

/// The option that makes apt-get use the lists that [`script`] fetched.
pub(super) const OPTION: &str = "-c \"$aside/apt.conf\" ";

/// Fetches the lists; if that fails, `$failure` is the reason.
///
/// Update hooks are disabled, since they may change the host. The timeout for an unreachable mirror is shorter than in a real
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
