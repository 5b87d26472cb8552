use std::collections::BTreeMap;

use super::*;
use crate::content::Assets;
use crate::error::SourceFile;
use crate::secret::Sort;
use crate::template::{TemplateData, Variables};
use crate::value::{Kind, parse_toml};

const SECRET: &str = "hunter-2";

fn bindings(data: &str) -> Bindings {
    let file = SourceFile::new("group_data/all.toml", data);
    let variables = [
        ("PW", SECRET),
        ("PORT", "8080"),
        ("ONE", "x"),
        ("KEY", "-----BEGIN\nabc\ndef\n"),
    ];
    let variables: BTreeMap<String, String> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Bindings::new(TemplateData {
        variables: Arc::new(Variables::new(BTreeMap::new(), variables)),
        ..TemplateData::new(parse_toml(&file).expect("valid TOML"), Err("not read".to_owned()))
    })
}

fn render(data: &str, text: &str) -> Result<Value, Diagnostic> {
    let file = SourceFile::new("tasks/t.toml", format!("v = {text}"));
    let table = parse_toml(&file).expect("valid TOML");
    bindings(data).render(&table["v"].value)
}

/// The text itself, and as it is shown.
fn both(text: &str) -> (String, String) {
    let data = "user = 'anna'\npw = \"{{ env('PW') }}\"\nauth = '{{ user }}:{{ pw }}'";
    match render(data, text).expect("renders").kind {
        Kind::Secret(secret) => (secret.expose().to_owned(), secret.masked()),
        Kind::String(text) => (text.clone(), text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_came_from_a_secret_is_masked_whatever_was_done_with_it() {
    for (text, shown) in [
        ("\"{{ env('PW') }}\"", "[secret]"),
        ("\"a {{ pw }} b\"", "a [secret] b"),
        ("'{{ user }}={{ auth }}'", "anna=anna:[secret]"),
        ("\"Basic {{ (user ~ ':' ~ pw) | b64encode }}\"", "Basic [secret]"),
        ("'{{ pw | upper }}, {{ pw | reverse }}'", "[secret], [secret]"),
        ("'x{{ pw[1:3] }}y'", "[secret]"),
        (
            "'{% for one in pw %}<{{ one }}>{% endfor %}'",
            "<[secret]><[secret]><[secret]><[secret]><[secret]><[secret]><[secret]><[secret]>",
        ),
        ("'{{ [user, pw] | to_json }}'", "[\"anna\",\"[secret]\"]"),
        ("\"{{ env('ONE') }}\"", "[secret]"),
        (
            "\"{% if pw == 'hunter-2' %}on{% else %}off{% endif %} {{ user }}\"",
            "[secret] anna",
        ),
        ("\"{{ env('PORT') | int + 1 }} {{ user }}\"", "[secret] anna"),
        ("\"{{ env('KEY') }}\"", "[secret]"),
        (
            "\"key:\\n{{ env('KEY') }}end\"",
            "key:\n[secret]\n[secret]\n[secret]\nend",
        ),
        // Another number of lines, or no result, for a decoy.
        ("\"a\\n{% if pw == 'hunter-2' %}b\\n{% endif %}\"", "[secret]\n"),
        ("\"{{ {'hunter-2': 'found'}[pw] }} {{ user }}\"", "[secret]"),
        ("'{{ user }}'", "anna"),
    ] {
        let (real, masked) = both(text);
        assert_eq!(masked, shown, "{text}");
        assert!(!real.contains("[secret]"), "{real}");
    }
    assert_eq!(both("'{{ auth }}'").0, "anna:hunter-2");
}

#[test]
fn a_secret_keeps_its_type_and_its_place_in_a_value() {
    let value = render("db = { host = 'h', password = \"{{ env('PW') }}\" }", "'{{ db }}'").expect("renders");
    let table = value.as_table().expect("a table");
    assert_eq!(table["host"].value.kind, Kind::String("h".to_owned()));
    assert!(matches!(&table["password"].value.kind, Kind::Secret(secret) if secret.expose() == SECRET));
    let port = render("", "\"{{ env('PORT') | int }}\"").expect("renders");
    assert!(matches!(&port.kind, Kind::Secret(secret) if secret.sort() == Sort::Integer));
    assert_eq!(port.in_world(World::Real).kind, Kind::Integer(8080));
    let is_set = bindings("").evaluate("env('PW') == 'hunter-2'", None).expect("a value");
    assert_eq!(is_set.in_world(World::Real).kind, Kind::Bool(true));
}

#[test]
fn a_variable_that_is_not_set_is_a_mistake_at_its_place() {
    let mistake = render("", "\"a {{ env('NOPE') }}\"").expect_err("a mistake");
    assert_eq!(
        mistake.to_string(),
        "tasks/t.toml:1:11: environment variable `NOPE` is not set"
    );
    let mistake = render("pw = \"{{ env('NOPE') }}\"", "'{{ pw }}'").expect_err("a mistake");
    assert_eq!(mistake.labels[0].origin.to_string(), "group_data/all.toml:1:10");
    assert_eq!(mistake.labels[1].origin.to_string(), "tasks/t.toml:1:5");
}

#[test]
fn mistakes_show_no_secret() {
    for text in [
        "\"{{ env('ONE') | int }}\"",
        "\"{{ env('PW') | int }}\"",
        "\"{{ {'a': 1}[env('PW')] }}\"",
    ] {
        let mistake = render("", text).expect_err("a mistake");
        let shown = format!("{mistake:?}");
        assert!(!shown.contains(SECRET), "{shown}");
    }
}

#[test]
fn keys_cannot_be_secret() {
    let mistake = render("", "\"{{ {env('PW'): 1} }}\"").expect_err("a mistake");
    assert_eq!(mistake.title, "a secret decides which keys a table has");
}

#[test]
fn files_are_masked_in_place() {
    let mut files = Assets::default();
    files.insert(
        "a.j2",
        b"user = {{ user }}\npw = \"{{ env('PW') }}\"\n{% include 'b' %}\n".to_vec(),
    );
    files.insert("b", b"{{ env('PW') | b64encode }}".to_vec());
    let Ok(Ok(text)) = bindings("user = 'anna'").render_file(&Arc::new(files), "a.j2") else {
        panic!("a text")
    };
    assert_eq!(text.masked(), "user = anna\npw = \"[secret]\"\n[secret]\n");
    assert_eq!(text.expose(), "user = anna\npw = \"hunter-2\"\naHVudGVyLTI=\n");
}

#[test]
fn a_secret_that_was_looked_up_is_in_no_message() {
    for text in ["'{{ vars[one] }}'", "'{{ t[one] }}'"] {
        let mistake = render("one = \"{{ env('ONE') }}\"\n[t]\na = 1", text).expect_err("a mistake");
        let told = format!("{mistake} {:?}", mistake.hint);
        assert!(
            told.contains('…') && !told.contains(".x`") && !told.contains("`x`"),
            "{text}: {told}"
        );
    }
}
