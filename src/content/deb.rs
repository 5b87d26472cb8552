//! Reads what a Debian package says of itself: the control file near the start of a `.deb`.

use std::io::{self, Read};

use flate2::read::GzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;
use thiserror::Error;

use super::{Content, LargeFile};

/// No control file has as many bytes; a small file may become a huge one when it is decompressed.
const LARGEST: u64 = 1 << 20;

/// How much memory xz may ask for, in KiB.
const LARGEST_WINDOW: u32 = 128 << 10;

/// Why a file has no control file that can be read.
#[derive(Debug, Error)]
pub enum NoControl {
    #[error("this is not a Debian package")]
    NotADeb,
    #[error("its control file is compressed as `{0}`; `.gz`, `.xz` and `.zst` can be read")]
    Compression(String),
    #[error("its control file is damaged")]
    Damaged,
    #[error("{0}")]
    Unreadable(#[from] io::Error),
}

impl Content {
    /// The control file of a `.deb`.
    ///
    /// Errors: the bytes are not here, or are no such package.
    pub fn deb_control(&self) -> Result<String, NoControl> {
        match (self.bytes(), self.file().map(LargeFile::open)) {
            (Some(bytes), _) => control(bytes),
            (None, Some(file)) => control(file?),
            (None, None) => Err(NoControl::NotADeb),
        }
    }
}

fn control(deb: impl Read) -> Result<String, NoControl> {
    let mut archive = ar::Archive::new(deb);
    let mut is_deb = false;
    while let Some(member) = archive.next_entry() {
        // `ar` tells an error of its own from one of the file only by its kind.
        let member = member.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => NoControl::NotADeb,
            _ => NoControl::Unreadable(error),
        })?;
        let name = String::from_utf8_lossy(member.header().identifier()).into_owned();
        let name = name.trim_end_matches('/');
        match name.strip_prefix("control.tar") {
            Some(_) if !is_deb => return Err(NoControl::NotADeb),
            Some("") => return in_tar(member),
            Some(".gz") => return in_tar(GzDecoder::new(member)),
            Some(".xz") => return in_tar(XzReader::new_mem_limit(member, false, LARGEST_WINDOW)),
            Some(".zst") => return in_tar(StreamingDecoder::new(member).map_err(|_| NoControl::Damaged)?),
            Some(other) => return Err(NoControl::Compression(other.to_owned())),
            None => is_deb |= name == "debian-binary",
        }
    }
    Err(NoControl::NotADeb)
}

fn in_tar(bytes: impl Read) -> Result<String, NoControl> {
    let mut tar = tar::Archive::new(bytes.take(LARGEST));
    let found = tar
        .entries()
        .and_then(|mut entries| {
            entries
                .find_map(|entry| {
                    let mut entry = match entry {
                        Ok(entry) => entry,
                        Err(error) => return Some(Err(error)),
                    };
                    let is_control = entry
                        .path()
                        .is_ok_and(|path| path.file_name().is_some_and(|name| name == "control"));
                    let mut text = String::new();
                    is_control.then(|| entry.read_to_string(&mut text).map(|_| text))
                })
                .transpose()
        })
        .map_err(|_| NoControl::Damaged)?;
    found.ok_or(NoControl::Damaged)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// `dpkg-deb --build -Z…` of a package `hl-demo` 1.0 with nothing else in it.
    const OF_DPKG: [(&str, &str); 3] = [
        ("gzip", include_str!("deb/gzip.base64")),
        ("xz", include_str!("deb/xz.base64")),
        ("zstd", include_str!("deb/zstd.base64")),
    ];

    fn deb(text: &str) -> Vec<u8> {
        let text: String = text.split_whitespace().collect();
        STANDARD.decode(text).expect("Base64")
    }

    fn why(bytes: &[u8]) -> String {
        Content::new(bytes)
            .deb_control()
            .expect_err("no control file")
            .to_string()
    }

    #[test]
    fn the_control_file_is_read_however_dpkg_compressed_it() {
        for (compression, text) in OF_DPKG {
            let found = Content::new(deb(text)).deb_control().expect(compression);
            assert!(
                found.starts_with("Package: hl-demo\nVersion: 1.0\n"),
                "{compression}: {found}"
            );
        }
    }

    #[test]
    fn another_file_or_a_damaged_one_is_no_package() {
        for bytes in [
            &b""[..],
            b"hello\n",
            b"!<arch>\n",
            b"!<arch>\nrubbish that is longer than a header of a member of it...\n",
        ] {
            assert_eq!(why(bytes), "this is not a Debian package");
        }
        for (compression, text) in OF_DPKG {
            let whole = deb(text);
            let at = whole
                .windows(11)
                .position(|part| part == b"control.tar")
                .expect("a control file");
            let mut damaged = whole.clone();
            damaged[at + 60..at + 100].fill(b'x');
            assert_eq!(why(&damaged), "its control file is damaged", "{compression}");
            assert_ne!(why(&whole[..at + 90]), "", "{compression}");
            let mut other = whole.clone();
            other[at + 11..at + 15].copy_from_slice(b".bz2");
            assert!(
                why(&other).starts_with("its control file is compressed as `.bz2`"),
                "{compression}"
            );
        }
    }
}
