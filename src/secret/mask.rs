//! What of a text came from a secret: the parts that differ between its worlds.

/// What is shown in place of a secret.
pub const MASK: &str = "[secret]";
/// What is shown in place of what is known later.
pub const LATER: &str = "(known after apply)";

/// The first of three texts with `cover` in place of what differs, up to the ends of the words. If the texts do not have the
/// same lines, all of it is hidden.
pub(super) fn mask(worlds: [&str; 3], cover: &str) -> String {
    let lines = worlds.map(|text| text.split('\n').collect::<Vec<_>>());
    let [real, first, second] = &lines;
    if real.len() != first.len() || real.len() != second.len() {
        let end = if worlds[0].ends_with('\n') { "\n" } else { "" };
        return format!("{cover}{end}");
    }
    let masked = (0..real.len()).map(|at| mask_line([real[at], first[at], second[at]], cover));
    masked.collect::<Vec<_>>().join("\n")
}

fn mask_line(worlds: [&str; 3], cover: &str) -> String {
    if worlds[0] == worlds[1] && worlds[0] == worlds[2] {
        return worlds[0].to_owned();
    }
    let [real, first, second] = worlds.map(|text| text.chars().collect::<Vec<_>>());
    let mut is_hidden = if real.len() == first.len() && real.len() == second.len() {
        (0..real.len())
            .map(|at| real[at] != first[at] || real[at] != second[at])
            .collect()
    } else {
        between(&real, &[&first, &second])
    };
    widen(&real, &mut is_hidden);
    pad(&real, &mut is_hidden);
    let mut masked = String::new();
    let mut at = 0;
    while at < real.len() {
        if !is_hidden[at] {
            masked.push(real[at]);
            at += 1;
            continue;
        }
        // Words of one secret, with a space between them, are one.
        while at < real.len() && (is_hidden[at] || (real[at] == ' ' && is_hidden.get(at + 1) == Some(&true))) {
            at += 1;
        }
        masked.push_str(cover);
    }
    // Where the real text lacks what a decoy has, there is no character to hide.
    if !masked.contains(cover) {
        masked.push_str(cover);
    }
    masked
}

/// Everything between the common start and the common end.
fn between(real: &[char], others: &[&[char]; 2]) -> Vec<bool> {
    let shortest = others.iter().map(|other| other.len()).min().unwrap_or_default();
    let shortest = shortest.min(real.len());
    let head = (0..shortest).take_while(|at| others.iter().all(|other| other[*at] == real[*at]));
    let head = head.count();
    let from_end = |text: &[char], back: usize| text[text.len() - 1 - back];
    let tail = (0..shortest - head).take_while(|back| {
        let one = from_end(real, *back);
        others.iter().all(|other| from_end(other, *back) == one)
    });
    let tail = real.len() - tail.count();
    // At least the words at its edge, where the real text has nothing of its own.
    let (start, end) = if head < tail {
        (head, tail)
    } else {
        (head.saturating_sub(1), (tail + 1).min(real.len()))
    };
    (0..real.len()).map(|at| (start..end).contains(&at)).collect()
}

/// Hides words whole: a part of one, as of a digest, may be the same by chance.
fn widen(text: &[char], is_hidden: &mut [bool]) {
    for at in 1..text.len() {
        if is_hidden[at - 1] && is_word(text[at]) && is_word(text[at - 1]) {
            is_hidden[at] = true;
        }
    }
    for at in (1..text.len()).rev() {
        if is_hidden[at] && is_word(text[at]) && is_word(text[at - 1]) {
            is_hidden[at - 1] = true;
        }
    }
}

/// Hides the signs that fill up Base64.
fn pad(text: &[char], is_hidden: &mut [bool]) {
    for at in 1..text.len() {
        let rest = text[at..].iter().find(|one| **one != '=');
        if is_hidden[at - 1] && text[at] == '=' && rest.is_none_or(|one| !is_word(*one)) {
            is_hidden[at] = true;
        }
    }
}

/// Whether a character is part of a word, such as a digest or Base64.
fn is_word(one: char) -> bool {
    !one.is_whitespace() && !"\"'`=:;,()[]{}<>|&@".contains(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_hidden_up_to_the_ends_of_its_words() {
        for (worlds, expected) in [
            (["a b", "a b", "a b"], "a b"),
            (["pw=x1y c", "pw=x2y c", "pw=x3y c"], "pw=[secret] c"),
            (["u:x@h", "u:y@h", "u:z@h"], "u:[secret]@h"),
            (["x", "y", "z"], "[secret]"),
            // Equal by chance in all three.
            (["k aXb", "k cXd", "k eXf"], "k [secret]"),
            (["a: \"x y\"", "a: \"z_w\"", "a: \"q-r\""], "a: \"[secret]\""),
            (["u=a p=b", "u=a p=c", "u=a p=d"], "u=a p=[secret]"),
            (["x YQ==", "x Yg==", "x Yw=="], "x [secret]"),
            // Other lengths.
            (["k = 'a'", "k = abc", "k = d"], "k = [secret]"),
            (["on", "", "on"], "[secret]"),
            (["", "x", "x"], "[secret]"),
            (["x", "xx", "xxx"], "[secret]"),
            (["a\nb\n", "a\nc\n", "a\nd\n"], "a\n[secret]\n"),
            (["a\nb\n", "a\n", "a\n"], "[secret]\n"),
        ] {
            assert_eq!(mask(worlds, MASK), expected, "{worlds:?}");
        }
    }
}
