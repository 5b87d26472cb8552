//! TOML text to [`Value`]s with positions.

use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Entry, Kind, Table, Value, syntax};
use crate::error::{Diagnostic, Origin, SourceFile};

/// Parses a whole TOML file.
///
/// Errors: every syntax error of the file, and integers beyond 64 bits.
pub fn parse_toml(file: &Arc<SourceFile>) -> Result<Table, Vec<Diagnostic>> {
    let (table, errors) = DeTable::parse_recoverable(&file.text);
    if !errors.is_empty() {
        return Err(syntax::mistakes(file, &errors, table.get_ref()));
    }
    convert_table(file, table.get_ref()).map_err(|diagnostic| vec![diagnostic])
}

fn convert_table(file: &Arc<SourceFile>, table: &DeTable<'_>) -> Result<Table, Diagnostic> {
    table
        .iter()
        .map(|(key, value)| {
            let entry = Entry {
                key: Some(Origin::new(file, key.span())),
                value: convert(file, value)?,
            };
            Ok((key.get_ref().to_string(), entry))
        })
        .collect()
}

fn convert(file: &Arc<SourceFile>, value: &Spanned<DeValue<'_>>) -> Result<Value, Diagnostic> {
    let origin = Origin::new(file, value.span());
    let kind = match value.get_ref() {
        DeValue::String(text) => Kind::String(text.to_string()),
        DeValue::Integer(number) => {
            Kind::Integer(i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| out_of_range(&origin))?)
        }
        DeValue::Float(number) => Kind::Float(number.as_str().parse().map_err(|_| {
            Diagnostic::new("invalid float")
                .at(&origin, "not a number")
                .hint("write a number such as `1.5`")
        })?),
        DeValue::Boolean(truth) => Kind::Bool(*truth),
        DeValue::Datetime(moment) => Kind::String(moment.to_string()),
        DeValue::Array(items) => Kind::List(items.iter().map(|item| convert(file, item)).collect::<Result<_, _>>()?),
        DeValue::Table(table) => Kind::Table(convert_table(file, table)?),
    };
    Ok(Value {
        kind,
        origin: Some(origin),
    })
}

fn out_of_range(origin: &Origin) -> Diagnostic {
    Diagnostic::new("integer out of range")
        .at(origin, "does not fit in 64 bits")
        .hint("put it in quotes if it can be a string")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_positions_of_keys_and_values() {
        let file = SourceFile::new("t.toml", "[[operation]]\nop = \"x\"\npackages = [ \"a\", 2 ]\n");
        let table = parse_toml(&file).expect("valid");
        let Kind::List(operations) = &table["operation"].value.kind else {
            panic!("a list")
        };
        let operation = operations[0].as_table().expect("a table");
        assert_eq!(
            operation["packages"].key.as_ref().expect("key").to_string(),
            "t.toml:3:1"
        );
        let Kind::List(packages) = &operation["packages"].value.kind else {
            panic!("a list")
        };
        assert_eq!(packages[1].origin.as_ref().expect("origin").to_string(), "t.toml:3:19");
    }

    #[test]
    fn reports_every_syntax_error() {
        let errors = parse_toml(&SourceFile::new("t.toml", "a = \nb = 1\nc == 2\n")).expect_err("invalid");
        assert!(errors.len() >= 2, "{errors:?}");
        assert_eq!(errors[0].origin().expect("place").line_column().0, 1);
    }

    #[test]
    fn mistakes_between_any_characters_are_reported() {
        for text in [
            // Found by chance: what is read as a key of the table begins behind a letter of two bytes.
            "-\nfacts.os0'''when = {%1e9=ä[[ =\"vars.\u{202e}%}when = a.b.c = 1{#item-",
            "a = {b=ä[[ = 1",
            "a = {ä{{",
            "a = ä{{ b }}",
            "a = 🙂{{ b }}",
            "a = {🙂",
            "{{ä}}",
        ] {
            let file = SourceFile::new("t.toml", text);
            let errors = parse_toml(&file).expect_err("invalid");
            for place in errors.iter().flat_map(|error| &error.labels) {
                assert!(file.text.get(place.origin.span.clone()).is_some(), "{text}: {place:?}");
            }
        }
    }

    #[test]
    fn refuses_integers_beyond_64_bits() {
        let errors = parse_toml(&SourceFile::new("t.toml", "a = 99999999999999999999")).expect_err("invalid");
        assert_eq!(errors[0].to_string(), "t.toml:1:5: integer out of range");
    }
}
