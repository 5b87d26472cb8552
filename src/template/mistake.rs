//! Messages for mistakes in templates, with hints.

use std::ops::Range;

use minijinja::{Error, ErrorKind};

use super::limits::{LARGEST_TEXT, MOST_STEPS};
use super::slip::{Form, Slip};
use super::sorts::{Misfit, sign_of_test};
use crate::error::{Diagnostic, Origin, habits, suggestion};

/// The filters that exist.
const FILTERS: &[&str] = &[
    "abs",
    "attr",
    "b64decode",
    "b64encode",
    "batch",
    "bool",
    "capitalize",
    "certificate_not_after",
    "chain",
    "count",
    "default",
    "dictsort",
    "dotenv",
    "escape",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "lab_password",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "password_hash",
    "pprint",
    "quote",
    "regex_replace",
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
    "systemd_words",
    "title",
    "to_json",
    "to_toml",
    "to_yaml",
    "tojson",
    "trim",
    "unique",
    "upper",
    "zip",
];
/// Other names of the same filters.
const OTHER_FILTERS: &[&str] = &["d", "e"];
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
/// Other names of the same tests.
const OTHER_TESTS: &[&str] = &["int", "safe", "escaped"];
/// The functions that exist.
pub const FUNCTIONS: &[&str] = &[
    "env",
    "fail",
    "range",
    "dict",
    "namespace",
    "debug",
    "loop",
    "self",
    "super",
];

const LISTS: &str = "see the list of filters, tests and functions at https://docs.rs/minijinja/latest/minijinja/";
const SYNTAX: &str = "the syntax is described at https://docs.rs/minijinja/latest/minijinja/syntax/";

/// The mistake behind `error` of a template or a bare expression, at `origin`.
pub(super) fn mistake(error: &Error, origin: Option<&Origin>) -> Diagnostic {
    let what = error
        .detail()
        .map_or_else(|| error.kind().to_string(), ToOwned::to_owned);
    if let Some(misfit) = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Misfit>()) {
        return Diagnostic::new(&misfit.title)
            .at_maybe(origin, &misfit.label)
            .hint(misfit.hint);
    }
    let kind = match error.kind() {
        ErrorKind::OutOfFuel => {
            let label = format!("takes more than {} million steps", MOST_STEPS / 1_000_000);
            return Diagnostic::new("this template does not end in time")
                .at_maybe(origin, label)
                .hint("loop over less");
        }
        ErrorKind::WriteFailure => {
            let label = format!("makes more than {} MiB of text", LARGEST_TEXT >> 20);
            return Diagnostic::new("this template makes too much text")
                .at_maybe(origin, label)
                .hint("use large files as they are, with `files.put` and `src`");
        }
        ErrorKind::UnknownFilter => Word::Filter,
        ErrorKind::UnknownTest => Word::Test,
        ErrorKind::UnknownFunction => Word::Function,
        _ => {
            let (form, hint) = if what.contains("operator") && what.contains("sequence") {
                (
                    Form::Expression,
                    "write the one that is no list as a list, such as `[\"…\"]`",
                )
            } else if what.contains("operator") {
                (Form::Expression, "convert one of them with `| string` or `| int`")
            } else {
                (Form::Text, SYNTAX)
            };
            return Diagnostic::new(form.invalid()).at_maybe(origin, what).hint(hint);
        }
    };
    let name = what.split_whitespace().nth(1).unwrap_or_default();
    unknown(0..0, kind, name).shown(origin)
}

/// A word that templates can look up by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Filter,
    Test,
    Function,
}

impl Word {
    fn known(self) -> &'static [&'static str] {
        match self {
            Self::Filter => FILTERS,
            Self::Test => TESTS,
            Self::Function => FUNCTIONS,
        }
    }

    /// Whether there is one of this name, or of this other name.
    pub(super) fn has(self, name: &str) -> bool {
        let others = match self {
            Self::Filter => OTHER_FILTERS,
            Self::Test => OTHER_TESTS,
            Self::Function => &[],
        };
        let compares = self == Self::Test && sign_of_test(name).is_some();
        self.known().contains(&name) || others.contains(&name) || compares
    }
}

/// The mistake of a filter, test or function that does not exist.
pub(super) fn unknown(place: Range<usize>, kind: Word, name: &str) -> Slip {
    let known = kind.known();
    let foreign = match kind {
        Word::Filter => habits::filter(name),
        Word::Test => habits::test(name),
        Word::Function => habits::function(name),
    };
    let longer = known.iter().find(|one| one.len() > 3 && name.starts_with(**one));
    let hint = match (foreign, longer) {
        (Some(own), _) => own,
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) => suggestion(name, known.iter().copied()).unwrap_or_else(|| LISTS.to_owned()),
    };
    let word = match kind {
        Word::Filter => "filter",
        Word::Test => "test",
        Word::Function => "function",
    };
    Slip::new(
        place,
        format!("unknown {word} `{name}`"),
        "not available in templates",
        hint,
    )
}

/// The mistake of a source that does not parse: `what` is wrong at `place`.
pub(super) fn syntax_mistake(source: &str, form: Form, place: Range<usize>, what: &str) -> Slip {
    let place = whole_sign(source, place);
    let rest = source.get(place.start..).unwrap_or_default();
    let sign = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign));
    let (label, hint) = match sign {
        Some((sign, hint)) if what.starts_with("unexpected") => (format!("unexpected `{sign}`"), *hint),
        _ => (what.to_owned(), syntax_hint(what)),
    };
    Slip::new(place, form.invalid(), label, hint)
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

/// What to write instead of signs of other languages.
const SIGNS: &[(&str, &str)] = &[
    ("&&", "write `and`"),
    ("&", "write `and`"),
    ("!", "write `not`"),
    ("=", "use `==` to compare"),
    ("?", "write `a if condition else b`"),
    ("$", "write names without `$`"),
    (";", "write one expression, without `;`"),
    ("`", "write strings in quotes: `'…'`"),
    ("“", "write straight quotes: `'…'`"),
    ("”", "write straight quotes: `'…'`"),
    ("„", "write straight quotes: `'…'`"),
    ("‘", "write straight quotes: `'…'`"),
    ("’", "write straight quotes: `'…'`"),
    ("\u{a0}", "replace the no-break space with a space"),
    ("#", "write comments as `{# … #}`, outside of braces"),
    ("^", "write `**` for a power"),
    ("\\", "write backslashes only in strings"),
    ("@", "write names without `@`"),
];

fn syntax_hint(what: &str) -> &'static str {
    match what {
        _ if what.contains("unknown statement end") => "close the open block first: `{% if … %}` with `{% endif %}`",
        _ if what.contains("end of") => "close the open bracket, quote or block (with its `{% end… %}`)",
        _ if what.contains("after expression") => "write an operator between the two, such as `and` or `==`",
        _ => SYNTAX,
    }
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
