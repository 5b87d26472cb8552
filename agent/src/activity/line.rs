//! A line of an access log, in nginx's `combined` format or as JSON.
//!
//! The JSON format has at least `"uri":"$uri"` and `"status":$status`, with `escape=json`. `$uri` is the path as nginx matched it.

use serde::Deserialize;

/// What a line says of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// As nginx matches it: without the query, decoded, with single slashes.
    pub(super) path: String,
    pub(super) status: u16,
}

#[derive(Deserialize)]
struct Fields {
    uri: String,
    status: u16,
}

/// Reads a line; `None` if it is in neither format, or no request was understood by nginx.
pub(super) fn parse(line: &[u8]) -> Option<Request> {
    let line = String::from_utf8_lossy(line);
    if line.starts_with('{') {
        let Fields { uri, status } = serde_json::from_str(&line).ok()?;
        return uri.starts_with('/').then_some(Request { path: uri, status });
    }
    combined(&line)
}

/// `ADDRESS - USER [TIME] "METHOD TARGET PROTOCOL" STATUS BYTES "REFERRER" "AGENT"`. nginx writes quotes within fields as `\x22`, so
/// the first quote begins the request, whatever the name of the user is.
fn combined(line: &str) -> Option<Request> {
    let (_, rest) = line.split_once('"')?;
    let (request, rest) = rest.split_once('"')?;
    let status: u16 = rest.split_ascii_whitespace().next()?.parse().ok()?;
    let (_, target) = request.split_once(' ')?;
    let target = target.rsplit_once(' ').map_or(target, |(target, _)| target);
    Some(Request {
        path: normalized(target)?,
        status,
    })
}

/// The path of a request target as nginx matches it.
fn normalized(target: &str) -> Option<String> {
    // A proxy may send the whole URL.
    let target = match target.split_once("://") {
        Some((scheme, rest)) if !scheme.starts_with('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => target,
    };
    let path = target.split(['?', '#']).next()?;
    if !path.starts_with('/') {
        return None;
    }
    let decoded = decoded(&unescaped(path));
    let mut parts: Vec<&str> = Vec::new();
    for part in decoded.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    let is_folder = ["/", "/.", "/.."].iter().any(|end| decoded.ends_with(end));
    let end = if is_folder && !parts.is_empty() { "/" } else { "" };
    Some(format!("/{}{end}", parts.join("/")))
}

/// Without the escapes of the log: `\x22` for a quote.
fn unescaped(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at..] {
            [b'\\', b'x', high, low, ..] if hex(high, low).is_some() => {
                plain.extend(hex(high, low));
                at += 4;
            }
            _ => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    plain
}

fn decoded(bytes: &[u8]) -> String {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at..] {
            [b'%', high, low, ..] if hex(high, low).is_some() => {
                plain.extend(hex(high, low));
                at += 3;
            }
            _ => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? * 16 + digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(line: &str) -> Option<(String, u16)> {
        parse(line.as_bytes()).map(|request| (request.path, request.status))
    }

    fn combined_with(user: &str, request: &str, referrer: &str, agent: &str) -> String {
        format!("192.0.2.1 - {user} [30/Nov/2026:17:00:00 +0000] \"{request}\" 200 12 \"{referrer}\" \"{agent}\"")
    }

    #[test]
    fn lines_of_the_combined_format() {
        let get = "GET /tiny/v1/chat HTTP/1.1";
        for line in [
            combined_with("-", get, "-", "curl/8.5"),
            combined_with(
                "-",
                get,
                "https://chat.example/a?b=c",
                "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101",
            ),
            combined_with("anna b] [c", get, "", ""),
            combined_with("-", get, "-", "a\\x22b \\x22GET /other/ HTTP/1.1\\x22 502"),
        ] {
            assert_eq!(seen(&line), Some(("/tiny/v1/chat".to_owned(), 200)), "{line}");
        }
    }

    #[test]
    fn targets_are_matched_as_nginx_does() {
        for (target, path) in [
            ("/tiny/?q=/other/", "/tiny/"),
            ("/%74iny/a%20b", "/tiny/a b"),
            ("/a/../tiny/./x", "/tiny/x"),
            ("//tiny///x", "/tiny/x"),
            ("/tiny/x/..", "/tiny/"),
            ("http://example.org/tiny/x", "/tiny/x"),
            ("http://example.org", "/"),
            ("/tiny/\\xC3\\xA9", "/tiny/é"),
            ("/%zz/%4", "/%zz/%4"),
            ("/a?b=http://x/tiny/", "/a"),
        ] {
            let line = combined_with("-", &format!("GET {target} HTTP/1.1"), "-", "-");
            assert_eq!(seen(&line).expect("works").0, path, "{target}");
        }
    }

    #[test]
    fn lines_of_json() {
        assert_eq!(
            seen(r#"{"time":"2026-11-30T17:00:00+00:00","method":"POST","uri":"/tiny/a%20\"b","status":429}"#),
            Some(("/tiny/a%20\"b".to_owned(), 429))
        );
        assert_eq!(seen(r#"{"uri":"","status":400}"#), None);
    }

    #[test]
    fn other_lines_are_left_out() {
        for line in [
            "",
            "x",
            "{",
            "{}",
            r#"{"uri":"/a"}"#,
            r#"{"uri":"/a","status":"x"}"#,
            r#"192.0.2.1 - - [t] "" 400 0 "-" "-""#,
            r#"192.0.2.1 - - [t] "\x16\x03\x01" 400 157 "-" "-""#,
            r#"192.0.2.1 - - [t] "GET /a HTTP/1.1" abc 0 "-" "-""#,
            r#"192.0.2.1 - - [t] "GET /a HTTP/1.1"#,
            r#"192.0.2.1 - - [t] "OPTIONS * HTTP/1.1" 400 0 "-" "-""#,
            r#"192.0.2.1 - - [t] "GET /../../x HTTP/1.1" 400 0 "-" "-""#,
        ] {
            assert_eq!(seen(line), None, "{line}");
        }
        assert_eq!(parse(&[0xff, 0xfe, b'{']), None);
    }
}
