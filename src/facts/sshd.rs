//! What a host says about the settings of its SSH server, and the shell text that asks.
//!
//! sshd reads `sshd_config` from top to bottom, and the files that it includes in their place and by name. Of most settings the first
//! value counts. So what a file does depends on its place, and only sshd itself tells.

use std::collections::{BTreeMap, BTreeSet};

use crate::quote::{delimiter, quote};

/// A shell function that prints `sshd_config` with the file `$o` in its place, and every other included file as an `Include` of its own.
///
/// `$m` says what stands for the file: its new text `$x` (`then`) or nothing (`first`). With `before` it prints each line with its
/// file and number, and `here` for the file.
const FUNCTIONS: &str = r##"hl_sshd() {
n=0
while IFS= read -r l || [ -n "$l" ]; do
n=$((n + 1))
case $l in
*[Ii][Nn][Cc][Ll][Uu][Dd][Ee]*) set -f; set -- $(printf "%s\n" "$l" | tr "=\"\t\r" "    "); set +f ;;
*) set -- ;;
esac
case ${1-} in
[Ii][Nn][Cc][Ll][Uu][Dd][Ee]) shift ;;
*) if [ "$m" = before ]; then printf "%s:%s:%s\n" "$e/sshd_config" "$n" "$l"; else printf "%s\n" "$l"; fi; continue ;;
esac
for g in "$@"; do
case $g in "#"*) break ;; /*) ;; *) g=$e/$g ;; esac
{
for f in $g; do [ "$f" = "$o" ] || [ ! -e "$f" ] || printf "%s\n" "$f"; done
case ${o%/*} in ${g%/*}) case ${o##*/} in ${g##*/}) printf "%s\n" "$o" ;; esac ;; esac
} | LC_ALL=C sort | while IFS= read -r f; do
case $m:$f in
"then:$o") printf "%s\n" "$x" ;;
"first:$o") ;;
"before:$o") echo here ;;
before:*) grep -n "" -- "$f" /dev/null ;;
*) printf "Include \"%s\"\n" "$f" ;;
esac
done
done
done <"$e/sshd_config"
}
"##;

/// The lines of `sshd -T`, by their first word.
pub type Settings = BTreeMap<String, Vec<String>>;

/// What a host says about a file with settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sshd {
    /// As it is.
    pub now: Settings,
    /// With the file.
    pub then: Settings,
    /// If nothing came before the file.
    pub first: Settings,
    /// Lines before the file that are about its settings: path, number and line, with colons between them.
    pub before: Vec<String>,
    /// Whether sshd reads the file at all.
    pub is_included: bool,
}

impl Sshd {
    /// Reads what [`probe`] prints.
    pub fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut parts: Vec<Vec<&str>> = vec![Vec::new()];
        let mut names = ["then", "first", "before"].into_iter().peekable();
        for line in text.lines() {
            if names.peek() == Some(&line) {
                names.next();
                parts.push(Vec::new());
            } else if let Some(part) = parts.last_mut() {
                part.push(line);
            }
        }
        let part = |index: usize| parts.get(index).map_or(&[][..], Vec::as_slice);
        let before = part(3).iter().filter(|line| !line.is_empty());
        let before: Vec<String> = before.map(|&line| line.to_owned()).collect();
        Self {
            now: settings(part(0)),
            then: settings(part(1)),
            first: settings(part(2)),
            is_included: !before.iter().any(|line| line == "nowhere"),
            before,
        }
    }

    /// The settings for which something else counts than the file says, if sshd reads `settings`.
    pub fn overridden(&self, settings: &Settings) -> BTreeSet<&str> {
        let is_other = |(name, values): &(&String, &Vec<String>)| {
            let there: BTreeSet<&String> = settings.get(*name).into_iter().flatten().collect();
            there != values.iter().collect()
        };
        let names = self.first.iter().filter(is_other);
        names.map(|(name, _)| name.as_str()).collect()
    }
}

/// What sshd warns of is no setting.
fn settings(lines: &[&str]) -> Settings {
    let mut settings = Settings::new();
    for line in lines {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        if name.chars().all(|one| one.is_ascii_alphanumeric()) {
            settings
                .entry(name.to_owned())
                .or_default()
                .push(value.trim().to_owned());
        }
    }
    settings
}

/// Shell text that says what sshd does now, with the file, and if the file came first. It changes nothing.
pub(super) fn probe(file: &str, text: &str) -> String {
    probe_in("/etc/ssh", file, text)
}

fn probe_in(folder: &str, file: &str, text: &str) -> String {
    format!(
        "s=$(command -v sshd || echo /usr/sbin/sshd); [ -x \"$s\" ] || hl_failed \"sshd is not on the host\"; hl_root sshd\n\
         {FUNCTIONS}e={folder} o={file}\n\
         x=$(cat <<'{end}'\n{text}\n{end}\n)\n\
         now=$(\"$s\" -T 2>&1) || hl_failed \"$now\"\n\
         m=then; then=$(hl_sshd | \"$s\" -T -f /dev/stdin 2>&1) || {{\n\
         alone=$(printf \"%s\\n\" \"$x\" | \"$s\" -t -f /dev/stdin 2>&1) && alone=$(printf \"%s\\n\" \"$then\" | sed \"s:^/dev/stdin:the whole configuration:\")\n\
         hl_failed \"$(printf \"%s\\n\" \"$alone\" | grep -v \": terminating, \" | tr \"\\n\" \"\\t\" | sed \"s/\\t*\\$//\")\"\n\
         }}\n\
         m=first; first=$({{ printf \"%s\\n\" \"$x\"; hl_sshd; }} | \"$s\" -T -f /dev/stdin 2>&1) || first=$then\n\
         m=before; before=$(hl_sshd)\n\
         if printf \"%s\\n\" \"$before\" | grep -qx here; then before=$(printf \"%s\\n\" \"$before\" | sed \"/^here\\$/,\\$d\" | grep -iE {names}); else before=nowhere; fi\n\
         printf \"%s\\n\" \"$now\" then \"$then\" first \"$first\" before \"$before\" | hl_said",
        folder = quote(folder),
        file = quote(file),
        end = delimiter(text),
        names = quote(&format!("^[^:]*:[0-9]+:[[:space:]]*({})([[:space:]=]|$)", names(text))),
    )
}

/// The names in `text`, as alternatives of a pattern.
fn names(text: &str) -> String {
    let words = text.lines().filter_map(|line| line.split_whitespace().next());
    let plain: BTreeSet<String> = words
        .map(|word| word.chars().filter(char::is_ascii_alphanumeric).collect())
        .collect();
    plain.into_iter().collect::<Vec<_>>().join("|")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use super::*;

    /// Says of each setting the first value, as sshd does, and follows `Include` with one file.
    const SSHD: &str = r#"#!/bin/sh
lines() { while read -r word rest; do case $word in Include) f=${rest#\"}; lines <"${f%\"}" ;; ?*) echo "$word $rest" ;; esac; done; }
case $* in "-T -f /dev/stdin") lines ;; -T) echo "a now" ;; esac | awk '!seen[$1]++'
"#;

    /// What the shell text prints for a file `50-mine.conf` with `text`.
    fn said(config: &str, others: &[(&str, &str)], text: &str) -> Sshd {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        fs::create_dir(root.join("sshd_config.d")).expect("made");
        let sshd = root.join("sshd");
        fs::write(&sshd, SSHD).expect("written");
        fs::set_permissions(&sshd, fs::Permissions::from_mode(0o755)).expect("set");
        fs::write(root.join("sshd_config"), config).expect("written");
        for (name, text) in others {
            fs::write(root.join("sshd_config.d").join(name), text).expect("written");
        }
        let root = root.to_str().expect("UTF-8");
        let file = format!("{root}/sshd_config.d/50-mine.conf");
        let script = format!(
            "hl_said() {{ cat; }}\nhl_failed() {{ echo \"failed $1\"; exit; }}\nhl_root() {{ :; }}\nPATH={root}:$PATH\n{}",
            probe_in(root, &file, text)
        );
        let output = Command::new("sh").args(["-c", &script]).output().expect("sh runs");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        let said = String::from_utf8_lossy(&output.stdout).replace(&format!("{root}/"), "");
        Sshd::read(said.as_bytes())
    }

    #[test]
    fn what_comes_first_counts_and_is_named() {
        let include = "Include sshd_config.d/*.conf\n";
        let old = ("50-mine.conf", "a old\n");
        let (first, last) = (
            ("00-other.conf", "# b\nA\tother\na other\n"),
            ("60-last.conf", "a last\n"),
        );
        for (config, others, then, before) in [
            (format!("# c\n{include}a main\n"), vec![], "mine", vec![]),
            (format!("{include}a main\n"), vec![old, last], "mine", vec![]),
            (
                format!("{include}a main"),
                vec![first, old, last],
                "other",
                vec![
                    "sshd_config.d/00-other.conf:2:A\tother",
                    "sshd_config.d/00-other.conf:3:a other",
                ],
            ),
            (
                format!("a main\n{include}"),
                vec![],
                "main",
                vec!["sshd_config:1:a main"],
            ),
            (
                "include=\"sshd_config.d/*.conf\" # x\n".to_owned(),
                vec![last],
                "mine",
                vec![],
            ),
            (
                "Include sshd_config.d/4*.conf sshd_config.d/5*\n".to_owned(),
                vec![],
                "mine",
                vec![],
            ),
            (
                "Include sshd_config.d/6*.conf\n".to_owned(),
                vec![old, last],
                "last",
                vec!["nowhere"],
            ),
            ("a main\n".to_owned(), vec![old], "main", vec!["nowhere"]),
        ] {
            let sshd = said(&config, &others, "a mine\n");
            let case = format!("{config:?} {others:?}");
            assert_eq!(sshd.then.get("a"), Some(&vec![then.to_owned()]), "{case}");
            assert_eq!(sshd.first.get("a"), Some(&vec!["mine".to_owned()]), "{case}");
            assert_eq!(sshd.before, before, "{case}");
            assert_eq!(sshd.is_included, before != ["nowhere"], "{case}");
            assert_eq!(sshd.overridden(&sshd.then).contains("a"), then != "mine", "{case}");
        }
    }

    #[test]
    fn the_order_of_a_list_and_warnings_count_for_nothing() {
        let said = "port 22\nthen\nacceptenv A\nacceptenv B\nfirst\nacceptenv B\nacceptenv A\n/dev/stdin line 3: Deprecated\nbefore\n";
        let sshd = Sshd::read(said.as_bytes());
        assert!(sshd.overridden(&sshd.then).is_empty());
        assert_eq!(sshd.overridden(&sshd.now), BTreeSet::from(["acceptenv"]));
    }
}
