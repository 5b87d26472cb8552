//! Paths that the host's shell cannot see because of permissions: they must never count as absent.

/// Shell text that defines `hl_hidden`: it sets `$why` to the reason, in one line, why the path `$1` is unknown, or empties it. It
/// starts no process if the path is visible.
///
/// A path is known to be absent only if the user may enter the nearest directory above it that exists.
pub(in crate::facts) const HIDDEN: &str = r#"hl_hidden() {
why=
if [ -f "$1" ] && [ ! -L "$1" ]; then
[ -r "$1" ] || why="\`${hl_me=$(id -un)}\` cannot read it"
return
fi
if [ -e "$1" ] || [ -L "$1" ]; then return; fi
case $1 in /*) up=${1%/*} ;; *) return ;; esac
while [ -n "$up" ] && [ ! -e "$up" ] && [ ! -L "$up" ]; do up=${up%/*}; done
up=${up:-/}
if [ -d "$up" ] && [ ! -x "$up" ]; then why="\`${hl_me=$(id -un)}\` cannot look into $up"
elif [ ! -e "$up" ] && [ "$(id -u)" != 0 ]; then why="\`${hl_me=$(id -un)}\` cannot follow the link $up"; fi
}
"#;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::process::Command;

    use super::*;

    /// The reason for each path as the user `nobody`. Only root can run this.
    fn reasons(paths: &[String]) -> Vec<String> {
        let script = format!("{HIDDEN}for p; do hl_hidden \"$p\"; printf '%s\\n' \"$why\"; done");
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
    fn invisible_paths_differ_from_absent_ones() {
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
        let closed = format!("`nobody` cannot look into {}", at("closed"));
        let expected = [
            String::new(),
            closed.clone(),
            closed,
            "`nobody` cannot read it".to_owned(),
            String::new(),
            format!("`nobody` cannot follow the link {}", at("link")),
            String::new(),
            String::new(),
            String::new(),
        ];
        assert_eq!(reasons(&paths), expected);
    }
}
