//! The shape of SARIF 2.1.0: the fields that its schema requires, and no others than it knows.

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Log {
    #[serde(rename = "$schema")]
    schema: String,
    version: String,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Run {
    tool: Tool,
    column_kind: String,
    results: Vec<Outcome>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tool {
    driver: Driver,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Driver {
    name: String,
    semantic_version: String,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    id: String,
    short_description: Message,
    full_description: Message,
    help: Message,
    default_configuration: Configuration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Configuration {
    level: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    text: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Outcome {
    rule_id: String,
    rule_index: usize,
    level: String,
    message: Message,
    locations: Vec<Location>,
    #[serde(default)]
    related_locations: Vec<Location>,
    #[serde(default)]
    suppressions: Vec<Suppression>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suppression {
    kind: String,
    justification: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Location {
    id: Option<u64>,
    physical_location: Physical,
    message: Option<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Physical {
    artifact_location: Artifact,
    region: Region,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Artifact {
    uri: String,
    uri_base_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Region {
    start_line: u64,
    start_column: u64,
    end_line: u64,
    end_column: u64,
}

/// What is wrong with a document, which must have a result of `lint` if that is given.
pub(super) fn faults(text: &str, lint: Option<&str>) -> Vec<String> {
    let log: Log = match serde_json::from_str(text) {
        Ok(log) => log,
        Err(error) => return vec![format!("no SARIF: {error}\n{text}")],
    };
    let mut wrong = Vec::new();
    if log.version != "2.1.0" || !log.schema.ends_with("sarif-2.1.0.json") || log.runs.len() != 1 {
        wrong.push("another version of SARIF, or several runs".to_owned());
    }
    for run in &log.runs {
        let driver = &run.tool.driver;
        let is_named = driver.name == "homelab" && driver.semantic_version.split('.').count() == 3;
        if !is_named || run.column_kind != "unicodeCodePoints" {
            wrong.push("the tool is not described".to_owned());
        }
        for rule in &driver.rules {
            let texts = [&rule.short_description, &rule.full_description, &rule.help];
            if texts.iter().any(|message| message.text.is_empty()) || !is_level(&rule.default_configuration.level) {
                wrong.push(format!("the rule `{}` is not described", rule.id));
            }
        }
        wrong.extend(run.results.iter().flat_map(|one| of_result(one, &driver.rules)));
        if lint.is_some_and(|lint| !run.results.iter().any(|one| one.rule_id == lint)) {
            wrong.push(format!("no result of {lint:?}"));
        }
    }
    wrong
}

fn is_level(level: &str) -> bool {
    ["none", "note", "warning", "error"].contains(&level)
}

fn of_result(result: &Outcome, rules: &[Rule]) -> Vec<String> {
    let mut wrong = Vec::new();
    let rule = rules.get(result.rule_index).map(|rule| rule.id.as_str());
    if rule != Some(&result.rule_id) || !is_level(&result.level) || result.message.text.is_empty() {
        wrong.push(format!("the result of `{}` is not whole", result.rule_id));
    }
    for location in result.locations.iter().chain(&result.related_locations) {
        let Physical {
            artifact_location,
            region,
        } = &location.physical_location;
        let is_path = !artifact_location.uri.starts_with('/') && artifact_location.uri_base_id == "%SRCROOT%";
        let start = (region.start_line, region.start_column);
        let is_region =
            region.start_line >= 1 && region.start_column >= 1 && (region.end_line, region.end_column) >= start;
        let has_text = location.message.as_ref().is_none_or(|message| !message.text.is_empty());
        if !is_path || !is_region || !has_text || location.id == Some(0) {
            wrong.push(format!("a place of `{}` is not valid", result.rule_id));
        }
    }
    let is_whole = |one: &Suppression| one.kind == "inSource" && !one.justification.is_empty();
    if !result.suppressions.iter().all(is_whole) {
        wrong.push(format!("a suppression of `{}` is not whole", result.rule_id));
    }
    wrong
}
