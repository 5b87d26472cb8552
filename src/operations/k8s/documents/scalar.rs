//! What words of YAML 1.1 mean to kubectl: `yes` is true, `0755` is a number.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde_json::{Number, Value};

/// How the tags begin that every YAML parser knows.
const CORE: &str = "tag:yaml.org,2002:";

static FLOAT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$").expect("a valid pattern"));

/// What a word is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word {
    Null,
    Bool(bool),
    Integer(Number),
    Float(f64),
    Text(String),
}

/// The value of a scalar with its tag, if it has one. `is_plain` says that it is written without quotes.
///
/// Errors: the tag does not fit the text.
pub(super) fn resolve(tag: Option<&str>, text: &str, is_plain: bool) -> Result<Word, String> {
    let core = tag.and_then(|tag| tag.strip_prefix(CORE));
    match (tag, core) {
        (None, _) if !is_plain => Ok(Word::Text(text.to_owned())),
        (None, _) => Ok(plain(text)),
        (_, Some("binary")) => {
            let packed: String = text.chars().filter(|one| !"\r\n".contains(*one)).collect();
            let bytes = STANDARD.decode(packed).map_err(|_| "this is not Base64".to_owned())?;
            Ok(Word::Text(String::from_utf8_lossy(&bytes).into_owned()))
        }
        (_, Some(name @ ("bool" | "int" | "float" | "null"))) => {
            let word = plain(text);
            match (name, &word) {
                ("bool", Word::Bool(_))
                | ("int", Word::Integer(_))
                | ("float", Word::Float(_))
                | ("null", Word::Null) => Ok(word),
                ("float", Word::Integer(number)) => Ok(Word::Float(number.as_f64().unwrap_or_default())),
                _ => Err(format!("`{text}` does not fit the tag `!!{name}`")),
            }
        }
        // Any other one leaves the text as it is.
        _ => Ok(Word::Text(text.to_owned())),
    }
}

/// A word without quotes.
fn plain(text: &str) -> Word {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Word::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Word::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Word::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Word::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Word::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Word::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let is_number = text.starts_with(|one: char| one.is_ascii_digit() || "+-.".contains(one));
    if !is_number {
        return Word::Text(text.to_owned());
    }
    let dense = if text.starts_with('.') {
        text.to_owned()
    } else {
        text.replace('_', "")
    };
    let number = integer(&dense).map(Word::Integer);
    let number = number.or_else(|| {
        let float: f64 = FLOAT.is_match(&dense).then(|| dense.parse().ok())??;
        float.is_finite().then_some(Word::Float(float))
    });
    number.unwrap_or_else(|| Word::Text(text.to_owned()))
}

/// A whole number in any base: `0x1f`, `0b11`, `0o17`, and with only a zero before it as octal.
fn integer(text: &str) -> Option<Number> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let is_signed = digits.len() < text.len();
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', _, ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    // A second sign is none.
    if !digits.chars().all(|one| one.is_ascii_alphanumeric()) {
        return None;
    }
    let signed = i64::from_str_radix(&format!("{sign}{digits}"), radix).ok();
    signed.map(Number::from).or_else(|| {
        let unsigned = u64::from_str_radix(digits, radix).ok().filter(|_| !is_signed)?;
        Some(Number::from(unsigned))
    })
}

impl Word {
    /// As JSON.
    ///
    /// Errors: JSON has no such number.
    pub(super) fn json(self) -> Result<Value, String> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(truth) => Value::Bool(truth),
            Self::Integer(number) => Value::Number(number),
            Self::Float(float) => Value::Number(number(float)?),
            Self::Text(text) => Value::String(text),
        })
    }

    /// As the key of a table.
    ///
    /// Errors: kubectl takes no such key.
    pub(super) fn key(self) -> Result<String, String> {
        Ok(match self {
            Self::Null => return Err("a key cannot be null".to_owned()),
            Self::Bool(truth) => truth.to_string(),
            Self::Integer(number) if number.is_i64() => number.to_string(),
            Self::Integer(_) => return Err("a key cannot be so large a number".to_owned()),
            Self::Float(float) => float_key(float),
            Self::Text(text) => text,
        })
    }
}

/// A number that has no fraction is a whole one in JSON.
fn number(float: f64) -> Result<Number, String> {
    // As Go writes it: with the fewest digits that say which one it is.
    let whole = float.to_string();
    if float.fract() == 0.0 && float.abs() < 1e21 && whole != "-0" {
        if let Ok(number) = whole.parse::<i64>() {
            return Ok(number.into());
        }
        if let Ok(number) = whole.parse::<u64>() {
            return Ok(number.into());
        }
    }
    Number::from_f64(float).ok_or_else(|| "JSON has no such number".to_owned())
}

/// As kubectl writes it: in single precision, with an exponent where it is large or small.
fn float_key(float: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "kubectl's keys have single precision")]
    let single = float as f32;
    if !single.is_finite() {
        let name = if single.is_nan() {
            ".nan"
        } else if single > 0.0 {
            ".inf"
        } else {
            "-.inf"
        };
        return name.to_owned();
    }
    let scientific = format!("{single:e}");
    let parts = scientific.split_once('e');
    let exponent: i32 = parts
        .and_then(|(_, exponent)| exponent.parse().ok())
        .unwrap_or_default();
    match parts {
        Some((digits, _)) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => single.to_string(),
    }
}

/// What to say about a word without quotes that people may have meant as text.
pub(super) fn surprise(text: &str, word: &Word) -> Option<String> {
    let meaning = match word {
        Word::Bool(truth) if !text.eq_ignore_ascii_case(&truth.to_string()) => truth.to_string(),
        Word::Integer(number) if number.to_string() != text => number.to_string(),
        Word::Float(float) if text.starts_with('0') && !text.starts_with("0.") || text.contains(['e', 'E', '_']) => {
            number(*float).ok()?.to_string()
        }
        _ => return None,
    };
    Some(meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_may_be_meant_as_text_are_told() {
        for (text, expected) in [
            ("yes", Some("true")),
            ("off", Some("false")),
            ("true", None),
            ("TRUE", None),
            ("0755", Some("493")),
            ("08", Some("8")),
            ("0x1F", Some("31")),
            ("1_000", Some("1000")),
            ("12e5", Some("1200000")),
            ("1.5", None),
            ("0.5", None),
            ("42", None),
            ("-1", None),
            ("text", None),
        ] {
            assert_eq!(surprise(text, &plain(text)).as_deref(), expected, "{text}");
        }
    }
}
