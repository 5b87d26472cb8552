//! Asks programs of a host, which only read.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::http::fetch_file;
use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable};
use crate::facts::inquiry::{Inquiry, InquiryFact, InquiryKey};
use crate::facts::key::{Fact, FactKey, Stored as _};
use crate::quote::{delimiter, quote};

/// How much of an answer is read, in bytes.
const LARGEST: u32 = 1 << 20;

/// How long one program may take.
const ALLOWED: Duration = Duration::from_secs(60);

static INQUIRIES: Family = Family {
    subject: "what programs say",
    probe,
    allowance: |keys| ALLOWED * u32::try_from(keys.len()).unwrap_or(u32::MAX),
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
hl_failed() { printf "failed %s\n" "$(printf "%s\n" "$1" | grep "[^[:space:]]" | tail -n 1)"; exit; }
hl_root() { [ "$(id -u)" = 0 ] || { printf "denied only root can ask %s\n" "$1"; exit; }; }
"#;

fn one(inquiry: &Inquiry) -> String {
    match inquiry {
        Inquiry::Download(request) => format!(
            "f=$(mktemp) || hl_failed \"there is no room for a file in /tmp\"; trap \"rm -f $f\" EXIT\n{}\
             [ -z \"$why\" ] || hl_failed \"$why\"; hl_said <\"$f\"",
            fetch_file(request)
        ),
        // The new file comes first: Debian's configuration includes the folder in its first line.
        Inquiry::Sshd { text } => format!(
            "s=$(command -v sshd || echo /usr/sbin/sshd); [ -x \"$s\" ] || hl_failed \"sshd is not on the host\"; hl_root sshd\n\
             now=$(\"$s\" -T 2>&1) || hl_failed \"$now\"\n\
             then=$({{ cat <<'{end}'\n{text}\n{end}\ncat /etc/ssh/sshd_config; }} | \"$s\" -T -f /dev/stdin 2>&1) || hl_failed \"$then\"\n\
             printf \"%s\\nthen\\n%s\\n\" \"$now\" \"$then\" | hl_said",
            end = delimiter(text)
        ),
        Inquiry::HostKeys { host, port } => format!(
            "command -v ssh-keyscan >/dev/null || hl_failed \"ssh-keyscan is not on the host\"\n\
             f=$(ssh-keyscan -T 10 -p {port} -- {host} 2>&1); k=$(printf \"%s\\n\" \"$f\" | grep -v \"^#\" | grep \" ssh-\\| ecdsa-\\| sk-\")\n\
             [ -n \"$k\" ] || hl_failed \"${{f:-no answer}}\"; printf \"%s\\n\" \"$k\" | hl_said",
            host = quote(host)
        ),
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
