//! Which quotes of a shell are open at a place of a command.

/// The text of a command, as far as it was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Quotes {
    open: Vec<Quote>,
    before: Option<char>,
    is_escaped: bool,
    has_document: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quote {
    Single,
    Double,
    /// `$( … )`, also in double quotes.
    Command,
    Backtick,
}

/// A place where a quoted word is not one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Quotes,
    Document,
}

impl Place {
    /// A title and a hint.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Quotes => (
                "a quoted value between quotes",
                "remove the quotes around it: `| quote` adds its own",
            ),
            Self::Document => (
                "a quoted value in a here-document",
                "write the text with `files.put`, or hand it over with `printf %s`",
            ),
        }
    }
}

impl Quotes {
    /// Reads on in the text.
    pub(super) fn read(&mut self, text: &str) {
        for character in text.chars() {
            self.one(character);
            self.before = Some(character);
        }
        self.has_document = self.has_document || is_document(text);
    }

    fn one(&mut self, character: char) {
        if std::mem::take(&mut self.is_escaped) {
            return;
        }
        match (self.open.last(), character) {
            (Some(Quote::Single), other) if other != '\'' => {}
            (open, '\\') if open != Some(&Quote::Single) => self.is_escaped = true,
            (Some(Quote::Single), _)
            | (Some(Quote::Double), '"')
            | (Some(Quote::Command), ')')
            | (Some(Quote::Backtick), '`') => {
                self.open.pop();
            }
            (_, '`') => self.open.push(Quote::Backtick),
            (_, '(') if self.before == Some('$') => self.open.push(Quote::Command),
            (Some(Quote::Double), _) => {}
            (_, '\'') => self.open.push(Quote::Single),
            (_, '"') => self.open.push(Quote::Double),
            _ => {}
        }
    }

    /// A value stands here.
    pub(super) fn word(&mut self) {
        self.before = None;
        self.is_escaped = false;
    }

    /// Why a quoted word is no word here.
    pub(super) fn open(&self) -> Option<Place> {
        match self.open.last() {
            Some(Quote::Single | Quote::Double) => Some(Place::Quotes),
            _ if self.has_document => Some(Place::Document),
            _ => None,
        }
    }
}

/// Whether a here-document begins in the text: `<<END`, but not `<<<` and not `$((1 << 2))`.
fn is_document(text: &str) -> bool {
    text.match_indices("<<").any(|(at, sign)| {
        let before = text[..at].chars().next_back();
        let after = text[at + sign.len()..].chars().next();
        before != Some('<')
            && after.is_some_and(|next| next.is_alphabetic() || ['_', '-', '\'', '"', '\\'].contains(&next))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str) -> Option<Place> {
        let mut quotes = Quotes::default();
        quotes.read(text);
        quotes.open()
    }

    #[test]
    fn a_word_is_a_word_outside_of_quotes() {
        for outside in [
            "echo ",
            "echo 'a' ",
            "echo \"a\" ",
            "x=\"$(echo ",
            "echo \\' ",
            "echo `",
            "a <<< ",
            "echo $((1 << 2)) ",
        ] {
            assert_eq!(after(outside), None, "{outside}");
        }
        for inside in [
            "echo '",
            "echo \"",
            "echo \"a $(b) ",
            "echo \"$(echo '",
            "sh -c \"a ",
            "echo 'it'\\''s ",
        ] {
            assert_eq!(after(inside), Some(Place::Quotes), "{inside}");
        }
        assert_eq!(after("cat <<EOF\n"), Some(Place::Document));
        assert_eq!(after("cat <<-'EOF'\n"), Some(Place::Document));
    }
}
