//! A resource's attributes before and after, in words beside its name and in blocks below it.

use super::TextOptions;
use super::diff;
use super::layout::indented;
use super::line::Sign;
use super::sanitize::one_line;
use super::style::{Tone, grouped, paint, width};
use crate::change::{Attribute, Attributed, Before, ResourceChange, ResourceKind};

/// Longer values are shown in a block of their own, in characters.
const LONG: usize = 120;
const HIDDEN: &str = "[hidden]";
const HIDDEN_CONTENT: &str = "[hidden: not everybody on the host may read this file]";

/// What is to be said of a change's attributes.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// A few words each.
    pub(super) words: Vec<String>,
    /// What stays as it is, a few words each.
    pub(super) kept: Vec<String>,
    /// Lines below.
    pub(super) block: Vec<String>,
}

/// One attribute on both sides.
enum Side<'a> {
    Comes(&'a Attribute),
    Goes(&'a Attribute),
    Turns(&'a Attribute, &'a Attribute),
    Stays(&'a Attribute),
}

/// What differs, what comes and what goes.
pub(super) fn shown(change: &ResourceChange, options: &TextOptions) -> Shown {
    let nothing = Attributed::new();
    let before = match &change.before {
        Before::Present(before) => before,
        Before::Absent | Before::Unknown(_) => &nothing,
    };
    let after = change.after.as_ref().unwrap_or(&nothing);
    let mut shown = Shown::default();
    let ownership = ownership(before, after);
    for (name, side) in sides(before, after) {
        match &ownership {
            Some(_) if matches!(name, "owner" | "group") => {}
            Some(words) if name == "mode" => shown.words.insert(0, words.clone()),
            _ => shown.add(change.id.kind, name, &side, options),
        }
    }
    shown
}

fn sides<'a>(before: &'a Attributed, after: &'a Attributed) -> Vec<(&'static str, Side<'a>)> {
    let new = after.iter().map(|(name, new)| match before.get(name) {
        None => (*name, Side::Comes(new)),
        Some(old) if old == new => (*name, Side::Stays(new)),
        Some(old) => (*name, Side::Turns(old, new)),
    });
    let gone = before.iter().filter(|(name, _)| !after.contains_key(*name));
    new.chain(gone.map(|(name, old)| (*name, Side::Goes(old)))).collect()
}

/// `0644 root:root` for what comes or goes with all three.
fn ownership(before: &Attributed, after: &Attributed) -> Option<String> {
    let text = |attributes: &Attributed, name: &str| match attributes.get(name) {
        Some(Attribute::Known(text)) => Some(one_line(text)),
        _ => None,
    };
    let all = |attributes: &Attributed| {
        let (mode, owner) = (text(attributes, "mode")?, text(attributes, "owner")?);
        Some(format!("{mode} {owner}:{}", text(attributes, "group")?))
    };
    match (before.is_empty(), after.is_empty()) {
        (true, false) => all(after),
        (false, true) => all(before).map(|words| format!("was {words}")),
        _ => None,
    }
}

impl Shown {
    fn add(&mut self, kind: ResourceKind, name: &str, side: &Side<'_>, options: &TextOptions) {
        let label = label(kind, name);
        match side {
            Side::Stays(value) => self.kept.push(kept(name, value)),
            Side::Comes(value) => self.add_whole(name, &label, value, Sign::Added, options),
            Side::Goes(value) => self.add_whole(name, &label, value, Sign::Removed, options),
            Side::Turns(old, new) => self.add_turn(name, &label, old, new, options),
        }
    }

    fn add_whole(&mut self, name: &str, label: &str, value: &Attribute, sign: Sign, options: &TextOptions) {
        let was = if sign == Sign::Removed { "was " } else { "" };
        match value {
            Attribute::Known(text) if is_block(name, text) => {
                if text.is_empty() {
                    self.words.push(format!("{was}empty"));
                }
                self.add_block(name, diff::listed(text, sign, options));
            }
            _ => self.words.push(format!("{was}{label}{}", words(name, value, options))),
        }
    }

    fn add_turn(&mut self, name: &str, label: &str, old: &Attribute, new: &Attribute, options: &TextOptions) {
        match (old, new) {
            (Attribute::Secret(_), _) | (_, Attribute::Secret(_)) => {
                self.words.push(format!("{name} changes {}", hidden(name)));
            }
            (Attribute::Known(old), Attribute::Known(new)) if is_block(name, old) && is_block(name, new) => {
                self.add_block(name, diff::compared(old, new, options));
            }
            (Attribute::Known(old), Attribute::Known(new)) if !is_block(name, old) && !is_block(name, new) => {
                self.words.push(format!("{label}{} → {}", one_line(old), one_line(new)));
            }
            _ => {
                let side = |value: &Attribute, count_of: &str| match value {
                    Attribute::Known(text) if is_block(name, text) => format!("{count_of} below"),
                    Attribute::Unknown(why) if count_of == "the text" => format!("(not known: {})", one_line(why)),
                    other => words(name, other, options),
                };
                self.words.push(format!(
                    "{label}{} → {}",
                    side(old, "the text"),
                    side(new, "the new text")
                ));
                for (value, sign) in [(old, Sign::Removed), (new, Sign::Added)] {
                    if let Attribute::Known(text) = value
                        && is_block(name, text)
                    {
                        self.add_block(name, diff::listed(text, sign, options));
                    }
                }
            }
        }
    }

    fn add_block(&mut self, name: &str, lines: Vec<String>) {
        if name == "content" {
            self.block.extend(lines);
        } else {
            self.block.push(paint(Tone::Faint, &format!("{name}:")));
            self.block.extend(indented(lines, 2));
        }
    }
}

/// What stands before a value; values that say themselves what they are stand alone.
fn label(kind: ResourceKind, name: &str) -> String {
    match (kind, name) {
        (ResourceKind::Unit, "active" | "enabled") | (ResourceKind::Package, "version") => String::new(),
        _ => format!("{name} "),
    }
}

fn kept(name: &str, value: &Attribute) -> String {
    match value {
        Attribute::Known(text) if !is_block(name, text) => format!("{name} {}", one_line(text)),
        _ => name.to_owned(),
    }
}

/// Whether a value is shown as lines of its own.
fn is_block(name: &str, text: &str) -> bool {
    if name == "content" {
        return !is_stand_in(text);
    }
    text.contains('\n') || width(text) > LONG
}

/// Content that cannot be shown comes as a few words in brackets.
fn is_stand_in(text: &str) -> bool {
    (text.starts_with("[binary, ") || text.starts_with("[a large file, "))
        && text.ends_with(']')
        && !text.contains('\n')
}

fn words(name: &str, value: &Attribute, options: &TextOptions) -> String {
    match value {
        Attribute::Known(text) if text.is_empty() => "none".to_owned(),
        Attribute::Known(text) => short(&one_line(text), options),
        Attribute::Unknown(why) => known_after_apply(why, options),
        Attribute::Secret(_) => hidden(name).to_owned(),
    }
}

fn hidden(name: &str) -> &'static str {
    if name == "content" { HIDDEN_CONTENT } else { HIDDEN }
}

/// `(known after apply)`, with its reason where that is short or asked for.
pub(super) fn known_after_apply(why: &str, options: &TextOptions) -> String {
    let why = one_line(why);
    if why.is_empty() || (width(&why) > LONG / 2 && !options.verbose) {
        return "(known after apply)".to_owned();
    }
    format!("(known after apply: {why})")
}

fn short(text: &str, options: &TextOptions) -> String {
    let count = width(text);
    if count <= 2 * LONG || options.full_diff {
        return text.to_owned();
    }
    let head: String = text.chars().take(LONG).collect();
    format!("{head}…[{} more characters]", grouped(count - LONG))
}
