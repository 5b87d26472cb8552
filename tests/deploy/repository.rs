//! A package repository on a lab host itself, with packages made for a test.

use std::fmt::Write as _;

use crate::support::host::Host;

const FOLDER: &str = "/srv/repository";

/// A Debian package to be made.
#[derive(Clone, Copy, Default)]
pub(crate) struct Package<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    /// The field of that name; empty for none.
    pub(crate) depends: &'a str,
    /// The field of that name; empty for none.
    pub(crate) conflicts: &'a str,
    /// The field of that name; empty for none.
    pub(crate) provides: &'a str,
    /// What runs when it is configured; empty for nothing.
    pub(crate) postinst: &'a str,
    /// Configuration files, absolute, and their content.
    pub(crate) conffiles: &'a [(&'a str, &'a str)],
}

/// Puts packages into the repository, beside those that are there, and makes apt look there; the lists are not fetched.
pub(crate) fn publish(host: &Host<'_>, packages: &[Package<'_>]) {
    for package in packages {
        build(host, package);
    }
    host.inside(&format!(
        "cd {FOLDER} && : > Packages && for deb in *.deb; do dpkg-deb -f \"$deb\" >> Packages && \
         printf 'Filename: ./%s\\nSize: %s\\nSHA256: %s\\n\\n' \"$deb\" \"$(stat -c %s \"$deb\")\" \
         \"$(sha256sum \"$deb\" | cut -d' ' -f1)\" >> Packages || exit; done && \
         echo 'deb [trusted=yes] file:{FOLDER} ./' > /etc/apt/sources.list.d/repository.list"
    ));
}

/// Fetches the lists of that repository alone, as an administrator would: the deploy is to find them there.
pub(crate) fn fetch_lists(host: &Host<'_>) {
    host.inside("apt-get -q update -o Dir::Etc::sourcelist=sources.list.d/repository.list -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0");
}

/// Publishes packages and installs those named, on a host that gets packages from nowhere else from then on: Debian's own
/// lists need not be fetched.
pub(crate) fn install_only(host: &Host<'_>, packages: &[Package<'_>], names: &str) {
    publish(host, packages);
    host.inside("rm -rf /etc/apt/sources.list.d/debian.sources /var/lib/apt/lists/*");
    fetch_lists(host);
    host.inside(&format!(
        "DEBIAN_FRONTEND=noninteractive apt-get -q -y install {names} && : >/var/log/dpkg.log"
    ));
}

/// Leaves that repository as the only one: nothing is fetched from Debian's mirrors.
pub(crate) fn only_repository(host: &Host<'_>) {
    host.inside("rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*Packages*");
}

fn build(host: &Host<'_>, package: &Package<'_>) {
    let Package {
        name, version, depends, ..
    } = package;
    let mut control = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\n\
         Description: made for a test\n"
    );
    for (field, value) in [
        ("Depends", *depends),
        ("Conflicts", package.conflicts),
        ("Provides", package.provides),
    ] {
        if !value.is_empty() {
            let _ = writeln!(control, "{field}: {value}");
        }
    }
    let mut line = format!("set -e; top=$(mktemp -d); chmod 755 $top; mkdir -p {FOLDER} $top/DEBIAN\n");
    put(&mut line, "DEBIAN/control", &control);
    if !package.postinst.is_empty() {
        put(
            &mut line,
            "DEBIAN/postinst",
            &format!("#!/bin/sh\n{}\n", package.postinst),
        );
        line.push_str("chmod 755 $top/DEBIAN/postinst\n");
    }
    let mut names = String::new();
    for (path, content) in package.conffiles {
        put(&mut line, path.trim_start_matches('/'), content);
        let _ = writeln!(names, "{path}");
    }
    if !names.is_empty() {
        put(&mut line, "DEBIAN/conffiles", &names);
    }
    let _ = write!(
        line,
        "dpkg-deb --root-owner-group -b $top {FOLDER}/{name}_{version}_all.deb >/dev/null; rm -r $top"
    );
    host.inside(&line);
}

fn put(line: &mut String, path: &str, content: &str) {
    let _ = write!(
        line,
        "mkdir -p $top/$(dirname {path})\ncat > $top/{path} <<'END_OF_FILE'\n{}\nEND_OF_FILE\n",
        content.trim_end()
    );
}
