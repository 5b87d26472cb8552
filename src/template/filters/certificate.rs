//! The filter `certificate_not_after`.

use minijinja::{Error, Value};
use x509_parser::pem::Pem;

use super::taken::{text, wrong};
use crate::template::watch::is_unknown;

const FILTER: &str = "certificate_not_after";

/// When a certificate expires, in seconds since 1970, as metrics have it; of several, which one expires first.
pub(super) fn not_after(value: &Value) -> Result<Value, Error> {
    if is_unknown(value) {
        return Ok(value.clone());
    }
    let text = text(FILTER, value, "give it the text of a certificate")?;
    let ends: Option<Vec<i64>> = Pem::iter_from_buffer(text.as_bytes())
        .map(|pem| {
            let pem = pem.ok()?;
            let certificate = pem.parse_x509().ok()?;
            Some(certificate.validity().not_after.timestamp())
        })
        .collect();
    let first = ends.and_then(|ends| ends.into_iter().min());
    first.map(Value::from).ok_or_else(|| {
        wrong(
            format!("`{FILTER}`: this is not a certificate"),
            "it needs whole certificates in PEM",
            "give it a text that starts with `-----BEGIN CERTIFICATE-----`",
        )
    })
}
