//! Dotted names of data, such as `grafana.admin_password` and `users[].password`.

use std::fmt::Write as _;

/// A step from a table or list to what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A key of a table.
    Key(String),
    /// An item of a list, counted from 0.
    Item(usize),
}

/// The way from the top of a file, or of a host's data, to a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataPath(pub Vec<Step>);

/// The folder with certificates, each with its private key.
pub const CERTIFICATES: &str = "pki";

/// The private key in the file of a certificate.
pub const PRIVATE_KEY: &str = "key";

impl DataPath {
    /// The name that the private key of the certificate called `name` is bound to. No data of hosts has such a name.
    pub fn of_certificate(name: &str) -> Self {
        let file = format!("{CERTIFICATES}/{name}");
        Self(vec![Step::Key(file), Step::Key(PRIVATE_KEY.to_owned())])
    }

    /// Reads a dotted name; items of lists are `users[0]`, and keys with dots stand in double quotes.
    ///
    /// Errors: where it cannot be read, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut rest = text;
        loop {
            let (key, after) = key(rest).ok_or_else(|| format!("`{text}` is not a dotted name"))?;
            steps.push(Step::Key(key));
            rest = after;
            while let Some(inner) = rest.strip_prefix('[') {
                let (number, after) = inner.split_once(']').ok_or_else(|| format!("`{text}` lacks a `]`"))?;
                let number = number
                    .parse()
                    .map_err(|_| format!("`{number}` in `{text}` is not the number of an item"))?;
                steps.push(Step::Item(number));
                rest = after;
            }
            if rest.is_empty() {
                return Ok(Self(steps));
            }
            rest = rest
                .strip_prefix('.')
                .ok_or_else(|| format!("`{text}` is not a dotted name"))?;
        }
    }

    /// The same with one more step.
    #[must_use]
    pub fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// The name that a value is bound to. Items of a list have one name, so that a list can be sorted.
    pub fn name(&self) -> String {
        self.written(|_| String::new())
    }

    /// The name of exactly this value.
    pub fn exact(&self) -> String {
        self.written(|item| item.to_string())
    }

    fn written(&self, item: impl Fn(usize) -> String) -> String {
        let mut text = String::new();
        for step in &self.0 {
            match step {
                Step::Key(key) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push_str(&quoted(key));
                }
                Step::Item(number) => {
                    let _ = write!(text, "[{}]", item(*number));
                }
            }
        }
        text
    }
}

fn is_bare(key: &str) -> bool {
    let is_plain = |one: char| one.is_ascii_alphanumeric() || one == '_' || one == '-';
    !key.is_empty() && key.chars().all(is_plain)
}

fn quoted(key: &str) -> String {
    if is_bare(key) {
        return key.to_owned();
    }
    serde_json::Value::from(key).to_string()
}

/// The key at the start of `text`, and what follows it.
fn key(text: &str) -> Option<(String, &str)> {
    if text.starts_with('"') {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
        let key = values.next()?.ok()?;
        let end = values.byte_offset();
        return Some((key, &text[end..]));
    }
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (key, rest) = text.split_at(end);
    (!key.is_empty() && !key.contains(char::is_whitespace)).then(|| (key.to_owned(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in [
            "a",
            "grafana.admin_password",
            "users[2].keys[0]",
            r#"sites."a.b"."c \"d\"""#,
        ] {
            assert_eq!(DataPath::parse(text).expect("valid").exact(), text);
        }
        let path = DataPath::parse("users[2].password").expect("valid");
        assert_eq!(path.name(), "users[].password");
        for text in ["", ".", "a.", "a..b", "a[", "a[x]", "a[0]b", "a b"] {
            DataPath::parse(text).expect_err(text);
        }
    }
}
