use std::process::Command;

use super::*;
use crate::error::habits;
use crate::template::environment;
use crate::template::mistake::{Word, unknown};
use crate::template::sorts::Misfit;

fn data() -> Value {
    let json: Json = serde_json::from_str(
        r#"{
            "word": "it's <b> & \"$HOME\" \\ 100%",
            "number": 8080,
            "half": 0.5,
            "truth": true,
            "words": ["/bin/a", "b c", "$d", "100%"],
            "table": {"b": [1, {"c": "x", "d": []}], "a": {"yes": "no", "t": "1e3", "k": null}, "e": {}},
            "settings": {"port": 8080, "name": "a b", "on": true, "nested": {"list": ["x", 1.5]}}
        }"#,
    )
    .expect("JSON");
    serde::Deserialize::deserialize(json).expect("a value")
}

fn render(template: &str) -> Result<String, Error> {
    environment().render_str(template, data())
}

fn mistake(template: &str) -> (String, String) {
    let error = render(template).expect_err(template);
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<Misfit>());
    let misfit = source.unwrap_or_else(|| panic!("{template}: {error:?}"));
    (misfit.title.clone(), misfit.hint.to_owned())
}

#[test]
fn values_are_written_as_other_programs_read_them() {
    for (template, expected) in [
        ("{{ 'hällo' | b64encode }}", "aMOkbGxv"),
        ("{{ number | b64encode }}", "ODA4MA=="),
        ("{{ 'aMOk\nbGxv\n' | b64decode }}", "hällo"),
        ("{{ word | b64encode | b64decode == word }}", "True"),
        ("{{ word | to_json }}", r#""it's <b> & \"$HOME\" \\ 100%""#),
        ("{{ settings.nested | to_json }}", r#"{"list":["x",1.5]}"#),
        (
            "{{ settings.nested | to_json(indent=2) }}",
            "{\n  \"list\": [\n    \"x\",\n    1.5\n  ]\n}",
        ),
        ("{{ none | to_json }} {{ truth | to_json }}", "null true"),
        (
            "{{ table | to_yaml }}",
            "b:\n  - 1\n  - c: x\n    d: []\na:\n  \"yes\": \"no\"\n  t: \"1e3\"\n  k: null\ne: {}",
        ),
        ("{{ [[1], ['-a']] | to_yaml }}", "-\n  - 1\n-\n  - \"-a\""),
        ("{{ [{'a': [{'b': 1}]}] | to_yaml }}", "- a:\n    - b: 1"),
        (
            "{{ {'k'*1001: 1, 'l'*1001: {'a': [1]}, 'b': 2} | to_yaml | replace('k'*1001, 'K') | replace('l'*1001, 'L') }}",
            "? K\n: 1\n? L\n:\n  a:\n    - 1\nb: 2",
        ),
        (
            "{{ [{'a b'*400: 1, 'c': 2}] | to_yaml | replace('a b'*400, 'K') }}",
            "- ? \"K\"\n  : 1\n  c: 2",
        ),
        ("{{ 'a: b' | to_yaml }}", "\"a: b\""),
        ("{{ 1e20 | to_yaml }} {{ 0.5e-9 | to_yaml }}", "1.0e+20 5.0e-10"),
        (
            "{{ settings | to_toml }}",
            "port = 8080\nname = \"a b\"\non = true\n\n[nested]\nlist = [\"x\", 1.5]",
        ),
        ("{{ words | systemd_words }}", "\"/bin/a\" \"b c\" \"$$d\" \"100%%\""),
        ("{{ 'a\"b' | systemd_words }}", "\"a\\\"b\""),
        (
            "{{ 'web-01.lan' | regex_replace('-(\\d+)\\.', '/\\\\1/') }}",
            "web/01/lan",
        ),
        (
            "{{ 'ab' | regex_replace('(?P<x>a)(b)', '\\\\2\\g<x>$1\\\\\\\\') }}",
            "ba$1\\",
        ),
        (
            "{{ 'A\nb' | regex_replace('^[AB]', '.', ignorecase=true, multiline=true) }}",
            ".\n.",
        ),
        ("{{ ['a1', 'b2'] | map('regex_replace', '\\d', '') | join }}", "ab"),
    ] {
        assert_eq!(render(template).expect(template), expected, "{template}");
    }
}

#[test]
fn what_a_filter_cannot_take_is_named() {
    for (template, title, hint) in [
        ("{{ words | b64encode }}", "`b64encode` cannot take a list", "to_json"),
        ("{{ 'x' | b64decode }}", "`b64decode`: this is not Base64", "base64"),
        (
            "{{ '/w==' | b64decode }}",
            "`b64decode`: the result is not text",
            "files.put",
        ),
        ("{{ words | to_toml }}", "`to_toml` takes a table", "to_json"),
        ("{{ {'a': none} | to_toml }}", "`to_toml`: TOML has no `none`", "leave"),
        (
            "{{ table | systemd_words }}",
            "`systemd_words` cannot take a table",
            "list",
        ),
        (
            "{{ 'a' | regex_replace('(', 'b') }}",
            "`(` is not a valid regular expression",
            "regex",
        ),
        (
            "{{ 'a' | regex_replace('a', '\\\\1') }}",
            "`regex_replace`: the expression has no group `1`",
            "parentheses",
        ),
        (
            "{{ 'a' | regex_replace('(a)', '\\1') }}",
            "`regex_replace`: a backslash before a digit or `b` must be written twice",
            "first group",
        ),
        (
            "{{ 'a' | regex_replace('\\bx', '') }}",
            "`regex_replace`: a backslash before a digit or `b` must be written twice",
            "edge",
        ),
        (
            "{{ {'a b': 1} | dotenv }}",
            "`dotenv`: `a b` is not a valid name of a variable",
            "rename",
        ),
        (
            "{{ \"`'\" | dotenv }}",
            "`dotenv`: the value has a backtick beside a quote or backslash",
            "file",
        ),
        ("{{ words | dotenv }}", "`dotenv` cannot take a list", "table"),
        ("{{ table.a.k | dotenv }}", "`dotenv` cannot take `none`", "string"),
    ] {
        let (found, said) = mistake(template);
        assert_eq!(found, title, "{template}");
        assert!(said.contains(hint), "{template}: {said}");
    }
    for template in [
        "{{ nope | to_json }}",
        "{{ [nope] | to_yaml }}",
        "{{ nope | b64encode }}",
        "{{ [nope] | systemd_words }}",
    ] {
        assert_eq!(
            render(template).expect_err(template).kind(),
            ErrorKind::UndefinedError,
            "{template}"
        );
    }
}

#[test]
fn a_shell_reads_back_what_dotenv_writes() {
    for value in [
        "",
        "plain/1:2",
        "a b",
        "#x",
        "$HOME `id`",
        "it's",
        "a\\",
        "two\nlines",
        "\"q\" $x 'y' \\n",
        "ä=é",
    ] {
        let context = minijinja::context! { table => minijinja::context! { V => value } };
        let file = environment().render_str("{{ table | dotenv }}", context).expect(value);
        let script = format!("{file}\nprintf %s \"$V\"");
        let output = Command::new("sh").arg("-c").arg(&script).output().expect("sh runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), value, "{file}");
    }
    assert_eq!(
        render("{{ {'A': 1, 'B_2': true, 'C': 'x y'} | dotenv }}").expect("text"),
        "A=1\nB_2=true\nC='x y'"
    );
}

/// The filters of ansible-core, of Jinja, and some that its collections add.
const OF_ANSIBLE: &str = "b64decode b64encode basename bool checksum combinations combine comment commonpath dict2items difference \
    dirname expanduser expandvars extract fileglob flatten from_json from_yaml from_yaml_all hash human_readable human_to_bytes \
    intersect items2dict log mandatory md5 normpath password_hash path_join permutations pow product quote random realpath \
    regex_escape regex_findall regex_replace regex_search rekey_on_member relpath root sha1 shuffle split splitext strftime \
    subelements symmetric_difference ternary to_datetime to_json to_nice_json to_nice_yaml to_uuid to_yaml type_debug undef union \
    unique unvault urldecode urlsplit vault win_basename win_dirname win_splitdrive zip zip_longest ipaddr ipv4 json_query to_ini \
    random_mac abs attr batch capitalize center default dictsort escape filesizeformat first float forceescape format groupby \
    indent int items join last length list lower map max min pprint reject rejectattr replace reverse round safe select selectattr \
    slice sort string striptags sum title tojson trim truncate upper urlencode urlize wordcount wordwrap xmlattr";

#[test]
fn every_filter_of_ansible_is_there_or_has_an_answer() {
    for name in OF_ANSIBLE.split_whitespace() {
        let is_there = Word::Filter.has(name);
        assert_ne!(is_there, habits::filter(name).is_some(), "{name}");
        if !is_there {
            let hint = unknown(0..0, Word::Filter, name).hint;
            assert!(!hint.contains("docs.rs"), "{name}: {hint}");
        }
    }
}

#[test]
fn the_end_of_a_certificate_is_a_number_of_seconds() {
    let certificate = |seconds: i64| {
        let mut wish = rcgen::CertificateParams::default();
        wish.not_after = time::OffsetDateTime::from_unix_timestamp(seconds).expect("a time");
        let key = rcgen::KeyPair::generate().expect("a key");
        wish.self_signed(&key).expect("a certificate").pem()
    };
    let (late, early) = (certificate(2_000_000_001), certificate(2_000_000_000));
    let both = format!("{late}{early}");
    for (text, end) in [(&late, "2000000001"), (&early, "2000000000"), (&both, "2000000000")] {
        let rendered =
            environment().render_str("{{ pem | certificate_not_after }}", minijinja::context! { pem => text });
        assert_eq!(rendered.expect("a certificate"), end);
    }
    // A caller could take one that is cut off for one that never expires.
    for text in [
        "",
        "x",
        &late[..late.len() / 2],
        &format!("{early}{}", &late[..late.len() / 2]),
    ] {
        let rendered =
            environment().render_str("{{ pem | certificate_not_after }}", minijinja::context! { pem => text });
        let error = rendered.expect_err(text);
        assert!(
            format!("{error:?}").contains("this is not a certificate"),
            "{text}: {error:?}"
        );
    }
}
