//! The times of a line of a crontab(5).

/// One of the five fields.
pub(super) struct Field {
    /// The parameter that it is given by.
    pub(super) name: &'static str,
    least: u32,
    most: u32,
    /// Words for its numbers, the first for `least`.
    words: &'static [&'static str],
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// In the order of a line.
pub(super) const FIELDS: [Field; 5] = [
    Field::new("minute", 0, 59, &[]),
    Field::new("hour", 0, 23, &[]),
    Field::new("day_of_month", 1, 31, &[]),
    Field::new("month", 1, 12, &MONTHS),
    Field::new("day_of_week", 0, 7, &DAYS),
];

/// What may stand in place of the five fields, after `@`.
pub(super) const SPECIAL_TIMES: [&str; 8] = [
    "reboot", "yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly",
];

impl Field {
    const fn new(name: &'static str, least: u32, most: u32, words: &'static [&'static str]) -> Self {
        Self {
            name,
            least,
            most,
            words,
        }
    }

    /// Whether cron understands `text`: `*`, `5`, `1-5`, `*/15`, `mon`, and lists of these.
    pub(super) fn takes(&self, text: &str) -> bool {
        text.split(',').all(|part| {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(step)),
                None => (part, None),
            };
            let is_range = match range.split_once('-') {
                _ if range == "*" => true,
                Some((first, last)) => {
                    matches!((self.number(first), self.number(last)), (Some(first), Some(last)) if first <= last)
                }
                None => step.is_none() && self.number(range).is_some(),
            };
            is_range && step.is_none_or(|step| number(step).is_some_and(|step| (1..=self.most).contains(&step)))
        })
    }

    fn number(&self, text: &str) -> Option<u32> {
        let lower = text.to_ascii_lowercase();
        let of_word = self.words.iter().zip(self.least..).find(|(word, _)| **word == lower);
        let found = of_word.map(|(_, number)| number).or_else(|| number(text));
        found.filter(|number| (self.least..=self.most).contains(number))
    }

    /// What to write instead of `text`.
    pub(super) fn hint(&self, text: &str) -> String {
        let lower = text.to_ascii_lowercase();
        match self.words.iter().find(|word| lower.starts_with(**word)) {
            Some(word) => format!("write `\"{word}\"`"),
            None if number(text).is_some() => format!("write a number from {} to {}", self.least, self.most),
            None => "write it as in crontab(5), such as \"*/15\"".to_owned(),
        }
    }

    /// What it takes, in words.
    pub(super) fn describe(&self) -> String {
        let words = match self.words {
            [first, .., last] => format!(", or `{first}` to `{last}`"),
            _ => String::new(),
        };
        format!(
            "numbers from {} to {}{words}, with `*`, `-`, `,` and `/`",
            self.least, self.most
        )
    }
}

fn number(text: &str) -> Option<u32> {
    let is_digits = !text.is_empty() && text.chars().all(|character| character.is_ascii_digit());
    is_digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_cron_reads_them() {
        let [minute, hour, day_of_month, month, day_of_week] = &FIELDS;
        for (field, text) in [
            (minute, "*"),
            (minute, "0,15,30,45"),
            (minute, "*/15"),
            (minute, "10-50/20,3"),
            (hour, "23"),
            (day_of_month, "1-7"),
            (month, "Jan,jul"),
            (day_of_week, "mon-fri"),
            (day_of_week, "7"),
        ] {
            assert!(field.takes(text), "{} {text}", field.name);
        }
        for (field, text) in [
            (minute, "60"),
            (minute, ""),
            (minute, "5/10"),
            (minute, "*/0"),
            (minute, "30-10"),
            (minute, "1,"),
            (minute, "-1"),
            (minute, "+5"),
            (hour, "24"),
            (day_of_month, "0"),
            (month, "january"),
            (day_of_week, "8"),
            (day_of_week, "* *"),
        ] {
            assert!(!field.takes(text), "{} {text}", field.name);
        }
    }
}
