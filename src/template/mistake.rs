//! Messages for mistakes in templates, with hints.

use std::ops::Range;

use minijinja::{Error, ErrorKind};

use crate::error::{Diagnostic, Origin, suggestion};

/// The filters that exist.
const FILTERS: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "default",
    "dictsort",
    "escape",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "zip",
];
/// The tests that exist, as in `name is defined`.
const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "even",
    "false",
    "filter",
    "float",
    "in",
    "integer",
    "iterable",
    "lower",
    "mapping",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];
/// minijinja's own functions.
pub const FUNCTIONS: &[&str] = &["range", "dict", "namespace", "debug", "loop", "self", "super"];

const LISTS: &str = "see the list of filters, tests and functions at https://docs.rs/minijinja/latest/minijinja/";
const SYNTAX: &str = "the syntax is described at https://docs.rs/minijinja/latest/minijinja/syntax/";

/// The mistake behind `error` of a template or a bare expression; `place` is where it is in `source`.
pub(super) fn mistake(error: &Error, source: &str, place: &Range<usize>, origin: Option<&Origin>) -> Diagnostic {
    if source.trim().is_empty() {
        return Diagnostic::new("empty expression")
            .at_maybe(origin, "this is empty")
            .hint("write one, such as `name == 'x'`, or remove the key");
    }
    let what = error
        .detail()
        .map_or_else(|| error.kind().to_string(), ToOwned::to_owned);
    let (kind, known) = match error.kind() {
        ErrorKind::UnknownFilter => ("filter", FILTERS),
        ErrorKind::UnknownTest => ("test", TESTS),
        ErrorKind::UnknownFunction => ("function", FUNCTIONS),
        _ => {
            let hint = syntax_hint(source, place, &what);
            return Diagnostic::new("invalid template").at_maybe(origin, what).hint(hint);
        }
    };
    let name = what.split_whitespace().nth(1).unwrap_or_default();
    let longer = known.iter().find(|one| one.len() > 3 && name.starts_with(**one));
    let hint = match longer {
        Some(near) => format!("did you mean `{near}`?"),
        None => suggestion(name, known.iter().copied()).unwrap_or_else(|| LISTS.to_owned()),
    };
    Diagnostic::new(format!("unknown {kind} `{name}`"))
        .at_maybe(origin, "not available in templates")
        .hint(hint)
}

/// The characters at `place` and equal ones after them: an error at `&&` points only at the first.
pub(super) fn whole_sign(source: &str, place: Range<usize>) -> Range<usize> {
    let excerpt = source.get(place.clone()).unwrap_or_default();
    let Some(sign) = excerpt.chars().next().filter(|sign| "&|=!".contains(*sign)) else {
        return place;
    };
    let rest = source.get(place.end..).unwrap_or_default();
    let more = rest.len() - rest.trim_start_matches(sign).len();
    place.start..place.end + more
}

/// The block that is still open at the end of a template, if that is the mistake.
pub(super) fn open_block(source: &str, error: &Error) -> Option<Range<usize>> {
    const OPENING: &[&str] = &[
        "if",
        "for",
        "block",
        "macro",
        "filter",
        "with",
        "raw",
        "call",
        "autoescape",
    ];
    if !error.detail().is_some_and(|detail| detail.contains("end of input")) {
        return None;
    }
    let mut open = Vec::new();
    let mut at = 0;
    while let Some(found) = source[at..].find("{%") {
        let start = at + found;
        let length = source[start..].find("%}").map_or(source.len() - start, |end| end + 2);
        let inner = source[start + 2..start + length]
            .trim_start_matches(['-', '+'])
            .trim_start();
        let verb = inner
            .split(|character: char| !character.is_alphanumeric())
            .next()
            .unwrap_or_default();
        if verb.starts_with("end") {
            open.pop();
        } else if OPENING.contains(&verb) {
            open.push(start..start + length);
        }
        at = start + length;
    }
    open.pop()
}

fn syntax_hint(source: &str, place: &Range<usize>, what: &str) -> String {
    let rest = source.get(place.start..).unwrap_or_default();
    let hint = match rest.as_bytes() {
        [b'&', ..] => "write `and`",
        [b'|', b'|', ..] => "write `or`",
        [b'!', ..] => "write `not`",
        [b'=', ..] => "use `==` to compare",
        [b'?', ..] => "write `a if condition else b`",
        [b'$', ..] => "write names without `$`",
        _ if what.contains("operator") => "convert one of them with `| string` or `| int`",
        _ if what.contains("unknown statement end") => "close the open block first: `{% if … %}` with `{% endif %}`",
        _ if what.contains("end of") => "close the open bracket, quote or block (with its `{% end… %}`)",
        _ => SYNTAX,
    };
    hint.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::environment;

    #[test]
    fn the_filters_and_tests_are_those_that_there_are() {
        let kind = |template: String| {
            let rendered = environment().render_str(&template, ());
            rendered.err().map(|error| error.kind())
        };
        for filter in FILTERS {
            let kind = kind(format!("{{{{ 1 | {filter} }}}}"));
            assert_ne!(kind, Some(ErrorKind::UnknownFilter), "{filter}");
        }
        for test in TESTS {
            let kind = kind(format!("{{{{ 1 is {test} }}}}"));
            assert_ne!(kind, Some(ErrorKind::UnknownTest), "{test}");
        }
        assert_eq!(kind("{{ 1 | nope }}".to_owned()), Some(ErrorKind::UnknownFilter));
        assert_eq!(kind("{{ 1 is nope }}".to_owned()), Some(ErrorKind::UnknownTest));
    }
}
