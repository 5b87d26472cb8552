//! A secret, and the decoys that show what was made of it.
//!
//! No mark on a text survives a filter such as `b64encode`. So whatever uses a secret is evaluated three times: with the secret,
//! and with two decoys of the same length and kinds of characters. What differs between the three came from the secret.

use std::fmt;

use super::mask::{LATER, MASK, mask};

/// What a secret is replaced by while something is evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum World {
    /// The secret itself.
    #[default]
    Real,
    /// The first decoy.
    First,
    /// The second decoy.
    Second,
}

impl World {
    /// All three, the real one first.
    pub const ALL: [Self; 3] = [Self::Real, Self::First, Self::Second];
}

/// The type of the value whose text a secret is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sort {
    #[default]
    Text,
    Integer,
    Float,
    Bool,
}

/// What the worlds of a text stand for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Cover {
    /// A value that is known only after something was applied. No world is the real one then.
    Later,
    /// The same of a secret.
    LaterSecret,
    /// A secret.
    #[default]
    Secret,
}

impl Cover {
    /// Whether something stands in for the real value.
    pub fn is_later(self) -> bool {
        self != Self::Secret
    }

    /// What is shown in place of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Later | Self::LaterSecret => LATER,
            Self::Secret => MASK,
        }
    }
}

/// Text that came from a secret, whole or in part. It prints with `[secret]` in place of what came from it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Secret {
    /// In each world.
    texts: Box<[String; 3]>,
    sort: Sort,
    /// Whether all of it is hidden, also its layout.
    is_whole: bool,
    cover: Cover,
}

impl Secret {
    /// A text that is secret as a whole.
    pub fn new(text: impl Into<String>) -> Self {
        Self::whole(text, Sort::Text)
    }

    /// The same for the text of a value of another type.
    pub fn whole(text: impl Into<String>, sort: Sort) -> Self {
        let text = text.into();
        let decoys = [1, 2].map(|step| decoy(&text, sort, step));
        let [first, second] = decoys;
        Self {
            texts: Box::new([text, first, second]),
            sort,
            is_whole: true,
            cover: Cover::Secret,
        }
    }

    /// A text that was made of secrets: this is what it is in each world.
    pub fn of_worlds(texts: [String; 3], sort: Sort) -> Self {
        let [real, first, second] = &texts;
        let is_whole = *first == decoy(real, sort, 1) && *second == decoy(real, sort, 2);
        Self {
            texts: Box::new(texts),
            sort,
            is_whole,
            cover: Cover::Secret,
        }
    }

    /// The same text, whose worlds stand for what `cover` says.
    #[must_use]
    pub fn covered_by(mut self, cover: Cover) -> Self {
        self.cover = cover;
        self
    }

    /// What its worlds stand for.
    pub fn cover(&self) -> Cover {
        self.cover
    }

    /// The text itself, to send it to a host.
    pub fn expose(&self) -> &str {
        self.in_world(World::Real)
    }

    /// The text in a world.
    pub fn in_world(&self, world: World) -> &str {
        &self.texts[world as usize]
    }

    /// The type of the value.
    pub fn sort(&self) -> Sort {
        self.sort
    }

    /// Whether no part of it may be shown.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The text with `[secret]` in place of what came from a secret.
    pub fn masked(&self) -> String {
        if self.is_whole {
            return self.cover.as_str().to_owned();
        }
        let [real, first, second] = &*self.texts;
        mask([real, first, second], self.cover.as_str())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.masked())
    }
}

/// Nothing of it stays in memory that is free for others.
impl Drop for Secret {
    fn drop(&mut self) {
        self.texts.iter_mut().for_each(zeroize::Zeroize::zeroize);
    }
}

/// A text of the same length and lines that differs from `text`, and from that of another step, in every character.
fn decoy(text: &str, sort: Sort, step: u8) -> String {
    if sort == Sort::Bool {
        return if step == 1 { text == "false" } else { text == "true" }.to_string();
    }
    let is_blank = text.chars().all(|one| matches!(one, '\n' | '\r'));
    text.chars()
        .map(|one| match one {
            '\n' | '\r' if !is_blank => one,
            '-' | '.' if sort != Sort::Text => one,
            '0'..='9' => turned(one, '0', 10, step),
            'a'..='z' => turned(one, 'a', 26, step),
            'A'..='Z' => turned(one, 'A', 26, step),
            other => stand_in(other, usize::from(step)),
        })
        .collect()
}

fn turned(one: char, first: char, count: u8, step: u8) -> char {
    let (one, first) = (one as u8, first as u8);
    char::from(first + (one - first + step) % count)
}

/// Another character of the same length in bytes that no file format has a use for.
fn stand_in(one: char, step: usize) -> char {
    let others = match one.len_utf8() {
        1 => ['_', '-', '.', '+'],
        2 => ['é', 'ö', 'ß', 'я'],
        3 => ['日', '本', '語', '字'],
        _ => ['😀', '😁', '😂', '😃'],
    };
    let mut rest = others.into_iter().filter(|other| *other != one);
    rest.nth(step - 1).unwrap_or('_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_a_mask() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "[secret] [secret]");
    }

    #[test]
    fn decoys_differ_in_every_character_and_keep_length_and_lines() {
        for text in ["hunter2", "Zz9-_. \t", "a\nb c\r\nd", "x", "\n", "ü日😀{}\"'\\", "0"] {
            let secret = Secret::new(text);
            let worlds = World::ALL.map(|world| secret.in_world(world));
            for (one, other) in [(0, 1), (0, 2), (1, 2)] {
                assert_eq!(worlds[one].len(), worlds[other].len(), "{text:?}");
                let pairs = worlds[one].chars().zip(worlds[other].chars());
                let same: String = pairs.filter(|(a, b)| a == b).map(|(a, _)| a).collect();
                let lines = text.chars().filter(|one| "\n\r".contains(*one));
                let kept: String = if text == "\n" { String::new() } else { lines.collect() };
                assert_eq!(same, kept, "{worlds:?}");
            }
        }
    }

    #[test]
    fn decoys_of_numbers_are_numbers() {
        for (text, sort) in [("-80", Sort::Integer), ("1.5", Sort::Float), ("true", Sort::Bool)] {
            let secret = Secret::whole(text, sort);
            for world in World::ALL {
                let text = secret.in_world(world);
                let is_read = match sort {
                    Sort::Integer => text.parse::<i64>().is_ok(),
                    Sort::Float => text.parse::<f64>().is_ok(),
                    _ => text.parse::<bool>().is_ok(),
                };
                assert!(is_read, "{text}");
            }
        }
    }
}
