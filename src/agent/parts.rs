//! What there is to build, and for what.

/// The architectures that it can be built for, by Debian's names.
pub const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

/// What the program is called where it is built.
pub(super) const PROGRAM: &str = "homelab-agent";
/// What is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The program.
    Binary,
    /// An archive of `docker save` with an image of the program.
    Image,
}

impl Part {
    pub(super) const ALL: [Self; 2] = [Self::Binary, Self::Image];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Image => "image",
        }
    }

    /// The file in which it is kept.
    pub(super) fn file(self, architecture: &str) -> String {
        let end = match self {
            Self::Binary => "",
            Self::Image => ".tar",
        };
        format!("{PROGRAM}-{architecture}{end}")
    }
}

/// The architecture of this machine by Debian's name, if the agent can be built for it.
pub fn own_architecture() -> Option<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Some("amd64"),
        "aarch64" => Some("arm64"),
        _ => None,
    }
}
