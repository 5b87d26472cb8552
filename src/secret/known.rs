//! The secrets of this process, and their removal from text that was not made of them on purpose: what commands and hosts say.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::hex;
use super::mask::MASK;

/// Shorter texts are found by chance everywhere, in characters.
const SHORTEST: usize = 6;

static KNOWN: RwLock<Option<Arc<Known>>> = RwLock::new(None);
/// Held while secrets are added. Others read meanwhile, also what prints a panic.
static ADDING: Mutex<()> = Mutex::new(());

/// What a kubeconfig has beside credentials.
const OPEN_IN_KUBECONFIG: [&str; 11] = [
    "apiVersion",
    "kind",
    "preferences",
    "current-context",
    "name",
    "cluster",
    "user",
    "namespace",
    "server",
    "certificate-authority-data",
    "client-certificate-data",
];

/// Secrets and where to find them in a text.
struct Known {
    secrets: BTreeSet<String>,
    finder: AhoCorasick,
    /// For each pattern, whether it is a part of a longer encoded word.
    is_part: Vec<bool>,
    longest: usize,
}

/// Has `secret` replaced wherever a foreign text is shown, also in the usual encodings. Of several lines each is replaced.
/// Those with fewer than six characters are not.
pub fn remember(secret: &str) {
    remember_all(lines(secret));
}

/// The same for the content of a file: of each line also what it sets, as in `password = "…"`. What is no text is not printed by
/// chance.
pub fn remember_file(content: &[u8]) {
    let Ok(text) = std::str::from_utf8(content) else {
        return;
    };
    let set = lines(text).filter_map(|line| {
        let (_, value) = line.split_once(['=', ':'])?;
        let value = value.trim().trim_end_matches([',', ';']);
        Some(value.trim_matches(['"', '\'']))
    });
    remember_all(lines(text).chain(set));
}

fn lines(secret: &str) -> impl Iterator<Item = &str> {
    let is_line = |text: &str| secret.lines().any(|line| line == text);
    let is_kubeconfig = is_line("apiVersion: v1") && is_line("kind: Config");
    let next = secret.lines().skip(1).map(Some).chain([None]);
    let is_secret = move |(line, next): &(&str, Option<&str>)| {
        // The first and last line of a key say only what it is.
        let is_bare = line.trim().starts_with("-----") || next.is_some_and(|next| begins_table(line, next));
        !is_bare && (!is_kubeconfig || !says_nothing(line))
    };
    secret.lines().zip(next).filter(is_secret).map(|(line, _)| line.trim())
}

/// Whether this is the name of a table or list of YAML, which begins with the next line.
fn begins_table(line: &str, next: &str) -> bool {
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '-']).len();
    let name = line.trim_start_matches([' ', '-']).strip_suffix(':');
    let is_name = |name: &str| {
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name.is_some_and(|name| !name.is_empty() && is_name(name)) && indent(next) > indent(line)
}

/// Whether this line of a kubeconfig has no credentials: names, addresses, and certificates, which are public.
fn says_nothing(line: &str) -> bool {
    let key = line.trim_start_matches([' ', '-']).split(':').next();
    key.is_some_and(|key| OPEN_IN_KUBECONFIG.contains(&key))
}

fn remember_all<'a>(texts: impl Iterator<Item = &'a str>) {
    let texts: BTreeSet<&str> = texts.filter(|text| text.chars().count() >= SHORTEST).collect();
    let is_known = |known: &Arc<Known>| texts.iter().all(|text| known.secrets.contains(*text));
    if texts.is_empty() || known().as_ref().is_some_and(is_known) {
        return;
    }
    let _one_at_a_time = ADDING.lock().unwrap_or_else(PoisonError::into_inner);
    let secrets = known().map(|known| known.secrets.clone());
    let mut secrets = secrets.unwrap_or_default();
    secrets.extend(texts.into_iter().map(str::to_owned));
    let more = Known::of(secrets).map(Arc::new);
    *KNOWN.write().unwrap_or_else(PoisonError::into_inner) = more;
}

/// `text` with `[secret]` in place of every remembered secret.
pub fn redacted(text: &str) -> Cow<'_, str> {
    match known() {
        Some(known) => known.redacted(text),
        None => Cow::Borrowed(text),
    }
}

fn known() -> Option<Arc<Known>> {
    KNOWN.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Removes secrets from bytes that arrive in pieces.
#[derive(Debug, Default)]
pub struct Redactor {
    /// What may be the start of a secret.
    held: Vec<u8>,
}

impl Redactor {
    /// What can be shown after one more piece.
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        let Some(known) = known() else {
            return [std::mem::take(&mut self.held), piece.to_vec()].concat();
        };
        self.held.extend_from_slice(piece);
        let ready = known.certain(&self.held);
        let rest = self.held.split_off(ready);
        let ready = std::mem::replace(&mut self.held, rest);
        known.redacted_bytes(&ready)
    }

    /// What is left when nothing more comes.
    pub fn finish(&mut self) -> Vec<u8> {
        let rest = std::mem::take(&mut self.held);
        match known() {
            Some(known) => known.redacted_bytes(&rest),
            None => rest,
        }
    }
}

impl Known {
    /// `None` if there are too many to search for.
    fn of(secrets: BTreeSet<String>) -> Option<Self> {
        let mut patterns: Vec<String> = Vec::new();
        let mut is_part: Vec<bool> = Vec::new();
        let mut seen: HashSet<String> = HashSet::new();
        for secret in &secrets {
            // A file of JSON is often encoded as a whole.
            let inner = Some(in_json(secret)).filter(|inner| inner != secret);
            let parts = encoded(secret)
                .into_iter()
                .chain(inner.iter().flat_map(|inner| encoded(inner)));
            let parts = parts.map(|form| (form, true));
            let whole = spelled(secret).into_iter().map(|form| (form, false));
            for (form, part) in whole.chain(parts) {
                if seen.insert(form.clone()) {
                    patterns.push(form);
                    is_part.push(part);
                }
            }
        }
        let finder = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&patterns)
            .ok()?;
        let longest = patterns.iter().map(String::len).max()?;
        Some(Self {
            secrets,
            finder,
            is_part,
            longest,
        })
    }

    fn redacted<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !self.finder.is_match(text) {
            return Cow::Borrowed(text);
        }
        // Patterns are text, so whole characters are replaced.
        let bytes = self.redacted_bytes(text.as_bytes());
        Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn redacted_bytes(&self, text: &[u8]) -> Vec<u8> {
        let mut shown = Vec::with_capacity(text.len());
        let mut done = 0;
        for found in self.finder.find_iter(text) {
            let (mut start, mut end) = (found.start(), found.end());
            if self.is_part[found.pattern().as_usize()] {
                let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=_-".contains(byte);
                start -= text[..start].iter().rev().take_while(|byte| is_word(byte)).count();
                end += text[end..].iter().take_while(|byte| is_word(byte)).count();
            }
            if end <= done {
                continue;
            }
            shown.extend_from_slice(text.get(done..start).unwrap_or_default());
            if start >= done {
                shown.extend_from_slice(MASK.as_bytes());
            }
            done = end;
        }
        shown.extend_from_slice(&text[done..]);
        shown
    }

    /// How many of the first bytes hold no start of a secret.
    fn certain(&self, text: &[u8]) -> usize {
        let ready = text.len() - self.started(text);
        let cut = self
            .finder
            .find_iter(text)
            .find(|found| found.start() < ready && ready < found.end());
        cut.map_or(ready, |found| found.start())
    }

    /// How many of the last bytes may be the start of a secret.
    fn started(&self, text: &[u8]) -> usize {
        let from = text.len().saturating_sub(self.longest - 1);
        // A word that is not finished may go on as a part of one that holds a secret.
        let last = text[from..].iter().rposition(u8::is_ascii_whitespace);
        last.map_or(text.len() - from, |at| text.len() - from - at - 1)
            .max(self.held_with_spaces(&text[from..]))
    }

    /// The same for secrets with spaces in them.
    fn held_with_spaces(&self, end: &[u8]) -> usize {
        let spaced = self.secrets.iter().flat_map(|secret| spelled(secret));
        let spaced = spaced.filter(|form| form.contains(char::is_whitespace));
        spaced
            .filter_map(|form| {
                let form = form.into_bytes();
                (1..=form.len().min(end.len()))
                    .rev()
                    .find(|length| end.ends_with(&form[..*length]))
            })
            .max()
            .unwrap_or_default()
    }
}

/// A secret as it is written between the quotes of JSON.
fn in_json(secret: &str) -> String {
    let json = serde_json::to_string(secret).unwrap_or_default();
    let inner = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'));
    inner.unwrap_or_default().to_owned()
}

/// A secret as it is, and as it is written in JSON, HTML, URLs and for shells.
fn spelled(secret: &str) -> Vec<String> {
    let json = in_json(secret);
    let ascii = json.chars().fold(String::new(), |mut text, one| {
        if one.is_ascii() {
            text.push(one);
        } else {
            let mut units = [0; 2];
            for unit in one.encode_utf16(&mut units) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
        text
    });
    // As Go writes it, for pages.
    let paged = |json: &str| {
        json.replace('&', "\\u0026")
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('\u{2028}', "\\u2028")
            .replace('\u{2029}', "\\u2029")
    };
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let quoted = html.replace('"', "&quot;").replace('\'', "&#39;");
    let escaped = secret.chars().fold(String::new(), |mut text, one| {
        if one.is_ascii_punctuation() && !"_-./,:@%+=".contains(one) || one == ' ' {
            text.push('\\');
        }
        text.push(one);
        text
    });
    vec![
        secret.to_owned(),
        json.replace('/', "\\/"),
        in_json(&json),
        in_json(&paged(&json)),
        paged(&json),
        paged(&ascii),
        json,
        ascii,
        html,
        quoted,
        secret.replace('\'', "'\\''"),
        secret.replace('\'', "'\"'\"'"),
        escaped,
        url(secret, "", true),
        url(secret, "", false),
        url(secret, "/", true),
        url(secret, "/:@!$&'()*,;=", true),
        url(secret, " ", true).replace(' ', "+"),
    ]
}

/// Percent-encoded but for letters, digits, `-._~` and what is `kept`.
fn url(text: &str, kept: &str, is_upper: bool) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        let one = char::from(byte);
        if one.is_ascii_alphanumeric() || "-._~".contains(one) || (one.is_ascii() && kept.contains(one)) {
            encoded.push(one);
        } else if is_upper {
            let _ = write!(encoded, "%{byte:02X}");
        } else {
            let _ = write!(encoded, "%{byte:02x}");
        }
        encoded
    })
}

/// A secret in hex, and in Base64 after any number of other bytes: what is the same whatever stands around it.
fn encoded(secret: &str) -> Vec<String> {
    let lower = hex(secret.as_bytes());
    let mut forms = vec![lower.to_uppercase(), lower];
    for before in 0..3 {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(secret.as_bytes());
        let text = STANDARD_NO_PAD.encode(&bytes);
        let (start, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        let part = text.get(start..end).unwrap_or_default().to_owned();
        forms.push(part.replace('+', "-").replace('/', "_"));
        forms.push(part);
    }
    forms
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;

    const SECRET: &str = "it's-Canary/5eed>\"x y\\z";

    fn known() -> Known {
        Known::of([SECRET.to_owned()].into()).expect("one pattern")
    }

    #[test]
    fn a_secret_is_found_in_its_usual_forms() {
        let known = known();
        for (before, after) in [("", ""), ("u", ":"), ("us", "::"), ("use", ":::")] {
            let whole = format!("{before}{SECRET}{after}");
            for form in [
                whole.clone(),
                STANDARD.encode(&whole),
                URL_SAFE.encode(&whole),
                STANDARD.encode(serde_json::to_string(&whole).expect("JSON")),
                hex(whole.as_bytes()),
                hex(whole.as_bytes()).to_uppercase(),
                serde_json::to_string(&whole).expect("JSON"),
                serde_json::to_string(&whole).expect("JSON").replace('>', "\\u003e"),
                serde_json::to_string(&serde_json::to_string(&whole).expect("JSON")).expect("JSON"),
                crate::quote::quote(&whole),
                url(&whole, "", true),
                url(&whole, "", false),
                url(&whole, " ", true).replace(' ', "+"),
            ] {
                let text = format!("before {form} after");
                let shown = known.redacted(&text);
                assert!(shown.contains(MASK), "{text}");
                assert!(shown.starts_with("before ") && shown.ends_with(" after"), "{shown}");
                assert!(!shown.contains("anary"), "{shown}");
            }
        }
        assert_eq!(known.redacted("nothing here"), "nothing here");
    }

    #[test]
    fn encoded_words_are_hidden_whole() {
        let word = STANDARD.encode(format!("user:{SECRET}!"));
        assert_eq!(known().redacted(&format!("Basic {word}\n")), format!("Basic {MASK}\n"));
    }

    #[test]
    fn pieces_are_searched_across_their_edges() {
        remember("piecewise canary");
        let text = "a piecewise canary b cGllY2V3aXNlIGNhbmFyeQ== c piecewise can";
        for size in 1..20 {
            let mut redactor = Redactor::default();
            let mut shown: Vec<u8> = text
                .as_bytes()
                .chunks(size)
                .flat_map(|piece| redactor.push(piece))
                .collect();
            shown.extend(redactor.finish());
            let shown = String::from_utf8(shown).expect("text");
            assert_eq!(shown, "a [secret] b [secret] c piecewise can", "{size}");
        }
    }

    #[test]
    fn lines_that_say_nothing_are_no_secrets() {
        let kubeconfig = "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: Q0E=\n    server: https://k3s:6443\n  \
            name: default\nkind: Config\nusers:\n- name: default\n  user:\n    client-key-data: a2V5\n    token: abc\n";
        for (secret, expected) in [
            (kubeconfig, &["client-key-data: a2V5", "token: abc"][..]),
            // What only looks like it.
            ("apiVersion: v1\nname: default\n", &["apiVersion: v1", "name: default"]),
            ("correct-horse:", &["correct-horse:"]),
            (
                "correct-horse:\nbattery-staple:\n",
                &["correct-horse:", "battery-staple:"],
            ),
            ("users:\n  anna: hunter22\n", &["anna: hunter22"]),
            ("users:\n- hunter22\n", &["- hunter22"]),
            ("a b c:\n  staple\n", &["a b c:", "staple"]),
            ("-----BEGIN KEY-----\nabcdefg\n-----END KEY-----", &["abcdefg"]),
        ] {
            assert_eq!(lines(secret).collect::<Vec<_>>(), expected, "{secret}");
        }
    }

    #[test]
    fn short_texts_are_not_searched_for() {
        remember("abc");
        assert_eq!(redacted("abc"), "abc");
    }
}
