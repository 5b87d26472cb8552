//! File contents, friendly and hostile.

use insta::assert_snapshot;

use super::*;

fn file_diff(old: &str, new: &str, options: &TextOptions) -> String {
    shown(
        change(id("file", "/etc/x"), &[("content", old)], &[("content", new)]),
        options,
    )
}

fn numbered(count: usize) -> String {
    (1..=count).map(|number| format!("line {number}\n")).collect()
}

#[test]
fn a_diff_has_three_lines_of_context_and_a_header_a_hunk() {
    let old = numbered(30);
    let new = old
        .replace("line 5\n", "line five\n")
        .replace("line 28\n", "line 28\nmore\n");
    assert_snapshot!(file_diff(&old, &new, &TextOptions::default()), @"");
}

#[test]
fn changed_words_are_marked_within_their_line() {
    let operation = planned(
        "x",
        Outcome::Change(vec![change(
            id("file", "/etc/x"),
            &[("content", "listen on 80 now\n")],
            &[("content", "listen on 443 now\n")],
        )]),
    );
    let text = crate::report::operation(&operation, &TextOptions::default());
    let removed = "\x1b[31mlisten on \x1b[0m\x1b[7m\x1b[31m80\x1b[0m\x1b[31m now\x1b[0m";
    let added = "\x1b[32mlisten on \x1b[0m\x1b[7m\x1b[32m443\x1b[0m\x1b[32m now\x1b[0m";
    assert!(text.contains(removed), "{text:?}");
    assert!(text.contains(added), "{text:?}");
    assert_snapshot!(plain(&text), @"");
}

#[test]
fn line_ends_and_blanks_are_seen() {
    let old = "crlf\r\nspaces here\nsame\nend\ttab\nlast";
    let new = "crlf\nspaces  here\nsame\nend tab\nlast\n";
    assert_snapshot!(file_diff(old, new, &TextOptions::default()), @"");
}

#[test]
fn a_lone_carriage_return_does_not_hide_text() {
    assert_snapshot!(file_diff("good\n", "evil\rgood\n", &TextOptions::default()), @"");
}

#[test]
fn hostile_text_is_shown_not_obeyed() {
    let old = "title\n";
    let new = "\x1b]0;owned\x07\x1b[2J\x1b[31mtitle\u{9b}1m \u{202e}gnp.exe\u{200b}\nüñí ↦ 日本 🎉\n";
    let text = file_diff(old, new, &TextOptions::default());
    assert!(!text.chars().any(|one| one.is_control() && one != '\n'), "{text:?}");
    assert_snapshot!(text, @"");
    let name = change(id("file", "/etc/\x1b[2J\nx"), &[], &[("mode", "0644\x1b[0m")]);
    assert_snapshot!(shown(name, &TextOptions::default()), @"");
}

#[test]
fn long_lines_are_cut_around_what_changed() {
    let filler = "x ".repeat(2500);
    let old = format!("{filler}OLD {filler}\n");
    let new = format!("{filler}NEW {filler}\n");
    let text = file_diff(&old, &new, &TextOptions::default());
    assert!(text.contains("OLD") && text.contains("NEW"), "{text}");
    assert!(text.contains("more characters]"), "{text}");
    assert!(text.len() < 2000, "{}", text.len());
    let all = file_diff(&old, &new, &whole());
    assert!(all.len() > 20_000 && !all.contains("more characters]"));
}

#[test]
fn a_new_file_is_cut_with_an_honest_count() {
    let create = |lines: &str| change(id("file", "/etc/x"), &[], &[("content", lines), ("mode", "0644")]);
    let text = shown(create(&numbered(52)), &TextOptions::default());
    assert_eq!(text.matches("+ line").count(), 40);
    assert!(text.ends_with("… 12 more lines (--verbose shows all 52)\n"), "{text}");
    let text = shown(create(&numbered(52)), &whole());
    assert_eq!(text.matches("+ line").count(), 52);
    assert!(text.ends_with("+ line 52\n"), "{text}");
}

#[test]
fn too_many_changed_lines_are_counted() {
    let old = numbered(1500);
    let new = old.replace("line", "LINE");
    assert_snapshot!(file_diff(&old, &new, &TextOptions::default()), @"");
    let text = file_diff(&old, &new, &whole());
    assert_eq!(text.matches("+ LINE").count(), 1500);
    // Only moved: as many lines come as go, and the same ones.
    let lines: Vec<&str> = old.split_inclusive('\n').collect();
    let turned: String = lines.iter().rev().copied().collect();
    let text = file_diff(&old, &turned, &TextOptions::default());
    assert!(text.contains("too many to show"), "{}", text.len());
}

#[test]
fn the_same_texts_give_the_same_bytes_also_when_large() {
    let old: String = (0..20_000).map(|number| format!("{number} {}\n", number % 7)).collect();
    let new = old.replace("99 3\n", "99 three\n");
    let first = file_diff(&old, &new, &TextOptions::default());
    assert!(first.contains("three"));
    assert_eq!(first, file_diff(&old, &new, &TextOptions::default()));
}

#[test]
fn files_that_come_and_go_or_are_empty() {
    let create = change(id("file", "/etc/x"), &[], &[("content", "")]);
    assert_snapshot!(shown(create, &TextOptions::default()), @"");
    let whole_state = [
        ("content", "a\nb"),
        ("mode", "0644"),
        ("owner", "root"),
        ("group", "adm"),
    ];
    let removal = change(id("file", "/etc/x"), &whole_state, &[]);
    assert_snapshot!(shown(removal, &TextOptions::default()), @"");
    assert_snapshot!(file_diff("", "a\n", &TextOptions::default()), @"");
}

#[test]
fn binary_content_stays_in_its_brackets() {
    let old = "[binary, 3 bytes, sha256 ab]";
    assert_snapshot!(file_diff(old, "[binary, 4 bytes, sha256 cd]", &TextOptions::default()), @"");
    assert_snapshot!(file_diff(old, "text\n", &TextOptions::default()), @"");
}
