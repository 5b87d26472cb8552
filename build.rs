//! Lists the sources of the on-host agent for `src/agent/source.rs`: a homelab that was installed has no folder of sources, and
//! builds the agent all the same.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What the agent's program is not made of.
const LEFT_OUT: [&str; 4] = ["tests", "benches", "examples", "target"];

fn main() -> io::Result<()> {
    let folder = |name| env::var_os(name).map(PathBuf::from).unwrap_or_default();
    let root = folder("CARGO_MANIFEST_DIR");
    let mut list = "&[\n".to_owned();
    for path in sources(&root.join("agent"))? {
        let [name, place] = [path.strip_prefix(&root).unwrap_or(&path), &path].map(Path::to_string_lossy);
        let _ = writeln!(list, "({name:?}, include_str!({place:?})),");
    }
    list.push_str("]\n");
    fs::write(folder("OUT_DIR").join("agent_sources.rs"), list)?;
    io::stdout().write_all(b"cargo::rerun-if-changed=agent\ncargo::rerun-if-changed=build.rs\n")
}

fn sources(agent: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut folders, mut files) = (vec![agent.to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let is_left_out = LEFT_OUT.iter().any(|name| path == agent.join(name));
            let is_source = path.extension().is_some_and(|end| end == "rs" || end == "toml");
            if path.is_dir() && !is_left_out {
                folders.push(path);
            } else if path.is_file() && is_source {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
