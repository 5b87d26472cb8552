use proptest::prelude::*;

use minijinja::machinery::{Token, ast};

use super::*;
use crate::template::tokens::Word;

/// The mistake of an expression, with the characters that it points at.
fn slip(source: &str) -> Option<(String, String)> {
    let slip = read(source, Form::Expression).err()?;
    Some((source[slip.place].to_owned(), slip.hint))
}

/// Expressions that are refused, the characters that are pointed at, and the hint.
const REFUSED: &[(&str, &str, &str)] = &[
    ("x && y", "&&", "write `and`"),
    ("'a' && y", "&&", "write `and`"),
    ("x == 'a' && y", "&&", "write `and`"),
    ("x & y", "&", "write `and`"),
    ("x || y", "||", "write `or`"),
    ("'a' || y", "||", "write `or`"),
    ("!x", "!", "write `not`"),
    ("'a' ! y", "!", "write `not`"),
    ("'a' !", "!", "write `not`"),
    ("x ? y : z", "?", "write `a if condition else b`"),
    ("'a' ? y : z", "?", "write `a if condition else b`"),
    ("'a'; x", ";", "write one expression, without `;`"),
    ("x;", ";", "write one expression, without `;`"),
    ("x = 'a'", "=", "use `==` to compare"),
    ("x === 'a'", "===", "use `==` to compare"),
    ("x !== 'a'", "!==", "use `!=` to compare"),
    ("x <> y", "<>", "use `!=` to compare"),
    ("x => y", "=>", "write `>=`"),
    ("x =< y", "=<", "write `<=`"),
    ("x := y", ":=", "use `==` to compare"),
    ("$x", "$", "write names without `$`"),
    ("'a' $x", "$", "write names without `$`"),
    ("x == “a”", "“", "write straight quotes: `'…'`"),
    ("x ==\u{a0}'a'", "\u{a0}", "replace the no-break space with a space"),
    ("'a' # why", "#", "write comments as `{# … #}`, outside of braces"),
    ("x # why", "#", "write comments as `{# … #}`, outside of braces"),
    ("'a' 'b'", "'b'", "join them with `~`, or write a comma between them"),
    ("['a' 'b']", "'b'", "join them with `~`, or write a comma between them"),
    ("x y", "y", "write an operator between the two, such as `and` or `==`"),
    ("'a' y", "y", "write an operator between the two, such as `and` or `==`"),
    ("1 2", "2", "write an operator between the two, such as `and` or `==`"),
    ("x)", ")", "write an operator between the two, such as `and` or `==`"),
    ("x is defined y", "defined", "write `and` or `or` behind `is defined`"),
    ("x is none 'a'", "none", "write `and` or `or` behind `is none`"),
    ("x is startingwith", "startingwith", "write `startingwith('…')`"),
    ("1. == x", "1.", "write `1.0`, or remove the dot"),
    (
        "x == 0644",
        "0644",
        "write `644`, or in quotes if it is a string: `'0644'`",
    ),
    ("x and or", "or", "write one on each side of `or`"),
    ("and", "and", "write one on each side of `and`"),
    ("x..y", "..", "write one dot between names"),
    ("x++", "++", "write `+ 1`"),
    (
        "false and x | nope",
        "nope",
        "see the list of filters, tests and functions at https://docs.rs/minijinja/latest/minijinja/",
    ),
    ("true or x is nope", "nope", "did you mean `none`?"),
    ("x if true else y | uppercase", "uppercase", "use `upper`"),
    (
        "false and x.startswith('a')",
        "startswith",
        "use the test: `name is startingwith('…')`",
    ),
    ("x | ternary('a', 'b')", "ternary", "write `a if condition else b`"),
    ("", "", "write one, such as `name == 'x'`, or remove the key"),
];

#[test]
fn what_is_no_expression_is_refused_at_its_place() {
    let wrong: Vec<String> = REFUSED
        .iter()
        .filter_map(|(source, word, hint)| {
            let told = slip(source);
            let expected = Some(((*word).to_owned(), (*hint).to_owned()));
            (told != expected).then(|| format!("{source}: {told:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The same, wherever expressions stand.
#[test]
fn what_is_no_expression_is_refused_in_templates_too() {
    const PLACES: &[&str] = &[
        "{{ HERE }}",
        "a {{ HERE }} b",
        "{{- HERE -}}",
        "{% if HERE %}x{% endif %}",
        "{% if a %}{% elif HERE %}x{% endif %}",
        "{% if false %}{{ HERE }}{% endif %}",
        "{% for x in HERE %}{% endfor %}",
        "{% for x in [] %}{{ HERE }}{% endfor %}",
        "{% for x in y if HERE %}{% endfor %}",
        "{% set x = HERE %}",
        "{% macro m() %}{{ HERE }}{% endmacro %}",
        "{% with x = HERE %}{% endwith %}",
        "{{ f(HERE) }}",
        "{{ [HERE] }}",
        "{{ {'a': HERE} }}",
    ];
    for place in PLACES {
        for (wrong, ..) in REFUSED.iter().filter(|(wrong, ..)| !wrong.is_empty()) {
            // `=` names an argument in brackets, `:` ends a key, `)` closes a bracket.
            let is_other = [" = ", " := ", ")", "?"].iter().any(|sign| wrong.contains(sign));
            if is_other && (place.contains("(HERE)") || place.contains(": HERE")) {
                continue;
            }
            let source = place.replace("HERE", wrong);
            let slip = read(&source, Form::Text).err();
            let slip = slip.unwrap_or_else(|| panic!("accepted: {source}"));
            assert!(source.get(slip.place.clone()).is_some(), "{source}: {:?}", slip.place);
        }
    }
}

#[test]
fn what_is_an_expression_is_accepted() {
    for source in [
        "x == 'a' and y != 'b' or not z",
        "'a' ~ 'b' ~ x",
        "x | default('a') | upper | replace('A', 'b')",
        "x is divisibleby 3 and y is startingwith 'a'",
        "x is not in ['a', 'b']",
        "x.y['z'][0].w[1:2]",
        "{'a': {'b': 1}}",
        "[1, 2.5, -3, 1_000, 0x1f, 0, 0.5]",
        "(1, 'a', none, true)",
        "a if b else c if d else e",
        "range(3) | list | length",
        "loop.cycle('a', 'b')",
        "x |\n upper",
        "facts.packages['python3-apt'] is not none",
    ] {
        assert_eq!(slip(source), None, "{source}");
    }
    for source in [
        "{% import 'a' as m %}{{ m.x('a') }}",
        "{% for x in y recursive %}{{ loop(x) }}{% else %}-{% endfor %}",
        "{%- if a -%} x {%- elif b == 'c' -%} y {%- else -%} z {%- endif -%}",
        "{% set x = 1, 2 %}{% set y %}a{% endset %}",
        "{% raw %}{{ ; }} ${#x}{% endraw %}",
        "{# && ; #}",
        "{% filter upper %}a{% endfilter %}",
        "{% block x %}{{ self.x() }}{{ super() }}{% endblock %}",
    ] {
        assert_eq!(read(source, Form::Text).err(), None, "{source}");
    }
}

#[test]
fn a_group_is_no_key_of_groups() {
    for (source, place) in [
        ("{{ groups['web'] }}", "groups['web']"),
        ("{% for one in groups.web | default([]) %}{% endfor %}", "groups.web"),
        ("{% if x in groups [ 'a-b' ] %}{% endif %}", "groups [ 'a-b' ]"),
    ] {
        let slip = read(source, Form::Text).expect_err(source);
        assert_eq!(&source[slip.place], place);
        assert!(slip.hint.contains(" in groups` asks"), "{}", slip.hint);
    }
    for source in [
        "{{ 'web' in groups }}{{ groups[0] }}{{ groups[x] }}{{ groups[1:] }}{{ x.groups.web }}",
        "{% for groups in x %}{{ groups.web }}{% endfor %}",
        "{% set groups = {'web': 1} %}{{ groups['web'] }}",
        "{% with groups = x %}{{ groups.web }}{% endwith %}",
        "{% macro m(groups) %}{{ groups.web }}{% endmacro %}",
        "{% import 'x' as groups %}{{ groups.web }}",
    ] {
        assert_eq!(read(source, Form::Text).err(), None, "{source}");
    }
}

#[test]
fn a_length_in_a_shell_is_not_the_start_of_a_comment() {
    let slip = read("echo ${#a} ${b#}", Form::Text).expect_err("refused");
    assert_eq!(
        (slip.place, slip.hint.as_str()),
        (6..8, "write `{{ '{#' }}` instead of `{#`")
    );
}

/// The words of an expression as its tree holds them, in any order.
fn kept(expression: &ast::Expr<'_>, found: &mut Vec<String>) {
    for part in tree::parts(expression) {
        kept(part, found);
    }
    match expression {
        ast::Expr::Var(name) => found.push(name.id.to_owned()),
        ast::Expr::Const(one) => found.push(match one.value.as_str() {
            Some(text) => format!("{text:?}"),
            None => one.value.to_string().to_lowercase(),
        }),
        ast::Expr::GetAttr(attribute) => found.push(attribute.name.to_owned()),
        ast::Expr::Filter(filter) => found.push(filter.name.to_owned()),
        ast::Expr::Test(test) => found.push(test.name.to_owned()),
        ast::Expr::Call(call) => {
            for argument in &call.args {
                if let ast::CallArg::Kwarg(name, _) = argument {
                    found.push((*name).to_owned());
                }
            }
        }
        _ => {}
    }
}

/// The names, strings and numbers of a source.
fn written(words: &[Word<'_>]) -> Vec<String> {
    const OPERATORS: &[&str] = &["and", "or", "not", "in", "is", "if", "else"];
    const VALUES: &[(&str, &str)] = &[
        ("true", "true"),
        ("True", "true"),
        ("false", "false"),
        ("False", "false"),
        ("none", "none"),
        ("None", "none"),
    ];
    let of = |(at, word): (usize, &Word<'_>)| {
        let is_attribute = at > 0 && matches!(words[at - 1].token, Token::Dot);
        Some(match &word.token {
            Token::Ident(name) if OPERATORS.contains(name) && !is_attribute => return None,
            Token::Ident(name) => {
                let value = VALUES.iter().find(|(written, _)| written == name && !is_attribute);
                value.map_or(*name, |(_, value)| value).to_owned()
            }
            Token::Str(text) => format!("{text:?}"),
            Token::String(text) => format!("{text:?}"),
            Token::Int(number) => number.to_string(),
            Token::Float(number) => minijinja::Value::from(*number).to_string().to_lowercase(),
            _ => return None,
        })
    };
    words.iter().enumerate().filter_map(of).collect()
}

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a", "b", "facts", "item", "'s'", "\"t\"", "1", "2.5", "0", "true", "none", "and", "or", "not", "in", "is",
        "if", "else", "defined", "upper", "default", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "//", "%",
        "**", "~", "|", ".", ",", ":", "=", "(", ")", "[", "]", "{", "}", "&&", "||", "&", "!", "?", ";", "$", "#",
        "@", "^", "`", "\\", "'", "\"", "}}", "{{", "%}", "{%", "{#", "#}", "ä", "\u{a0}", "“",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    /// An expression is refused at a place in it, or all its words are in its tree.
    #[test]
    fn nothing_that_is_written_is_dropped(parts in prop::collection::vec((word(), prop::sample::select(vec!["", " "])), 1..9)) {
        let source: String = parts.iter().flat_map(|(word, space)| [*word, *space]).collect();
        match read(&source, Form::Expression) {
            Err(slip) => prop_assert!(source.get(slip.place.clone()).is_some(), "{}: {:?}", source, slip.place),
            Ok(reading) => {
                let words = words(&source, Form::Expression).expect("read before");
                let Some((Tree::Expression(tree), _)) = tree_of(&source, Form::Expression) else {
                    return Err(TestCaseError::fail(format!("{source}: no tree")));
                };
                let (mut kept_words, mut written_words) = (Vec::new(), written(&words));
                kept(&tree, &mut kept_words);
                kept_words.sort();
                written_words.sort();
                prop_assert_eq!(kept_words, written_words, "{}", source);
                let compiled = crate::template::environment().compile_expression_owned(reading.code.clone()).map(|_| ());
                prop_assert!(compiled.is_ok(), "{}: {}", source, reading.code);
            }
        }
        // In a template, the same holds, and nothing panics.
        let text = format!("x {{{{ {source} }}}} y");
        if let Ok(reading) = read(&text, Form::Text) {
            let compiled = crate::template::environment().template_from_str(&reading.code).map(|_| ());
            prop_assert!(compiled.is_ok(), "{}: {}", text, reading.code);
        } else if let Err(slip) = read(&text, Form::Text) {
            prop_assert!(text.get(slip.place.clone()).is_some(), "{}: {:?}", text, slip.place);
        }
    }
}
