//! The look of an encrypted value of data, `ENC[age,BASE64]`. Files for hosts cannot have one: only data is decrypted.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How an encrypted value begins.
pub const ENCRYPTED_START: &str = "ENC[age,";
/// How it ends.
pub const ENCRYPTED_END: &str = "]";
/// How the file format of age begins.
const HEADER: &[u8] = b"age-encryption.org/";

/// The place of the first whole encrypted value in a text. Text that only speaks of such values has none.
pub fn encrypted_value(text: &str) -> Option<Range<usize>> {
    let starts = text.match_indices(ENCRYPTED_START).map(|(start, _)| start);
    let mut values = starts.filter_map(|start| {
        let rest = &text[start + ENCRYPTED_START.len()..];
        let length = rest.find(ENCRYPTED_END)?;
        let packed: String = rest[..length].split_whitespace().collect();
        let bytes = STANDARD.decode(packed).ok()?;
        let end = start + ENCRYPTED_START.len() + length + ENCRYPTED_END.len();
        bytes.starts_with(HEADER).then_some(start..end)
    });
    values.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_value_counts() {
        let value = format!("ENC[age,{}]", STANDARD.encode("age-encryption.org/v1\n-> X25519 abc\n"));
        let text = format!("# ENC[age,…] is a secret\nA: {value}\n");
        let found = encrypted_value(&text).expect("a value");
        assert_eq!(text[found], value);
        let folded = value.replacen("ENC[age,YWdl", "ENC[age,YWdl\n    ", 1);
        assert_eq!(encrypted_value(&folded), Some(0..folded.len()));
        for text in [
            "ENC[age,",
            "ENC[age,]",
            "ENC[age,AAAA]",
            "ENC[AES256_GCM,data:AAAA,type:str]",
            &value[..value.len() - 1],
        ] {
            assert_eq!(encrypted_value(text), None, "{text}");
        }
    }
}
