//! Numbers of a JSON text that would not be written again as they are.

/// No number of this many digits loses any.
const DIGITS: usize = 17;

/// Errors: the first number that has more digits than a number of the library.
pub(super) fn check(text: &str) -> Result<(), &str> {
    let mut rest = text;
    while let Some(at) = rest.find(|character: char| character == '"' || character.is_ascii_digit()) {
        rest = &rest[at..];
        if let Some(inner) = rest.strip_prefix('"') {
            rest = &inner[string_end(inner)..];
            continue;
        }
        let is_part = |character: char| character.is_ascii_digit() || "+-.eE".contains(character);
        let length = rest.find(|character| !is_part(character)).unwrap_or(rest.len());
        let number = &rest[..length];
        let digits = number.chars().filter(char::is_ascii_digit).count();
        let is_whole = number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok();
        if digits > DIGITS && !is_whole {
            return Err(number);
        }
        rest = &rest[length..];
    }
    Ok(())
}

/// Where a string ends, after its first quote.
fn string_end(inner: &str) -> usize {
    let mut is_escaped = false;
    for (at, character) in inner.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    inner.len()
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn long_numbers_are_found_outside_of_strings() {
        for text in [
            "{\"a\": 1, \"b\": \"123456789012345678901\\\"123456789012345678901\"}",
            "18446744073709551615",
            "[-9223372036854775808, 0.1, 1e300]",
            "\"",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        assert_eq!(check("[1, 123456789012345678901]"), Err("123456789012345678901"));
        assert_eq!(check("{\"x\": 0.1000000000000000055}"), Err("0.1000000000000000055"));
    }
}
