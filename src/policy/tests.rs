//! The table of lints by itself; what each finds is tested in `tests/lints`.

use super::{LINTS, Level};

#[test]
fn the_table_is_sorted_and_says_everything() {
    assert!(LINTS.is_sorted_by_key(|lint| lint.name));
    for lint in LINTS {
        let is_kebab = lint.name.chars().all(|sign| sign.is_ascii_lowercase() || sign == '-');
        assert!(is_kebab, "{}", lint.name);
        for text in [lint.why, lint.remedy] {
            assert!(text.ends_with('.'), "{}: {text}", lint.name);
        }
        assert!(!lint.title.ends_with('.') && lint.title.len() < 90, "{}", lint.name);
    }
    for level in [Level::Error, Level::Warning, Level::Note] {
        assert!(LINTS.iter().any(|lint| lint.level == level), "{level:?}");
    }
}
