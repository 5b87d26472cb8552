//! What the host says of a working tree, read.

/// What the host says of the working tree and its source.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) kind: String,
    pub(super) head: Option<String>,
    pub(super) origin: String,
    pub(super) branch: Option<String>,
    /// An earlier update was cut off while it checked files out.
    pub(super) interrupted: bool,
    pub(super) changed: Vec<String>,
    pub(super) commits: u64,
    pub(super) submodules: Vec<String>,
    pub(super) remote: Option<String>,
    pub(super) default: Option<String>,
    pub(super) unreachable: Option<String>,
}

impl Seen {
    pub(super) fn read(text: &str) -> Self {
        let mut seen = Self::default();
        for (number, line) in text.lines().enumerate() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let rest = rest.to_owned();
            match word {
                _ if number == 0 => line.clone_into(&mut seen.kind),
                "head" => seen.head = Some(rest),
                "origin" => seen.origin = rest,
                "branch" => seen.branch = Some(rest),
                "interrupted" => seen.interrupted = true,
                "changed" => seen.changed.push(rest.trim_start().to_owned()),
                "commits" => seen.commits = rest.parse().unwrap_or_default(),
                "submodule" => seen.submodules.push(rest),
                "remote" => seen.remote = Some(rest).filter(|commit| is_commit(commit)),
                "default" => seen.default = Some(rest),
                "unreachable" => seen.unreachable = Some(rest),
                _ => {}
            }
        }
        seen
    }
}

/// Whether these are all digits of a commit.
pub(super) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
