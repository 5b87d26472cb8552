//! Mistakes in place of a review, so that a document of a run that never read a host is not empty.

use serde::Serialize;

use super::check::{JsonMistake, json_mistakes};
use super::html::page;
use super::json::FORMAT_VERSION;
use super::markdown::block;
use super::style::counted;
use super::{diagnostic, document, sanitize};
use crate::error::Diagnostic;
use crate::plan::Found;

/// A deploy that was refused because of mistakes in the project or on the command line.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub inventory: String,
    pub deploy: String,
    pub is_dry_run: bool,
    pub mistakes: Vec<Found>,
}

#[derive(Serialize)]
struct Document<'a> {
    format_version: u32,
    inventory: &'a str,
    deploy: &'a str,
    dry_run: bool,
    mistakes: Vec<JsonMistake<'a>>,
}

impl Refusal {
    fn command(&self) -> String {
        let [inventory, deploy] = [&self.inventory, &self.deploy].map(|name| sanitize::one_line(name));
        format!("homelab deploy {inventory} {deploy}")
    }

    fn title(&self) -> String {
        format!("{}: nothing was planned", counted(self.mistakes.len(), "mistake"))
    }

    /// The mistakes as the terminal shows them, without styles.
    fn text(&self) -> String {
        let mistakes: Vec<(&Diagnostic, Vec<&str>)> = self
            .mistakes
            .iter()
            .map(|found| (&found.diagnostic, found.hosts.iter().map(String::as_str).collect()))
            .collect();
        anstream::adapter::strip_str(&diagnostic::together(&mistakes)).to_string()
    }
}

/// The mistakes as one JSON document.
pub fn refusal_json(refusal: &Refusal) -> String {
    let document = Document {
        format_version: FORMAT_VERSION,
        inventory: &refusal.inventory,
        deploy: &refusal.deploy,
        dry_run: refusal.is_dry_run,
        mistakes: json_mistakes(&refusal.mistakes),
    };
    document::document(&document)
}

/// The mistakes as Markdown of at most 65,000 characters.
pub fn refusal_markdown(refusal: &Refusal) -> String {
    block(&refusal.command(), &refusal.title(), &refusal.text())
}

/// The mistakes as a page.
pub fn refusal_html(refusal: &Refusal) -> String {
    let text = super::html::escaped(&refusal.text());
    let body = format!(
        "<p>{}</p>\n</header>\n<main>\n<pre>{text}</pre>\n</main>\n",
        refusal.title()
    );
    page(
        &super::html::escaped(&refusal.command()),
        refusal.is_dry_run.then_some(super::html::DRY_RUN),
        "",
        &body,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Origin, SourceFile};

    fn refusal(title: &str, count: usize) -> Refusal {
        let file = SourceFile::new("tasks/t.toml", "op = 'x'");
        let found = Found {
            diagnostic: Diagnostic::new(title).at(&Origin::new(&file, 5..8), "here"),
            hosts: vec!["prod/web".to_owned()],
        };
        Refusal {
            inventory: "prod".to_owned(),
            deploy: "site".to_owned(),
            is_dry_run: true,
            mistakes: vec![found; count],
        }
    }

    #[test]
    fn every_document_has_the_mistakes_and_no_markup_of_others() {
        let refusal = refusal("unknown <b>`` operation", 1);
        let markdown = refusal_markdown(&refusal);
        assert!(
            markdown.contains("1 mistake: nothing was planned") && markdown.contains("tasks/t.toml:1:6"),
            "{markdown}"
        );
        assert!(markdown.contains("```text\nerror: unknown <b>``"), "{markdown}");
        let html = refusal_html(&refusal);
        assert!(
            html.contains("unknown &lt;b&gt;") && html.ends_with("</html>\n"),
            "{html}"
        );
        let json: serde_json::Value = serde_json::from_str(&refusal_json(&refusal)).expect("JSON");
        assert_eq!(json["mistakes"][0]["line"], 1);
        assert_eq!(json["mistakes"][0]["hosts"][0], "prod/web");
        assert_eq!(json["inventory"], "prod");
    }

    #[test]
    fn a_comment_is_never_too_long() {
        let markdown = refusal_markdown(&refusal(&"x".repeat(500), 1000));
        assert!(
            markdown.len() <= 65_000 && markdown.ends_with("```\n"),
            "{}",
            markdown.len()
        );
    }
}
