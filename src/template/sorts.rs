//! Types of values, and which of them can be compared.

use std::fmt;

use minijinja::Value;
use minijinja::value::ValueKind;

/// A comparison of values that cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) title: String,
    pub(super) label: String,
    pub(super) hint: &'static str,
}

impl fmt::Display for Misfit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.title)
    }
}

impl std::error::Error for Misfit {}

/// The type of a value, as far as comparisons are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Text,
    Number,
    Truth,
    List,
    Table,
    None,
}

impl Sort {
    pub(super) fn of(value: &Value) -> Option<Self> {
        Some(match value.kind() {
            ValueKind::String => Self::Text,
            ValueKind::Number => Self::Number,
            ValueKind::Bool => Self::Truth,
            ValueKind::Seq | ValueKind::Iterable => Self::List,
            ValueKind::Map => Self::Table,
            ValueKind::None => Self::None,
            _ => return None,
        })
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Number => "a number",
            Self::Truth => "true or false",
            Self::List => "a list",
            Self::Table => "a table",
            Self::None => "`none`",
        }
    }
}

/// Tests that compare, as in `name is eq 'x'`, by the sign that does the same.
pub(super) const COMPARING_TESTS: &[(&str, &[&str])] = &[
    ("==", &["eq", "equalto", "=="]),
    ("!=", &["ne", "!="]),
    ("<", &["lt", "lessthan", "<"]),
    ("<=", &["le", "<="]),
    (">", &["gt", "greaterthan", ">"]),
    (">=", &["ge", ">="]),
    ("in", &["in"]),
];

/// The sign that does the same as the test `name`.
pub(super) fn sign_of_test(name: &str) -> Option<&'static str> {
    let found = COMPARING_TESTS.iter().find(|(_, names)| names.contains(&name));
    found.map(|(sign, _)| *sign)
}

const AS_NUMBER: &str = "write the number in quotes, or turn the string into a number with `| int`";
const SAME: &str = "compare values of one type";

/// Why values of these types cannot be compared; `None` if they can.
pub(super) fn misfit(sign: &str, left: Sort, right: Sort) -> Option<Misfit> {
    let has = |one: Sort, other: Sort| (left, right) == (one, other) || (left, right) == (other, one);
    let of_types = |hint| {
        let subject = if sign.ends_with("in") {
            format!("`{sign}` cannot find {} in {}", left.words(), right.words())
        } else {
            format!("cannot compare {} with {}", left.words(), right.words())
        };
        Some(Misfit {
            title: subject,
            label: format!("the left side is {}, the right side is {}", left.words(), right.words()),
            hint,
        })
    };
    match sign {
        "in" | "not in" => match right {
            Sort::List => None,
            Sort::Text | Sort::Table if left == Sort::Text => None,
            Sort::Text if left == Sort::Number => of_types("write the number in quotes, or `| string` behind it"),
            Sort::Text | Sort::Table => of_types("the left side must be a string"),
            _ => of_types("the right side must be a list, a string or a table"),
        },
        "==" | "!=" if left == Sort::None || right == Sort::None || left == right => None,
        "==" | "!=" if has(Sort::Truth, Sort::Text) => of_types("write `true` or `false` without quotes"),
        _ if has(Sort::Text, Sort::Number) => of_types(AS_NUMBER),
        "==" | "!=" if left == Sort::List || right == Sort::List => of_types("use `in` to look for a value in a list"),
        "==" | "!=" => of_types(SAME),
        _ if left != right => of_types(SAME),
        _ => match left {
            Sort::Text | Sort::Number | Sort::Truth | Sort::List => None,
            Sort::Table | Sort::None => of_types("only numbers and strings have an order"),
        },
    }
}

/// What to write for `text` in a comparison with a value of the type `other`, if quotes are the mistake.
pub(super) fn without_quotes(text: &str, other: Sort) -> Option<String> {
    let is_number = other == Sort::Number && text.parse::<f64>().is_ok() && !text.contains(char::is_alphabetic);
    is_number.then(|| format!("write the number without quotes: `{text}`"))
}

/// The mistake of a value that no item of a list can be equal to.
pub(super) fn not_among(sign: &str, left: Sort, items: Sort) -> Misfit {
    let hint = match (left, items) {
        (Sort::Text, Sort::Number) | (Sort::Number, Sort::Text) => AS_NUMBER,
        _ => SAME,
    };
    Misfit {
        title: format!("`{sign}` cannot find {} in a list without one", left.words()),
        label: format!("the left side is {}, the items are not", left.words()),
        hint,
    }
}

/// The mistake of two numbers that are written as strings: `'13' < '9'` is true.
pub(super) fn numbers_in_strings(sign: &str, left: &str, right: &str) -> Option<Misfit> {
    let is_number = |text: &str| {
        let mut parts = text.split('.');
        parts.all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let is_order = ["<", "<=", ">", ">="].contains(&sign);
    (is_order && is_number(left) && is_number(right)).then(|| Misfit {
        title: "numbers in strings have no order".to_owned(),
        label: "strings are compared letter by letter".to_owned(),
        hint: "turn both into numbers: `| int` or `| float`",
    })
}
