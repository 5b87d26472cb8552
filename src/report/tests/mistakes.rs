//! Mistakes with and without places.

use std::sync::Arc;

use insta::assert_snapshot;

use super::*;
use crate::error::Diagnostic;
use crate::plan::Mistake;
use crate::report::{diagnostic, diagnostics, mistakes};

fn place(file: &Arc<SourceFile>, text: &str) -> Origin {
    let start = file.text.find(text).expect("in the file");
    Origin::new(file, start..start + text.len())
}

fn in_two_files() -> Diagnostic {
    let task = SourceFile::new(
        "tasks/a/b.toml",
        "[[operation]]\nop = \"apt.packages\"\npackages = \"{{ wanted }}\"\n",
    );
    let data = SourceFile::new("group_data/all.toml", "# data\nwanted = [\"a\", 3]\n");
    Diagnostic::new("invalid parameters of `apt.packages`")
        .at(&place(&data, "3"), "expected a string")
        .at(&place(&task, "\"{{ wanted }}\""), "used here")
        .because("a number is no package")
        .hint("write `\"3\"`")
}

#[test]
fn excerpts_of_both_files_causes_and_a_hint() {
    assert_snapshot!(plain(&diagnostic(&in_two_files())), @r#"
    error: invalid parameters of `apt.packages`
     --> group_data/all.toml:2:16
      |
    2 | wanted = ["a", 3]
      |                ^ expected a string
      |
     ::: tasks/a/b.toml:3:12
      |
    3 | packages = "{{ wanted }}"
      |            -------------- used here
      |
      = caused by: a number is no package
      = hint: write `"3"`
    "#);
}

#[test]
fn without_a_place_it_is_a_line_and_what_belongs_to_it() {
    let mistake = Diagnostic::new("there is no deploy `x`")
        .because("first line\nsecond line")
        .because("below")
        .hint("did you mean `y`?");
    assert_snapshot!(plain(&diagnostic(&mistake)), @"
    error: there is no deploy `x`
      caused by: first line
                 second line
      caused by: below
      hint: did you mean `y`?
    ");
}

#[test]
fn the_same_mistake_on_several_hosts_is_shown_once() {
    let mistake = |host: &str, diagnostic: Diagnostic| Mistake {
        host: host.to_owned(),
        diagnostic,
    };
    let all = [
        mistake("nas", Diagnostic::new("no")),
        mistake("web", Diagnostic::new("no")),
        mistake("web", Diagnostic::new("neither")),
    ];
    assert_snapshot!(plain(&mistakes(&all)), @"
    error: no
      on: nas, web

    error: neither
      on: web

    found 2 mistakes
    ");
    let twice = [Diagnostic::new("no"), Diagnostic::new("no")];
    assert_eq!(plain(&diagnostics(&twice)), "error: no\n");
    assert_eq!(diagnostics(&[]), "");
}

#[test]
fn of_many_with_one_reason_the_first_ones_are_shown() {
    let file = SourceFile::new("tasks/a/b.toml", "dest = '/srv/none/file'\n");
    let one = |number: usize, why: &str| {
        Diagnostic::new(format!("the directory of `{number}` does not exist"))
            .at(&place(&file, "'/srv/none/file'"), why)
            .hint("create it first")
    };
    let mut all: Vec<Diagnostic> = (0..1300)
        .map(|number| one(number, "`/srv/none` is missing on the host"))
        .collect();
    all.push(one(9999, "`/srv/else` is missing on the host"));
    let text = plain(&diagnostics(&all));
    assert_eq!(text.matches("error: ").count(), 11, "{text}");
    assert!(text.contains("error: the directory of `9999`"), "{text}");
    assert!(
        text.ends_with(
            "\nfound 1,301 mistakes, of which 1,290 with the same reasons are not shown: `--format json` has all\n"
        ),
        "{text}"
    );
    // Nothing beside the excerpt: each is its own reason.
    let bare: Vec<Diagnostic> = (0..30)
        .map(|number| Diagnostic::new(format!("no {number}")).at(&place(&file, "dest"), ""))
        .collect();
    assert_eq!(plain(&diagnostics(&bare)).matches("error: ").count(), 30);
}

#[test]
fn files_and_words_cannot_drive_the_terminal() {
    let file = SourceFile::new(
        "a\x1b[2J.toml",
        "x = \"\x1b[2J\u{9b}2J\u{202e}\u{e0041} ü\" # \r\ny = 1\n",
    );
    let mistake = Diagnostic::new("bad \x1b[2J")
        .at(&place(&file, "ü"), "label \x07")
        .hint("\u{9b}2J");
    let text = plain(&diagnostic(&mistake));
    assert!(!text.chars().any(|one| one.is_control() && one != '\n'), "{text:?}");
    assert_snapshot!(text, @r#"
    error: bad \x1b[2J
     --> a\x1b[2J.toml:1:17
      |
    1 | x = "␛[2J¿2J�¿¿ ü" #
      |                 ^ label \x07
      |
      = hint: \x9b2J
    "#);
}

#[test]
fn any_span_can_be_shown() {
    for text in ["", "\n", "ü", "a = 1", "a = 1\n", "a\r\nb", "\u{feff}a = 1"] {
        let file = SourceFile::new("x.toml", text);
        for start in 0..text.len() + 3 {
            for end in start..text.len() + 5 {
                let mistake = Diagnostic::new("wrong").at(&Origin::new(&file, start..end), "here");
                assert!(plain(&diagnostic(&mistake)).starts_with("error: wrong\n"));
            }
        }
    }
}

#[test]
fn numbers_in_what_a_program_says_do_not_make_another_mistake() {
    let mistake = |host: &str, said: &str| Mistake {
        host: host.to_owned(),
        diagnostic: Diagnostic::new("`nginx -t` does not accept the new `/etc/x`").because(said),
    };
    let all = [
        mistake("nas", "2025/11/29 10:00:00 [emerg] 12#12: unknown directive \"a\""),
        mistake("web", "2025/11/29 10:00:01 [emerg] 345#345: unknown directive \"a\""),
        mistake("pi", "2025/11/29 10:00:01 [emerg] 345#345: unknown directive \"b\""),
    ];
    assert_snapshot!(plain(&mistakes(&all)), @r#"
    error: `nginx -t` does not accept the new `/etc/x`
      caused by: 2025/11/29 10:00:00 [emerg] 12#12: unknown directive "a"
      on: nas, web

    error: `nginx -t` does not accept the new `/etc/x`
      caused by: 2025/11/29 10:00:01 [emerg] 345#345: unknown directive "b"
      on: pi

    found 2 mistakes
    "#);
}
