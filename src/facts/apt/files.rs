//! The files that tell apt where packages come from and which to prefer (apt-get(8), "FILES"): what a change to one of them
//! means for the package lists and for what apt would do.

use crate::facts::path::is_below;

/// What a file is to apt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::facts) enum Part {
    /// A list of sources, whose packages are known once their lists were fetched.
    Source,
    /// Priorities of packages.
    Preferences,
    /// Settings of apt.
    Settings,
}

const SOURCES: &str = "/etc/apt/sources.list.d";

/// The files and folders, with what they are.
const FILES: [(&str, Part); 6] = [
    ("/etc/apt/sources.list", Part::Source),
    (SOURCES, Part::Source),
    ("/etc/apt/preferences", Part::Preferences),
    ("/etc/apt/preferences.d", Part::Preferences),
    ("/etc/apt/apt.conf", Part::Settings),
    ("/etc/apt/apt.conf.d", Part::Settings),
];

/// What a file or folder at `path` is to apt.
pub(in crate::facts) fn part(path: &str) -> Option<Part> {
    let (top, part) = FILES.iter().find(|(top, _)| is_below(path, top))?;
    // sources.list(5): apt reads no other files of this folder.
    let extension = path.rsplit('.').next();
    let is_read = *top != SOURCES || path == SOURCES || matches!(extension, Some("list" | "sources"));
    is_read.then_some(*part)
}

/// Whether any of the files may be in or below `top`.
pub(in crate::facts) fn are_below(top: &str) -> bool {
    part(top).is_some() || FILES.iter().any(|(path, _)| is_below(path, top))
}

/// Settings that do not change which packages apt chooses, only how it fetches and installs them.
const HARMLESS: [&str; 6] = [
    "acquire",
    "dpkg",
    "unattended-upgrade",
    "apt::periodic",
    "apt::update",
    "apt::color",
];

/// Whether these settings of apt leave what it would choose as it is: all of them are known to.
pub(in crate::facts) fn is_harmless(settings: &str) -> bool {
    let mut depth = 0_usize;
    settings.lines().map(str::trim).all(|line| {
        let is_comment = line.is_empty() || line.starts_with("//") || line.starts_with("# ") || line == "#";
        let outermost = depth == 0 && !is_comment && !line.trim_matches(['}', ';']).is_empty();
        if !is_comment {
            let count = |brace: char| line.chars().filter(|one| *one == brace).count();
            depth = (depth + count('{')).saturating_sub(count('}'));
        }
        !line.contains("/*") && (!outermost || is_harmless_setting(line))
    })
}

fn is_harmless_setting(line: &str) -> bool {
    let name = line.to_ascii_lowercase();
    let name = name.strip_prefix("#clear ").unwrap_or(&name).trim_start();
    // What follows on the same line, after the first, might be another one.
    let is_alone = line.trim_end_matches(';').find("; ").is_none() || line.contains('{');
    let is_named = |start: &&str| {
        name.strip_prefix(*start)
            .is_some_and(|rest| rest.starts_with("::") || rest.starts_with([' ', '\t', '{', '"', ';']))
    };
    is_alone && HARMLESS.iter().any(is_named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_apt_reads() {
        for (path, expected) in [
            ("/etc/apt/sources.list", Some(Part::Source)),
            ("/etc/apt/sources.list.d", Some(Part::Source)),
            ("/etc/apt/sources.list.d/a.sources", Some(Part::Source)),
            ("/etc/apt/sources.list.d/a.list", Some(Part::Source)),
            ("/etc/apt/sources.list.d/a.list.bak", None),
            ("/etc/apt/preferences.d/pin", Some(Part::Preferences)),
            ("/etc/apt/apt.conf.d/99x", Some(Part::Settings)),
            ("/etc/apt/keyrings/a.gpg", None),
            ("/etc/apt", None),
            ("/etc/apt/preferences.disabled", None),
        ] {
            assert_eq!(part(path), expected, "{path}");
        }
        for (top, expected) in [
            ("/", true),
            ("/etc/apt/", true),
            ("/etc/apt/keyrings", false),
            ("/srv", false),
        ] {
            assert_eq!(are_below(top), expected, "{top}");
        }
    }

    #[test]
    fn settings_that_change_no_choice_are_known() {
        for harmless in [
            "",
            "// a comment\n# another\nAcquire::http::Proxy \"http://cache:3142\";\n",
            "APT::Periodic::Update-Package-Lists \"1\";\nAPT::Periodic::Unattended-Upgrade \"1\";",
            "Acquire {\n  http { Proxy \"x\"; };\n  Retries 3;\n};\nDPkg::Options { \"--force-confold\"; }\n",
            "#clear APT::Periodic;\n#clear Unattended-Upgrade::Origins-Pattern;\n",
            "Unattended-Upgrade::Origins-Pattern {\n  \"origin=Debian\";\n};",
        ] {
            assert!(is_harmless(harmless), "{harmless}");
        }
        for harmful in [
            "APT::Default-Release \"stable\";",
            "Acquire::Retries 3; APT::Default-Release \"stable\";",
            "Acquire { Retries 3; };\nAPT { Install-Recommends \"false\"; };",
            "#clear APT;",
            "#clear APT::Periodic; Dir \"/\";",
            "Dir::Etc::sourcelist \"/x\";",
            "AcquireX::a 1;",
            "/* */ Dir \"/\";",
        ] {
            assert!(!is_harmless(harmful), "{harmful}");
        }
    }
}
