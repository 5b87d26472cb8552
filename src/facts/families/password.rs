//! Reads whether users have the password that they should. Hashes stay on the host.

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::key::{Fact, FactKey, Stored as _};
use crate::facts::password::PasswordKey;
use crate::quote::quote;

static PASSWORDS: Family = Family {
    subject: "passwords",
    probe,
    allowance: no_allowance,
    parse,
};

impl<'a> Readable<'a> for PasswordKey<'a> {
    const FAMILY: &'static Family = &PASSWORDS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// A line for each: the digest of the hash. Of two entries the first counts, as it does for the host.
fn probe(keys: &[FactKey]) -> String {
    let one = |user: &str| {
        format!(
            "e=$(getent shadow {user} | head -n 1)\n\
             if [ \"$(id -u)\" != 0 ]; then echo denied\n\
             elif [ -z \"$e\" ]; then echo absent\n\
             else e=${{e#*:}}; printf %s \"${{e%%:*}}\" | sha256sum | cut -c 1-64; fi\n",
            user = quote(user),
        )
    };
    keys.iter().filter_map(PasswordKey::of).map(|key| one(key.0)).collect()
}

fn parse(keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let facts = keys.iter().zip(lines(answer)).map(|(key, line)| {
        let fact = match line.as_str() {
            "absent" => Fact::Password(None),
            "denied" => Fact::Denied("only root can read passwords".to_owned()),
            digest if digest.len() == 64 => Fact::Password(Some(digest.to_owned())),
            _ => return Err(UnreadableAnswer::new(format!("{key}: not a digest"))),
        };
        Ok((key.clone(), fact))
    });
    facts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::sha256_hex;

    #[test]
    fn a_digest_is_read_and_never_the_hash() {
        let keys = ["anna", "berta", "carl"].map(|name| FactKey::Password(name.to_owned()));
        let fake = "getent() { [ \"$2\" = berta ] || echo \"$2:\\$6\\$x:1:0:99999:7:::\"; }\nid() { echo 0; }\n";
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("{fake}{}", probe(&keys))])
            .output()
            .expect("sh runs");
        let digest = Fact::Password(Some(sha256_hex(b"$6$x")));
        let facts = parse(&keys, 0, &output.stdout).expect("readable");
        let found: Vec<&Fact> = facts.iter().map(|(_, fact)| fact).collect();
        assert_eq!(found, [&digest, &Fact::Password(None), &digest]);
        assert!(!String::from_utf8_lossy(&output.stdout).contains("$6$x"));
    }
}
