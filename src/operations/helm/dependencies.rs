//! The charts that a chart brings, and which of them are on.
//!
//! Helm decides it by the values, with tags and then conditions of `Chart.yaml`; so does this.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::values::merge;
use crate::content::ChartFiles;
use crate::operations::k8s::documents::values_of;

/// The files with definitions of kinds, of the chart and of its dependencies that are on: path and text of each.
///
/// Errors: a file of one of them cannot be read.
pub(super) fn definitions(files: &ChartFiles, values: &Value) -> Result<Vec<(String, String)>, String> {
    let chart = Chart::read(files, "")?;
    let mut given = chart.defaults();
    merge(&mut given, values.clone());
    let mut found = Vec::new();
    chart.collect(&given, "", &mut found);
    Ok(found)
}

/// A chart with those that it brings.
struct Chart<'a> {
    files: Cow<'a, ChartFiles>,
    /// Where it is in the whole chart, with a `/` at the end; empty for that itself.
    place: String,
    name: String,
    /// What `Chart.yaml` says of dependencies.
    wanted: Vec<Value>,
    values: Value,
    brought: Vec<Chart<'static>>,
}

impl<'a> Chart<'a> {
    fn read(files: &'a ChartFiles, place: &str) -> Result<Self, String> {
        Self::of(Cow::Borrowed(files), place)
    }

    fn of(files: Cow<'a, ChartFiles>, place: &str) -> Result<Self, String> {
        let read = |path: &str| match files.text(path) {
            Some(text) => values_of(text).map_err(|why| format!("`{place}{path}`: {why}")),
            None => Ok(Value::Null),
        };
        let (about, values) = (read("Chart.yaml")?, read("values.yaml")?);
        let inner = files.dependencies().map_err(|why| format!("`{place}charts`: {why}"))?;
        let inner = inner
            .into_iter()
            .map(|(path, files)| Chart::of(Cow::Owned(files), &format!("{place}{path}/")));
        Ok(Self {
            brought: inner.collect::<Result<_, _>>()?,
            name: about["name"].as_str().unwrap_or_default().to_owned(),
            wanted: about["dependencies"].as_array().cloned().unwrap_or_default(),
            values: if values.is_object() {
                values
            } else {
                Value::Object(Map::new())
            },
            place: place.to_owned(),
            files,
        })
    }

    /// The entries of `Chart.yaml` for a chart that it brings: one for each alias.
    fn entries<'b>(&'b self, chart: &'b Chart<'static>) -> impl Iterator<Item = &'b Value> {
        self.wanted.iter().filter(|entry| entry["name"] == chart.name.as_str())
    }

    /// The values of its own files, each dependency's under its names.
    fn defaults(&self) -> Value {
        let mut all = Value::Object(Map::new());
        for chart in &self.brought {
            for name in self.names(chart) {
                merge(&mut all, Value::Object(Map::from_iter([(name, chart.defaults())])));
            }
        }
        merge(&mut all, self.values.clone());
        all
    }

    /// What a chart that it brings is called in values.
    fn names(&self, chart: &Chart<'static>) -> Vec<String> {
        let names: Vec<String> = self.entries(chart).map(|entry| called(entry, &chart.name)).collect();
        // Helm takes what is not named too.
        if names.is_empty() {
            vec![chart.name.clone()]
        } else {
            names
        }
    }

    /// Takes in the files of definitions. `path` leads to the values of this chart, with a `.` at the end.
    fn collect(&self, values: &Value, path: &str, into: &mut Vec<(String, String)>) {
        let own = self.files.definitions();
        into.extend(own.map(|(file, text)| (format!("{}{file}", self.place), text.to_owned())));
        for chart in &self.brought {
            let entry = |name: &str| self.entries(chart).find(|entry| called(entry, &chart.name) == name);
            let is_on = |name: &String| entry(name).is_none_or(|entry| is_on(entry, values, path));
            if let Some(name) = self.names(chart).into_iter().find(is_on) {
                chart.collect(values, &format!("{path}{name}."), into);
            }
        }
    }
}

/// The name of a dependency in values: its alias, if it has one.
fn called(entry: &Value, name: &str) -> String {
    entry["alias"]
        .as_str()
        .filter(|alias| !alias.is_empty())
        .unwrap_or(name)
        .to_owned()
}

/// Whether values turn a dependency on: the first condition that leads to `true` or `false` decides, before tags.
fn is_on(entry: &Value, values: &Value, path: &str) -> bool {
    let conditions = entry["condition"].as_str().unwrap_or_default().trim().split(',');
    let mut said = conditions.filter(|condition| !condition.is_empty());
    if let Some(said) = said.find_map(|condition| at(values, &format!("{path}{condition}"))) {
        return said;
    }
    let tags = entry["tags"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let tags: Vec<bool> = tags.filter_map(|tag| values["tags"][tag].as_bool()).collect();
    tags.is_empty() || tags.contains(&true)
}

fn at(values: &Value, path: &str) -> Option<bool> {
    path.split('.')
        .try_fold(values, |values, name| values.get(name))?
        .as_bool()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn chart(about: &str, values: &str) -> ChartFiles {
        let files = [
            ("Chart.yaml", about),
            ("values.yaml", values),
            ("crds/own.yaml", "own"),
            (
                "charts/sub/Chart.yaml",
                "name: sub\ndependencies: [{ name: deep, condition: deep.use }]\n",
            ),
            ("charts/sub/values.yaml", "deep: { use: false }\n"),
            ("charts/sub/crds/sub.yaml", "sub"),
            ("charts/sub/charts/deep/Chart.yaml", "name: deep\n"),
            ("charts/sub/charts/deep/crds/deep.yaml", "deep"),
        ];
        let files: BTreeMap<_, _> = files
            .into_iter()
            .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
            .collect();
        ChartFiles::of_folder(files).expect("a chart")
    }

    #[test]
    fn definitions_of_dependencies_that_are_on() {
        let (own, sub, deep) = (
            "crds/own.yaml",
            "charts/sub/crds/sub.yaml",
            "charts/sub/charts/deep/crds/deep.yaml",
        );
        for (entry, defaults, values, expected) in [
            // It is not named; no condition; a condition that leads nowhere.
            ("[]", "", json!({}), &[own, sub][..]),
            ("[{ name: sub }]", "", json!({}), &[own, sub]),
            ("[{ name: sub, condition: sub.use }]", "", json!({}), &[own, sub]),
            // Off by the chart, and on by a value; the other way around.
            (
                "[{ name: sub, condition: sub.use }]",
                "sub: { use: false }",
                json!({}),
                &[own],
            ),
            (
                "[{ name: sub, condition: sub.use }]",
                "sub: { use: false }",
                json!({ "sub": { "use": true } }),
                &[own, sub],
            ),
            (
                "[{ name: sub, condition: sub.use }]",
                "sub: { use: true }",
                json!({ "sub": { "use": false } }),
                &[own],
            ),
            // The first that says something, and no text.
            (
                "[{ name: sub, condition: 'a.use,b.use' }]",
                "b: { use: false }",
                json!({}),
                &[own],
            ),
            (
                "[{ name: sub, condition: 'a.use,b.use' }]",
                "a: { use: 'no' }\nb: { use: false }",
                json!({}),
                &[own],
            ),
            (
                "[{ name: sub, condition: 'a.use,b.use' }]",
                "a: { use: true }\nb: { use: false }",
                json!({}),
                &[own, sub],
            ),
            // Tags: one that is on is enough, and a condition counts more.
            (
                "[{ name: sub, tags: [one, two] }]",
                "tags: { one: false }",
                json!({}),
                &[own],
            ),
            (
                "[{ name: sub, tags: [one, two] }]",
                "tags: { one: false, two: true }",
                json!({}),
                &[own, sub],
            ),
            (
                "[{ name: sub, tags: [one], condition: c }]",
                "tags: { one: false }\nc: true",
                json!({}),
                &[own, sub],
            ),
            // An alias is its name in values. One of two that is on is enough.
            (
                "[{ name: sub, alias: other, condition: other.use }]",
                "other: { use: false }",
                json!({}),
                &[own],
            ),
            (
                "[{ name: sub, alias: a, condition: a.use }, { name: sub, alias: b, condition: b.use }]",
                "a: { use: false }",
                json!({}),
                &[own, sub],
            ),
            // One of a dependency: its values are below its name.
            (
                "[{ name: sub }]",
                "",
                json!({ "sub": { "deep": { "use": true } } }),
                &[own, sub, deep],
            ),
            ("[{ name: sub }]", "", json!({ "deep": { "use": true } }), &[own, sub]),
            (
                "[{ name: sub, alias: a }]",
                "",
                json!({ "a": { "deep": { "use": true } } }),
                &[own, sub, deep],
            ),
        ] {
            let files = chart(&format!("name: web\ndependencies: {entry}\n"), defaults);
            let found = definitions(&files, &values).expect("readable");
            let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
            let all = Chart::read(&files, "").expect("a chart").defaults();
            assert_eq!(paths, expected, "{entry} {defaults} {values}: {all}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let why = definitions(&chart("name: web\n", "a: [\n"), &json!({})).expect_err("not YAML");
        assert!(why.starts_with("`values.yaml`: "), "{why}");
    }
}
