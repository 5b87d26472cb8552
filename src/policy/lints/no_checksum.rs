//! `no-checksum`: something from the internet that is used as it comes.

use std::sync::LazyLock;

use regex::Regex;

use crate::policy::finding::{Finding, Place};
use crate::policy::lint::{Level, Lint};
use crate::policy::planned::{Planned, file_name, line_place};
use crate::policy::scene::Scene;
use crate::value::{Kind, Value};

pub(in crate::policy) const LINT: Lint = Lint {
    name: "no-checksum",
    level: Level::Warning,
    title: "A download that nothing compares with what was meant",
    why: "Anyone who controls the server, or the way to it, runs programs on your hosts as root.",
    remedy: "Give `sha256`; in a script, download with `files.download`, look at the file, and run that one.",
    check,
};

/// A program of the internet that a shell runs as it comes.
static PIPED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let shell = r"(?:/\S*/)?(?:ba|da|z|k)?sh\b";
    let fetch = r"\b(?:curl|wget)\b[^|;&\n]*";
    let piped = format!(r"{fetch}\|\s*(?:sudo\s+(?:-\S+\s+)*)?(?:env\s+(?:\S+=\S*\s+)*)?{shell}");
    let inner = format!(r#"{shell}\s+(?:-c\s+)?["']?(?:<\(|\$\()\s*(?:curl|wget)\b"#);
    Regex::new(&format!("(?:{piped})|(?:{inner})")).ok()
});

fn is_piped(line: &str) -> bool {
    let is_comment = line.trim_start().starts_with('#');
    !is_comment && PIPED.as_ref().is_some_and(|piped| piped.is_match(line))
}

fn strings<'v>(value: &'v Value, planned: &Planned<'_>) -> Vec<(&'v str, Place)> {
    match &value.kind {
        Kind::String(text) => vec![(text, planned.place_of(value))],
        Kind::List(items) => items.iter().flat_map(|item| strings(item, planned)).collect(),
        _ => Vec::new(),
    }
}

fn of_operation(planned: &Planned<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let definition = planned.rendered.definition;
    if definition.keys().contains(&"sha256") && planned.argument("sha256").is_none() {
        for key in ["src", "source", "url"] {
            let Some((text, value)) = planned.text(key).zip(planned.argument(key)) else {
                continue;
            };
            if text.starts_with("http://") || text.starts_with("https://") {
                let title = format!("`{}` downloads something without `sha256`", planned.name());
                found.push(Finding::new(title, planned.place_of(value), "may be anything"));
            }
        }
    }
    for (_, value) in definition.shell_values(&planned.rendered.arguments) {
        for (text, place) in strings(value, planned) {
            if text.lines().any(is_piped) {
                found.push(Finding::new("a shell runs what it downloads", place, "may be anything"));
            }
        }
    }
    found
}

fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, planned) in scene.numbered() {
        found.extend(
            of_operation(planned)
                .into_iter()
                .map(|finding| finding.of(Some(number))),
        );
    }
    for (number, text) in scene.texts() {
        let first = text.text.lines().next().unwrap_or_default();
        let is_script = (first.starts_with("#!") && first.contains("sh")) || file_name(&text.path) == "Dockerfile";
        let lines = text
            .text
            .lines()
            .enumerate()
            .filter(|(_, line)| is_script && is_piped(line));
        for (index, _) in lines {
            let place = line_place(text, index + 1);
            let finding = Finding::new("a shell runs what it downloads", place, "may be anything");
            found.push(finding.of(Some(number)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::is_piped;

    #[test]
    fn a_shell_that_runs_a_download_is_found() {
        for line in [
            "curl -fsSL https://get.docker.com | sh",
            "curl https://x | sudo -E bash -",
            "wget -qO- https://x | env A=b sh -s -- --y",
            "bash <(curl -s https://x)",
            "sh -c \"$(curl -fsSL https://x)\"",
        ] {
            assert!(is_piped(line), "{line}");
        }
        for line in [
            "curl -o /tmp/x https://x && sha256sum -c sums",
            "curl https://x | jq .sh",
            "curl https://x | shuf",
            "# curl https://x | sh",
            "echo curl; date | sh",
        ] {
            assert!(!is_piped(line), "{line}");
        }
    }
}
