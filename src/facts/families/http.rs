//! Shell text that makes a request: with curl, or wget for a plain page, which support TLS, or else with bash.
//!
//! Headers and what is sent are in text that a program reads from standard input: every user of the host can see argument
//! lists.

use std::fmt::Write as _;

use crate::facts::http::Request;
use crate::quote::{delimiter, quote};

/// The time limit of one request, in seconds.
const TRY_FOR: u32 = 10;

/// What to read of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::facts) enum Part {
    /// Its headers and its body.
    All,
    Body,
}

/// Shell text that makes a request. It sets `$code` to the status, or to nothing, and `$answer` to what came, or to an error.
pub(in crate::facts) fn fetch(request: &Request, part: Part) -> String {
    let config = curl_config(request, part);
    let raw = socket_script(request, part);
    let wget = if request.is_plain() && part == Part::All {
        let ca = request
            .ca
            .as_ref()
            .map_or_else(String::new, |file| format!("--ca-certificate={} ", quote(file)));
        format!(
            "elif command -v wget >/dev/null; then answer=$(wget -q -S -O - -T {TRY_FOR} --content-on-error {ca}-- {url} 2>&1)\n\
             code=$(printf \"%s\\n\" \"$answer\" | sed -n \"s/^ *HTTP[^ ]* \\([0-9][0-9]*\\).*/\\1/p\" | tail -n 1)\n",
            url = quote(&request.url)
        )
    } else {
        String::new()
    };
    format!(
        "code=\n\
         if command -v curl >/dev/null; then answer=$(curl -K - 2>&1 <<'{end}'\n{config}{end}\n)\n\
         code=${{answer##*\n}}; answer=${{answer%\n*}}; [ \"$code\" != 000 ] || code=\n\
         {wget}else {raw}fi\n",
        end = delimiter(&config),
    )
}

/// Shell text that writes what a URL has to the file `$f`. It sets `$why` to the reason why it could not, or to nothing.
pub(in crate::facts) fn fetch_file(request: &Request) -> String {
    let config = format!(
        "silent\nshow-error\ngloboff\nfail\nlocation\nmax-time = {}\nurl = {}\n",
        5 * TRY_FOR,
        word_of_curl(&request.url)
    );
    let url = quote(&request.url);
    format!(
        "if command -v curl >/dev/null; then why=$(curl -K - -o \"$f\" 2>&1 <<'{end}'\n{config}{end}\n) && why= || why=${{why:-it failed}}\n\
         elif command -v wget >/dev/null; then why=$(wget -nv -O \"$f\" -T {TRY_FOR} -- {url} 2>&1) && why= || why=${{why:-it failed}}\n\
         else why=$(/usr/lib/apt/apt-helper download-file {url} \"$f\" 2>&1) && why= || why=${{why:-it failed}}; fi\n",
        end = delimiter(&config),
    )
}

/// The options of curl, as it reads them from a file.
fn curl_config(request: &Request, part: Part) -> String {
    let mut text = format!("silent\nshow-error\ngloboff\nmax-time = {TRY_FOR}\nwrite-out = \"\\n%{{http_code}}\"\n");
    if part == Part::All {
        text.push_str("include\n");
    }
    if request.method == "HEAD" {
        text.push_str("head\n");
    }
    let mut option = |name: &str, value: &str| {
        let _ = writeln!(text, "{name} = {}", word_of_curl(value));
    };
    option("url", &request.url);
    match request.method.as_str() {
        "GET" if request.body.is_none() => {}
        "HEAD" => {}
        other => option("request", other),
    }
    for header in request.headers.exposed() {
        option("header", &header);
    }
    if let Some(body) = &request.body {
        option("data-raw", body.expose());
    }
    if let Some(file) = &request.ca {
        option("cacert", file);
    }
    text
}

/// A quoted value in a file of curl's options.
fn word_of_curl(text: &str) -> String {
    let mut word = String::from("\"");
    for character in text.chars() {
        match character {
            '\\' => word.push_str("\\\\"),
            '"' => word.push_str("\\\""),
            '\n' => word.push_str("\\n"),
            '\r' => word.push_str("\\r"),
            '\t' => word.push_str("\\t"),
            other => word.push(other),
        }
    }
    word.push('"');
    word
}

/// The request by bash, which opens the connection itself. The status is in the first line of the answer.
fn socket_script(request: &Request, part: Part) -> String {
    let Some(place) = Place::of(&request.url) else {
        return "answer=\"https needs curl or wget on the host\"\n".to_owned();
    };
    let mut script = format!(
        "exec 3<>\"/dev/tcp/\"{}/{} || exit\n{{ printf \"%s\\r\\n\" {} {}",
        quote(place.host),
        place.port,
        quote(&format!("{} {} HTTP/1.0", request.method, place.path)),
        quote(&format!("Host: {}", place.authority)),
    );
    for header in request.headers.exposed() {
        let _ = write!(script, " {}", quote(&header));
    }
    if let Some(body) = &request.body {
        let _ = write!(
            script,
            " {}",
            quote(&format!("Content-Length: {}", body.expose().len()))
        );
    }
    let body = request.body.as_ref().map_or("", |body| body.expose());
    let _ = writeln!(script, " \"\"; printf \"%s\" {}; }} >&3; cat <&3", quote(body));
    // A command substitution drops line breaks at its end, so a dot ends the one with the empty line.
    let cut = match part {
        Part::All => "",
        Part::Body => "gap=$(printf \"\\r\\n\\r\\n.\"); answer=${answer#*\"${gap%.}\"}\n",
    };
    format!(
        "answer=$(timeout {TRY_FOR} bash <<'{end}' 2>&1 | tr -d \"\\000\"\n{script}{end}\n)\n\
         case $answer in HTTP/*) code=${{answer#* }}; code=${{code%%[!0-9]*}} ;; esac\n{cut}",
        end = delimiter(&script),
    )
}

/// The parts of a URL without TLS.
struct Place<'a> {
    host: &'a str,
    port: &'a str,
    /// Host and port, as they are written.
    authority: &'a str,
    path: String,
}

impl<'a> Place<'a> {
    fn of(url: &'a str) -> Option<Self> {
        let rest = url.strip_prefix("http://")?;
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let slash = if path.starts_with('/') { "" } else { "/" };
        let is_port = |port: &&str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if is_port(&port) => (host, port),
            _ => (authority, "80"),
        };
        Some(Self {
            host: host.trim_start_matches('[').trim_end_matches(']'),
            port,
            authority,
            path: format!("{slash}{path}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_as_a_browser_does() {
        for (url, host, port, path) in [
            ("http://a", "a", "80", "/"),
            ("http://a:8080/b?c#d", "a", "8080", "/b?c"),
            ("http://a?b", "a", "80", "/?b"),
            ("http://[::1]:81/", "::1", "81", "/"),
            ("http://[::1]/", "::1", "80", "/"),
        ] {
            let place = Place::of(url).expect(url);
            assert_eq!(
                (place.host, place.port, place.path.as_str()),
                (host, port, path),
                "{url}"
            );
        }
        assert!(Place::of("https://a/").is_none());
    }
}
