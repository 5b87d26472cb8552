use super::*;
use crate::template::environment;
use crate::template::slip::Form;
use crate::template::syntax::read;

fn code(source: &str, form: Form) -> String {
    read(source, form).expect("valid").code
}

/// The value of an expression, and of the same one as minijinja itself compiles it.
fn both(source: &str) -> (String, String) {
    let strict = environment();
    let code = code(source, Form::Expression);
    let context = || minijinja::context! { a => 1, b => 2, s => "x", t => "xy", l => ["x", "y"], m => minijinja::context! { x => 1 } };
    let shown = |text: &str| {
        let result = strict.compile_expression(text).and_then(|one| one.eval(context()));
        result.map_or_else(|error| error.to_string(), |value| value.to_string())
    };
    (shown(&code), shown(source))
}

#[test]
fn comparisons_become_tests_and_nothing_else_changes() {
    assert_eq!(code("a == b", Form::Expression), "((a ) is _compared('==', ( b)))");
    assert_eq!(
        code("{% for x in l if x == s %}{{ x }}{% endfor %}", Form::Text),
        "{% for x in l if ((x ) is _compared('==', ( s))) %}{{ x }}{% endfor %}"
    );
    for same in [
        "{% for a, b in m | items %}{{ a }}{% endfor %}",
        "{{ a is in l }}{{ a is not in(l) }}",
        "a == b",
        "{# a == b #}",
        "{% raw %}{{ a == b }}{% endraw %}",
        "{{ m.in }}{{ '==' }}",
    ] {
        assert_eq!(code(same, Form::Text), same);
    }
}

#[test]
fn strict_comparisons_have_the_same_results() {
    for source in [
        "a == 1",
        "a == b",
        "a != b and not a == b",
        "not a == b",
        "a < b <= 2",
        "a < b < 2",
        "1 < a < b",
        "s in l",
        "s not in l",
        "not s in l",
        "s in t",
        "'x' in m",
        "'z' in m",
        "(a == b) == (b == a)",
        "[a == b, a < b]",
        "{'k': a == b}",
        "m['x' if a == b else 'x'] == 1",
        "a + 1 == b * 1",
        "-a == -1",
        "a == b if a < b else a > b",
        "l | length == b",
        "l | map('upper') | list == ['X', 'Y']",
        "l[0] == s",
        "l[0 if a == b else 1] == 'y'",
        "a is defined == true",
        "a is not none",
        "none == none",
        "a == none",
        "s ~ 'y' == t",
        "l | select('==', 'x') | list",
        "l | selectattr('z', 'undefined') | list",
        "range(a == 1 and 3 or 2) | list",
        "dict(k=a == 1).k",
    ] {
        let (ours, theirs) = both(source);
        assert_eq!(ours, theirs, "{source}");
    }
}

#[test]
fn values_of_different_types_are_not_compared() {
    for source in [
        "a == '1'",
        "'1' == a",
        "a != s",
        "a < s",
        "s >= a",
        "a == true",
        "s == true",
        "l == s",
        "m == s",
        "l == 2",
        "a in l",
        "a not in l",
        "a in s",
        "a in m",
        "s in a",
        "none < a",
        "m < m",
        "'13' < '9'",
        "'1.10' > '1.9'",
        "a < b < s",
        "l | select('==', 1) | list",
        "l | select('in', [1]) | list",
        "a is eq s",
        "a is in l",
    ] {
        let error = environment()
            .compile_expression(&code(source, Form::Expression))
            .and_then(|one| {
                one.eval(minijinja::context! { a => 1, b => 2, s => "x", l => ["x", "y"], m => minijinja::context! { x => 1 } })
            })
            .and_then(|value| value.try_iter().map(Iterator::count));
        let error = error.expect_err(source);
        let mut inner: &dyn std::error::Error = &error;
        while let Some(below) = inner.source() {
            inner = below;
        }
        assert!(inner.downcast_ref::<Misfit>().is_some(), "{source}: {error}");
    }
}

#[test]
fn places_lead_back_to_the_source() {
    let source = "b < 3 and nope.x == b";
    let reading = read(source, Form::Expression).expect("valid");
    let strict = environment();
    let error = strict
        .compile_expression(&reading.code)
        .expect("compiles")
        .eval(minijinja::context! { b => 2 })
        .expect_err("undefined");
    let place = reading.place(&error).expect("a place");
    assert!(
        source[place.clone()].starts_with("nope") || &source[place.clone()] == ".x",
        "{place:?}"
    );
    let source = "b < 3 and m.nope == b";
    let reading = read(source, Form::Expression).expect("valid");
    let error = strict
        .compile_expression(&reading.code)
        .expect("compiles")
        .eval(minijinja::context! { b => 2, m => minijinja::context! { x => 1 } })
        .expect_err("undefined");
    assert_eq!(&source[reading.place(&error).expect("a place")], "m.nope ");
}
