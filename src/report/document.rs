//! JSON documents: all are written in one way.

use serde::Serialize;

use super::sanitize;

/// A value as one JSON document that ends with a line break. Characters that would drive a terminal are escapes in it.
pub fn document(value: &impl Serialize) -> String {
    // Nothing here can fail: all keys are strings, and the only output is memory.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    sanitize::json(&text) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_hosts_keeps_its_value_and_drives_no_terminal() {
        let everything: String = ('\0'..='\u{e0100}').collect();
        let text = document(&[&everything]);
        let driving: String = text.chars().filter(|one| sanitize::is_hidden(*one)).collect();
        assert_eq!(driving.trim_matches('\n'), "");
        let read: Vec<String> = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read, [everything]);
        assert_eq!(
            document(&["a\u{9b}\u{202e}\u{e0001}"]),
            "[\n  \"a\\u009b\\u202e\\udb40\\udc01\"\n]\n"
        );
    }
}
