//! Running apt's simulation as `nobody`, who cannot write anything.
//!
//! As root, apt would write its caches even in a simulation. Without cache files it must rebuild them in memory, which takes most of
//! its time. As `nobody` it can read the caches of the last real run and cannot write them. The result is the same if `nobody` can
//! read every file that apt uses; if not, the simulation runs as root.

/// Becomes `nobody` permanently.
const AS_NOBODY: &str = "setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs";

/// The files that apt uses in a simulation. Passwords for mirrors and keys are only needed to fetch.
const READ: &str = "/etc/apt /var/lib/apt /var/lib/dpkg/status /var/cache/apt/pkgcache.bin";

/// Settings that move any of these, or the caches, elsewhere.
const MOVED: &str = "(^|[;{[:space:]])(Dir|RootDir)(::|[[:space:]]*[{\"])";

/// Sets `$nobody` to the start of the command line, if apt can run as `nobody`.
pub(super) fn script() -> String {
    format!(
        "nobody=\"{AS_NOBODY}\"\n\
         if [ ! -s /var/cache/apt/pkgcache.bin ] || [ -n \"$APT_CONFIG\" ] || ! command -v setpriv >/dev/null ||\n\
         grep -q -s -i -E '{MOVED}' /etc/apt/apt.conf /etc/apt/apt.conf.d/* ||\n\
         ! closed=$($nobody find {READ} \\( -name partial -o -name auxfiles -o -name \"auth.conf*\" -o -name keyrings -o -name \"trusted.gpg*\" \\) -prune -o \\\n\
         ! -name \"*lock\" ! -readable -print 2>&1) || [ -n \"$closed\" ]; then nobody=; fi\n"
    )
}

/// The option that suppresses the note for users other than root.
pub(super) const OPTION: &str = "-o APT::Get::Show-User-Simulation-Note=false ";
