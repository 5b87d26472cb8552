//! What web APIs answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::http::{Part, Said, fetch};
use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::http::{Answer, AnswerKey};
use crate::facts::key::{Fact, FactKey, Stored as _};

static ANSWERS: Family = Family {
    subject: "answers of web APIs",
    probe,
    allowance: no_allowance,
    parse,
};

impl<'a> Readable<'a> for AnswerKey<'a> {
    const FAMILY: &'static Family = &ANSWERS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// A line for each: the status, or `-`, what the program said, and the body, both in Base64 after a letter.
fn probe(keys: &[FactKey]) -> String {
    let coded = |text: &str| format!("$(printf %s \"{text}\" | base64 | tr -d \"\\n\")");
    let one = |key: AnswerKey<'_>| {
        let fetch = fetch(&key.0.0, Part::Body);
        format!(
            "{fetch}echo \"${{code:--}} s{} b{}\"\n",
            coded("$said"),
            coded("$answer")
        )
    };
    keys.iter().filter_map(AnswerKey::of).map(one).collect()
}

fn parse(keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let read = |(key, line): (&FactKey, String)| {
        let fact = read(&line).ok_or_else(|| {
            let start: String = line.chars().take(200).collect();
            UnreadableAnswer::new(format!("{key}: `{start}`"))
        })?;
        Ok((key.clone(), Fact::Answer(fact)))
    };
    keys.iter().zip(lines(answer)).map(read).collect()
}

fn read(line: &str) -> Option<Answer> {
    let (code, rest) = line.split_once(' ')?;
    let (said, body) = rest.split_once(' ')?;
    let decode = |coded: &str| STANDARD.decode(coded).ok();
    let said = Said::new(&decode(said.strip_prefix('s')?)?);
    let body = decode(body.strip_prefix('b')?)?;
    if code == "-" {
        return Some(Answer::None(said.why()));
    }
    Some(match said.why_in_part() {
        Some(why) => Answer::Part(why),
        None => Answer::Came {
            status: code.parse().ok()?,
            body,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_with_and_without_a_body() {
        let coded = |text: &str| STANDARD.encode(text);
        let said = coded("hl:code 200\n");
        for (line, expected) in [
            (
                format!("200 s{said} b{}", coded("{}")),
                Some(Answer::Came {
                    status: 200,
                    body: b"{}".to_vec(),
                }),
            ),
            (
                format!("404 s{said} b"),
                Some(Answer::Came {
                    status: 404,
                    body: Vec::new(),
                }),
            ),
            (
                format!("200 s{} b{}", coded("hl:large\n"), coded("x")),
                Some(Answer::Part("it is larger than 4 MiB".to_owned())),
            ),
            (
                format!("- s{} b", coded("curl: (7) Failed to connect\n")),
                Some(Answer::None("curl: (7) Failed to connect".to_owned())),
            ),
            ("200".to_owned(), None),
            ("20x s b".to_owned(), None),
        ] {
            assert_eq!(read(&line), expected, "{line}");
        }
    }
}
