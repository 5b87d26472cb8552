//! Any text is TOML or has mistakes that can be shown.
#![no_main]

use homelab::error::SourceFile;
use homelab::report;
use homelab::value::parse_toml;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(mistakes) = parse_toml(&SourceFile::new("t.toml", text)) {
        assert!(!mistakes.is_empty());
        report::diagnostics(&mistakes);
    }
});
