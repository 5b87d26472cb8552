//! Asks registries about images, through the engine: `docker system dial-stdio` leads to its API, which every version has.

use std::time::Duration;

use serde::Deserialize;

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::compose::CLEAN;
use crate::facts::docker::{RegistryAnswer, RegistryKey, is_digest};
use crate::facts::family::{Family, InTemplates, Readable};
use crate::facts::key::{Fact, FactKey, Stored as _};
use crate::quote::quote;

/// How long a registry may take, in seconds.
const LONGEST: u64 = 30;

static REGISTRY_FAMILY: Family = Family {
    subject: "what registries have",
    probe,
    allowance: |keys| Duration::from_secs(LONGEST) * u32::try_from(keys.len() + 1).unwrap_or(u32::MAX),
    parse,
};

impl<'a> Readable<'a> for RegistryKey<'a> {
    const FAMILY: &'static Family = &REGISTRY_FAMILY;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// The entry that Docker keeps the password of its own registry under.
const DOCKER_HUB_ENTRY: &str = "https://index.docker.io/v1/";

/// Shell functions. `hl_login ENTRY` prints what the engine takes as the login of a registry, if Docker keeps one for the user; no command
/// line has it. `hl_registry NUMBER IMAGE ENTRY` asks about an image.
///
/// The engine gives up if its client is gone, so the connection is held open from this side until it has answered. `dial-stdio` may
/// then complain that the engine closed it, which is no part of the answer.
const FUNCTIONS: &str = r#"hl_json() { printf '%s' "$1" | sed 's/[\\"]/\\&/g'; }
hl_login() {
a=$(tr -d '\n\t ' <"$home/.docker/config.json" 2>/dev/null | sed -n "s|.*\"$1\":{[^}]*\"auth\":\"\([^\"]*\)\".*|\1|p")
[ -n "$a" ] && a=$(printf '%s' "$a" | base64 -d 2>/dev/null) || return
printf '{"username":"%s","password":"%s"}' "$(hl_json "${a%%:*}")" "$(hl_json "${a#*:}")" | base64 | tr -d '\n' | tr '+/' '-_'
}
hl_registry() {
l=$(hl_login "$3")
a=$({
printf 'GET /distribution/%s/json HTTP/1.0\r\nHost: docker\r\n' "$2"
[ -z "$l" ] || printf 'X-Registry-Auth: %s\r\n' "$l"
printf '\r\n'
while sleep 0.2 2>/dev/null || sleep 1; do printf '\r\n' || exit; done
} 2>/dev/null | hl_clean timeout LONGEST docker system dial-stdio 2>/dev/null | tr -d '\r')
printf 'answer %s %s %s\n' "$1" "$(printf '%s\n' "$a" | sed -n '1s|^HTTP/[0-9.]* \([0-9]*\).*|\1|p' | grep . || echo 0)" "$(printf '%s\n' "$a" | sed '/^HTTP/,/^$/d' | tr -s '\n\t' '  ' | cut -c 1-60000)"
}
"#;

/// Lines that begin with a word: `none` and why nothing can be asked; `answer` with the number of the key, the status of HTTP and what
/// comes with it; `end` last.
fn probe(keys: &[FactKey]) -> String {
    let asked = keys.iter().enumerate().filter_map(|(number, key)| {
        let RegistryKey(name) = RegistryKey::of(key)?;
        Some(format!(
            "hl_registry {number} {} {}\n",
            quote(name),
            quote(&entry_of(name))
        ))
    });
    format!(
        "(\n\
         PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin\n\
         {CLEAN}{functions}\
         command -v docker >/dev/null || {{ echo none it has no Docker engine; echo end; exit; }}\n\
         if [ -d /run/systemd/system ] && ! systemctl -q is-active docker.service && systemctl -q is-active docker.socket; then\n\
         echo none its Docker engine does not run; echo end; exit\n\
         fi\n\
         a=$(hl_clean timeout {LONGEST} docker version --format '{{{{.Server.Version}}}}' 2>&1 </dev/null) || {{ echo none \"$a\" | tr '\\n' ' '; echo; echo end; exit; }}\n\
         {asked}echo end\n)",
        functions = FUNCTIONS.replace("LONGEST", &LONGEST.to_string()),
        asked = asked.collect::<String>(),
    )
}

/// The entry of the registry of an image in Docker's settings, as a pattern of `sed`.
fn entry_of(name: &str) -> String {
    let registry = name.split_once('/').map(|(first, _)| first);
    let registry = registry.filter(|first| first.contains(['.', ':']) || *first == "localhost");
    let entry = registry.unwrap_or(DOCKER_HUB_ENTRY);
    entry.replace('.', "\\.").replace('[', "\\[").replace(']', "\\]")
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    descriptor: Descriptor,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

fn parse(keys: &[FactKey], status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let lines = lines(answer);
    if status != 0 || lines.last().map(String::as_str) != Some("end") {
        return Err(UnreadableAnswer::new(format!("asking registries ended with {status}")));
    }
    let none = lines.iter().find_map(|line| line.strip_prefix("none "));
    let said = |number: usize| {
        let start = format!("answer {number} ");
        let line = lines.iter().find_map(|line| line.strip_prefix(&start))?;
        line.split_once(' ')
    };
    let facts = keys.iter().enumerate().map(|(number, key)| {
        let answer = match (none, said(number)) {
            (Some(why), _) => RegistryAnswer::NotAsked(why.trim().to_owned()),
            (None, Some((status, text))) => read(status, text),
            (None, None) => RegistryAnswer::NotAsked("the engine did not answer".to_owned()),
        };
        (key.clone(), Fact::RegistryImage(answer))
    });
    Ok(facts.collect())
}

fn read(status: &str, text: &str) -> RegistryAnswer {
    let text = text.trim();
    if status == "200" {
        return match serde_json::from_str::<Found>(text) {
            Ok(found) if is_digest(&found.descriptor.digest) => RegistryAnswer::Digest(found.descriptor.digest),
            Ok(found) => {
                let digest = found.descriptor.digest;
                RegistryAnswer::Refused(format!("it has the digest `{digest}`, which is none of SHA-256"))
            }
            Err(error) => RegistryAnswer::NotAsked(format!("the answer of its engine cannot be read: {error}")),
        };
    }
    RegistryAnswer::Refused(match serde_json::from_str::<Refusal>(text) {
        Ok(refusal) => refusal.message.trim().to_owned(),
        Err(_) if status == "0" => format!("no answer within {LONGEST} s"),
        Err(_) => format!("HTTP status {status}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> FactKey {
        FactKey::RegistryImage(name.to_owned())
    }

    #[test]
    fn what_registries_say_is_read() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let answer = format!(
            "answer 0 200 {{\"Descriptor\":{{\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"digest\":\"{digest}\",\"size\":7}},\"Platforms\":[]}}\n\
             answer 1 404 {{\"message\":\"manifest unknown\"}}\nanswer 2 0 \nanswer 3 200 {{\"Descriptor\":\nend\n"
        );
        let keys = [key("caddy:2"), key("caddy:0"), key("nas:5000/a:1"), key("caddy:3")];
        let facts = parse(&keys, 0, answer.as_bytes()).expect("readable");
        let answers: Vec<Fact> = facts.into_iter().map(|(_, fact)| fact).collect();
        let refused = |why: &str| RegistryAnswer::Refused(why.to_owned());
        let expected = [
            RegistryAnswer::Digest(digest),
            refused("manifest unknown"),
            refused("no answer within 30 s"),
            RegistryAnswer::NotAsked(
                "the answer of its engine cannot be read: EOF while parsing a value at line 1 column 14".to_owned(),
            ),
        ];
        assert_eq!(answers, expected.map(Fact::RegistryImage));
        let none = parse(&keys[..1], 0, b"none it has no Docker engine\nend\n").expect("readable");
        let expected = RegistryAnswer::NotAsked("it has no Docker engine".to_owned());
        assert_eq!(none[0].1, Fact::RegistryImage(expected));
        assert!(parse(&keys, 0, b"answer 0 200 {}\n").is_err(), "it was cut off");
    }

    /// `docker system dial-stdio` says so in the log when the engine closes the connection first, before or after the answer.
    #[test]
    fn a_complaint_about_the_connection_is_no_part_of_the_answer() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let answer = format!("HTTP/1.0 200 OK\\r\\n\\r\\n{{\"Descriptor\":{{\"digest\":\"{digest}\"}}}}\\n");
        for script in [
            format!("printf '{answer}'; echo level=error msg=closed >&2"),
            format!("echo level=error msg=closed >&2; printf '{answer}'"),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            let program = folder.path().join("docker");
            std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("a file");
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&program, mode).expect("executable");
            let asked = format!(
                "PATH={}:$PATH\n{CLEAN}{}hl_registry 0 caddy:2 none\necho end",
                quote(&folder.path().display().to_string()),
                FUNCTIONS.replace("LONGEST", "5"),
            );
            let ran = std::process::Command::new("sh")
                .arg("-c")
                .arg(asked)
                .output()
                .expect("sh");
            let facts = parse(&[key("caddy:2")], 0, &ran.stdout).expect("readable");
            let expected = RegistryAnswer::Digest(digest.clone());
            assert_eq!(facts[0].1, Fact::RegistryImage(expected), "{script}");
        }
    }

    #[test]
    fn a_login_is_that_of_the_registry() {
        for (name, expected) in [
            ("caddy:2", "https://index\\.docker\\.io/v1/"),
            ("grafana/grafana:12", "https://index\\.docker\\.io/v1/"),
            ("ghcr.io/a/b:1", "ghcr\\.io"),
            ("nas:5000/a:1", "nas:5000"),
        ] {
            assert_eq!(entry_of(name), expected);
        }
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join(".docker")).expect("a folder");
        let settings = "{\n\t\"auths\": {\n\t\t\"ghcr.io\": {\n\t\t\t\"auth\": \"YW5uYTphOiJiXA==\"\n\t\t},\n\t\t\"nas:5000\": {}\n\t}\n}";
        std::fs::write(folder.path().join(".docker/config.json"), settings).expect("a file");
        let login = |entry: &str| {
            let script = format!("home={}\n{FUNCTIONS}hl_login {}", folder.path().display(), quote(entry));
            let ran = std::process::Command::new("sh")
                .arg("-c")
                .arg(script)
                .output()
                .expect("sh");
            String::from_utf8(ran.stdout).expect("text")
        };
        let expected = base64::Engine::encode(
            &base64::engine::general_purpose::URL_SAFE,
            "{\"username\":\"anna\",\"password\":\"a:\\\"b\\\\\"}",
        );
        assert_eq!(login("ghcr\\.io"), expected);
        assert_eq!(login("nas:5000"), "");
        assert_eq!(login("other"), "");
    }
}
