//! Any text is a template, as a file, as a string and as an expression, or has mistakes that can be shown.
#![no_main]

use homelab::error::SourceFile;
use homelab::report;
use homelab::template::{inspect_expression, inspect_file, inspect_string};
use homelab::value::parse_toml;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut mistakes = Vec::new();
    mistakes.extend(inspect_file("templates/t.j2", text).err());
    let file = SourceFile::new("t.toml", format!("a = \"\"\"\n{text}\"\"\""));
    let table = parse_toml(&file).unwrap_or_default();
    if let Some(value) = table.get("a").map(|entry| &entry.value) {
        let text = value.as_str().unwrap_or_default();
        mistakes.extend(inspect_expression(text, value.origin.as_ref()).err());
        match inspect_string(text, value.origin.as_ref()) {
            Ok(names) => names.iter().for_each(|names| {
                for name in &names.used {
                    names.place(name);
                }
            }),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    report::diagnostics(&mistakes);
});
