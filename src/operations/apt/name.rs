//! Names of packages as apt reads them: `NAME`, `NAME:ARCHITECTURE`, `NAME=VERSION` and `NAME:ARCHITECTURE=VERSION`.
//!
//! apt also knows `NAME-` and `NAME+` where no package has that name, `NAME/RELEASE`, `TASK^` and patterns. These are refused: a
//! name in a project names a package, and nothing else. Only apt's list of names tells `g++` from `bash+`, so such names are looked
//! up in it before apt reads them.

use crate::change::Stop;
use crate::facts::apt::{Simulation, may_be_misread};
use crate::operations::PlanContext;

/// A package as the parameter names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) name: String,
    pub(super) architecture: Option<String>,
    pub(super) version: Option<String>,
}

/// Why a text names no package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoName {
    pub(super) label: &'static str,
    pub(super) hint: &'static str,
}

const PLAIN: NoName = NoName {
    label: "use lowercase letters, digits and `+-.`, then optionally `:ARCHITECTURE` and `=VERSION`",
    hint: "write the name as `apt-cache policy` shows it, such as `jq`, `jq:amd64` or `jq=1.7.1-3`",
};
const RELEASE: NoName = NoName {
    label: "a release is not part of a name",
    hint: "write a version instead: `NAME=VERSION`",
};
const PATTERN: NoName = NoName {
    label: "this is a pattern or a task of apt",
    hint: "name each package",
};
const ANY: NoName = NoName {
    label: "`any` and `all` are not architectures of a host",
    hint: "remove it, or write an architecture such as `:amd64`",
};
const VERSION: NoName = NoName {
    label: "this is not a version",
    hint: "write a version as `apt-cache policy` shows it, such as `jq=1.7.1-3`",
};

/// Refuses a list `packages` of nothing.
pub(super) fn check_listed(context: &PlanContext<'_>, packages: &[String]) -> Result<(), Stop> {
    if packages.is_empty() {
        return Err(context
            .refuse("packages", "`packages` is empty", "lists no package")
            .hint("write `packages = [\"…\"]`, or remove the operation"));
    }
    Ok(())
}

impl Name {
    /// Reads an item of the parameter `packages`.
    pub(super) fn of_item(context: &PlanContext<'_>, text: &str) -> Result<Self, Stop> {
        Self::parse(text).map_err(|wrong| {
            let title = format!("`{text}` is not a valid package name");
            context
                .refuse_item("packages", text, title, wrong.label)
                .hint(wrong.hint)
        })
    }

    /// Reads a name.
    ///
    /// Errors: apt would read it as something else.
    pub(super) fn parse(text: &str) -> Result<Self, NoName> {
        let (package, version) = match text.split_once('=') {
            Some((package, version)) => (package, Some(version)),
            None => (text, None),
        };
        let (name, architecture) = match package.split_once(':') {
            Some((name, architecture)) => (name, Some(architecture)),
            None => (package, None),
        };
        if package.contains('/') {
            return Err(RELEASE);
        }
        if package.contains(['*', '?', '^', '$', '[', '(', '|', '~']) {
            return Err(PATTERN);
        }
        // Debian policy 5.6.1
        let plain = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
        if !name.starts_with(plain)
            || !name
                .chars()
                .all(|character| plain(character) || "+-.".contains(character))
        {
            return Err(PLAIN);
        }
        match architecture {
            Some("any" | "all") => return Err(ANY),
            Some(architecture)
                if !architecture.starts_with(plain)
                    || !architecture
                        .chars()
                        .all(|character| plain(character) || character == '-') =>
            {
                return Err(PLAIN);
            }
            _ => {}
        }
        // Debian policy 5.6.12
        let of_version = |character: char| character.is_ascii_alphanumeric() || ".+-:~".contains(character);
        if version.is_some_and(|version| {
            !version.starts_with(|first: char| first.is_ascii_digit()) || !version.chars().all(of_version)
        }) {
            return Err(VERSION);
        }
        Ok(Self {
            name: name.to_owned(),
            architecture: architecture.map(str::to_owned),
            version: version.map(str::to_owned),
        })
    }

    /// The name of its fact: without the version.
    pub(super) fn key(&self) -> String {
        match &self.architecture {
            Some(architecture) => format!("{}:{architecture}", self.name),
            None => self.name.clone(),
        }
    }

    /// The argument for apt.
    pub(super) fn argument(&self) -> String {
        match &self.version {
            Some(version) => format!("{}={version}", self.key()),
            None => self.key(),
        }
    }

    /// Whether apt means this package by `shown`: it leaves out the host's own architecture.
    pub(super) fn is_shown_as(&self, shown: &str) -> bool {
        shown == self.name || self.architecture.is_some() && shown == self.key()
    }

    /// What apt takes the name for if no package has it; `None` if only a name can be meant.
    pub(super) fn misread_as(&self) -> Option<String> {
        if !may_be_misread(&self.name) {
            return None;
        }
        Some(match (self.name.strip_suffix('-'), self.name.strip_suffix('+')) {
            (Some(other), _) => format!("apt would read this as the removal of `{other}`"),
            (_, Some(other)) => format!("apt would read this as the installation of `{other}`"),
            _ => "apt would read this as a pattern, and take every package that matches it".to_owned(),
        })
    }

    /// The name of the package that apt would install for it: its own, or that of the only package that provides it.
    pub(super) fn resolved<'a>(&'a self, simulation: &'a Simulation) -> Option<&'a str> {
        let installs = simulation.installs.iter().map(|install| install.name.as_str());
        let configures = simulation.configures.iter().map(String::as_str);
        let own = installs.chain(configures).find(|shown| self.is_shown_as(shown));
        own.or_else(|| {
            let providers = simulation.providers.get(&self.key())?;
            let mut installs = simulation.installs.iter().map(|install| install.name.as_str());
            installs.find(|shown| providers.iter().any(|provider| provider == shown))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_apt_reads_them() {
        for (text, expected) in [
            ("tree", ("tree", None, None)),
            ("g++", ("g++", None, None)),
            // Whether such a package exists, apt knows.
            ("tree-", ("tree-", None, None)),
            ("libc6:amd64", ("libc6", Some("amd64"), None)),
            ("libc6:native", ("libc6", Some("native"), None)),
            ("jq=1.7.1-3+b2", ("jq", None, Some("1.7.1-3+b2"))),
            (
                "jq:kfreebsd-amd64=1:2~rc1",
                ("jq", Some("kfreebsd-amd64"), Some("1:2~rc1")),
            ),
        ] {
            let name = Name::parse(text).expect(text);
            let parts = (
                name.name.as_str(),
                name.architecture.as_deref(),
                name.version.as_deref(),
            );
            assert_eq!(parts, expected);
            assert_eq!(name.argument(), text);
        }
        for (text, expected) in [
            ("", PLAIN),
            ("--force", PLAIN),
            ("-o", PLAIN),
            ("+tree", PLAIN),
            ("Tree", PLAIN),
            ("a b", PLAIN),
            ("a\nb", PLAIN),
            ("tree:", PLAIN),
            ("tree:a/b", RELEASE),
            ("tree:AMD64", PLAIN),
            ("tree:any", ANY),
            ("tree:all", ANY),
            ("tree/stable", RELEASE),
            ("./tree.deb", RELEASE),
            ("ssh-server^", PATTERN),
            ("tree*", PATTERN),
            ("~nvim", PATTERN),
            ("?installed", PATTERN),
            ("tree=", VERSION),
            ("tree=1*", VERSION),
            ("tree=1 other", VERSION),
            ("tree=a", VERSION),
        ] {
            assert_eq!(Name::parse(text), Err(expected), "{text}");
        }
    }
}
