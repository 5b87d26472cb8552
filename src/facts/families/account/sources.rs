//! Where users and groups come from: `usermod` and the like change only `/etc/passwd` and `/etc/group`, while `getent` also lists
//! what other sources of nsswitch.conf(5) have.

use std::collections::BTreeSet;

/// On most hosts `files` is the only source that lists accounts: the files themselves are read only where there are others.
pub(super) const PROBE: &str = r#"others=
while read -r d n; do case $d:$n in
*::files|*::"files systemd"|group::"files [SUCCESS=merge] systemd") ;;
passwd::*|group::*) others=yes; printf "from %s %s\n" "$d" "$n";;
esac; done 2>/dev/null </etc/nsswitch.conf
[ -z "$others" ] || { printf "in files\n"; cat /etc/passwd; printf "in groups\n"; cat /etc/group; }
"#;

/// Where the entries of both databases come from.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) users: Source,
    pub(super) groups: Source,
}

/// Where the entries of a database come from.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// The sources besides the file; `None` if there are none.
    others: Option<String>,
    /// The names in the file.
    in_file: BTreeSet<String>,
}

impl Source {
    /// The source of `name`; `None` for the file.
    pub(super) fn of(&self, name: &str) -> Option<String> {
        let others = self.others.as_ref()?;
        (!self.in_file.contains(name)).then(|| others.clone())
    }

    fn new(others: Option<String>, lines: &[String]) -> Self {
        let names = lines.iter().filter_map(|line| line.split(':').next());
        Self {
            others,
            in_file: names.map(str::to_owned).collect(),
        }
    }
}

/// Separates the lines of `getent group` from what [`PROBE`] printed after them.
pub(super) fn split(lines: &[String]) -> (&[String], Sources) {
    // A line of either database has colons; those of the probe begin with a word and a blank.
    let is_from = |line: &String| line.starts_with("from passwd: ") || line.starts_with("from group: ");
    let Some(start) = lines.iter().position(is_from) else {
        return (lines, Sources::default());
    };
    let (groups, rest) = lines.split_at(start);
    let at = |what: &str| rest.iter().position(|line| line == what).unwrap_or(rest.len());
    let (files, in_groups) = (at("in files"), at("in groups"));
    let named = |database: &str| {
        rest[..files]
            .iter()
            .find_map(|line| line.strip_prefix(database))
            .and_then(others)
    };
    let sources = Sources {
        users: Source::new(
            named("from passwd: "),
            rest.get(files + 1..in_groups).unwrap_or_default(),
        ),
        groups: Source::new(named("from group: "), rest.get(in_groups + 1..).unwrap_or_default()),
    };
    (groups, sources)
}

/// The sources of a line of nsswitch.conf other than the file: `files [NOTFOUND=return] ldap` is `ldap`.
fn others(line: &str) -> Option<String> {
    let line = line.split('#').next().unwrap_or_default();
    // An action may contain blanks.
    let plain: Vec<&str> = line
        .split('[')
        .map(|part| part.split_once(']').map_or(part, |(_, after)| after))
        .flat_map(str::split_whitespace)
        .filter(|source| !matches!(*source, "files" | "compat" | "systemd"))
        .collect();
    (!plain.is_empty()).then(|| plain.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_other_than_the_files_are_named() {
        for (line, expected) in [
            ("files", None),
            ("files systemd", None),
            ("files [SUCCESS=merge] systemd", None),
            ("compat", None),
            ("files extrausers", Some("extrausers")),
            ("files [ NOTFOUND = return ] ldap sss # both", Some("ldap or sss")),
        ] {
            assert_eq!(others(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn what_is_in_a_file_comes_from_there() {
        let text = "adm:x:4:\nextg:x:5000:\nfrom passwd: files extrausers\nin files\nroot:x:0:0::/root:/bin/sh\nin groups\nadm:x:4:";
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let (groups, sources) = split(&lines);
        assert_eq!(groups.len(), 2);
        assert_eq!(sources.users.of("root"), None);
        assert_eq!(sources.users.of("ext").as_deref(), Some("extrausers"));
        // That line is the default one.
        assert_eq!(sources.groups.of("extg"), None);
    }
}
