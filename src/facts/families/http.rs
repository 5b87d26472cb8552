//! Shell text that makes a request: with curl, or wget for a plain page, which support TLS, or else with bash.
//!
//! Headers and what is sent are in text that a program reads from standard input: every user of the host can see argument
//! lists.

use std::fmt::Write as _;

use crate::facts::http::Request;
use crate::quote::{delimiter, quote};

/// The time limit of one request, in seconds.
const TRY_FOR: u32 = 10;

/// How much of an answer is read, in bytes; it stands in [`LIMITED`], too.
const LARGEST_ANSWER: u32 = 4 << 20;

/// The most characters of a message.
const LONGEST_MESSAGE: usize = 200;

/// What `cat`, which reads an answer without curl, says before why the connection ended, and what is said in its place.
const CUT_OFF: &str = "cat: -: ";
const ENDED: &str = "the connection ended: ";

/// How curl begins the message that an answer has no end, or that time is up.
const PARTIAL: &[&str] = &["curl: (28) ", "curl: (18) "];

/// Shell text that defines `hl_limited`: it runs its arguments and reads the start of their output into `$answer` and their errors
/// into `$said`. The errors are collected until both streams have ended, and come last, before a dot that keeps their line breaks.
/// A NUL, which no variable can hold, becomes another byte, so that all count.
pub(in crate::facts) const LIMITED: &str = r#"hl_limited() {
answer=$({ { { "$@" 2>&8
[ $? != 124 ] || echo hl:late >&8; } | head -c 4194305; } 8>&1 >&9 | { said=$(tail -c 4096); printf "\nhl:said\n%s." "$said"; }; } 9>&1 | tr "\000" "\001")
said=${answer##*
hl:said
}; said=${said%.}; answer=${answer%
hl:said
*}
[ ${#answer} -le 4194304 ] || said="hl:large
$said"
}
"#;

/// What to read of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::facts) enum Part {
    /// Its headers and its body.
    All,
    Body,
}

/// Shell text that makes a request. It sets `$code` to the status, or to nothing, `$answer` to what came, and
/// `$said` to what [`Said`] reads.
pub(in crate::facts) fn fetch(request: &Request, part: Part) -> String {
    let config = curl_config(request, part);
    let end = delimiter(&config);
    let raw = socket_script(request, part);
    let wget = if is_for_wget(request, part) {
        let ca = request
            .ca
            .as_ref()
            .map_or_else(String::new, |file| format!("--ca-certificate={} ", quote(file)));
        format!(
            "elif command -v wget >/dev/null; then \
             hl_limited timeout {TRY_FOR} wget -nv -S -t 1 -O - --content-on-error {ca}-- {url}\n\
             code=$(printf \"%s\\n\" \"$said\" | sed -n \"s/^ *HTTP[^ ]* \\([0-9][0-9]*\\).*/\\1/p\" | tail -n 1)\n\
             said=$(printf \"%s\\n\" \"$said\" | grep -v \" URL:.* -> \\\"-\\\"\"); answer=\"$said\n$answer\"\n",
            url = quote(&request.url)
        )
    } else {
        String::new()
    };
    format!(
        "code=; if command -v curl >/dev/null; then hl_limited curl -K - <<\\{end}\n{config}{end}\n\
         case $said in *hl:code*) code=${{said##*hl:code }}; code=${{code%%[!0-9]*}};; esac; [ \"$code\" != 000 ] || code=\n\
         {wget}else {raw}fi\n"
    )
}

/// Whether wget can make it, too.
fn is_for_wget(request: &Request, part: Part) -> bool {
    request.is_plain() && part == Part::All
}

/// A script that makes `request`, and fails with what was answered unless its status says that it was done. It makes none if
/// `question` is answered with a status that says that there is such a resource.
pub fn sending(request: &Request, question: Option<&Request>) -> String {
    let asked = question.map_or_else(String::new, |question| {
        format!("{}case $code in 2??) exit 0;; esac\n", fetch(question, Part::Body))
    });
    format!("{LIMITED}{asked}{}", sent(request, "exit 0", ""))
}

/// A script that makes `request` and prints the answer. It fails, with the reason on standard error, unless the status of the answer
/// says that it was done.
pub fn receiving(request: &Request) -> String {
    format!(
        "{LIMITED}{}",
        sent(request, "printf \"%s\\n\" \"$answer\"; exit 0", " >&2")
    )
}

fn sent(request: &Request, done: &str, errors: &str) -> String {
    format!(
        "{send}case $code in\n\
         2??) {done};;\n\
         '') said=$(printf \"%s\\n\" \"$said\" | sed \"s/^hl:late\\$/nothing more came within {TRY_FOR} s/; s/^{CUT_OFF}/{ENDED}/; /^hl:/d; /./!d\")\n\
         printf \"no answer: %s\\n\" \"$said\"{errors};;\n\
         *) printf \"the server answers with status %s\\n%.1000s\\n\" \"$code\" \"$answer\"{errors};;\n\
         esac\nexit 1\n",
        send = fetch(request, Part::Body),
    )
}

/// What a program says besides the answer: where that is cut off, and errors.
pub(in crate::facts) struct Said(String);

impl Said {
    pub(in crate::facts) fn new(bytes: &[u8]) -> Self {
        Self(String::from_utf8_lossy(bytes).replace('\r', ""))
    }

    /// Why there is no answer, in one line.
    pub(in crate::facts) fn why(&self) -> String {
        let line = self.0.lines().find_map(|line| match line {
            "hl:late" => Some(format!("nothing more came within {TRY_FOR} s")),
            line if line.starts_with("hl:") || line.trim().is_empty() => None,
            line => {
                let (said, why) = line.strip_prefix(CUT_OFF).map_or(("", line), |why| (ENDED, why));
                Some(said.chars().chain(why.chars()).take(LONGEST_MESSAGE).collect())
            }
        });
        line.unwrap_or_default()
    }

    /// Why the answer is only a part, if it is.
    pub(in crate::facts) fn why_in_part(&self) -> Option<String> {
        self.0.lines().find_map(|line| match line {
            "hl:late" => Some(format!("nothing more came within {TRY_FOR} s")),
            "hl:large" => Some(format!("it is larger than {} MiB", LARGEST_ANSWER >> 20)),
            line => PARTIAL
                .iter()
                .find_map(|code| line.strip_prefix(code))
                .map(str::to_owned),
        })
    }
}

/// The options of curl, as it reads them from a file.
fn curl_config(request: &Request, part: Part) -> String {
    let mut text = format!(
        "silent\nshow-error\ngloboff\nmax-time = {TRY_FOR}\nwrite-out = \"%{{stderr}}\\nhl:code %{{http_code}}\\n\"\n"
    );
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
        let programs = if is_for_wget(request, part) {
            "curl or wget"
        } else {
            "curl"
        };
        return format!("said=\"https needs {programs} on the host\"\n");
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
    script.push_str(" \"\"; ");
    if let Some(body) = &request.body {
        let _ = write!(script, "printf \"%s\" {}; ", quote(body.expose()));
    }
    script.push_str("} >&3; cat <&3\n");
    // A command substitution drops line breaks at its end, so a dot ends the one with the empty line.
    let cut = match part {
        Part::All => "",
        Part::Body => "gap=$(printf \"\\r\\n\\r\\n.\"); answer=${answer#*\"${gap%.}\"}\n",
    };
    let end = delimiter(&script);
    format!(
        "hl_limited timeout {TRY_FOR} bash <<\\{end}\n{script}{end}\n\
         case $answer in HTTP/*) code=${{answer#* }}; code=${{code%%[!0-9]*}} ;; esac\n{cut}"
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

    #[test]
    fn a_connection_that_ends_is_told_in_words() {
        for (said, why) in [
            (
                "hl:code 000\ncat: -: Connection reset by peer\n",
                "the connection ended: Connection reset by peer",
            ),
            ("curl: (56) Recv failure\n", "curl: (56) Recv failure"),
        ] {
            assert_eq!(Said::new(said.as_bytes()).why(), why);
        }
    }
}
