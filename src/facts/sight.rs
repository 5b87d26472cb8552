//! What the host's shell may not see: it must never be taken for absent.

/// Shell text that defines `hidden`, which sets `$why` to the reason, in a line, why nothing is known of the path `$1`, or to
/// nothing. It starts no process where all may be seen.
///
/// What is not there is so for sure only if the nearest directory above that is there may be looked into.
pub(super) const HIDDEN: &str = r#"me=
hidden() {
why=
if [ -f "$1" ] && [ ! -L "$1" ]; then
[ -r "$1" ] || why="\`${me:=$(id -un)}\` may not read it"
return
fi
if [ -e "$1" ] || [ -L "$1" ]; then return; fi
case $1 in /*) above=${1%/*} ;; *) return ;; esac
while [ -n "$above" ] && [ ! -e "$above" ] && [ ! -L "$above" ]; do above=${above%/*}; done
above=${above:-/}
if [ -d "$above" ] && [ ! -x "$above" ]; then why="\`${me:=$(id -un)}\` may not look into $above"
elif [ ! -e "$above" ] && [ "$(id -u)" != 0 ]; then why="\`${me:=$(id -un)}\` may not look where $above leads"; fi
}
"#;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::process::Command;

    use super::*;

    /// What `nobody` is told of each path; only root can ask as somebody else.
    fn told(paths: &[String]) -> Vec<String> {
        let script = format!("{HIDDEN}for p; do hidden \"$p\"; printf '%s\\n' \"$why\"; done");
        let output = Command::new("setpriv")
            .args([
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "sh",
                "-c",
                &script,
                "sh",
            ])
            .args(paths)
            .output()
            .expect("setpriv runs");
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_may_not_be_seen_is_told_from_what_is_absent() {
        let output = Command::new("id").arg("-u").output().expect("id runs");
        if output.stdout != b"0\n" {
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let allow = |path: &str, mode: u32| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
        };
        allow(&at(""), 0o755);
        std::fs::create_dir(at("closed")).expect("mkdir");
        std::fs::write(at("closed/file"), "x").expect("write");
        std::fs::write(at("secret"), "x").expect("write");
        std::fs::write(at("open"), "x").expect("write");
        symlink(at("closed/file"), at("link")).expect("symlink");
        allow(&at("closed"), 0o700);
        allow(&at("secret"), 0o600);
        let paths = [
            "closed",
            "closed/file",
            "closed/a/b",
            "secret",
            "link",
            "link/below",
            "open",
            "open/below",
            "none/a",
        ];
        let paths = paths.map(at);
        let closed = format!("`nobody` may not look into {}", at("closed"));
        let expected = [
            String::new(),
            closed.clone(),
            closed,
            "`nobody` may not read it".to_owned(),
            String::new(),
            format!("`nobody` may not look where {} leads", at("link")),
            String::new(),
            String::new(),
            String::new(),
        ];
        assert_eq!(told(&paths), expected);
    }
}
