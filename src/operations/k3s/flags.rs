//! Settings that an existing unit gives k3s on its command line, or in variables. They would win over the file of settings.

use std::collections::BTreeSet;

/// The keys of settings on the command line of `text`, a unit file.
pub(super) fn of_unit(text: &str) -> BTreeSet<String> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().filter_map(|line| line.trim().strip_prefix("ExecStart="));
    lines.flat_map(of_line).collect()
}

fn of_line(line: &str) -> Vec<String> {
    let words = shlex::split(line).unwrap_or_else(|| line.split_whitespace().map(str::to_owned).collect());
    let flags = words.iter().filter_map(|word| word.strip_prefix('-'));
    let name = |flag: &str| {
        let flag = flag.trim_start_matches('-');
        let name = flag.split_once('=').map_or(flag, |(name, _)| name);
        match name {
            "t" => "token",
            "s" => "server",
            "d" => "data-dir",
            "c" => "config",
            name => name,
        }
        .to_owned()
    };
    flags.map(name).collect()
}

/// The same of variables in `text`, a file of variables. Those of a proxy are no settings of k3s.
pub(super) fn of_variables(text: &str) -> BTreeSet<String> {
    let names = text.lines().filter_map(|line| line.trim().split_once('='));
    let own = names.filter_map(|(name, _)| name.strip_prefix("K3S_"));
    own.map(|name| match name {
        "URL" => "server".to_owned(),
        name => name.to_ascii_lowercase().replace('_', "-"),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_found_however_they_are_written() {
        for (text, expected) in [
            ("ExecStart=/usr/local/bin/k3s server\n", &[][..]),
            (
                "ExecStart=/usr/local/bin/k3s \\\n    server \\\n\t'--tls-san' \\\n\t'a.example' \\\n\t'--disable=traefik'\n",
                &["disable", "tls-san"],
            ),
            (
                "ExecStartPre=-/sbin/modprobe -q overlay\nExecStart=k3s agent -t abc -s https://a:6443\n",
                &["server", "token"],
            ),
        ] {
            assert_eq!(of_unit(text).iter().collect::<Vec<_>>(), expected, "{text}");
        }
        let found = of_variables("K3S_TOKEN='x'\nHTTP_PROXY=http://p\nK3S_URL=https://a:6443\nK3S_NODE_NAME=a\n");
        assert_eq!(found.iter().collect::<Vec<_>>(), ["node-name", "server", "token"]);
        assert!(of_variables("").is_empty());
    }
}
