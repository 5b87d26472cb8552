//! Splits the output of a host's shell into answers.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::limits::{Budget, Exceeded, Limits};
use super::nonce::Nonce;

/// How much of an answer to keep.
#[derive(Clone, Copy, Debug)]
pub(super) enum Keep {
    /// Everything; more than this many bytes is an error.
    All(usize),
    /// The last bytes; the bytes before are only counted.
    Tail(usize),
}

/// A tag, with the output before it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tagged {
    pub(super) number: u32,
    pub(super) outcome: String,
    pub(super) status: u64,
    pub(super) output: Vec<u8>,
    pub(super) cut: u64,
}

/// A piece of a stream that is forwarded as it arrives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bytes that cannot be part of a tag.
    Output(Vec<u8>),
    Tag(Tagged),
}

/// Why no tag arrived.
#[derive(Debug)]
pub(super) enum Interruption {
    Ended,
    Failed(io::Error),
    Exceeded(Exceeded),
    TooLong(usize),
    Nonsense(String),
}

/// The outcome of a tag that only shows the host whether anyone listens. It is no answer, and not even the end of output.
const ALIVE: &str = "alive";

/// More than the number, outcome and status of any tag need.
const LONGEST_TAG: usize = 64;

/// A stream of bytes, split at its tags.
#[derive(Debug)]
pub(super) struct Answers<R> {
    stream: R,
    marker: Vec<u8>,
    buffer: Vec<u8>,
    /// For what arrives, in order: each of them must have something left.
    budgets: [Budget; 2],
}

impl<R: AsyncRead + Unpin> Answers<R> {
    pub(super) fn new(stream: R, nonce: &Nonce) -> Self {
        Self {
            stream,
            marker: format!("\n{} ", nonce.as_str()).into_bytes(),
            buffer: Vec::new(),
            budgets: [Budget::new(Limits::NONE); 2],
        }
    }

    /// Sets the limits of everything that is awaited from now on.
    pub(super) fn limit(&mut self, limits: Limits) {
        self.budgets = [Budget::new(limits), Budget::new(Limits::NONE)];
    }

    /// Sets the limits of the next answer, within those of everything.
    pub(super) fn limit_next(&mut self, limits: Limits) {
        self.budgets[1] = Budget::new(limits);
    }

    /// Sets the nonce that marks tags.
    pub(super) fn listen_for(&mut self, nonce: &Nonce) {
        self.marker = format!("\n{} ", nonce.as_str()).into_bytes();
    }

    /// Sets the byte that tags begin with, by default a line break.
    pub(super) fn expect_lead(&mut self, lead: u8) {
        self.marker[0] = lead;
    }

    /// The next piece. Output is exact if tags do not begin with a line break.
    pub(super) async fn piece(&mut self) -> Result<Piece, Interruption> {
        loop {
            match scan(&self.buffer, &self.marker) {
                Found::Tag { start: 0, end, tag } => {
                    self.buffer.drain(..end);
                    return Ok(Piece::Tag(Output::new(Keep::Tail(0)).finish(tag)));
                }
                Found::Tag { start: length, .. } | Found::Output(length @ 1..) => {
                    return Ok(Piece::Output(self.buffer.drain(..length).collect()));
                }
                Found::Output(0) => self.fill().await?,
            }
        }
    }

    /// The next tag, with the output before it.
    pub(super) async fn next(&mut self, keep: Keep) -> Result<Tagged, Interruption> {
        self.next_streaming(keep, &mut |_| {}).await
    }

    /// As [`Answers::next`]; `on_output` gets the output as it arrives, possibly with an extra line break at the end.
    pub(super) async fn next_streaming(
        &mut self,
        keep: Keep,
        on_output: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<Tagged, Interruption> {
        let mut output = Output::new(keep);
        // A line break may begin a tag, but it also ends a line, so it is reported before the next bytes decide.
        // This counts the bytes at the start of the buffer that are reported already.
        let mut reported = 0;
        loop {
            match scan(&self.buffer, &self.marker) {
                Found::Tag { start, end, tag } => {
                    on_output(&self.buffer[reported.min(start)..start]);
                    output.push(&self.buffer[..start])?;
                    self.buffer.drain(..end);
                    if tag.outcome == ALIVE {
                        reported = 0;
                        continue;
                    }
                    return Ok(output.finish(tag));
                }
                Found::Output(length) => {
                    on_output(&self.buffer[reported.min(length)..length]);
                    output.push(&self.buffer[..length])?;
                    self.buffer.drain(..length);
                    reported = reported.saturating_sub(length);
                    if self.buffer == b"\n" && reported == 0 {
                        on_output(b"\n");
                        reported = 1;
                    }
                }
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), Interruption> {
        const CHUNK: usize = 64 * 1024;
        self.buffer.reserve(CHUNK);
        let read = self.stream.read_buf(&mut self.buffer);
        let waits = self.budgets.iter().filter_map(Budget::next_wait);
        let read = match waits.min_by_key(|(wait, _)| *wait) {
            None => read.await,
            Some((wait, exceeded)) => match tokio::time::timeout(wait, read).await {
                Ok(read) => read,
                Err(_) => return Err(Interruption::Exceeded(exceeded)),
            },
        };
        match read {
            Ok(0) => Err(Interruption::Ended),
            Ok(length) => {
                let counted = self.budgets.iter_mut().try_for_each(|budget| budget.count(length));
                counted.map_err(Interruption::Exceeded)
            }
            Err(error) => Err(Interruption::Failed(error)),
        }
    }
}

struct Tag {
    number: u32,
    outcome: String,
    status: u64,
}

enum Found {
    Tag {
        start: usize,
        end: usize,
        tag: Tag,
    },
    /// No complete tag yet, and this many bytes that belong to none.
    Output(usize),
}

fn scan(buffer: &[u8], marker: &[u8]) -> Found {
    let mut from = 0;
    while let Some(offset) = buffer[from..].iter().position(|byte| *byte == marker[0]) {
        let start = from + offset;
        let rest = &buffer[start..];
        if let Some(line) = rest.strip_prefix(marker) {
            let line = &line[..line.len().min(LONGEST_TAG)];
            match line.iter().position(|byte| *byte == b'\n') {
                Some(length) => {
                    if let Some(tag) = parse(&line[..length]) {
                        let end = start + marker.len() + length + 1;
                        return Found::Tag { start, end, tag };
                    }
                }
                None if line.len() < LONGEST_TAG => return Found::Output(start),
                None => {}
            }
        } else if marker.starts_with(rest) {
            return Found::Output(start);
        }
        from = start + 1;
    }
    Found::Output(buffer.len())
}

fn parse(line: &[u8]) -> Option<Tag> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let number = words.next()?.parse().ok()?;
    let outcome = words.next()?.to_owned();
    let status = words.next()?.parse().ok()?;
    words.next().is_none().then_some(Tag {
        number,
        outcome,
        status,
    })
}

struct Output {
    keep: Keep,
    bytes: Vec<u8>,
    cut: u64,
}

impl Output {
    fn new(keep: Keep) -> Self {
        Self {
            keep,
            bytes: Vec::new(),
            cut: 0,
        }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Interruption> {
        self.bytes.extend_from_slice(bytes);
        match self.keep {
            Keep::All(most) if self.bytes.len() > most => Err(Interruption::TooLong(most)),
            // Trimmed rarely, so that the cost stays linear in the bytes that arrive.
            Keep::Tail(most) if self.bytes.len() > most.saturating_mul(2) => {
                self.trim(most);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn trim(&mut self, most: usize) {
        let surplus = self.bytes.len().saturating_sub(most);
        self.bytes.drain(..surplus);
        self.cut += surplus as u64;
    }

    fn finish(mut self, tag: Tag) -> Tagged {
        if let Keep::Tail(most) = self.keep {
            self.trim(most);
        }
        Tagged {
            number: tag.number,
            outcome: tag.outcome,
            status: tag.status,
            output: self.bytes,
            cut: self.cut,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn read_in_pieces(text: Vec<u8>, piece: usize, nonce: &Nonce) -> Vec<Tagged> {
        let (mut writer, reader) = tokio::io::duplex(piece.max(1));
        let feed = tokio::spawn(async move { writer.write_all(&text).await });
        let mut answers = Answers::new(reader, nonce);
        let mut found = Vec::new();
        while let Ok(tagged) = answers.next(Keep::Tail(1 << 20)).await {
            found.push(tagged);
        }
        feed.await.unwrap().unwrap();
        found
    }

    #[tokio::test]
    async fn finds_tags_however_the_stream_is_split() {
        let nonce = Nonce::random();
        let n = nonce.as_str();
        let other = Nonce::random();
        let o = other.as_str();
        let text = format!(
            "noise\n{n} 0 ready 12\n\n\nline\n{n} x\n{o} 1 done 0\n{n} 1 done 0 more\n\n{n} 1 done 0\nno newline\n{n} 2 failed 255\n"
        );
        for piece in 1..text.len() {
            let found = read_in_pieces(text.clone().into_bytes(), piece, &nonce).await;
            let outputs: Vec<_> = found
                .iter()
                .map(|one| String::from_utf8(one.output.clone()).unwrap())
                .collect();
            let expected = [
                "noise".to_owned(),
                format!("\n\nline\n{n} x\n{o} 1 done 0\n{n} 1 done 0 more\n"),
                "no newline".to_owned(),
            ];
            assert_eq!(outputs, expected, "pieces of {piece}");
            assert_eq!(
                (found[2].number, found[2].outcome.as_str(), found[2].status),
                (2, "failed", 255)
            );
        }
    }

    #[tokio::test]
    async fn a_sign_of_life_is_no_answer_and_leaves_the_output_whole() {
        let nonce = Nonce::random();
        let n = nonce.as_str();
        let text = format!("one\n\n{n} 1 alive 0\ntwo\n\n{n} 1 done 0\n");
        for piece in 1..text.len() {
            let found = read_in_pieces(text.clone().into_bytes(), piece, &nonce).await;
            assert_eq!(found.len(), 1, "pieces of {piece}");
            assert_eq!(found[0].output, b"one\ntwo\n", "pieces of {piece}");
        }
    }

    #[tokio::test]
    async fn output_is_reported_as_it_arrives_with_the_end_of_its_line() {
        let nonce = Nonce::random();
        let (mut writer, reader) = tokio::io::duplex(64);
        let mut answers = Answers::new(reader, &nonce);
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let mut on_output = |bytes: &[u8]| drop(sender.send(bytes.to_vec()));
            answers.next_streaming(Keep::Tail(100), &mut on_output).await
        });
        let mut all = Vec::new();
        for (written, line) in [("one\n", "one\n"), ("\n\ntwo\n", "\n\ntwo\n"), ("three", "three")] {
            writer.write_all(written.as_bytes()).await.unwrap();
            let mut reported = Vec::new();
            while reported != line.as_bytes() {
                reported.extend(receiver.recv().await.unwrap());
            }
            all.extend(reported);
        }
        let tag = format!("\n{} 1 done 0\n", nonce.as_str());
        writer.write_all(tag.as_bytes()).await.unwrap();
        let tagged = task.await.unwrap().unwrap();
        assert_eq!(tagged.output, all);
    }

    #[tokio::test]
    async fn pieces_are_exact_however_the_stream_is_split() {
        let nonce = Nonce::random();
        let n = nonce.as_str();
        let output = format!("one\n\n\x1e{n}\x1e\n{n} 1 ended 0\n\x1e\0é\n");
        let text = format!("{output}\x1e{n} 7 ended 3\n");
        for size in 1..text.len() {
            let (mut writer, reader) = tokio::io::duplex(size);
            let bytes = text.clone().into_bytes();
            let feed = tokio::spawn(async move { writer.write_all(&bytes).await });
            let mut answers = Answers::new(reader, &nonce);
            answers.expect_lead(0x1e);
            let mut output_seen = Vec::new();
            let tag = loop {
                match answers.piece().await.unwrap() {
                    Piece::Output(bytes) => output_seen.extend(bytes),
                    Piece::Tag(tag) => break tag,
                }
            };
            assert_eq!(String::from_utf8(output_seen).unwrap(), output, "pieces of {size}");
            assert_eq!((tag.number, tag.status), (7, 3));
            feed.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn keeps_the_tail_and_counts_the_rest() {
        let nonce = Nonce::random();
        let text = format!("{}end\n{} 0 done 0\n", "x".repeat(1000), nonce.as_str());
        let mut answers = Answers::new(text.as_bytes(), &nonce);
        let tagged = answers.next(Keep::Tail(5)).await.unwrap();
        assert_eq!((tagged.output.as_slice(), tagged.cut), (&b"xxend"[..], 998));
    }

    #[tokio::test]
    async fn refuses_an_endless_answer() {
        let nonce = Nonce::random();
        let mut answers = Answers::new(tokio::io::repeat(b'y'), &nonce);
        assert!(matches!(
            answers.next(Keep::All(1 << 20)).await,
            Err(Interruption::TooLong(_))
        ));
    }
}
