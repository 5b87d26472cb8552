//! The names of images.

use std::fmt;

/// The registry that a name means if it names none.
const REGISTRY: &str = "docker.io";
/// What the part before a name on [`REGISTRY`] is if there is none.
const LIBRARY: &str = "library/";
const TAG: &str = "latest";

/// The name of an image, as `docker image ls` prints it: `caddy:2.10`, `ghcr.io/gethomepage/homepage:v1.2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Without the registry if that is Docker's own.
    pub repository: String,
    /// `latest` if neither it nor a digest is given.
    pub tag: Option<String>,
    /// The digest of one very image: `sha256:…`.
    pub digest: Option<String>,
}

impl Reference {
    /// Reads `[REGISTRY/]NAME[:TAG][@DIGEST]`.
    ///
    /// Errors: what is wrong, in words for a label.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err("after `@` there must be `sha256:` and 64 hexadecimal digits");
        }
        // A registry may have a port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err("a tag has up to 128 letters, digits, `_`, `.` and `-`, and starts with none of the last two");
        }
        let (registry, path) = match name.split_once('/') {
            Some((first, path)) if is_registry(first) => (Some(first), path),
            _ => (None, name),
        };
        if path.chars().any(|character| character.is_ascii_uppercase()) {
            return Err("the name must be in lower case");
        }
        if !path.split('/').all(is_component) {
            return Err("write it like `caddy:2.10` or `ghcr.io/gethomepage/homepage:v1.2`");
        }
        let repository = match registry {
            Some(registry) if registry != REGISTRY && registry != "index.docker.io" => format!("{registry}/{path}"),
            _ => match path.strip_prefix(LIBRARY) {
                Some(own) if !own.contains('/') => own.to_owned(),
                _ => path.to_owned(),
            },
        };
        let default = digest.is_none().then_some(TAG);
        Ok(Self {
            repository,
            tag: tag.or(default).map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }

    /// The name under which the engine finds the image: without the digest if there is a tag.
    pub fn found_as(&self) -> String {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => format!("{}:{tag}", self.repository),
            (None, Some(digest)) => format!("{}@{digest}", self.repository),
            (None, None) => self.repository.clone(),
        }
    }

    /// The name of the very image, if it is given.
    pub fn pinned(&self) -> Option<String> {
        let digest = self.digest.as_ref()?;
        Some(format!("{}@{digest}", self.repository))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(formatter, "@{digest}"),
            None => Ok(()),
        }
    }
}

/// Whether the first part of a name is a registry.
fn is_registry(part: &str) -> bool {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-.:[]".contains(character);
    (part.contains(['.', ':']) || part == "localhost") && part.chars().all(is_plain)
}

fn is_component(part: &str) -> bool {
    let is_alphanumeric = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    part.starts_with(is_alphanumeric)
        && part.ends_with(is_alphanumeric)
        && part
            .chars()
            .all(|character| is_alphanumeric(character) || "_.-".contains(character))
}

fn is_tag(tag: &str) -> bool {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    tag.len() <= 128
        && tag.starts_with(is_word)
        && tag
            .chars()
            .all(|character| is_word(character) || ".-".contains(character))
}

/// Whether this is `sha256:` and the digits of a digest.
pub fn is_digest(digest: &str) -> bool {
    let is_hex = |character: char| character.is_ascii_digit() || ('a'..='f').contains(&character);
    digest
        .strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.chars().all(is_hex))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_as_docker_shows_it() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let pinned = format!("caddy:2@{digest}");
        for (text, expected) in [
            ("caddy", "caddy:latest"),
            ("docker.io/library/caddy:2.10", "caddy:2.10"),
            ("index.docker.io/grafana/grafana", "grafana/grafana:latest"),
            ("ghcr.io/gethomepage/homepage:v1.2", "ghcr.io/gethomepage/homepage:v1.2"),
            ("localhost:5000/app", "localhost:5000/app:latest"),
            ("registry:2", "registry:2"),
            (&pinned, &pinned),
        ] {
            assert_eq!(
                Reference::parse(text).map(|found| found.to_string()),
                Ok(expected.to_owned()),
                "{text}"
            );
        }
        let pinned = Reference::parse(&pinned).expect("a name");
        assert_eq!(pinned.found_as(), "caddy:2");
        assert_eq!(pinned.pinned(), Some(format!("caddy@{digest}")));
        let bare = Reference::parse(&format!("caddy@{digest}")).expect("a name");
        assert_eq!(bare.found_as(), format!("caddy@{digest}"));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "",
            "Caddy",
            "caddy:",
            "caddy:-1",
            "caddy@sha256:12",
            "caddy@md5:12",
            "a b",
            "/caddy",
            "caddy/",
            "-x",
            "a//b",
            "x;y",
        ] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
    }
}
