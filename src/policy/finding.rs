//! What a lint finds, and where.

use crate::error::{Origin, SourceFile};

/// Where something is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) origin: Origin,
    /// Which line of which rendered file is meant, if the place is only what the file is made from.
    pub(super) within: Option<String>,
}

impl Place {
    /// The very place.
    pub(super) fn at(origin: &Origin) -> Self {
        Self {
            origin: origin.clone(),
            within: None,
        }
    }

    /// The place of `key` on the same line; if it is not there, the start of the line. A value may be a secret.
    pub(super) fn of_key(&self, key: &str) -> Self {
        let Origin { file, span } = &self.origin;
        if file.text.get(span.clone()) == Some(key) {
            return self.clone();
        }
        let start = file.text[..span.start].rfind('\n').map_or(0, |at| at + 1);
        let line = file.text[start..].lines().next().unwrap_or_default();
        let found = line.find(key).map(|at| start + at..start + at + key.len());
        Self {
            origin: Origin::new(file, found.unwrap_or(start..start)),
            within: self.within.clone(),
        }
    }

    /// The same without what is written beside it: the line may hold a secret.
    pub(super) fn hidden(&self) -> Self {
        Self {
            origin: without_rest(&self.origin),
            within: self.within.clone(),
        }
    }
}

/// Something that a lint finds.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) title: String,
    pub(super) place: Place,
    /// What to say under the excerpt.
    pub(super) label: String,
    /// The operation of the scene that it is about.
    pub(super) operation: Option<usize>,
    /// Whether the line is shown without its value.
    pub(super) is_hidden: bool,
}

impl Finding {
    pub(super) fn new(title: impl Into<String>, place: Place, label: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            place,
            label: label.into(),
            operation: None,
            is_hidden: false,
        }
    }

    /// The same, of an operation of the scene.
    pub(super) fn of(mut self, operation: Option<usize>) -> Self {
        self.operation = operation;
        self
    }

    /// The same, with the value on its line hidden.
    pub(super) fn hiding(mut self) -> Self {
        self.is_hidden = true;
        self
    }
}

/// The place in a copy of its file in which its line holds nothing else. Offsets up to the place stay.
fn without_rest(origin: &Origin) -> Origin {
    let text = &origin.file.text;
    let start = text[..origin.span.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[origin.span.end..]
        .find('\n')
        .map_or(text.len(), |at| origin.span.end + at);
    let before = &text[start..origin.span.start];
    let before = if before.contains(['=', ':', '"', '\'']) {
        " ".repeat(before.len())
    } else {
        before.to_owned()
    };
    let rest = &text[origin.span.end..end];
    let separator = rest.find(['=', ':']).map_or("", |at| &rest[at..=at]);
    let shown = &text[origin.span.clone()];
    let hidden = format!("{}{before}{shown} {separator} …{}", &text[..start], &text[end..]);
    Origin::new(&SourceFile::new(&origin.file.path, hidden), origin.span.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_shown_without_its_values() {
        for (line, key, shown) in [
            ("admin_password = \"hunter2\"", "admin_password", "admin_password = …"),
            ("  \"password\": \"hunter2\",", "password", "   password : …"),
            (
                "x = { token = \"abc\", password = \"hunter2\" }",
                "password",
                "                     password = …",
            ),
            ("PASSWORD=hunter2", "PASSWORD", "PASSWORD = …"),
        ] {
            let text = format!("a = 1\n{line}\nb = 2\n");
            let at = text.rfind(key).expect("a key");
            let origin = Origin::new(&SourceFile::new("f", text), at..at + key.len());
            let hidden = without_rest(&origin);
            assert_eq!(hidden.file.text.lines().nth(1), Some(shown));
            assert_eq!(hidden.line_column(), origin.line_column());
            assert_eq!(hidden.file.text.lines().last(), Some("b = 2"));
        }
    }

    #[test]
    fn the_place_of_a_key_never_has_its_value() {
        for (text, at, shown) in [
            ("a: { PASSWORD: hunter2 }\n", "hunter2", "     PASSWORD : …"),
            ("- name: PASSWORD\n  value: hunter2\n", "hunter2", " : …"),
            ("['hunter2']\n", "'hunter2'", "  …"),
        ] {
            let start = text.find(at).expect("a value");
            let origin = Origin::new(&SourceFile::new("f", text), start..start + at.len());
            let place = Place::at(&origin).of_key("PASSWORD").hidden();
            let line = place.origin.line_column().0;
            assert_eq!(place.origin.file.text.lines().nth(line - 1), Some(shown), "{text}");
        }
    }
}
