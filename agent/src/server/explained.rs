//! Says in JSON, as all other answers do, what hyper refuses by itself with an empty one: what is no request, or too long for one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::http::StatusCode;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream of a server. What it writes first is another answer, if it is an empty refusal.
pub(super) struct Explained<S> {
    stream: S,
    has_begun: bool,
    /// What is written in place of an answer, and how much of it is.
    instead: Option<(Vec<u8>, usize)>,
}

impl<S> Explained<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            has_begun: false,
            instead: None,
        }
    }
}

/// The answer in place of an empty refusal.
fn instead_of(answer: &[u8]) -> Option<Vec<u8>> {
    let head = std::str::from_utf8(answer).ok()?.strip_suffix("\r\n\r\n")?;
    let code = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let code = StatusCode::from_u16(code).ok().filter(StatusCode::is_client_error)?;
    let is_empty = |line: &str| line.eq_ignore_ascii_case("content-length: 0");
    if !head.lines().any(is_empty) {
        return None;
    }
    let message = match code {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "Too many headers, or too long ones",
        StatusCode::URI_TOO_LONG => "The address is too long",
        _ => "This is no request of HTTP",
    };
    let body = json!({ "status": "error", "message": message }).to_string() + "\n";
    let text = format!(
        "HTTP/1.1 {code}\r\ncontent-type: application/json\r\ncache-control: no-store\r\n\
         x-content-type-options: nosniff\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    Some(text.into_bytes())
}

impl<S: AsyncRead + Unpin> AsyncRead for Explained<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Explained<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let own = &mut *self;
        if !own.has_begun {
            own.has_begun = true;
            own.instead = instead_of(bytes).map(|text| (text, 0));
        }
        let Some((text, written)) = &mut own.instead else {
            return Pin::new(&mut own.stream).poll_write(context, bytes);
        };
        while *written < text.len() {
            let count = ready!(Pin::new(&mut own.stream).poll_write(context, &text[*written..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *written += count;
        }
        own.instead = None;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_refusal_gets_a_body() {
        for (answer, message) in [
            (
                "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\n\r\n",
                Some("Too many headers"),
            ),
            (
                "HTTP/1.1 414 URI Too Long\r\ncontent-length: 0\r\n\r\n",
                Some("The address"),
            ),
            (
                "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: x\r\n\r\n",
                Some("no request"),
            ),
            ("HTTP/1.1 400 Bad Request\r\ncontent-length: 3\r\n\r\nabc", None),
            ("HTTP/1.1 400 Bad Request\r\ncontent-length: 10\r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", None),
            ("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", None),
            ("", None),
        ] {
            let instead = instead_of(answer.as_bytes()).map(|text| String::from_utf8(text).expect("text"));
            assert_eq!(instead.is_some(), message.is_some(), "{answer}");
            if let (Some(instead), Some(message)) = (instead, message) {
                let (head, body) = instead.split_once("\r\n\r\n").expect("a body");
                assert!(body.contains(message), "{body}");
                assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
                assert_eq!(head.get(..12), answer.get(..12));
            }
        }
    }
}
