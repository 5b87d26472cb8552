//! Runs checks: ports, web pages, and the user's own conditions.

mod objects;

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::http::{Part, Said, fetch};
use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::check::{Check, CheckFact, CheckKey, FileCheck, HttpCheck, ProgramCheck};
use crate::facts::environment::Environment;
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::http::differences;
use crate::facts::identity::Identity;
use crate::facts::key::{Fact, FactKey};
use crate::quote::{quote, quote_all};

/// The time limit of one check, in seconds.
const TRY_FOR: u32 = 10;

/// timeout(1) for a command of the user, which may ignore its first signal.
const TIMEOUT: &str = "timeout -k 2 10";
/// The seconds in it.
const LIMIT: &str = "10";

/// How much of what a command says is looked at, in bytes from its end.
const LARGEST_OUTPUT: u32 = 64 << 10;

/// From which size on a file with output gives room back, in bytes.
const LARGEST_FILE: u32 = 8 << 20;

/// The most characters of a command's last line in a message.
const LONGEST_LINE: u32 = 200;

/// The most characters of a value in a message.
const LONGEST_VALUE: usize = 60;

/// Shell text that defines `hl_condition SECONDS`: it runs `hl_tried` and prints whether that holds, fails or cannot run. What is
/// stopped after these seconds has no answer; a command that a limit of its own stops has one.
///
/// A shell says that a program is not there with an exit code that programs have too, and with words. `command -v` has the code and
/// is silent: what it finds out is an answer. Only for such a code, the command is run a second time to hear the words. What it leaves
/// behind may keep its output open, which is not waited for.
pub(in crate::facts) const CONDITION: &str = r#"hl_condition() {
since=0 now=0; read -r since _ </proc/uptime
hl_tried >/dev/null 2>&1; code=$?
case $code in 0) echo holds; return;; 2|126|127) ;;
124|137) read -r now _ </proc/uptime
if [ $((${now%.*} - ${since%.*})) -ge "$1" ]; then echo "impossible it did not end within $1 s"; else echo "fails exit code $code"; fi; return;;
*) echo "fails exit code $code"; return;; esac
why=$({ hl_tried 2>&1 >/dev/null; printf "\nhl_end\n"; } | sed -n "/^hl_end\$/q;p" | tail -c 4096 | tr -d "\000\r" | grep "[^[:space:]]" | tail -n 1 | cut -c 1-200)
case $code:$why in
*:) echo "fails exit code $code";;
126:*|127:*|2:*sh*:*[Ss]"yntax error"*|2:*sh*:*"ad substitution"*) printf "impossible %s\n" "$why";;
*) echo "fails exit code $code";; esac
}
"#;

static CHECKS: Family = Family {
    subject: "checks",
    probe,
    allowance: no_allowance,
    parse,
};

impl<'a> Readable<'a> for CheckKey<'a> {
    const FAMILY: &'static Family = &CHECKS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// Each check prints `holds`, or a line with the reason why it fails.
fn probe(keys: &[FactKey]) -> String {
    keys.iter()
        .filter_map(|key| match key {
            FactKey::Check(check) => Some(one(check)),
            _ => None,
        })
        .collect()
}

fn one(check: &Check) -> String {
    match check {
        Check::Tcp { host, port } => report(
            &format!(
                "if command -v nc >/dev/null; then nc -z -w {TRY_FOR} {host} {port}; \
                 else timeout {TRY_FOR} bash -c 'exec 3<>\"/dev/tcp/$1/$2\"' - {host} {port}; fi",
                host = quote(host)
            ),
            "no connection",
        ),
        Check::Http(check) => http(check),
        Check::File(check) => file(check),
        Check::Program(check) => program(check),
        Check::Objects(check) => objects::probe(check),
        Check::Command { script, by, env, .. } => condition(script, by, env),
    }
}

fn condition(script: &str, by: &Identity, env: &Environment) -> String {
    let command = by.run(TIMEOUT, &format!("{}{script}", env.exports()));
    unless_impossible(by, format!("hl_tried() {{ (\n{command}\n)\n}}\nhl_condition {LIMIT}\n"))
}

fn report(command: &str, otherwise: &str) -> String {
    format!(
        "if {{ {command}\n}} >/dev/null 2>&1; then printf \"holds\\n\"; else printf \"fails %s\\n\" {}; fi\n",
        quote(otherwise)
    )
}

fn http(check: &HttpCheck) -> String {
    let part = if check.json.is_some() { Part::Body } else { Part::All };
    let fetch = fetch(&check.request, part);
    let found = check.contains.as_ref().map_or_else(
        || "true".to_owned(),
        |text| format!("case $answer in *{}*) ;; *) false;; esac", quote(text)),
    );
    let coded = |text: &str| format!("$(printf %s \"{text}\" | base64 | tr -d \"\\n\")");
    let said = coded("$said");
    let holds = match check.json {
        Some(_) => format!("echo \"body {said} {}\"", coded("$answer")),
        None => "echo holds".to_owned(),
    };
    format!(
        "{fetch}if [ \"$code\" = {} ] && {found}; then {holds}; else echo \"not $code {said}\"; fi\n",
        check.status
    )
}

/// Collects in `$wrong` what is not as it should be.
fn file(check: &FileCheck) -> String {
    let path = quote(&check.path);
    let mut tests = String::new();
    let mut test = |condition: &str, otherwise: &str| {
        let _ = writeln!(tests, "{condition} || wrong=\"$wrong, {otherwise}\"");
    };
    if let Some(mode) = check.mode {
        test(
            &format!("[ \"$mode\" = {mode:o} ]"),
            &format!("mode $mode instead of {mode:04o}"),
        );
    }
    for (name, number, wanted, word) in [
        ("owner", "uid", &check.owner, "user"),
        ("group", "gid", &check.group, "group"),
    ] {
        if let Some(wanted) = wanted {
            let condition = format!("[ \"${name}\" = {0} ] || [ \"${number}\" = {0} ]", quote(wanted));
            test(&condition, &format!("{word} ${name} instead of {wanted}"));
        }
    }
    if let Some(digest) = &check.sha256 {
        let condition = format!(
            "[ \"$(sha256sum <{path} 2>/dev/null | cut -c 1-64)\" = {} ]",
            quote(digest)
        );
        test(&condition, "another sha256");
    }
    if let Some(text) = &check.contains {
        let condition = format!("grep -q -s -F -e {} -- {path}", quote(text));
        test(&condition, "without the text");
    }
    let (absent, present) = if check.present {
        ("fails it does not exist", "")
    } else {
        ("holds", "wrong=\", it exists\"\n")
    };
    let reads = check.sha256.is_some() || check.contains.is_some();
    let is_file = if reads {
        format!("[ -f {path} ]")
    } else {
        "true".to_owned()
    };
    format!(
        "hl_hidden {path}; wrong=\n\
         if [ -n \"$why\" ]; then printf \"denied %s\\n\" \"$why\"\n\
         elif [ ! -e {path} ]; then echo \"{absent}\"\n\
         elif ! {is_file}; then echo \"fails it is no file\"\n\
         else stat=$(stat -L -c \"%a %u %g %U %G\" -- {path}); set -- $stat; mode=$1 uid=$2 gid=$3 owner=$4 group=$5\n\
         {present}{tests}if [ -z \"$wrong\" ]; then echo holds; else printf \"fails %s\\n\" \"${{wrong#, }}\"; fi; fi\n"
    )
}

/// A process that the command leaves behind may keep its output open, so the output goes into a file without a name (descriptor 6
/// writes it, 7 reads it) and not through a pipe, whose end would come with the end of that process. The room that a long output
/// takes is given back while it grows.
fn program(check: &ProgramCheck) -> String {
    let words = quote_all(check.words.iter().map(String::as_str));
    let command = check.by.run(TIMEOUT, &format!("{}{words}", check.env.exports()));
    let wanted = check.exit_code;
    let found = check.contains.as_ref().map_or_else(
        || "true".to_owned(),
        |text| format!("printf \"%s\\n\" \"$said\" | grep -q -F -e {}", quote(text)),
    );
    let lacking = format!("its output lacks `{}`", check.contains.as_deref().unwrap_or_default());
    let lacking = quote(&lacking);
    let tried = format!(
        "no_room='no folder for temporary files has room for its output'\n\
         for folder in /dev/shm \"${{TMPDIR:-/tmp}}\" /run \"$HOME\"; do\n\
         file=$(mktemp -p \"$folder\" .homelab-XXXXXXXXXX) || continue\n\
         exec 6>>\"$file\" 7<\"$file\"\n\
         printf %{LARGEST_OUTPUT}s x >&6 && : >\"$file\" && no_room=\n\
         rm -f -- \"$file\"\n\
         [ -n \"$no_room\" ] || break\n\
         done 2>/dev/null\n\
         [ -z \"$no_room\" ] || exec 6>/dev/null 7</dev/null\n\
         watcher=$(while sleep 1; do size=$(stat -L -c %s /proc/self/fd/6); [ \"$size\" -le {LARGEST_FILE} ] || \
         fallocate -p -o 0 -l $((size - {LARGEST_OUTPUT})) /proc/self/fd/6; done </dev/null >/dev/null 2>&1 7<&- & echo $!)\n\
         (\n{command}\n) >&6 2>&1 6>&- 7<&-\n\
         code=$?; kill $watcher; exec 6>&-\n\
         said=$(tail -c {LARGEST_OUTPUT} <&7 | tr -d \"\\000\\r\"); exec 7<&-\n\
         last=$(printf \"%s\\n\" \"$said\" | grep \"[^[:space:]]\" | tail -n 1 | cut -c 1-{LONGEST_LINE}); last=${{no_room:-$last}}\n\
         if [ \"$code\" = 124 ] && [ {wanted} != 124 ]; then printf \"fails it takes longer than {TRY_FOR} s\\n\"\n\
         elif [ \"$code\" != {wanted} ]; then printf \"fails exit code %s instead of {wanted}%s\\n\" \"$code\" \"${{last:+: $last}}\"\n\
         elif ! {{ {found}; }}; then printf \"fails %s%s\\n\" {lacking} \"${{last:+; its last line: $last}}\"\n\
         else echo holds; fi\n"
    );
    unless_impossible(&check.by, tried)
}

/// Says instead why the host's shell cannot run commands as a user.
fn unless_impossible(by: &Identity, tried: String) -> String {
    match by.obstacle() {
        None => tried,
        Some(obstacle) => {
            format!(
                "obstacle=$({obstacle})\nif [ -n \"$obstacle\" ]; then printf \"denied %s\\n\" \"$obstacle\"; else {tried}fi\n"
            )
        }
    }
}

fn parse(keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    keys.iter()
        .zip(lines(answer))
        .map(|(key, line)| {
            let fact = match line.split_once(' ') {
                None if line == "holds" => Fact::Check(CheckFact::Holds),
                Some(("fails", why)) => Fact::Check(CheckFact::Fails(why.to_owned())),
                Some(("impossible", why)) => Fact::Check(CheckFact::Impossible(without_shell(why).to_owned())),
                Some(("denied", why)) => Fact::Denied(why.to_owned()),
                Some(("objects", coded)) => match objects::parse(key, coded) {
                    Some(fact) => Fact::Check(fact),
                    None => return Err(UnreadableAnswer::new(format!("{key}: `{line}`"))),
                },
                Some((result @ ("body" | "not"), rest)) => match answered(key, result == "body", rest) {
                    Some(fact) => Fact::Check(fact),
                    None => return Err(UnreadableAnswer::new(format!("{key}: `{line}`"))),
                },
                _ => return Err(UnreadableAnswer::new(format!("{key}: `{line}`"))),
            };
            Ok((key.clone(), fact))
        })
        .collect()
}

/// The words of a shell without its name and line, which are those of a text that homelab wrote around the command.
fn without_shell(words: &str) -> &str {
    let rest = || {
        let (shell, rest) = words.split_once(": ")?;
        let (line, rest) = rest.split_once(": ")?;
        let is_line = line
            .trim_start_matches("line ")
            .bytes()
            .all(|byte| byte.is_ascii_digit());
        (shell.ends_with("sh") && is_line).then_some(rest)
    };
    rest().unwrap_or(words)
}

/// What an answer says that has the status and text that are asked for (`rest` is what the program said and its body), or has not
/// (`rest` is the status and what the program said).
fn answered(key: &FactKey, is_wanted: bool, rest: &str) -> Option<CheckFact> {
    let FactKey::Check(Check::Http(check)) = key else {
        return None;
    };
    let (first, second) = rest.split_once(' ')?;
    let decoded = |coded: &str| STANDARD.decode(coded).ok();
    if is_wanted {
        let said = Said::new(&decoded(first)?);
        return Some(match said.why_in_part() {
            Some(part) => CheckFact::Fails(format!("the answer is not complete: {part}")),
            None => compared(check.json.as_deref().unwrap_or_default(), &decoded(second)?),
        });
    }
    let said = Said::new(&decoded(second)?);
    Some(CheckFact::Fails(if first.is_empty() {
        let why = said.why();
        let hint = if check.request.ca.is_none() && why.contains("certificate") {
            "; `ca` can name a file of the host with the certificate to trust"
        } else {
            ""
        };
        format!("no answer: {why}{hint}")
    } else if first != check.status.to_string() {
        format!("status {first} instead of {}", check.status)
    } else {
        let part = said.why_in_part();
        let part = part.map_or_else(String::new, |part| format!(": only a part was searched: {part}"));
        let text = check.contains.as_deref().unwrap_or_default();
        format!("the page does not contain `{text}`{part}")
    }))
}

/// Whether an answer has the value that is asked for.
fn compared(wanted: &str, found: &[u8]) -> CheckFact {
    let (Ok(wanted), Ok(found)) = (serde_json::from_str(wanted), serde_json::from_slice(found)) else {
        return CheckFact::Fails("the answer is not JSON".to_owned());
    };
    let all = differences(&wanted, &found);
    let Some(first) = all.first() else {
        return CheckFact::Holds;
    };
    let at = if first.path.is_empty() {
        "the answer"
    } else {
        &first.path
    };
    let found = first.found.as_ref().map_or_else(|| "nothing".to_owned(), shortened);
    let more = match all.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    CheckFact::Fails(format!("{at} is {found} instead of {}{more}", shortened(&first.wanted)))
}

fn shortened(value: &serde_json::Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= LONGEST_VALUE {
        return text;
    }
    text.chars().take(LONGEST_VALUE).chain(['…']).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;
    use crate::facts::Shown;
    use crate::facts::http::{Headers, Request};
    use crate::facts::probe::Probe;
    use crate::secret::Secret;

    fn try_out(check: Check, path: Option<&str>) -> CheckFact {
        let key = FactKey::Check(check);
        let mut command = std::process::Command::new("sh");
        let probe = Probe::for_test(probe(std::slice::from_ref(&key)));
        let functions: String = probe.functions().collect();
        command.arg("-c").arg(functions + probe.text());
        if let Some(path) = path {
            command.env("PATH", path);
        }
        let output = command.output().expect("sh runs");
        match parse(&[key], 0, &output.stdout).expect("readable").remove(0).1 {
            Fact::Check(fact) => fact,
            other => panic!("{other:?}"),
        }
    }

    /// A folder with links to a few programs, so that curl or wget are not found.
    pub(in crate::facts::families) fn programs(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for name in names {
            let place = ["/bin", "/usr/bin"].iter().map(|top| format!("{top}/{name}"));
            let found = place.into_iter().find(|path| std::path::Path::new(path).exists());
            std::os::unix::fs::symlink(found.expect("there"), folder.path().join(name)).expect("symlink");
        }
        folder
    }

    /// Answers each request, as often as that, with the body that `answer` makes of it.
    fn serve(times: usize, answer: impl Fn(&str) -> String + Send + 'static) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().take(times).flatten() {
                // Closing before all was read would reset the connection.
                let mut request = Vec::new();
                let mut piece = [0; 1024];
                while !request.ends_with(b"\r\n\r\n") {
                    match stream.read(&mut piece) {
                        Ok(0) | Err(_) => break,
                        Ok(length) => request.extend_from_slice(&piece[..length]),
                    }
                }
                let body = answer(&String::from_utf8_lossy(&request));
                let _ = write!(
                    stream,
                    "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        port
    }

    #[test]
    fn a_page_is_seen_with_curl_and_without() {
        let port = serve(3, |_| "hello\n".to_owned());
        let http = |status, contains: Option<&str>| {
            Check::Http(Box::new(HttpCheck {
                request: Request::get(format!("http://127.0.0.1:{port}/x")),
                status,
                contains: contains.map(str::to_owned),
                json: None,
            }))
        };
        let few = programs(&[
            "sh", "bash", "timeout", "cat", "sed", "tail", "grep", "tr", "head", "base64",
        ]);
        let few = few.path().to_str();
        assert_eq!(try_out(http(200, Some("hello")), few), CheckFact::Holds);
        assert_eq!(
            try_out(http(204, None), few),
            CheckFact::Fails("status 200 instead of 204".to_owned())
        );
        assert_eq!(
            try_out(http(200, Some("bye")), None),
            CheckFact::Fails("the page does not contain `bye`".to_owned())
        );
    }

    /// Answers each request with the request itself, as a string in JSON.
    fn echo(times: usize) -> u16 {
        serve(times, |request| {
            let lines: Vec<&str> = request.lines().filter(|line| line.starts_with('X')).collect();
            let method = request.split(' ').next();
            serde_json::json!({ "lines": lines, "method": method, "n": 1.0 }).to_string()
        })
    }

    #[test]
    fn headers_are_sent_and_json_is_compared_with_curl_and_without() {
        let port = echo(4);
        let http = |method: &str, json: &str| {
            let headers = [("X-Key".to_owned(), Secret::new("it's \\ \"$HOME\" `id`"))];
            Check::Http(Box::new(HttpCheck {
                request: Request {
                    method: method.to_owned(),
                    headers: Headers::new(headers),
                    ..Request::get(format!("http://127.0.0.1:{port}/x?a=[1]"))
                },
                status: 200,
                contains: None,
                json: Some(json.to_owned()),
            }))
        };
        let few = programs(&[
            "sh", "bash", "timeout", "cat", "sed", "tail", "grep", "tr", "head", "base64",
        ]);
        for path in [few.path().to_str(), None] {
            let all = r#"{"lines": ["X-Key: it's \\ \"$HOME\" `id`"], "method": "OPTIONS", "n": 1}"#;
            assert_eq!(try_out(http("OPTIONS", all), path), CheckFact::Holds, "{path:?}");
            let other = CheckFact::Fails("method is \"GET\" instead of \"PUT\", and 1 more".to_owned());
            assert_eq!(
                try_out(http("GET", r#"{"method": "PUT", "n": "1"}"#), path),
                other,
                "{path:?}"
            );
        }
        let port = serve(1, |_| "hello\n".to_owned());
        let no_json = Check::Http(Box::new(HttpCheck {
            request: Request::get(format!("http://127.0.0.1:{port}/")),
            status: 200,
            contains: None,
            json: Some("{}".to_owned()),
        }));
        assert_eq!(
            try_out(no_json, None),
            CheckFact::Fails("the answer is not JSON".to_owned())
        );
    }

    #[test]
    fn of_an_endless_answer_a_part_is_searched_whatever_fetches_it() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().take(6).flatten() {
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello\n");
                while stream.write_all(&[b'x'; 4096]).is_ok() {}
            }
        });
        let all = [
            "sh", "bash", "timeout", "cat", "sed", "tail", "grep", "tr", "head", "base64", "curl", "wget",
        ];
        for all in [&all[..10], &all[..11], &[&all[..10], &all[11..]].concat()] {
            let programs = programs(all);
            let found = |text: &str| {
                let check = Check::Http(Box::new(HttpCheck {
                    request: Request::get(format!("http://127.0.0.1:{port}/")),
                    status: 200,
                    contains: Some(text.to_owned()),
                    json: None,
                }));
                try_out(check, programs.path().to_str())
            };
            assert_eq!(found("hello"), CheckFact::Holds, "{all:?}");
            let part = "the page does not contain `bye`: only a part was searched: it is larger than 4 MiB";
            assert_eq!(found("bye"), CheckFact::Fails(part.to_owned()), "{all:?}");
        }
    }

    #[test]
    fn a_file_is_compared_with_what_is_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("it's a file").to_string_lossy().into_owned();
        std::fs::write(&path, "one\ntwo $HOME\n").expect("written");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640)).expect("chmod");
        let check = || FileCheck {
            path: path.clone(),
            present: true,
            ..FileCheck::default()
        };
        let fails = |why: &str| CheckFact::Fails(why.to_owned());
        let text = |text: &str| Some(text.to_owned());
        let digest = crate::secret::sha256_hex(b"one\ntwo $HOME\n");
        for (check, expected) in [
            (check(), CheckFact::Holds),
            (
                FileCheck {
                    mode: Some(0o640),
                    contains: text("two $HOME"),
                    sha256: Some(digest),
                    ..check()
                },
                CheckFact::Holds,
            ),
            (
                FileCheck {
                    owner: text("4294"),
                    group: text("nope"),
                    mode: Some(0o644),
                    ..check()
                },
                fails(""),
            ),
            (
                FileCheck {
                    sha256: text("0"),
                    contains: text("three"),
                    ..check()
                },
                fails("another sha256, without the text"),
            ),
            (
                FileCheck {
                    present: false,
                    ..check()
                },
                fails("it exists"),
            ),
            (
                FileCheck {
                    path: format!("{path}.x"),
                    ..check()
                },
                fails("it does not exist"),
            ),
            (
                FileCheck {
                    path: format!("{path}.x"),
                    present: false,
                    ..check()
                },
                CheckFact::Holds,
            ),
            (
                FileCheck {
                    path: folder.path().to_string_lossy().into_owned(),
                    contains: text("x"),
                    ..check()
                },
                fails("it is no file"),
            ),
        ] {
            let found = try_out(Check::File(Box::new(check.clone())), None);
            match (&found, &expected) {
                // Names and numbers of the user who runs the test.
                (CheckFact::Fails(why), CheckFact::Fails(start)) if start.is_empty() => {
                    assert!(why.starts_with("mode 640 instead of 0644, user "), "{why}");
                    assert!(
                        why.contains(" instead of 4294, group ") && why.ends_with(" instead of nope"),
                        "{why}"
                    );
                }
                _ => assert_eq!(found, expected, "{check:?}"),
            }
        }
    }

    #[test]
    fn a_program_is_its_exit_code_and_what_it_says() {
        let check = |words: &[&str], exit_code: u8, contains: Option<&str>| {
            Check::Program(Box::new(ProgramCheck {
                words: words.iter().map(|word| (*word).to_owned()).collect(),
                exit_code,
                contains: contains.map(str::to_owned),
                by: Identity::Own,
                env: Environment::default(),
            }))
        };
        let folder = tempfile::tempdir().expect("a folder");
        let ended = folder.path().join("ended").to_string_lossy().into_owned();
        for (words, exit_code, contains, expected) in [
            (&["echo", "a b", "$HOME"][..], 0, Some("a b $HOME"), "holds"),
            (&["sh", "-c", "echo no >&2; exit 3"], 3, Some("no"), "holds"),
            (
                &["sh", "-c", "echo 'it is so'; echo; exit 3"],
                0,
                None,
                "exit code 3 instead of 0: it is so",
            ),
            (&["false"], 0, None, "exit code 1 instead of 0"),
            (&["echo", "|0"], 0, Some("x"), "its output lacks `x`; its last line: |0"),
            (&["cat"], 0, None, "holds"),
            // A process that stays behind keeps its output open.
            (
                &["sh", "-c", "(sleep 20; touch \"$0\") & echo bg", &ended],
                0,
                Some("bg"),
                "holds",
            ),
            (
                &[
                    "sh",
                    "-c",
                    "setsid sh -c 'sleep 20; touch \"$0\"' \"$0\" & echo bg; exit 2",
                    &ended,
                ],
                0,
                None,
                "exit code 2 instead of 0: bg",
            ),
            // The end of a long output is looked at.
            (&["sh", "-c", "yes | head -c 30000000; echo x"], 0, Some("x"), "holds"),
        ] {
            let found = match try_out(check(words, exit_code, contains), None) {
                CheckFact::Holds => "holds".to_owned(),
                CheckFact::Fails(why) | CheckFact::Impossible(why) => why,
            };
            assert_eq!(found, expected, "{words:?}");
            assert!(!std::path::Path::new(&ended).exists(), "waited for: {words:?}");
        }
        let missing = try_out(check(&["no-such-program"], 0, None), None);
        assert!(
            matches!(&missing, CheckFact::Fails(why) if why.starts_with("exit code 127 instead of 0: ")),
            "{missing:?}"
        );
    }

    #[test]
    fn a_port_is_open_or_not() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let host = "127.0.0.1".to_owned();
        let few = programs(&["sh", "bash", "timeout"]);
        let tcp = Check::Tcp { host, port };
        assert_eq!(try_out(tcp.clone(), few.path().to_str()), CheckFact::Holds);
        drop(listener);
        assert_eq!(
            try_out(tcp, few.path().to_str()),
            CheckFact::Fails("no connection".to_owned())
        );
        let gone = Check::Http(Box::new(HttpCheck {
            request: Request::get(format!("http://127.0.0.1:{port}/")),
            status: 200,
            contains: None,
            json: None,
        }));
        assert!(matches!(try_out(gone, None), CheckFact::Fails(why) if why.starts_with("no answer")));
    }

    #[test]
    fn a_condition_is_its_exit_code() {
        let command = |script: &str| Check::Command {
            script: script.into(),
            by: Identity::Own,
            env: Environment::default(),
            shown: Shown::default(),
        };
        assert_eq!(try_out(command("cat; test 1 = 1"), None), CheckFact::Holds);
        assert!(matches!(
            try_out(command("echo holds; exit 3"), None),
            CheckFact::Fails(_)
        ));
        for answered in [
            "command -v no-such-program",
            "grep x /no/such/file",
            "exit 127",
            "cat </no/such/file",
            "timeout 0.1 sleep 60",
        ] {
            assert!(
                matches!(try_out(command(answered), None), CheckFact::Fails(_)),
                "{answered}"
            );
        }
        assert_eq!(try_out(command("! command -v no-such-program"), None), CheckFact::Holds);
    }

    #[test]
    fn a_condition_that_the_shell_cannot_run_has_no_answer() {
        for (script, words) in [
            ("no-such-program -e /x", "no-such-program: "),
            ("true\nexec no-such-program", "no-such-program: "),
            ("env no-such-program", "no-such-program"),
            ("[[ -e /x ]]", "[[: "),
            ("/etc/passwd", "/etc/passwd: "),
            ("test -e '/x", "nterminated quoted string"),
            ("if", "yntax error"),
            ("(sleep 20 &) ; no-such-program", "no-such-program: "),
            ("sleep 60", "it did not end within 10 s"),
        ] {
            let found = try_out(
                Check::Command {
                    script: script.into(),
                    by: Identity::Own,
                    env: Environment::default(),
                    shown: Shown::default(),
                },
                None,
            );
            let is_told = |why: &str| why.contains(words) && !why.starts_with("sh: ");
            assert!(
                matches!(&found, CheckFact::Impossible(why) if is_told(why)),
                "{script}: {found:?}"
            );
        }
    }
}
