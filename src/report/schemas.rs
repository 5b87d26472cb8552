//! What is printed, against the published schemas in `docs/schema/`. Only for tests, those of the program too.

use std::path::Path;

use serde_json::Value;

/// The published schema `name`.
fn published(name: &str) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/schema/{name}.json"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Published schemas let later versions add fields; of this version they have all.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.values_mut().for_each(close);
            if fields.contains_key("properties") && fields.contains_key("type") {
                fields.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// What is wrong with a document, in the words of the validator.
pub(crate) fn mistakes(name: &str, document: &Value) -> Vec<String> {
    let mut schema = published(name);
    close(&mut schema);
    let validator = jsonschema::draft202012::new(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mistakes = validator.iter_errors(document);
    mistakes
        .map(|mistake| format!("{}: {mistake:.200}", mistake.instance_path))
        .collect()
}

/// Checks that a document is as its schema says, and has no field that the schema does not know.
#[track_caller]
pub(crate) fn check(name: &str, document: &str) {
    let value: Value = serde_json::from_str(document).unwrap_or_else(|error| panic!("{error}: {document}"));
    let found = mistakes(name, &value);
    assert!(found.is_empty(), "docs/schema/{name}.json: {found:#?}\n{document}");
}
