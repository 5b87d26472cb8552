use super::*;
use std::fmt::Write as _;

/// What kubectl 1.34 makes of a file: its documents as JSON, with ` | ` between them.
const AS_KUBECTL: &[(&str, &str)] = &[
    ("a: 0755\n", "{\"a\":493}"),
    ("a: 0o755\n", "{\"a\":493}"),
    ("a: 08\n", "{\"a\":8}"),
    ("a: 0x1F\n", "{\"a\":31}"),
    ("a: 0b101\n", "{\"a\":5}"),
    ("a: -0b101\n", "{\"a\":-5}"),
    ("a: 1_000\n", "{\"a\":1000}"),
    ("a: _1\n", "{\"a\":\"_1\"}"),
    ("a: +12\n", "{\"a\":12}"),
    ("a: 1__0\n", "{\"a\":10}"),
    (
        "a: yes\nb: Yes\nc: yEs\nd: on\ne: off\nf: n\ng: y\n",
        "{\"a\":true,\"b\":true,\"c\":\"yEs\",\"d\":true,\"e\":false,\"f\":false,\"g\":true}",
    ),
    ("y: 1\n", "{\"true\":1}"),
    ("on: 1\nno: 2\n", "{\"false\":2,\"true\":1}"),
    ("a: true\nb: True\nc: tRue\n", "{\"a\":true,\"b\":true,\"c\":\"tRue\"}"),
    (
        "a: ~\nb: null\nc: Null\nd: NULL\ne: nUll\nf:\n",
        "{\"a\":null,\"b\":null,\"c\":null,\"d\":null,\"e\":\"nUll\",\"f\":null}",
    ),
    ("~: 1\n", "refused"),
    ("null: 1\n", "refused"),
    (
        "a: 1.0\nb: 1.5\nc: 1e3\nd: 1E-7\ne: .5\nf: 5.\ng: 1e21\nh: 1e20\n",
        "{\"a\":1,\"b\":1.5,\"c\":1000,\"d\":1e-7,\"e\":0.5,\"f\":5,\"g\":1e+21,\"h\":100000000000000000000}",
    ),
    ("a: 1e999\n", "{\"a\":\"1e999\"}"),
    ("a: .inf\n", "refused"),
    ("a: .nan\n", "refused"),
    ("a: 12e03\n", "{\"a\":12000}"),
    ("a: -0.0\n", "{\"a\":-0}"),
    ("a: 1:30\nb: 190:20:30\n", "{\"a\":\"1:30\",\"b\":\"190:20:30\"}"),
    (
        "a: 18446744073709551615\nb: 18446744073709551616\nc: 9223372036854775808\nd: -9223372036854775809\n",
        "{\"a\":18446744073709551615,\"b\":18446744073709552000,\"c\":9223372036854775808,\"d\":-9223372036854776000}",
    ),
    (
        "a: 2024-01-01\nb: 2024-01-01T00:00:00Z\nc: 2001-12-14 21:59:43.10\n2024-01-01: d\n",
        "{\"2024-01-01\":\"d\",\"a\":\"2024-01-01\",\"b\":\"2024-01-01T00:00:00Z\",\"c\":\"2001-12-14 21:59:43.10\"}",
    ),
    (
        "1: a\n1.5: b\n1e10: c\ntrue: d\n0x10: e\n",
        "{\"1\":\"a\",\"1.5\":\"b\",\"16\":\"e\",\"1e+10\":\"c\",\"true\":\"d\"}",
    ),
    (
        "1234567.5: a\n0.00001: b\n123456.5: c\n",
        "{\"1.2345675e+06\":\"a\",\"123456.5\":\"c\",\"1e-05\":\"b\"}",
    ),
    (
        "a: !!str 123\nb: !!int \"3\"\nc: !!float 3\nd: !!bool \"yes\"\ne: !!null \"\"\n",
        "{\"a\":\"123\",\"b\":3,\"c\":3,\"d\":true,\"e\":null}",
    ),
    ("a: !!int x\n", "refused"),
    ("a: !!binary aGVsbG8=\n", "{\"a\":\"hello\"}"),
    ("a: !!binary '/w=='\n", "{\"a\":\"\\ufffd\"}"),
    ("a: !!binary '%'\n", "refused"),
    ("a: !custom 12\n", "{\"a\":\"12\"}"),
    ("a: ! 12\n", "{\"a\":\"12\"}"),
    ("a: !!timestamp 2024-01-01\n", "{\"a\":\"2024-01-01\"}"),
    ("a: !!map {b: 1}\nc: !!seq [1]\n", "{\"a\":{\"b\":1},\"c\":[1]}"),
    (
        "a: \"0755\"\nb: '0755'\nc: \"yes\"\n",
        "{\"a\":\"0755\",\"b\":\"0755\",\"c\":\"yes\"}",
    ),
    (
        "a: |\n  x\n   y\n\n  z\nb: >-\n  one\n  two\n\n  three\n",
        "{\"a\":\"x\\n y\\n\\nz\\n\",\"b\":\"one two\\nthree\"}",
    ),
    ("a: |2\n   x\n", "{\"a\":\" x\\n\"}"),
    ("a: |+\n  x\n\nb: 1\n", "{\"a\":\"x\\n\\n\",\"b\":1}"),
    (
        "a: word with spaces # comment\nb: a#b\n",
        "{\"a\":\"word with spaces\",\"b\":\"a#b\"}",
    ),
    ("a: multi\n  line\n", "{\"a\":\"multi line\"}"),
    (
        "base: &b {x: 1, y: 2}\nc:\n  <<: *b\n  y: 3\n",
        "{\"base\":{\"true\":2,\"x\":1},\"c\":{\"true\":3,\"x\":1}}",
    ),
    (
        "base: &b {x: 1, y: 2}\nc:\n  y: 3\n  <<: *b\n",
        "{\"base\":{\"true\":2,\"x\":1},\"c\":{\"true\":2,\"x\":1}}",
    ),
    (
        "a: &a {x: 1}\nb: &b {x: 2, z: 3}\nc: {<<: [*a, *b]}\n",
        "{\"a\":{\"x\":1},\"b\":{\"x\":2,\"z\":3},\"c\":{\"x\":1,\"z\":3}}",
    ),
    ("a: &a [1]\nb: {<<: *a}\n", "refused"),
    ("\"<<\": 1\n", "{\"\\u003c\\u003c\":1}"),
    ("<<: {a: 1}\nb: 2\n", "{\"a\":1,\"b\":2}"),
    ("a: &x foo\nb: *x\n", "{\"a\":\"foo\",\"b\":\"foo\"}"),
    ("a: *nope\n", "refused"),
    ("a: &a [*a]\n", "refused"),
    ("*x : 1\n", "refused"),
    ("a: &k key\n*k : v\n", "{\"a\":\"key\",\"key\":\"v\"}"),
    ("a: 1\n---\nb: 2\n", "{\"a\":1} | {\"b\":2}"),
    (
        "---\na: 1\n---\n---\n# only a comment\n---\nb: 2\n",
        "{\"a\":1} | {\"b\":2}",
    ),
    ("a: 1\n--- # comment\nb: 2\n", "{\"a\":1} | {\"b\":2}"),
    ("a: 1\n--- {b: 2}\n", "refused"),
    ("a: 1\n---x\nb: 2\n", "refused"),
    ("# nothing\n", ""),
    ("", ""),
    ("a: 1\r\n---\r\nb: 2\r\n", "{\"a\":1} | {\"b\":2}"),
    ("%YAML 1.1\n---\na: 1\n", "refused"),
    ("\u{feff}a: yes\n", "{\"a\":true}"),
    ("a:\n\t- 1\n", "refused"),
    ("\ta: 1\n", "refused"),
    ("a:\tb\n", "{\"a\":\"b\"}"),
    ("a: b\tc\n", "{\"a\":\"b\\tc\"}"),
    ("a: [\n\t1,\n\t2\n]\n", "{\"a\":[1,2]}"),
    ("a:\n- 1\n-  2\n- - 3\n", "{\"a\":[1,2,[3]]}"),
    ("a: [1, 2\n]\nb: {c: d\n}\n", "{\"a\":[1,2],\"b\":{\"c\":\"d\"}}"),
    ("a:\n  b: [\n  1\n  ]\n", "{\"a\":{\"b\":[1]}}"),
    ("a: \"x\n y\"\n", "{\"a\":\"x y\"}"),
    ("{\"a\": 1, \"b\": [true, null]}\n", "{\"a\": 1, \"b\": [true, null]}"),
    ("{\"a\": 1}\n{\"b\": 2}\n", "{\"a\": 1} | {\"b\": 2}"),
    ("{a: 1}\n", "{\"a\":1}"),
    ("{\"a\": \"\\ud83d\\ude00\"}\n", "{\"a\": \"\\ud83d\\ude00\"}"),
    ("{\"a\": 0755}\n", "{\"a\":493}"),
    ("{\"a\": 1.0, \"b\": 1e3}\n", "{\"a\": 1.0, \"b\": 1e3}"),
    ("{\n\t\"a\": 1\n}\n", "{ \t\"a\": 1 }"),
    ("[1, 2]\n", "[1,2]"),
    ("just text\n", "\"just text\""),
    ("42\n", "42"),
    ("a: b: c\n", "refused"),
    ("a: [1\n", "refused"),
    ("a: 'x\n", "refused"),
    ("a: @x\n", "refused"),
    ("a: `x`\n", "refused"),
    ("a: %x\n", "refused"),
    ("a: {{ x }}\n", "refused"),
    ("a: \"{{ x }}\"\n", "{\"a\":\"{{ x }}\"}"),
    ("? a\n: b\n", "{\"a\":\"b\"}"),
    ("? [a]\n: b\n", "refused"),
    ("? {a: 1}\n: b\n", "refused"),
    ("a:\n  - b\n c: 1\n", "refused"),
    ("- a\nb: 1\n", "refused"),
    ("a: 1\n b: 2\n", "refused"),
    ("a: !!str\nb: 'é ü 日'\n", "{\"a\":\"\",\"b\":\"é ü 日\"}"),
    ("é: 1\n", "{\"é\":1}"),
    ("a: x:y\nb: http://x:1\nc: -1-\nd: -\n", "refused"),
    ("a: -\n", "refused"),
    (
        "a: 1.2.3\nb: 1.2.3.4\nc: v1\n",
        "{\"a\":\"1.2.3\",\"b\":\"1.2.3.4\",\"c\":\"v1\"}",
    ),
    ("a: 100m\nb: 1Gi\nc: 0.5\n", "{\"a\":\"100m\",\"b\":\"1Gi\",\"c\":0.5}"),
    ("a: 10:00\n", "{\"a\":\"10:00\"}"),
    ("a: =\n", "{\"a\":\"=\"}"),
    ("a: <<\n", "{\"a\":\"\\u003c\\u003c\"}"),
    ("a: null\nb: 'null'\n", "{\"a\":null,\"b\":\"null\"}"),
];

#[test]
fn files_are_read_as_kubectl_reads_them() {
    for (text, expected) in AS_KUBECTL {
        let found = match parse(text) {
            Ok(file) => file.documents.iter().map(|node| node.json()).collect(),
            Err(_) => vec![Value::String("refused".to_owned())],
        };
        let expected: Vec<Value> = match *expected {
            "refused" => vec![Value::String("refused".to_owned())],
            documents => documents
                .split(" | ")
                .filter(|document| !document.is_empty())
                .map(|document| serde_json::from_str(document).expect("JSON"))
                .collect(),
        };
        assert_eq!(found, expected, "{text:?}");
    }
}

#[test]
fn everything_has_its_place() {
    let text = "---\n# ü\na: &x { b: [1, \"two\"] }\n---\nc: ü\nd: |\n  long\n  text\ne: 1\n";
    let file = parse(text).expect("valid");
    let place = |at: usize, pointer: &str| &text[file.documents[at].place_of(pointer)];
    assert_eq!(place(0, "/a/b/1"), "\"two\"");
    assert_eq!(place(0, "/a/b/7"), "[1, \"two\"]");
    assert_eq!(place(1, "/e"), "1");
    assert!(parse("defaultMode: 0755\n").expect("valid").surprises.is_empty());
    let text = "\u{feff}ä: yes\n";
    let surprise = &parse(text).expect("valid").surprises[0];
    assert_eq!(
        (&text[surprise.place.clone()], surprise.meaning.as_str()),
        ("yes", "true")
    );
}

#[test]
fn what_cannot_be_read_has_a_place_and_a_reason() {
    let mut bomb = String::from("a0: &a0 [x]\n");
    for at in 1..12 {
        let before = at - 1;
        let _ = writeln!(bomb, "a{at}: &a{at} [{}]", vec![format!("*a{before}"); 9].join(","));
    }
    let deep = format!("a: {}", "[".repeat(300));
    for (text, line, why) in [
        (
            "a: 1\n---\nb: 1\nb: 2\n",
            4,
            "`b` is there twice, with different values",
        ),
        (
            "{\"a\": 1,\n\"a\": 2}\n",
            2,
            "`a` is there twice, with different values",
        ),
        ("a:\n\tb: 1\n", 2, "cannot start any token"),
        ("# x\n---\na: [\n", 4, "did not find expected node content"),
        ("a: 1\n--- b\n", 2, "only a comment may follow `---`"),
        ("a: 1\n...\nb: 2\n", 3, "did not find expected <document start>"),
        ("a: *b\n", 1, "unknown anchor `b`"),
        ("a: &a [*a]\n", 1, "unknown anchor `a`"),
        ("~: 1\n", 1, "a key cannot be null"),
        ("a: .inf\n", 1, "JSON has no such number"),
        (bomb.as_str(), 7, "more than 400000 values"),
        (deep.as_str(), 1, "too deep"),
    ] {
        let broken = parse(text).expect_err(text);
        let found = text[..broken.place.start].matches('\n').count() + 1;
        assert!(broken.why.contains(why), "{text}: {}", broken.why);
        assert!(found.abs_diff(line) <= 1, "{text}: {broken:?}");
    }
    assert!(parse("a: {b: 1}\na: {b: 1}\n").is_ok(), "twice the same");
}
