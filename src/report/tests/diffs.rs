//! File contents, friendly and hostile.

use insta::assert_snapshot;

use super::*;

fn file_diff(old: &str, new: &str, options: &TextOptions) -> String {
    shown(
        change(
            id(ResourceKind::File, "/etc/x"),
            &[("content", old)],
            &[("content", new)],
        ),
        options,
    )
}

#[test]
fn a_diff_has_three_lines_of_context_and_a_header_a_hunk() {
    let old = numbered(30);
    let new = old
        .replace("line 5\n", "line five\n")
        .replace("line 28\n", "line 28\nmore\n");
    assert_snapshot!(file_diff(&old, &new, &TextOptions::default()), @"
    ~ file /etc/x
        @@ -2,7 +2,7 @@
          line 2
          line 3
          line 4
        - line 5
        + line five
          line 6
          line 7
          line 8
        @@ -26,5 +26,6 @@
          line 26
          line 27
          line 28
        + more
          line 29
          line 30
    ");
}

#[test]
fn changed_words_are_marked_within_their_line() {
    let operation = planned(
        "x",
        Outcome::Change(vec![change(
            id(ResourceKind::File, "/etc/x"),
            &[("content", "listen on 80 now\n")],
            &[("content", "listen on 443 now\n")],
        )]),
    );
    let text = crate::report::operation(&operation, &TextOptions::default());
    let removed = "\x1b[31mlisten on \x1b[0m\x1b[7m\x1b[31m80\x1b[0m\x1b[31m now\x1b[0m";
    let added = "\x1b[32mlisten on \x1b[0m\x1b[7m\x1b[32m443\x1b[0m\x1b[32m now\x1b[0m";
    assert!(text.contains(removed), "{text:?}");
    assert!(text.contains(added), "{text:?}");
    assert_snapshot!(plain(&text), @"
    ~ file /etc/x
        @@ -1 +1 @@
        - listen on 80 now
        + listen on 443 now
    ");
}

#[test]
fn line_ends_and_blanks_are_seen() {
    let old = "crlf\r\nspaces here\nsame\nend\ttab\nlast";
    let new = "crlf\nspaces  here\nsame\nend tab\nlast\n";
    assert_snapshot!(file_diff(old, new, &TextOptions::default()), @r"
    ~ file /etc/x
        @@ -1,5 +1,5 @@
        - crlf␍
        - spaces·here
        + crlf
        + spaces··here
          same
        - end⇥tab
        - last
        \ no newline at end of file
        + end·tab
        + last
    ");
}

#[test]
fn a_lone_carriage_return_does_not_hide_text() {
    assert_snapshot!(file_diff("good\n", "evil\rgood\n", &TextOptions::default()), @"
    ~ file /etc/x
        @@ -1 +1 @@
        - good
        + evil␍good
    ");
}

#[test]
fn hostile_text_is_shown_not_obeyed() {
    let old = "title\n";
    let new = "\x1b]0;owned\x07\x1b[2J\x1b[31mtitle\u{9b}1m \u{202e}gnp.exe\u{200b}\nüñí ↦ 日本 🎉\n";
    let text = file_diff(old, new, &TextOptions::default());
    assert!(!text.chars().any(|one| one.is_control() && one != '\n'), "{text:?}");
    assert_snapshot!(text, @r"
    ~ file /etc/x
        @@ -1 +1,2 @@
        - title
        + \x1b]0;owned\x07\x1b[2J\x1b[31mtitle\x9b1m \u{202e}gnp.exe\u{200b}
        + üñí ↦ 日本 🎉
    ");
    let name = change(
        id(ResourceKind::File, "/etc/\x1b[2J\nx"),
        &[],
        &[("mode", "0644\x1b[0m")],
    );
    assert_snapshot!(shown(name, &TextOptions::default()), @r"+ file /etc/\x1b[2J\nx   mode 0644\x1b[0m");
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
    let (old_far, new_far) = (
        format!("{}{old}", "q".repeat(20_000)),
        format!("{}{new}", "q".repeat(20_000)),
    );
    let text = file_diff(&old_far, &new_far, &TextOptions::default());
    assert!(
        text.contains("OLD") && text.contains("NEW") && text.len() < 2000,
        "{text}"
    );
    let all = file_diff(&old, &new, &whole());
    assert!(all.len() > 20_000 && !all.contains("more characters]"));
}

#[test]
fn a_new_file_is_cut_with_an_honest_count() {
    let create = |lines: &str| {
        change(
            id(ResourceKind::File, "/etc/x"),
            &[],
            &[("content", lines), ("mode", "0644")],
        )
    };
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
    assert_snapshot!(file_diff(&old, &new, &TextOptions::default()), @"
    ~ file /etc/x
        1,500 lines removed, 1,500 added: too many to show (--verbose shows all)
    ");
    let text = file_diff(&old, &new, &whole());
    assert_eq!(text.matches("+ LINE").count(), 1500);
    // Only moved: the same lines are removed and added.
    let lines: Vec<&str> = old.split_inclusive('\n').collect();
    let turned: String = lines.iter().rev().copied().collect();
    let text = file_diff(&old, &turned, &TextOptions::default());
    assert!(text.contains("too many to show"), "{}", text.len());
}

#[test]
fn the_same_texts_give_the_same_bytes_also_when_large() {
    let old: String = numbered(20_000);
    let new = old.replace("99\n", "99 or so\n");
    let first = file_diff(&old, &new, &TextOptions::default());
    assert!(first.contains("99 or so"));
    assert_eq!(first, file_diff(&old, &new, &TextOptions::default()));
}

#[test]
fn files_that_come_and_go_or_are_empty() {
    let create = change(id(ResourceKind::File, "/etc/x"), &[], &[("content", "")]);
    assert_snapshot!(shown(create, &TextOptions::default()), @"+ file /etc/x   empty");
    let whole_state = [
        ("content", "a\nb"),
        ("mode", "0644"),
        ("owner", "root"),
        ("group", "adm"),
    ];
    let removal = change(id(ResourceKind::File, "/etc/x"), &whole_state, &[]);
    assert_snapshot!(shown(removal, &TextOptions::default()), @r"
    - file /etc/x   0644 root:adm
        - a
        - b
        \ no newline at end of file
    ");
    assert_snapshot!(file_diff("", "a\n", &TextOptions::default()), @"
    ~ file /etc/x
        @@ -0,0 +1 @@
        + a
    ");
}

#[test]
fn binary_content_stays_in_its_brackets() {
    let described = |text: &str| Attribute::Described(text.to_owned());
    let turned = |new: Attribute| {
        let mut change = change(id(ResourceKind::File, "/etc/x"), &[("content", "")], &[("content", "")]);
        change.before = Before::Present(IndexMap::from([("content", described("[binary, 3 bytes, sha256 ab]"))]));
        change.after = Some(IndexMap::from([("content", new)]));
        shown(change, &TextOptions::default())
    };
    assert_snapshot!(turned(described("[binary, 4 bytes, sha256 cd]")), @"~ file /etc/x   content [binary, 3 bytes, sha256 ab] → [binary, 4 bytes, sha256 cd]");
    assert_snapshot!(turned(Attribute::known("text\n")), @"
    ~ file /etc/x   content [binary, 3 bytes, sha256 ab] → the new text below
        + text
    ");
    // A text file with that content stays a text file.
    assert_snapshot!(file_diff("[binary, 3 bytes]", "text\n", &TextOptions::default()), @r"
    ~ file /etc/x
        @@ -1 +1 @@
        - [binary, 3 bytes]
        \ no newline at end of file
        + text
    ");
}

#[test]
fn a_file_of_values_is_shown_by_value_where_that_is_shorter() {
    let old = "services:\n  web:\n    image: caddy:2.10\n    ports:\n      - 80:80\n    restart: always\n";
    let new = old.replace("2.10", "2.11").replace("    restart: always\n", "");
    let of = |name: &str, old: &str, new: &str, options: &TextOptions| {
        shown(
            change(id(ResourceKind::File, name), &[("content", old)], &[("content", new)]),
            options,
        )
    };
    assert_snapshot!(of("/opt/web/compose.yaml", old, &new, &TextOptions::default()), @r#"
    ~ file /opt/web/compose.yaml
        changed values (--verbose shows the lines)
        ~ services.web.image: "caddy:2.10" → "caddy:2.11"
        - services.web.restart: "always"
    "#);
    // Not with `--verbose`, nor in another file, nor if a comment changes too.
    let lines = of("/opt/web/compose.yaml", old, &new, &whole());
    assert!(lines.contains("-     image: caddy:2.10\n"), "{lines}");
    assert!(of("/opt/web/compose", old, &new, &TextOptions::default()).contains("@@ -1,6 +1,5 @@"));
    let noted = new.replace("80:80", "80:80 # of the host");
    assert!(
        of("/opt/web/compose.yaml", old, &noted, &TextOptions::default()).contains("+       - 80:80 # of the host")
    );
    // As many lines say more.
    let text = of(
        "/etc/x.json",
        "{\"a\":1,\"b\":2}\n",
        "{\"a\":2,\"b\":3}\n",
        &TextOptions::default(),
    );
    assert!(text.contains("+ {\"a\":2,\"b\":3}"), "{text}");
}

/// The output of GNU diff for the same two files, in the form of the review.
fn system_diff(old: &str, new: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [("old", old), ("new", new)] {
        std::fs::write(folder.path().join(name), text).expect("write");
    }
    let output = std::process::Command::new("diff")
        .args(["-u", "old", "new"])
        .current_dir(folder.path())
        .output()
        .expect("diff runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let lines = text.lines().skip(2);
    let lines = lines.map(|line| match line.split_at(1) {
        (sign @ ("+" | "-" | " "), rest) => format!("    {sign} {rest}\n"),
        _ => format!("    {}\n", line.replace("\\ No", "\\ no")),
    });
    lines.collect::<Vec<String>>().concat()
}

#[test]
fn hunks_are_those_of_the_system_s_diff() {
    let old = numbered(40);
    let without_end = old.trim_end().to_owned();
    let cases = [
        (old.clone(), old.replace("line 5\n", "")),
        (old.clone(), old.replace("line 1\n", "line 0\nline 1\n")),
        (
            old.clone(),
            old.replace("line 20\n", "x\ny\n").replace("line 27\n", "z\n"),
        ),
        (old.clone(), old.replace("line 20\n", "x\n").replace("line 28\n", "z\n")),
        (old.clone(), without_end.clone()),
        (without_end, old.clone()),
        (old, "other\n".to_owned()),
    ];
    for (before, after) in cases {
        let text = file_diff(&before, &after, &TextOptions::default());
        let ours = text.strip_prefix("~ file /etc/x\n").expect("the head");
        assert_eq!(ours, system_diff(&before, &after));
    }
}
