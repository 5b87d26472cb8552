//! Asks the containerd of k3s which images a node has.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::docker::Reference;
use crate::facts::family::{Family, InTemplates, Readable};
use crate::facts::key::{Fact, FactKey};
use crate::facts::node_images::{NodeImage, NodeImages, NodeImagesKey, UNITS};
use crate::value::Known;

/// How long the answer may take, in seconds.
const LONGEST: u64 = 20;

static NODE_IMAGES: Family = Family {
    subject: "images of the node",
    probe,
    allowance: |_| Duration::from_secs(LONGEST),
    parse,
};

impl Readable<'_> for NodeImagesKey {
    const FAMILY: &'static Family = &NODE_IMAGES;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// What `crictl images` says.
#[derive(Deserialize)]
struct Listed {
    images: Vec<ListedImage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedImage {
    id: String,
    #[serde(default)]
    repo_tags: Vec<String>,
}

/// `no_program`, `silent` and the states of the units, or `answers` and the list as JSON.
fn probe(_keys: &[FactKey]) -> String {
    format!(
        r#"(export PATH="$PATH:/usr/local/bin"
if ! command -v k3s >/dev/null; then echo no_program
elif a=$(timeout -k 2 {LONGEST} k3s crictl images -o json 2>/dev/null); then printf "answers\n%s\n" "$a"
else echo silent; for u in {units}; do s=$(systemctl is-active "$u" 2>/dev/null); [ "$s" = inactive ] || echo "$u is $s"; done
fi)
"#,
        units = UNITS.join(" ")
    )
}

fn parse(_keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let lines = lines(answer);
    let fact = match lines.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some(("no_program", [])) => NodeImages::NoProgram,
        Some(("silent", [])) => NodeImages::Silent("k3s does not run".to_owned()),
        Some(("silent", units)) => NodeImages::Silent(units.join(", ")),
        Some(("answers", list)) => NodeImages::Answers(listed(&list.join("\n"))?),
        _ => return Err(UnreadableAnswer::new("the images of the node were expected")),
    };
    Ok(vec![(FactKey::NodeImages, Fact::NodeImages(fact))])
}

fn listed(json: &str) -> Result<BTreeMap<String, NodeImage>, UnreadableAnswer> {
    let listed: Listed =
        serde_json::from_str(json).map_err(|error| UnreadableAnswer::new(format!("images of the node: {error}")))?;
    let named = listed.images.into_iter().flat_map(|image| {
        let id = image.id;
        image.repo_tags.into_iter().map(move |full_name| {
            let name = Reference::parse(&full_name).map_or_else(|_| full_name.clone(), |name| name.found_as());
            let id = Known::Yes(id.clone());
            (name, NodeImage { id, full_name })
        })
    });
    Ok(named.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_crictl_is_read() {
        let list = br#"answers
{"images": [
  {"id": "sha256:8e8e", "repoTags": ["docker.io/library/caddy:2", "ghcr.io/a/b:1"], "repoDigests": [], "size": "1"},
  {"id": "sha256:9f9f", "repoTags": [], "repoDigests": ["x@sha256:1"]},
  {"id": "sha256:7777"}
]}
"#;
        let facts = parse(&[FactKey::NodeImages], 0, list).expect("readable");
        let image = |full: &str| NodeImage {
            id: Known::Yes("sha256:8e8e".to_owned()),
            full_name: full.to_owned(),
        };
        let expected = BTreeMap::from([
            ("caddy:2".to_owned(), image("docker.io/library/caddy:2")),
            ("ghcr.io/a/b:1".to_owned(), image("ghcr.io/a/b:1")),
        ]);
        assert_eq!(facts[0].1, Fact::NodeImages(NodeImages::Answers(expected)));
        for (answer, fact) in [
            (&b"no_program\n"[..], NodeImages::NoProgram),
            (b"silent\n", NodeImages::Silent("k3s does not run".to_owned())),
            (
                b"silent\nk3s.service is activating\n",
                NodeImages::Silent("k3s.service is activating".to_owned()),
            ),
        ] {
            let facts = parse(&[FactKey::NodeImages], 0, answer).expect("readable");
            assert_eq!(facts[0].1, Fact::NodeImages(fact));
        }
        for bad in [&b""[..], b"what\n", b"answers\n{}\n", b"answers\nnull\n"] {
            assert!(parse(&[FactKey::NodeImages], 0, bad).is_err());
        }
    }

    #[test]
    fn a_host_without_k3s_says_so() {
        for shell in ["sh", "bash"] {
            let output = std::process::Command::new(shell)
                .args([
                    "-c",
                    &format!("PATH=/nowhere; command() {{ return 1; }}; {}", probe(&[])),
                ])
                .output()
                .expect("a shell");
            let facts = parse(&[FactKey::NodeImages], 0, &output.stdout).expect("readable");
            assert_eq!(facts[0].1, Fact::NodeImages(NodeImages::NoProgram), "{shell}");
        }
    }
}
