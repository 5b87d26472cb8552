//! What can be the source of a repository, and the name of a branch.

/// Why git should not be given this as a source; `None` if it can be.
///
/// A source may not name a program, as `ext::sh -c …` does, nor be read as an option, nor have a password in it.
pub(super) fn wrong_source(src: &str) -> Option<&'static str> {
    const FORMS: &str =
        "must be a URL with `https`, `http`, `ssh`, `git` or `file`, or `user@host:path`, or an absolute path";
    if src.contains(char::is_control) {
        return Some("must not contain a line break or another control character");
    }
    if src.starts_with('/') {
        return None;
    }
    if src.split(['/', ' ']).next().is_some_and(|start| start.contains("::")) && !src.contains("://") {
        return Some("must not name a program that git would run");
    }
    let (scheme, authority, path) = match src.split_once("://") {
        Some((scheme, rest)) => {
            let at = rest.find('/').unwrap_or(rest.len());
            (scheme, &rest[..at], &rest[at..])
        }
        None => match src.split_once(':') {
            Some((host, path)) => ("ssh", host, path),
            None => return Some(FORMS),
        },
    };
    let (login, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let plain = |character: char| character.is_ascii_alphanumeric() || "._-:[]%".contains(character);
    match scheme {
        "file" if authority.is_empty() && path.len() > 1 => return None,
        "https" | "http" | "ssh" | "git" => {}
        _ => return Some(FORMS),
    }
    if !login.is_empty() && (scheme != "ssh" || login.contains(':')) {
        return Some("must not contain a password or a token: it would be in clear text on the host");
    }
    let is_plain = |word: &str| !word.starts_with('-') && word.chars().all(plain);
    if host.is_empty() || !is_plain(host) || !is_plain(login) {
        return Some("does not name a valid host");
    }
    if path.trim_matches('/').is_empty() || path.starts_with([':', '-']) {
        return Some("does not name a repository of the host");
    }
    None
}

/// Why this cannot be the name of a branch or a tag (git-check-ref-format(1)).
pub(super) fn wrong_name(name: &str) -> Option<&'static str> {
    let is_wrong_part = |part: &str| {
        part.is_empty()
            || part.starts_with('.')
            || std::path::Path::new(part).extension().is_some_and(|end| end == "lock")
    };
    if name.starts_with("refs/") {
        Some("must be the name alone, without `refs/heads/` or `refs/tags/`")
    } else if name.starts_with('-') {
        Some("must not start with `-`")
    } else if name.contains(|one: char| one.is_control() || " ~^:?*[\\".contains(one)) {
        Some("must not contain blanks, control characters or any of `~^:?*[\\`")
    } else if name == "@" || name == "HEAD" || name.contains("..") || name.contains("@{") || name.ends_with('.') {
        Some("is not a valid name for git")
    } else if name.split('/').any(is_wrong_part) {
        Some("has a part that is empty, starts with `.` or ends in `.lock`")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_place_and_nothing_that_git_runs() {
        for source in [
            "https://github.com/anna/app.git",
            "http://10.0.0.5:3000/anna/app",
            "https://[fd00::5]/app",
            "ssh://git@forge.lan:2222/anna/app.git",
            "git@github.com:anna/app.git",
            "forge:app.git",
            "git://forge/app",
            "file:///srv/git/app.git",
            "/srv/git/my app.git",
        ] {
            assert_eq!(wrong_source(source), None, "{source}");
        }
        for source in [
            "",
            "app",
            "./app",
            "--upload-pack=touch /x",
            "-oProxyCommand=x:y",
            "ext::sh -c touch% /x",
            "fd::7",
            "transport::address",
            "https://anna:secret@forge/app",
            "https://token@forge/app",
            "ssh://anna:secret@forge/app",
            "ssh://-oProxyCommand=x/app",
            "ssh://x@-oProxyCommand=x/app",
            "git@forge:-x",
            "https:///app",
            "https://forge/",
            "file://host/app",
            "file:///",
            "ftp://forge/app",
            "git@forge:app\n--x",
            "$(x):y",
        ] {
            assert!(wrong_source(source).is_some(), "{source}");
        }
    }

    #[test]
    fn names_are_those_that_git_accepts() {
        for name in ["main", "feature/x", "v1.2.3", "größe", "a-b", "x@y"] {
            assert_eq!(wrong_name(name), None, "{name}");
        }
        for name in [
            "",
            "-f",
            "a b",
            "a..b",
            "a~1",
            "x^{}",
            "a:b",
            "*",
            "a/",
            "/a",
            "a//b",
            ".a",
            "a/.b",
            "a.lock",
            "a.",
            "@",
            "@{1}",
            "HEAD",
            "a\\b",
            "a\nb",
            "refs/heads/main",
        ] {
            assert!(wrong_name(name).is_some(), "{name}");
        }
    }
}
