//! Asking apt as a user who can write nothing.
//!
//! As root apt would write its caches even in a simulation, so it has to do without them, and builds what they hold in memory:
//! that is most of the time that it takes. As nobody it can use the caches that the last real run left, and write none. The
//! answer is the same as long as nobody can read all that apt goes by; where that is not so, apt is asked as root.

/// Becoming nobody, for good.
const AS_NOBODY: &str = "setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs";

/// What apt goes by in a simulation. Passwords for mirrors and keys are for fetching alone.
const READ: &str = "/etc/apt /var/lib/apt /var/lib/dpkg/status /var/cache/apt/pkgcache.bin";

/// Settings that move any of that, or the caches, elsewhere.
const MOVED: &str = "(^|[;{[:space:]])(Dir|RootDir)(::|[[:space:]]*[{\"])";

/// Sets `$nobody` to what a command line begins with, where apt can be asked so.
pub(super) fn script() -> String {
    format!(
        "nobody=\n\
         if [ -s /var/cache/apt/pkgcache.bin ] && [ -z \"$APT_CONFIG\" ] && command -v setpriv >/dev/null &&\n\
         ! grep -q -s -i -E '{MOVED}' /etc/apt/apt.conf /etc/apt/apt.conf.d/* &&\n\
         unreadable=$({AS_NOBODY} find {READ} \\( -name partial -o -name auxfiles -o -name 'auth.conf*' -o -name keyrings -o -name 'trusted.gpg*' \\) -prune -o \\\n\
         ! -name '*lock' ! -readable -print 2>&1) && [ -z \"$unreadable\" ]; then nobody='{AS_NOBODY}'; fi\n"
    )
}

/// The option that leaves out the remark that others than root get.
pub(super) const OPTION: &str = "-o APT::Get::Show-User-Simulation-Note=false ";
