//! Certificates in texts of the project.

use x509_parser::pem::Pem;

/// Why a certificate of a text cannot be trusted as that of an authority; `None` if all can, or there is none.
pub(super) fn why_no_anchor(text: &str, now: i64) -> Option<String> {
    let blocks = Pem::iter_from_buffer(text.as_bytes()).filter_map(Result::ok);
    for pem in blocks.filter(|pem| pem.label == "CERTIFICATE") {
        let Ok(certificate) = pem.parse_x509() else {
            return Some("a certificate that cannot be read".to_owned());
        };
        // Before version 3, certificates do not say whether they are those of authorities.
        if certificate.version().0 == 2 && !certificate.is_ca() {
            return Some("the certificate of a server or client: it signs nothing (`CA:FALSE`)".to_owned());
        }
        if certificate.validity().not_after.timestamp() < now {
            return Some("it has expired".to_owned());
        }
    }
    None
}
