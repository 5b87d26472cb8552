//! A server of archives for hosts of the lab, in place of those of their publishers.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use crate::support::docker::docker;

/// The folder from which files are served. Its thread ends with the test's process.
pub(super) struct Publisher {
    folder: tempfile::TempDir,
    port: u16,
}

impl Publisher {
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = folder.path().to_owned();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away before the answer does not matter.
                let _ = answer(&stream, &served);
            }
        });
        Self { folder, port }
    }

    /// Where hosts find the files.
    pub(super) fn url(&self) -> String {
        let gateway = docker(&[
            "network",
            "inspect",
            "-f",
            "{{(index .IPAM.Config 0).Gateway}}",
            "bridge",
        ]);
        format!("http://{}:{}", gateway.trim(), self.port)
    }

    /// Serves the program as Helm's archives have it. Returns the digest of the archive.
    pub(super) fn publish_helm(&self, program: &Path, version: &str) -> String {
        let packed = self.folder.path().join("linux-amd64");
        fs::create_dir_all(&packed).unwrap();
        fs::copy(program, packed.join("helm")).unwrap();
        let archive = self.folder.path().join(format!("helm-{version}-linux-amd64.tar.gz"));
        pack(&archive, self.folder.path(), "linux-amd64")
    }
}

/// Packs a folder. Returns the digest of the archive.
pub(super) fn pack(archive: &Path, above: &Path, folder: &str) -> String {
    let [archive, above] = [archive, above].map(|path| path.to_str().unwrap());
    let packed = Command::new("tar")
        .args(["-czf", archive, "-C", above, folder])
        .status();
    assert!(packed.unwrap().success(), "{archive}");
    let digest = Command::new("sha256sum").arg(archive).output().unwrap().stdout;
    String::from_utf8(digest).unwrap()[..64].to_owned()
}

fn answer(mut stream: &TcpStream, folder: &Path) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = first.split(' ').nth(1).unwrap_or_default();
    let name = PathBuf::from(path)
        .file_name()
        .map(ToOwned::to_owned)
        .unwrap_or_default();
    match File::open(folder.join(name)) {
        Ok(mut file) => {
            let size = file.metadata()?.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {size}\r\nconnection: close\r\n\r\n"
            )?;
            if !first.starts_with("HEAD") {
                std::io::copy(&mut file, &mut stream)?;
            }
            Ok(())
        }
        Err(_) => write!(
            stream,
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        ),
    }
}
