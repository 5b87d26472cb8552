//! Reads content that is sent to a host in pieces, so that large files are never in memory as a whole.

use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use crate::content::{Content, LargeFile};
use crate::secret::Sha256Sum;

/// Why content cannot be sent, or is not the content of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unusable(pub(super) String);

/// Content that is being sent.
pub(super) struct Upload<'c> {
    content: &'c Content,
    source: Source<'c>,
    sent: u64,
}

enum Source<'c> {
    Memory(&'c [u8]),
    File(Box<Reading<'c>>),
}

struct Reading<'c> {
    file: File,
    of: &'c LargeFile,
    /// The digest of what was read so far.
    sum: Sha256Sum,
    piece: Vec<u8>,
}

impl<'c> Upload<'c> {
    /// Errors: the file cannot be read, or the plan was stored without the bytes.
    pub(super) fn begin(content: &'c Content) -> Result<Self, Unusable> {
        let source = match (content.bytes(), content.file()) {
            (Some(bytes), _) => Source::Memory(bytes),
            (None, Some(of)) => Source::File(Box::new(Reading {
                file: of.open().map(File::from_std).map_err(|error| unreadable(of, &error))?,
                of,
                sum: Sha256Sum::default(),
                piece: Vec::new(),
            })),
            (None, None) => return Err(Unusable("the plan was stored without this content".to_owned())),
        };
        Ok(Self {
            content,
            source,
            sent: 0,
        })
    }

    /// The next piece, of at most `largest` bytes; `None` at the end.
    ///
    /// Errors: the file cannot be read, or it has changed since the plan. The pieces before must not be used then.
    pub(super) async fn next(&mut self, largest: usize) -> Result<Option<&[u8]>, Unusable> {
        match &mut self.source {
            Source::Memory(rest) => {
                let (piece, after) = rest.split_at(largest.min(rest.len()));
                *rest = after;
                self.sent += piece.len() as u64;
                Ok((!piece.is_empty()).then_some(piece))
            }
            Source::File(reading) => {
                let Reading { file, of, sum, piece } = &mut **reading;
                piece.resize(largest, 0);
                let mut length = 0;
                while length < largest {
                    match file.read(&mut piece[length..]).await {
                        Ok(0) => break,
                        Ok(count) => length += count,
                        Err(error) => return Err(unreadable(of, &error)),
                    }
                }
                piece.truncate(length);
                sum.update(piece);
                self.sent += length as u64;
                let is_end = length < largest;
                if self.sent > self.content.size() || (is_end && self.sent < self.content.size()) {
                    return Err(changed(of));
                }
                // The last piece is returned only after the digest of all pieces is checked.
                if self.sent == self.content.size() && length > 0 && std::mem::take(sum).hex() != self.content.sha256()
                {
                    return Err(changed(of));
                }
                Ok((length > 0).then_some(piece.as_slice()))
            }
        }
    }

    /// How many bytes were returned so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }
}

fn unreadable(file: &LargeFile, error: &std::io::Error) -> Unusable {
    Unusable(format!("cannot read `{}`: {error}", file.name()))
}

fn changed(file: &LargeFile) -> Unusable {
    Unusable(format!("`{}` changed after the plan was made", file.name()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::content::Assets;

    fn content_of(path: &Path) -> Content {
        let mut assets = Assets::default();
        assets.insert_large("big", path);
        Content::of_file(&Arc::clone(assets.large("big").expect("there"))).expect("readable")
    }

    async fn all(content: &Content) -> Result<Vec<u8>, Unusable> {
        let mut upload = Upload::begin(content)?;
        let mut bytes = Vec::new();
        while let Some(piece) = upload.next(1000).await? {
            bytes.extend_from_slice(piece);
        }
        assert_eq!(upload.sent(), content.size());
        Ok(bytes)
    }

    #[tokio::test]
    async fn gives_out_what_was_planned_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("big");
        for size in [0, 1, 999, 1000, 1001, 4000] {
            let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).expect("small")).collect();
            std::fs::write(&path, &bytes).expect("written");
            let content = content_of(&path);
            assert_eq!(all(&content).await.as_ref(), Ok(&bytes), "{size}");
            assert_eq!(all(&Content::new(bytes.clone())).await.as_ref(), Ok(&bytes), "{size}");
            let changed = Err(Unusable("`templates/big` changed after the plan was made".to_owned()));
            let longer = [bytes.as_slice(), b"x"].concat();
            let mut others = vec![longer];
            if size > 0 {
                others.push(bytes[1..].to_vec());
                others.push([&[bytes[0] ^ 1], &bytes[1..]].concat());
            }
            for other in others {
                std::fs::write(&path, &other).expect("written");
                assert_eq!(all(&content).await, changed, "{size}, {}", other.len());
            }
        }
        let content = content_of(&path);
        std::fs::remove_file(&path).expect("removed");
        let why = all(&content).await.expect_err("gone").0;
        assert!(why.starts_with("cannot read `templates/big`: "), "{why}");
        let stored = serde_json::to_string(&content).expect("serialises");
        let apart: Content = serde_json::from_str(&stored).expect("reads");
        let why = all(&apart).await.expect_err("not there").0;
        assert_eq!(why, "the plan was stored without this content");
    }
}
