//! Finds the key that opened this connection, in what sshd wrote to the journal or to its log.

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::key::{Fact, FactKey};
use crate::facts::session::LoginKeyKey;

static LOGIN_KEY: Family = Family {
    subject: "the key of this connection",
    probe: |_| PROBE.to_owned(),
    allowance: no_allowance,
    parse,
};

impl Readable<'_> for LoginKeyKey {
    const FAMILY: &'static Family = &LOGIN_KEY;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// `sudo` drops the variable that names the client's port, so it is looked for in the processes above.
///
/// sshd writes `Accepted publickey for anna from 192.0.2.7 port 50022 ssh2: ED25519 SHA256:…`.
const PROBE: &str = r#"(p=$$; port=
while [ -z "$port" ] && [ "${p:-0}" -gt 1 ]; do
port=$(tr '\000' '\n' <"/proc/$p/environ" 2>/dev/null | sed -n 's/^SSH_CONNECTION=[^ ]* \([0-9]*\) .*/\1/p')
p=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$p/status" 2>/dev/null)
done
[ -n "$port" ] || exit 0
{ journalctl -q -b -n 20000 --no-pager -o cat -t sshd -t sshd-session 2>/dev/null; cat /var/log/auth.log 2>/dev/null; } |
sed -n "s/.*Accepted publickey for .* port $port ssh2: .*\(SHA256:[A-Za-z0-9+\/]*\).*/\1/p" | tail -n 1)"#;

fn parse(keys: &[FactKey], status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    if status != 0 {
        return Err(UnreadableAnswer::new(format!("looking for it exited with {status}")));
    }
    let found = lines(answer).into_iter().find(|line| line.starts_with("SHA256:"));
    Ok(keys
        .iter()
        .map(|key| (key.clone(), Fact::LoginKey(found.clone())))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_found_or_not() {
        let read = |answer: &[u8]| parse(&[FactKey::LoginKey], 0, answer).expect("readable").remove(0).1;
        assert_eq!(read(b"SHA256:x\n"), Fact::LoginKey(Some("SHA256:x".to_owned())));
        assert_eq!(read(b""), Fact::LoginKey(None));
    }
}
