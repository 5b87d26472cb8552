//! Shell text that finds all paths on the way to others: a link is followed on the host, so one look finds where a path leads.

use std::collections::BTreeSet;

use crate::facts::key::FactKey;
use crate::facts::path::ancestors;
use crate::quote::quote_all;

/// Adds the paths above `$@` to it, and those in `$l` are links. A directory above two of the sorted paths is added once.
const ABOVE: &str = r#"l= b=
for p; do
[ ! -L "$p" ] || l=$l$n$p
a=$p
while a=${a%/*}; [ -n "$a" ]; do case $b/ in "$a"/*) break ;; esac; set -- "$@" "$a"; [ ! -L "$a" ] || l=$l$n$a; done
b=$p
done
"#;

/// If there are links, follows the paths that use them, as the kernel does, and adds what is on the way. A target with a line break
/// is not followed.
const FOLLOW: &str = r#"if [ -n "$l" ]; then
q=$n t=
walk() {
a= r=${1#/}/ h=0
while [ -n "$r" ]; do
i=${r%%/*}; r=${r#*/}
case $i in ""|.) continue ;; ..) a=${a%/*}; continue ;; esac
a=$a/$i
case $q in *"$n$a$n"*) ;; *) q=$q$a$n ;; esac
[ -L "$a" ] || continue
case $t in *"$n=$a$n:"*) i=${t#*"$n=$a$n:"}; i=${i%%"$n"*} ;;
*) i=$(readlink -n -- "$a"; echo /); case $i in *"$n"*) return ;; esac; t=$t$n=$a$n:$i$n ;; esac
h=$((h + 1)); [ $h -le 40 ] || return
case $i in /*) a= ;; *) a=${a%/*} ;; esac
r=$i$r
done
}
for p; do a=$p; while [ -n "$a" ]; do case $l$n in *"$n$a$n"*) walk "$p"; break ;; esac; a=${a%/*}; done; done
IFS=$n; set -f; set -- "$@" $q; set +f; unset IFS
fi
"#;

/// Shell text that sets `$n` to a line break, and `$@` to the paths of `keys` and all on the way to those whose resolution is asked for.
pub(super) fn set_paths(keys: &[FactKey]) -> String {
    let mut resolved: Vec<&str> = Vec::new();
    let mut covered = BTreeSet::new();
    for key in keys {
        if let FactKey::PathResolution(path) = key {
            resolved.push(path);
            covered.extend(ancestors(path));
            covered.insert(path.clone());
        }
    }
    let others: BTreeSet<&str> = keys
        .iter()
        .filter_map(|key| match key {
            FactKey::Path(path) | FactKey::DiskLocation(path) => Some(path.as_str()),
            _ => None,
        })
        .filter(|path| !covered.contains(*path))
        .collect();
    let others = quote_all(others);
    if resolved.is_empty() {
        return format!("n=\"\n\"\nset -- {others}\n");
    }
    // A directory stands before what is in it, with nothing in between.
    resolved.sort_by_key(|path| path.split('/').collect::<Vec<_>>());
    resolved.dedup();
    let resolved = quote_all(resolved);
    format!("n=\"\n\"\nset -- {resolved}\n{ABOVE}{FOLLOW}set -- / \"$@\" {others}\n")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    #[test]
    fn every_shell_finds_what_is_on_the_way() {
        let folder = tempfile::tempdir().expect("a folder");
        let top = folder.path().to_string_lossy().into_owned();
        let at = |name: &str| format!("{top}/{name}");
        std::fs::create_dir_all(at("real/deep *")).expect("mkdir");
        std::fs::create_dir_all(at("other")).expect("mkdir");
        std::fs::write(at("real/deep */f"), "x").expect("write");
        symlink("real/deep *", at("link")).expect("symlink");
        symlink(at("link"), at("again")).expect("symlink");
        symlink("../again/../deep *", at("other/up")).expect("symlink");
        symlink("a\nb", at("odd")).expect("symlink");
        symlink("loop", at("loop")).expect("symlink");
        let keys: Vec<FactKey> = ["again/f", "other/up/f", "odd", "loop", "real", "none/x"]
            .map(|name| FactKey::PathResolution(at(name)))
            .into_iter()
            .chain([FactKey::Path(at("real")), FactKey::Path(at("alone"))])
            .collect();
        let script = format!("{}printf '%s\\n' \"$@\"", set_paths(&keys));
        for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
            let output = Command::new(shell[0])
                .args(&shell[1..])
                .arg("-c")
                .arg(&script)
                .output()
                .expect("it runs");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let found: BTreeSet<&str> = text.lines().collect();
            let expected: BTreeSet<String> = [
                "",
                "/again",
                "/again/f",
                "/link",
                "/real",
                "/real/deep *",
                "/real/deep */f",
                "/other",
                "/other/up",
                "/other/up/f",
                "/odd",
                "/loop",
                "/none",
                "/none/x",
                "/alone",
            ]
            .iter()
            .map(|name| format!("{top}{name}"))
            .chain(ancestors(&top))
            .collect();
            let found: BTreeSet<String> = found.into_iter().map(str::to_owned).collect();
            assert!(
                found.is_superset(&expected),
                "{shell:?}: {:?}",
                expected.difference(&found).collect::<Vec<_>>()
            );
            assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
