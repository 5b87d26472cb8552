//! Asks programs of a host, which only read.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::archive::{previewed, recorded};
use crate::facts::download::Download;
use crate::facts::family::{Family, InTemplates, Readable};
use crate::facts::inquiry::{Inquiry, InquiryFact, InquiryKey};
use crate::facts::key::{Fact, FactKey, Stored as _};
use crate::facts::unit::instances_probe;
use crate::facts::{deb, nftables, owed, sshd};
use crate::quote::quote;

/// How much of an answer is read, in bytes.
const LARGEST: u32 = 1 << 20;

/// How long one program may take.
const ALLOWED: Duration = Duration::from_secs(60);

/// How long a download may take, in seconds.
const LONGEST_DOWNLOAD: u32 = 50;

fn allowed(inquiry: &Inquiry) -> Duration {
    match inquiry {
        Inquiry::Deb(_) => ALLOWED + Duration::from_secs(u64::from(deb::LONGEST)),
        _ => ALLOWED,
    }
}

static INQUIRIES: Family = Family {
    subject: "what programs say",
    probe,
    allowance: |keys| keys.iter().filter_map(InquiryKey::of).map(|key| allowed(key.0)).sum(),
    parse,
};

impl<'a> Readable<'a> for InquiryKey<'a> {
    const FAMILY: &'static Family = &INQUIRIES;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// Each answers with one line: `said` and Base64, `failed` and the reason, or `denied` and the reason.
fn probe(keys: &[FactKey]) -> String {
    let all = keys.iter().filter_map(InquiryKey::of);
    let asked: Vec<String> = all.map(|key| format!("(\n{}\n)\n", one(key.0))).collect();
    format!("{FUNCTIONS}{}", asked.concat())
}

const FUNCTIONS: &str = r#"hl_said() { printf "said "; head -c 1048577 | base64 | tr -d "\n"; echo; }
hl_failed() { printf "failed %s\n" "$(printf "%s\n" "$1" | grep "[^[:space:]]" | grep -vx "E: Download Failed" | tail -n 1)"; exit; }
hl_root() { [ "$(id -u)" = 0 ] || { printf "denied only root can ask %s\n" "$1"; exit; }; }
"#;

fn one(inquiry: &Inquiry) -> String {
    match inquiry {
        // A file that is too large is cut off by a limit of the shell, in blocks of 512 or 1,024 bytes.
        Inquiry::Download(request) => format!(
            "f=$(mktemp) || hl_failed \"there is no room for a file in /tmp\"; trap \"rm -f $f\" EXIT\n\
             why=$(ulimit -f {blocks}; {download} 2>&1 >\"$f\") && why= || why=${{why:-it failed}}\n\
             [ -z \"$why\" ] || [ $(wc -c <\"$f\") -gt {LARGEST} ] || hl_failed \"$why\"; hl_said <\"$f\"",
            blocks = 2 * LARGEST / 512,
            download = Download {
                url: &request.url,
                has_headers: false,
                limit: &format!("timeout -k 5 {LONGEST_DOWNLOAD}"),
            }
            .script()
        ),
        Inquiry::Sshd { file, text } => sshd::probe(file, text),
        Inquiry::HostKeys { host, port } => format!(
            "command -v ssh-keyscan >/dev/null || hl_failed \"ssh-keyscan is not on the host\"\n\
             f=$(ssh-keyscan -T 10 -p {port} -- {host} 2>&1); k=$(printf \"%s\\n\" \"$f\" | grep -v \"^#\" | grep \" ssh-\\| ecdsa-\\| sk-\")\n\
             [ -n \"$k\" ] || hl_failed \"${{f:-no answer}}\"; printf \"%s\\n\" \"$k\" | hl_said",
            host = quote(host)
        ),
        Inquiry::Nftables { file, text } => nftables::probe(file, text.as_deref()),
        Inquiry::Archive(archive) => format!("(\n{}\n) | hl_said", previewed(archive)),
        Inquiry::Extracted { dest } => {
            format!("hl_root \"for what was extracted\"\n(\n{}\n) | hl_said", recorded(dest))
        }
        Inquiry::OwedFor { unit, record } => format!("{} | hl_said", owed::probe(unit, record)),
        Inquiry::Instances { template } => format!("{} | hl_said", instances_probe(template)),
        Inquiry::Explanation(objects) => format!("{} | hl_said", objects.explanation().trim_end()),
        Inquiry::Deb(deb) => format!("hl_root \"for a package\"\n{}", deb.probe()),
        Inquiry::WorkingTree(tree) => {
            let may = match tree.by().obstacle() {
                Some(obstacle) => {
                    format!("o=$({obstacle}); [ -z \"$o\" ] || {{ printf \"denied %s\\n\" \"$o\"; exit; }}")
                }
                None => "hl_root git".to_owned(),
            };
            format!("{may}\n(\n{}\n) | hl_said", tree.probe())
        }
    }
}

fn parse(keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let read = |(key, line): (&FactKey, String)| {
        let unreadable = || UnreadableAnswer::new(format!("{key}: `{}`", line.chars().take(200).collect::<String>()));
        let fact = match line.split_once(' ') {
            Some(("said", coded)) => {
                let bytes = STANDARD.decode(coded).map_err(|_| unreadable())?;
                Fact::Inquiry(if bytes.len() > LARGEST as usize {
                    InquiryFact::Failed("the answer has more than 1 MiB".to_owned())
                } else {
                    InquiryFact::Said(bytes)
                })
            }
            Some(("failed", why)) => Fact::Inquiry(InquiryFact::Failed(why.to_owned())),
            Some(("denied", why)) => Fact::Denied(why.to_owned()),
            _ => return Err(unreadable()),
        };
        Ok((key.clone(), fact))
    };
    keys.iter().zip(lines(answer)).map(read).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::super::check::tests::programs;
    use super::*;
    use crate::facts::http::Request;

    #[test]
    fn a_download_is_all_of_a_file_or_a_reason_whatever_fetches_it() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut asked = [0; 1024];
                let length = stream.read(&mut asked).unwrap_or(0);
                let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
                let answer: &[u8] = match asked.split(' ').nth(1) {
                    Some("/{a,b}[1-2]" | "/%7Ba,b%7D[1-2]") => b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n",
                    Some("/cut") => b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nhello\n",
                    Some("/away") => b"HTTP/1.0 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n",
                    Some("/endless") => b"HTTP/1.0 200 OK\r\n\r\n",
                    _ => b"HTTP/1.0 404 Not Found\r\n\r\n",
                };
                let _ = stream.write_all(answer);
                while asked.contains("/endless") && stream.write_all(&[b'x'; 4096]).is_ok() {}
            }
        });
        let all = ["curl", "wget"];
        for (name, only) in [("curl", &all[..1]), ("wget", &all[1..])] {
            let few = [
                "sh", "timeout", "cat", "grep", "tail", "head", "base64", "tr", "mktemp", "rm", "wc", "sed",
            ];
            let programs = programs(&[&few, only].concat());
            let answer = |path: &str| {
                let url = format!("http://127.0.0.1:{port}{path}");
                let key = FactKey::Inquiry(Inquiry::Download(Box::new(Request::get(url))));
                let mut command = std::process::Command::new("sh");
                command.arg("-c").arg(probe(std::slice::from_ref(&key)));
                let output = command.env("PATH", programs.path()).output().expect("sh runs");
                match parse(&[key], 0, &output.stdout).expect("readable").remove(0).1 {
                    Fact::Inquiry(fact) => fact,
                    other => panic!("{other:?}"),
                }
            };
            assert_eq!(answer("/{a,b}[1-2]"), InquiryFact::Said(b"hello\n".to_vec()), "{name}");
            let large = InquiryFact::Failed("the answer has more than 1 MiB".to_owned());
            assert_eq!(answer("/endless"), large, "{name}");
            for path in ["/cut", "/away", "/missing"] {
                assert!(matches!(answer(path), InquiryFact::Failed(_)), "{name} {path}");
            }
        }
    }
}
