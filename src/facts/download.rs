//! Shell text with which a host downloads a file by itself: the same for facts and for steps.

use crate::quote::quote;

/// Opens the headers of standard input as descriptor 3, in a file without a name: some versions of wget cannot read a pipe.
const WGET_HEADERS: &str = "c=$(mktemp -p /run 2>/dev/null || mktemp) || exit; sed \"s/^/header = /\" >\"$c\"; exec 3<\"$c\"; rm -f -- \"$c\"\n";

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
        let (curl, wget, config) = if self.has_headers {
            ("-H @- ", WGET_HEADERS, "--config=/dev/fd/3 ")
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
             {wget}{limit} wget -nv -t 1 -T 60 {config}-O - -- {url}\n\
             elif [ -x /usr/lib/apt/apt-helper ]; then\n\
             {helper}\n\
             else echo \"a download needs curl or wget on the host\" >&2; exit 1; fi\n\
             code=$?; [ $code != 124 ] || echo \"it took too long\" >&2; exit $code\n\
             )"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_host_with_wget_alone_sends_headers() {
        let folder = tempfile::tempdir().expect("a folder");
        // As wget of Debian 12: what it reads must be a file.
        let wget = "for a; do case $a in --config=*) f=${a#*=} ;; esac; done; [ -f \"$f\" ] && cat \"$f\"";
        let prepare = "for p in sed mktemp timeout rm cat sh; do ln -s \"$(command -v $p)\" $p; done\n\
            printf '#!/bin/sh\\n%s\\n' \"$1\" >wget; chmod 755 wget; PATH=$PWD; printf 'A: 1\\nB: 2\\n' | sh -c \"$2\"";
        let script = Download {
            url: "http://localhost/x",
            has_headers: true,
            limit: "timeout 5",
        }
        .script();
        let output = Command::new("sh")
            .args(["-c", prepare, "-", wget, &script])
            .current_dir(folder.path())
            .stderr(Stdio::inherit())
            .output()
            .expect("sh runs");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "header = A: 1\nheader = B: 2\n"
        );
    }
}
