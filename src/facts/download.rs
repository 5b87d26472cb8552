//! Shell text with which a host downloads a file by itself: the same for facts and for steps.

use crate::quote::quote;

/// A file that a host downloads.
pub struct Download<'a> {
    /// With `http://` or `https://`, and checked.
    pub url: &'a str,
    /// Whether standard input has a line for each header of the request. An argument could be seen by every user of the host.
    pub has_headers: bool,
    /// The command line of timeout(1), with its limit.
    pub limit: &'a str,
}

impl Download<'_> {
    /// Shell text that prints the file, and errors on the other stream. It exits 0 only if all of the file came.
    ///
    /// `apt-helper`, which every Debian has, knows no headers and writes a file. As root it gives up its rights, so the file is
    /// in a folder of the user that it becomes.
    pub fn script(&self) -> String {
        let (url, limit) = (quote(self.url), self.limit);
        let (curl, filter, config) = if self.has_headers {
            ("-H @- ", "sed \"s/^/header = /\" | ", "--config=/dev/stdin ")
        } else {
            ("", "", "")
        };
        let helper = if self.has_headers {
            "echo \"a download with headers needs curl or wget on the host\" >&2; exit 1".to_owned()
        } else {
            format!(
                "f=$(mktemp -d) || exit; trap \"rm -rf -- $f\" EXIT; trap \"exit 1\" HUP INT TERM PIPE\n\
                 chmod 0755 \"$f\"; chown _apt \"$f\" 2>/dev/null\n\
                 TMPDIR=$f {limit} /usr/lib/apt/apt-helper download-file {url} \"$f/file\" >&2 && cat <\"$f/file\""
            )
        };
        format!(
            "(\n\
             if command -v curl >/dev/null; then\n\
             {limit} curl -gfsSL --proto =http,https --proto-redir =http,https --connect-timeout 30 {curl}--url {url}\n\
             elif command -v wget >/dev/null; then\n\
             {filter}{limit} wget -nv -t 1 -T 60 {config}-O - -- {url}\n\
             elif [ -x /usr/lib/apt/apt-helper ]; then\n\
             {helper}\n\
             else echo \"a download needs curl or wget on the host\" >&2; exit 1; fi\n\
             code=$?; [ $code != 124 ] || echo \"it took too long\" >&2; exit $code\n\
             )"
        )
    }
}
