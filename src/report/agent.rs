//! What `homelab agent` built.

use super::backups::size;
use super::duration::taken;
use crate::agent::{Built, Part};

/// A part of the agent that is there now, and what takes it to hosts.
pub fn agent(built: &Built, part: Part) -> String {
    let Built {
        path,
        sha256,
        size: bytes,
        took,
    } = built;
    let took = match took.and_then(taken) {
        Some(took) => format!("compiled in {took}"),
        None => "nothing to compile".to_owned(),
    };
    let used = match part {
        Part::Binary => "files.put with `src = \"agent:binary\"`",
        Part::Image => "k3s.image with `src = \"agent:image\"`",
    };
    format!(
        "{path} ({}, {took})\nsha256 {sha256}\ntaken to hosts by {used}\n",
        size(*bytes)
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_file_is_named_and_what_takes_it_to_hosts() {
        let mut built = Built {
            path: ".homelab/agent/homelab-agent-amd64".to_owned(),
            sha256: "0a1b".to_owned(),
            size: 5 << 20,
            took: Some(Duration::from_secs(83)),
        };
        let expected = ".homelab/agent/homelab-agent-amd64 (5.0 MiB, compiled in 1 min 23 s)\nsha256 0a1b\n\
                        taken to hosts by files.put with `src = \"agent:binary\"`\n";
        assert_eq!(agent(&built, Part::Binary), expected);
        built.took = None;
        assert!(agent(&built, Part::Image).contains("(5.0 MiB, nothing to compile)"));
    }
}
