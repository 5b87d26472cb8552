//! Runs checks: ports, web pages, and the user's own conditions.

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::check::{Check, CheckFact, CheckKey};
use crate::facts::environment::Environment;
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::identity::Identity;
use crate::facts::key::{Fact, FactKey};
use crate::quote::quote;

/// The time limit of one check, in seconds.
const TRY_FOR: u32 = 10;

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
        Check::Http { url, status, contains } => http(url, *status, contains.as_deref()),
        Check::Command { script, by, env } => condition(script, by, env),
    }
}

fn condition(script: &str, by: &Identity, env: &Environment) -> String {
    let command = by.run(&format!("timeout {TRY_FOR}"), &format!("{}{script}", env.exports()));
    let tried = report(&format!("(\n{command}\n)"), "the exit code is not 0");
    match by.obstacle() {
        None => tried,
        Some(obstacle) => {
            format!(
                "obstacle=$({obstacle})\nif [ -n \"$obstacle\" ]; then printf \"denied %s\\n\" \"$obstacle\"; else {tried}fi\n"
            )
        }
    }
}

fn report(command: &str, otherwise: &str) -> String {
    format!(
        "if {{ {command}\n}} >/dev/null 2>&1; then printf \"holds\\n\"; else printf \"fails %s\\n\" {}; fi\n",
        quote(otherwise)
    )
}

/// Uses curl or wget, which support TLS, or else bash. The status is in the first line of the response.
fn http(url: &str, status: u16, contains: Option<&str>) -> String {
    let fetch = format!(
        "url={url}\n\
         if command -v curl >/dev/null; then answer=$(curl -sS -i -m {TRY_FOR} -- \"$url\" 2>&1)\n\
         elif command -v wget >/dev/null; then answer=$(wget -q -S -O - -T {TRY_FOR} --content-on-error -- \"$url\" 2>&1)\n\
         else answer=$(timeout {TRY_FOR} bash -c '\n\
         rest=${{1#http://}}; [ \"$rest\" != \"$1\" ] || {{ echo \"https needs curl or wget on the host\"; exit 1; }}\n\
         place=${{rest%%/*}}; path=/; [ \"$place\" = \"$rest\" ] || path=/${{rest#*/}}\n\
         port=80; [ \"${{place##*:}}\" = \"$place\" ] || port=${{place##*:}}\n\
         exec 3<>\"/dev/tcp/${{place%:*}}/$port\" || exit\n\
         printf \"GET %s HTTP/1.0\\r\\nHost: %s\\r\\n\\r\\n\" \"$path\" \"$place\" >&3; cat <&3' - \"$url\" 2>&1 | tr -d \"\\000\"); fi\n\
         code=$(printf \"%s\\n\" \"$answer\" | sed -n \"s/^ *HTTP[^ ]* \\([0-9][0-9]*\\).*/\\1/p\" | tail -n 1)\n",
        url = quote(url)
    );
    let found = contains.map_or_else(
        || "true".to_owned(),
        |text| format!("printf \"%s\\n\" \"$answer\" | grep -q -F -e {}", quote(text)),
    );
    format!(
        "{fetch}if [ -z \"$code\" ]; then printf \"fails no answer: %s\\n\" \"$(printf \"%s\\n\" \"$answer\" | tail -n 1)\"\n\
         elif [ \"$code\" != {status} ]; then printf \"fails status %s instead of {status}\\n\" \"$code\"\n\
         elif ! {{ {found}; }}; then printf \"fails the page does not contain the text\\n\"\n\
         else printf \"holds\\n\"; fi\n"
    )
}

fn parse(keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    keys.iter()
        .zip(lines(answer))
        .map(|(key, line)| {
            let fact = match line.split_once(' ') {
                None if line == "holds" => Fact::Check(CheckFact::Holds),
                Some(("fails", why)) => Fact::Check(CheckFact::Fails(why.to_owned())),
                Some(("denied", why)) => Fact::Denied(why.to_owned()),
                _ => return Err(UnreadableAnswer::new(format!("{key}: `{line}`"))),
            };
            Ok((key.clone(), fact))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    fn try_out(check: Check, path: Option<&str>) -> CheckFact {
        let key = FactKey::Check(check);
        let mut command = std::process::Command::new("sh");
        command.arg("-c").arg(probe(std::slice::from_ref(&key)));
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
    fn programs(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for name in names {
            let place = ["/bin", "/usr/bin"].iter().map(|top| format!("{top}/{name}"));
            let found = place.into_iter().find(|path| std::path::Path::new(path).exists());
            std::os::unix::fs::symlink(found.expect("there"), folder.path().join(name)).expect("symlink");
        }
        folder
    }

    fn serve(times: usize) -> u16 {
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
                let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n");
            }
        });
        port
    }

    #[test]
    fn a_page_is_seen_with_curl_and_without() {
        let port = serve(3);
        let http = |status, contains: Option<&str>| Check::Http {
            url: format!("http://127.0.0.1:{port}/x"),
            status,
            contains: contains.map(str::to_owned),
        };
        let few = programs(&["sh", "bash", "timeout", "cat", "sed", "tail", "grep", "tr"]);
        let few = few.path().to_str();
        assert_eq!(try_out(http(200, Some("hello")), few), CheckFact::Holds);
        assert_eq!(
            try_out(http(204, None), few),
            CheckFact::Fails("status 200 instead of 204".to_owned())
        );
        assert_eq!(
            try_out(http(200, Some("bye")), None),
            CheckFact::Fails("the page does not contain the text".to_owned())
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
        let gone = Check::Http {
            url: format!("http://127.0.0.1:{port}/"),
            status: 200,
            contains: None,
        };
        assert!(matches!(try_out(gone, None), CheckFact::Fails(why) if why.starts_with("no answer")));
    }

    #[test]
    fn a_condition_is_its_exit_code() {
        let command = |script: &str| Check::Command {
            script: script.to_owned(),
            by: Identity::Own,
            env: Environment::default(),
        };
        assert_eq!(try_out(command("cat; test 1 = 1"), None), CheckFact::Holds);
        assert!(matches!(
            try_out(command("echo holds; exit 3"), None),
            CheckFact::Fails(_)
        ));
        assert!(matches!(try_out(command("if"), None), CheckFact::Fails(_)));
    }
}
