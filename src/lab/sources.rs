//! The Debian mirror of this machine, from its own apt sources: lab hosts use it too, since it is known to work.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::content::open_regular;

/// The mirror that lab images get their packages from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mirror {
    /// The archive, with the suites `trixie` and `trixie-updates`.
    pub(super) archive: String,
    /// The archive of security updates, with the suite `trixie-security`.
    pub(super) security: String,
}

impl Default for Mirror {
    fn default() -> Self {
        Self {
            archive: "http://deb.debian.org/debian".to_owned(),
            security: "http://deb.debian.org/debian-security".to_owned(),
        }
    }
}

/// One line or stanza of a sources file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry {
    uris: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    signed_by: String,
}

/// The Debian mirror in the apt configuration in `folder` (`/etc/apt`), or else Debian's own.
pub(super) fn machine_mirror(folder: &Path) -> Mirror {
    let mut entries = Vec::new();
    for path in source_files(folder) {
        let mut text = String::new();
        if open_regular(&path)
            .and_then(|mut file| file.read_to_string(&mut text))
            .is_err()
        {
            continue;
        }
        if path.extension().is_some_and(|extension| extension == "sources") {
            entries.extend(stanzas(&text));
        } else {
            entries.extend(text.lines().filter_map(one_line));
        }
    }
    mirror_of(&entries)
}

/// The files that apt reads, in its order.
fn source_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder.join("sources.list.d"))
        .into_iter()
        .flatten()
        .filter_map(|found| Some(found.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "list" || extension == "sources")
        })
        .collect();
    files.sort();
    files.insert(0, folder.join("sources.list"));
    files
}

fn mirror_of(entries: &[Entry]) -> Mirror {
    let fallback = Mirror::default();
    let find = |security: bool| entries.iter().find_map(|entry| debian_uri(entry, security));
    Mirror {
        archive: find(false).unwrap_or(fallback.archive),
        security: find(true).unwrap_or(fallback.security),
    }
}

/// The entry's address if it is Debian's archive, or with `security` the archive of security updates.
fn debian_uri(entry: &Entry, security: bool) -> Option<String> {
    let from_debian = |uri: &str| {
        let last = if security { "debian-security" } else { "debian" };
        entry.signed_by.contains("debian-archive") || uri.ends_with(&format!("/{last}"))
    };
    let wanted = entry.components.iter().any(|component| component == "main")
        && entry.suites.iter().any(|suite| suite_fits(suite, security));
    if !wanted {
        return None;
    }
    entry
        .uris
        .iter()
        .map(|uri| uri.trim_end_matches('/'))
        .find(|uri| usable_by_a_container(uri) && from_debian(uri))
        .map(str::to_owned)
}

fn suite_fits(suite: &str, security: bool) -> bool {
    const NAMES: [&str; 8] = [
        "bullseye",
        "bookworm",
        "trixie",
        "forky",
        "oldstable",
        "stable",
        "testing",
        "sid",
    ];
    let name = if security {
        suite.strip_suffix("-security")
    } else {
        Some(suite)
    };
    name.is_some_and(|name| NAMES.contains(&name))
}

/// Whether a container can use the address: it is on the network, not on this machine's loopback, and has no password that
/// would end up in an image.
fn usable_by_a_container(uri: &str) -> bool {
    let Some(rest) = uri.strip_prefix("http://").or_else(|| uri.strip_prefix("https://")) else {
        return false;
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let plain = uri
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || "-._~:/+".contains(letter));
    plain
        && !["localhost", "127.", "[::1]"]
            .iter()
            .any(|loopback| authority.starts_with(loopback))
}

/// A line of the old format: `deb [options] uri suite component…`.
fn one_line(line: &str) -> Option<Entry> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let rest = line.strip_prefix("deb")?;
    let rest = rest.strip_prefix(char::is_whitespace)?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace().map(str::to_owned);
    Some(Entry {
        uris: vec![words.next()?],
        suites: vec![words.next()?],
        components: words.collect(),
        signed_by: options
            .split_whitespace()
            .find_map(|option| option.strip_prefix("signed-by="))
            .unwrap_or("")
            .to_owned(),
    })
}

/// The stanzas of the deb822 format.
fn stanzas(text: &str) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines().chain([""]) {
        if line.trim().is_empty() {
            found.extend(stanza(&lines));
            lines.clear();
        } else if !line.starts_with('#') {
            lines.push(line);
        }
    }
    found
}

fn stanza(lines: &[&str]) -> Option<Entry> {
    let field = |name: &str| field_of(lines, name);
    let enabled = !matches!(
        field("enabled").to_lowercase().as_str(),
        "no" | "false" | "without" | "off" | "disable"
    );
    let words = |name: &str| field(name).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    (enabled && words("types").iter().any(|kind| kind == "deb")).then(|| Entry {
        uris: words("uris"),
        suites: words("suites"),
        components: words("components"),
        signed_by: field("signed-by"),
    })
}

/// A field's value with its continuation lines.
fn field_of(lines: &[&str], name: &str) -> String {
    let mut value = String::new();
    let mut inside = false;
    for line in lines {
        if line.starts_with([' ', '\t']) {
            if inside {
                value.push(' ');
                value.push_str(line.trim());
            }
            continue;
        }
        let (key, rest) = line.split_once(':').unwrap_or((line, ""));
        inside = key.trim().eq_ignore_ascii_case(name);
        if inside {
            value.push_str(rest.trim());
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> Mirror {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sources.list.d")).unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        machine_mirror(folder.path())
    }

    fn mirror(archive: &str, security: &str) -> Mirror {
        Mirror {
            archive: archive.into(),
            security: security.into(),
        }
    }

    #[test]
    fn reads_deb822_with_comments_continuations_and_disabled_stanzas() {
        let text = "# who\nTypes: deb deb-src\nURIs:\n http://off.example/debian\nSuites: trixie\nComponents: main\nEnabled: no\n\n\
                    Types: deb\n# inside\nuris: http://near.example/debian/\nSuites: bookworm bookworm-updates\n\
                    Components: main contrib\n\nTypes: deb-src\nURIs: http://src.example/debian-security\n\
                    Suites: bookworm-security\nComponents: main\n\nTypes: deb\nURIs: https://near.example/debian-security\n\
                    Suites: bookworm-security\nComponents: main";
        let expected = mirror("http://near.example/debian", "https://near.example/debian-security");
        assert_eq!(machine(&[("sources.list.d/debian.sources", text)]), expected);
    }

    #[test]
    fn reads_the_one_line_format_with_options() {
        let text = "#deb http://old.example/debian bookworm main\n\
                    deb-src http://src.example/debian bookworm main\n\
                    deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://near.example/pool bookworm main\n\
                    deb http://security.example/debian-security bookworm-security main contrib # end\n";
        let expected = mirror("http://near.example/pool", "http://security.example/debian-security");
        assert_eq!(machine(&[("sources.list", text)]), expected);
    }

    #[test]
    fn other_peoples_repositories_are_not_debian() {
        let text = "deb https://download.docker.com/linux/debian bookworm stable\n\
                    deb https://apt.example.com bookworm main\n\
                    deb https://packages.cloud.example/apt cloud-sdk-bookworm main\n\
                    deb http://archive.ubuntu.example/ubuntu noble main\n";
        assert_eq!(
            machine(&[("sources.list.d/a.list", text), ("sources.list.d/b.save", text)]),
            Mirror::default()
        );
    }

    #[test]
    fn addresses_that_a_container_cannot_use_are_skipped() {
        for uri in [
            "http://localhost:3142/debian",
            "file:/srv/debian",
            "http://me:secret@near.example/debian",
            "cdrom:/debian",
        ] {
            let text = format!("deb {uri} bookworm main\n");
            assert_eq!(machine(&[("sources.list", &text)]), Mirror::default(), "{uri}");
        }
    }

    #[test]
    fn a_machine_without_apt_gets_debians_own_address() {
        assert_eq!(machine_mirror(Path::new("/nonexistent")), Mirror::default());
    }
}
