//! Properties of datasets, named and grouped as zfsprops(7) does.

/// Those that can be set, in the order shown.
pub(super) const SETTABLE: &[&str] = &[
    "mountpoint",
    "canmount",
    "quota",
    "refquota",
    "reservation",
    "refreservation",
    "volsize",
    "recordsize",
    "volblocksize",
    "compression",
    "encryption",
    "keyformat",
    "keylocation",
    "atime",
    "relatime",
    "acltype",
    "xattr",
    "dnodesize",
    "sync",
    "logbias",
    "dedup",
    "checksum",
    "copies",
    "primarycache",
    "secondarycache",
    "special_small_blocks",
    "snapdir",
    "exec",
    "setuid",
    "devices",
    "readonly",
    "sharenfs",
    "sharesmb",
    "casesensitivity",
    "normalization",
    "utf8only",
];

/// Under which those are shown that have no name above, such as `com.sun:auto-snapshot`.
pub(super) const OTHER: &str = "other properties";

/// Those that `zfs get -p` shows in bytes.
const SIZES: [&str; 8] = [
    "quota",
    "refquota",
    "reservation",
    "refreservation",
    "volsize",
    "recordsize",
    "volblocksize",
    "special_small_blocks",
];

/// Those that are chosen when a dataset is created.
const CHOSEN_ONCE: [&str; 7] = [
    "casesensitivity",
    "encryption",
    "keyformat",
    "normalization",
    "pbkdf2iters",
    "utf8only",
    "volblocksize",
];

const UNITS: [char; 6] = ['K', 'M', 'G', 'T', 'P', 'E'];

/// Whether it cannot be changed later.
pub(super) fn is_chosen_once(name: &str) -> bool {
    CHOSEN_ONCE.contains(&name)
}

/// Whether a person made it up: those have a `:`, and any value.
pub(super) fn is_user_property(name: &str) -> bool {
    name.contains(':')
}

/// Whether `zfs` means the same by what it answers and what is wished.
pub(super) fn are_same(name: &str, answer: &str, wish: &str) -> bool {
    if answer == wish {
        return true;
    }
    if !SIZES.contains(&name) {
        return false;
    }
    let bytes = |text: &str| if text == "none" { Some(0) } else { bytes(text) };
    bytes(answer).is_some_and(|size| bytes(wish) == Some(size))
}

/// As a person writes it: sizes with the largest unit that leaves nothing over.
pub(super) fn readable(name: &str, value: &str) -> String {
    let size = SIZES.contains(&name).then(|| value.parse::<u64>().ok()).flatten();
    match size {
        None => value.to_owned(),
        Some(0) => "none".to_owned(),
        Some(size) => {
            let (mut size, mut unit) = (size, None);
            for larger in UNITS {
                if size % 1024 != 0 {
                    break;
                }
                (size, unit) = (size / 1024, Some(larger));
            }
            unit.map_or_else(|| size.to_string(), |unit| format!("{size}{unit}"))
        }
    }
}

/// A size such as `1.5G`, `10GiB` or `4096`, in bytes. The units are powers of 1024, as zfs(8) has them.
fn bytes(text: &str) -> Option<u64> {
    let upper = text.to_ascii_uppercase();
    let text = upper
        .strip_suffix("IB")
        .or_else(|| upper.strip_suffix('B'))
        .unwrap_or(&upper);
    let (digits, power) = match text
        .chars()
        .last()
        .and_then(|last| UNITS.iter().position(|unit| *unit == last))
    {
        Some(index) => (&text[..text.len() - 1], u32::try_from(index).ok()? + 1),
        None => (text, 0),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || !part.chars().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number = format!("{whole}{part}").parse::<u128>().ok()?;
    let size = number.checked_mul(1024_u128.pow(power))? / 10_u128.checked_pow(u32::try_from(part.len()).ok()?)?;
    u64::try_from(size).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_compared_in_bytes() {
        for (name, answer, wish, same) in [
            ("quota", "107374182400", "100G", true),
            ("quota", "107374182400", "100GiB", true),
            ("quota", "107374182400", "100g", true),
            ("quota", "107374182400", "100T", false),
            ("quota", "0", "none", true),
            ("quota", "0", "0", true),
            ("recordsize", "131072", "128K", true),
            ("recordsize", "1048576", "1M", true),
            ("volsize", "1610612736", "1.5G", true),
            ("volsize", "164926744166", "0.15T", true),
            ("volsize", "4096", "4096", true),
            ("volsize", "1", ".5", false),
            ("volsize", "1", "1.x", false),
            ("volsize", "0", "99999999999999999999E", false),
            ("refreservation", "auto", "auto", true),
            ("quota", "1", "x", false),
            ("quota", "0", "", false),
            ("compression", "zstd", "zstd", true),
            ("compression", "1024", "1K", false),
            ("com.sun:auto-snapshot", "0", "none", false),
        ] {
            assert_eq!(are_same(name, answer, wish), same, "{name} {answer} {wish}");
        }
    }

    #[test]
    fn sizes_are_shown_as_people_write_them() {
        for (name, value, shown) in [
            ("quota", "107374182400", "100G"),
            ("quota", "0", "none"),
            ("recordsize", "131072", "128K"),
            ("volsize", "1000", "1000"),
            ("refreservation", "none", "none"),
            ("copies", "2", "2"),
        ] {
            assert_eq!(readable(name, value), shown);
            assert!(are_same(name, value, shown));
        }
    }
}
